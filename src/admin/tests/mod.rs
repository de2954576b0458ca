//! The API as a client sees it, without a socket: the router over a registry in memory.

mod conditions;
mod input;
mod metrics;
mod openapi;
mod roles;
mod services;
mod watching;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, watch};
use tower::ServiceExt;

use super::auth::AuthState;
use super::inquiry::Inquiry;
use super::routes::{Admin, router};
use super::status::{ReloadReport, ReloadResult, Status};
use super::v1::NativePicker;
use crate::alert::desk;
use crate::config::{
    AdminAuth, AdminLimits, AdminToken, Registry as Settings, Role, service_pattern,
};
use crate::model::Phase;
use crate::registry::{Registry, open};
use crate::store::{AlertGround, Memory};
use crate::telemetry::Metrics;
use crate::telemetry::log::Levels;
use crate::telemetry::ring::Ring;
use crate::webhook::{Board, Reach};

/// An API of its own for one test.
pub(super) struct Api {
    router: Router,
    pub registry: Registry,
    pub limits: Arc<ArcSwap<AdminLimits>>,
    pub metrics: Metrics,
    pub ring: Arc<Ring>,
    _phase: watch::Sender<Phase>,
    _alerts: desk::Running,
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> String {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}"));
        value.to_str().unwrap().to_owned()
    }

    /// The pointers or parameters of all mistakes, sorted.
    pub fn mistakes(&self) -> Vec<String> {
        let json = self.json();
        let errors = json["errors"].as_array().cloned().unwrap_or_default();
        let place = |e: &Value| {
            let place = e["pointer"].as_str().or(e["parameter"].as_str());
            place.unwrap_or_default().to_owned()
        };
        let mut places: Vec<_> = errors.iter().map(place).collect();
        places.sort();
        places
    }
}

/// Tokens that the API of a test knows; each is its own name.
pub(super) const TOKENS: [(&str, Role); 4] = [
    ("viewer", Role::Viewer),
    ("registrar", Role::Registrar),
    ("operator", Role::Operator),
    ("admin", Role::Admin),
];

fn auth() -> AdminAuth {
    let token = |(name, role): (&str, Role)| AdminToken {
        name: name.to_owned(),
        sha256: Sha256::digest(name).into(),
        role,
        services: vec![service_pattern("web-*").unwrap()],
    };
    AdminAuth { anonymous: Some(Role::Viewer), tokens: TOKENS.map(token).into(), jwt: None }
}

fn status() -> Status {
    Status {
        version: String::new(),
        process_id: 0,
        started_unix_seconds: 0.0,
        contracts: Vec::new(),
        last_reload: ReloadReport {
            result: ReloadResult::Applied,
            cause: String::new(),
            unix_seconds: 0.0,
            took_ms: 0.0,
            reasons: Vec::new(),
            warnings: Vec::new(),
            changes: Vec::new(),
            needs_restart: Vec::new(),
        },
        listeners: Default::default(),
        routes: Vec::new(),
        services: Default::default(),
        route_table: Vec::new(),
        strategies: Vec::new(),
    }
}

impl Api {
    pub async fn new() -> Self {
        let settings = Settings { drain_timeout: Duration::ZERO, ..Settings::default() };
        let (registry, writer) = open(Arc::new(Memory::default()), settings).await.unwrap();
        tokio::spawn(writer.run());
        let (phase, phases) = watch::channel(Phase::Serving);
        let (reload, _) = mpsc::channel(1);
        let limits = Arc::new(ArcSwap::from_pointee(AdminLimits {
            max_request_bytes: 4096,
            max_watchers: 2,
            ..AdminLimits::default()
        }));
        let setup = desk::Setup { plan: Arc::default(), channels: desk::Channels::default() };
        let (_, setups) = watch::channel(Some(Arc::new(setup)));
        let ground = Box::pin(std::future::ready(AlertGround::default()));
        let memory = desk::Memory { store: Arc::new(Memory::default()), ground };
        let (desk, alerts, _) =
            desk::start(setups, &registry, memory, Metrics::new().desk()).unwrap();
        let (inquiry, mut inquiries) = Inquiry::new();
        tokio::spawn(async move {
            while let Some(request) = inquiries.recv().await {
                let _ = request.answer.send(Arc::new(status()));
            }
        });
        let (metrics, ring) = (Metrics::new(), Arc::<Ring>::default());
        let router = router(Admin {
            metrics: metrics.clone(),
            ring: ring.clone(),
            levels: Levels::default(),
            inquiry,
            desk,
            reload,
            phase: phases,
            registry: registry.clone(),
            auth: Arc::new(ArcSwap::from_pointee(AuthState::load(&auth()).unwrap())),
            limits: limits.clone(),
            picker: Arc::new(NativePicker::default()),
            checks: Arc::default(),
            deliveries: Board::new(Reach::Network),
            backup_directory: None,
        });
        Self { router, registry, limits, metrics, ring, _phase: phase, _alerts: alerts }
    }

    /// Sends a request from this machine.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        self.send_from("127.0.0.1:5000", request).await
    }

    pub async fn send_from(&self, address: &str, mut request: Request<Body>) -> Answer {
        let address: SocketAddr = address.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(address));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Asks as an admin.
    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.send(asked("admin", method, path, body)).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None).await
    }

    /// Registers an instance at `10.0.0.1`.
    pub async fn register(&self, service: &str, id: &str, mut more: Value) -> Answer {
        more["host"] = "10.0.0.1".into();
        more["port"] = 80.into();
        let path = format!("/v1/services/{service}/instances/{id}");
        let answer = self.ask("PUT", &path, Some(more)).await;
        assert!(answer.status.is_success(), "{answer:?}");
        answer
    }

    /// The body of an answer, as it comes.
    pub async fn stream(&self, path: &str, headers: &[(&str, &str)]) -> Body {
        let mut request = asked("admin", "GET", path, None);
        for (name, value) in headers {
            let name: axum::http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.into_body()
    }
}

/// A request of whoever has a token; `""` = none.
pub(super) fn asked(token: &str, method: &str, path: &str, body: Option<Value>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    match body {
        None => request.body(Body::empty()).unwrap(),
        Some(body) => request
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap(),
    }
}

//! The REST API: one file a resource, in words of its own. Nothing of the inside is serialised as it is.
//!
//! Everything under `/v1` is limited by address ([`rate`](super::rate)), then asked who it is
//! ([`auth`](super::auth)); handlers say which role they need by the extractor that they take.

mod alert_channels;
mod alert_history;
mod alerts;
mod audit;
mod backup;
mod check_body;
mod convert;
mod cursor;
mod deprecation;
mod discover;
mod duty;
mod events;
mod filter;
mod groups;
mod health;
mod heartbeats;
mod instance_body;
mod instance_view;
mod instances;
mod log_level;
mod metrics;
mod metrics_view;
mod newest;
mod openapi;
mod pick;
mod prometheus;
mod proxy;
mod service_body;
mod service_view;
mod services;
mod silences;
mod state;
mod subscriptions;
mod versions;
mod wait;
mod watch;
mod words;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use axum::http::HeaderName;
use axum::{Router, middleware};
use serde::Serialize;
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use pick::{NATIVE, NativePicker, PickError, Picker};
pub use state::service_state;

use super::auth::{AuthState, Caller, identify};
use super::inquiry::Inquiry;
use super::rate::{Rate, limit};
use crate::alert::desk::Desk;
use crate::config::AdminLimits;
use crate::model::{Check, CheckName, UnixMillis};
use crate::registry::{Note, Registry};
use crate::telemetry::log::Levels;
use crate::telemetry::ring::Ring;
use crate::webhook::Board;
pub(super) use state::States;

/// The checks that the configuration names: registrations may.
pub type Checks = BTreeMap<CheckName, Arc<Check>>;

/// The index of what is answered, for the next question.
pub(super) const INDEX: HeaderName = HeaderName::from_static("x-proconsul-index");

/// What the handlers need; a copy is one pointer.
#[derive(Clone)]
pub(super) struct Api(Arc<Handles>);

/// Narrow handles to what the API shows and changes.
pub(super) struct Handles {
    pub registry: Registry,
    pub ring: Arc<Ring>,
    pub levels: Levels,
    pub auth: Arc<ArcSwap<AuthState>>,
    pub limits: Arc<ArcSwap<AdminLimits>>,
    pub picker: Arc<dyn Picker>,
    pub checks: Arc<ArcSwap<Checks>>,
    pub inquiry: Inquiry,
    pub desk: Desk,
    pub deliveries: Board,
    pub backup_directory: Option<PathBuf>,
    pub rate: Rate,
    pub states: States,
    /// A place for each client that may watch.
    pub watchers: Arc<Semaphore>,
}

impl Deref for Api {
    type Target = Handles;

    fn deref(&self) -> &Handles {
        &self.0
    }
}

impl Api {
    pub fn new(handles: Handles) -> Self {
        Self(Arc::new(handles))
    }

    /// Has the audit log show what somebody did.
    fn done(&self, caller: &Caller, action: &'static str, subject: &str, after: &impl Serialize) {
        self.registry.note(Note::Done {
            author: caller.author(),
            action,
            subject: subject.to_owned(),
            after: serde_json::to_string(after).unwrap_or_default(),
        });
    }
}

fn now() -> UnixMillis {
    UnixMillis::of(SystemTime::now())
}

/// Everything under `/v1`, `/openapi.json` and `/docs`.
pub(super) fn router(api: Api) -> Router {
    let documented = OpenApiRouter::with_openapi(openapi::frame())
        .routes(routes!(services::list))
        .routes(routes!(services::get, services::describe, services::forget))
        .routes(routes!(discover::discover, instances::register_new))
        .routes(routes!(
            instances::get,
            instances::register,
            instances::patch,
            instances::deregister
        ))
        .routes(routes!(heartbeats::beat))
        .routes(routes!(heartbeats::beat_all))
        .routes(routes!(duty::maintain, duty::call_back))
        .routes(routes!(pick::pick))
        .routes(routes!(watch::watch))
        .routes(routes!(versions::list))
        .routes(routes!(versions::deprecate, versions::restore))
        .routes(routes!(versions::compatible))
        .routes(routes!(health::of_service))
        .routes(routes!(health::of_all))
        .routes(routes!(groups::list))
        .routes(routes!(groups::maintain, groups::call_back))
        .routes(routes!(groups::drain))
        .routes(routes!(subscriptions::list, subscriptions::subscribe))
        .routes(routes!(subscriptions::get, subscriptions::unsubscribe))
        .routes(routes!(events::list))
        .routes(routes!(events::watch))
        .routes(routes!(audit::list))
        .routes(routes!(alerts::list, alerts::post))
        .routes(routes!(alert_history::list))
        .routes(routes!(silences::list, silences::add))
        .routes(routes!(silences::expire))
        .routes(routes!(alert_channels::list))
        .routes(routes!(alert_channels::test))
        .routes(routes!(alert_channels::resend))
        .routes(routes!(alert_channels::forget))
        .routes(routes!(proxy::routes))
        .routes(routes!(proxy::strategies))
        .routes(routes!(proxy::plugins))
        .routes(routes!(metrics::list))
        .routes(routes!(metrics::of_service))
        .routes(routes!(metrics::samples))
        .routes(routes!(prometheus::targets))
        .routes(routes!(log_level::get, log_level::set))
        .routes(routes!(backup::backup));
    let (router, document) = documented.split_for_parts();
    let guarded = router
        .route_layer(middleware::from_fn_with_state(api.clone(), identify))
        .route_layer(middleware::from_fn_with_state(api.clone(), limit))
        .with_state(api);
    guarded.merge(openapi::pages(document))
}

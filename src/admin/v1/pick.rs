//! `GET /v1/services/{service}/pick`: one instance, for clients that do not come through the proxy.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;
use utoipa::IntoParams;

use super::deprecation::{announce, deprecation_of};
use super::instance_view::InstanceView;
use super::services::index;
use super::{Api, INDEX, now};
use crate::admin::auth::Viewer;
use crate::admin::input::{At, Mistakes, Query, ServicePath};
use crate::admin::problem::{Problem, Told};
use crate::model::ServiceKey;
use crate::registry::{Instance, RegistryError};

/// Picks one of a service's instances.
pub trait Picker: Send + Sync {
    /// The place of the chosen one among `eligible`, which is not empty. `key` is the client's affinity
    /// key. May take as long as a strategy takes to be set up.
    fn pick(
        &self,
        service: &ServiceKey,
        eligible: &[Arc<Instance>],
        strategy: Option<&str>,
        key: Option<&str>,
    ) -> Result<usize, PickError>;
}

/// Why nobody was picked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PickError {
    #[error("is no strategy here; there are {known}")]
    NoStrategy { known: String },
    #[error("strategy `{strategy}` cannot be asked: {why}")]
    Unfit { strategy: String, why: String },
    #[error("no instance can be picked now")]
    Nobody,
}

/// Picks without any plugin, by weight.
#[derive(Debug, Default)]
pub struct NativePicker {
    turn: AtomicU64,
}

/// 2^64 divided by the golden ratio: the most even step there is.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// What [`NativePicker`] knows.
pub const NATIVE: [&str; 4] = ["weighted", "random", "least-connections", "rendezvous"];

impl Picker for NativePicker {
    fn pick(
        &self,
        _: &ServiceKey,
        eligible: &[Arc<Instance>],
        strategy: Option<&str>,
        key: Option<&str>,
    ) -> Result<usize, PickError> {
        let strategy = strategy.unwrap_or(key.map_or("weighted", |_| "rendezvous"));
        let key = key.map_or(0, |text| first_u64(&Sha256::digest(text.as_bytes())));
        let place = match strategy {
            "weighted" => by_share(eligible, self.turn.fetch_add(STEP, Ordering::Relaxed)),
            "random" => by_share(eligible, fastrand::u64(..)),
            "least-connections" => least_connections(eligible),
            "rendezvous" => rendezvous(eligible, key),
            _ => return Err(PickError::NoStrategy { known: NATIVE.join(", ") }),
        };
        place.ok_or(PickError::Nobody)
    }
}

/// On whose share of the weight `point` falls, where 2^64 is all of it.
fn by_share(eligible: &[Arc<Instance>], point: u64) -> Option<usize> {
    let weights = || eligible.iter().map(|instance| u64::from(instance.record.weight.get()));
    let sum: u64 = weights().sum();
    let mut point = u64::try_from((u128::from(point) * u128::from(sum)) >> 64).unwrap_or(0);
    weights().position(|weight| match point.checked_sub(weight) {
        Some(rest) => {
            point = rest;
            false
        }
        None => true,
    })
}

/// The fewest requests in flight for its weight: those that go through this proxy, and those that it tells of.
fn least_connections(eligible: &[Arc<Instance>]) -> Option<usize> {
    let busy = |instance: &Instance| {
        let told = instance.vitals.load().and_then(|(load, _)| load.in_flight).unwrap_or(0);
        let busy = instance.vitals.endpoint.active().max(told);
        f64::from(busy + 1) / f64::from(instance.record.weight.get())
    };
    let weighty = eligible.iter().enumerate().filter(|(_, i)| i.record.weight.get() > 0);
    weighty.min_by(|(_, a), (_, b)| busy(a).total_cmp(&busy(b))).map(|(place, _)| place)
}

/// Highest random weight (Thaler and Ravishankar 1998): each instance draws for the key, the best draw
/// wins, so that only the keys of one that leaves move.
fn rendezvous(eligible: &[Arc<Instance>], key: u64) -> Option<usize> {
    let draw = |instance: &Instance| {
        let mut hash = Sha256::new();
        hash.update(key.to_be_bytes());
        hash.update(instance.record.id.as_str());
        // In the open interval between 0 and 1.
        let uniform = (first_u64(&hash.finalize()) as f64 + 1.0) / (u64::MAX as f64 + 2.0);
        f64::from(instance.record.weight.get()) / -uniform.ln()
    };
    let weighty = eligible.iter().enumerate().filter(|(_, i)| i.record.weight.get() > 0);
    weighty.max_by(|(_, a), (_, b)| draw(a).total_cmp(&draw(b))).map(|(place, _)| place)
}

fn first_u64(digest: &[u8]) -> u64 {
    digest.iter().take(8).fold(0, |value, byte| (value << 8) | u64::from(*byte))
}

/// How to pick.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct How {
    /// `default` if absent.
    #[param(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_.:-]+$")]
    #[allow(dead_code, reason = "`ServicePath` reads it")]
    namespace: Option<String>,
    /// One that the configuration names, or `weighted`, `random`, `least-connections`, `rendezvous`; if absent,
    /// the one that serves the service here.
    strategy: Option<String>,
    /// Requests with the same key go to the same instance, where the strategy has it so: to the same as
    /// requests through the proxy whose `hash_on` finds this text.
    key: Option<String>,
}

/// Pick one instance that may be given a request.
#[utoipa::path(
    get,
    path = "/v1/services/{service}/pick",
    operation_id = "pick",
    tag = "instances",
    params(super::openapi::OfService, How),
    responses((status = 200, body = InstanceView), (status = 503, description = "No instance may be given requests", body = Told, content_type = "application/problem+json"))
)]
pub(super) async fn pick(
    State(api): State<Api>,
    _: Viewer,
    ServicePath(key): ServicePath,
    Query(how, mistakes): Query<How>,
) -> Result<Response, Problem> {
    mistakes.or(Some(()))?;
    let snapshot = api.registry.snapshot();
    let service =
        snapshot.services.get(&key).ok_or_else(|| RegistryError::NoService(key.clone()))?;
    let eligible = service.instances.values().filter(|instance| instance.is_eligible());
    let eligible: Vec<_> = eligible.cloned().collect();
    let nobody = || {
        let what = format!(
            "`{key}` has {} instances, none of which may be given requests",
            service.instances.len()
        );
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "nobody", what).with(header::RETRY_AFTER, "1")
    };
    if eligible.is_empty() {
        return Err(nobody());
    }
    let (asked, subject) = (api.clone(), key.clone());
    let (picked, eligible) = spawn_blocking(move || {
        let (strategy, affinity) = (how.strategy.as_deref(), how.key.as_deref());
        (asked.picker.pick(&subject, &eligible, strategy, affinity), eligible)
    })
    .await
    .map_err(|_| nobody())?;
    let place = picked.map_err(|error| match error {
        PickError::Unfit { .. } => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "strategy", error.to_string())
        }
        PickError::NoStrategy { .. } => {
            let mut mistakes = Mistakes::of_parameters();
            mistakes.add(&At::ROOT.key("strategy"), error.to_string());
            mistakes.into_problem()
        }
        PickError::Nobody => nobody(),
    })?;
    let instance = eligible.get(place).ok_or_else(nobody)?;
    let view = InstanceView::of(instance, &service.record).with_vitals(instance, now());
    let mut response = Json(view).into_response();
    announce(response.headers_mut(), deprecation_of(&instance.record, &service.record).into_iter());
    response.headers_mut().insert(INDEX, index(service.index));
    Ok(response)
}

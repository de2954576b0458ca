//! Heart-beats: one at a time, or those of many instances in one request, for agents.

use std::collections::HashMap;

use axum::Json;
use axum::extract::FromRequest;
use axum::extract::State;
use axum::http::header;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use crate::admin::auth::{Caller, InstanceRegistrar};
use crate::admin::input::{At, Body, InstancePath, MAX_BEATS, Mistakes, service_key};
use crate::admin::problem::{Mistake, Problem};
use crate::config::Time;
use crate::model::{InstanceId, ReportedLoad, ServiceKey};

/// What an instance says of its resources. Shares are from 0 to 1.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LoadBody {
    #[schema(minimum = 0, maximum = 1)]
    pub cpu: Option<f32>,
    #[schema(minimum = 0, maximum = 1)]
    pub memory: Option<f32>,
    #[schema(minimum = 0, maximum = 1)]
    pub disk: Option<f32>,
    /// Requests that it works on.
    pub in_flight: Option<u32>,
}

impl LoadBody {
    fn convert(self, at: &At<'_>, mistakes: &mut Mistakes) -> Option<ReportedLoad> {
        let Self { cpu, memory, disk, in_flight } = self;
        for (key, share) in [("cpu", cpu), ("memory", memory), ("disk", disk)] {
            if share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
                mistakes.add(&at.key(key), "is no share; allowed are 0 to 1");
            }
        }
        Some(ReportedLoad { cpu, memory, disk, in_flight })
    }
}

/// A heart-beat was taken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Beaten {
    /// Within which the next one has to come; absent = none has to.
    pub ttl: Option<String>,
}

/// Say that an instance is alive and, if it likes, how busy it is.
///
/// 404 means that it is not registered any more: register again.
#[utoipa::path(
    put,
    path = "/v1/services/{service}/instances/{instance}/heartbeat",
    operation_id = "heartbeat",
    tag = "instances",
    params(super::openapi::OfInstance, super::openapi::InNamespace),
    request_body = Option<LoadBody>,
    responses((status = 200, body = Beaten))
)]
pub(super) async fn beat(
    State(api): State<Api>,
    InstanceRegistrar { caller: _, path }: InstanceRegistrar,
    request: axum::extract::Request,
) -> Result<Json<Beaten>, Problem> {
    let load = match request.headers().contains_key(header::CONTENT_TYPE) {
        false => ReportedLoad::default(),
        true => {
            let body = Body::<LoadBody>::from_request(request, &api).await?;
            body.convert(|body, mistakes| body.convert(&At::ROOT, mistakes))?
        }
    };
    let InstancePath { service, instance } = path;
    let ttl = api.registry.heartbeat(&service, &instance, &load)?;
    Ok(Json(Beaten { ttl: ttl.map(|ttl| Time(ttl).to_string()) }))
}

/// Heart-beats of many instances.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BeatsBody {
    #[schema(max_items = 10000)]
    pub heartbeats: Vec<BeatBody>,
}

/// The heart-beat of one of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BeatBody {
    /// `default` if absent.
    pub namespace: Option<String>,
    pub service: String,
    pub instance: String,
    pub load: Option<LoadBody>,
}

/// What became of many heart-beats.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BeatenAll {
    /// Those that were taken.
    pub taken: usize,
    /// Those that were not; `pointer` tells which: the instance is to be registered again.
    pub unknown: Vec<Mistake>,
}

/// Send the heart-beats of many instances. Those of instances that are not known are listed.
#[utoipa::path(
    post,
    path = "/v1/heartbeats",
    operation_id = "heartbeats",
    tag = "instances",
    request_body = BeatsBody,
    responses((status = 200, body = BeatenAll))
)]
pub(super) async fn beat_all(
    State(api): State<Api>,
    caller: Caller,
    body: Body<BeatsBody>,
) -> Result<Json<BeatenAll>, Problem> {
    let beats = body.convert(convert)?;
    let mut allowed: HashMap<&ServiceKey, ()> = HashMap::new();
    for (service, _, _) in &beats {
        if allowed.insert(service, ()).is_none() {
            caller.may_register(service)?;
        }
    }
    let mut beaten = BeatenAll { taken: 0, unknown: Vec::new() };
    for (index, (service, instance, load)) in beats.iter().enumerate() {
        match api.registry.heartbeat(service, instance, load) {
            Ok(_) => beaten.taken += 1,
            Err(error) => beaten.unknown.push(Mistake {
                pointer: Some(format!("/heartbeats/{index}")),
                parameter: None,
                detail: error.to_string(),
            }),
        }
    }
    Ok(Json(beaten))
}

type Beat = (ServiceKey, InstanceId, ReportedLoad);

fn convert(body: BeatsBody, mistakes: &mut Mistakes) -> Option<Vec<Beat>> {
    let at = At::ROOT;
    let at = at.key("heartbeats");
    if body.heartbeats.len() > MAX_BEATS {
        mistakes.add(&at, format!("are more than {MAX_BEATS}"));
        return None;
    }
    let each = body.heartbeats.into_iter().enumerate().map(|(index, beat)| {
        let at = at.index(index);
        let BeatBody { namespace, service, instance, load } = beat;
        let service = service_key(namespace.as_deref(), &service, &at, mistakes);
        let instance = mistakes.take(&at.key("instance"), InstanceId::new(&instance));
        let load = load.unwrap_or_default().convert(&at.key("load"), mistakes);
        Some((service?, instance?, load?))
    });
    each.collect::<Vec<_>>().into_iter().collect()
}

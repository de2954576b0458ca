//! `/v1/subscriptions`: webhooks. Who subscribed sees and ends his own; an admin all.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::instances::apply;
use super::words::rfc3339;
use super::{Api, now};
use crate::admin::auth::{Caller, Viewer};
use crate::admin::input::{At, Body, MAX_URL_BYTES, Mistakes, service_key};
use crate::admin::problem::Problem;
use crate::config::Role;
use crate::registry::{Change, RegistryError};
use crate::store::Subscription;
use crate::webhook::{Delivery, check_url};

/// A shorter key can be guessed.
const MIN_SECRET_BYTES: usize = 16;
const MAX_SECRET_BYTES: usize = 256;

/// Random bytes of a key that the proxy makes.
const SECRET_BYTES: usize = 32;

/// Random bytes of a subscription's id.
const ID_BYTES: usize = 8;

/// Whoever is to be called back when a service changes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SubscriptionBody {
    /// `default` if absent.
    pub namespace: Option<String>,
    #[schema(min_length = 1, max_length = 128)]
    pub service: String,
    /// Where the service's state is posted to: `http` or `https`.
    #[schema(max_length = 2048, pattern = "^https?://", example = "https://hooks.example/web")]
    pub url: String,
    /// Key of the signature, 16 to 256 bytes; one is made if absent.
    #[schema(min_length = 16, max_length = 256)]
    pub secret: Option<String>,
}

/// A subscription.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SubscriptionView {
    pub id: String,
    pub namespace: String,
    pub service: String,
    pub url: String,
    /// Whose it is.
    pub owner: String,
    #[schema(format = DateTime)]
    pub created: String,
    /// Key of the signature: told once, when it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    pub delivery: DeliveryView,
}

/// How a subscription's calls go.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeliveryView {
    /// `waiting`, `delivered` or `failing`.
    pub status: &'static str,
    /// Index of the state that was taken last.
    pub index: u64,
    /// Failures in a row.
    pub failures: u32,
    /// Of the last failure.
    pub last_error: Option<String>,
    #[schema(format = DateTime)]
    pub last_attempt: Option<String>,
    #[schema(format = DateTime)]
    pub last_success: Option<String>,
}

/// All subscriptions that somebody may see.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SubscriptionsView {
    pub items: Vec<SubscriptionView>,
}

impl SubscriptionView {
    fn of(subscription: &Subscription, delivery: &Delivery) -> Self {
        let Subscription { id, service, url, secret: _, owner, created } = subscription;
        let Delivery { index, failures, last_error, last_attempt, last_success } = delivery.clone();
        Self {
            id: id.clone(),
            namespace: service.namespace.to_string(),
            service: service.name.to_string(),
            url: url.clone(),
            owner: owner.clone(),
            created: rfc3339(*created),
            secret: None,
            delivery: DeliveryView {
                status: match (failures, last_success) {
                    (0, None) => "waiting",
                    (0, Some(_)) => "delivered",
                    _ => "failing",
                },
                index,
                failures,
                last_error,
                last_attempt: last_attempt.map(rfc3339),
                last_success: last_success.map(rfc3339),
            },
        }
    }
}

/// Its owner, and an admin.
fn sees(caller: &Caller, subscription: &Subscription) -> bool {
    caller.role >= Role::Admin || *subscription.owner == *caller.name
}

/// List subscriptions: your own, or all, for an admin.
#[utoipa::path(
    get,
    path = "/v1/subscriptions",
    operation_id = "list_subscriptions",
    tag = "watching",
    responses((status = 200, body = SubscriptionsView))
)]
pub(super) async fn list(
    State(api): State<Api>,
    Viewer(caller): Viewer,
) -> Json<SubscriptionsView> {
    let all = api.registry.subscriptions();
    let seen = all.iter().filter(|subscription| sees(&caller, subscription));
    let items = seen.map(|s| SubscriptionView::of(s, &api.deliveries.of(&s.id)));
    Json(SubscriptionsView { items: items.collect() })
}

/// Look at a subscription and how its calls go.
#[utoipa::path(
    get,
    path = "/v1/subscriptions/{subscription}",
    operation_id = "get_subscription",
    tag = "watching",
    params(("subscription" = String, Path)),
    responses((status = 200, body = SubscriptionView))
)]
pub(super) async fn get(
    State(api): State<Api>,
    Viewer(caller): Viewer,
    Path(id): Path<String>,
) -> Result<Json<SubscriptionView>, Problem> {
    let all = api.registry.subscriptions();
    let found = all.iter().find(|s| s.id == id && sees(&caller, s));
    let found = found.ok_or(RegistryError::NoSubscription(id))?;
    Ok(Json(SubscriptionView::of(found, &api.deliveries.of(&found.id))))
}

/// Subscribe to a service: its state is posted to a URL, at once and whenever it changed.
///
/// Each call is signed: `X-Proconsul-Signature: t=<unix seconds>,v1=<hex>`, where `v1` is the HMAC-SHA256 of
/// `<t>.<body>` with the secret. What fails is tried again, less and less often; what changed meanwhile
/// comes in one call.
#[utoipa::path(
    post,
    path = "/v1/subscriptions",
    operation_id = "subscribe",
    tag = "watching",
    request_body = SubscriptionBody,
    responses((status = 201, body = SubscriptionView))
)]
pub(super) async fn subscribe(
    State(api): State<Api>,
    caller: Caller,
    body: Body<SubscriptionBody>,
) -> Result<Response, Problem> {
    let allowed = api.deliveries.reach();
    let made = body.convert(|body, mistakes: &mut Mistakes| {
        let SubscriptionBody { namespace, service, url, secret } = body;
        let at = At::ROOT;
        let service = service_key(namespace.as_deref(), &service, &at, mistakes);
        if url.len() > MAX_URL_BYTES {
            mistakes.add(&at.key("url"), format!("has more than {MAX_URL_BYTES} bytes"));
        }
        mistakes.take(&at.key("url"), check_url(&url, allowed));
        if secret
            .as_ref()
            .is_some_and(|s| !(MIN_SECRET_BYTES..=MAX_SECRET_BYTES).contains(&s.len()))
        {
            let bounds = format!("allowed are {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes");
            mistakes.add(&at.key("secret"), bounds);
        }
        Some((service?, url, secret))
    });
    let (service, url, secret) = made?;
    caller.may_register(&service)?;
    let subscription = Subscription {
        id: format!("s-{}", random_hex(ID_BYTES)?),
        service,
        url,
        secret: match secret {
            Some(secret) => secret,
            None => random_hex(SECRET_BYTES)?,
        },
        owner: caller.name.to_string(),
        created: now(),
    };
    apply(&api.registry, Change::Subscribe(subscription.clone()), &caller).await?;
    api.deliveries.stir();
    let mut view = SubscriptionView::of(&subscription, &Delivery::default());
    view.secret = Some(subscription.secret);
    let location = format!("/v1/subscriptions/{}", view.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(view)).into_response())
}

/// End a subscription.
#[utoipa::path(
    delete,
    path = "/v1/subscriptions/{subscription}",
    operation_id = "unsubscribe",
    tag = "watching",
    params(("subscription" = String, Path)),
    responses((status = 204, description = "It is ended"))
)]
pub(super) async fn unsubscribe(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let all = api.registry.subscriptions();
    if !all.iter().any(|subscription| subscription.id == id && sees(&caller, subscription)) {
        return Err(RegistryError::NoSubscription(id).into());
    }
    apply(&api.registry, Change::Unsubscribe(id), &caller).await?;
    api.deliveries.stir();
    Ok(StatusCode::NO_CONTENT)
}

/// From the system's own generator: these are secrets.
pub(super) fn random_hex(bytes: usize) -> Result<String, Problem> {
    use ring::rand::{SecureRandom, SystemRandom};
    let mut random = vec![0; bytes];
    SystemRandom::new().fill(&mut random).map_err(|_| {
        let what = "the system gives no random numbers";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "random", what)
    })?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

//! The API's description (OpenAPI 3.1), made of the handlers and their types, and a page to try it.

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::admin::problem::{Mistake, PROBLEM_JSON, Told};

const DESCRIPTION: &str = "Services register, stay registered by heart-beat, are found, watched and routed to. \
    Whatever is refused is refused with problem details (RFC 9457) that name every mistake.";

/// Methods of a path item.
const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

/// What may befall every request.
const REFUSALS: [(&str, &str); 5] = [
    ("400", "The request is malformed"),
    ("401", "Nobody is known by what was shown"),
    ("403", "This needs another role"),
    ("429", "Too many requests: come again after `Retry-After` seconds"),
    ("default", "It was refused"),
];

/// A service by its name.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes what `ServicePath` reads")]
pub(super) struct OfService {
    #[param(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_.:-]+$")]
    service: String,
}

/// An instance by its name.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes what `InstancePath` reads")]
pub(super) struct OfInstance {
    #[param(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_.:-]+$")]
    service: String,
    #[param(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_.:-]+$")]
    instance: String,
}

/// Which room of services is meant.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what `ServicePath` reads")]
pub(super) struct InNamespace {
    /// `default` if absent.
    #[param(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_.:-]+$")]
    namespace: Option<String>,
}

/// Changes that hold only while nothing else changed.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes what `Condition` reads")]
pub(super) struct OnCondition {
    /// The `ETag` that it had when you read it, or `*`: refuses with 412 if it was changed since.
    #[serde(rename = "If-Match")]
    if_match: Option<String>,
}

/// The document before its paths.
pub(super) fn frame() -> OpenApi {
    let components = ComponentsBuilder::new()
        .schema(Told::name(), Told::schema())
        .schema(Mistake::name(), Mistake::schema())
        .security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    let info = InfoBuilder::new()
        .title("Proconsul")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION));
    OpenApiBuilder::new().info(info.build()).components(Some(components.build())).build()
}

/// What all operations have in common is said here, once.
pub(super) fn complete(document: &OpenApi) -> Value {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    document["security"] = json!([{ "token": [] }, {}]);
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    let operations = paths.flat_map(|(_, item)| item.as_object_mut().into_iter().flatten());
    for (_, operation) in operations.filter(|(method, _)| METHODS.contains(&method.as_str())) {
        for (status, description) in REFUSALS {
            let schema = json!({ "$ref": "#/components/schemas/Problem" });
            let refusal = json!({
                "description": description,
                "content": { PROBLEM_JSON: { "schema": schema } },
            });
            let responses = operation["responses"].as_object_mut();
            responses.map(|responses| responses.entry(status).or_insert(refusal));
        }
    }
    document
}

/// `/openapi.json`, and `/docs` to try what it describes.
pub(super) fn pages(document: OpenApi) -> Router {
    let bytes = Bytes::from(complete(&document).to_string());
    let json = HeaderValue::from_static("application/json");
    let serve = move || {
        let (bytes, json) = (bytes.clone(), json.clone());
        async move { ([(header::CONTENT_TYPE, json)], bytes).into_response() }
    };
    Router::new()
        .route("/openapi.json", get(serve))
        .merge(SwaggerUi::new("/docs").config(Config::from("/openapi.json")))
}

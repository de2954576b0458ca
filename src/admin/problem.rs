//! What the API answers when it does not do what it was asked: problem details (RFC 9457), always, with
//! every mistake of a request at once.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::registry::RegistryError;

/// The media type of a problem.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// What every kind of problem begins with.
const KIND_PREFIX: &str = "urn:proconsul:problem:";

/// Why a request was not done. Boxed: it is rare, and would be carried through every good answer.
#[derive(Debug, Clone)]
pub struct Problem(Box<Told>);

/// What is told of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Told {
    /// What went wrong, for programs: `urn:proconsul:problem:` and a word that stays.
    #[serde(rename = "type")]
    kind: String,
    /// The same for all problems of this kind.
    title: &'static str,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What went wrong this time, and what to do.
    detail: String,
    /// Every mistake of the request; empty where the request itself was well-formed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Mistake>,
    #[serde(skip)]
    headers: HeaderMap,
}

/// One mistake of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Mistake {
    /// Where in the body: a JSON pointer (RFC 6901), such as `/checks/0/http/path`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Which parameter of the path or query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// What is wrong with it, and what is allowed.
    pub detail: String,
}

impl Problem {
    /// `kind` is a word for programs, `detail` a sentence for people.
    pub fn new(status: StatusCode, kind: &str, detail: impl Into<String>) -> Self {
        Self(Box::new(Told {
            kind: format!("{KIND_PREFIX}{kind}"),
            title: status.canonical_reason().unwrap_or("Problem"),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            headers: HeaderMap::new(),
        }))
    }

    /// A request that was understood and makes no sense.
    pub fn mistakes(errors: Vec<Mistake>) -> Self {
        let in_body = errors.iter().any(|mistake| mistake.pointer.is_some());
        let status = match in_body {
            true => StatusCode::UNPROCESSABLE_ENTITY,
            false => StatusCode::BAD_REQUEST,
        };
        let detail = match errors.as_slice() {
            [only] => format!("{}: {}", only.place(), only.detail),
            all => format!("{} mistakes; each is listed in `errors`", all.len()),
        };
        let mut problem = Self::new(status, "invalid", detail);
        problem.0.errors = errors;
        problem
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// With a header more.
    pub fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers.insert(name, value);
        }
        self
    }
}

impl Mistake {
    fn place(&self) -> &str {
        let place = self.pointer.as_deref().or(self.parameter.as_deref());
        place.filter(|place| !place.is_empty()).unwrap_or("the body")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let told = *self.0;
        let status = StatusCode::from_u16(told.status).unwrap_or(StatusCode::BAD_REQUEST);
        let body = serde_json::to_vec(&told).unwrap_or_default();
        let kind = HeaderValue::from_static(PROBLEM_JSON);
        let mut response = (status, body).into_response();
        response.headers_mut().extend(told.headers);
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        let (status, kind) = match &error {
            RegistryError::NoService(_) => (StatusCode::NOT_FOUND, "no-service"),
            RegistryError::NoInstance(..) => (StatusCode::NOT_FOUND, "no-instance"),
            RegistryError::NoGroup(_) => (StatusCode::NOT_FOUND, "no-group"),
            RegistryError::NoSubscription(_) => (StatusCode::NOT_FOUND, "no-subscription"),
            RegistryError::Conflict { .. } => (StatusCode::PRECONDITION_FAILED, "conflict"),
            RegistryError::Configured(..) => (StatusCode::CONFLICT, "configured"),
            RegistryError::NotEmpty(..) => (StatusCode::CONFLICT, "not-empty"),
            RegistryError::Full { .. } => (StatusCode::CONFLICT, "full"),
            RegistryError::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            RegistryError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "store"),
            RegistryError::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        };
        let problem = Self::new(status, kind, error.to_string());
        match status {
            StatusCode::SERVICE_UNAVAILABLE => problem.with(header::RETRY_AFTER, "1"),
            _ => problem,
        }
    }
}

//! A request's JSON body, of bounded size.

use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use super::decode::decode_value;
use super::mistakes::Mistakes;
use crate::admin::problem::Problem;
use crate::admin::v1::Api;

/// For a body to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A body, and the mistakes that it has so far: converting it may find more.
pub struct Body<T> {
    decoded: Option<T>,
    pub mistakes: Mistakes,
}

impl<T> Body<T> {
    /// Converts what could be decoded; all that is wrong is told together.
    pub fn convert<U>(
        mut self,
        convert: impl FnOnce(T, &mut Mistakes) -> Option<U>,
    ) -> Result<U, Problem> {
        let mistakes = &mut self.mistakes;
        let converted = self.decoded.and_then(|decoded| convert(decoded, mistakes));
        self.mistakes.or(converted)
    }
}

impl<T: DeserializeOwned> FromRequest<Api> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let bytes = read(request, api, &["application/json"]).await?;
        let mut mistakes = Mistakes::of_body();
        let first = match serde_json::from_slice(&bytes) {
            Ok(decoded) => return Ok(Self { decoded: Some(decoded), mistakes }),
            Err(error) => error,
        };
        let document = parse(&bytes)?;
        let decoded = decode_value(document, &mut mistakes);
        if mistakes.is_empty() {
            // `{"a": 1, "a": 2}`: the document's tree has one of them.
            mistakes.add_at(String::new(), first.to_string());
        }
        Ok(Self { decoded, mistakes })
    }
}

/// A body that is JSON, whatever it says.
pub async fn json_value(request: Request, api: &Api, kinds: &[&str]) -> Result<Value, Problem> {
    parse(&read(request, api, kinds).await?)
}

fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        let what = format!("the body is not JSON: {error}");
        Problem::new(StatusCode::BAD_REQUEST, "malformed", what)
    })
}

async fn read(request: Request, api: &Api, kinds: &[&str]) -> Result<Bytes, Problem> {
    let (mut parts, body) = request.into_parts();
    let kind = axum::http::HeaderMap::from_request_parts(&mut parts, api).await;
    let kind = kind.unwrap_or_default();
    let kind = kind.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let essence = kind.split(';').next().unwrap_or("").trim();
    if !kinds.iter().any(|kind| kind.eq_ignore_ascii_case(essence)) {
        let what =
            format!("the body has the media type `{essence}`: send `{}`", kinds.join("` or `"));
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", what));
    }
    let limit = api.limits.load().max_request_bytes;
    let Ok(read) = timeout(BODY_TIMEOUT, Limited::new(body, limit).collect()).await else {
        let what = format!("the body did not arrive within {BODY_TIMEOUT:?}");
        return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", what));
    };
    match read {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let what = format!("the body has more than {limit} bytes, as many as are taken");
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", what))
        }
        Err(error) => {
            let what = format!("the body did not arrive: {error}");
            Err(Problem::new(StatusCode::BAD_REQUEST, "malformed", what))
        }
    }
}

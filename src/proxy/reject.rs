//! Requests that the proxy answers itself, and what it says: one place for status and words.

use std::borrow::Cow;

use http::{HeaderValue, StatusCode, header};
use pingora_core::ErrorType::{
    self, ConnectTimedout, ConnectionClosed, HTTPStatus, ReadError, ReadTimedout,
    TLSHandshakeTimedout, WriteError, WriteTimedout,
};
use pingora_core::{Error, ErrorSource};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use serde_json::json;

use super::context::Inner;
use super::route::Target;
use crate::model::ServiceName;

/// Why a request is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// The request can be read in more than one way, or not at all.
    Malformed(&'static str),
    UriTooLong {
        bytes: usize,
        limit: usize,
    },
    HeadersTooLarge {
        bytes: usize,
        limit: usize,
    },
    TooManyHeaders {
        count: usize,
        limit: usize,
    },
    BodyTooLarge {
        limit: u64,
    },
    /// No route matches.
    NoRoute,
    /// Nobody of the service may take a request.
    NoEndpoint(ServiceName),
    /// The endpoints that were tried could not be reached.
    Unreachable(ServiceName),
    /// The upstream broke off or answered what is no HTTP.
    UpstreamFailed(ServiceName),
    /// The upstream did not answer in time.
    UpstreamLate(ServiceName),
    /// The client did not send its body in time.
    ClientLate,
    /// A fault of the proxy's own.
    Internal,
}

impl Rejection {
    /// The status that the client gets.
    pub fn status(&self) -> StatusCode {
        match self {
            Rejection::Malformed(_) => StatusCode::BAD_REQUEST,
            Rejection::UriTooLong { .. } => StatusCode::URI_TOO_LONG,
            Rejection::HeadersTooLarge { .. } | Rejection::TooManyHeaders { .. } => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Rejection::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Rejection::NoRoute => StatusCode::NOT_FOUND,
            Rejection::NoEndpoint(_) => StatusCode::SERVICE_UNAVAILABLE,
            Rejection::Unreachable(_) | Rejection::UpstreamFailed(_) => StatusCode::BAD_GATEWAY,
            Rejection::UpstreamLate(_) => StatusCode::GATEWAY_TIMEOUT,
            Rejection::ClientLate => StatusCode::REQUEST_TIMEOUT,
            Rejection::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// A word for logs and for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Rejection::Malformed(_) => "malformed_request",
            Rejection::UriTooLong { .. } => "uri_too_long",
            Rejection::HeadersTooLarge { .. } => "headers_too_large",
            Rejection::TooManyHeaders { .. } => "too_many_headers",
            Rejection::BodyTooLarge { .. } => "body_too_large",
            Rejection::NoRoute => "no_route",
            Rejection::NoEndpoint(_) => "no_endpoint",
            Rejection::Unreachable(_) => "upstream_unreachable",
            Rejection::UpstreamFailed(_) => "upstream_failed",
            Rejection::UpstreamLate(_) => "upstream_timeout",
            Rejection::ClientLate => "client_timeout",
            Rejection::Internal => "internal_error",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Rejection::Malformed(what) => (*what).into(),
            Rejection::UriTooLong { bytes, limit } => {
                format!("the URI has {bytes} bytes, the limit is {limit}").into()
            }
            Rejection::HeadersTooLarge { bytes, limit } => {
                format!("the header has {bytes} bytes, the limit is {limit}").into()
            }
            Rejection::TooManyHeaders { count, limit } => {
                format!("there are {count} header lines, the limit is {limit}").into()
            }
            Rejection::BodyTooLarge { limit } => {
                format!("the body is larger than {limit} bytes").into()
            }
            Rejection::NoRoute => "no route matches this request".into(),
            Rejection::NoEndpoint(service) => {
                format!("service `{service}` has no endpoint that may take requests").into()
            }
            Rejection::Unreachable(service) => {
                format!("no endpoint of service `{service}` could be reached").into()
            }
            Rejection::UpstreamFailed(service) => {
                format!("service `{service}` broke off before its response was complete").into()
            }
            Rejection::UpstreamLate(service) => {
                format!("service `{service}` did not answer in time").into()
            }
            Rejection::ClientLate => "the request did not arrive in time".into(),
            Rejection::Internal => "the proxy failed to serve this request".into(),
        }
    }

    /// Whether what the client has sent, or will send, can no longer be read as requests.
    fn spoils_connection(&self) -> bool {
        match self {
            Rejection::Malformed(_)
            | Rejection::HeadersTooLarge { .. }
            | Rejection::TooManyHeaders { .. }
            | Rejection::UriTooLong { .. }
            | Rejection::BodyTooLarge { .. }
            | Rejection::ClientLate
            | Rejection::Internal => true,
            Rejection::NoRoute
            | Rejection::NoEndpoint(_)
            | Rejection::Unreachable(_)
            | Rejection::UpstreamFailed(_)
            | Rejection::UpstreamLate(_) => false,
        }
    }
}

/// What a failure means to the client; `None` when nobody is there to be told.
pub(super) fn explain(error: &Error, context: &Inner) -> Option<Rejection> {
    if let Some(rejection) = &context.rejection {
        return Some(rejection.clone());
    }
    let service = match context.route.as_ref().map(|route| &route.target) {
        Some(Target::Service(service)) => Some(service.config.name.clone()),
        _ => None,
    };
    match (error.esource(), error.etype(), service) {
        (ErrorSource::Upstream, etype, Some(service)) => Some(match etype {
            ConnectTimedout | ReadTimedout | WriteTimedout | TLSHandshakeTimedout => {
                Rejection::UpstreamLate(service)
            }
            _ if context.placement.connect_failures as usize >= context.placement.tries() => {
                Rejection::Unreachable(service)
            }
            _ => Rejection::UpstreamFailed(service),
        }),
        (ErrorSource::Downstream, ReadTimedout, _) => Some(Rejection::ClientLate),
        (ErrorSource::Downstream, WriteError | WriteTimedout | ReadError | ConnectionClosed, _) => {
            None
        }
        (ErrorSource::Downstream, HTTPStatus(_) | ErrorType::InvalidHTTPHeader, _) => {
            Some(Rejection::Malformed("the request cannot be read"))
        }
        (ErrorSource::Downstream, _, _) => {
            Some(Rejection::Malformed("the request's body cannot be read"))
        }
        _ => Some(Rejection::Internal),
    }
}

/// Answers a request: problem details (RFC 9457), or a page where the client prefers HTML.
pub(super) async fn respond(
    session: &mut Session,
    rejection: &Rejection,
    request_id: &HeaderValue,
) -> pingora_core::Result<()> {
    let status = rejection.status();
    let html = wants_html(session.req_header().headers.get(header::ACCEPT));
    let body = body(rejection, request_id.to_str().unwrap_or_default(), html);
    let mut response = ResponseHeader::build(status, Some(6))?;
    let kind = if html { "text/html; charset=utf-8" } else { "application/problem+json" };
    response.insert_header(header::CONTENT_TYPE, kind)?;
    response.insert_header(header::CONTENT_LENGTH, body.len())?;
    response.insert_header(header::CACHE_CONTROL, "no-store")?;
    response.insert_header("x-request-id", request_id.clone())?;
    if rejection.spoils_connection() {
        session.set_keepalive(None);
    }
    let head_only = session.req_header().method == http::Method::HEAD;
    session.write_response_header(Box::new(response), head_only).await?;
    if !head_only {
        session.write_response_body(Some(body.into()), true).await?;
    }
    Ok(())
}

/// Whether `text/html` is asked for, and before JSON: a browser, not a program.
fn wants_html(accept: Option<&HeaderValue>) -> bool {
    let Some(accept) = accept.and_then(|value| value.to_str().ok()) else { return false };
    let position = |kind: &str| accept.find(kind);
    match (position("text/html"), position("json")) {
        (Some(html), Some(json)) => html < json,
        (html, None) => html.is_some(),
        (None, Some(_)) => false,
    }
}

fn body(rejection: &Rejection, request_id: &str, html: bool) -> String {
    let status = rejection.status();
    let title = status.canonical_reason().unwrap_or("Error");
    let detail = rejection.detail();
    if html {
        // Titles and details are ours, names are checked, ids are escaped: nothing to inject.
        let id = request_id.replace('&', "&amp;").replace('<', "&lt;");
        return format!(
            "<!doctype html><title>{code} {title}</title><h1>{code} {title}</h1>\
             <p>{detail}</p><p><small>Request {id}</small></p>\n",
            code = status.as_u16()
        );
    }
    let mut text = json!({
        "type": "about:blank",
        "title": title,
        "status": status.as_u16(),
        "detail": detail,
        "code": rejection.code(),
        "request_id": request_id,
    })
    .to_string();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_gets_a_page_and_a_program_gets_json() {
        let accept = |value: &'static str| wants_html(Some(&HeaderValue::from_static(value)));
        assert!(accept("text/html,application/xhtml+xml,*/*;q=0.8"));
        assert!(!accept("application/json, text/html"));
        assert!(!accept("*/*"));
        assert!(!wants_html(None));
    }

    #[test]
    fn a_page_cannot_be_injected_into() {
        let page = body(&Rejection::NoRoute, "<script>", true);
        assert!(!page.contains("<script>"), "{page}");
    }

    #[test]
    fn problem_details_name_the_request() {
        let name = ServiceName::new("web").unwrap();
        let text = body(&Rejection::NoEndpoint(name), "r1", false);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["status"], 503);
        assert_eq!(value["request_id"], "r1");
        assert_eq!(value["code"], "no_endpoint");
    }
}

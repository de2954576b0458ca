//! `GET /healthz`, over a connection that is kept for the next time.
//!
//! The connection is driven by the check itself, not by a task beside it: between checks nothing runs, and
//! dropping it ends it. Redirects are not followed: one is a status like others.

use std::pin::pin;
use std::time::Instant;

use ::http::request::Parts;
use ::http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use regex::bytes::Regex;

use super::dial::{Place, Wire};
use super::{MAX_ANSWER_BYTES, critical, judge_time};
use crate::model::{HttpCheck, InstanceRecord, Verdict};

const USER_AGENT: &str = concat!("proconsul-health/", env!("CARGO_PKG_VERSION"));

/// A larger header is an answer that makes no sense.
const MAX_HEADER_BYTES: usize = 16 << 10;

/// A larger compiled pattern is refused.
const MAX_REGEX_BYTES: usize = 1 << 20;

type Driver = http1::Connection<TokioIo<Box<dyn Wire>>, Empty<Bytes>>;

/// A connection on which the last answer was read to its end.
pub(in crate::health) struct Connection {
    sender: http1::SendRequest<Empty<Bytes>>,
    driver: Box<Driver>,
}

/// As much of an answer as a check looks at.
struct Answer {
    status: StatusCode,
    body: Vec<u8>,
    /// It ended within what was read.
    whole: bool,
}

/// The pattern that the body must match, made ready.
pub(super) fn body_pattern(check: &HttpCheck) -> Result<Option<Regex>, String> {
    let build = |pattern: &String| {
        let built = regex::bytes::RegexBuilder::new(pattern).size_limit(MAX_REGEX_BYTES).build();
        built.map_err(|error| format!("`body_matches`: {error}"))
    };
    check.body_matches.as_ref().map(build).transpose()
}

/// The request, the same each time.
pub(super) fn request(check: &HttpCheck, record: &InstanceRecord) -> Result<Parts, String> {
    let method = Method::from_bytes(check.method.as_bytes());
    let method = method.map_err(|_| format!("`{}` is no method", check.method))?;
    let uri: Uri = check.path.parse().map_err(|_| format!("`{}` is no path", check.path))?;
    let host = match &check.host {
        Some(host) => host.clone(),
        None if record.host.contains(':') && !record.host.starts_with('[') => {
            format!("[{}]:{}", record.host, check.port.unwrap_or(record.port))
        }
        None => format!("{}:{}", record.host, check.port.unwrap_or(record.port)),
    };
    let host = HeaderValue::from_str(&host).map_err(|_| format!("`{host}` is no host"))?;
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header(header::HOST, host)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "*/*");
    let (mut parts, ()) = request.body(()).map_err(|error| error.to_string())?.into_parts();
    for (name, value) in &check.headers {
        let wrong = || format!("`{name}` is no header, or its value is none");
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        let value = HeaderValue::from_str(value).map_err(|_| wrong())?;
        parts.headers.insert(name, value);
    }
    Ok(parts)
}

pub(super) async fn check(
    check: &HttpCheck,
    body_matches: Option<&Regex>,
    request: &Parts,
    previous: Option<Connection>,
    place: &Place<'_>,
) -> Result<(Verdict, Option<Connection>), String> {
    let began = Instant::now();
    let looks_at_body = check.body_contains.is_some() || body_matches.is_some();
    let mut answered = None;
    if let Some(mut connection) = previous {
        // The server may have closed it meanwhile: that says nothing, and a new one is made.
        let answer = connection.exchange(request, looks_at_body).await;
        answered = answer.ok().map(|answer| (answer, connection));
    }
    let (answer, connection) = match answered {
        Some(answered) => answered,
        None => {
            let mut connection = Connection::open(check, place).await?;
            let answer = connection.exchange(request, looks_at_body).await;
            (answer.map_err(|error| in_words(&error))?, connection)
        }
    };
    let verdict = match fault(check, body_matches, &answer) {
        Some(reason) => critical(reason),
        None => {
            let reason = format!("status {}", answer.status.as_u16());
            judge_time(reason, began.elapsed(), check.degraded_above)
        }
    };
    Ok((verdict, answer.whole.then_some(connection)))
}

impl Connection {
    async fn open(check: &HttpCheck, place: &Place<'_>) -> Result<Self, String> {
        let wire = place.connect_as(check.port, check.tls.as_ref(), "http/1.1").await?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEADER_BYTES);
        let made = builder.handshake(TokioIo::new(wire)).await;
        let (sender, driver) = made.map_err(|error| in_words(&error))?;
        Ok(Self { sender, driver: Box::new(driver) })
    }

    async fn exchange(&mut self, request: &Parts, keep_body: bool) -> hyper::Result<Answer> {
        let Self { sender, driver } = self;
        let mut exchange = pin!(async {
            sender.ready().await?;
            let request = Request::from_parts(request.clone(), Empty::new());
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            let (body, whole) = read(answer.into_body(), keep_body).await?;
            Ok(Answer { status, body, whole })
        });
        let ended = tokio::select! {
            answer = &mut exchange => return answer,
            ended = &mut **driver => ended,
        };
        // What came before the end of the connection is still to be read; it is not used again.
        let answer = exchange.await;
        match (answer, ended) {
            (Ok(answer), _) => Ok(Answer { whole: false, ..answer }),
            // The driver knows better why there is no answer.
            (Err(_), Err(reason)) if reason.is_parse() || reason.is_incomplete_message() => {
                Err(reason)
            }
            (Err(error), _) => Err(error),
        }
    }
}

/// The beginning of a body, and whether that is all of it.
async fn read(mut body: Incoming, keep: bool) -> hyper::Result<(Vec<u8>, bool)> {
    let (mut kept, mut seen) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        seen += data.len();
        if keep {
            kept.extend_from_slice(&data[..data.len().min(MAX_ANSWER_BYTES - kept.len())]);
        }
        if seen > MAX_ANSWER_BYTES {
            return Ok((kept, false));
        }
    }
    Ok((kept, true))
}

/// What is wrong with an answer.
fn fault(check: &HttpCheck, body_matches: Option<&Regex>, answer: &Answer) -> Option<String> {
    let status = answer.status.as_u16();
    if !check.statuses.iter().any(|&(from, to)| (from..=to).contains(&status)) {
        let range = |&(from, to): &(u16, u16)| match from == to {
            true => from.to_string(),
            false => format!("{from}-{to}"),
        };
        let expected: Vec<_> = check.statuses.iter().map(range).collect();
        return Some(format!("status {status}, expected {}", expected.join(", ")));
    }
    if let Some(text) = &check.body_contains
        && memchr::memmem::find(&answer.body, text.as_bytes()).is_none()
    {
        return Some(format!("status {status}, but the body does not contain `{text}`"));
    }
    match body_matches {
        Some(pattern) if !pattern.is_match(&answer.body) => {
            Some(format!("status {status}, but the body does not match `{}`", pattern.as_str()))
        }
        _ => None,
    }
}

fn in_words(error: &hyper::Error) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    let cause = cause.unwrap_or_default();
    if error.is_parse_too_large() {
        format!("the answer's header has more than {MAX_HEADER_BYTES} bytes")
    } else if error.is_parse() {
        format!("the answer is not HTTP: {error}")
    } else if is_early_end(error) {
        "the connection was closed before the answer was complete".to_owned()
    } else {
        format!("no answer: {error}{cause}")
    }
}

fn is_early_end(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error);
    let cause = cause.and_then(|cause| cause.downcast_ref::<std::io::Error>());
    error.is_incomplete_message()
        || error.is_closed()
        || error.is_canceled()
        || cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::UnexpectedEof)
}

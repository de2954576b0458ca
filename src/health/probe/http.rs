//! A request that is to be answered well, over a connection that is kept from one look to the next.
//! Redirects are answers like others: they are not followed.

use std::time::Instant;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use memchr::memmem;
use regex::bytes::Regex;

use super::connect::connect;
use super::{critical, timely, tls};
use crate::model::{HttpCheck, InstanceRecord, Verdict};

/// Of the answer's body, how much is looked at. A longer one ends the connection.
const MAX_BODY_BYTES: usize = 64 << 10;

pub struct HttpProbe {
    check: HttpCheck,
    host: String,
    port: u16,
    request: Request<Empty<Bytes>>,
    body_matches: Option<Regex>,
    connection: Option<SendRequest<Empty<Bytes>>>,
}

impl HttpProbe {
    pub(super) fn new(check: &HttpCheck, record: &InstanceRecord) -> Self {
        let port = check.port.unwrap_or(record.port);
        Self {
            request: request(check, &record.host, port),
            // What does not compile was refused with the configuration.
            body_matches: check.body_matches.as_deref().and_then(|p| Regex::new(p).ok()),
            check: check.clone(),
            host: record.host.clone(),
            port,
            connection: None,
        }
    }

    pub(super) fn hang_up(&mut self) {
        self.connection = None;
    }

    pub(super) async fn look(&mut self) -> Verdict {
        let begun = Instant::now();
        let kept = self.connection.as_ref().is_some_and(|c| !c.is_closed());
        let mut looked = self.ask().await;
        if kept && looked.is_err() {
            // The server may have closed it in the meantime: that says nothing of its health.
            self.hang_up();
            looked = self.ask().await;
        }
        match looked {
            Ok(reason) => timely(reason, begun.elapsed(), self.check.degraded_above),
            Err(Failure::Answer(why)) => critical(why),
            Err(Failure::Connection(why)) => {
                self.hang_up();
                critical(why)
            }
        }
    }

    async fn ask(&mut self) -> Result<String, Failure> {
        let mut connection = match self.connection.take().filter(|c| !c.is_closed()) {
            Some(connection) => connection,
            None => self.connect().await.map_err(Failure::Connection)?,
        };
        let failed = |error: hyper::Error| Failure::Connection(words(&error));
        connection.ready().await.map_err(failed)?;
        let response = connection.send_request(self.request.clone()).await.map_err(failed)?;
        let status = response.status().as_u16();
        let (body, whole) = self.read(response.into_body()).await?;
        if whole {
            self.connection = Some(connection);
        }
        self.judge(status, &body).map_err(Failure::Answer)
    }

    async fn read(&self, mut body: Incoming) -> Result<(Vec<u8>, bool), Failure> {
        let mut read = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Failure::Connection(words(&error)))?;
            if let Some(piece) = frame.data_ref() {
                let room = MAX_BODY_BYTES - read.len();
                read.extend_from_slice(&piece[..piece.len().min(room)]);
                if piece.len() > room {
                    return Ok((read, false));
                }
            }
        }
        Ok((read, true))
    }

    fn judge(&self, status: u16, body: &[u8]) -> Result<String, String> {
        let check = &self.check;
        if !check.statuses.iter().any(|(first, last)| (*first..=*last).contains(&status)) {
            return Err(format!("status {status}, expected {}", expected(&check.statuses)));
        }
        if let Some(text) = &check.body_contains
            && memmem::find(body, text.as_bytes()).is_none()
        {
            return Err(format!("status {status}, but `{text}` is not in the body"));
        }
        if let Some(regex) = &self.body_matches
            && !regex.is_match(body)
        {
            return Err(format!("status {status}, but `{regex}` does not match the body"));
        }
        Ok(format!("status {status}"))
    }

    async fn connect(&self) -> Result<SendRequest<Empty<Bytes>>, String> {
        let stream = connect(&self.host, self.port).await?;
        let said = |error: hyper::Error| words(&error);
        match &self.check.tls {
            None => {
                let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(said)?;
                tokio::spawn(connection); // ends with the sender, or with the server
                Ok(sender)
            }
            Some(tls) => {
                let stream = tls::handshake(stream, tls, &self.host, "http/1.1").await?;
                let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(said)?;
                tokio::spawn(connection);
                Ok(sender)
            }
        }
    }
}

/// Why a look was not a good one.
enum Failure {
    /// There was no answer.
    Connection(String),
    /// There was the wrong one.
    Answer(String),
}

fn expected(statuses: &[(u16, u16)]) -> String {
    let each = statuses.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    each.collect::<Vec<_>>().join(", ")
}

/// The deepest cause says what happened.
fn words(error: &hyper::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    match deepest.downcast_ref::<std::io::Error>() {
        Some(error) => super::connect::words(error),
        None if error.is_incomplete_message() => "connection closed before the answer".to_owned(),
        None => deepest.to_string(),
    }
}

/// What each look sends. What makes no request was refused with the configuration; from a registration,
/// it is left out.
fn request(check: &HttpCheck, host: &str, port: u16) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::from_bytes(check.method.as_bytes()).unwrap_or(Method::GET);
    *request.uri_mut() = check.path.parse().unwrap_or(Uri::from_static("/"));
    let own = match (host.contains(':'), port) {
        (true, port) => format!("[{host}]:{port}"),
        (false, port) => format!("{host}:{port}"),
    };
    let host = check.host.as_ref().unwrap_or(&own);
    let headers = request.headers_mut();
    headers.insert(header::USER_AGENT, HeaderValue::from_static("proconsul-health-check"));
    let written = check.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in [("host", host.as_str())].into_iter().chain(written) {
        let parsed = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value));
        if let (Ok(name), Ok(value)) = parsed {
            headers.insert(name, value);
        }
    }
    request
}

//! `grpc.health.v1.Health/Check` (github.com/grpc/grpc/blob/master/doc/health-checking.md), over an
//! HTTP/2 connection that is kept from one look to the next.
//!
//! Its messages have one field each, so they are read and written here: a gRPC library would bring a
//! second HTTP client along.

use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::connect::connect;
use super::{critical, timely, tls};
use crate::model::{GrpcCheck, InstanceRecord, Verdict};

/// The answer has two bytes; a message longer than this is none.
const MAX_MESSAGE_BYTES: usize = 1024;

/// Compressed or not, and the length.
const PREFIX_BYTES: usize = 5;

pub struct GrpcProbe {
    check: GrpcCheck,
    host: String,
    port: u16,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl GrpcProbe {
    pub(super) fn new(check: &GrpcCheck, record: &InstanceRecord) -> Self {
        let port = check.port.unwrap_or(record.port);
        Self { check: check.clone(), host: record.host.clone(), port, connection: None }
    }

    pub(super) fn hang_up(&mut self) {
        self.connection = None;
    }

    pub(super) async fn look(&mut self) -> Verdict {
        let begun = Instant::now();
        let kept = self.connection.as_ref().is_some_and(|c| !c.is_closed());
        let mut looked = self.ask().await;
        if kept && looked.is_err() {
            self.hang_up();
            looked = self.ask().await;
        }
        match looked {
            Ok(reason) => timely(reason, begun.elapsed(), self.check.degraded_above),
            Err(why) => {
                self.hang_up();
                critical(why)
            }
        }
    }

    async fn ask(&mut self) -> Result<String, String> {
        let mut connection = match self.connection.take().filter(|c| !c.is_closed()) {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let said = |error: hyper::Error| error.to_string();
        connection.ready().await.map_err(said)?;
        let response = connection.send_request(self.request()?).await.map_err(said)?;
        let (head, body) = response.into_parts();
        if head.status != 200 {
            return Err(format!("status {}: no gRPC server?", head.status.as_u16()));
        }
        let limited = http_body_util::Limited::new(body, MAX_MESSAGE_BYTES);
        let body = limited.collect().await.map_err(|error| error.to_string())?;
        // A failure may come without a body, in the header itself.
        let trailers = body.trailers().cloned().unwrap_or_default();
        let grpc = |name: &str| trailers.get(name).or_else(|| head.headers.get(name)).cloned();
        self.connection = Some(connection);
        let status = grpc("grpc-status");
        match status.as_ref().and_then(|status| status.to_str().ok()) {
            Some("0") => serving(&body.to_bytes()),
            Some("5") => Err(format!("the server knows no service `{}`", self.check.service)),
            Some("12") => Err("the server does not speak the health protocol".to_owned()),
            Some(status) => {
                let message = grpc("grpc-message");
                let message = message.as_ref().and_then(|m| m.to_str().ok()).unwrap_or("");
                Err(format!("gRPC status {status} {message}").trim_end().to_owned())
            }
            None => Err("an answer without a gRPC status".to_owned()),
        }
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, String> {
        let name = self.check.service.as_bytes();
        let mut message = BytesMut::new();
        if !name.is_empty() {
            message.put_u8(0x0a); // field 1, length-delimited
            put_varint(&mut message, name.len());
            message.put_slice(name);
        }
        let mut body = BytesMut::with_capacity(PREFIX_BYTES + message.len());
        body.put_u8(0); // not compressed
        body.put_u32(u32::try_from(message.len()).map_err(|_| "too long a name")?);
        body.put_slice(&message);
        let scheme = if self.check.tls.is_some() { "https" } else { "http" };
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        Request::builder()
            .method(Method::POST)
            .uri(format!("{scheme}://{host}:{}/grpc.health.v1.Health/Check", self.port))
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers")
            .header(header::USER_AGENT, "proconsul-health-check")
            .body(Full::new(body.freeze()))
            .map_err(|error| error.to_string())
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, String> {
        let stream = connect(&self.host, self.port).await?;
        let said = |error: hyper::Error| error.to_string();
        match &self.check.tls {
            None => {
                let made = handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
                let (sender, connection) = made.map_err(said)?;
                tokio::spawn(connection); // ends with the sender, or with the server
                Ok(sender)
            }
            Some(tls) => {
                let stream = tls::handshake(stream, tls, &self.host, "h2").await?;
                let made = handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
                let (sender, connection) = made.map_err(said)?;
                tokio::spawn(connection);
                Ok(sender)
            }
        }
    }
}

fn put_varint(message: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        message.put_u8((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    message.put_u8(value as u8);
}

/// Reads `HealthCheckResponse`: field 1 is the status, 0 where it is left out.
fn serving(body: &[u8]) -> Result<String, String> {
    let message = match body {
        [0, length @ ..] if length.len() >= 4 => {
            let (length, message) = length.split_at(4);
            let length = u32::from_be_bytes(length.try_into().expect("split at four")) as usize;
            message.get(..length).ok_or("half a message")?
        }
        _ => return Err("no gRPC message".to_owned()),
    };
    match message {
        [0x08, 1] => Ok("SERVING".to_owned()),
        [] | [0x08, 0] => Err("UNKNOWN".to_owned()),
        [0x08, 2] => Err("NOT_SERVING".to_owned()),
        [0x08, 3] => Err("SERVICE_UNKNOWN".to_owned()),
        _ => Err("no answer of the health protocol".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whatever_they_hold() {
        for (body, expected) in [
            (&[0, 0, 0, 0, 2, 8, 1][..], Ok("SERVING".to_owned())),
            (&[0, 0, 0, 0, 2, 8, 2], Err("NOT_SERVING".to_owned())),
            (&[0, 0, 0, 0, 0], Err("UNKNOWN".to_owned())),
            (&[0, 0, 0, 0, 9, 8, 1], Err("half a message".to_owned())),
            (&[1, 0, 0, 0, 2, 8, 1], Err("no gRPC message".to_owned())),
            (&[0, 255, 255, 255, 255], Err("half a message".to_owned())),
            (&[], Err("no gRPC message".to_owned())),
            (&[0, 0, 0, 0, 2, 8, 77], Err("no answer of the health protocol".to_owned())),
        ] {
            assert_eq!(serving(body), expected, "{body:?}");
        }
    }

    #[test]
    fn long_names_have_long_lengths() {
        let mut message = BytesMut::new();
        put_varint(&mut message, 300);
        assert_eq!(&message[..], [0xac, 0x02]);
    }
}

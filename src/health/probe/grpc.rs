//! `grpc.health.v1.Health/Check`, over one HTTP/2 connection that is kept.

use std::task::{Context, Poll};
use std::time::Instant;

use ::http::{Request, Response, Uri};
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::dial::Place;
use super::judge_time;
use super::plugin::AbortOnDrop;
use crate::model::{GrpcCheck, Verdict};

/// An answer is a number; a larger message is none.
const MAX_MESSAGE_BYTES: usize = 4 << 10;

/// Trailers included.
const MAX_HEADER_BYTES: u32 = 16 << 10;

/// A client with the connection that it speaks over.
pub(in crate::health) struct Connection(HealthClient<Channel>);

pub(super) async fn check(
    check: &GrpcCheck,
    previous: Option<Connection>,
    place: &Place<'_>,
) -> Result<(Verdict, Connection), String> {
    let began = Instant::now();
    let mut answered = None;
    if let Some(mut connection) = previous {
        // The server may have closed it meanwhile: that says nothing, and a new one is made.
        let answer = connection.ask(&check.service).await;
        answered = match answer {
            Err(status) if is_transport(&status) => None,
            answer => Some((answer, connection)),
        };
    }
    let (answer, connection) = match answered {
        Some(answered) => answered,
        None => {
            let mut connection = Connection::open(check, place).await?;
            (connection.ask(&check.service).await, connection)
        }
    };
    match answer {
        Ok(ServingStatus::Serving) => {
            let verdict = judge_time("serving".to_owned(), began.elapsed(), check.degraded_above);
            Ok((verdict, connection))
        }
        Ok(other) => Ok((super::critical(other.as_str_name()), connection)),
        Err(status) if is_transport(&status) => Err(in_words(&status, check)),
        Err(status) => Ok((super::critical(in_words(&status, check)), connection)),
    }
}

/// Failures of the connection, which is not used again.
fn is_transport(status: &Status) -> bool {
    matches!(status.code(), Code::Unknown | Code::Unavailable | Code::Cancelled | Code::Internal)
}

fn in_words(status: &Status, check: &GrpcCheck) -> String {
    match status.code() {
        Code::NotFound => format!("service `{}` is not known there", check.service),
        Code::Unimplemented => "it does not speak grpc.health.v1".to_owned(),
        code => format!("no answer: {code:?}: {}", status.message()),
    }
}

impl Connection {
    async fn open(check: &GrpcCheck, place: &Place<'_>) -> Result<Self, String> {
        let wire = place.connect_as(check.port, check.tls.as_ref(), "h2").await?;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.max_header_list_size(MAX_HEADER_BYTES);
        let made = builder.handshake(TokioIo::new(wire)).await;
        let (sender, driver) =
            made.map_err(|error| format!("it does not speak HTTP/2: {error}"))?;
        let driver = AbortOnDrop(tokio::spawn(async move {
            let _ = driver.await; // whoever asks next finds it closed
        }));
        let scheme = if check.tls.is_some() { "https" } else { "http" };
        let port = check.port.unwrap_or(place.record.port);
        let host = &place.record.host;
        let host = match host.contains(':') && !host.starts_with('[') {
            true => format!("[{host}]"),
            false => host.clone(),
        };
        let origin: Uri = format!("{scheme}://{host}:{port}")
            .parse()
            .map_err(|_| format!("`{host}` is no host"))?;
        let client = HealthClient::with_origin(Channel { sender, _driver: driver }, origin);
        Ok(Self(client.max_decoding_message_size(MAX_MESSAGE_BYTES)))
    }

    async fn ask(&mut self, service: &str) -> Result<ServingStatus, Status> {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer = self.0.check(request).await?;
        Ok(answer.into_inner().status())
    }
}

/// One HTTP/2 connection as tonic wants to see it.
struct Channel {
    sender: http2::SendRequest<tonic::body::Body>,
    _driver: AbortOnDrop<()>,
}

impl tower::Service<Request<tonic::body::Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<'static, hyper::Result<Response<Incoming>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.sender.poll_ready(context)
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        Box::pin(self.sender.send_request(request))
    }
}

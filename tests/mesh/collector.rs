//! An OpenTelemetry collector that decodes what it gets, over HTTP and gRPC, and behaves as it is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio_rustls::TlsAcceptor;

use super::upstream::{Body, Upstream, body};
use super::wait::eventually;

/// What it does with a call.
#[derive(Debug, Clone, Default)]
pub enum Behaviour {
    #[default]
    Take,
    /// Takes the call, but for so many items.
    TakeBut(i64),
    /// Answers with this status, and these headers.
    Status(u16, Vec<(&'static str, &'static str)>),
    /// Answers with gRPC's status.
    Grpc(&'static str),
    /// Takes the call and answers with this.
    Say(Bytes),
    /// Takes the call after so long.
    Late(Duration),
    /// Never answers.
    Hang,
}

/// What came, in its order.
#[derive(Debug, Default)]
pub struct Received {
    pub spans: Vec<Span>,
    pub metrics: Vec<Metric>,
    pub logs: Vec<LogRecord>,
    /// Of the newest call that was taken.
    pub resource: Resource,
    pub headers: HeaderMap,
    /// Also those that were not taken.
    pub calls: usize,
    /// When the newest of them came.
    pub called: Option<Instant>,
    behaviour: Behaviour,
}

/// A running collector; it ends with the test.
#[derive(Clone)]
pub struct Collector {
    pub address: SocketAddr,
    received: Arc<Mutex<Received>>,
}

impl Collector {
    pub async fn start() -> Self {
        Self::start_at(super::free_address(), None).await
    }

    pub async fn start_at(address: SocketAddr, tls: Option<TlsAcceptor>) -> Self {
        let received = Arc::<Mutex<Received>>::default();
        let taken = received.clone();
        Upstream::serve_at(address, tls, move |request| take(request, taken.clone())).await;
        Self { address, received }
    }

    pub fn behave(&self, behaviour: Behaviour) {
        self.received().behaviour = behaviour;
    }

    pub fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap()
    }

    /// The spans of a trace (in hexadecimal digits), once its server span is there.
    pub async fn trace(&self, id: &str) -> Vec<Span> {
        eventually(&format!("the trace {id}"), || async {
            let spans = self.received().spans.clone();
            let spans: Vec<Span> =
                spans.into_iter().filter(|span| hex(&span.trace_id) == id).collect();
            spans.iter().any(|span| span.kind == SERVER).then_some(spans)
        })
        .await
    }

    /// The spans that are there, once they are so many.
    pub async fn spans(&self, count: usize) -> Vec<Span> {
        eventually(&format!("{count} spans"), || async {
            let spans = self.received().spans.clone();
            (spans.len() >= count).then_some(spans)
        })
        .await
    }
}

pub const INTERNAL: i32 = 1;
pub const SERVER: i32 = 2;
pub const CLIENT: i32 = 3;

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An attribute as text; `-` where there is none.
pub fn attribute(attributes: &[KeyValue], key: &str) -> String {
    let found: Vec<_> = attributes.iter().filter(|pair| pair.key == key).collect();
    assert!(found.len() <= 1, "{key} is there twice: {attributes:?}");
    match found.first().and_then(|pair| pair.value.clone()) {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => text,
        Some(AnyValue { value: Some(Value::IntValue(number)) }) => number.to_string(),
        Some(other) => format!("{other:?}"),
        None => "-".to_owned(),
    }
}

async fn take(request: Request<Incoming>, received: Arc<Mutex<Received>>) -> Response<Body> {
    let (head, incoming) = request.into_parts();
    let body_bytes = incoming.collect().await.map(|b| b.to_bytes()).unwrap_or_default();
    let behaviour = {
        let mut received = received.lock().unwrap();
        received.calls += 1;
        received.called = Some(Instant::now());
        received.behaviour.clone()
    };
    let is_grpc = head.headers.get("content-type").is_some_and(|kind| kind == "application/grpc");
    let rejected = match behaviour {
        Behaviour::Take => 0,
        Behaviour::TakeBut(rejected) => rejected,
        Behaviour::Say(_) => 0,
        Behaviour::Late(by) => {
            tokio::time::sleep(by).await;
            0
        }
        Behaviour::Status(status, headers) => {
            let mut response = Response::new(body(""));
            *response.status_mut() = status.try_into().unwrap();
            for (name, value) in headers {
                response.headers_mut().insert(name, HeaderValue::from_static(value));
            }
            return response;
        }
        Behaviour::Grpc(status) => return grpc(Bytes::new(), status),
        Behaviour::Hang => std::future::pending().await,
    };
    let message = match is_grpc {
        true => {
            assert_eq!(head.headers["te"], "trailers");
            let length = u32::from_be_bytes(body_bytes[1..5].try_into().unwrap()) as usize;
            assert_eq!((body_bytes[0], length), (0, body_bytes.len() - 5));
            body_bytes.slice(5..)
        }
        false => {
            assert_eq!(head.headers["content-type"], "application/x-protobuf");
            body_bytes
        }
    };
    let path = head.uri.path();
    {
        let mut received = received.lock().unwrap();
        received.headers = head.headers.clone();
        decode(path, &message, &mut received);
    }
    let partial_success = (rejected > 0).then(|| ExportTracePartialSuccess {
        rejected_spans: rejected,
        error_message: "as the test wants it".to_owned(),
    });
    let answer: Bytes = ExportTraceServiceResponse { partial_success }.encode_to_vec().into();
    match (behaviour, is_grpc) {
        (Behaviour::Say(answer), _) => Response::new(body(answer)),
        (_, true) => grpc(answer, "0"),
        (_, false) => Response::new(body(answer)),
    }
}

fn decode(path: &str, message: &Bytes, received: &mut Received) {
    let kind = path.rsplit_once("/v1/").or(path.rsplit_once(".collector."));
    let resource = match kind.unwrap_or_else(|| panic!("{path}")).1 {
        "traces" | "trace.v1.TraceService/Export" => {
            let request = ExportTraceServiceRequest::decode(message.as_ref()).unwrap();
            let of = request.resource_spans.into_iter().next().unwrap();
            received.spans.extend(of.scope_spans.into_iter().flat_map(|scope| scope.spans));
            of.resource
        }
        "metrics" | "metrics.v1.MetricsService/Export" => {
            let request = ExportMetricsServiceRequest::decode(message.as_ref()).unwrap();
            let of = request.resource_metrics.into_iter().next().unwrap();
            received.metrics.extend(of.scope_metrics.into_iter().flat_map(|scope| scope.metrics));
            of.resource
        }
        "logs" | "logs.v1.LogsService/Export" => {
            let request = ExportLogsServiceRequest::decode(message.as_ref()).unwrap();
            let of = request.resource_logs.into_iter().next().unwrap();
            received.logs.extend(of.scope_logs.into_iter().flat_map(|scope| scope.log_records));
            of.resource
        }
        other => panic!("{other} is no signal"),
    };
    received.resource = resource.expect("each message says whose it is");
}

fn grpc(message: Bytes, status: &'static str) -> Response<Body> {
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(message.len() as u32);
    framed.put(message);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    let trailers = std::future::ready(Some(Ok(trailers)));
    let mut response = Response::new(Full::new(framed.freeze()).with_trailers(trailers).boxed());
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", kind);
    response
}

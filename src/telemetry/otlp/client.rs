//! One call of the collector, over HTTP with protobuf, or gRPC: which is the same with five bytes before the message
//! and a status in the trailers, so that both share one client.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use reqwest::redirect::Policy;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::Signal;

/// For a connection to be made, at the most.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// An answer is a number and a sentence; of a longer one the rest is not read.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// gRPC's prefix: not compressed, and four bytes of length.
const GRPC_PREFIX_BYTES: usize = 5;

/// How the collector is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    HttpProtobuf,
    Grpc,
}

/// The collector.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// `http://host:4318`, without a slash at its end.
    pub endpoint: String,
    pub protocol: Protocol,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// For one call.
    pub timeout: Duration,
    /// PEM to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// What the proxy shows of itself: certificate and key.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("{}: {error}", path.display())]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("{}: holds no PEM {what} that can be read", path.display())]
    NotPem { path: PathBuf, what: &'static str },
    #[error("{0}")]
    Tls(#[from] rustls::Error),
    #[error("{0}")]
    Http(#[from] reqwest::Error),
}

/// What came of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The collector has it, but for so many items.
    Taken { rejected: u64 },
    /// It may be asked again, after so long if it said so.
    Later { asked: Option<Duration>, why: String },
    /// It will not take this.
    Refused { why: String },
}

/// Makes calls. A copy shares its connections.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    endpoint: Arc<str>,
    protocol: Protocol,
    headers: HeaderMap,
}

impl Client {
    pub(super) fn new(target: &Target) -> Result<Self, ClientError> {
        let Target { endpoint, protocol, headers, timeout, .. } = target;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(target)?)
            .redirect(Policy::none()) // the headers may be secrets
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT.min(*timeout))
            .timeout(*timeout)
            .user_agent(concat!("proconsul/", env!("CARGO_PKG_VERSION")));
        if *protocol == Protocol::Grpc {
            builder = builder.http2_prior_knowledge();
        }
        let mut headers: HeaderMap = headers.iter().cloned().collect();
        let content_type = match protocol {
            Protocol::HttpProtobuf => "application/x-protobuf",
            Protocol::Grpc => "application/grpc",
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if *protocol == Protocol::Grpc {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
        let endpoint = endpoint.as_str().into();
        Ok(Self { http: builder.build()?, endpoint, protocol: *protocol, headers })
    }

    /// Hands a message over. Bounded by the client's time-out.
    pub(super) async fn export(&self, signal: Signal, message: Bytes) -> Outcome {
        let (path, body) = match self.protocol {
            Protocol::HttpProtobuf => (format!("v1/{}", signal.as_str()), message),
            Protocol::Grpc => (signal.method().to_owned(), framed(&message)),
        };
        let request = self.http.post(format!("{}/{path}", self.endpoint));
        let sent = request.headers(self.headers.clone()).body(body).send().await;
        match sent {
            Ok(response) => self.judge(response).await,
            Err(error) => Outcome::Later { asked: None, why: told(&error) },
        }
    }

    async fn judge(&self, response: reqwest::Response) -> Outcome {
        let (status, mut headers) = (response.status(), response.headers().clone());
        if !status.is_success() {
            return refusal(status, &headers);
        }
        let mut answer = BytesMut::new();
        let mut body = reqwest::Body::from(response);
        while let Some(frame) = body.frame().await {
            match frame.map(http_body_frame) {
                Ok(Piece::Data(data)) if answer.len() + data.len() <= MAX_ANSWER_BYTES => {
                    answer.put(data);
                }
                Ok(Piece::Trailers(trailers)) => headers.extend(trailers),
                // It has the message, whatever else it says.
                Ok(_) if self.protocol == Protocol::HttpProtobuf => break,
                Ok(_) => return Outcome::Refused { why: "the answer is too long".to_owned() },
                Err(error) => return Outcome::Later { asked: None, why: told(&error) },
            }
        }
        match self.protocol {
            Protocol::HttpProtobuf => Outcome::Taken { rejected: rejected(&answer) },
            Protocol::Grpc => judge_grpc(&headers, &answer),
        }
    }
}

/// What a body consists of.
enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
}

fn http_body_frame(frame: hyper::body::Frame<Bytes>) -> Piece {
    match frame.into_data() {
        Ok(data) => Piece::Data(data),
        Err(frame) => Piece::Trailers(frame.into_trailers().unwrap_or_default()),
    }
}

fn framed(message: &Bytes) -> Bytes {
    let mut body = BytesMut::with_capacity(GRPC_PREFIX_BYTES + message.len());
    body.put_u8(0);
    body.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    body.put_slice(message);
    body.freeze()
}

/// By OTLP's list of what may be tried again.
fn refusal(status: StatusCode, headers: &HeaderMap) -> Outcome {
    let why = format!("answered {status}");
    match status.as_u16() {
        429 | 502..=504 => Outcome::Later { asked: retry_after(headers), why },
        _ => Outcome::Refused { why },
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn judge_grpc(headers: &HeaderMap, answer: &[u8]) -> Outcome {
    let status = headers.get("grpc-status").and_then(|value| value.to_str().ok()?.parse().ok());
    match status {
        Some(0_u32) => {
            let message = answer.get(GRPC_PREFIX_BYTES..).unwrap_or_default();
            Outcome::Taken { rejected: rejected(message) }
        }
        // Cancelled, deadline exceeded, aborted, out of range, unavailable, data loss.
        Some(code @ (1 | 4 | 10 | 11 | 14 | 15)) => {
            Outcome::Later { asked: None, why: format!("answered with the gRPC status {code}") }
        }
        Some(code) => Outcome::Refused { why: format!("answered with the gRPC status {code}") },
        None => Outcome::Later { asked: None, why: "answered without a gRPC status".to_owned() },
    }
}

/// What of a message was not taken. All signals' answers are alike.
fn rejected(answer: &[u8]) -> u64 {
    let answer = ExportTraceServiceResponse::decode(answer).unwrap_or_default();
    let rejected = answer.partial_success.map_or(0, |partial| partial.rejected_spans);
    u64::try_from(rejected).unwrap_or(0)
}

fn tls(target: &Target) -> Result<rustls::ClientConfig, ClientError> {
    let mut roots = rustls::RootCertStore::empty();
    match &target.ca {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate)?;
            }
        }
        None => {
            // What the system's store holds that is no certificate helps nobody.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let mut config = match &target.client_certificate {
        Some((chain, key)) => {
            builder.with_client_auth_cert(certificates(chain)?, private_key(key)?)?
        }
        None => builder.with_no_client_auth(),
    };
    if target.protocol == Protocol::Grpc {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    Ok(config)
}

fn read(path: &Path) -> Result<Vec<u8>, ClientError> {
    fs::read(path).map_err(|error| ClientError::Unreadable { path: path.to_owned(), error })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let not_pem = || ClientError::NotPem { path: path.to_owned(), what: "certificate" };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(not_pem)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, ClientError> {
    let not_pem = |_| ClientError::NotPem { path: path.to_owned(), what: "private key" };
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(not_pem)
}

/// An error with its causes: the outermost one says little.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

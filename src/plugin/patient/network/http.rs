//! `wasi:http` requests: each over a connection of its own, to an address that was vetted.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response, Uri};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::budget::Budget;
use super::permit::{Gate, NoWay, Permit};
use super::tls::Authorities;

/// For a connection, its TLS and the header of the response, where the guest sets no shorter one; the
/// check's own time-out comes first as a rule.
const LONGEST_STEP: Duration = Duration::from_secs(60);

/// Headers of a response, all together, and how many.
const MAX_HEADER_BYTES: usize = 64 << 10;
const MAX_HEADERS: usize = 100;

type Sent = Result<(Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

/// Sends the requests of one instance of a component.
pub struct Outgoing {
    pub gate: Gate,
    pub authorities: Authorities,
}

impl WasiHttpHooks for Outgoing {
    fn default_scheme(&mut self) -> Option<Scheme> {
        Some(Scheme::HTTP)
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        // What becomes of the response's body is nobody's concern here.
        _body: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let (permit, authorities) = (self.gate.permit(), self.authorities.clone());
        Box::new(send(permit, authorities, request, options.unwrap_or_default()))
    }

    fn p2_error_from_hyper(&mut self, error: &hyper::Error) -> ErrorCode {
        if error.is_parse_too_large() {
            return ErrorCode::HttpResponseHeaderSectionSize(None);
        }
        ErrorCode::InternalError(Some(error.to_string()))
    }

    fn p2_error_from_connect(&mut self, error: &std::io::Error) -> ErrorCode {
        match error.kind() {
            std::io::ErrorKind::ConnectionRefused => ErrorCode::ConnectionRefused,
            std::io::ErrorKind::TimedOut => ErrorCode::ConnectionTimeout,
            _ => ErrorCode::InternalError(Some(error.to_string())),
        }
    }

    fn p2_error_from_tls(&mut self, error: &std::io::Error) -> ErrorCode {
        ErrorCode::InternalError(Some(format!("TLS: {error}")))
    }
}

async fn send(
    permit: Arc<Permit>,
    authorities: Authorities,
    mut request: Request<WasiBody>,
    options: RequestOptions,
) -> Sent {
    let step = |wanted: Option<Duration>| wanted.unwrap_or(LONGEST_STEP).min(LONGEST_STEP);
    let (host, port, tls) = destination(request.uri())?;
    if !permit.take_connection() {
        return Err(Error::ConnectionLimitReached);
    }
    let addresses = permit.find(&host, port).await.map_err(|no_way| match no_way {
        NoWay::Denied => Error::HttpRequestDenied,
        NoWay::Unresolved(why) => Error::DnsError { rcode: Some(why), info_code: None },
    })?;
    let connecting = async {
        let stream = connect(&addresses).await?;
        Ok::<Box<dyn Stream>, Error>(match tls {
            true => Box::new(authorities.connect(&host, stream).await.map_err(Error::Tls)?),
            false => Box::new(stream),
        })
    };
    let stream = timeout(step(options.connect_timeout), connecting)
        .await
        .map_err(|_| Error::ConnectionTimeout)??;
    // The authority is in the `Host` header; only a proxy would be told it here.
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse().map_err(|_| Error::HttpRequestUriInvalid)?;

    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEADER_BYTES)
        .max_headers(MAX_HEADERS)
        .handshake(TokioIo::new(stream))
        .await?;
    // Ends with the response: the handle is aborted when the guest lets go of it.
    let connection = wasmtime_wasi::runtime::spawn(connection);
    let response = timeout(step(options.first_byte_timeout), sender.send_request(request))
        .await
        .map_err(|_| Error::ConnectionReadTimeout)??;
    let between = step(options.between_bytes_timeout);
    let response = response.map(|body| Bounded::new(body, between, permit).boxed_unsync());
    Ok((response, Box::new(async move { Ok(connection.await?) })))
}

/// Host, port, and whether by TLS.
fn destination(uri: &Uri) -> Result<(String, u16, bool), Error> {
    let tls = uri.scheme() == Some(&Scheme::HTTPS);
    let host = uri.host().filter(|host| !host.is_empty()).ok_or(Error::HttpRequestUriInvalid)?;
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    Ok((host.to_owned(), port, tls))
}

/// Connects to the first address that takes it.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Error> {
    let mut last = Error::DestinationNotFound;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(Error::Connect)?;
                return Ok(stream);
            }
            Err(error) => last = Error::Connect(error),
        }
    }
    Err(last)
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A response's body, as far as the check's budget goes, and while it flows.
struct Bounded {
    body: Incoming,
    between: Duration,
    stalled: Pin<Box<Sleep>>,
    permit: Arc<Permit>,
}

impl Bounded {
    fn new(body: Incoming, between: Duration, permit: Arc<Permit>) -> Self {
        let stalled = Box::pin(sleep_until(Instant::now() + between));
        Self { body, between, stalled, permit }
    }

    fn budget(&self) -> &Budget {
        &self.permit.budget
    }
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            ready!(self.stalled.as_mut().poll(context));
            return Poll::Ready(Some(Err(Error::ConnectionReadTimeout)));
        };
        let again = Instant::now() + self.between;
        self.stalled.as_mut().reset(again);
        let frame = frame.map(|frame| frame.map_err(Error::from));
        if let Some(Ok(frame)) = &frame {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            if !self.budget().take_bytes(bytes) {
                self.permit.note_flood();
                return Poll::Ready(Some(Err(Error::HttpResponseBodySize(None))));
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

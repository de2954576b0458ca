//! Upstreams that do as they are told, and remember what came.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::json;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::free_address;

pub type Body = BoxBody<Bytes, Infallible>;

/// A server; it ends with the test.
#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    /// Holds the port of one that refuses.
    _socket: Option<Arc<TcpSocket>>,
}

impl std::fmt::Display for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.address.fmt(f)
    }
}

/// A whole body.
pub fn body(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed()
}

/// A body that is sent piece by piece, while the test says so.
pub fn piecewise() -> (Sender<Bytes>, Body) {
    let (sender, body) = Channel::new(16);
    (sender, body.boxed())
}

impl Upstream {
    /// Requests (to `http` ones) so far.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Answers 200 with what it saw, as JSON.
    pub async fn echo(name: &'static str) -> Self {
        Self::http(move |request| echo(name, request)).await
    }

    /// The same at an address of one's choice.
    pub async fn echo_at(name: &'static str, address: SocketAddr) -> Self {
        Self::serve_at(address, None, move |request| echo(name, request)).await
    }

    /// Answers each request, HTTP/1.1 or HTTP/2, by `answer`.
    pub async fn http<F>(answer: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::serve(None, answer).await
    }

    /// The same, perhaps over TLS.
    pub async fn serve<F>(
        tls: Option<TlsAcceptor>,
        answer: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::serve_at(free_address(), tls, answer).await
    }

    /// The same at an address of one's choice.
    pub async fn serve_at<F>(
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
        answer: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let answer = Arc::new(answer);
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = requests.clone();
        let mut upstream = Self::raw_at(address, move |stream, _| {
            let (answer, counted, tls) = (answer.clone(), counted.clone(), tls.clone());
            async move {
                let service = service_fn(move |request| {
                    counted.fetch_add(1, Ordering::SeqCst);
                    let answered = answer(request);
                    async move { Ok::<_, Infallible>(answered.await) }
                });
                let server = auto::Builder::new(TokioExecutor::new());
                // A proxy that hangs up is none of the upstream's business.
                match tls {
                    None => _ = server.serve_connection(TokioIo::new(stream), service).await,
                    Some(tls) => {
                        let Ok(stream) = tls.accept(stream).await else { return };
                        let _ = server.serve_connection(TokioIo::new(stream), service).await;
                    }
                }
            }
        })
        .await;
        upstream.requests = requests;
        upstream
    }

    /// Hands each connection, with its number from 0, to `handle`.
    pub async fn raw<F>(handle: impl Fn(TcpStream, usize) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::raw_at(free_address(), handle).await
    }

    async fn raw_at<F>(
        address: SocketAddr,
        handle: impl Fn(TcpStream, usize) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(handle(stream, counted.fetch_add(1, Ordering::SeqCst)));
            }
        });
        Self { address, requests: Arc::default(), connections, _socket: None }
    }

    /// Refuses connections: its port is taken, but nobody listens.
    pub fn refusing() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        let address = free_address();
        socket.bind(address).unwrap();
        Self {
            address,
            requests: Arc::default(),
            connections: Arc::default(),
            _socket: Some(Arc::new(socket)),
        }
    }
}

async fn echo(name: &'static str, request: Request<Incoming>) -> Response<Body> {
    let (head, incoming) = request.into_parts();
    let mut headers = serde_json::Map::new();
    for key in head.headers.keys() {
        let values: Vec<_> = head
            .headers
            .get_all(key)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        headers.insert(key.to_string(), values.join(", ").into());
    }
    let received = incoming.collect().await.map(|b| b.to_bytes()).unwrap_or_default();
    let text = json!({
        "name": name,
        "method": head.method.as_str(),
        "path": head.uri.path_and_query().map_or("", |p| p.as_str()),
        "version": format!("{:?}", head.version),
        "headers": headers,
        "body": String::from_utf8_lossy(&received),
    });
    let mut response = Response::new(body(text.to_string()));
    response.headers_mut().insert("x-upstream", name.parse().unwrap());
    response
}

//! An HTTP/2 client.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use super::upstream::Body;
use super::wait::bounded;

/// One connection; requests may overlap.
#[derive(Clone)]
pub struct Http2(SendRequest<Body>);

/// A response to its end.
pub struct Whole {
    pub head: http::response::Parts,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
}

impl Http2 {
    pub async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (sender, connection) =
            bounded("a handshake", handshake(TokioExecutor::new(), TokioIo::new(stream)))
                .await
                .unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    pub async fn send(&mut self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        bounded("a response", self.0.send_request(request)).await
    }

    pub async fn whole(&mut self, request: Request<Body>) -> Whole {
        let (head, body) = self.send(request).await.unwrap().into_parts();
        let collected = bounded("a body", body.collect()).await.unwrap();
        let trailers = collected.trailers().cloned();
        Whole { head, body: collected.to_bytes(), trailers }
    }
}

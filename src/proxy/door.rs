//! The way in: a listener's time-outs, set before pingora reads the first byte.
//!
//! A request's header has to arrive whole within the keep-alive wait and the header time-out
//! together; a client that drips it is cut off (slowloris).

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use pingora_core::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp};
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::H2Options;
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::{HttpProxy, http_proxy};
use prometheus::IntCounter;

use super::gateway::{Gateway, whole_seconds};
use crate::config::Listener;
use crate::telemetry::clock::coarse_ms;

/// A listener's application.
pub struct Door {
    proxy: Arc<HttpProxy<Gateway>>,
    listener: Arc<ArcSwap<Listener>>,
    options: HttpServerOptions,
    slow_clients: IntCounter,
}

thread_local! {
    /// Set while a request is polled, when its header has arrived.
    static HEADER_ARRIVED: Cell<bool> = const { Cell::new(false) };
}

/// How far a request's header is.
enum Header {
    /// Not whole yet. Each piece that comes stirs the connection, which is when its age is looked at;
    /// between two pieces pingora's own time-out waits. So no request pays for a timer here.
    Awaited {
        since_ms: u32,
    },
    Arrived,
}

/// Notes that the request being polled on this thread has its header.
pub(super) fn header_arrived() {
    HEADER_ARRIVED.set(true);
}

impl Door {
    /// The application of `listener`, whose limits may change later.
    pub fn new(
        gateway: Gateway,
        conf: &Arc<ServerConf>,
        listener: Arc<ArcSwap<Listener>>,
        slow_clients: IntCounter,
    ) -> Self {
        let config = listener.load();
        let mut options = HttpServerOptions::default();
        options.h2c = config.h2c;
        // Pingora counts what comes after the first.
        options.keepalive_request_limit = Some(config.limits.keepalive_requests.saturating_sub(1));
        options.h2_idle_timeout = Some(config.limits.keepalive_timeout);
        let proxy = Arc::new(http_proxy(conf, gateway));
        Self { proxy, listener, options, slow_clients }
    }
}

#[async_trait]
impl ServerApp for Door {
    /// One connection to its end. Until its first request begins, pingora waits without a bound
    /// for the bytes that tell HTTP/2 from HTTP/1.1, and for HTTP/2's own greeting.
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let visit = Arc::new(Visit { door: self.clone(), begun: AtomicBool::new(false) });
        let patience = {
            let limits = self.listener.load().limits;
            limits.keepalive_timeout + limits.header_timeout
        };
        let mut connection = visit.process_new(stream, shutdown);
        let mut late = pin!(tokio::time::sleep(patience));
        poll_fn(|cx| {
            let progress = connection.as_mut().poll(cx);
            if progress.is_ready() || visit.begun.load(Ordering::Relaxed) {
                return progress;
            }
            late.as_mut().poll(cx).map(|()| {
                self.slow_clients.inc();
                None
            })
        })
        .await
    }

    /// Nothing: pingora would close idle connections at once, and a request that is just on its
    /// way over one would be lost. While the process drains, the next request on such a connection
    /// is served and told to close it; the process's end closes the rest.
    async fn cleanup(&self) {}
}

/// One connection's time at the door.
struct Visit {
    door: Arc<Door>,
    /// A request began: from here on each has its own time-outs.
    begun: AtomicBool,
}

#[async_trait]
impl HttpServerApp for Visit {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        self.begun.store(true, Ordering::Relaxed);
        let door = &*self.door;
        let limits = door.listener.load().limits;
        session.set_read_timeout(Some(limits.header_timeout));
        session.set_pipelining_enabled(true); // else a client's next request is dropped
        if session.get_keepalive().is_some() && !*shutdown.borrow() {
            session.set_keepalive(Some(whole_seconds(limits.keepalive_timeout)));
        }
        let mut request = door.proxy.process_new_http(session, shutdown);
        let patience = limits.keepalive_timeout + limits.header_timeout;
        let patience_ms = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
        let mut header = Header::Awaited { since_ms: coarse_ms() };
        poll_fn(|cx| {
            HEADER_ARRIVED.set(false);
            let progress = request.as_mut().poll(cx);
            if progress.is_ready() || matches!(header, Header::Arrived) {
                return progress;
            }
            if HEADER_ARRIVED.get() {
                header = Header::Arrived;
            }
            match &header {
                Header::Arrived => Poll::Pending,
                Header::Awaited { since_ms }
                    if coarse_ms().wrapping_sub(*since_ms) > patience_ms =>
                {
                    door.slow_clients.inc();
                    Poll::Ready(None)
                }
                Header::Awaited { .. } => Poll::Pending,
            }
        })
        .await
    }

    fn h2_options(&self) -> Option<H2Options> {
        let limits = self.door.listener.load().limits;
        let mut options = H2Options::new();
        options
            .max_concurrent_streams(limits.max_h2_streams)
            .max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX));
        Some(options)
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.door.options)
    }

    async fn http_cleanup(&self) {}
}

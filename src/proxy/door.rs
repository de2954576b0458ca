//! The way in: a connection from its first byte to its last, and a listener's time-outs on it.
//!
//! A request's header has to arrive whole within the keep-alive wait and the header time-out
//! together; a client that drips it is cut off (slowloris).

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, ready};

use arc_swap::{ArcSwap, Cache};
use async_trait::async_trait;
use pingora_core::apps::{
    HttpPersistentSettings, HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp,
};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::H2Options;
use pingora_core::protocols::{ALPN, Stream};
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::{HttpProxy, http_proxy};

use super::connection::{Connection, awaiting};
use super::doorstep::Doorstep;
use super::gateway::Gateway;
use super::patience::{Alarm, Wait};
use crate::config::{Listener, ListenerLimits};
use crate::telemetry::metrics::{DoorMetrics, measure_lag};

/// What every HTTP/2 connection begins with (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Keep-alive, with no time-out of pingora's: the door has its own.
const KEEP_ALIVE: Option<u64> = Some(0);

thread_local! {
    /// Whether this thread's loop is measured: from its first connection on.
    static IS_MEASURED: Cell<bool> = const { Cell::new(false) };
}

/// Pingora's work on one request.
type Request<'a> = Pin<Box<dyn Future<Output = Option<ReusedHttpStream>> + Send + 'a>>;

/// A listener's application.
pub struct Door {
    proxy: Arc<HttpProxy<Gateway>>,
    listener: Arc<ArcSwap<Listener>>,
    options: HttpServerOptions,
    metrics: DoorMetrics,
}

impl Door {
    /// The application of `listener`, whose limits may change later.
    pub fn new(
        gateway: Gateway,
        conf: &Arc<ServerConf>,
        listener: Arc<ArcSwap<Listener>>,
        metrics: DoorMetrics,
    ) -> Self {
        let config = listener.load();
        let mut options = HttpServerOptions::default();
        options.h2c = config.h2c;
        // Pingora counts what comes after the first.
        options.keepalive_request_limit = Some(config.limits.keepalive_requests.saturating_sub(1));
        options.h2_idle_timeout = Some(config.limits.keepalive_timeout);
        let proxy = Arc::new(http_proxy(conf, gateway));
        Self { proxy, listener, options, metrics }
    }

    /// An HTTP/1.1 connection to its end. Pingora has such a loop too; this one needs no box and no
    /// timer a request, and remembers the connection.
    async fn serve_http1(&self, stream: Stream, shutdown: &ShutdownWatch) {
        let connection = Arc::new(Connection::default());
        let mut listener = Cache::new(&*self.listener);
        let mut alarm = Alarm::new();
        let doorstep = Doorstep::new(stream, self.metrics.malformed_requests.clone());
        let mut next: (Stream, _) = (Box::new(doorstep), None);
        loop {
            let limits = &listener.load().limits;
            let wait = Wait::new(limits);
            let request = self.begin(next, limits, shutdown);
            match self.in_time(request, wait, &connection, &mut alarm).await {
                Some(reused) => next = reused.consume(),
                None => return,
            }
        }
    }

    /// Begins a request of an HTTP/1.1 connection, which is new or comes with its settings.
    fn begin<'a>(
        &'a self,
        (stream, settings): (Stream, Option<HttpPersistentSettings>),
        limits: &ListenerLimits,
        shutdown: &'a ShutdownWatch,
    ) -> Request<'a> {
        let mut session = ServerSession::new_http1(stream);
        let keeps_alive = match settings {
            Some(settings) => {
                settings.apply_to_session(&mut session);
                session.get_keepalive().is_some()
            }
            None => {
                session.set_keepalive_reuses_remaining(self.options.keepalive_request_limit);
                true
            }
        };
        session.set_read_timeout(Some(limits.header_timeout));
        session.set_pipelining_enabled(true); // else a client's next request is dropped
        if keeps_alive && !*shutdown.borrow() {
            session.set_keepalive(KEEP_ALIVE);
        }
        self.proxy.process_new_http(session, shutdown)
    }

    /// A request to its end, unless its header does not come in time. Returns the connection when
    /// another request may follow.
    fn in_time<'a>(
        &'a self,
        mut request: Request<'a>,
        mut wait: Wait,
        connection: &'a Arc<Connection>,
        alarm: &'a mut Alarm,
    ) -> impl Future<Output = Option<ReusedHttpStream>> + Send + 'a {
        let (mut header_is_here, mut is_first_look) = (false, true);
        poll_fn(move |context| {
            if header_is_here {
                return request.as_mut().poll(context);
            }
            if !std::mem::take(&mut is_first_look) {
                wait.stir(alarm);
            }
            let progress;
            (progress, header_is_here) = awaiting(connection, || request.as_mut().poll(context));
            if header_is_here || progress.is_ready() {
                return progress;
            }
            let late = ready!(wait.goes_on(alarm, context));
            self.metrics.slow_clients.inc_by(late.stirred.into());
            Poll::Ready(None)
        })
    }

    /// An HTTP/2 connection to its end. Until its first request begins, pingora waits without a
    /// bound for HTTP/2's own greeting.
    async fn serve_http2(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) {
        let visit = Arc::new(Visit { door: self.clone(), begun: AtomicBool::new(false) });
        let mut connection = visit.process_new(stream, shutdown);
        let mut late = pin!(tokio::time::sleep(self.patience()));
        poll_fn(|context| {
            let progress = connection.as_mut().poll(context).map(drop);
            if progress.is_ready() || visit.begun.load(Ordering::Relaxed) {
                return progress;
            }
            late.as_mut().poll(context).map(|()| self.metrics.slow_clients.inc())
        })
        .await;
    }

    /// Whether the client speaks HTTP/2; `None` when it does not say in time, or leaves.
    async fn speaks_http2(&self, stream: &mut Stream) -> Option<bool> {
        if stream.get_ssl_digest().is_some() || !self.options.h2c {
            return Some(matches!(stream.selected_alpn_proto(), Some(ALPN::H2)));
        }
        let mut begin = [0; HTTP2_PREFACE.len()];
        let peeked = tokio::time::timeout(self.patience(), stream.try_peek(&mut begin)).await;
        match peeked {
            Ok(peeked) => peeked.ok().map(|_| begin == HTTP2_PREFACE),
            Err(_) => {
                self.metrics.slow_clients.inc();
                None
            }
        }
    }

    fn patience(&self) -> std::time::Duration {
        let limits = &self.listener.load().limits;
        limits.keepalive_timeout + limits.header_timeout
    }
}

#[async_trait]
impl ServerApp for Door {
    async fn process_new(
        self: &Arc<Self>,
        mut stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        if !IS_MEASURED.replace(true) {
            tokio::spawn(measure_lag(self.metrics.lag.clone()));
        }
        match self.speaks_http2(&mut stream).await? {
            true => self.serve_http2(stream, shutdown).await,
            false => self.serve_http1(stream, shutdown).await,
        }
        None
    }

    /// Nothing: pingora would close idle connections at once, and a request that is just on its
    /// way over one would be lost. While the process drains, the next request on such a connection
    /// is served and told to close it; the process's end closes the rest.
    async fn cleanup(&self) {}
}

/// An HTTP/2 connection's time at the door.
struct Visit {
    door: Arc<Door>,
    /// A request began: from here on each has its own time-outs.
    begun: AtomicBool,
}

#[async_trait]
impl HttpServerApp for Visit {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        self.begun.store(true, Ordering::Relaxed);
        self.door.proxy.process_new_http(session, shutdown).await
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

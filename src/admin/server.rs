//! The listener itself: HTTP/1.1 and HTTP/2 (with prior knowledge) on one port, until a new process takes over.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt;

use super::routes::{Admin, router};
use super::stall::Impatient;
use crate::model::Phase;

/// Between two tries to bind.
const BIND_AGAIN: Duration = Duration::from_millis(100);

/// Connections that may wait to be accepted; watchers come back together.
const BACKLOG: i32 = 4096;

/// Connections beside those of watchers; one more is closed at once.
const MAX_OTHER_CONNECTIONS: usize = 4096;

/// For a request's header to arrive, and between two requests on a connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(90);

/// Streams at the same time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 1024;

/// A peer that is silent on an HTTP/2 connection is asked, and has so long to answer.
const H2_PING_EVERY: Duration = Duration::from_secs(20);

/// All header lines of a request together.
const MAX_HEADER_BYTES: usize = 64 << 10;

/// After a failure to accept (too many files are open, mostly).
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// How long requests may take to end once a new process has taken over.
const HAND_OVER_GRACE: Duration = Duration::from_secs(5);

/// Binds the listener.
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM,
        Some(socket2::Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?; // what still closes from before a restart does not matter
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = std::net::TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Binds as soon as the process that hands over has let go, within `patience`.
pub async fn bind_after_hand_over(
    address: SocketAddr,
    patience: Duration,
) -> io::Result<std::net::TcpListener> {
    let deadline = Instant::now() + patience;
    loop {
        match bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                tokio::time::sleep(BIND_AGAIN).await;
            }
            bound => return bound,
        }
    }
}

/// Serves until a new process takes over, which listens here then.
pub async fn serve(listener: std::net::TcpListener, admin: Admin) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut phase = admin.phase.clone();
    let (tell_end, end) = watch::channel(());
    let limits = admin.limits.clone();
    let cut = admin.metrics.service_registry().watchers_cut;
    let connections = Arc::new(Semaphore::new(limits.load().max_watchers + MAX_OTHER_CONNECTIONS));
    let router = router(admin);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // An error means that the process is at its end.
            _ = phase.wait_for(|phase| *phase == Phase::HandingOver) => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "admin connection not accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        let Ok(permit) = connections.clone().try_acquire_owned() else { continue };
        // Small answers are to leave at once. Failing that they are late, no more.
        let _ = stream.set_nodelay(true);
        let patience = limits.load().watcher_timeout;
        let stream = Impatient::new(stream, patience, cut.clone());
        let connection = connection(stream, address, router.clone(), end.clone());
        tokio::spawn(async move {
            connection.await;
            drop(permit);
        });
    }
    drop(listener);
    // Nobody waits for this: whoever is connected is told to come again, and may finish until then.
    let _ = tell_end.send(());
    tokio::time::sleep(HAND_OVER_GRACE).await;
    Ok(())
}

async fn connection(
    stream: Impatient<TcpStream>,
    address: SocketAddr,
    router: Router,
    mut end: watch::Receiver<()>,
) {
    let service = router.map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(address));
        request
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(H2_PING_EVERY)
        .keep_alive_timeout(H2_PING_EVERY);
    let io = TokioIo::new(stream);
    let served = builder.serve_connection(io, TowerToHyperService::new(service));
    tokio::pin!(served);
    tokio::select! {
        // Whoever leaves in the middle, or is cut off, knows it himself.
        _ = served.as_mut() => return,
        _ = end.changed() => served.as_mut().graceful_shutdown(),
    }
    let _ = tokio::time::timeout(HAND_OVER_GRACE, served).await;
}

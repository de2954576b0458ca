//! Starting: from a configuration file to a process that serves it until it is told to stop.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora_core::listeners::tls::TlsSettings;
use pingora_core::listeners::{ListenerConfig, TcpSocketOptions};
use pingora_core::protocols::TcpKeepalive;
use pingora_core::server::configuration::{Opt, ServerConf};
use pingora_core::server::{RunArgs, Server};
use pingora_core::services::listening;
use tokio::sync::{mpsc, watch};

use super::control::Control;
use super::drain;
use super::reloader::{Reloader, load, report, unix_seconds};
use super::signals::Signals;
use super::status::status;
use super::upgrade::{self, PidFile};
use super::watch::FileWatch;
use super::world::{ListenerHandle, World};
use crate::admin::{self, Admin, AuthState, ReloadResult};
use crate::balance::MAX_TRIES;
use crate::config::{self, AccessLogTarget, Config, LogFormat, Problem, Refused};
use crate::model::Phase;
use crate::plugin::balancer::BalancerHost;
use crate::plugin::{EngineError, HotEngine, Library, Seeds};
use crate::proxy::door::Door;
use crate::proxy::{Gateway, RouteTable, Shared};
use crate::registry::{self, Writer};
use crate::store::{self, StoreError};
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::{Metrics, log};
use crate::webhook::{Board, Dispatcher, Reach};

/// Reloads that may wait for their turn.
const MAX_WAITING_RELOADS: usize = 16;

/// How long a new process waits for the old one to let go of the admin address.
const HAND_OVER_PATIENCE: Duration = Duration::from_secs(60);

/// Threads of the admin listener: two, so that one large answer does not hold up the others.
const ADMIN_THREADS: usize = 2;

/// How a process is started.
#[derive(Debug, Clone)]
pub struct RunOptions {
    pub config: PathBuf,
    /// Take over the listeners of the process that runs already.
    pub upgrade: bool,
}

/// Why a process cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Config(#[from] Refused),
    #[error("{}", .0.iter().map(|problem| format!("error: {problem}")).collect::<Vec<_>>().join("\n"))]
    Build(Vec<Problem>),
    #[error("error: {0}")]
    Engine(#[from] EngineError),
    #[error("error: admin.auth: {0}")]
    Auth(admin::AuthError),
    #[error("error: {0}")]
    Store(StoreError),
    #[error("error: {what}: {error}")]
    System { what: String, error: io::Error },
}

impl RunError {
    /// Whether it is the configuration that has to be mended.
    pub fn is_config(&self) -> bool {
        matches!(self, RunError::Config(_) | RunError::Build(_))
    }
}

pub(super) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> RunError {
    let what = what.into();
    |error| RunError::System { what, error }
}

/// Serves until SIGTERM (drain), SIGINT (at once) or SIGQUIT (hand over to a new process).
///
/// What can fail comes first: once an old process has handed over, this one has to serve.
pub fn run(options: &RunOptions) -> Result<(), RunError> {
    let mut watch = FileWatch::new(vec![absolute(&options.config)]);
    let loaded = load(&options.config)?;
    watch.set_paths(loaded.watch);
    let config = loaded.config;
    log::start(&config.log.level, config.log.format == LogFormat::Json);
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }

    let control_runtime = runtime()?;
    let metrics = Metrics::new();
    let shared = Arc::new(Shared {
        table: ArcSwap::from_pointee(RouteTable::default()),
        unrouted: metrics.route("", ""),
        access_log: open_access_log(&config, &metrics)?,
    });
    let host = plugin_host(&config, &metrics)?;
    let world = control_runtime
        .block_on(World::new(config, host, metrics.clone(), shared.clone()))
        .map_err(|errors| {
            RunError::Build(errors.iter().map(|error| error.locate(&loaded.places)).collect())
        })?;
    metrics.reload_succeeded(unix_seconds());
    let config = world.config.clone();

    let mut server = pingora_server(&config, options)?;
    for listener in &config.listeners {
        let handle = &world.listeners[&listener.name];
        server.add_service(listener_service(&server, listener, handle, &shared, &metrics));
    }
    let pid_file = config.server.pid_file.as_deref().map(PidFile::open).transpose()?;
    let (tell_phase, phase) = watch::channel(Phase::Starting);
    let (reload, requests) = mpsc::channel(MAX_WAITING_RELOADS);
    let first = report("start", ReloadResult::Applied, Duration::ZERO);
    let started = first.unix_seconds;
    let reloader = Reloader::new(options.config.clone(), first, config.clone());
    let status = Arc::new(ArcSwap::from_pointee(status(&world, &reloader, started)));
    if let Some(address) = config.admin.address {
        let auth = AuthState::load(&config.admin.auth).map_err(RunError::Auth)?;
        let store = Arc::new(store::Memory::default());
        let opened = control_runtime.block_on(registry::open(store, config.registry.clone()));
        let (registry, writer) = opened.map_err(RunError::Store)?;
        let admin = Admin {
            metrics: metrics.clone(),
            status: status.clone(),
            reload,
            phase,
            registry,
            auth: Arc::new(ArcSwap::from_pointee(auth)),
            limits: Arc::new(ArcSwap::from_pointee(config.admin.limits)),
            picker: Arc::new(admin::NativePicker::default()),
            checks: Arc::new(ArcSwap::from_pointee(config.checks.clone())),
            deliveries: Board::new(reach(address)),
            backup_directory: None,
        };
        start_admin(address, admin, writer, options.upgrade)?;
    }
    drain::start(server.watch_execution_phase(), tell_phase, metrics, config.server.drain_timeout)
        .map_err(system("drain thread"))?;
    match options.upgrade {
        true => upgrade::ask_to_hand_over(&config.server),
        false => try_listeners(&config)?,
    }

    server.bootstrap();
    if let Some(pid_file) = pid_file {
        pid_file.write();
    }
    let control = Control { world, reloader, requests, status, started };
    spawn("control", move || control_runtime.block_on(control.run(watch)))?;
    for listener in &config.listeners {
        let (name, address) = (listener.name.as_str(), listener.address);
        tracing::info!(listener = name, %address, tls = listener.tls.is_some(), "listening");
    }
    let upgrade_socket = config.server.upgrade_socket.clone();
    server.run(RunArgs { shutdown_signal: Box::new(Signals { upgrade_socket }) });
    Ok(())
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Binds each listener once: pingora itself would find out in a task of its own, and go on without.
fn try_listeners(config: &Config) -> Result<(), RunError> {
    for listener in &config.listeners {
        let what = format!("listeners.{}.address {}", listener.name, listener.address);
        std::net::TcpListener::bind(listener.address).map_err(system(what))?;
    }
    Ok(())
}

/// Webhooks may go to this machine itself where only this machine can ask for them.
fn reach(admin: SocketAddr) -> Reach {
    match admin.ip().is_loopback() {
        true => Reach::NetworkAndLoopback,
        false => Reach::Network,
    }
}

fn start_admin(
    address: SocketAddr,
    admin: Admin,
    writer: Writer,
    upgrade: bool,
) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(ADMIN_THREADS)
        .thread_name("admin")
        .enable_all()
        .build()
        .map_err(system("admin runtime"))?;
    let dispatcher = Dispatcher::new(
        admin.registry.clone(),
        admin.deliveries.clone(),
        Arc::new(admin::service_state),
    );
    let dispatcher = dispatcher.map_err(|error| system("webhooks")(io::Error::other(error)))?;
    let bound = match upgrade {
        true => None,
        false => Some(admin::bind(address).map_err(system(format!("admin.address {address}")))?),
    };
    spawn("admin", move || {
        runtime.spawn(writer.run());
        runtime.spawn(dispatcher.run());
        runtime.block_on(async move {
            let listener = match bound {
                Some(listener) => listener,
                None => admin::bind_after_hand_over(address, HAND_OVER_PATIENCE).await?,
            };
            admin::serve(listener, admin).await
        })
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(system("runtime"))
}

fn spawn(
    name: &'static str,
    work: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> Result<(), RunError> {
    let ended = move || {
        if let Err(error) = work() {
            tracing::error!(thread = name, %error, "ended, it should run as long as the process");
        }
    };
    std::thread::Builder::new().name(name.into()).spawn(ended).map_err(system(name))?;
    Ok(())
}

fn plugin_host(config: &Config, metrics: &Metrics) -> Result<Arc<BalancerHost>, RunError> {
    let engine = HotEngine::new()?;
    let library = Library::new(engine, config.plugins.cache_directory.as_deref());
    let threads = config.server.threads * config.listeners.len().max(1);
    Ok(BalancerHost::new(library, threads, Seeds::from_entropy(), metrics.clone())?)
}

fn open_access_log(config: &Config, metrics: &Metrics) -> Result<Option<AccessLog>, RunError> {
    let (lines, dropped) = (config.access_log.queue_lines, metrics.access_log_dropped());
    match &config.access_log.target {
        AccessLogTarget::Off => Ok(None),
        AccessLogTarget::Stdout => {
            AccessLog::to_stdout(lines, dropped).map(Some).map_err(system("access_log"))
        }
        AccessLogTarget::File(path) => AccessLog::to_file(path, lines, dropped)
            .map(Some)
            .map_err(system(format!("access_log {}", path.display()))),
    }
}

fn pingora_server(config: &Config, options: &RunOptions) -> Result<Server, RunError> {
    let upgrade_socket = &config.server.upgrade_socket;
    if let Some(directory) = upgrade_socket.parent() {
        // Only this user may hand over sockets, or ask for them.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(system(format!("server.upgrade_socket {}", upgrade_socket.display())))?;
    }
    if !options.upgrade && upgrade_socket.exists() {
        // Left by an upgrade that failed: it would look as if a new process waited.
        std::fs::remove_file(upgrade_socket)
            .map_err(system(format!("server.upgrade_socket {}", upgrade_socket.display())))?;
    }
    let drain_seconds = config.server.drain_timeout.as_secs() + 2;
    let conf = ServerConf {
        threads: config.server.threads,
        work_stealing: false,
        upgrade_sock: upgrade_socket.display().to_string(),
        upgrade_sock_connect_accept_max_retries: Some(30),
        upstream_keepalive_pool_size: config.server.upstream_pool_size,
        max_retries: MAX_TRIES,
        // Tokio's timers for all: of a request's four, pingora's cost 1 000 instructions each.
        fast_timeout_to_tokio_threshold_seconds: Some(0),
        grace_period_seconds: Some(drain_seconds),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let opt = Opt { upgrade: options.upgrade, ..Opt::default() };
    Ok(Server::new_with_opt_and_conf(opt, conf))
}

fn listener_service(
    server: &Server,
    listener: &config::Listener,
    handle: &ListenerHandle,
    shared: &Arc<Shared>,
    metrics: &Metrics,
) -> listening::Service<Door> {
    let gateway = Gateway::new(shared.clone(), handle.settings.clone());
    let door =
        Door::new(gateway, &server.configuration, handle.settings.clone(), metrics.slow_clients());
    let mut service = listening::Service::new(listener.name.to_string(), door);
    let keepalive = TcpKeepalive {
        idle: Duration::from_secs(60),
        interval: Duration::from_secs(10),
        count: 6,
        user_timeout: Duration::ZERO, // the system's
    };
    let mut socket = TcpSocketOptions::default();
    socket.tcp_keepalive = Some(keepalive);
    let mut endpoint = ListenerConfig::tcp(listener.address.to_string()).tcp_socket_options(socket);
    if let (Some(tls), Some(resolver)) = (&listener.tls, &handle.certificates) {
        endpoint = endpoint.tls(tls_settings(tls.h2, resolver.clone()));
    }
    service.add_listener(endpoint);
    service
}

fn tls_settings(h2: bool, resolver: Arc<crate::proxy::tls::Resolver>) -> TlsSettings {
    let mut settings =
        TlsSettings::intermediate("", "").expect("pingora's rustls settings take any path");
    settings.set_cert_resolver(resolver);
    if h2 {
        settings.enable_h2();
    }
    settings
}

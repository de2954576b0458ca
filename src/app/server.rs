//! Starting: from a configuration file to a process that serves it until it is told to stop.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use pingora_core::listeners::tls::TlsSettings;
use pingora_core::listeners::{ListenerConfig, TcpSocketOptions};
use pingora_core::protocols::TcpKeepalive;
use pingora_core::server::configuration::{Opt, ServerConf};
use pingora_core::server::{RunArgs, Server};
use pingora_core::services::listening;
use tokio::sync::{mpsc, watch};

use super::alerts::Alerting;
use super::api::{self, ApiSettings};
use super::build::PluginHosts;
use super::changes::Changes;
use super::control::Control;
use super::drain::{self, Ending};
use super::huge_pages;
use super::logs::{self, Logs};
use super::open_files;
use super::otlp::Exporting;
use super::picker::{Live, LivePicker};
use super::registry;
use super::reloader::{Reloader, load, unix_seconds};
use super::signals::Signals;
use super::upgrade::{self, PidFile};
use super::watch::FileWatch;
use super::world::{ListenerHandle, Surroundings, World, ring_settings};
use crate::admin::{Admin, Inquiry};
use crate::alert::desk;
use crate::balance::MAX_TRIES;
use crate::config::{self, Config, Problem, Refused};
use crate::health;
use crate::model::Phase;
use crate::plugin::EngineError;
use crate::proxy::door::Door;
use crate::proxy::{Gateway, RouteTable, Shared};
use crate::store::StoreError;
use crate::telemetry::otlp::{FLUSH_WITHIN, TraceSwitch, begin_to_count};
use crate::telemetry::ring::{Ring, Sampler};
use crate::telemetry::{Metrics, log};

/// Reloads that may wait for their turn.
const MAX_WAITING_RELOADS: usize = 16;

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
    let logs = Logs::default();
    let ended = serve(options, &logs);
    logs.flush();
    ended
}

fn serve(options: &RunOptions, logs: &Logs) -> Result<(), RunError> {
    let mut watch = FileWatch::new(vec![absolute(&options.config)]);
    let loaded = load(&options.config)?;
    watch.set_paths(loaded.watch);
    let config = loaded.config;
    log::start(config.log.level.clone());
    let metrics = Metrics::new();
    let opened = logs
        .open(&config, &metrics)
        .map_err(|error| RunError::Build(vec![error.locate(&loaded.places)]))?;
    logs.begin(opened);
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }

    let api = ApiSettings::new(&config)
        .map_err(|error| RunError::Build(vec![error.locate(&loaded.places)]))?;
    huge_pages::do_without();
    open_files::allow_all();
    let control_runtime = runtime()?;
    begin_to_count();
    metrics.count_requests(config.metrics.requests);
    metrics.limit_instances(config.metrics.max_instances);
    let ring = Arc::<Ring>::default();
    let sampler = Sampler::start(metrics.clone(), ring.clone(), ring_settings(&config))
        .map_err(system("metrics thread"))?;
    let shared = Arc::new(Shared {
        table: ArcSwap::from_pointee(RouteTable::default()),
        unrouted: metrics.route("", ""),
        access_log: ArcSwapOption::empty(),
        tracing: TraceSwitch::default(),
    });
    let hosts = plugin_hosts(&config, &metrics)?;
    let (registry, memory) = registry::start(&config, options.upgrade, &metrics)?;
    let followed = registry.follow(); // before anything is read of it, so that nothing is missed
    let (tell_plan, plan) = watch::channel(Arc::default());
    let (_health, traffic) =
        health::start(registry.clone(), plan, metrics.health()).map_err(system("health thread"))?;
    let exporting = Exporting::default();
    let live = Arc::new(ArcSwap::from_pointee(Live::default()));
    let picker = Arc::new(LivePicker::new(hosts.host.clone(), live.clone()));
    let (alerting, alert_threads) = Alerting::start(&config, &metrics, &registry, memory)?;
    let desk = alerting.desk();
    let surroundings = Surroundings {
        hosts,
        live,
        metrics: metrics.clone(),
        shared: shared.clone(),
        registry: registry.clone(),
        traffic,
        plan: tell_plan,
        exporting: exporting.clone(),
        logs: logs.clone(),
        alerting,
        sampler,
    };
    let started = World::new(config, surroundings);
    let world = control_runtime.block_on(started).map_err(|errors| {
        RunError::Build(errors.iter().map(|error| error.locate(&loaded.places)).collect())
    })?;
    metrics.reload_succeeded(unix_seconds());
    let config = world.config.clone();

    let mut server = pingora_server(&config, options)?;
    for listener in &config.listeners {
        let handle = &world.listeners[&listener.name];
        server.add_service(listener_service(&server, listener, handle, &shared, &metrics));
    }
    let control = Control::new(world);
    let pid_file = config.server.pid_file.as_deref().map(PidFile::open).transpose()?;
    let (tell_phase, phase) = watch::channel(Phase::Starting);
    let (reload, requests) = mpsc::channel(MAX_WAITING_RELOADS);
    let (inquiry, inquiries) = Inquiry::new();
    if let Some(address) = config.admin.address {
        let admin = Admin {
            metrics: metrics.clone(),
            ring,
            levels: logs.levels.clone(),
            inquiry,
            desk,
            reload,
            phase,
            registry: registry.clone(),
            auth: api.auth.clone(),
            limits: api.limits.clone(),
            picker,
            checks: api.checks.clone(),
            deliveries: api::deliveries(address),
            backup_directory: api::backup_directory(&config.registry),
        };
        api::start(address, admin, options.upgrade)?;
    }
    let phases = server.watch_execution_phase();
    let ending = Ending { metrics, registry, alert_threads, exporting, logs: logs.clone() };
    drain::start(phases, tell_phase, ending, config.server.drain_timeout)
        .map_err(system("drain thread"))?;
    match options.upgrade {
        true => upgrade::ask_to_hand_over(&config.server),
        false => try_listeners(&config)?,
    }

    server.bootstrap();
    if let Some(pid_file) = pid_file {
        pid_file.write();
    }
    let changes = Changes { watch, requests, reloader: Reloader::new(options.config.clone(), api) };
    spawn("control", move || control_runtime.block_on(control.run(followed, inquiries, changes)))?;
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

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(system("runtime"))
}

pub(super) fn spawn(
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

fn plugin_hosts(config: &Config, metrics: &Metrics) -> Result<PluginHosts, RunError> {
    let threads = config.server.threads * config.listeners.len().max(1);
    Ok(PluginHosts::new(config, threads, metrics)?)
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
    // `drain` ends the process before that, also where alerts and telemetry are still to be delivered.
    let last_words = desk::END_WITHIN + FLUSH_WITHIN + logs::FLUSH_WITHIN;
    let drain_seconds = (config.server.drain_timeout + last_words).as_secs() + 2;
    let conf = ServerConf {
        threads: config.server.threads,
        work_stealing: false,
        upgrade_sock: upgrade_socket.display().to_string(),
        upgrade_sock_connect_accept_max_retries: Some(30),
        upstream_keepalive_pool_size: config.server.upstream_pool_size,
        max_retries: MAX_TRIES,
        // Tokio's timers for all: pingora's cost 1 000 instructions each, half as much again.
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
    let door = Door::new(gateway, &server.configuration, handle.settings.clone(), metrics.door());
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

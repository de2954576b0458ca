//! The admin listener's place in the process: its threads, and what of it a reload replaces.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::BuildError;
use super::server::{RunError, spawn, system};
use crate::admin::{self, Admin, AuthState, Checks};
use crate::config::{AdminLimits, Config, Registry, RegistryStore};
use crate::telemetry::metrics::measure_lag;
use crate::webhook::{Board, Dispatcher, Reach};

/// How long a new process waits for the old one to let go of the admin address and the store.
pub(super) const HAND_OVER_PATIENCE: Duration = Duration::from_secs(60);

/// Two, so that one large answer does not hold up the others.
const THREADS: usize = 2;

/// What of the API a reload replaces. Copies share it.
#[derive(Clone)]
pub(super) struct ApiSettings {
    pub auth: Arc<ArcSwap<AuthState>>,
    pub limits: Arc<ArcSwap<AdminLimits>>,
    pub checks: Arc<ArcSwap<Checks>>,
}

/// Reads the keys that a configuration names.
pub(super) fn auth(config: &Config) -> Result<AuthState, BuildError> {
    AuthState::load(&config.admin.auth).map_err(|error| BuildError::Auth { error })
}

impl ApiSettings {
    pub(super) fn new(config: &Config) -> Result<Self, BuildError> {
        Ok(Self {
            auth: Arc::new(ArcSwap::from_pointee(auth(config)?)),
            limits: Arc::new(ArcSwap::from_pointee(config.admin.limits)),
            checks: Arc::new(ArcSwap::from_pointee(config.checks.clone())),
        })
    }

    /// Puts what was read into effect.
    pub(super) fn publish(&self, config: &Config, auth: AuthState) {
        self.auth.store(Arc::new(auth));
        self.limits.store(Arc::new(config.admin.limits));
        self.checks.store(Arc::new(config.checks.clone()));
    }
}

/// Webhooks may go to this machine itself where only this machine can ask for them.
pub(super) fn deliveries(admin: SocketAddr) -> Board {
    Board::new(match admin.ip().is_loopback() {
        true => Reach::NetworkAndLoopback,
        false => Reach::Network,
    })
}

/// Backups are written beside the store.
pub(super) fn backup_directory(registry: &Registry) -> Option<PathBuf> {
    match &registry.store {
        RegistryStore::Memory => None,
        RegistryStore::Sqlite(path) => path.parent().map(PathBuf::from),
    }
}

/// Starts the admin listener, and the calls of webhooks.
pub(super) fn start(address: SocketAddr, admin: Admin, upgrade: bool) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("admin")
        .enable_all()
        .build()
        .map_err(system("admin runtime"))?;
    let lag = admin.metrics.lag("admin");
    let (registry, deliveries) = (admin.registry.clone(), admin.deliveries.clone());
    let dispatcher = Dispatcher::new(registry, deliveries, Arc::new(admin::service_state))
        .map_err(|error| system("webhooks")(io::Error::other(error)))?;
    let bound = match upgrade {
        true => None,
        false => Some(admin::bind(address).map_err(system(format!("admin.address {address}")))?),
    };
    spawn("admin", move || {
        runtime.spawn(dispatcher.run());
        runtime.spawn(measure_lag(lag));
        runtime.block_on(async move {
            let listener = match bound {
                Some(listener) => listener,
                None => admin::bind_after_hand_over(address, HAND_OVER_PATIENCE).await?,
            };
            admin::serve(listener, admin).await
        })
    })
}

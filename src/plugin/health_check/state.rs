//! What one instance has at its side: its limits, its permission, and the answers to its imports.

use std::sync::Arc;

use parking_lot::Mutex;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::super::bindings::{log, random};
use super::super::limits::Limiter;
use super::super::log_gate::{LogGate, tame};
use super::super::seeds::Seeds;
use super::network::{Authorities, Gate, Outgoing, Permit, may_use};
use crate::telemetry::clock::coarse_ms;
use crate::telemetry::metrics::CheckerMetrics;

/// Sockets, streams, requests and whatever else the host keeps for one instance.
const MAX_RESOURCES: usize = 1024;

/// Of one call for random bytes.
const MAX_RANDOM_BYTES: u64 = 64 << 10;

/// Data of one store.
pub struct CheckState {
    pub(super) limiter: Limiter,
    pub(super) table: ResourceTable,
    pub(super) gate: Gate,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outgoing: Outgoing,
    words: Words,
    seeds: Seeds,
}

/// Where an instance's lines go.
#[derive(Clone)]
pub(super) struct Words {
    pub check: Arc<str>,
    /// One for all instances of the component: each may be used for a single check.
    pub gate: Arc<Mutex<LogGate>>,
    pub metrics: Arc<CheckerMetrics>,
}

impl CheckState {
    pub(super) fn new(
        memory_cap_bytes: usize,
        permit: Permit,
        authorities: Authorities,
        words: Words,
        seeds: Seeds,
    ) -> Self {
        let gate = Gate::new(permit);
        let vetting = gate.clone();
        let wasi = WasiCtx::builder()
            .max_random_size(MAX_RANDOM_BYTES)
            .allow_tcp(true)
            .socket_addr_check(move |address, usage| {
                let granted = may_use(&vetting.permit(), address, usage);
                Box::pin(async move { granted })
            })
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        Self {
            limiter: Limiter::new(memory_cap_bytes),
            table,
            outgoing: Outgoing { gate: gate.clone(), authorities },
            gate,
            wasi,
            http: WasiHttpCtx::new(),
            words,
            seeds,
        }
    }
}

impl WasiView for CheckState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for CheckState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.outgoing, table: &mut self.table, ctx: &mut self.http }
    }
}

impl log::Host for CheckState {
    fn write(&mut self, level: log::Level, message: String) {
        if !self.words.gate.lock().admit(coarse_ms()) {
            self.words.metrics.log_lines_dropped.inc();
            return;
        }
        let (check, line) = (&*self.words.check, tame(&message));
        match level {
            log::Level::Trace => tracing::trace!(target: "plugin", check, "{line}"),
            log::Level::Debug => tracing::debug!(target: "plugin", check, "{line}"),
            log::Level::Info => tracing::info!(target: "plugin", check, "{line}"),
            log::Level::Warn => tracing::warn!(target: "plugin", check, "{line}"),
            log::Level::Error => tracing::error!(target: "plugin", check, "{line}"),
        }
    }
}

impl random::Host for CheckState {
    fn seed(&mut self) -> u64 {
        self.seeds.next()
    }
}

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
use super::journal::Journal;
use super::network::{Authorities, Gate, Outgoing, Permit, may_use};
use super::owner::{Counters, Owner};
use crate::telemetry::clock::coarse_ms;

/// Sockets, streams, requests and whatever else the host keeps for one instance.
const MAX_RESOURCES: usize = 1024;

/// Of one call for random bytes.
const MAX_RANDOM_BYTES: u64 = 64 << 10;

/// Data of one store.
pub struct PatientState {
    pub(in super::super) limiter: Limiter,
    pub(in super::super) table: ResourceTable,
    pub(in super::super) gate: Gate,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outgoing: Outgoing,
    words: Words,
    seeds: Seeds,
    journal: Option<Arc<Journal>>,
}

/// Where an instance's lines go.
#[derive(Clone)]
pub struct Words {
    pub owner: Owner,
    /// One for all instances of the component: each may be used for a single check.
    pub gate: Arc<Mutex<LogGate>>,
    pub counters: Counters,
}

impl PatientState {
    pub(in super::super) fn new(
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
            limiter: Limiter::new(memory_cap_bytes).shown_by(words.counters.memory_bytes.clone()),
            table,
            outgoing: Outgoing { gate: gate.clone(), authorities },
            gate,
            wasi,
            http: WasiHttpCtx::new(),
            words,
            seeds,
            journal: None,
        }
    }

    /// Grants a file to append to.
    pub(in super::super) fn with_journal(self, journal: Option<Arc<Journal>>) -> Self {
        Self { journal, ..self }
    }

    /// The file that it may append to, if any.
    pub(super) fn journal(&self) -> Option<Arc<Journal>> {
        self.journal.clone()
    }
}

impl WasiView for PatientState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for PatientState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.outgoing, table: &mut self.table, ctx: &mut self.http }
    }
}

impl log::Host for PatientState {
    fn write(&mut self, level: log::Level, message: String) {
        if !self.words.gate.lock().admit(coarse_ms()) {
            self.words.counters.log_lines_dropped.inc();
            return;
        }
        let (check, channel) = (self.words.owner.check(), self.words.owner.channel());
        let line = tame(&message);
        match level {
            log::Level::Trace => tracing::trace!(target: "plugin", check, channel, "{line}"),
            log::Level::Debug => tracing::debug!(target: "plugin", check, channel, "{line}"),
            log::Level::Info => tracing::info!(target: "plugin", check, channel, "{line}"),
            log::Level::Warn => tracing::warn!(target: "plugin", check, channel, "{line}"),
            log::Level::Error => tracing::error!(target: "plugin", check, channel, "{line}"),
        }
    }
}

impl random::Host for PatientState {
    fn seed(&mut self) -> u64 {
        self.seeds.next()
    }
}

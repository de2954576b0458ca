//! What one instance has at its side: its limits, its name, and the answers to its imports.

use std::sync::Arc;

use super::bindings::{loads, log, node, random, request, types};
use super::clock::Clock;
use super::limits::Limiter;
use super::log_gate::{LogGate, tame};
use super::seeds::Seeds;
use crate::balance::{EndpointSet, Member, RequestFacts};
use crate::telemetry::clock::coarse_ms;
use crate::telemetry::metrics::PluginMetrics;

/// Where this proxy runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    pub zone: String,
    pub region: String,
}

/// Data of one store.
pub(super) struct HostState {
    pub(super) limiter: Limiter,
    pub(super) set: Arc<EndpointSet>,
    /// Present during a pick of a component that imports `request`.
    pub(super) request: Option<Box<RequestFacts>>,
    pub(super) service: String,
    pub(super) strategy: String,
    pub(super) node: Arc<Node>,
    pub(super) seeds: Seeds,
    /// What averages are read against.
    pub(super) clock: Clock,
    pub(super) log: LogGate,
    pub(super) metrics: Arc<PluginMetrics>,
}

impl HostState {
    fn member(&self, index: u32) -> Option<&Member> {
        self.set.members().get(index as usize)
    }
}

impl types::Host for HostState {}

impl loads::Host for HostState {
    fn active(&mut self, index: u32) -> u32 {
        self.member(index).map_or(0, |member| member.state.active())
    }

    fn latency_us(&mut self, index: u32) -> u32 {
        self.member(index).map_or(0, |member| member.state.latency().read_us(self.clock.now_ms()))
    }

    fn active_all(&mut self) -> Vec<u32> {
        self.set.members().iter().map(|member| member.state.active()).collect()
    }

    fn reported(&mut self, index: u32) -> loads::ReportedLoad {
        let (cpu, memory) =
            self.member(index).map_or((-1.0, -1.0), |member| member.state.reported());
        loads::ReportedLoad { cpu, memory }
    }
}

impl request::Host for HostState {
    fn method(&mut self) -> String {
        self.request.as_ref().map_or_else(String::new, |request| request.method.to_string())
    }

    fn path(&mut self) -> String {
        self.request.as_ref().map_or_else(String::new, |request| request.path.clone())
    }

    fn host(&mut self) -> String {
        self.request.as_ref().map_or_else(String::new, |request| request.host.clone())
    }

    fn header(&mut self, name: String) -> Option<String> {
        let value = self.request.as_ref()?.headers.get(&name)?;
        value.to_str().ok().map(str::to_owned)
    }

    fn client_ip(&mut self) -> String {
        let ip = self.request.as_ref().and_then(|request| request.client_ip);
        ip.map_or_else(String::new, |ip| ip.to_string())
    }
}

impl log::Host for HostState {
    fn write(&mut self, level: log::Level, message: String) {
        if !self.log.admit(coarse_ms()) {
            self.metrics.log_lines_dropped.inc();
            return;
        }
        let (service, strategy, line) = (&self.service, &self.strategy, tame(&message));
        match level {
            log::Level::Trace => tracing::trace!(target: "plugin", service, strategy, "{line}"),
            log::Level::Debug => tracing::debug!(target: "plugin", service, strategy, "{line}"),
            log::Level::Info => tracing::info!(target: "plugin", service, strategy, "{line}"),
            log::Level::Warn => tracing::warn!(target: "plugin", service, strategy, "{line}"),
            log::Level::Error => tracing::error!(target: "plugin", service, strategy, "{line}"),
        }
    }
}

impl random::Host for HostState {
    fn seed(&mut self) -> u64 {
        self.seeds.next()
    }
}

impl node::Host for HostState {
    fn zone(&mut self) -> String {
        self.node.zone.clone()
    }

    fn region(&mut self) -> String {
        self.node.region.clone()
    }
}

//! Making balancers: load, check, instantiate, configure, give endpoints, make it pick. A component
//! that fails any of these never serves.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Instant;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::Notify;
use wasmtime::component::{HasSelf, InstancePre, Linker};

use super::super::bindings::BalancerWithFeedback;
use super::super::clock::{Clock, SimulatedClock};
use super::super::contract::{self, BalancerExports};
use super::super::engine::EngineError;
use super::super::kind::Kind;
use super::super::library::{Library, LoadedComponent};
use super::super::limits::Limiter;
use super::super::log_gate::{LogGate, tame};
use super::super::refusal::Refusal;
use super::super::seeds::Seeds;
use super::super::state::{HostState, Node};
use super::instance::Instance;
use super::slots::Slots;
use super::trip::{Status, Trip};
use super::{Balancer, Standing};
use crate::balance::{EndpointSet, EndpointState, Member, Miss};
use crate::config::Strategy;
use crate::model::{Endpoint, EndpointId, ServiceName, Weight};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::PluginMetrics;

/// What all balancers of a process share.
pub struct BalancerHost {
    library: Library,
    linker: Linker<HostState>,
    threads: usize,
    seeds: Seeds,
    clock: Clock,
    metrics: Metrics,
    /// The published ones, and those that were until a moment ago.
    pub(super) live: Mutex<Vec<Weak<Balancer>>>,
    upkeep: Notify,
}

/// What one balancer was built from. Two that are equal in strategy, component and node behave alike.
pub struct BalancerSpec {
    pub service: ServiceName,
    pub strategy: Arc<Strategy>,
    pub checked: Checked,
    pub node: Arc<Node>,
}

/// A component that fits the contract, ready to be instantiated.
#[derive(Clone)]
pub struct Checked {
    pub component: Arc<LoadedComponent>,
    pub exports: BalancerExports,
    pre: InstancePre<HostState>,
}

impl BalancerHost {
    /// A host for `threads` proxy threads.
    pub fn new(
        library: Library,
        threads: usize,
        seeds: Seeds,
        metrics: Metrics,
    ) -> Result<Arc<Self>, EngineError> {
        Self::with_clock(library, threads, seeds, metrics, Clock::Coarse)
    }

    /// A host for one thread, where seeds and time are the caller's.
    pub fn simulated(
        library: Library,
        seeds: Seeds,
        clock: SimulatedClock,
    ) -> Result<Arc<Self>, EngineError> {
        let clock = Clock::Simulated(clock);
        Self::with_clock(library, 1, seeds, Metrics::new(), clock)
    }

    fn with_clock(
        library: Library,
        threads: usize,
        seeds: Seeds,
        metrics: Metrics,
        clock: Clock,
    ) -> Result<Arc<Self>, EngineError> {
        let mut linker = Linker::new(library.engine());
        BalancerWithFeedback::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
        Ok(Arc::new(Self {
            library,
            linker,
            threads,
            seeds,
            clock,
            metrics,
            live: Mutex::default(),
            upkeep: Notify::new(),
        }))
    }

    /// Reads, compiles and checks a strategy's component.
    pub fn load(&self, strategy: &Strategy) -> Result<Checked, Refusal> {
        let component =
            self.library.load(Kind::Balancer, &strategy.source, strategy.limits.file_bytes)?;
        let exports = contract::check_balancer(&component)?;
        let pre = self
            .linker
            .instantiate_pre(component.wasmtime())
            .map_err(|error| Refusal::Instantiate(tame(&format!("{error:#}"))))?;
        Ok(Checked { component, exports, pre })
    }

    /// Builds a balancer that is ready to pick, and that [is to be published](Balancer::publish).
    /// `previous` is what it replaces: its state is carried over if both are the same plugin, or
    /// have the same name, and know how.
    pub fn build(
        self: &Arc<Self>,
        service: &ServiceName,
        strategy: &Arc<Strategy>,
        checked: &Checked,
        node: &Arc<Node>,
        set: &Arc<EndpointSet>,
        previous: Option<&Balancer>,
    ) -> Result<Arc<Balancer>, Refusal> {
        let spec = BalancerSpec {
            service: service.clone(),
            strategy: strategy.clone(),
            checked: checked.clone(),
            node: node.clone(),
        };
        let metrics = self.metrics(&spec);
        let mut instance = self.first_instance(&spec, &metrics, set)?;
        let previous = previous.filter(|previous| previous.may_hand_over_to(strategy));
        if let Some(state) = previous.and_then(Balancer::snapshot)
            && let Err(error) = instance.restore(&state)
        {
            if matches!(error, Refusal::Failed { .. }) {
                metrics.trapped("restore"); // an error is an answer, a trap is none
            }
            let (service, strategy) = (service.as_str(), strategy.name.as_str());
            tracing::warn!(service, strategy, %error, "plugin starts without its former state");
            instance = self.first_instance(&spec, &metrics, set)?;
        }
        let limits = strategy.limits;
        let balancer = Arc::new(Balancer {
            spec,
            host: self.clone(),
            slots: Slots::new(self.threads),
            set: ArcSwap::new(set.clone()),
            trip: Mutex::new(Trip::new(
                limits.trip_after,
                limits.probe_after,
                limits.probe_after_max,
            )),
            status: Status::default(),
            standing: Mutex::new(Standing::Aside),
            metrics,
        });
        *balancer.slots.lock(0) = Some(instance);
        Ok(balancer)
    }

    /// Has [`BalancerHost::maintain`] look after a balancer from its publication to its end.
    pub(super) fn look_after(&self, balancer: &Arc<Balancer>) {
        self.live.lock().push(Arc::downgrade(balancer));
    }

    /// The counters of a strategy's work for its service.
    pub(super) fn metrics(&self, spec: &BalancerSpec) -> Arc<PluginMetrics> {
        let reasons = Miss::ALL.map(Miss::as_str);
        self.metrics.plugin(spec.service.as_str(), spec.strategy.name.as_str(), &reasons)
    }

    /// Tries other endpoints on an instance aside, as [`Balancer::set_endpoints`] will do it live.
    pub fn rehearse(&self, balancer: &Balancer, set: &Arc<EndpointSet>) -> Result<(), Refusal> {
        self.first_instance(&balancer.spec, &balancer.metrics, set).map(|_| ())
    }

    /// The instance that proves that the component can serve: it must survive a pick as well.
    fn first_instance(
        &self,
        spec: &BalancerSpec,
        metrics: &Arc<PluginMetrics>,
        set: &Arc<EndpointSet>,
    ) -> Result<Instance, Refusal> {
        let mut trial = self.instantiate(spec, metrics, set)?;
        let request = spec.checked.exports.wants_request.then(Box::default);
        trial
            .pick(1, 0, request)
            .map_err(|fault| Refusal::Failed { export: "pick", fault: fault.to_string() })?;
        self.instantiate(spec, metrics, set) // the trial's pick must not show in the real one's state
    }

    /// A configured instance that knows `set`.
    pub(super) fn instantiate(
        &self,
        spec: &BalancerSpec,
        metrics: &Arc<PluginMetrics>,
        set: &Arc<EndpointSet>,
    ) -> Result<Instance, Refusal> {
        let limits = &spec.strategy.limits;
        let state = HostState {
            limiter: Limiter::new(limits.memory_bytes),
            set: Arc::default(),
            request: None,
            service: spec.service.to_string(),
            strategy: spec.strategy.name.to_string(),
            node: spec.node.clone(),
            seeds: self.seeds.clone(),
            clock: self.clock.clone(),
            log: LogGate::new(limits.log_lines_per_second),
            metrics: metrics.clone(),
        };
        let mut instance = Instance::new(&spec.checked.pre, &spec.checked.exports, limits, state)?;
        instance.configure(&spec.strategy.config_json)?;
        let set = if set.is_empty() { sample_set() } else { set.clone() };
        instance.set_endpoints(set)?;
        Ok(instance)
    }

    /// Has [`BalancerHost::maintain`] called soon.
    pub(super) fn ask_for_upkeep(&self) {
        self.upkeep.notify_one();
    }

    /// Waits until some balancer asks for upkeep.
    pub async fn upkeep_asked(&self) {
        self.upkeep.notified().await;
    }

    /// Rebuilds, probes and empties what needs it. Returns when to come back at the latest.
    pub fn maintain(&self, now: Instant) -> Option<Instant> {
        let live: Vec<_> = {
            let mut live = self.live.lock();
            let in_use: Vec<_> = live
                .iter()
                .filter_map(Weak::upgrade)
                .filter(|balancer| balancer.is_looked_after())
                .collect();
            *live = in_use.iter().map(Arc::downgrade).collect();
            in_use
        };
        live.iter().filter_map(|balancer| balancer.maintain(now)).min()
    }
}

/// What a strategy of a service without endpoints is tried with.
pub(super) fn sample_set() -> Arc<EndpointSet> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let id = EndpointId::new("sample").expect("a constant that is a name");
    Arc::new(EndpointSet::new([Member {
        endpoint: Endpoint {
            id,
            host: address.ip().to_string(),
            port: address.port(),
            weight: Weight::DEFAULT,
            zone: String::new(),
            region: String::new(),
            metadata: BTreeMap::new(),
        },
        address,
        state: Arc::new(EndpointState::default()),
    }]))
}

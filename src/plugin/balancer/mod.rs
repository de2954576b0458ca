//! Balancers: strategies as components, on the request path.
//!
//! A [`Balancer`] is one generation of one service's strategy: a checked component, its
//! configuration, and as many [slots](slots) as there are threads to pick at once. It is built
//! aside, published with the service, and retires when the last request that holds it ends.

mod build;
mod instance;
mod slots;
mod trial;
mod trip;

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

pub use build::{BalancerHost, BalancerSpec, Checked};
use instance::{Fault, Instance};
use slots::{Checkout, Slots};
use trip::{Transition, Trip};

use super::state::Node;
use crate::balance::{Ask, EndpointSet, Miss, RequestFacts, Selector};
use crate::config::Strategy;
use crate::telemetry::metrics::PluginMetrics;

pub use instance::Outcome;
pub use trial::{Trial, TrialOver};

/// One pick in this many is timed.
const TIMED_EVERY: u64 = 64;

/// Picks that a rebuilt instance must survive before a tripped strategy serves again.
const PROBE_PICKS: u32 = 3;

/// The response time that a probe tells a strategy that wants to hear outcomes.
const PROBE_LATENCY_US: u32 = 1000;

/// One generation of a strategy at work for one service.
pub struct Balancer {
    spec: BalancerSpec,
    host: Arc<BalancerHost>,
    slots: Slots,
    /// What every slot is to know.
    set: ArcSwap<EndpointSet>,
    trip: Mutex<Trip>,
    status: trip::Status,
    metrics: Arc<PluginMetrics>,
}

impl Selector for Balancer {
    fn select(&self, set: &Arc<EndpointSet>, ask: &Ask<'_>) -> Result<usize, Miss> {
        self.metrics.picks.inc();
        if self.status.is_tripped() {
            return Err(Miss::Tripped);
        }
        // One's own count is read back after it: it costs no more than a load, and as threads may
        // both read the later one, one pick in about so many is timed.
        let timed = (self.metrics.picks.get() % TIMED_EVERY == 1).then(Instant::now);
        let mut slot = match self.slots.checkout() {
            Checkout::Ready(slot) => slot,
            Checkout::Busy { wanted } => {
                if wanted {
                    self.host.ask_for_upkeep();
                }
                return Err(Miss::Busy);
            }
        };
        if slot.own_is_empty {
            self.host.ask_for_upkeep();
        }
        let instance = slot.instance();
        let request = self.spec.checked.exports.wants_request.then(|| Box::new((ask.request)()));
        let answer = instance.pick(ask.key, ask.tried.count() as u32, request);
        if let Some(begun) = timed {
            self.metrics.pick_seconds.observe(begun.elapsed().as_secs_f64());
        }
        match answer {
            Ok(Some(index)) => {
                self.status.succeeded();
                place_in(set, instance.set(), index as usize)
            }
            Ok(None) => {
                self.status.succeeded();
                Err(Miss::NoAnswer)
            }
            Err(fault) => {
                let ruined = slot.take();
                drop(slot);
                self.failed("pick", &fault, ruined);
                Err(if fault.is_deadline() { Miss::Deadline } else { Miss::Trap })
            }
        }
    }
}

/// Where the endpoint that an instance meant stands in the request's own set.
fn place_in(set: &Arc<EndpointSet>, known: &Arc<EndpointSet>, index: usize) -> Result<usize, Miss> {
    if Arc::ptr_eq(set, known) {
        return if index < set.members().len() { Ok(index) } else { Err(Miss::OutOfRange) };
    }
    let meant = known.members().get(index).ok_or(Miss::OutOfRange)?;
    set.position(&meant.endpoint.id).ok_or(Miss::Ineligible)
}

impl Balancer {
    /// Gives every slot the new endpoints, one slot after the other, so that the others pick on.
    ///
    /// A slot that refuses them is emptied and rebuilt by [`Balancer::maintain`].
    pub fn set_endpoints(&self, set: Arc<EndpointSet>) {
        self.set.store(set.clone());
        if set.is_empty() {
            return; // nothing is asked of a strategy while nobody is there
        }
        // With one instance alone its thread would have to fall back meanwhile: make another first.
        if self.slots.ready() == 1 {
            self.fill_one_slot(&set);
        }
        for index in 0..self.slots.len() {
            let mut slot = self.slots.lock(index);
            let Some(instance) = slot.as_mut() else { continue };
            if Arc::ptr_eq(instance.set(), &set) {
                continue;
            }
            if let Err(refusal) = instance.set_endpoints(set.clone()) {
                let ruined = slot.take();
                drop(slot);
                self.failed_setup("set-endpoints", &refusal.to_string(), ruined);
            }
        }
        self.note_memory();
    }

    /// Tells the strategy how a try ended, if it exports `feedback`. `index` is a place in `set`.
    pub fn observe(&self, set: &Arc<EndpointSet>, index: usize, outcome: Outcome, latency_us: u32) {
        if self.spec.checked.exports.feedback.is_none() || self.status.is_tripped() {
            return;
        }
        let Checkout::Ready(mut slot) = self.slots.checkout() else {
            self.metrics.feedback_skipped.inc();
            return;
        };
        let Ok(known) = place_in(slot.instance().set(), set, index) else { return };
        if let Err(fault) = slot.instance().observe(known as u32, outcome, latency_us) {
            let ruined = slot.take();
            drop(slot);
            self.failed("observe", &fault, ruined);
        }
    }

    /// Whether [`Balancer::observe`] does anything.
    pub fn wants_feedback(&self) -> bool {
        self.spec.checked.exports.feedback.is_some()
    }

    /// Rebuilds empty slots that were asked for, and probes a tripped strategy whose rest is over.
    /// Returns when to come back, if that is known. Never called on the request path.
    pub fn maintain(&self, now: Instant) -> Option<Instant> {
        if self.status.is_tripped() {
            return self.probe(now);
        }
        let set = self.set.load_full();
        for index in self.slots.wanted() {
            match self.instantiate(&set) {
                Ok(instance) => *self.slots.lock(index) = Some(instance),
                Err(refusal) => {
                    self.failed_setup("configure", &refusal.to_string(), None);
                    return self.trip.lock().probe_at();
                }
            }
        }
        self.note_memory();
        None
    }

    /// What `snapshot` gives, from the first slot that answers.
    pub(crate) fn snapshot(&self) -> Option<Vec<u8>> {
        self.spec.checked.exports.handover.as_ref()?;
        (0..self.slots.len()).find_map(|index| self.slots.lock(index).as_mut()?.snapshot())
    }

    /// Whether the strategy rests after repeated failures.
    pub fn is_tripped(&self) -> bool {
        self.status.is_tripped()
    }

    /// Instances that are ready to pick.
    pub fn ready_slots(&self) -> usize {
        self.slots.ready()
    }

    /// What this generation was built from.
    pub fn spec(&self) -> &BalancerSpec {
        &self.spec
    }

    /// Whether building from these would give the same again.
    pub fn is_built_from(&self, strategy: &Strategy, checked: &Checked, node: &Node) -> bool {
        *self.spec.strategy == *strategy
            && *self.spec.node == *node
            && self.spec.checked.component.digest() == checked.component.digest()
    }

    /// The counters of this strategy and service.
    pub fn metrics(&self) -> &Arc<PluginMetrics> {
        &self.metrics
    }

    fn instantiate(&self, set: &Arc<EndpointSet>) -> Result<Instance, super::Refusal> {
        self.host.instantiate(&self.spec, &self.metrics, set)
    }

    fn fill_one_slot(&self, set: &Arc<EndpointSet>) {
        let Some(index) = self.slots.first_empty() else { return };
        match self.instantiate(set) {
            Ok(instance) => *self.slots.lock(index) = Some(instance),
            Err(refusal) => self.failed_setup("configure", &refusal.to_string(), None),
        }
    }

    fn failed(&self, export: &'static str, fault: &Fault, ruined: Option<Instance>) {
        self.failed_setup(export, &fault.to_string(), ruined);
    }

    /// Counts and logs a failure, and trips the strategy when it was one too many.
    fn failed_setup(&self, export: &'static str, error: &str, ruined: Option<Instance>) {
        drop(ruined);
        self.metrics.trapped(export);
        let (service, strategy) = (self.spec.service.as_str(), self.spec.strategy.name.as_str());
        let owed = self.status.failed();
        let failures = owed.failures();
        tracing::warn!(service, strategy, export, failures, error, "plugin failed");
        let transition = self.trip.lock().failed(owed, Instant::now());
        if let Some(Transition::Tripped { rest }) = transition {
            self.status.set_tripped(true);
            self.metrics.tripped.set(1);
            let rest_ms = rest.as_millis() as u64;
            tracing::error!(service, strategy, rest_ms, "plugin tripped, the fallback serves");
        }
        self.host.ask_for_upkeep();
    }

    fn probe(&self, now: Instant) -> Option<Instant> {
        let probe_at = self.trip.lock().probe_at()?;
        if now < probe_at {
            return Some(probe_at);
        }
        let (service, strategy) = (self.spec.service.as_str(), self.spec.strategy.name.as_str());
        let set = self.set.load_full();
        match self.instantiate(&set).and_then(|mut instance| {
            self.try_calls(&mut instance)?;
            Ok(instance)
        }) {
            Ok(instance) => {
                for index in 0..self.slots.len() {
                    self.slots.lock(index).take();
                }
                *self.slots.lock(0) = Some(instance);
                self.trip.lock().probed_well();
                self.status.recovered();
                self.metrics.tripped.set(0);
                tracing::info!(service, strategy, "plugin recovered");
                self.note_memory();
                None
            }
            Err(error) => {
                let next = self.trip.lock().probed_badly(now);
                tracing::warn!(service, strategy, %error, "plugin still fails");
                Some(next)
            }
        }
    }

    /// What a strategy that may serve again must survive: what it fails in on the request path.
    fn try_calls(&self, instance: &mut Instance) -> Result<(), super::Refusal> {
        let failed = |export: &'static str| {
            move |fault: Fault| super::Refusal::Failed { export, fault: fault.to_string() }
        };
        for _ in 0..PROBE_PICKS {
            let request =
                self.spec.checked.exports.wants_request.then(|| Box::new(RequestFacts::default()));
            instance.pick(1, 0, request).map_err(failed("pick"))?;
        }
        instance.observe(0, Outcome::Success, PROBE_LATENCY_US).map_err(failed("observe"))
    }

    fn note_memory(&self) {
        let bytes: usize = (0..self.slots.len())
            .filter_map(|index| Some(self.slots.lock(index).as_ref()?.memory_bytes()))
            .sum();
        self.metrics.memory_bytes.set(bytes as i64);
        self.metrics.slots.set(self.slots.ready() as i64);
    }
}

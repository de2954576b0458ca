//! Balancers: strategies as components, on the request path.
//!
//! A [`Balancer`] is one generation of one service's strategy: a checked component, its
//! configuration, and as many [slots](slots) as there are threads to pick at once. It is built
//! aside, [published](Balancer::publish) with the service, [retired](Balancer::retire) when another takes
//! its place, [emptied](RETIRED_SERVES) soon after, and gone when the last request that holds it ends.

mod build;
mod instance;
mod slots;
mod trial;
mod trip;

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

pub use build::{BalancerHost, BalancerSpec, Checked};
use instance::{Fault, Instance};
use slots::{Checkout, ReadySlot, Slots};
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

/// A generation that was replaced keeps its instances for this long, for requests that came before:
/// longer than it takes to try every endpoint, where connecting takes as long as it may by default.
const RETIRED_SERVES: Duration = Duration::from_secs(10);

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
    standing: Mutex<Standing>,
    metrics: Arc<PluginMetrics>,
}

/// Where a generation is in its life. Two of them may have the same gauges: the one that is
/// published writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Built, and perhaps never to serve.
    Aside,
    Published,
    /// Replaced at that time. Requests that hold it still pick with it; its slots are not filled again.
    Retired(Instant),
    /// Replaced so long ago that its instances are gone. Where a request that holds it still (a
    /// WebSocket, a download) wants another try, the fallback picks.
    Emptied,
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
        let mut slot = self.checkout().ok_or(Miss::Busy)?;
        let instance = slot.instance();
        let request = self.spec.checked.exports.wants_request.then(|| Box::new((ask.request)()));
        let answer = instance.pick(ask.key, ask.tried.count() as u32, request);
        if let Some(begun) = timed {
            let seconds = begun.elapsed().as_secs_f64();
            self.metrics.pick_seconds.observe(seconds);
            self.metrics.cpu_seconds.inc_by(seconds * TIMED_EVERY as f64);
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
    /// Shows this generation in the gauges, and has it looked after. To be called when requests come
    /// to it, and after what it replaces was [retired](Balancer::retire). Again is no harm.
    pub fn publish(self: &Arc<Self>) {
        let before = mem::replace(&mut *self.standing.lock(), Standing::Published);
        if before != Standing::Published {
            self.host.look_after(self);
        }
        self.show_trip();
        self.show_slots();
        self.host.ask_for_upkeep(); // it may have failed before anybody looked
    }

    /// Takes this generation out of the gauges and of upkeep. Requests that hold it pick on with
    /// the slots that it has, while it has them; where those fail, the fallback picks.
    pub fn retire(&self, now: Instant) {
        *self.standing.lock() = Standing::Retired(now);
        self.host.ask_for_upkeep();
    }

    /// Whether [`Balancer::maintain`] has something to do, now or later.
    fn is_looked_after(&self) -> bool {
        matches!(*self.standing.lock(), Standing::Published | Standing::Retired(_))
    }

    fn empty_slots(&self) {
        for index in 0..self.slots.len() {
            let instance = self.slots.lock(index).take();
            drop(instance); // which takes a while: not while the slot is held
        }
    }

    /// Gives every slot the new endpoints, one slot after the other, so that the others pick on.
    ///
    /// A slot that refuses them is emptied and rebuilt by [`Balancer::maintain`].
    pub fn set_endpoints(&self, set: Arc<EndpointSet>) {
        self.set.store(set.clone());
        // Nothing is asked of a strategy while nobody is there, or while it rests; the probe that
        // ends its rest fills its slots anew.
        if set.is_empty() || self.status.is_tripped() {
            return;
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
                if self.status.is_tripped() {
                    break; // each further slot may take its whole set-up deadline
                }
            }
        }
        self.show_slots();
    }

    /// Tells the strategy how a try ended, if it exports `feedback`. `index` is a place in `set`.
    pub fn observe(&self, set: &Arc<EndpointSet>, index: usize, outcome: Outcome, latency_us: u32) {
        if self.spec.checked.exports.feedback.is_none() || self.status.is_tripped() {
            return;
        }
        let Some(mut slot) = self.checkout() else {
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
    /// Empties a generation that was replaced. Returns when to come back, if that is known. Never
    /// called on the request path.
    pub fn maintain(&self, now: Instant) -> Option<Instant> {
        let standing = *self.standing.lock();
        match standing {
            Standing::Published => {}
            Standing::Retired(since) if now < since + RETIRED_SERVES => {
                return Some(since + RETIRED_SERVES);
            }
            Standing::Retired(_) => {
                self.empty_slots();
                *self.standing.lock() = Standing::Emptied;
                return None;
            }
            Standing::Aside | Standing::Emptied => return None,
        }
        if self.status.is_tripped() {
            return self.probe(now);
        }
        let set = self.set.load_full();
        for index in self.slots.wanted() {
            if self.status.is_tripped() {
                break;
            }
            match self.instantiate(&set) {
                Ok(instance) => *self.slots.lock(index) = Some(instance),
                Err(refusal) => {
                    self.failed_setup("configure", &refusal.to_string(), None);
                    return self.trip.lock().probe_at();
                }
            }
        }
        self.show_slots();
        self.trip.lock().probe_at()
    }

    /// Whether another strategy may be given this one's state: it is the same plugin, or goes by the
    /// same name. The bytes would mean nothing to others, or the wrong thing.
    fn may_hand_over_to(&self, strategy: &Strategy) -> bool {
        self.spec.strategy.name == strategy.name || self.spec.strategy.source == strategy.source
    }

    /// What `snapshot` gives, from the first slot that has something to give. A fault ends the
    /// asking: each slot could take the whole set-up deadline.
    fn snapshot(&self) -> Option<Vec<u8>> {
        for index in 0..self.slots.len() {
            let mut slot = self.slots.lock(index);
            let Some(instance) = slot.as_mut() else { continue };
            match instance.snapshot() {
                Ok(None) => {}
                Ok(state) => return state,
                Err(fault) => {
                    let ruined = slot.take();
                    drop(slot);
                    drop(ruined);
                    self.metrics.trapped("snapshot");
                    let (service, strategy) =
                        (self.spec.service.as_str(), self.spec.strategy.name.as_str());
                    tracing::warn!(service, strategy, %fault, "plugin hands nothing over");
                    self.show_slots();
                    return None;
                }
            }
        }
        None
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

    /// A slot to call, if one is free. A slot that is found empty is noted once: whoever notes it asks
    /// for it to be filled, or nobody ever does.
    fn checkout(&self) -> Option<ReadySlot<'_>> {
        let (slot, newly_wanted) = match self.slots.checkout() {
            Checkout::Ready(slot) => {
                let own_is_empty = slot.own_is_empty;
                (Some(slot), own_is_empty)
            }
            Checkout::Busy { wanted } => (None, wanted),
        };
        if newly_wanted {
            self.host.ask_for_upkeep();
        }
        slot
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
            self.show_trip();
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
                self.empty_slots();
                *self.slots.lock(0) = Some(instance);
                self.trip.lock().probed_well();
                self.status.recovered();
                self.show_trip();
                tracing::info!(service, strategy, "plugin recovered");
                let newest = self.set.load_full();
                if Arc::ptr_eq(&newest, &set) {
                    self.show_slots();
                } else {
                    self.set_endpoints(newest); // they changed during the probe
                }
                self.trip.lock().probe_at()
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

    /// Writes whether it is tripped, if this generation is the published one. The lock is held while
    /// it writes, so that one that was just retired does not write over its successor.
    fn show_trip(&self) {
        let standing = self.standing.lock();
        if *standing == Standing::Published {
            self.metrics.tripped.set(i64::from(self.status.is_tripped()));
        }
    }

    /// Writes what the slots hold, as [`Balancer::show_trip`] does. Waits for slots: not for the
    /// request path.
    fn show_slots(&self) {
        let memory: Vec<usize> = (0..self.slots.len())
            .filter_map(|index| Some(self.slots.lock(index).as_ref()?.memory_bytes()))
            .collect();
        let standing = self.standing.lock();
        if *standing == Standing::Published {
            self.metrics.memory_bytes.set(memory.iter().sum::<usize>() as i64);
            self.metrics.slots.set(memory.len() as i64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{HotEngine, Library, Seeds};
    use super::*;
    use crate::balance::Tried;
    use crate::config::{HashOn, PluginLimits, PluginSource};
    use crate::model::{ServiceName, StrategyName};
    use crate::telemetry::Metrics;

    struct Workshop {
        host: Arc<BalancerHost>,
        set: Arc<EndpointSet>,
    }

    impl Workshop {
        fn new() -> Self {
            let library = Library::new(HotEngine::new().unwrap(), None);
            let host = BalancerHost::new(library, 1, Seeds::fixed(1), Metrics::new()).unwrap();
            Self { host, set: build::sample_set() }
        }

        fn balancer(&self) -> Arc<Balancer> {
            let strategy = Arc::new(strategy("round-robin"));
            let checked = self.host.load(&strategy).unwrap();
            let service = ServiceName::new("web").unwrap();
            self.host
                .build(&service, &strategy, &checked, &Arc::default(), &self.set, None)
                .unwrap()
        }
    }

    fn strategy(name: &str) -> Strategy {
        Strategy {
            name: StrategyName::new(name).unwrap(),
            source: PluginSource::BuiltIn("round-robin".into()),
            config_json: "{}".into(),
            hash_on: HashOn::None,
            limits: PluginLimits::default(),
        }
    }

    #[test]
    fn the_published_generation_alone_writes_the_gauges() {
        let workshop = Workshop::new();
        let old = workshop.balancer();
        assert_eq!(old.metrics().slots.get(), 0, "it may yet be refused");
        old.publish();
        assert_eq!(old.metrics().slots.get(), 1);

        let new = workshop.balancer();
        new.metrics().slots.set(7);
        new.set_endpoints(build::sample_set());
        assert_eq!(new.metrics().slots.get(), 7, "it is not published");
        old.retire(Instant::now());
        old.set_endpoints(build::sample_set());
        assert_eq!(new.metrics().slots.get(), 7, "it is retired");
        new.publish();
        assert_eq!(new.metrics().slots.get(), 2, "the update filled another slot first");
    }

    #[test]
    fn a_retired_generation_serves_who_holds_it_and_then_gives_its_memory_back() {
        let workshop = Workshop::new();
        let balancer = workshop.balancer();
        balancer.publish();
        balancer.publish();
        assert_eq!(workshop.host.live.lock().len(), 1);
        let retired = Instant::now();
        balancer.retire(retired);
        let ask = Ask { key: 0, tried: &Tried::default(), request: &RequestFacts::default };
        assert_eq!(workshop.host.maintain(retired), Some(retired + RETIRED_SERVES));
        assert_eq!(balancer.select(&workshop.set, &ask), Ok(0));
        assert_eq!(balancer.ready_slots(), 1);

        assert_eq!(workshop.host.maintain(retired + RETIRED_SERVES), None);
        assert_eq!(balancer.ready_slots(), 0);
        assert_eq!(balancer.select(&workshop.set, &ask), Err(Miss::Busy), "the fallback picks");
        workshop.host.maintain(retired + RETIRED_SERVES);
        assert_eq!(balancer.ready_slots(), 0, "it is not filled again");
        assert_eq!(workshop.host.live.lock().len(), 0);
    }

    #[test]
    fn one_pick_in_so_many_is_timed() {
        let workshop = Workshop::new();
        let balancer = workshop.balancer();
        let ask = Ask { key: 0, tried: &Tried::default(), request: &RequestFacts::default };
        for _ in 0..=TIMED_EVERY {
            balancer.select(&workshop.set, &ask).unwrap();
        }
        assert_eq!(balancer.metrics().pick_seconds.get_sample_count(), 2);
    }

    #[test]
    fn state_goes_to_the_same_plugin_or_the_same_name() {
        let balancer = Workshop::new().balancer();
        let mut other = strategy("mine");
        assert!(balancer.may_hand_over_to(&other), "the same component");
        other.source = PluginSource::File("mine.wasm".into());
        assert!(!balancer.may_hand_over_to(&other));
        other.name = StrategyName::new("round-robin").unwrap();
        assert!(balancer.may_hand_over_to(&other), "the same name");
    }
}

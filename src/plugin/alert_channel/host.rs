//! Making alert channels: load, check, instantiate, configure, try. A component that fails any of these
//! never serves.

use std::sync::Arc;

use parking_lot::Mutex;
use wasmtime::component::{InstancePre, Linker};

use super::super::contract::{self, AlertChannelExports};
use super::super::engine::EngineError;
use super::super::kind::Kind;
use super::super::library::{Library, LoadedComponent};
use super::super::log_gate::{LogGate, tame};
use super::super::patient::{
    Authorities, Counters, Denials, Fault, Owner, PatientState, Resolver, Rules, Words, linker,
    tried,
};
use super::super::refusal::Refusal;
use super::super::seeds::Seeds;
use super::channel::{AlertChannel, Blueprint};
use crate::config::{AlertChannel as Settings, PluginLimits};
use crate::model::{Alert, Labels, Notification, UnixMillis};
use crate::telemetry::Metrics;

/// What all alert channels of a process share.
pub struct AlertChannelHost {
    library: Arc<Library>,
    linker: Linker<PatientState>,
    seeds: Seeds,
    metrics: Metrics,
    resolver: Arc<dyn Resolver>,
    authorities: Authorities,
}

/// A component that fits the contract, ready to be instantiated.
struct Checked {
    component: Arc<LoadedComponent>,
    exports: AlertChannelExports,
    pre: InstancePre<PatientState>,
}

impl AlertChannelHost {
    /// A host whose library's engine is an [`AsyncEngine`](super::super::AsyncEngine). `resolver` is asked
    /// for the names that `allow` lists.
    pub fn new(
        library: impl Into<Arc<Library>>,
        seeds: Seeds,
        metrics: Metrics,
        resolver: Arc<dyn Resolver>,
    ) -> Result<Arc<Self>, EngineError> {
        let library = library.into();
        let linker = linker(library.engine())?;
        let authorities = Authorities::default();
        Ok(Arc::new(Self { library, linker, seeds, metrics, resolver, authorities }))
    }

    /// Builds a channel that is ready to send, or gives `previous` where it is built from the same.
    ///
    /// Compiles, instantiates, configures, and makes the component send a notification to nobody. Takes as
    /// long as the component takes for these, up to `setup_deadline` each: not for a thread that others
    /// wait for. May be called inside of a runtime and outside.
    pub fn load(
        &self,
        settings: &Settings,
        limits: &PluginLimits,
        previous: Option<&Arc<AlertChannel>>,
    ) -> Result<Arc<AlertChannel>, Refusal> {
        let checked = self.checked(settings, limits)?;
        let same = |previous: &&Arc<AlertChannel>| {
            previous.is_built_from(settings, limits, checked.component.digest())
        };
        if let Some(previous) = previous.filter(same) {
            return Ok(previous.clone());
        }
        let channel = Arc::new(AlertChannel::new(self.blueprint(settings, limits, checked)));
        tried(channel.try_out(&sample())).map(|()| channel)
    }

    fn checked(&self, settings: &Settings, limits: &PluginLimits) -> Result<Checked, Refusal> {
        let component =
            self.library.load(Kind::AlertChannel, &settings.source, limits.file_bytes)?;
        let exports = contract::check_alert_channel(&component)?;
        let pre = self
            .linker
            .instantiate_pre(component.wasmtime())
            .map_err(|error| Refusal::Instantiate(tame(&format!("{error:#}"))))?;
        Ok(Checked { component, exports, pre })
    }

    fn blueprint(&self, settings: &Settings, limits: &PluginLimits, checked: Checked) -> Blueprint {
        let Checked { component, exports, pre } = checked;
        let metrics = self.metrics.channel(settings.name.as_str(), &Fault::REASONS);
        let gate = || Arc::new(Mutex::new(LogGate::new(limits.log_lines_per_second)));
        let owner = Owner::Channel(settings.name.as_str().into());
        let counters = Counters {
            connections_denied: metrics.connections_denied.clone(),
            log_lines_dropped: metrics.log_lines_dropped.clone(),
            memory_bytes: metrics.memory_bytes.clone(),
        };
        let denials =
            Denials { owner: owner.clone(), gate: gate(), counters: Some(counters.clone()) };
        Blueprint {
            settings: settings.clone(),
            limits: *limits,
            component,
            exports,
            pre,
            rules: Rules {
                allow: settings.allow.clone().into(),
                resolver: self.resolver.clone(),
                denials,
            },
            authorities: self.authorities.clone(),
            words: Words { owner, gate: gate(), counters },
            seeds: self.seeds.clone(),
            metrics,
        }
    }
}

/// What a component is tried with.
fn sample() -> Notification {
    let labels: Labels = [("alertname", "Sample"), ("severity", "info")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let alert = Alert {
        labels: labels.clone(),
        annotations: Labels::new(),
        started: UnixMillis(0),
        ended: None,
    };
    Notification {
        sequence: 0,
        group_key: "sample".to_owned(),
        group_labels: labels.clone(),
        common_labels: labels,
        common_annotations: Labels::new(),
        alerts: vec![alert],
        truncated: 0,
        made: UnixMillis(0),
    }
}

//! Making health checkers: load, check, instantiate, configure, try. A component that fails any of these
//! never serves.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use wasmtime::component::{InstancePre, Linker};

use super::super::contract::{self, HealthCheckExports};
use super::super::engine::EngineError;
use super::super::kind::Kind;
use super::super::library::{Library, LoadedComponent};
use super::super::log_gate::{LogGate, tame};
use super::super::patient::{
    Authorities, Counters, Denials, Fault, MAX_BUSY, Owner, PatientState, Resolver, Rules, Words,
    bounded, linker, tried,
};
use super::super::refusal::Refusal;
use super::super::seeds::Seeds;
use super::checker::{Blueprint, HealthChecker};
use super::target::Target;
use crate::config::PluginLimits;
use crate::model::{
    CheckName, InstanceId, InstanceRecord, PluginCheck, ServiceKey, ServiceName, Weight,
};
use crate::telemetry::Metrics;

/// What all health checkers of a process share.
pub struct HealthCheckHost {
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
    exports: HealthCheckExports,
    pre: InstancePre<PatientState>,
}

impl HealthCheckHost {
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

    /// Builds a checker that is ready to serve, or gives `previous` where it is built from the same.
    ///
    /// Compiles, instantiates, configures, and makes the component look at an instance that it
    /// cannot reach. Takes as long as the component takes for these, up to `setup_deadline` each: not
    /// for a thread that others wait for. May be called inside of a runtime and outside.
    pub fn load(
        &self,
        check: &PluginCheck,
        name: &CheckName,
        limits: &PluginLimits,
        previous: Option<&Arc<HealthChecker>>,
    ) -> Result<Arc<HealthChecker>, Refusal> {
        let checked = self.checked(check, limits)?;
        let same = |previous: &&Arc<HealthChecker>| {
            previous.is_built_from(name, check, limits, checked.component.digest())
        };
        if let Some(previous) = previous.filter(same) {
            return Ok(previous.clone());
        }
        let checker = Arc::new(HealthChecker::new(self.blueprint(check, name, limits, checked)));
        tried(try_out(&checker, limits.setup_deadline)).map(|()| checker)
    }

    fn checked(&self, check: &PluginCheck, limits: &PluginLimits) -> Result<Checked, Refusal> {
        let component = self.library.load(Kind::HealthCheck, &check.source, limits.file_bytes)?;
        let exports = contract::check_health_check(&component)?;
        let pre = self
            .linker
            .instantiate_pre(component.wasmtime())
            .map_err(|error| Refusal::Instantiate(tame(&format!("{error:#}"))))?;
        Ok(Checked { component, exports, pre })
    }

    fn blueprint(
        &self,
        check: &PluginCheck,
        name: &CheckName,
        limits: &PluginLimits,
        checked: Checked,
    ) -> Blueprint {
        let Checked { component, exports, pre } = checked;
        let metrics = self.metrics.checker(name.as_str(), &Fault::REASONS);
        let gate = || Arc::new(Mutex::new(LogGate::new(limits.log_lines_per_second)));
        let owner = Owner::Check(name.as_str().into());
        let counters = Counters {
            connections_denied: metrics.connections_denied.clone(),
            log_lines_dropped: metrics.log_lines_dropped.clone(),
            memory_bytes: metrics.memory_bytes.clone(),
        };
        let denials =
            Denials { owner: owner.clone(), gate: gate(), counters: Some(counters.clone()) };
        Blueprint {
            name: name.clone(),
            check: check.clone(),
            limits: *limits,
            component,
            exports,
            pre,
            rules: Rules {
                allow: check.allow.clone().into(),
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

/// Has a checker make an instance and look at something that is not there. Any verdict will do.
async fn try_out(checker: &HealthChecker, deadline: Duration) -> Result<(), Refusal> {
    let failed = |export, fault: Fault| Refusal::Failed { export, fault: fault.words() };
    let setup = async { Ok(checker.instantiate_silently().await) };
    let mut instance = bounded(deadline, deadline, checker.spent(), setup)
        .await
        .map_err(|fault| failed("configure", fault))??;
    let (endpoint, permit) = (sample().to_guest(deadline), checker.no_permit());
    bounded(deadline, MAX_BUSY, checker.spent(), instance.check(endpoint, permit))
        .await
        .map_err(|fault| failed("check", fault))
        .map(|_| ())
}

/// What a component is tried with.
fn sample() -> Target {
    let name = "a constant that is a name";
    let ip = IpAddr::from(Ipv4Addr::LOCALHOST);
    Target {
        record: Arc::new(InstanceRecord {
            service: ServiceKey::in_default(ServiceName::new("sample").expect(name)),
            id: InstanceId::new("sample").expect(name),
            version: None,
            host: ip.to_string(),
            port: 1,
            protocol: String::new(),
            weight: Weight::DEFAULT,
            zone: String::new(),
            region: String::new(),
            tags: Default::default(),
            metadata: Default::default(),
            ttl: None,
            checks: Vec::new(),
        }),
        addresses: vec![ip],
    }
}

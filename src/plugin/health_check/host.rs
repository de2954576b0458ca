//! Making health checkers: load, check, instantiate, configure, try. A component that fails any of these
//! never serves.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::timeout;
use wasmtime::component::{HasSelf, InstancePre, Linker};

use super::super::bindings::{log, random};
use super::super::contract::{self, HealthCheckExports};
use super::super::engine::EngineError;
use super::super::kind::Kind;
use super::super::library::{Library, LoadedComponent};
use super::super::log_gate::{LogGate, tame};
use super::super::refusal::Refusal;
use super::super::seeds::Seeds;
use super::checker::{Blueprint, HealthChecker};
use super::fault::Fault;
use super::metered::{MAX_BUSY, Metered};
use super::network::{self, Authorities, Denials, Resolver, Rules};
use super::state::{CheckState, Words};
use super::target::Target;
use crate::config::PluginLimits;
use crate::model::{
    CheckName, InstanceId, InstanceRecord, PluginCheck, ServiceKey, ServiceName, Weight,
};
use crate::telemetry::Metrics;

/// What all health checkers of a process share.
pub struct HealthCheckHost {
    library: Library,
    linker: Linker<CheckState>,
    seeds: Seeds,
    metrics: Metrics,
    resolver: Arc<dyn Resolver>,
    authorities: Authorities,
}

/// A component that fits the contract, ready to be instantiated.
struct Checked {
    component: Arc<LoadedComponent>,
    exports: HealthCheckExports,
    pre: InstancePre<CheckState>,
}

impl HealthCheckHost {
    /// A host whose library's engine is an [`AsyncEngine`](super::super::AsyncEngine). `resolver` is asked
    /// for the names that `allow` lists.
    pub fn new(
        library: Library,
        seeds: Seeds,
        metrics: Metrics,
        resolver: Arc<dyn Resolver>,
    ) -> Result<Arc<Self>, EngineError> {
        let mut linker = Linker::new(library.engine());
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        log::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
        random::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
        network::add_to_linker(&mut linker)?;
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
        let tried = thread::scope(|scope| {
            let trial = scope.spawn(|| block_on(try_out(&checker, limits.setup_deadline)));
            trial.join().unwrap_or_else(|_| Err(Refusal::Instantiate("the host failed".into())))
        });
        tried.map(|()| checker)
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
        let label: Arc<str> = name.as_str().into();
        let denials =
            Denials { check: label.clone(), gate: gate(), metrics: Some(metrics.clone()) };
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
            words: Words { check: label, gate: gate(), metrics: metrics.clone() },
            seeds: self.seeds.clone(),
            metrics,
        }
    }
}

/// Has a checker make an instance and look at something that is not there. Any verdict will do.
async fn try_out(checker: &HealthChecker, deadline: Duration) -> Result<(), Refusal> {
    let failed = |export, fault: Fault| Refusal::Failed { export, fault: fault.words() };
    let setup = Metered::new(deadline, async { Ok(checker.instantiate_silently().await) });
    let mut instance = timeout(deadline, setup)
        .await
        .unwrap_or(Err(Fault::Deadline(deadline)))
        .map_err(|fault| failed("configure", fault))??;
    let (endpoint, permit) = (sample().to_guest(deadline), checker.no_permit());
    let check = Metered::new(MAX_BUSY, instance.check(endpoint, permit));
    timeout(deadline, check)
        .await
        .unwrap_or(Err(Fault::Deadline(deadline)))
        .map_err(|fault| failed("check", fault))
        .map(|_| ())
}

fn block_on<T>(future: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Refusal::Instantiate(error.to_string()))?
        .block_on(future)
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

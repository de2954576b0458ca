//! What is to be checked, as the configuration says.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config;
use crate::model::{Check, CheckKind, CheckName, ServiceKey};
use crate::plugin::health_check::HealthChecker;
use crate::registry::{Instance, ServiceView};

/// The part of a configuration that the health loop knows.
#[derive(Default)]
pub struct Plan {
    /// By the registry's service: what is asked of its instances, and what traffic's failures mean.
    pub services: BTreeMap<ServiceKey, ServicePlan>,
    /// The components of checks, by the checks' names.
    pub checkers: BTreeMap<CheckName, Arc<HealthChecker>>,
    /// Of services that the configuration does not name.
    pub defaults: config::Health,
}

/// Of one service.
#[derive(Clone, Default)]
pub struct ServicePlan {
    pub checks: Vec<Arc<Check>>,
    pub health: config::Health,
}

impl Plan {
    /// What one instance is asked: what the configuration says of its service, then what its service says,
    /// then what it says itself. Of two with the same name the later one counts.
    pub(super) fn checks(
        &self,
        view: &ServiceView,
        instance: &Instance,
    ) -> BTreeMap<CheckName, Arc<Check>> {
        let configured = self.services.get(&view.record.key).into_iter().flat_map(|p| &p.checks);
        let registered = view.record.checks.iter().chain(&instance.record.checks);
        let all = configured.cloned().chain(registered.map(|check| Arc::new(check.clone())));
        all.map(|check| (check.name.clone(), check)).collect()
    }

    /// What holds for the health of a service.
    pub(super) fn health(&self, service: &ServiceKey) -> &config::Health {
        self.services.get(service).map_or(&self.defaults, |plan| &plan.health)
    }

    /// The component of a check, if it is one of a component.
    pub(super) fn checker(&self, check: &Check) -> Option<Arc<HealthChecker>> {
        match check.kind {
            CheckKind::Plugin(_) => self.checkers.get(&check.name).cloned(),
            _ => None,
        }
    }
}

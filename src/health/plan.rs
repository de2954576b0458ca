//! What is to be checked, as the configuration in effect has it. A reload publishes another one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::state::PassiveSettings;
use super::target::PluginProbe;
use crate::model::{Check, PluginCheck, ServiceKey};

/// Everything that the health loop takes from the configuration.
#[derive(Clone, Default)]
pub struct Plan {
    /// Checks of the instances of a service, before those of its record and of the instance itself; of
    /// the same name, the later takes the place of the earlier.
    pub by_service: BTreeMap<ServiceKey, Vec<Arc<Check>>>,
    /// What real traffic does to instances, where that is not as in `passive_default`. `None` = nothing.
    pub passive: BTreeMap<ServiceKey, Option<PassiveSettings>>,
    pub passive_default: Option<PassiveSettings>,
    /// Checks in flight, over all services. More wait, and are late.
    pub max_concurrent: usize,
    /// What makes the checks of components. One that is not here fails, and says so.
    pub plugins: HashMap<PluginCheck, Arc<dyn PluginProbe>>,
}

impl Plan {
    /// What traffic does to the instances of a service.
    pub(super) fn passive(&self, service: &ServiceKey) -> Option<PassiveSettings> {
        self.passive.get(service).copied().unwrap_or(self.passive_default)
    }
}

//! Starting the registry: its store, and the thread of its writer.

use std::sync::Arc;

use super::server::{RunError, runtime, spawn};
use crate::config::{Config, RegistryStore};
use crate::registry::{Registry, open};
use crate::store::{Memory, Store};

/// Reads what the store holds, and starts the writer.
pub(super) fn start(config: &Config) -> Result<Registry, RunError> {
    let settings = config.registry.clone();
    let runtime = runtime()?;
    let opened = runtime.block_on(async {
        let store: Arc<dyn Store> = match &settings.store {
            RegistryStore::Memory => Arc::new(Memory::default()),
            RegistryStore::Sqlite(_) => Arc::new(Memory::default()),
        };
        open(store, settings).await
    });
    let (registry, writer) = opened.map_err(RunError::Store)?;
    spawn("registry", move || {
        runtime.block_on(writer.run());
        Ok(())
    })?;
    Ok(registry)
}

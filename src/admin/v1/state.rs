//! A service's state as watchers get it: written out once, however many watch.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use utoipa::ToSchema;

use super::filter::Filter;
use super::instance_view::InstanceView;
use crate::model::ServiceKey;
use crate::registry::{Index, Snapshot};

/// Services whose state is kept written out; with one more all are forgotten, and written again when they
/// are asked for.
const MAX_KEPT: usize = 4096;

/// A service with its instances at one moment.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ServiceState {
    pub namespace: String,
    pub service: String,
    /// Of the newest change to it.
    pub index: u64,
    /// `false` = there is no such service (any more).
    pub present: bool,
    pub instances: Vec<InstanceView>,
}

impl ServiceState {
    fn of(snapshot: &Snapshot, key: &ServiceKey, filter: &Filter) -> Self {
        let service = snapshot.services.get(key);
        let instances = service.into_iter().flat_map(|service| {
            let wanted = service.instances.values().filter(|instance| filter.takes(instance));
            wanted.map(|instance| InstanceView::of(instance, &service.record))
        });
        Self {
            namespace: key.namespace.to_string(),
            service: key.name.to_string(),
            index: snapshot.index_of(key),
            present: service.is_some(),
            instances: instances.collect(),
        }
    }
}

/// A service's state as JSON: what watchers and webhooks get.
pub fn service_state(snapshot: &Snapshot, key: &ServiceKey) -> Bytes {
    let state = ServiceState::of(snapshot, key, &Filter::default());
    serde_json::to_vec(&state).unwrap_or_default().into()
}

/// States as server-sent events, written out.
#[derive(Default)]
pub struct States {
    kept: Mutex<HashMap<ServiceKey, Kept>>,
}

struct Kept {
    index: Index,
    event: Arc<OnceLock<Bytes>>,
}

impl States {
    /// A service's state as an event. Those who ask for the same one wait for whoever writes it.
    pub fn event(&self, snapshot: &Snapshot, key: &ServiceKey, filter: &Filter) -> Bytes {
        if !filter.is_open() {
            return event(snapshot, key, filter);
        }
        let index = snapshot.index_of(key);
        let cell = {
            let mut kept = self.kept.lock();
            match kept.get(key) {
                Some(known) if known.index == index => known.event.clone(),
                // Whoever is behind writes for himself: what is kept goes forwards only.
                Some(known) if known.index > index => Arc::default(),
                _ => {
                    if kept.len() >= MAX_KEPT {
                        kept.clear();
                    }
                    let event = Arc::<OnceLock<Bytes>>::default();
                    kept.insert(key.clone(), Kept { index, event: event.clone() });
                    event
                }
            }
        };
        cell.get_or_init(|| event(snapshot, key, filter)).clone()
    }
}

fn event(snapshot: &Snapshot, key: &ServiceKey, filter: &Filter) -> Bytes {
    let state = ServiceState::of(snapshot, key, filter);
    let mut event = format!("id: {}\nevent: state\ndata: ", state.index).into_bytes();
    // JSON has no line breaks of its own, so it is one `data` line.
    event.extend(serde_json::to_vec(&state).unwrap_or_default());
    event.extend_from_slice(b"\n\n");
    event.into()
}

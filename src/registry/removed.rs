//! Which services are gone, and since which change. Bounded: what is forgotten counts as gone since the
//! newest that was forgotten, so that whoever waits is told once too often rather than never.

use imbl::OrdMap;

use super::snapshot::Index;
use crate::model::ServiceKey;

/// More are forgotten, the oldest first.
const MAX_REMOVED: usize = 10_000;

/// Services that are gone.
#[derive(Debug, Clone, Default)]
pub struct Removed {
    services: OrdMap<ServiceKey, Index>,
    by_index: OrdMap<Index, ServiceKey>,
    floor: Index,
}

impl Removed {
    /// Nothing, but what was removed before `floor` is not known.
    pub(super) fn since(floor: Index) -> Self {
        Self { floor, ..Self::default() }
    }

    /// When a service that is not there was removed.
    pub(super) fn index_of(&self, service: &ServiceKey) -> Index {
        self.services.get(service).copied().unwrap_or(self.floor)
    }

    /// Notes that a service is gone.
    pub(super) fn note(&mut self, service: ServiceKey, index: Index) {
        self.forget(&service);
        self.by_index.insert(index, service.clone());
        self.services.insert(service, index);
        if self.services.len() > MAX_REMOVED
            && let Some((oldest, service)) = self.by_index.get_min().cloned()
        {
            self.floor = self.floor.max(oldest);
            self.by_index.remove(&oldest);
            self.services.remove(&service);
        }
    }

    /// It is there again.
    pub(super) fn forget(&mut self, service: &ServiceKey) {
        if let Some(index) = self.services.remove(service) {
            self.by_index.remove(&index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ServiceName;

    fn key(number: usize) -> ServiceKey {
        ServiceKey::in_default(ServiceName::new(&format!("s{number}")).unwrap())
    }

    #[test]
    fn what_is_forgotten_counts_as_removed_late_rather_than_never() {
        let mut removed = Removed::since(5);
        assert_eq!(removed.index_of(&key(0)), 5);
        for number in 0..MAX_REMOVED + 2 {
            removed.note(key(number), 10 + number as Index);
        }
        assert_eq!(removed.services.len(), MAX_REMOVED);
        assert_eq!(removed.index_of(&key(0)), 11, "at least its own index, 10");
        assert_eq!(removed.index_of(&key(2)), 12);
        removed.forget(&key(2));
        assert_eq!(removed.by_index.len(), MAX_REMOVED - 1);
    }
}

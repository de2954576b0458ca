//! Which label sets have a holder, so that the last one to go takes its series along.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

type Leases = Mutex<HashMap<Vec<String>, u64>>;

/// Handles by label values. Two holders of the same labels share one handle.
pub(super) struct SeriesTable<T> {
    handles: Mutex<HashMap<Vec<String>, Weak<T>>>,
    leases: Arc<Leases>,
    next: AtomicU64,
}

impl<T> Default for SeriesTable<T> {
    fn default() -> Self {
        Self { handles: Mutex::default(), leases: Arc::default(), next: AtomicU64::new(0) }
    }
}

impl<T> SeriesTable<T> {
    /// The handle for `labels`, if anybody holds it.
    pub(super) fn held(&self, labels: &[&str]) -> Option<Arc<T>> {
        let key: Vec<String> = labels.iter().map(ToString::to_string).collect();
        self.handles.lock().get(&key).and_then(Weak::upgrade)
    }

    /// Label sets that have a holder.
    pub(super) fn len(&self) -> usize {
        self.leases.lock().len()
    }

    /// The handle for `labels`, made if nobody holds it.
    pub(super) fn get(&self, labels: &[&str], make: impl FnOnce(Lease) -> T) -> Arc<T> {
        let key: Vec<String> = labels.iter().map(ToString::to_string).collect();
        let mut handles = self.handles.lock();
        if let Some(handle) = handles.get(&key).and_then(Weak::upgrade) {
            return handle;
        }
        // Not at each: a thousand that come at once would be looked through a thousand times.
        if handles.len() >= 2 * self.leases.lock().len() {
            handles.retain(|_, handle| handle.strong_count() > 0);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.leases.lock().insert(key.clone(), number);
        let lease = Lease { key: key.clone(), number, leases: self.leases.clone() };
        let handle = Arc::new(make(lease));
        handles.insert(key, Arc::downgrade(&handle));
        handle
    }
}

/// The right to remove a series: the newest handle for its labels has it.
pub(super) struct Lease {
    key: Vec<String>,
    number: u64,
    leases: Arc<Leases>,
}

impl Lease {
    /// Runs `remove` unless a newer handle for the same labels was made meanwhile.
    pub(super) fn release(&self, remove: impl FnOnce()) {
        let mut leases = self.leases.lock();
        if leases.get(&self.key) == Some(&self.number) {
            leases.remove(&self.key);
            remove();
        }
    }
}

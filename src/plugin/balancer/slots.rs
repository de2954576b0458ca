//! Instances for threads to pick with. A thread takes its own slot, else another; it never waits.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::instance::Instance;

/// Slots are apart by more than a cache line, so that two threads do not slow each other.
#[repr(align(128))]
#[derive(Default)]
struct Slot {
    instance: Mutex<Option<Instance>>,
    /// A thread came and found nothing: to be filled off the request path.
    wanted: AtomicBool,
}

/// A fixed number of places, filled as they are needed.
pub(super) struct Slots {
    slots: Box<[Slot]>,
}

/// What a thread gets.
pub(super) enum Checkout<'a> {
    Ready(ReadySlot<'a>),
    /// Every slot is in use or empty; `wanted` when one was noted to be filled just now.
    Busy {
        wanted: bool,
    },
}

/// A slot with an instance in it, held by one thread.
pub(super) struct ReadySlot<'a> {
    guard: MutexGuard<'a, Option<Instance>>,
    /// The thread's own slot was found empty and noted to be filled.
    pub(super) own_is_empty: bool,
}

impl ReadySlot<'_> {
    pub(super) fn instance(&mut self) -> &mut Instance {
        self.guard.as_mut().expect("a ready slot holds an instance until it is taken")
    }

    /// Empties the slot.
    pub(super) fn take(&mut self) -> Option<Instance> {
        self.guard.take()
    }
}

impl Slots {
    /// As many as there are proxy threads, and one more, so that an update leaves one to pick with.
    pub(super) fn new(threads: usize) -> Self {
        Self { slots: (0..=threads.max(1)).map(|_| Slot::default()).collect() }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The calling thread's own slot if it is free and filled, else any other that is.
    pub(super) fn checkout(&self) -> Checkout<'_> {
        let count = self.slots.len();
        let own = thread_ordinal() % count;
        if let Some(guard) = self.slots[own].instance.try_lock() {
            if guard.is_some() {
                return Checkout::Ready(ReadySlot { guard, own_is_empty: false });
            }
        } else {
            return self.checkout_other(own, false);
        }
        let newly_wanted = !self.slots[own].wanted.swap(true, Ordering::Relaxed);
        self.checkout_other(own, newly_wanted)
    }

    #[cold]
    fn checkout_other(&self, own: usize, own_is_empty: bool) -> Checkout<'_> {
        let count = self.slots.len();
        (1..count)
            .filter_map(|step| self.slots[(own + step) % count].instance.try_lock())
            .find(|guard| guard.is_some())
            .map_or(Checkout::Busy { wanted: own_is_empty }, |guard| {
                Checkout::Ready(ReadySlot { guard, own_is_empty })
            })
    }

    /// Holds one slot, waiting for it. Not for the request path.
    pub(super) fn lock(&self, index: usize) -> MutexGuard<'_, Option<Instance>> {
        self.slots[index].instance.lock()
    }

    /// Slots that were found empty since the last call.
    pub(super) fn wanted(&self) -> Vec<usize> {
        let asked = |index: &usize| self.slots[*index].wanted.swap(false, Ordering::Relaxed);
        (0..self.slots.len()).filter(asked).filter(|&i| self.lock(i).is_none()).collect()
    }

    pub(super) fn first_empty(&self) -> Option<usize> {
        (0..self.slots.len()).find(|&index| self.lock(index).is_none())
    }

    /// Slots with an instance.
    pub(super) fn ready(&self) -> usize {
        (0..self.slots.len()).filter(|&index| self.lock(index).is_some()).count()
    }
}

/// A number of this thread's own, from 0 in the order of first use.
fn thread_ordinal() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static ORDINAL: Cell<usize> = const { Cell::new(usize::MAX) });
    ORDINAL.with(|ordinal| {
        if ordinal.get() == usize::MAX {
            ordinal.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        ordinal.get()
    })
}

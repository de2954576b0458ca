//! A bounded queue whose reader is woken for many items, not for each: waking a thread costs whoever wakes it
//! more than writing a log line does.
//!
//! Whoever puts something never waits, but for the moment in which another item is put or the reader takes all
//! of them at once. The reader comes some time after the first item, or when the queue is half full, or at once
//! for what is urgent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// How long the reader lets items gather.
const GATHER_FOR: Duration = Duration::from_millis(50);

/// A queue for so many items.
pub fn gathering<T>(capacity: usize) -> (Gatherer<T>, Gathered<T>) {
    let waiting = Waiting { items: Vec::new(), is_urgent: false, is_closed: false };
    let shared = Arc::new(Shared { waiting: Mutex::new(waiting), ring: Condvar::new(), capacity });
    (Gatherer { shared: shared.clone() }, Gathered { shared })
}

struct Shared<T> {
    waiting: Mutex<Waiting<T>>,
    ring: Condvar,
    capacity: usize,
}

struct Waiting<T> {
    items: Vec<T>,
    is_urgent: bool,
    /// One of the two sides is gone.
    is_closed: bool,
}

/// The side that puts.
pub struct Gatherer<T> {
    shared: Arc<Shared<T>>,
}

/// The side that takes.
pub struct Gathered<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Gatherer<T> {
    /// Puts an item; returns it if there is no room, or nobody to take it.
    pub fn put(&self, item: T) -> Result<(), T> {
        let shared = &*self.shared;
        let mut waiting = shared.waiting.lock();
        if waiting.is_closed || waiting.items.len() >= shared.capacity {
            return Err(item);
        }
        waiting.items.push(item);
        let count = waiting.items.len();
        drop(waiting);
        if count == 1 || count == shared.capacity.div_ceil(2) {
            shared.ring.notify_one();
        }
        Ok(())
    }

    /// Has the reader come at once.
    pub fn hurry(&self) {
        self.shared.waiting.lock().is_urgent = true;
        self.shared.ring.notify_one();
    }
}

impl<T> Gathered<T> {
    /// Waits for items, and moves all of them to `taken`, which is to be empty. `false` = there will be none.
    pub fn take(&self, taken: &mut Vec<T>) -> bool {
        let shared = &*self.shared;
        let half = shared.capacity.div_ceil(2);
        let mut waiting = shared.waiting.lock();
        while waiting.items.is_empty() && !waiting.is_closed {
            waiting.is_urgent = false;
            shared.ring.wait(&mut waiting);
        }
        let until = Instant::now() + GATHER_FOR;
        while waiting.items.len() < half && !waiting.is_urgent && !waiting.is_closed {
            if shared.ring.wait_until(&mut waiting, until).timed_out() {
                break;
            }
        }
        waiting.is_urgent = false;
        std::mem::swap(&mut waiting.items, taken);
        !taken.is_empty()
    }
}

impl<T> Drop for Gatherer<T> {
    fn drop(&mut self) {
        self.shared.waiting.lock().is_closed = true;
        self.shared.ring.notify_one();
    }
}

impl<T> Drop for Gathered<T> {
    fn drop(&mut self) {
        self.shared.waiting.lock().is_closed = true;
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn everything_that_had_room_is_taken_in_order_and_then_there_is_an_end() {
        let (gatherer, gathered) = gathering(1000);
        let reader = thread::spawn(move || {
            let (mut all, mut some) = (Vec::new(), Vec::new());
            while gathered.take(&mut some) {
                all.append(&mut some);
            }
            all
        });
        let mut put = Vec::new();
        for number in 0..100_000 {
            if gatherer.put(number).is_ok() {
                put.push(number);
            }
        }
        drop(gatherer);
        assert_eq!(reader.join().unwrap(), put);
    }

    #[test]
    fn what_finds_no_room_or_no_reader_comes_back() {
        let (gatherer, gathered) = gathering(2);
        assert_eq!([1, 2, 3].map(|n| gatherer.put(n)), [Ok(()), Ok(()), Err(3)]);
        let mut taken = Vec::new();
        assert!(gathered.take(&mut taken));
        assert_eq!(taken, [1, 2]);
        assert_eq!(gatherer.put(4), Ok(()));
        drop(gathered);
        assert_eq!(gatherer.put(5), Err(5));
    }

    #[test]
    fn the_reader_lets_items_gather_unless_one_is_urgent() {
        let (gatherer, gathered) = gathering(1000);
        let (mut taken, begun) = (Vec::new(), Instant::now());
        gatherer.put(1).unwrap();
        assert!(gathered.take(&mut taken));
        assert!(begun.elapsed() >= GATHER_FOR);
        taken.clear();
        // A reader that waits for a first item is not hurried before there is one.
        gatherer.hurry();
        let reader = thread::spawn(move || {
            assert!(gathered.take(&mut taken));
            (taken, gathered)
        });
        gatherer.put(2).unwrap();
        gatherer.hurry();
        assert_eq!(reader.join().unwrap().0, [2]);
    }
}

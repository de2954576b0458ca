//! A bounded queue whose reader is woken for many items, not for each: waking a thread costs whoever wakes it
//! more than writing a log line does. For the same reason the items' bytes lie behind one another in one buffer.
//!
//! Whoever puts something never waits, but for the moment in which another item is put or the reader takes all
//! of them at once. The reader comes some time after the first item, or when there is much to take, or at once
//! for what is urgent. Much is little enough to lie in a processor's cache until it is taken.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

/// How long the reader lets items gather.
const GATHER_FOR: Duration = Duration::from_millis(50);
/// The reader comes for so many bytes, or when the queue is half full.
const MUCH_BYTES: usize = 64 << 10;
/// What a batch keeps for the next one, of the room that it grew to.
const KEPT_BYTES: usize = 4 * MUCH_BYTES;

/// A queue for so many items.
pub fn gathering<T>(capacity: usize) -> (Gatherer<T>, Gathered<T>) {
    let shared = Arc::new(Shared { waiting: Mutex::default(), ring: Condvar::new(), capacity });
    (Gatherer { shared: shared.clone() }, Gathered { shared })
}

/// Items in the order in which they were put, each with its bytes.
pub struct Batch<T> {
    /// With where its bytes end.
    items: Vec<(T, usize)>,
    bytes: Vec<u8>,
}

struct Shared<T> {
    waiting: Mutex<Waiting<T>>,
    ring: Condvar,
    capacity: usize,
}

struct Waiting<T> {
    batch: Batch<T>,
    is_urgent: bool,
    /// The reader has had nothing to do for a while, and waits for a first item.
    is_asleep: bool,
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

impl<T> Batch<T> {
    pub fn each(&self) -> impl Iterator<Item = (&T, &[u8])> {
        let mut begin = 0;
        self.items.iter().map(move |(item, end)| {
            let bytes = &self.bytes[mem::replace(&mut begin, *end)..*end];
            (item, bytes)
        })
    }

    fn push(&mut self, item: T, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.items.push((item, self.bytes.len()));
    }

    fn clear(&mut self) {
        self.items.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
        self.items.shrink_to(KEPT_BYTES / mem::size_of::<(T, usize)>());
    }
}

impl<T> Shared<T> {
    /// Whether there is enough for the reader to come.
    fn is_much(&self, batch: &Batch<T>) -> bool {
        batch.items.len() >= self.capacity.div_ceil(2) || batch.bytes.len() >= MUCH_BYTES
    }

    /// Lets items come for a while, unless there is reason not to.
    fn gather(&self, waiting: &mut MutexGuard<'_, Waiting<T>>) {
        let until = Instant::now() + GATHER_FOR;
        while !self.is_much(&waiting.batch) && !waiting.is_urgent && !waiting.is_closed {
            if self.ring.wait_until(waiting, until).timed_out() {
                break;
            }
        }
    }
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        let batch = Batch::default();
        Self { batch, is_urgent: false, is_asleep: false, is_closed: false }
    }
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self { items: Vec::new(), bytes: Vec::new() }
    }
}

impl<T> Gatherer<T> {
    /// Puts an item with its bytes; returns it if there is no room, or nobody to take it.
    pub fn put(&self, item: T, bytes: &[u8]) -> Result<(), T> {
        let shared = &*self.shared;
        let mut waiting = shared.waiting.lock();
        if waiting.is_closed || waiting.batch.items.len() >= shared.capacity {
            return Err(item);
        }
        let was_much = shared.is_much(&waiting.batch);
        waiting.batch.push(item, bytes);
        let wakes = waiting.is_asleep || (!was_much && shared.is_much(&waiting.batch));
        drop(waiting);
        if wakes {
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
    /// Waits for items, and has all of them in `taken`, in the place of what was there. `false` = there will be
    /// none.
    pub fn take(&self, taken: &mut Batch<T>) -> bool {
        taken.clear();
        let shared = &*self.shared;
        let mut waiting = shared.waiting.lock();
        shared.gather(&mut waiting);
        // Nothing came in all that time, or nothing urgent is there yet.
        while waiting.batch.items.is_empty() && !waiting.is_closed {
            (waiting.is_asleep, waiting.is_urgent) = (true, false);
            shared.ring.wait(&mut waiting);
            waiting.is_asleep = false;
            if !waiting.batch.items.is_empty() {
                shared.gather(&mut waiting);
            }
        }
        waiting.is_urgent = false;
        mem::swap(&mut waiting.batch, taken);
        !taken.items.is_empty()
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

    /// The items of a batch; the bytes of each are its number.
    fn numbers(batch: &Batch<u32>) -> Vec<u32> {
        let each =
            batch.each().inspect(|(item, bytes)| assert_eq!(*bytes, item.to_string().as_bytes()));
        each.map(|(item, _)| *item).collect()
    }

    fn put(gatherer: &Gatherer<u32>, number: u32) -> Result<(), u32> {
        gatherer.put(number, number.to_string().as_bytes())
    }

    #[test]
    fn everything_that_had_room_is_taken_in_order_and_then_there_is_an_end() {
        let (gatherer, gathered) = gathering(1000);
        let reader = thread::spawn(move || {
            let (mut all, mut some) = (Vec::new(), Batch::default());
            while gathered.take(&mut some) {
                all.append(&mut numbers(&some));
            }
            all
        });
        let had_room: Vec<u32> = (0..100_000).filter(|&n| put(&gatherer, n).is_ok()).collect();
        drop(gatherer);
        assert_eq!(reader.join().unwrap(), had_room);
    }

    #[test]
    fn what_finds_no_room_or_no_reader_comes_back() {
        let (gatherer, gathered) = gathering(2);
        assert_eq!([1, 2, 3].map(|n| put(&gatherer, n)), [Ok(()), Ok(()), Err(3)]);
        let mut taken = Batch::default();
        assert!(gathered.take(&mut taken));
        assert_eq!(numbers(&taken), [1, 2]);
        assert_eq!(put(&gatherer, 4), Ok(()));
        drop(gathered);
        assert_eq!(put(&gatherer, 5), Err(5));
    }

    #[test]
    fn the_reader_lets_items_gather_unless_one_is_urgent() {
        let (gatherer, gathered) = gathering(1000);
        let (mut taken, begun) = (Batch::default(), Instant::now());
        put(&gatherer, 1).unwrap();
        assert!(gathered.take(&mut taken));
        assert!(begun.elapsed() >= GATHER_FOR);
        // A reader that waits for a first item is not hurried before there is one.
        gatherer.hurry();
        let reader = thread::spawn(move || {
            assert!(gathered.take(&mut taken));
            (numbers(&taken), gathered)
        });
        put(&gatherer, 2).unwrap();
        gatherer.hurry();
        let (hurried, gathered) = reader.join().unwrap();
        assert_eq!(hurried, [2]);
        // The next ones are in no hurry.
        let (mut taken, begun) = (Batch::default(), Instant::now());
        put(&gatherer, 3).unwrap();
        assert!(gathered.take(&mut taken));
        assert!(begun.elapsed() >= GATHER_FOR);
    }

    #[test]
    fn much_is_taken_at_once() {
        for (count, bytes) in [(500, 1), (2, MUCH_BYTES / 2)] {
            let (gatherer, gathered) = gathering(1000);
            let is_at_once = || {
                let begun = Instant::now();
                (0..count).for_each(|n| gatherer.put(n, &vec![b'x'; bytes]).unwrap());
                assert!(gathered.take(&mut Batch::default()));
                begun.elapsed() < GATHER_FOR
            };
            // A busy machine may be slow, but not each time.
            assert!((0..100).any(|_| is_at_once()), "{count}");
        }
    }

    #[test]
    fn the_room_for_a_flood_is_given_back() {
        let (gatherer, gathered) = gathering(2);
        gatherer.put(1, &vec![b'x'; 4 * KEPT_BYTES]).unwrap();
        let mut taken = Batch::default();
        assert!(gathered.take(&mut taken));
        gatherer.put(2, b"2").unwrap();
        assert!(gathered.take(&mut taken));
        let waiting = gathered.shared.waiting.lock();
        assert!(waiting.batch.bytes.capacity() + taken.bytes.capacity() <= 2 * KEPT_BYTES);
    }
}

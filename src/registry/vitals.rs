//! What of an instance changes all the time, and therefore without a new snapshot.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::balance::EndpointState;
use crate::model::{ReportedLoad, UnixMillis};

/// What an instance that never reported a share or a count has.
const NEVER: u32 = u32::MAX;

/// Heart-beats and loads of one instance. The same object for the same id in every snapshot.
#[derive(Debug)]
pub struct Vitals {
    last_beat: AtomicU64,
    load_reported: AtomicU64,
    cpu: AtomicU32,
    memory: AtomicU32,
    disk: AtomicU32,
    in_flight: AtomicU32,
    /// What the proxy itself knows of it: requests in flight, latency; and what strategies read.
    pub endpoint: Arc<EndpointState>,
}

impl Vitals {
    /// An instance that was heard of `now`.
    pub fn new(now: UnixMillis) -> Self {
        let never = || AtomicU32::new(NEVER);
        Self {
            last_beat: AtomicU64::new(now.0),
            load_reported: AtomicU64::new(0),
            cpu: never(),
            memory: never(),
            disk: never(),
            in_flight: never(),
            endpoint: Arc::default(),
        }
    }

    /// Takes a heart-beat, and what the instance says of its load.
    pub fn beat(&self, load: &ReportedLoad, now: UnixMillis) {
        self.last_beat.store(now.0, Ordering::Relaxed);
        if *load == ReportedLoad::default() {
            return;
        }
        let shares = [(&self.cpu, load.cpu), (&self.memory, load.memory), (&self.disk, load.disk)];
        for (cell, share) in shares {
            if let Some(share) = share.filter(|share| !share.is_nan()) {
                cell.store(share.clamp(0.0, 1.0).to_bits(), Ordering::Relaxed);
            }
        }
        if let Some(in_flight) = load.in_flight {
            self.in_flight.store(in_flight.min(NEVER - 1), Ordering::Relaxed);
        }
        self.endpoint.report(load.cpu, load.memory);
        self.load_reported.store(now.0, Ordering::Relaxed);
    }

    /// When it was last heard of.
    pub fn last_beat(&self) -> UnixMillis {
        UnixMillis(self.last_beat.load(Ordering::Relaxed))
    }

    /// What it last said of its load, and when; `None` if never.
    pub fn load(&self) -> Option<(ReportedLoad, UnixMillis)> {
        let at = self.load_reported.load(Ordering::Relaxed);
        let read = |cell: &AtomicU32| Some(cell.load(Ordering::Relaxed)).filter(|&v| v != NEVER);
        let share = |cell| read(cell).map(f32::from_bits);
        (at != 0).then(|| {
            let load = ReportedLoad {
                cpu: share(&self.cpu),
                memory: share(&self.memory),
                disk: share(&self.disk),
                in_flight: read(&self.in_flight),
            };
            (load, UnixMillis(at))
        })
    }
}

//! The thread that takes samples.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::{Ring, RingSettings};
use crate::telemetry::Metrics;
use crate::telemetry::give_way::give_way;

/// Settings that may wait to be taken; a reload waits for the thread past that.
const MAX_WAITING: usize = 4;

/// Takes samples until it is dropped.
pub struct Sampler {
    settings: SyncSender<RingSettings>,
}

impl Sampler {
    /// Starts the thread; its first sample is taken at once.
    pub fn start(metrics: Metrics, ring: Arc<Ring>, settings: RingSettings) -> io::Result<Self> {
        let (tell, told) = mpsc::sync_channel(MAX_WAITING);
        let mut settings = settings;
        let run = move || {
            give_way();
            let mut due = Instant::now();
            loop {
                match told.recv_timeout(due.saturating_duration_since(Instant::now())) {
                    Ok(new) => settings = new,
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => {
                        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                        let unix_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
                        ring.record(&metrics.gather(), unix_ms, settings.retention);
                        // Late is late: samples are not made up for.
                        due = (due + settings.interval).max(Instant::now());
                        continue;
                    }
                }
                due = Instant::now() + settings.interval;
            }
        };
        thread::Builder::new().name("metrics".to_owned()).spawn(run)?;
        Ok(Self { settings: tell })
    }

    /// From now on, samples are taken and kept so.
    pub fn set(&self, settings: RingSettings) {
        // The thread ends with this handle only.
        let _ = self.settings.send(settings);
    }
}

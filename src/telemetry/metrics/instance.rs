//! The handles of one instance, or of all those that have no series of their own.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{Histogram, IntGauge};

use super::by_word::ByWord;
use super::families::Families;
use super::series::Lease;

/// How a try at an instance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryEnd {
    Success,
    /// It answered 5xx.
    Error,
    /// It could not be reached.
    Connect,
    /// It did not answer in time.
    Timeout,
    /// It broke off.
    Reset,
}

const ENDS: [&str; 5] = ["success", "error", "connect", "timeout", "reset"];

/// Counts what an instance is asked and answers.
pub struct InstanceMetrics {
    families: Arc<Families>,
    service: String,
    instance: String,
    lease: Lease,
    ends: ByWord,
    answer_seconds: Histogram,
    /// Requests that it serves.
    pub in_flight: IntGauge,
    /// 1 while it is well and on duty; nothing where several are counted together.
    up: Option<Up>,
}

/// Whether it is, and since when.
struct Up {
    is_up: IntGauge,
    since: IntGauge,
}

impl std::fmt::Debug for InstanceMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "InstanceMetrics({}/{})", self.service, self.instance)
    }
}

impl InstanceMetrics {
    pub(super) fn new(
        families: Arc<Families>,
        service: &str,
        instance: &str,
        is_one: bool,
        lease: Lease,
    ) -> Self {
        let labels = &[service, instance];
        let traffic = &families.traffic;
        Self {
            ends: ByWord::new(&ENDS),
            answer_seconds: traffic.answer_seconds.with_label_values(labels),
            in_flight: traffic.instance_in_flight.with_label_values(labels),
            up: is_one.then(|| Up {
                is_up: traffic.instance_up.with_label_values(labels),
                since: traffic.instance_up_since.with_label_values(labels),
            }),
            families,
            service: service.to_owned(),
            instance: instance.to_owned(),
            lease,
        }
    }

    /// Counts a response whose header came after `seconds`.
    pub fn answered(&self, status: u16, seconds: f64) {
        if !self.families.are_counting() {
            return;
        }
        self.ended(if status < 500 { TryEnd::Success } else { TryEnd::Error });
        self.answer_seconds.observe(seconds);
    }

    /// Counts how a try ended.
    pub fn ended(&self, end: TryEnd) {
        if !self.families.are_counting() {
            return;
        }
        let labels = [self.service.as_str(), self.instance.as_str()];
        self.ends.inc(end as usize, &self.families.traffic.tries, labels);
    }

    /// Says whether it may be given requests, as of `now`.
    pub fn set_up(&self, up: bool, now: SystemTime) {
        let Some(Up { is_up, since }) = &self.up else { return };
        if is_up.get() != i64::from(up) {
            let unix = now.duration_since(UNIX_EPOCH).unwrap_or_default();
            is_up.set(i64::from(up));
            since.set(if up { unix.as_secs() as i64 } else { 0 });
        }
    }
}

impl Drop for InstanceMetrics {
    fn drop(&mut self) {
        let traffic = &self.families.traffic;
        let labels = [self.service.as_str(), self.instance.as_str()];
        // A series that is not there any more is what is wanted.
        self.lease.release(|| {
            self.ends.remove(&traffic.tries, labels);
            let _ = traffic.answer_seconds.remove_label_values(&labels);
            let _ = traffic.instance_in_flight.remove_label_values(&labels);
            let _ = traffic.instance_up.remove_label_values(&labels);
            let _ = traffic.instance_up_since.remove_label_values(&labels);
        });
    }
}

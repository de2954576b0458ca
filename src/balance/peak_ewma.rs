//! A moving average of response time that believes bad news at once and good news slowly.
//!
//! Finagle's "peak EWMA" (Twitter, `com.twitter.finagle.loadbalancer.PeakEwma`): a sample above the
//! average replaces it; one below pulls it down by `1 - e^(-dt/tau)`. Without samples the average
//! decays towards zero, so that an endpoint that was slow once is tried again.

use std::sync::atomic::{AtomicU64, Ordering};

/// After this long without a sample, 1/e of the average is left.
const TAU_MS: f32 = 10_000.0;

/// The average and the moment of its last change, in one word, so that both always agree.
///
/// High half: microseconds. Low half: the caller's clock in milliseconds, which may wrap.
#[derive(Debug, Default)]
pub struct PeakEwma(AtomicU64);

impl PeakEwma {
    /// Takes one response time. `now_ms` is any clock that counts milliseconds.
    ///
    /// Concurrent samples may overwrite each other: the average stays one of theirs.
    pub fn observe(&self, sample_us: u32, now_ms: u32) {
        let (average_us, last_ms) = unpack(self.0.load(Ordering::Relaxed));
        let elapsed_ms = now_ms.wrapping_sub(last_ms);
        let sample_us = sample_us.max(1);
        let next_us = if sample_us >= average_us {
            sample_us
        } else if elapsed_ms == 0 {
            return; // within the clock's resolution: the next sample carries this one's weight
        } else {
            let keep = decay(elapsed_ms);
            (average_us as f32 * keep + sample_us as f32 * (1.0 - keep)) as u32
        };
        self.0.store(pack(next_us.max(1), now_ms), Ordering::Relaxed);
    }

    /// Takes a try that failed after `elapsed_us`: twice the average, within
    /// [`FAILURE_US`](Self::FAILURE_US), or how long it took where that is more.
    ///
    /// An endpoint that resets each connection at once would otherwise look like the fastest, and
    /// one that is sent nothing but failures would decay to it.
    pub fn observe_failure(&self, elapsed_us: u32, now_ms: u32) {
        let (least, most) = Self::FAILURE_US;
        let doubled = self.read_us(now_ms).saturating_mul(2);
        self.observe(doubled.clamp(least, most).max(elapsed_us), now_ms);
    }

    /// The least and the most that a failure counts for, if it did not take longer.
    const FAILURE_US: (u32, u32) = (100_000, 10_000_000);

    /// Forgets what was, and takes `average_us` for the average. For simulations.
    pub fn set(&self, average_us: u32, now_ms: u32) {
        self.0.store(pack(average_us, now_ms), Ordering::Relaxed);
    }

    /// The average in microseconds, decayed up to now; 0 = no sample yet.
    pub fn read_us(&self, now_ms: u32) -> u32 {
        let (average_us, last_ms) = unpack(self.0.load(Ordering::Relaxed));
        let elapsed_ms = now_ms.wrapping_sub(last_ms);
        if average_us == 0 || elapsed_ms < 100 {
            return average_us;
        }
        ((average_us as f32 * decay(elapsed_ms)) as u32).max(1)
    }
}

fn decay(elapsed_ms: u32) -> f32 {
    (-(elapsed_ms as f32) / TAU_MS).exp()
}

fn pack(average_us: u32, at_ms: u32) -> u64 {
    u64::from(average_us) << 32 | u64::from(at_ms)
}

fn unpack(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_counts_at_once_and_fades_slowly() {
        let ewma = PeakEwma::default();
        assert_eq!(ewma.read_us(0), 0);
        ewma.observe(100, 1_000);
        ewma.observe(9_000, 1_001);
        assert_eq!(ewma.read_us(1_001), 9_000);
        ewma.observe(100, 1_002);
        assert!(ewma.read_us(1_002) > 8_900);
        ewma.observe(100, 11_002);
        let faded = ewma.read_us(11_002);
        assert!((3_300..3_500).contains(&faded), "{faded}");
    }

    #[test]
    fn a_quick_failure_never_makes_an_endpoint_look_fast() {
        let ewma = PeakEwma::default();
        ewma.observe_failure(50, 0);
        assert_eq!(ewma.read_us(0), 100_000);
        ewma.observe_failure(50, 5);
        assert_eq!(ewma.read_us(5), 200_000);
        for now_ms in 6..100 {
            ewma.observe_failure(50, now_ms);
        }
        assert_eq!(ewma.read_us(100), 10_000_000);
        ewma.observe_failure(60_000_000, 101);
        assert_eq!(ewma.read_us(101), 60_000_000);
    }

    #[test]
    fn an_idle_endpoint_is_forgiven_but_not_forgotten() {
        let ewma = PeakEwma::default();
        ewma.observe(10_000, 0);
        assert!((3_600..3_700).contains(&ewma.read_us(10_000)));
        assert_eq!(ewma.read_us(10_000_000), 1);
    }
}

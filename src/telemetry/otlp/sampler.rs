//! Which requests are traced: what the caller decided holds; where nobody did, a share of the traces.
//!
//! The share is chosen by the trace's id, as OpenTelemetry's `TraceIdRatioBased` does it: every proxy of the same
//! share comes to the same result for a trace, and a larger share holds all traces of a smaller one.

/// A share of all traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampler {
    /// Ids below are taken; of 63 bits.
    bound: u64,
}

impl Sampler {
    /// Takes so much of 1; what is beyond 0 and 1 counts as those.
    pub fn new(share: f64) -> Self {
        const ALL: f64 = (1_u64 << 63) as f64;
        Self { bound: (share.clamp(0.0, 1.0) * ALL) as u64 }
    }

    /// Whether a trace is taken, by the lower half of its id.
    pub fn takes(self, lower_half: u64) -> bool {
        (lower_half >> 1) < self.bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_take_nothing_and_everything() {
        for id in [0, 1, u64::MAX / 2, u64::MAX] {
            assert!(!Sampler::new(0.0).takes(id) && Sampler::new(1.0).takes(id), "{id}");
            assert!(!Sampler::new(f64::NAN).takes(id) && !Sampler::new(-1.0).takes(id), "{id}");
        }
    }

    #[test]
    fn a_share_is_kept_and_larger_ones_hold_smaller_ones() {
        let mut random = fastrand::Rng::with_seed(7);
        let ids: Vec<u64> = (0..100_000).map(|_| random.u64(..)).collect();
        let taken = |share| ids.iter().filter(|&&id| Sampler::new(share).takes(id)).count();
        assert!((900..1100).contains(&taken(0.01)), "{}", taken(0.01));
        assert!((49_000..51_000).contains(&taken(0.5)), "{}", taken(0.5));
        let (small, large) = (Sampler::new(0.01), Sampler::new(0.02));
        assert!(ids.iter().all(|&id| !small.takes(id) || large.takes(id)));
    }
}

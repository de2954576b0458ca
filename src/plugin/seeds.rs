//! Seeds for guests' generators: from the system, or from one number so that a run can be repeated.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A stream of seeds, shared by the instances of a host.
#[derive(Debug, Clone)]
pub struct Seeds(Arc<AtomicU64>);

impl Seeds {
    /// Seeds that nobody can foresee.
    pub fn from_entropy() -> Self {
        Self::fixed(RandomState::new().hash_one(std::process::id()))
    }

    /// The same seeds in the same order, every time.
    pub fn fixed(seed: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seed)))
    }

    /// Begins again, as if made by [`Seeds::fixed`]. For runs that must repeat.
    pub fn rewind(&self, seed: u64) {
        self.0.store(seed, Ordering::Relaxed);
    }

    /// The next seed, by SplitMix64 (Steele, Lea, Flood 2014).
    pub fn next(&self) -> u64 {
        let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

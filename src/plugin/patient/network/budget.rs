//! How much one check may take from the network.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Connections that one check may open, refused ones included.
pub const MAX_CONNECTIONS: u32 = 16;

/// Bytes that one check may read, over all its connections.
pub const MAX_READ_BYTES: u64 = 16 << 20;

/// What is left for one check.
#[derive(Debug)]
pub struct Budget {
    connections: AtomicU32,
    read_bytes: AtomicU64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            connections: AtomicU32::new(MAX_CONNECTIONS),
            read_bytes: AtomicU64::new(MAX_READ_BYTES),
        }
    }
}

impl Budget {
    /// Whether one more connection may be opened.
    pub fn take_connection(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        self.connections.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// Whether so much more may be read. At the first that is too much nothing more may.
    pub fn take_bytes(&self, bytes: usize) -> bool {
        let less = |left: u64| Some(left.saturating_sub(bytes as u64));
        let before = self.read_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        before.unwrap_or_else(|left| left) >= bytes as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_up_stays_used_up() {
        let budget = Budget::default();
        assert!((0..MAX_CONNECTIONS).all(|_| budget.take_connection()));
        assert!(!budget.take_connection());
        assert!(budget.take_bytes(MAX_READ_BYTES as usize));
        assert!(budget.take_bytes(0));
        assert!(!budget.take_bytes(1));
        let budget = Budget::default();
        assert!(!budget.take_bytes(MAX_READ_BYTES as usize + 1));
        assert!(!budget.take_bytes(1), "the first that is too much ends it");
    }
}

//! What one instance may use.

use prometheus::IntGauge;
use wasmtime::ResourceLimiter;

/// Core instances, memories and tables of one component. Rust's and JavaScript's use a handful, Python's
/// (componentize-py) about forty instances.
const MAX_PARTS: usize = 100;

/// Elements of one table: function pointers, mostly.
const MAX_TABLE_ELEMENTS: usize = 100_000;

/// Holds an instance to its memory cap, and knows how much it uses.
#[derive(Debug)]
pub(super) struct Limiter {
    memory_cap_bytes: usize,
    memory_bytes: usize,
    /// Shows what all instances of a component use together.
    gauge: Option<IntGauge>,
}

impl Limiter {
    pub(super) fn new(memory_cap_bytes: usize) -> Self {
        Self { memory_cap_bytes, memory_bytes: 0, gauge: None }
    }

    /// Shows its memory there too, while it lives.
    pub(super) fn shown_by(mut self, gauge: IntGauge) -> Self {
        self.gauge = Some(gauge);
        self
    }

    /// Linear memory of the instance, all memories together.
    pub(super) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        if let Some(gauge) = &self.gauge {
            gauge.sub(self.memory_bytes as i64);
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory_bytes - current.min(self.memory_bytes) + desired;
        // A guest that is refused memory sees `memory.grow` fail, and usually traps of it.
        let granted = total <= self.memory_cap_bytes;
        if granted {
            if let Some(gauge) = &self.gauge {
                gauge.add(total as i64 - self.memory_bytes as i64);
            }
            self.memory_bytes = total;
        }
        Ok(granted)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        MAX_PARTS
    }

    fn tables(&self) -> usize {
        MAX_PARTS
    }

    fn memories(&self) -> usize {
        MAX_PARTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_granted_up_to_the_cap_over_all_memories() {
        let mut limiter = Limiter::new(300);
        assert!(limiter.memory_growing(0, 100, None).unwrap());
        assert!(limiter.memory_growing(0, 150, None).unwrap());
        assert!(!limiter.memory_growing(100, 200, None).unwrap());
        assert!(limiter.memory_growing(100, 150, None).unwrap());
        assert_eq!(limiter.memory_bytes(), 300);
    }

    #[test]
    fn what_instances_use_is_shown_until_they_are_gone() {
        let gauge = IntGauge::new("memory", "m").unwrap();
        let mut one = Limiter::new(300).shown_by(gauge.clone());
        let mut other = Limiter::new(300).shown_by(gauge.clone());
        assert!(one.memory_growing(0, 100, None).unwrap());
        assert!(other.memory_growing(0, 200, None).unwrap());
        assert!(!one.memory_growing(100, 400, None).unwrap());
        assert!(one.memory_growing(100, 150, None).unwrap());
        assert_eq!(gauge.get(), 350);
        drop(other);
        assert_eq!(gauge.get(), 150);
    }
}

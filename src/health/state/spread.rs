//! The panic threshold, as Envoy has it: when too few are well, those that are left would be crushed by the
//! traffic of all, and it is likelier that the checks are wrong. Then all get requests.

/// Who gets requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// Those that are eligible.
    Healthy,
    /// All of them, and somebody should be told.
    Panic,
}

/// Decides by the share of `eligible` endpoints among `total`; 0 % = never panic.
pub fn spread(eligible: usize, total: usize, panic_percent: u32) -> Spread {
    let too_few = (eligible as u64) * 100 < (total as u64) * u64::from(panic_percent);
    if too_few { Spread::Panic } else { Spread::Healthy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_the_threshold_all_get_requests() {
        assert_eq!(spread(5, 10, 50), Spread::Healthy);
        assert_eq!(spread(4, 10, 50), Spread::Panic);
        assert_eq!(spread(0, 10, 0), Spread::Healthy);
        assert_eq!(spread(0, 0, 50), Spread::Healthy);
    }
}

//! Who is used when few are well: the panic threshold.
//!
//! Were all traffic to go to the few that are well, it would bring those down too; and where most
//! seem down it is often the checks that are wrong. So below a threshold requests go to everybody,
//! as in Envoy ("panic threshold", Arch. overview, Load balancing) and Nacos ("protect threshold").

/// Who gets requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routing {
    /// Those who are well.
    Healthy,
    /// Everybody.
    Panic,
}

/// Decides over `well` of `total`. A `percent` of 0 never panics.
pub fn routing(well: usize, total: usize, percent: u32) -> Routing {
    match well * 100 < total * percent as usize {
        true => Routing::Panic,
        false => Routing::Healthy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_the_threshold_all_are_used() {
        for (well, total, percent, expected) in [
            (5, 10, 50, Routing::Healthy),
            (4, 10, 50, Routing::Panic),
            (0, 1, 50, Routing::Panic),
            (0, 10, 0, Routing::Healthy),
            (9, 10, 100, Routing::Panic),
            (0, 0, 50, Routing::Healthy),
        ] {
            assert_eq!(routing(well, total, percent), expected, "{well} of {total}, {percent} %");
        }
    }
}

//! What a counter did in a window: the algorithm of Prometheus's `rate` and `increase`
//! (`extrapolatedRate` in its `promql/functions.go`).
//!
//! A counter that is smaller than before was reset, and counted from zero since: what it had is added. Samples
//! rarely stand on a window's edges, so the growth between the first and the last is stretched to the
//! edges, where those are no further away than samples are from one another (and a tenth); else by half of
//! that distance. A counter is never stretched back to below zero.

use std::time::Duration;

use crate::model::UnixMillis;

/// How much further away than usual an edge may be for a series to be taken to reach it.
const TOLERANCE: f64 = 1.1;

/// A series' samples in a window, summed up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    pub first: f64,
    pub last: f64,
    /// What the counter had, in all, each time before it was reset.
    pub lost: f64,
    pub samples: usize,
    pub first_at: UnixMillis,
    pub last_at: UnixMillis,
}

impl Stretch {
    /// The growth of a counter in the window that ends `now`; NaN of fewer than two samples.
    pub fn increase(&self, window: Duration, now: UnixMillis) -> f64 {
        self.stretched(self.last - self.first + self.lost, true, window, now)
    }

    /// The change of a gauge in the window, likewise.
    pub fn delta(&self, window: Duration, now: UnixMillis) -> f64 {
        self.stretched(self.last - self.first, false, window, now)
    }

    fn stretched(&self, grown: f64, is_counter: bool, window: Duration, now: UnixMillis) -> f64 {
        let Self { first, last: _, lost: _, samples, first_at, last_at } = *self;
        let sampled = last_at.since(first_at).as_secs_f64();
        if samples < 2 || sampled <= 0.0 {
            return f64::NAN;
        }
        let apart = sampled / (samples - 1) as f64;
        let edge =
            |distance: f64| if distance >= apart * TOLERANCE { apart / 2.0 } else { distance };
        let covered = now.since(first_at).as_secs_f64();
        let mut before = edge((window.as_secs_f64() - covered).max(0.0));
        if is_counter && grown > 0.0 && first >= 0.0 {
            before = before.min(sampled * (first / grown));
        }
        let after = edge(now.since(last_at).as_secs_f64());
        grown * ((sampled + before + after) / sampled)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Samples ten seconds apart, the last one `now`.
    pub(super) fn stretch(values: &[f64]) -> (Stretch, UnixMillis) {
        let at = |i: usize| UnixMillis(1_000_000 + 10_000 * i as u64);
        let resets = values.windows(2).filter(|pair| pair[1] < pair[0]).map(|pair| pair[0]);
        let stretch = Stretch {
            first: values[0],
            last: values[values.len() - 1],
            lost: resets.sum(),
            samples: values.len(),
            first_at: at(0),
            last_at: at(values.len() - 1),
        };
        (stretch, at(values.len() - 1))
    }

    /// The expectations are what `promtool test rules` says of the same series.
    #[test]
    fn growth_is_as_prometheus_has_it() {
        let minute = Duration::from_secs(60);
        let cases: [(&[f64], f64); 5] = [
            (&[0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0], 60.0),
            // Reset after 20: what there was counts.
            (&[100.0, 110.0, 120.0, 5.0, 15.0, 25.0, 35.0], 55.0),
            // It begins within the window, with nothing: not stretched below zero.
            (&[0.0, 10.0, 20.0], 20.0),
            // It begins within the window with much: half a distance is added.
            (&[1000.0, 1010.0, 1020.0], 25.0),
            (&[7.0, 7.0, 7.0, 7.0, 7.0, 7.0, 7.0], 0.0),
        ];
        for (values, expected) in cases {
            let (stretch, now) = stretch(values);
            let found = stretch.increase(minute, now);
            assert!((found - expected).abs() < 1e-9, "{values:?}: {found}, not {expected}");
        }
        let (one, now) = stretch(&[1.0]);
        assert!(one.increase(minute, now).is_nan());
    }

    #[test]
    fn a_gauge_may_fall() {
        let (stretch, now) = stretch(&[60.0, 50.0, 40.0, 30.0, 20.0, 10.0, 0.0]);
        assert_eq!(stretch.delta(Duration::from_secs(60), now), -60.0);
    }

    proptest! {
        #[test]
        fn a_counter_never_shrinks(
            values in prop::collection::vec(0.0..1e12f64, 2..50), late in 0..100_000u64,
        ) {
            let (stretch, now) = stretch(&values);
            let found = stretch.increase(Duration::from_secs(300), UnixMillis(now.0 + late));
            prop_assert!(found >= 0.0 && found.is_finite(), "{}", found);
        }
    }
}

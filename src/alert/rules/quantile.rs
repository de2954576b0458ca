//! A quantile of a histogram: Prometheus's `histogram_quantile` over classic buckets.
//!
//! Within the bucket in which the rank falls, observations are taken to be spread evenly. So the answer is as
//! exact as the bucket is narrow, and never beyond the highest finite bound.

/// The value below which a share `quantile` of the observations is. `buckets` are cumulative counts by upper
/// bound, ascending, the last bound infinite; NaN where that is not so, or nothing was observed.
pub fn histogram_quantile(quantile: f64, buckets: &mut [(f64, f64)]) -> f64 {
    let total = match buckets {
        [.., (bound, _)] if *bound == f64::INFINITY && buckets.len() > 1 => monotonic(buckets),
        _ => return f64::NAN,
    };
    if total <= 0.0 || total.is_nan() {
        return f64::NAN;
    }
    let rank = quantile * total;
    let place = buckets.partition_point(|(_, count)| *count < rank).min(buckets.len() - 1);
    if place == buckets.len() - 1 {
        return buckets[place - 1].0;
    }
    let (bound, count) = buckets[place];
    if place == 0 && bound <= 0.0 {
        return bound;
    }
    let (below, counted) = if place == 0 { (0.0, 0.0) } else { buckets[place - 1] };
    below + (bound - below) * ((rank - counted) / (count - counted))
}

/// Buckets are read one after the other while requests go on: a higher one may lag behind. Returns the total.
fn monotonic(buckets: &mut [(f64, f64)]) -> f64 {
    let mut most = 0.0_f64;
    for (_, count) in buckets.iter_mut() {
        most = most.max(*count);
        *count = most;
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;

    /// Which quantile, of which buckets, is what.
    type Case = (f64, &'static [(f64, f64)], f64);

    #[test]
    fn quantiles_are_as_prometheus_has_them() {
        let cases: [Case; 9] = [
            (0.5, &[(0.1, 0.0), (0.2, 10.0), (INF, 10.0)], 0.15),
            (0.9, &[(1.0, 50.0), (2.0, 90.0), (4.0, 100.0), (INF, 100.0)], 2.0),
            (0.99, &[(1.0, 50.0), (2.0, 90.0), (4.0, 100.0), (INF, 100.0)], 3.8),
            // Beyond the highest bound nothing is known.
            (0.99, &[(1.0, 50.0), (INF, 100.0)], 1.0),
            (0.25, &[(1.0, 100.0), (INF, 100.0)], 0.25),
            (0.5, &[(1.0, 0.0), (INF, 0.0)], f64::NAN),
            (0.5, &[(1.0, 5.0), (2.0, 5.0)], f64::NAN),
            // One that lags behind.
            (0.5, &[(1.0, 10.0), (2.0, 9.0), (INF, 10.0)], 0.5),
            (0.95, &[(1.0, 10.0), (2.0, 9.0), (INF, 10.0)], 0.95),
        ];
        for (quantile, buckets, expected) in cases {
            let found = histogram_quantile(quantile, &mut buckets.to_vec());
            let same = (found - expected).abs() < 1e-9 || (found.is_nan() && expected.is_nan());
            assert!(same, "{quantile} of {buckets:?}: {found}, not {expected}");
        }
        assert!(histogram_quantile(0.5, &mut []).is_nan());
    }
}

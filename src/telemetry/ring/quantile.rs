//! A quantile of a histogram, as Prometheus estimates it.

/// The `q`-quantile (0 to 1) of observations that are counted up to each bound. `buckets` is sorted by
/// bound, counts include those of the buckets below, the last bound is infinite. Within a bucket,
/// observations are taken to be spread evenly; of those above the last finite bound nothing is known
/// but that. `None` when nothing was observed.
pub fn quantile(q: f64, buckets: &[(f64, f64)]) -> Option<f64> {
    let (_, total) = *buckets.last()?;
    if total <= 0.0 || !(0.0..=1.0).contains(&q) {
        return None;
    }
    let rank = q * total;
    let at = buckets.iter().position(|(_, count)| *count >= rank)?;
    let (bound, count) = buckets[at];
    let (below, counted) = match at {
        0 => (0.0, 0.0),
        at => buckets[at - 1],
    };
    if bound.is_infinite() {
        return Some(below);
    }
    let inside = count - counted;
    let share = if inside > 0.0 { (rank - counted) / inside } else { 1.0 };
    Some(below + (bound - below) * share)
}

//! Reading what is remembered.

use std::sync::Arc;
use std::time::Duration;

use super::index::{Index, Series};
use super::quantile::quantile;

/// All series at one moment.
#[derive(Debug)]
pub(super) struct Sample {
    pub unix_ms: u64,
    pub index: Arc<Index>,
    /// One a series of the index.
    pub values: Box<[f64]>,
}

/// A series of the newest sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(usize);

/// The samples at one moment, oldest first.
#[derive(Debug, Default)]
pub struct History {
    samples: Vec<Arc<Sample>>,
}

impl History {
    pub(super) fn new(samples: Vec<Arc<Sample>>) -> Self {
        Self { samples }
    }

    /// Samples.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there is none yet.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Series in the newest sample.
    pub fn series_count(&self) -> usize {
        self.samples.last().map_or(0, |newest| newest.index.series.len())
    }

    /// When the newest sample was taken.
    pub fn newest_unix_ms(&self) -> Option<u64> {
        self.samples.last().map(|sample| sample.unix_ms)
    }

    /// The names of all metrics.
    pub fn metrics(&self) -> impl Iterator<Item = &str> {
        self.samples.last().into_iter().flat_map(|newest| newest.index.metrics())
    }

    /// The series of a metric, whose name has its `_bucket`, `_sum` or `_count`, with their places.
    pub fn series(&self, metric: &str) -> impl Iterator<Item = (Place, &Series)> {
        let newest = self.samples.last();
        newest.into_iter().flat_map(move |newest| {
            let places = newest.index.places(metric).iter();
            places.map(|place| (Place(*place), &newest.index.series[*place]))
        })
    }

    /// The newest value.
    pub fn value(&self, place: Place) -> Option<f64> {
        self.samples.last()?.values.get(place.0).copied()
    }

    /// The values not older than `range`, with their times, oldest first. Of those less than `step` apart
    /// the newest stays.
    pub fn values(&self, place: Place, range: Duration, step: Duration) -> Vec<(u64, f64)> {
        let Some(newest) = self.samples.last() else { return Vec::new() };
        let oldest = newest.unix_ms.saturating_sub(millis(range));
        let mut last_unix_ms = u64::MAX;
        let mut values = Vec::new();
        for sample in self.samples.iter().rev().take_while(|sample| sample.unix_ms >= oldest) {
            if last_unix_ms != u64::MAX && last_unix_ms - sample.unix_ms < millis(step) {
                continue;
            }
            last_unix_ms = sample.unix_ms;
            values.extend(in_sample(sample, newest, place).map(|value| (sample.unix_ms, value)));
        }
        values.reverse();
        values
    }

    /// By how much a counter grew within `window`, over resets. A series that was not there was 0.
    pub fn increase(&self, place: Place, window: Duration) -> Option<f64> {
        let newest = self.samples.last()?;
        let first = self.begin_of(window)?;
        let begin = &self.samples[first];
        let now = newest.values.get(place.0)?;
        // The usual case: nothing came or went, and the counter only grew.
        let then = begin.values.get(place.0).filter(|_| Arc::ptr_eq(&begin.index, &newest.index));
        if let Some(then) = then.filter(|then| *then <= now) {
            return Some(now - then);
        }
        let mut former = in_sample(begin, newest, place).unwrap_or(0.0);
        let mut increase = 0.0;
        for sample in &self.samples[first + 1..] {
            let value = in_sample(sample, newest, place).unwrap_or(0.0);
            increase += if value >= former { value - former } else { value };
            former = value;
        }
        Some(increase)
    }

    /// How long a window really is: shorter while the process is young. `None` while there is no
    /// second sample.
    pub fn span(&self, window: Duration) -> Option<Duration> {
        let begin = &self.samples[self.begin_of(window)?];
        let span = self.newest_unix_ms()?.saturating_sub(begin.unix_ms);
        (span > 0).then(|| Duration::from_millis(span))
    }

    /// The mean of a gauge within `window`.
    pub fn mean(&self, place: Place, window: Duration) -> Option<f64> {
        let values = self.values(place, window, Duration::ZERO);
        let sum: f64 = values.iter().map(|(_, value)| value).sum();
        (!values.is_empty()).then(|| sum / values.len() as f64)
    }

    /// The quantile of what a histogram observed within `window`, over all its series that `takes`
    /// takes. `family` is its name without a suffix.
    pub fn histogram_quantile(
        &self,
        family: &str,
        takes: impl Fn(&Series) -> bool,
        q: f64,
        window: Duration,
    ) -> Option<f64> {
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        let series = self.series_of_buckets(family);
        for (place, bound) in series
            .filter(|(_, s)| takes(s))
            .filter_map(|(place, series)| Some((place, series.upper_bound()?)))
        {
            let count = self.increase(place, window).unwrap_or(0.0);
            match buckets.iter_mut().find(|(known, _)| *known == bound) {
                Some((_, sum)) => *sum += count,
                None => buckets.push((bound, count)),
            }
        }
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        quantile(q, &buckets)
    }

    fn series_of_buckets(&self, family: &str) -> impl Iterator<Item = (Place, &Series)> {
        self.series(&format!("{family}_bucket")).collect::<Vec<_>>().into_iter()
    }

    /// The newest sample that is as old as `window`, or the oldest of all.
    fn begin_of(&self, window: Duration) -> Option<usize> {
        let begin = self.newest_unix_ms()?.saturating_sub(millis(window));
        Some(self.samples.partition_point(|sample| sample.unix_ms <= begin).saturating_sub(1))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What a series of the newest sample was in another one.
fn in_sample(sample: &Sample, newest: &Sample, place: Place) -> Option<f64> {
    let place = match Arc::ptr_eq(&sample.index, &newest.index) {
        true => place.0,
        false => sample.index.find(newest.index.series.get(place.0)?)?,
    };
    sample.values.get(place).copied()
}

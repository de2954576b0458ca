//! The samples that rules need, in memory: of the families that they name, as far back as their longest window.
//!
//! A column for each look, with a place for each series; all series of a family are looked at together, so
//! that time is kept once. Looks that are closer to one another than a [`RESOLUTION`]th of the longest window
//! take each other's place, which bounds memory whatever the interval is. A series that goes and comes back
//! has another place: nothing is measured across the gap.
//!
//! A counter that appears between two looks began at zero since the former, and what it has is growth. In
//! Prometheus that takes a timestamp of creation; without it, the first errors of a service that never failed
//! before are overlooked, as their series comes with them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use super::expression::Function;
use super::series::{Family, Series};
use super::stretch::Stretch;
use crate::model::{Labels, UnixMillis};

/// Columns that a family has, at most, but for two.
const RESOLUTION: u32 = 480;
/// Places of series that are gone, before the others are packed again.
const MAX_GONE: usize = 1024;

/// The samples of every family that is asked for.
#[derive(Default)]
pub struct History {
    families: HashMap<String, Samples>,
    /// Families that were ever begun: epochs of one of the same name are never the same.
    begun: u64,
}

/// One look at all series. What was not seen when it ends is gone.
pub struct Look<'h> {
    history: &'h mut History,
    now: UnixMillis,
    key: Vec<u8>,
}

/// The samples of one family.
struct Samples {
    keep: Duration,
    epoch: u64,
    places: HashMap<Box<[u8]>, u32>,
    series: Vec<Track>,
    gone: usize,
    /// The newest last.
    columns: VecDeque<Column>,
    /// What was seen at the look before, whether or not its column is still there.
    former: Vec<f64>,
    /// The number of the first column, counted from the beginning.
    first: u64,
}

struct Column {
    at: UnixMillis,
    /// By place; shorter than there are places where series came later.
    values: Vec<f64>,
}

/// A series.
struct Track {
    labels: Labels,
    /// The number of its first column.
    born: u64,
    is_gone: bool,
    /// What a counter had each time before it was reset, and when that was seen.
    resets: VecDeque<(UnixMillis, f64)>,
}

impl History {
    /// Keeps these families from now on, each as long, and forgets the others.
    pub fn keep(&mut self, wanted: &BTreeMap<String, Duration>) {
        self.families.retain(|name, _| wanted.contains_key(name));
        for (name, keep) in wanted {
            let samples = self.families.entry(name.clone()).or_insert_with(|| {
                self.begun += 1;
                Samples::new(self.begun << 32)
            });
            samples.keep = *keep;
        }
    }

    /// Whether samples of a family are kept.
    pub fn keeps(&self, family: &str) -> bool {
        self.families.contains_key(family)
    }

    /// Begins a look; it takes effect when it ends.
    pub fn look(&mut self, now: UnixMillis) -> Look<'_> {
        self.families.values_mut().for_each(|samples| samples.begin(now));
        Look { history: self, now, key: Vec::new() }
    }
}

impl Look<'_> {
    /// Takes a sample. Labels are in the same order each time.
    pub fn sample<'a>(
        &mut self,
        family: &str,
        labels: impl Iterator<Item = (&'a str, &'a str)> + Clone,
        value: f64,
    ) {
        let Some(samples) = self.history.families.get_mut(family) else { return };
        self.key.clear();
        for (name, label) in labels.clone() {
            // No text has this byte.
            self.key.extend_from_slice(name.as_bytes());
            self.key.push(0xFF);
            self.key.extend_from_slice(label.as_bytes());
            self.key.push(0xFF);
        }
        samples.take(&self.key, labels, value, self.now);
    }

    /// Ends the look.
    pub fn end(self) {
        self.history.families.values_mut().for_each(Samples::end);
    }
}

impl Samples {
    fn new(epoch: u64) -> Self {
        Self {
            keep: Duration::ZERO,
            epoch,
            places: HashMap::new(),
            series: Vec::new(),
            gone: 0,
            columns: VecDeque::new(),
            former: Vec::new(),
            first: 0,
        }
    }

    fn begin(&mut self, now: UnixMillis) {
        self.former.clear();
        self.former.extend(self.columns.back().iter().flat_map(|column| &column.values));
        let resolution = self.keep / RESOLUTION;
        while let [.., before, _] = self.columns.make_contiguous() {
            if now.since(before.at) > resolution {
                break;
            }
            self.columns.pop_back();
        }
        // One more than the window: its first sample may be older than the window is long.
        while self.columns.len() > 1 && now.since(self.columns[1].at) > self.keep {
            self.columns.pop_front();
            self.first += 1;
        }
        let values = vec![f64::NAN; self.series.len()];
        self.columns.push_back(Column { at: now, values });
    }

    fn take<'a>(
        &mut self,
        key: &[u8],
        labels: impl Iterator<Item = (&'a str, &'a str)>,
        value: f64,
        now: UnixMillis,
    ) {
        let newest = self.first + self.columns.len() as u64 - 1;
        let Some(column) = self.columns.back_mut() else { return };
        let Some(place) = self.places.get(key).map(|place| *place as usize) else {
            let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let place = u32::try_from(self.series.len()).expect("series are counted in 32 bits");
            self.places.insert(key.into(), place);
            let resets = VecDeque::new();
            self.series.push(Track { labels, born: newest, is_gone: false, resets });
            column.values.push(value);
            return;
        };
        column.values[place] = value;
        if let Some(before) = self.former.get(place).copied().filter(|before| value < *before) {
            let resets = &mut self.series[place].resets;
            resets.push_back((now, before));
            while resets.front().is_some_and(|(at, _)| now.since(*at) > self.keep) {
                resets.pop_front();
            }
        }
    }

    fn end(&mut self) {
        let Some(column) = self.columns.back() else { return };
        let gone: Vec<usize> = (column.values.iter().zip(&self.series).enumerate())
            .filter(|(_, (value, track))| value.is_nan() && !track.is_gone)
            .map(|(place, _)| place)
            .collect();
        for place in &gone {
            self.series[*place].is_gone = true;
        }
        if !gone.is_empty() {
            self.gone += gone.len();
            self.places.retain(|_, place| !self.series[*place as usize].is_gone);
        }
        if self.gone > MAX_GONE.max(self.series.len() / 2) {
            self.pack();
        }
    }

    /// Gives the series that are there new places.
    fn pack(&mut self) {
        let stays: Vec<bool> = self.series.iter().map(|track| !track.is_gone).collect();
        for column in &mut self.columns {
            let mut each = stays.iter();
            column.values.retain(|_| *each.next().expect("a column is no longer than the series"));
        }
        // How many stay before each place: its new one.
        let moved = stays.iter().scan(0, |next, stays| {
            let place = *next;
            *next += u32::from(*stays);
            Some(place)
        });
        let moved: Vec<u32> = moved.collect();
        self.places.values_mut().for_each(|place| *place = moved[*place as usize]);
        self.series.retain(|track| !track.is_gone);
        self.gone = 0;
        self.epoch += 1;
    }

    /// The place of the first column in a window.
    fn start(&self, window: Duration, now: UnixMillis) -> usize {
        self.columns.partition_point(|column| now.since(column.at) >= window)
    }

    fn stretch(&self, place: usize, start: usize, is_counter: bool) -> Option<Stretch> {
        let track = &self.series[place];
        let born = track.born.saturating_sub(self.first) as usize;
        let last = self.columns.len() - 1;
        if track.is_gone || start.max(born) > last {
            return None;
        }
        if is_counter && track.born > self.first && born > start {
            return Some(Stretch {
                first: 0.0,
                last: self.columns[last].values[place],
                lost: track.resets.iter().map(|(_, had)| *had).sum(),
                samples: last - born + 2,
                first_at: self.columns[born - 1].at,
                last_at: self.columns[last].at,
            });
        }
        let start = start.max(born);
        let first_at = self.columns[start].at;
        let lost = track.resets.iter().filter(|(at, _)| *at > first_at).map(|(_, had)| *had).sum();
        Some(Stretch {
            first: self.columns[start].values[place],
            last: self.columns[last].values[place],
            lost,
            samples: last - start + 1,
            first_at,
            last_at: self.columns[last].at,
        })
    }

    fn folded(&self, place: usize, start: usize, fold: impl Fn(f64, f64) -> f64) -> (f64, usize) {
        let track = &self.series[place];
        let start = start.max(track.born.saturating_sub(self.first) as usize);
        if track.is_gone {
            return (f64::NAN, 1);
        }
        let values = self.columns.range(start..).map(|column| column.values[place]);
        (values.reduce(fold).unwrap_or(f64::NAN), self.columns.len().saturating_sub(start).max(1))
    }
}

impl Series for History {
    fn family(&self, name: &str) -> Option<&dyn Family> {
        self.families.get(name).filter(|samples| !samples.is_empty()).map(|s| s as &dyn Family)
    }
}

impl Family for Samples {
    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn len(&self) -> usize {
        self.series.len()
    }

    fn labels(&self, place: usize) -> &Labels {
        &self.series[place].labels
    }

    fn values(&self, function: Function, window: Duration, now: UnixMillis, into: &mut Vec<f64>) {
        let Some(newest) = self.columns.back() else { return };
        let places = 0..self.series.len();
        let start = self.start(window, now);
        let seconds = window.as_secs_f64();
        let is_counter = function.is_for_counters();
        let stretches = places.clone().map(|place| self.stretch(place, start, is_counter));
        let of = |stretch: Option<Stretch>, what: &dyn Fn(&Stretch) -> f64| {
            stretch.as_ref().map_or(f64::NAN, what)
        };
        match function {
            Function::Last => into.extend_from_slice(&newest.values),
            Function::Increase => {
                into.extend(stretches.map(|s| of(s, &|s| s.increase(window, now))));
            }
            Function::Rate => {
                into.extend(stretches.map(|s| of(s, &|s| s.increase(window, now) / seconds)));
            }
            Function::Delta => into.extend(stretches.map(|s| of(s, &|s| s.delta(window, now)))),
            Function::Change => {
                let share = |s: &Stretch| s.delta(window, now) / s.first.abs();
                into.extend(stretches.map(|s| of(s, &|s| finite(share(s)))));
            }
            Function::Average => into.extend(places.map(|place| {
                let (sum, count) = self.folded(place, start, |a, b| a + b);
                sum / count as f64
            })),
            Function::Least => into.extend(places.map(|p| self.folded(p, start, f64::min).0)),
            Function::Most => into.extend(places.map(|p| self.folded(p, start, f64::max).0)),
        }
    }
}

/// From nothing to something is no share.
fn finite(value: f64) -> f64 {
    if value.is_finite() { value } else { f64::NAN }
}

//! From series to one number for each group.

use std::collections::HashMap;
use std::time::Duration;

use super::binding::{Binding, Groups, How};
use super::expression::{Expression, Fold, Function, Grouping, Measure, Term};
use super::quantile::histogram_quantile;
use super::series::{Family, Series};
use crate::model::{Labels, UnixMillis};

/// What series' functions came to in one evaluation, for all rules that ask the same.
#[derive(Default)]
pub struct Columns {
    made: HashMap<(String, Function, Duration), Vec<f64>>,
}

impl Columns {
    /// Forgets the values of the evaluation before.
    pub fn clear(&mut self) {
        self.made.clear();
    }

    fn of(&mut self, term: &Term, family: &dyn Family, now: UnixMillis) -> &[f64] {
        let key = (term.family.clone(), term.function, term.window);
        self.made.entry(key).or_insert_with(|| {
            let mut values = Vec::with_capacity(family.len());
            family.values(term.function, term.window, now, &mut values);
            values
        })
    }
}

/// An expression with what it found of the series.
#[derive(Default)]
pub struct Measured {
    bindings: [Binding; 2],
    groups: Groups,
    /// A number for each group; NaN for none.
    pub values: Vec<f64>,
    /// Of a ratio: what is divided by.
    whole: Vec<f64>,
    /// Each series is a group by itself: labels are the family's.
    by_series: bool,
    absent: Labels,
    /// Grows whenever groups' places mean something else.
    pub era: u64,
}

impl Measured {
    /// Makes `values` anew.
    pub fn measure(
        &mut self,
        expression: &Expression,
        series: &dyn Series,
        columns: &mut Columns,
        now: UnixMillis,
    ) {
        self.bind(expression, series);
        self.values.clear();
        let family = |term: &Term| series.family(&term.family);
        match &expression.measure {
            Measure::Fold { term, fold } => {
                let Some(family) = family(term) else { return };
                let column = columns.of(term, family, now);
                let members = &self.bindings[0].members;
                if self.by_series {
                    self.values.extend(members.iter().map(|place| column[*place as usize]));
                } else {
                    folded(&self.bindings[0], self.groups.len(), column, *fold, &mut self.values);
                }
            }
            Measure::Quantile { term, quantile } => {
                let Some(family) = family(term) else { return };
                let column = columns.of(term, family, now);
                quantiles(
                    &self.bindings[0],
                    self.groups.len(),
                    column,
                    *quantile,
                    &mut self.values,
                );
            }
            Measure::Ratio { part, whole, least } => {
                let Some(whole_family) = family(whole) else { return };
                let count = self.groups.len();
                let column = columns.of(whole, whole_family, now);
                self.whole.clear();
                folded(&self.bindings[1], count, column, Fold::Sum, &mut self.whole);
                match family(part) {
                    Some(part_family) => {
                        let column = columns.of(part, part_family, now);
                        folded(&self.bindings[0], count, column, Fold::Sum, &mut self.values);
                    }
                    None => self.values.resize(count, f64::NAN),
                }
                for (part, whole) in self.values.iter_mut().zip(&self.whole) {
                    // Nothing of the part, and something of the whole: none, rather than unknown.
                    let of = if part.is_nan() { 0.0 } else { *part };
                    let counts = *whole >= *least && *whole > 0.0;
                    *part = if counts { of / *whole } else { f64::NAN };
                }
            }
            Measure::Absent { term } => {
                let there = family(term).is_some_and(|family| {
                    let column = columns.of(term, family, now);
                    let mut members = self.bindings[0].members.iter();
                    members.any(|place| !column[*place as usize].is_nan())
                });
                self.absent = named(term);
                self.values.push(if there { f64::NAN } else { 1.0 });
            }
        }
    }

    /// What tells a group from the others.
    pub fn labels<'a>(
        &'a self,
        expression: &'a Expression,
        series: &'a dyn Series,
        group: usize,
    ) -> &'a Labels {
        match &expression.measure {
            Measure::Absent { .. } => &self.absent,
            Measure::Fold { term, .. } if self.by_series => {
                let family = series.family(&term.family).expect("it has values");
                family.labels(self.bindings[0].members[group] as usize)
            }
            _ => self.groups.labels(group),
        }
    }

    fn bind(&mut self, expression: &Expression, series: &dyn Series) {
        let buckets = matches!(expression.measure, Measure::Quantile { .. });
        let folds = matches!(expression.measure, Measure::Fold { .. } | Measure::Absent { .. });
        self.by_series = folds && expression.grouping == Grouping::Each;
        let how = How { grouping: &expression.grouping, buckets };
        let stale = expression.terms().zip(&self.bindings).any(|(term, binding)| {
            let family = series.family(&term.family);
            family.is_some_and(|family| !binding.is_of(family.epoch()))
        });
        if stale {
            self.era += 1;
            self.groups = Groups::default();
            for (term, binding) in expression.terms().zip(&mut self.bindings) {
                binding.begin(series.family(&term.family).map_or(0, Family::epoch));
            }
        }
        for (term, binding) in expression.terms().zip(&mut self.bindings) {
            if let Some(family) = series.family(&term.family) {
                binding.extend(family, term, &how, &mut self.groups);
            }
        }
    }
}

/// What Prometheus's `absent` is labelled with: labels that can have one value only.
fn named(term: &Term) -> Labels {
    let exact = term.matchers.iter().filter_map(|matcher| {
        let value = matcher.pattern.exact().filter(|value| !value.is_empty())?;
        Some((matcher.names.first()?.clone(), value.to_owned()))
    });
    exact.collect()
}

fn folded(binding: &Binding, groups: usize, column: &[f64], fold: Fold, into: &mut Vec<f64>) {
    let start = into.len();
    into.resize(start + groups, f64::NAN);
    let mut counts = vec![0_u32; if fold == Fold::Average { groups } else { 0 }];
    for (place, group) in binding.members.iter().zip(&binding.groups) {
        let (value, group) = (column[*place as usize], *group as usize);
        if value.is_nan() {
            continue;
        }
        let total = &mut into[start + group];
        // `min` and `max` of a number and NaN are the number.
        *total = match fold {
            Fold::Least => total.min(value),
            Fold::Most => total.max(value),
            Fold::Count => total.max(0.0) + 1.0,
            Fold::Sum | Fold::Average if total.is_nan() => value,
            Fold::Sum | Fold::Average => *total + value,
        };
        if fold == Fold::Average {
            counts[group] += 1;
        }
    }
    for (total, count) in into[start..].iter_mut().zip(counts) {
        *total /= f64::from(count.max(1));
    }
}

fn quantiles(binding: &Binding, groups: usize, column: &[f64], quantile: f64, into: &mut Vec<f64>) {
    let mut buckets: Vec<Vec<(f64, f64)>> = vec![Vec::new(); groups];
    let members = binding.members.iter().zip(&binding.groups).zip(&binding.bounds);
    for ((place, group), bound) in members {
        let count = column[*place as usize];
        if !count.is_nan() {
            add(&mut buckets[*group as usize], *bound, count);
        }
    }
    into.extend(buckets.iter_mut().map(|buckets| {
        buckets.sort_unstable_by(|(a, _), (b, _)| a.total_cmp(b));
        histogram_quantile(quantile, buckets)
    }));
}

/// Histograms of a group have the same few bounds: a search costs less than to sort them all.
fn add(buckets: &mut Vec<(f64, f64)>, bound: f64, count: f64) {
    match buckets.iter_mut().find(|(known, _)| *known == bound) {
        Some((_, total)) => *total += count,
        None => buckets.push((bound, count)),
    }
}

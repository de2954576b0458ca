//! Which series of a family a term means, and to which group each belongs: found when series come, not at each
//! evaluation.

use std::collections::HashMap;

use super::expression::{Grouping, Term};
use super::series::Family;
use crate::model::Labels;

/// A histogram's upper bound.
const BOUND_LABEL: &str = "le";

/// The groups of an expression, each with a place.
#[derive(Debug, Default)]
pub struct Groups {
    places: HashMap<Labels, u32>,
    labels: Vec<Labels>,
}

impl Groups {
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn labels(&self, place: usize) -> &Labels {
        &self.labels[place]
    }

    fn place(&mut self, labels: Labels) -> u32 {
        if let Some(place) = self.places.get(&labels) {
            return *place;
        }
        let place = u32::try_from(self.labels.len()).expect("fewer groups than series");
        self.places.insert(labels.clone(), place);
        self.labels.push(labels);
        place
    }
}

/// What of a family a term means. Places of series are those of the family's epoch.
#[derive(Debug, Default)]
pub struct Binding {
    epoch: Option<u64>,
    /// Places that were looked at.
    bound: usize,
    /// Series that are meant.
    pub members: Vec<u32>,
    /// The group of each member; empty where each is a group by itself.
    pub groups: Vec<u32>,
    /// The upper bound of each member, of buckets.
    pub bounds: Vec<f64>,
}

impl Binding {
    /// Whether places mean what they meant.
    pub fn is_of(&self, epoch: u64) -> bool {
        self.epoch == Some(epoch)
    }

    /// Forgets everything, and begins with another epoch.
    pub fn begin(&mut self, epoch: u64) {
        *self = Self { epoch: Some(epoch), ..Self::default() };
    }

    /// Takes in the series that are new since the last time.
    pub fn extend(&mut self, family: &dyn Family, term: &Term, how: &How<'_>, groups: &mut Groups) {
        for place in self.bound..family.len() {
            let labels = family.labels(place);
            if !term.selects(labels) {
                continue;
            }
            if how.buckets {
                let bound = labels.get(BOUND_LABEL).and_then(|bound| bound.parse().ok());
                let Some(bound) = bound else { continue };
                self.bounds.push(bound);
            }
            self.members.push(u32::try_from(place).expect("series are counted in 32 bits"));
            match how.grouping {
                Grouping::Each if !how.buckets => {}
                grouping => self.groups.push(groups.place(group_labels(grouping, labels))),
            }
        }
        self.bound = family.len();
    }
}

/// How members are put into groups.
pub struct How<'a> {
    pub grouping: &'a Grouping,
    /// They are a histogram's.
    pub buckets: bool,
}

fn group_labels(grouping: &Grouping, labels: &Labels) -> Labels {
    let pair = |(name, value): (&String, &String)| (name.clone(), value.clone());
    match grouping {
        Grouping::Each => {
            labels.iter().filter(|(name, _)| *name != BOUND_LABEL).map(pair).collect()
        }
        Grouping::By(names) => {
            names.iter().filter_map(|name| labels.get_key_value(name)).map(pair).collect()
        }
    }
}

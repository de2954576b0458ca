//! The alerts of one rule that are pending or firing, found by their group.

use std::collections::HashMap;
use std::sync::Arc;

use super::record::{Record, RecordKey};
use super::rule::Rule;
use super::state::{Life, Phase};
use crate::model::{Alert, Labels, UnixMillis};

/// Alerts of one rule, at most: one that goes wrong must not take all memory.
pub const MAX_ALERTS: usize = 10_000;

/// An alert that is pending or firing.
#[derive(Debug)]
pub struct Live {
    pub group: Labels,
    pub life: Life,
    pub value: f64,
    /// As it is told; made when it begins to fire.
    pub alert: Arc<Alert>,
    /// When its annotations were made, and of which number.
    pub annotated: (UnixMillis, f64),
    /// The evaluation in which its condition held last.
    pub held_in: u64,
    /// It was taken over from a former process: until then, having no data says nothing of it.
    pub patience: Option<UnixMillis>,
}

/// They have places, which stay the same while they live.
#[derive(Debug, Default)]
pub struct Lives {
    places: HashMap<Labels, u32>,
    lives: Vec<Option<Live>>,
    free: Vec<u32>,
}

impl Lives {
    /// Takes one in; `None` if there are too many.
    pub fn insert(&mut self, live: Live) -> Option<u32> {
        if self.places.len() >= MAX_ALERTS {
            return None;
        }
        let place = self.free.pop().unwrap_or(self.lives.len() as u32);
        self.places.insert(live.group.clone(), place);
        match self.lives.get_mut(place as usize) {
            Some(slot) => *slot = Some(live),
            None => self.lives.push(Some(live)),
        }
        Some(place)
    }

    /// The place of a group's alert.
    pub fn find(&self, group: &Labels) -> Option<u32> {
        self.places.get(group).copied()
    }

    /// Who is at a place.
    pub fn get_mut(&mut self, place: u32) -> Option<&mut Live> {
        self.lives.get_mut(place as usize)?.as_mut()
    }

    /// Ends one.
    pub fn remove(&mut self, place: u32) -> Option<Live> {
        let live = self.lives.get_mut(place as usize)?.take()?;
        self.places.remove(&live.group);
        self.free.push(place);
        Some(live)
    }

    /// Every place at which there may be one.
    pub fn places(&self) -> std::ops::Range<u32> {
        0..self.lives.len() as u32
    }

    pub fn iter(&self) -> impl Iterator<Item = &Live> {
        self.lives.iter().flatten()
    }
}

impl Live {
    /// A group whose number is wrong for the first time.
    pub fn begin(rule: &Rule, group: Labels, value: f64, now: UnixMillis) -> Self {
        let life = Life::begin(rule.timing, now);
        let labels = rule.alert_labels(&group);
        let annotations = rule.annotate(&labels, value);
        let alert = Alert { labels, annotations, started: now, ended: None };
        let annotated = (now, value);
        Self { group, life, value, alert: Arc::new(alert), annotated, held_in: 0, patience: None }
    }

    /// What is kept of it.
    pub fn record(&self, rule: &Rule, meaning: &str) -> Record {
        Record {
            key: RecordKey { rule: rule.name.clone(), group: self.group.clone() },
            meaning: meaning.to_owned(),
            life: self.life,
            value: self.value,
            labels: self.alert.labels.clone(),
            annotations: self.alert.annotations.clone(),
            channels: rule.channels.clone(),
        }
    }

    /// One that a former process kept.
    pub fn restored(record: Record, patience: UnixMillis) -> Self {
        let alert = alert(&record);
        Self {
            group: record.key.group,
            life: record.life,
            value: record.value,
            annotated: (alert.started, record.value),
            alert: Arc::new(alert),
            held_in: 0,
            patience: Some(patience),
        }
    }

    /// Says anew what is said of it.
    pub fn annotate(&mut self, rule: &Rule, now: UnixMillis) {
        let alert = Arc::make_mut(&mut self.alert);
        alert.annotations = rule.annotate(&alert.labels, self.value);
        if let Phase::Firing { fired, .. } = self.life.phase {
            alert.started = fired;
        }
        self.annotated = (now, self.value);
    }
}

/// The alert that was told of a record.
pub fn alert(record: &Record) -> Alert {
    let started = match record.life.phase {
        Phase::Firing { fired, .. } => fired,
        Phase::Pending => record.life.since,
    };
    let (labels, annotations) = (record.labels.clone(), record.annotations.clone());
    Alert { labels, annotations, started, ended: None }
}

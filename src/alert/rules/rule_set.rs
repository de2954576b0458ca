//! All rules, evaluated one after the other over the same series.
//!
//! The order of rules makes no difference: none sees what another found.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::live::{self, Live, Lives};
use super::measure::{Columns, Measured};
use super::record::{Record, RecordKey};
use super::rule::Rule;
use super::series::Series;
use super::state::{Phase, Step};
use crate::model::{Alert, ChannelName, Labels, RuleName, UnixMillis};

/// No alert at a group.
const NONE: u32 = u32::MAX;
/// Annotations of an alert that goes on firing are made anew this often, if its number changed.
const ANNOTATE_EVERY: Duration = Duration::from_secs(60);
/// And so many of them in one evaluation, at most.
const MAX_ANNOTATED: usize = 500;
/// How long an alert of a former process waits for its data, beside its window.
const PATIENCE: Duration = Duration::from_secs(120);

/// Rules, and which alerts each has.
#[derive(Default)]
pub struct RuleSet {
    watched: Vec<Watched>,
    columns: Columns,
    /// Alerts of rules that are gone, to be told as over.
    orphans: Vec<Record>,
    evaluations: u64,
}

/// What one evaluation came to.
#[derive(Debug, Default)]
pub struct Evaluation {
    /// Everything that fires.
    pub firing: Vec<Raised>,
    /// How many wait to fire.
    pub pending: usize,
    /// What changed since the evaluation before.
    pub transitions: Vec<Transition>,
    /// Alerts that were not taken in, as their rules have too many.
    pub dropped: usize,
}

/// An alert that fires, and who is to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Raised {
    pub rule: RuleName,
    pub alert: Arc<Alert>,
    pub value: f64,
    pub channels: Arc<[ChannelName]>,
}

/// What happened to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Its condition holds, and must for longer.
    Pending,
    Firing,
    /// It fired, and is over.
    Resolved,
    /// It is over, and never fired.
    Lapsed,
}

/// A change in an alert's life.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    pub key: RecordKey,
    pub event: Event,
    pub at: UnixMillis,
    pub value: f64,
    pub alert: Arc<Alert>,
    pub channels: Arc<[ChannelName]>,
    /// What is to be kept of it from now on; `None` = nothing.
    pub record: Option<Record>,
}

struct Watched {
    rule: Arc<Rule>,
    meaning: String,
    measured: Measured,
    lives: Lives,
    /// The place of each group's alert, while groups are those of `era`.
    slots: Vec<u32>,
    era: u64,
}

impl RuleSet {
    /// Other rules from now on. A rule that means what it meant keeps its alerts.
    pub fn set_rules(&mut self, rules: Vec<Arc<Rule>>) {
        let former = std::mem::take(&mut self.watched);
        let mut former: BTreeMap<RuleName, Watched> =
            former.into_iter().map(|watched| (watched.rule.name.clone(), watched)).collect();
        for rule in rules {
            let meaning = rule.meaning();
            let known = former.get(&rule.name).is_some_and(|former| former.meaning == meaning);
            let watched = match known.then(|| former.remove(&rule.name)).flatten() {
                Some(former) => Watched { rule, ..former },
                None => Watched::new(rule, meaning),
            };
            self.watched.push(watched);
        }
        let records = former.values().flat_map(Watched::records);
        self.orphans.extend(records.filter(|record| record.life.is_firing()));
    }

    /// The families that the rules look at, and how far back.
    pub fn families(&self) -> BTreeMap<String, Duration> {
        let mut families = BTreeMap::<String, Duration>::new();
        let rules = self.watched.iter();
        for term in rules.flat_map(|watched| watched.rule.expression.terms()) {
            let window = families.entry(term.family.clone()).or_default();
            *window = (*window).max(term.window);
        }
        families
    }

    /// What is to be kept over a restart.
    pub fn export(&self) -> Vec<Record> {
        let records = self.watched.iter().flat_map(Watched::records);
        records.chain(self.orphans.iter().cloned()).collect()
    }

    /// Takes over what a former process kept when it was last evaluated, at `kept`. To be called once the
    /// rules are set, before the first evaluation.
    ///
    /// What was firing goes on; what was pending has not been waiting meanwhile, as nobody looked.
    pub fn import(&mut self, records: Vec<Record>, kept: UnixMillis, now: UnixMillis) {
        let away = now.since(kept).as_millis() as u64;
        for mut record in records {
            let mut rules = self.watched.iter_mut();
            let watched =
                rules.find(|w| w.rule.name == record.key.rule && w.meaning == record.meaning);
            let Some(watched) = watched else {
                self.orphans.extend(record.life.is_firing().then_some(record));
                continue;
            };
            if record.life.phase == Phase::Pending {
                record.life.since = UnixMillis(record.life.since.0.saturating_add(away));
            }
            let patience = PATIENCE + watched.rule.window();
            let until = UnixMillis(now.0.saturating_add(patience.as_millis() as u64));
            watched.lives.insert(Live::restored(record, until));
        }
    }

    /// Looks at everything.
    pub fn evaluate(&mut self, series: &dyn Series, now: UnixMillis) -> Evaluation {
        self.evaluations += 1;
        self.columns.clear();
        let mut evaluation = Evaluation::default();
        let orphans = self.orphans.drain(..);
        evaluation.transitions.extend(orphans.map(|record| resolved_orphan(record, now)));
        let mut turn = Turn { number: self.evaluations, now, annotated: 0, evaluation };
        for watched in &mut self.watched {
            watched.evaluate(series, &mut self.columns, &mut turn);
        }
        turn.evaluation
    }
}

/// One evaluation, as it goes on.
struct Turn {
    number: u64,
    now: UnixMillis,
    annotated: usize,
    evaluation: Evaluation,
}

impl Watched {
    fn new(rule: Arc<Rule>, meaning: String) -> Self {
        let (measured, lives, slots, era) = Default::default();
        Self { rule, meaning, measured, lives, slots, era }
    }

    fn records(&self) -> impl Iterator<Item = Record> {
        self.lives.iter().map(|live| live.record(&self.rule, &self.meaning))
    }

    fn evaluate(&mut self, series: &dyn Series, columns: &mut Columns, turn: &mut Turn) {
        self.measured.measure(&self.rule.expression, series, columns, turn.now);
        if self.era != self.measured.era {
            self.era = self.measured.era;
            self.slots.clear();
        }
        self.slots.resize(self.measured.values.len(), NONE);
        let (comparison, threshold) = (self.rule.comparison, self.rule.threshold);
        for group in 0..self.measured.values.len() {
            let value = self.measured.values[group];
            if comparison.holds(value, threshold) {
                self.holds(group, value, series, turn);
            }
        }
        let heard = self.heard(series);
        let mut ended = false;
        for place in self.lives.places() {
            ended |= self.look_after(place, &heard, turn);
        }
        if ended {
            self.slots.clear(); // a place may be another's from now on
        }
    }

    /// A number is wrong.
    fn holds(&mut self, group: usize, value: f64, series: &dyn Series, turn: &mut Turn) {
        if self.slots[group] == NONE {
            let labels = self.measured.labels(&self.rule.expression, series, group);
            self.slots[group] = match self.lives.find(labels) {
                Some(place) => place,
                None => match self.begin(labels.clone(), value, turn) {
                    Some(place) => place,
                    None => return,
                },
            };
        }
        let Some(live) = self.lives.get_mut(self.slots[group]) else { return };
        (live.value, live.held_in, live.patience) = (value, turn.number, None);
    }

    fn begin(&mut self, group: Labels, value: f64, turn: &mut Turn) -> Option<u32> {
        let live = Live::begin(&self.rule, group, value, turn.now);
        let event = if live.life.is_firing() { Event::Firing } else { Event::Pending };
        let told = transition(&live, event, &self.rule, &self.meaning, turn.now);
        let place = self.lives.insert(live);
        match place {
            Some(_) => turn.evaluation.transitions.push(told),
            None => turn.evaluation.dropped += 1,
        }
        place
    }

    /// Groups of which there is a number, while alerts of a former process wait to hear of theirs.
    fn heard(&self, series: &dyn Series) -> HashSet<Labels> {
        if self.lives.iter().all(|live| live.patience.is_none()) {
            return HashSet::new();
        }
        let values = self.measured.values.iter().enumerate();
        let there = values.filter(|(_, value)| !value.is_nan());
        let expression = &self.rule.expression;
        there.map(|(group, _)| self.measured.labels(expression, series, group).clone()).collect()
    }

    /// Moves an alert on, and says so. Returns whether it ended.
    fn look_after(&mut self, place: u32, heard: &HashSet<Labels>, turn: &mut Turn) -> bool {
        let Some(live) = self.lives.get_mut(place) else { return false };
        let now = turn.now;
        let holds = live.held_in == turn.number;
        let waits = live.patience.is_some_and(|until| now < until && !heard.contains(&live.group));
        if !waits {
            live.patience = None;
        }
        let step = if waits { Step::Stays } else { live.life.step(holds, self.rule.timing, now) };
        let event = match step {
            Step::Stays => {
                if holds {
                    refresh(live, &self.rule, turn);
                }
                stays(live, &self.rule, &mut turn.evaluation);
                return false;
            }
            Step::Fires => Event::Firing,
            Step::Resolves => Event::Resolved,
            Step::Lapses => Event::Lapsed,
        };
        if event == Event::Firing {
            live.annotate(&self.rule, now);
            stays(live, &self.rule, &mut turn.evaluation);
        }
        let told = transition(live, event, &self.rule, &self.meaning, now);
        turn.evaluation.transitions.push(told);
        let ended = event != Event::Firing;
        if ended {
            self.lives.remove(place);
        }
        ended
    }
}

fn stays(live: &Live, rule: &Rule, evaluation: &mut Evaluation) {
    match live.life.is_firing() {
        true => evaluation.firing.push(Raised {
            rule: rule.name.clone(),
            alert: live.alert.clone(),
            value: live.value,
            channels: rule.channels.clone(),
        }),
        false => evaluation.pending += 1,
    }
}

/// What is said of a firing alert follows its number, within bounds.
fn refresh(live: &mut Live, rule: &Rule, turn: &mut Turn) {
    let (at, value) = live.annotated;
    let due = live.life.is_firing() && turn.now.since(at) >= ANNOTATE_EVERY && value != live.value;
    if due && turn.annotated < MAX_ANNOTATED {
        turn.annotated += 1;
        live.annotate(rule, turn.now);
    }
}

fn transition(live: &Live, event: Event, rule: &Rule, meaning: &str, at: UnixMillis) -> Transition {
    let stays = matches!(event, Event::Pending | Event::Firing);
    let mut alert = live.alert.clone();
    if event == Event::Resolved {
        Arc::make_mut(&mut alert).ended = Some(at);
    }
    Transition {
        key: RecordKey { rule: rule.name.clone(), group: live.group.clone() },
        event,
        at,
        value: live.value,
        alert,
        channels: rule.channels.clone(),
        record: stays.then(|| live.record(rule, meaning)),
    }
}

fn resolved_orphan(record: Record, at: UnixMillis) -> Transition {
    let alert = Alert { ended: Some(at), ..live::alert(&record) };
    Transition {
        event: Event::Resolved,
        at,
        value: record.value,
        alert: Arc::new(alert),
        channels: record.channels,
        key: record.key,
        record: None,
    }
}

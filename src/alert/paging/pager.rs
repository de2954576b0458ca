//! Every alert, and what is to be sent of them when.

mod outside;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::group::{Group, GroupKey, Sent, is_told};
use super::mute::{Mute, Muting};
use super::plan::Plan;
use super::silence::Silence;
use super::topology::Topology;
use crate::model::{Alert, ChannelName, Labels, UnixMillis};

pub use outside::{MAX_OUTSIDE, MAX_OUTSIDE_BYTES, OutsideEvent};

/// The annotation of an alert that explains others: whose alerts are not told because of it.
const EXPLAINS: &str = "explains";

/// What is known of alerts and of what was told of them.
pub struct Pager {
    plan: Arc<Plan>,
    topology: Topology,
    alerts: BTreeMap<Labels, Entry>,
    groups: BTreeMap<GroupKey, Group>,
    sent: BTreeMap<GroupKey, Sent>,
    silences: BTreeMap<String, Silence>,
    /// Not handed out yet.
    events: Vec<OutsideEvent>,
    evaluations: u64,
}

struct Entry {
    alert: Arc<Alert>,
    channels: Arc<[ChannelName]>,
    /// When it is over unless it is told of again; `None` for what rules say, each time all of it.
    expires: Option<UnixMillis>,
    /// The evaluation that said it last.
    said_in: u64,
    groups: BTreeSet<GroupKey>,
}

/// A group that is to be told of.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub key: GroupKey,
    /// Firing ones first; at most as many as the plan allows.
    pub alerts: Vec<Alert>,
    pub truncated: usize,
    /// What is told of the group with this.
    pub sent: Sent,
}

/// What a look at groups came to.
#[derive(Debug, Default)]
pub struct Due {
    pub pages: Vec<Page>,
    /// Groups of which nothing has to be kept any more.
    pub forgotten: Vec<GroupKey>,
}

/// An alert with whatever keeps it from being told.
pub struct Listed<'a> {
    pub alert: &'a Alert,
    pub channels: &'a [ChannelName],
    pub mute: Option<Mute>,
    /// It came from outside.
    pub foreign: bool,
}

impl Pager {
    /// With what a former process told, and its silences. What that told to fire is taken to fire still, until
    /// it is heard of or the time-out for alerts from outside has passed.
    pub fn new(
        plan: Arc<Plan>,
        sent: BTreeMap<GroupKey, Sent>,
        silences: Vec<Silence>,
        now: UnixMillis,
    ) -> Self {
        let silences = silences.into_iter().map(|s| (s.id.clone(), s)).collect();
        let (topology, alerts, groups, events, evaluations) = Default::default();
        let mut pager =
            Self { plan, topology, alerts, groups, sent, silences, events, evaluations };
        for (key, sent) in &pager.sent {
            let mut group = Group::new(now.after(pager.plan.group_wait));
            for labels in &sent.firing {
                let expires = now.after(pager.plan.resolve_timeout);
                let entry = pager.alerts.entry(labels.clone());
                let entry = entry.or_insert_with(|| Entry::kept(labels, sent.at, expires));
                entry.groups.insert(key.clone());
                group.members.insert(labels.clone());
            }
            pager.groups.insert(key.clone(), group);
        }
        pager
    }

    /// Goes by another plan from now on. Groups that stay are told of when they would have been.
    pub fn set_plan(&mut self, plan: Arc<Plan>, now: UnixMillis) {
        if *plan == *self.plan {
            return;
        }
        self.plan = plan;
        let known: Vec<Labels> = self.alerts.keys().cloned().collect();
        for labels in known {
            self.join_groups(&labels, now);
        }
    }

    pub fn set_topology(&mut self, topology: Topology) {
        self.topology = topology;
    }

    /// What rules say: all that fires, and what of that has ended since the last time. What fired before and
    /// is not among it is over, too.
    pub fn evaluated(
        &mut self,
        firing: impl Iterator<Item = (Arc<Alert>, Arc<[ChannelName]>)>,
        ended: impl Iterator<Item = (Arc<Alert>, Arc<[ChannelName]>)>,
        now: UnixMillis,
    ) {
        self.evaluations += 1;
        for (alert, channels) in firing {
            self.take(alert, channels, None, now);
        }
        for (alert, channels) in ended {
            self.take(alert, channels, None, now);
        }
        for entry in self.alerts.values_mut() {
            let was_said = entry.said_in == self.evaluations;
            if entry.expires.is_none() && !entry.alert.is_resolved() && !was_said {
                entry.end(now);
            }
        }
        self.forget_unheard();
    }

    /// Adds a silence, or changes the one with its id.
    pub fn silence(&mut self, silence: Silence) {
        self.silences.insert(silence.id.clone(), silence);
    }

    /// Forgets silences that ended before `before`, and returns their ids.
    pub fn forget_silences(&mut self, before: UnixMillis) -> Vec<String> {
        let old = self.silences.values().filter(|silence| silence.ends < before);
        let old: Vec<String> = old.map(|silence| silence.id.clone()).collect();
        self.silences.retain(|id, _| !old.contains(id));
        old
    }

    pub fn silences(&self) -> impl Iterator<Item = &Silence> {
        self.silences.values()
    }

    /// When there is something to look at.
    pub fn next(&self) -> Option<UnixMillis> {
        let groups = self.groups.values().map(|group| group.due);
        let foreign = self.alerts.values().filter(|entry| !entry.alert.is_resolved());
        groups.chain(foreign.filter_map(|entry| entry.expires)).min()
    }

    /// Looks at what is due.
    pub fn due(&mut self, now: UnixMillis) -> Due {
        for entry in self.alerts.values_mut() {
            if let Some(expires) = entry.expires.filter(|expires| *expires <= now)
                && !entry.alert.is_resolved()
            {
                entry.end(expires);
                let (alert, channels) = (entry.alert.clone(), entry.channels.clone());
                self.events.push(OutsideEvent::Ended { alert, channels });
            }
        }
        self.forget_unheard();
        let due: Vec<GroupKey> =
            self.groups.iter().filter(|(_, g)| g.due <= now).map(|(key, _)| key.clone()).collect();
        let mut found = Due::default();
        if due.is_empty() {
            return found;
        }
        found.pages = self.pages(&due, now);
        for page in &found.pages {
            self.sent.insert(page.key.clone(), page.sent.clone());
        }
        for key in due {
            self.settle(&key, now, &mut found.forgotten);
        }
        found
    }

    /// Everything, as it is told of or not.
    pub fn list(&self, now: UnixMillis) -> impl Iterator<Item = Listed<'_>> {
        let muting = self.muting(now);
        self.alerts.values().map(move |entry| Listed {
            alert: &entry.alert,
            channels: self.channels(entry),
            mute: muting.of(&entry.alert.labels).filter(|_| !entry.alert.is_resolved()),
            foreign: entry.expires.is_some(),
        })
    }

    /// How many fire.
    pub fn firing(&self) -> usize {
        self.alerts.values().filter(|entry| !entry.alert.is_resolved()).count()
    }

    /// How many fire and are not told, by why.
    pub fn suppressed(&self, now: UnixMillis) -> [(&'static str, usize); 3] {
        let mut by = [("silence", 0), ("inhibition", 0), ("dependency", 0)];
        for listed in self.list(now) {
            match listed.mute {
                Some(Mute::Silenced(_)) => by[0].1 += 1,
                Some(Mute::Inhibited(_)) => by[1].1 += 1,
                Some(Mute::Explained(_)) => by[2].1 += 1,
                None => {}
            }
        }
        by
    }

    fn take(
        &mut self,
        alert: Arc<Alert>,
        channels: Arc<[ChannelName]>,
        expires: Option<UnixMillis>,
        now: UnixMillis,
    ) {
        let said_in = self.evaluations;
        if let Some(entry) = self.alerts.get_mut(&alert.labels) {
            entry.said_in = said_in;
            let is_known = Arc::ptr_eq(&entry.alert, &alert) && entry.channels == channels;
            if is_known && entry.expires == expires {
                return; // as nearly always, where thousands go on firing
            }
            if entry.expires.is_some() && expires.is_none() {
                self.events.push(OutsideEvent::Forgotten(alert.labels.clone())); // a rule's by now
            }
            entry.alert = alert.clone();
            entry.expires = expires;
            entry.channels = channels;
        } else if alert.is_resolved() {
            return; // what is over and was never told of is nobody's concern
        } else {
            let groups = BTreeSet::new();
            let entry = Entry { alert: alert.clone(), channels, expires, said_in, groups };
            self.alerts.insert(alert.labels.clone(), entry);
        }
        // What is over goes from where it is.
        if !alert.is_resolved() {
            self.join_groups(&alert.labels, now);
        }
    }

    /// Forgets alerts that are over and in no group: those that nobody is told of.
    fn forget_unheard(&mut self) {
        let events = &mut self.events;
        self.alerts.retain(|labels, entry| {
            let stays = !entry.alert.is_resolved() || !entry.groups.is_empty();
            if !stays && entry.expires.is_some() {
                events.push(OutsideEvent::Forgotten(labels.clone()));
            }
            stays
        });
    }

    /// Puts an alert into its groups, and takes it out of others.
    fn join_groups(&mut self, labels: &Labels, now: UnixMillis) {
        let Some(entry) = self.alerts.get(labels) else { return };
        let keys: BTreeSet<GroupKey> = self
            .channels(entry)
            .iter()
            .map(|channel| GroupKey::of(channel, labels, &self.plan))
            .collect();
        for key in &entry.groups {
            if !keys.contains(key)
                && let Some(group) = self.groups.get_mut(key)
            {
                group.members.remove(labels);
                if self.sent.get(key).is_some_and(|sent| sent.firing.contains(labels)) {
                    let ended = entry.alert.ended.or(Some(now));
                    let alert = Alert { ended, ..Alert::clone(&entry.alert) };
                    group.left.insert(labels.clone(), alert);
                }
            }
        }
        let begin = || Group::new(now.after(self.plan.group_wait));
        for key in &keys {
            let group = self.groups.entry(key.clone()).or_insert_with(begin);
            group.left.remove(labels);
            group.members.insert(labels.clone());
        }
        if let Some(entry) = self.alerts.get_mut(labels) {
            entry.groups = keys;
        }
    }

    fn channels<'a>(&'a self, entry: &'a Entry) -> &'a [ChannelName] {
        match entry.channels.is_empty() {
            true => &self.plan.default_channels,
            false => &entry.channels,
        }
    }

    fn muting(&self, now: UnixMillis) -> Muting<'_> {
        let silences = self.silences.values();
        Muting::new(firing(&self.alerts), silences, &self.plan, &self.topology, now)
    }

    fn pages(&self, due: &[GroupKey], now: UnixMillis) -> Vec<Page> {
        let muting = self.muting(now);
        let each = due.iter().filter_map(|key| {
            let group = self.groups.get(key)?;
            let sent = self.sent.get(key);
            let told = |labels: &Labels| sent.is_some_and(|sent| sent.firing.contains(labels));
            let alert = |labels| self.alerts.get(labels).map(|entry| &*entry.alert);
            let members = || group.members.iter().filter_map(|l| Some((l, alert(l)?)));
            let (over, firing): (Vec<_>, Vec<_>) =
                members().partition(|(_, alert)| alert.is_resolved());
            let over = over.into_iter().filter(|(labels, _)| told(labels));
            let over: Vec<_> = over.chain(&group.left).collect();
            let (muted, firing): (Vec<_>, Vec<_>) =
                firing.into_iter().partition(|(labels, _)| muting.of(labels).is_some());
            let is_told =
                is_told(firing.iter().map(|(l, _)| *l), !over.is_empty(), sent, &self.plan, now);
            if !is_told {
                return None;
            }
            // Who was told of before it was muted is still to be told of when it is over.
            let muted = muted.into_iter().map(|(labels, _)| labels).filter(|labels| told(labels));
            let told_of = firing.iter().map(|(labels, _)| *labels).chain(muted).cloned().collect();
            let count = firing.len() + over.len();
            let alerts = firing.iter().chain(&over).take(self.plan.max_alerts);
            let alerts = alerts.map(|(labels, alert)| {
                let mut alert = Alert::clone(alert);
                let services = match alert.is_resolved() {
                    true => Vec::new(),
                    false => muting.explained(labels).into_iter().collect(),
                };
                if !services.is_empty() {
                    alert.annotations.insert(EXPLAINS.to_owned(), services.join(", "));
                }
                alert
            });
            Some(Page {
                key: key.clone(),
                alerts: alerts.collect(),
                truncated: count.saturating_sub(self.plan.max_alerts),
                sent: Sent { at: now, firing: told_of },
            })
        });
        each.collect()
    }

    /// Forgets what of a group is over, and sets its next look.
    fn settle(&mut self, key: &GroupKey, now: UnixMillis, forgotten: &mut Vec<GroupKey>) {
        let Some(group) = self.groups.get_mut(key) else { return };
        group.left.clear();
        let (alerts, events) = (&mut self.alerts, &mut self.events);
        group.members.retain(|labels| {
            let Some(entry) = alerts.get_mut(labels) else { return false };
            if !entry.alert.is_resolved() {
                return true;
            }
            entry.groups.remove(key);
            if entry.groups.is_empty() {
                if entry.expires.is_some() {
                    events.push(OutsideEvent::Forgotten(labels.clone()));
                }
                alerts.remove(labels);
            }
            false
        });
        if group.members.is_empty() {
            self.groups.remove(key);
            if self.sent.remove(key).is_some() {
                forgotten.push(key.clone());
            }
            return;
        }
        group.due = now.after(self.plan.group_interval);
    }
}

impl Entry {
    /// One of which nothing is known but that a former process told at `at` that it fires.
    fn kept(labels: &Labels, at: UnixMillis, expires: UnixMillis) -> Self {
        let (labels, annotations) = (labels.clone(), Labels::new());
        let alert = Arc::new(Alert { labels, annotations, started: at, ended: None });
        let (channels, said_in, groups) = Default::default();
        Self { alert, channels, expires: Some(expires), said_in, groups }
    }

    fn end(&mut self, at: UnixMillis) {
        self.alert = Arc::new(Alert { ended: Some(at), ..Alert::clone(&self.alert) });
    }
}

fn firing(alerts: &BTreeMap<Labels, Entry>) -> impl Iterator<Item = &Labels> + Clone {
    alerts.iter().filter(|(_, entry)| !entry.alert.is_resolved()).map(|(labels, _)| labels)
}

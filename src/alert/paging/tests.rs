//! What is told when, over time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::{Alert, ChannelName, Labels, UnixMillis};

const WAIT_S: u64 = 30;
const INTERVAL_S: u64 = 300;
const REPEAT_S: u64 = 4 * 3600;

fn at(seconds: u64) -> UnixMillis {
    UnixMillis(seconds * 1000)
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn alert(pairs: &[(&str, &str)]) -> Arc<Alert> {
    let (labels, annotations) = (labels(pairs), Labels::new());
    Arc::new(Alert { labels, annotations, started: at(0), ended: None })
}

fn plan() -> Plan {
    Plan { default_channels: vec![ChannelName::new("ops").unwrap()], ..Plan::default() }
}

fn pager() -> Pager {
    Pager::new(Arc::new(plan()), BTreeMap::new(), Vec::new(), at(0))
}

/// Rules say that these fire.
fn say(pager: &mut Pager, firing: &[Arc<Alert>], now: u64) {
    let firing = firing.iter().map(|alert| (alert.clone(), Arc::default()));
    pager.evaluated(firing, std::iter::empty(), at(now));
}

/// `name` for each alert that is told to fire, `name over` for each that is over.
fn told(pager: &mut Pager, now: u64) -> Vec<Vec<String>> {
    let pages = pager.due(at(now)).pages;
    let words = |alert: &Alert| {
        let name = alert.labels["alertname"].clone();
        if alert.is_resolved() { format!("{name} over") } else { name }
    };
    pages.iter().map(|page| page.alerts.iter().map(words).collect()).collect()
}

const NOTHING: Vec<Vec<String>> = Vec::new();

#[test]
fn a_group_is_told_together_after_its_wait_then_of_changes_then_again() {
    let mut pager = pager();
    let slow = [("alertname", "slow"), ("service", "web")];
    let (a, b) = (alert(&[slow[0], slow[1], ("i", "a")]), alert(&[slow[0], slow[1], ("i", "b")]));
    say(&mut pager, std::slice::from_ref(&a), 0);
    assert_eq!(pager.next(), Some(at(WAIT_S)));
    assert_eq!(told(&mut pager, WAIT_S - 1), NOTHING);
    say(&mut pager, &[a.clone(), b.clone()], 10);
    assert_eq!(told(&mut pager, WAIT_S), [["slow", "slow"]]);
    assert_eq!(told(&mut pager, WAIT_S + INTERVAL_S), NOTHING, "nothing changed");
    say(&mut pager, std::slice::from_ref(&b), WAIT_S + INTERVAL_S + 1);
    assert_eq!(told(&mut pager, WAIT_S + 2 * INTERVAL_S), [["slow", "slow over"]]);
    let again = WAIT_S + 2 * INTERVAL_S + REPEAT_S;
    let silent = (WAIT_S + 3 * INTERVAL_S..again).step_by(INTERVAL_S as usize);
    for moment in silent {
        assert_eq!(told(&mut pager, moment), NOTHING, "{moment}");
    }
    assert_eq!(told(&mut pager, again), [["slow"]]);
    say(&mut pager, &[], again + 1);
    assert_eq!(told(&mut pager, again + INTERVAL_S), [["slow over"]]);
    assert_eq!(pager.next(), None, "nothing is left");
}

#[test]
fn what_is_over_within_the_wait_is_never_told() {
    let mut pager = pager();
    say(&mut pager, &[alert(&[("alertname", "blip")])], 0);
    say(&mut pager, &[], WAIT_S - 1);
    assert_eq!(told(&mut pager, WAIT_S), NOTHING);
    assert_eq!(pager.next(), None);
}

#[test]
fn a_restart_tells_nothing_twice_and_forgets_nothing() {
    let (mut first, down) = (pager(), alert(&[("alertname", "down")]));
    say(&mut first, std::slice::from_ref(&down), 0);
    let pages = first.due(at(WAIT_S)).pages;
    let sent = BTreeMap::from([(pages[0].key.clone(), pages[0].sent.clone())]);

    let mut still = Pager::new(Arc::new(plan()), sent.clone(), Vec::new(), at(100));
    say(&mut still, std::slice::from_ref(&down), 100);
    assert_eq!(told(&mut still, 100 + WAIT_S), NOTHING);

    // Its end was found while it was away: what fired is handed over as over.
    let mut over = Pager::new(Arc::new(plan()), sent, Vec::new(), at(100));
    let ended = Arc::new(Alert { ended: Some(at(90)), ..Alert::clone(&down) });
    over.evaluated(std::iter::empty(), [(ended, Arc::default())].into_iter(), at(100));
    assert_eq!(told(&mut over, 100 + WAIT_S), [["down over"]]);
}

#[test]
fn a_silence_keeps_alerts_from_being_told_but_not_the_end_of_what_was() {
    let mut pager = pager();
    let (old, new) = (alert(&[("alertname", "old")]), alert(&[("alertname", "new")]));
    say(&mut pager, std::slice::from_ref(&old), 0);
    assert_eq!(told(&mut pager, WAIT_S), [["old"]]);
    pager.silence(Silence {
        id: "s".to_owned(),
        matchers: Matchers(vec!["alertname=~old|new".parse().unwrap()]),
        author: "me".to_owned(),
        comment: "disk is being changed".to_owned(),
        starts: at(40),
        ends: at(2000),
    });
    say(&mut pager, &[old, new.clone()], 50);
    let muted: Vec<_> = pager.list(at(50)).map(|listed| listed.mute).collect();
    assert_eq!(muted, vec![Some(Mute::Silenced("s".to_owned())); 2]);
    say(&mut pager, std::slice::from_ref(&new), 60);
    assert_eq!(told(&mut pager, WAIT_S + INTERVAL_S), [["old over"]]);
    assert_eq!(told(&mut pager, 2000 + INTERVAL_S), [["new"]], "the silence has ended");
}

#[test]
fn a_configured_inhibition_holds_between_equals() {
    let parse = |texts: &[&str]| Matchers(texts.iter().map(|text| text.parse().unwrap()).collect());
    let inhibition = Inhibition {
        source: parse(&["severity=critical"]),
        target: parse(&["severity=warning"]),
        equal: vec!["service".to_owned()],
    };
    let plan = Plan { inhibitions: vec![inhibition], ..plan() };
    let mut pager = Pager::new(Arc::new(plan), BTreeMap::new(), Vec::new(), at(0));
    let of = |name, severity, service| {
        alert(&[("alertname", name), ("severity", severity), ("service", service)])
    };
    let all =
        [of("dead", "critical", "web"), of("slow", "warning", "web"), of("slow", "warning", "db")];
    say(&mut pager, &all, 0);
    let mut names = told(&mut pager, WAIT_S);
    names.sort();
    assert_eq!(names, [["dead"], ["slow"]]);
    assert_eq!(pager.list(at(1)).filter(|listed| listed.mute.is_some()).count(), 1);
    say(&mut pager, &all[1..], WAIT_S + 1);
    let mut names = told(&mut pager, WAIT_S + INTERVAL_S);
    names.sort();
    assert_eq!(names, [["dead over"], ["slow"]], "what hid it is gone");
}

fn topology(needs: &[(&str, &str)]) -> Topology {
    let node = |name: &str| ("default".to_owned(), name.to_owned());
    let mut declared: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (service, dependency) in needs {
        declared.entry(node(service)).or_default().insert(node(dependency));
    }
    Topology::new(&declared)
}

#[test]
fn a_failing_dependency_speaks_for_its_dependents() {
    let mut pager = pager();
    pager.set_topology(topology(&[("shop", "cart"), ("cart", "db"), ("blog", "cdn")]));
    let of = |service, severity| {
        alert(&[("alertname", "down"), ("service", service), ("severity", severity)])
    };
    let all = ["shop", "cart", "db", "blog"].map(|service| of(service, "critical"));
    say(&mut pager, &all, 0);
    let pages = pager.due(at(WAIT_S)).pages;
    let services: Vec<_> = pages.iter().map(|p| p.alerts[0].labels["service"].as_str()).collect();
    assert_eq!(services, ["blog", "db"]);
    assert_eq!(pages[1].alerts[0].annotations["explains"], "cart, shop");
    assert!(!pages[0].alerts[0].annotations.contains_key("explains"));
}

#[test]
fn a_milder_cause_explains_nothing_and_a_circle_excuses_nobody() {
    let of = |service, severity| {
        alert(&[("alertname", "down"), ("service", service), ("severity", severity)])
    };
    let mut mild = pager();
    mild.set_topology(topology(&[("web", "db")]));
    say(&mut mild, &[of("web", "critical"), of("db", "info")], 0);
    assert_eq!(told(&mut mild, WAIT_S).len(), 2);
    let mut circle = pager();
    circle.set_topology(topology(&[("a", "b"), ("b", "c"), ("c", "a")]));
    say(&mut circle, &["a", "b", "c"].map(|service| of(service, "critical")), 0);
    assert_eq!(told(&mut circle, WAIT_S).len(), 3);
}

#[test]
fn what_comes_from_outside_is_over_when_it_is_not_repeated() {
    let mut pager = pager();
    let job = Alert::clone(&alert(&[("alertname", "backup failed")]));
    pager.received([(job.clone(), Arc::default())], at(0));
    assert_eq!(told(&mut pager, WAIT_S), [["backup failed"]]);
    pager.received([(job, Arc::default())], at(200));
    say(&mut pager, &[], 210); // rules know nothing of it
    assert_eq!(told(&mut pager, WAIT_S + INTERVAL_S), NOTHING);
    assert_eq!(pager.next(), Some(at(500)));
    told(&mut pager, 500);
    assert_eq!(told(&mut pager, WAIT_S + 2 * INTERVAL_S), [["backup failed over"]]);
}

#[test]
fn a_storm_is_one_page_and_says_how_much_it_leaves_out() {
    let mut pager = pager();
    let storm: Vec<_> = (0..5000)
        .map(|i| alert(&[("alertname", "down"), ("service", "web"), ("instance", &i.to_string())]))
        .collect();
    say(&mut pager, &storm, 0);
    let pages = pager.due(at(WAIT_S)).pages;
    assert_eq!((pages.len(), pages[0].alerts.len(), pages[0].truncated), (1, 100, 4900));
    assert_eq!(pages[0].sent.firing.len(), 5000);
}

#[test]
fn another_grouping_begins_when_it_is_configured() {
    let mut pager = pager();
    let two = ["a", "b"].map(|zone| alert(&[("alertname", "slow"), ("zone", zone)]));
    say(&mut pager, &two, 0);
    let by_zone = Plan { group_by: vec!["zone".to_owned()], ..plan() };
    pager.set_plan(Arc::new(by_zone), at(1));
    assert_eq!(told(&mut pager, 1 + WAIT_S), [["slow"], ["slow"]]);
}

proptest! {
    /// Whatever fires and ends when: who hears of an alert hears its end, nothing is told twice within the
    /// repeat interval, and what fires for longer than the wait is told. Restarts change nothing of that.
    #[test]
    fn who_hears_of_an_alert_hears_its_end(
        steps in prop::collection::vec(
            (prop::collection::btree_set(0u8..4, 0..4), 1u64..200, prop::bool::weighted(0.2)),
            1..40,
        )
    ) {
        let mut pager = pager();
        let all: Vec<_> =
            (0..4).map(|i| alert(&[("alertname", "x"), ("i", &i.to_string())])).collect();
        let mut believed: BTreeSet<Labels> = BTreeSet::new();
        let (mut now, mut last) = (0, BTreeSet::new());
        let mut since: BTreeMap<u8, u64> = BTreeMap::new();
        let mut kept: BTreeMap<GroupKey, Sent> = BTreeMap::new();
        let quiet = std::iter::repeat_n((BTreeSet::new(), 400u64, false), 4);
        for (firing, pause, restarts) in steps.into_iter().chain(quiet) {
            if restarts {
                pager = Pager::new(Arc::new(plan()), kept.clone(), Vec::new(), at(now));
                since.clear();
            }
            let said: Vec<_> = firing.iter().map(|i| all[usize::from(*i)].clone()).collect();
            say(&mut pager, &said, now);
            since.retain(|i, _| firing.contains(i));
            firing.iter().for_each(|i| _ = since.entry(*i).or_insert(now));
            for _ in 0..pause {
                now += 1;
                let due = pager.due(at(now));
                for page in due.pages {
                    kept.insert(page.key.clone(), page.sent.clone());
                    for alert in &page.alerts {
                        match alert.is_resolved() {
                            true => prop_assert!(believed.remove(&alert.labels), "an end of nothing"),
                            false => _ = believed.insert(alert.labels.clone()),
                        }
                    }
                    prop_assert_ne!((&page.sent.firing, page.alerts.len()), (&last, 0));
                    last = page.sent.firing.clone();
                    prop_assert_eq!(&last, &believed);
                }
                kept.retain(|key, _| !due.forgotten.contains(key));
            }
            for (i, since) in &since {
                let known = believed.contains(&all[usize::from(*i)].labels);
                prop_assert!(known || now - since < WAIT_S + INTERVAL_S, "{i} is not told");
            }
        }
        prop_assert!(believed.is_empty() && kept.is_empty());
        prop_assert_eq!(pager.next(), None);
    }
}

#[test]
fn the_default_plan_is_alertmanagers() {
    let plan = Plan::default();
    let seconds = [plan.group_wait, plan.group_interval, plan.repeat_interval];
    assert_eq!(seconds, [WAIT_S, INTERVAL_S, REPEAT_S].map(Duration::from_secs));
}

fn to(channels: &[&str]) -> Arc<[ChannelName]> {
    channels.iter().map(|name| ChannelName::new(name).unwrap()).collect()
}

/// `channel: name` and `channel: name over`, of all that is told at a moment.
fn told_to(pager: &mut Pager, now: u64) -> Vec<String> {
    let mut told = Vec::new();
    for page in pager.due(at(now)).pages {
        for alert in page.alerts {
            let over = if alert.is_resolved() { " over" } else { "" };
            told.push(format!("{}: {}{over}", page.key.channel, alert.labels["alertname"]));
        }
    }
    told
}

#[test]
fn what_fires_again_is_told_to_each_of_its_channels() {
    let mut pager = pager();
    let (a, b) =
        (alert(&[("alertname", "x"), ("i", "a")]), alert(&[("alertname", "x"), ("i", "b")]));
    let say = |pager: &mut Pager, both: bool, now| {
        let first = (a.clone(), to(&["early"]));
        let second = both.then(|| (b.clone(), to(&["early", "late"])));
        pager.evaluated([first].into_iter().chain(second), std::iter::empty(), at(now));
    };
    say(&mut pager, false, 0);
    say(&mut pager, true, 20);
    assert_eq!(told_to(&mut pager, 30), ["early: x", "early: x"]);
    assert_eq!(told_to(&mut pager, 50), ["late: x"]);
    say(&mut pager, false, 100);
    assert_eq!(told_to(&mut pager, 330), ["early: x", "early: x over"]);
    say(&mut pager, true, 340); // the group of `late` has not been looked at since
    told_to(&mut pager, 350);
    assert_eq!(told_to(&mut pager, 630), ["early: x", "early: x"]);
}

#[test]
fn who_is_no_longer_told_hears_the_end() {
    let mut pager = pager();
    let down = alert(&[("alertname", "down"), ("zone", "a")]);
    let say = |pager: &mut Pager, channel, now| {
        let firing = [(down.clone(), to(&[channel]))].into_iter();
        pager.evaluated(firing, std::iter::empty(), at(now));
    };
    say(&mut pager, "one", 0);
    assert_eq!(told_to(&mut pager, 30), ["one: down"]);
    say(&mut pager, "two", 40);
    assert_eq!(told_to(&mut pager, 70), ["two: down"]);
    assert_eq!(told_to(&mut pager, 330), ["one: down over"]);

    let by_zone = Plan { group_by: vec!["zone".to_owned()], ..plan() };
    pager.set_plan(Arc::new(by_zone), at(340));
    assert_eq!(told_to(&mut pager, 370), ["two: down over", "two: down"]);
}

#[test]
fn what_was_told_before_a_restart_and_is_never_heard_of_again_is_over() {
    let mut first = pager();
    first.received([(Alert::clone(&alert(&[("alertname", "job")])), Arc::default())], at(0));
    let pages = first.due(at(WAIT_S)).pages;
    let sent = BTreeMap::from([(pages[0].key.clone(), pages[0].sent.clone())]);
    let mut second = Pager::new(Arc::new(plan()), sent, Vec::new(), at(100));
    say(&mut second, &[], 100);
    let mut heard = Vec::new();
    for moment in 100..1000 {
        heard.extend(told_to(&mut second, moment));
    }
    assert_eq!(heard, ["ops: job over"]);
}

#[test]
fn an_alert_that_is_repeated_began_when_it_began() {
    let mut pager = pager();
    let job =
        |started| Alert { started: at(started), ..Alert::clone(&alert(&[("alertname", "job")])) };
    pager.received([(job(5), Arc::default())], at(5));
    pager.received([(job(20), Arc::default())], at(20));
    assert_eq!(pager.due(at(40)).pages[0].alerts[0].started, at(5));
}

#[test]
fn what_comes_from_outside_has_bounds_in_number_and_in_words() {
    const MIB: usize = 1 << 20;
    let named = |name: usize, bytes: usize, ended| {
        let labels = Labels::from([("alertname".to_owned(), name.to_string())]);
        let annotations = Labels::from([("summary".to_owned(), "x".repeat(bytes))]);
        (Alert { labels, annotations, started: at(0), ended }, Arc::default())
    };
    let mut many = pager();
    let alerts = (0..MAX_OUTSIDE + 5).map(|name| named(name, 1, None));
    assert_eq!(many.received(alerts, at(0)), 5);
    assert_eq!(many.received([named(0, 2, None)], at(1)), 0, "it is known");
    assert_eq!(many.received([named(MAX_OUTSIDE, 1, None)], at(1)), 1);
    assert_eq!(many.received([named(MAX_OUTSIDE, 1, Some(at(1)))], at(2)), 0, "it is over");

    let mut large = pager();
    let each = MAX_OUTSIDE_BYTES / MIB;
    assert_eq!(large.received((0..each).map(|name| named(name, MIB, None)), at(0)), 1);
    assert_eq!(large.received([named(0, 2 * MIB, None)], at(1)), 1, "known, but larger");
    assert_eq!(large.received([named(0, 1, None), named(each, MIB, None)], at(1)), 0);
    assert_eq!(large.received([named(1, 3 * MIB, Some(at(2)))], at(2)), 0, "its end is told");
    let over = large.list(at(2)).find(|listed| listed.alert.is_resolved()).unwrap();
    assert_eq!(over.alert.annotations["summary"].len(), MIB);
    assert_eq!(large.received([named(1, 2 * MIB, None)], at(3)), 1, "though it is still held");
}

#[test]
fn an_alert_that_nobody_is_told_of_is_forgotten_with_its_end() {
    let nobody = Plan { default_channels: Vec::new(), ..plan() };
    let mut pager = Pager::new(Arc::new(nobody), BTreeMap::new(), Vec::new(), at(0));
    say(&mut pager, &[alert(&[("alertname", "x")])], 0);
    assert_eq!(pager.list(at(0)).count(), 1);
    say(&mut pager, &[], 10);
    assert_eq!(pager.list(at(10)).count(), 0);
}

#[test]
fn nobody_outside_ends_an_alert_of_a_rule() {
    let mut pager = pager();
    let down = alert(&[("alertname", "down")]);
    say(&mut pager, std::slice::from_ref(&down), 0);
    let over = Alert { ended: Some(at(1)), ..Alert::clone(&down) };
    pager.received([(over, Arc::default())], at(1));
    assert_eq!(told(&mut pager, WAIT_S), [["down"]]);
}

/// What a storm costs grows with the storm, and not with its square: that would be minutes here.
#[test]
fn a_storm_that_inhibits_and_explains_is_looked_at_once() {
    let parse = |texts: &[&str]| Matchers(texts.iter().map(|text| text.parse().unwrap()).collect());
    let inhibition = Inhibition {
        source: parse(&["severity=critical"]),
        target: parse(&["severity=warning"]),
        equal: vec!["alertname".to_owned()],
    };
    let plan = Plan { inhibitions: vec![inhibition], ..plan() };
    let mut pager = Pager::new(Arc::new(plan), BTreeMap::new(), Vec::new(), at(0));
    pager.set_topology(topology(&[("shop", "db")]));
    let storm = (0..20_000).map(|i| {
        let (service, i) = (if i % 2 == 0 { "db" } else { "shop" }, i.to_string());
        let severity = ("severity", "critical");
        alert(&[("alertname", "down"), severity, ("service", service), ("instance", &i)])
    });
    let storm: Vec<_> = storm.collect();
    say(&mut pager, &storm, 0);
    let began = std::time::Instant::now();
    let pages = pager.due(at(WAIT_S)).pages;
    assert_eq!((pages.len(), pages[0].alerts.len(), pages[0].truncated), (1, 100, 9_900));
    assert!(pages[0].alerts.iter().all(|alert| alert.annotations["explains"] == "shop"));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

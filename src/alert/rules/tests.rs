//! Rules over samples that are written down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::{Labels, RuleName, UnixMillis};

const MINUTE: Duration = Duration::from_secs(60);
/// Between two looks.
const STEP: u64 = 10_000;

/// A family, labels, a value.
type Sample<'a> = (&'a str, Vec<(&'a str, &'a str)>, f64);

/// Rules over a history that goes on by ten seconds at each look.
struct Bench {
    rules: RuleSet,
    history: History,
    now: UnixMillis,
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn term(family: &str, function: Function, window: Duration) -> Term {
    Term { family: family.to_owned(), matchers: Vec::new(), function, window }
}

/// A gauge above 10, each series by itself.
fn rule(name: &str) -> Rule {
    let term = term("load", Function::Last, Duration::ZERO);
    let names = BTreeSet::from(["host"]);
    Rule {
        name: RuleName::new(name).unwrap(),
        expression: Expression {
            measure: Measure::Fold { term, fold: Fold::Sum },
            grouping: Grouping::Each,
        },
        comparison: Comparison::Above,
        threshold: 10.0,
        unit: Unit::Plain,
        timing: Timing { hold: Duration::ZERO, keep_firing: Duration::ZERO },
        severity: "warning".to_owned(),
        labels: Labels::new(),
        annotations: BTreeMap::from([(
            "summary".to_owned(),
            Template::new("{{ host }} is at {{ value }}", &names).unwrap(),
        )]),
        channels: Arc::from([]),
    }
}

impl Bench {
    fn new(rules: Vec<Rule>) -> Self {
        let mut bench =
            Self { rules: RuleSet::default(), history: History::default(), now: UnixMillis(STEP) };
        bench.set(rules);
        bench
    }

    fn set(&mut self, rules: Vec<Rule>) {
        self.rules.set_rules(rules.into_iter().map(Arc::new).collect());
        self.history.keep(&self.rules.families());
    }

    /// A look at these samples of `load`, by host.
    fn look(&mut self, samples: &[(&str, f64)]) -> Evaluation {
        let series: Vec<_> =
            samples.iter().map(|(host, value)| ("load", vec![("host", *host)], *value)).collect();
        self.see(&series)
    }

    fn see(&mut self, samples: &[Sample<'_>]) -> Evaluation {
        self.now = UnixMillis(self.now.0 + STEP);
        let mut look = self.history.look(self.now);
        for (family, labels, value) in samples {
            look.sample(family, labels.iter().copied(), *value);
        }
        look.end();
        self.rules.evaluate(&self.history, self.now)
    }

    /// The same rules in another process, some time later.
    fn restart(self, away: u64, rules: Vec<Rule>) -> Self {
        let (records, kept) = (self.rules.export(), self.now);
        let mut bench = Self::new(rules);
        bench.now = UnixMillis(kept.0 + away);
        bench.rules.import(records, kept, bench.now);
        bench
    }
}

fn told(evaluation: &Evaluation) -> Vec<String> {
    let transitions = evaluation.transitions.iter();
    let mut told: Vec<String> =
        transitions.map(|t| format!("{:?} {}", t.event, t.alert.labels["host"])).collect();
    told.sort();
    told
}

fn firing(evaluation: &Evaluation) -> Vec<&str> {
    evaluation.firing.iter().map(|raised| raised.alert.labels["host"].as_str()).collect()
}

#[test]
fn an_alert_has_its_labels_and_says_its_value() {
    let mut rule = rule("busy");
    rule.labels = labels(&[("team", "core")]);
    let mut bench = Bench::new(vec![rule]);
    assert!(bench.look(&[("a", 10.0)]).transitions.is_empty());
    let evaluation = bench.look(&[("a", 12.5), ("b", 3.0)]);
    assert_eq!(told(&evaluation), ["Firing a"]);
    let alert = &evaluation.firing[0].alert;
    let expected =
        [("alertname", "busy"), ("host", "a"), ("severity", "warning"), ("team", "core")];
    assert_eq!(alert.labels, labels(&expected));
    assert_eq!(alert.annotations, labels(&[("summary", "a is at 12.5")]));
    assert_eq!((alert.started, alert.ended), (bench.now, None));
    let over = bench.look(&[("a", 1.0)]);
    assert_eq!(told(&over), ["Resolved a"]);
    assert_eq!(over.transitions[0].alert.ended, Some(bench.now));
    assert!(over.firing.is_empty());
}

#[test]
fn a_series_that_is_gone_takes_its_alert_along() {
    let mut bench = Bench::new(vec![rule("busy")]);
    assert_eq!(told(&bench.look(&[("a", 20.0), ("b", 20.0)])), ["Firing a", "Firing b"]);
    assert_eq!(told(&bench.look(&[("b", 20.0)])), ["Resolved a"]);
    // It comes back, at another place.
    assert_eq!(told(&bench.look(&[("a", 20.0), ("b", 20.0)])), ["Firing a"]);
    assert!(bench.look(&[("a", 20.0), ("b", 20.0)]).transitions.is_empty());
}

#[test]
fn what_does_not_last_is_not_told() {
    let mut waits = rule("busy");
    waits.timing.hold = MINUTE;
    let mut bench = Bench::new(vec![waits]);
    assert_eq!(told(&bench.look(&[("a", 20.0)])), ["Pending a"]);
    for _ in 0..5 {
        let evaluation = bench.look(&[("a", 20.0)]);
        assert!(evaluation.firing.is_empty() && evaluation.pending == 1);
    }
    assert_eq!(told(&bench.look(&[("a", 20.0)])), ["Firing a"]);
    bench.look(&[]);
    bench.look(&[("a", 20.0)]);
    assert_eq!(told(&bench.look(&[("a", 1.0)])), ["Lapsed a"]);
}

#[test]
fn a_restart_neither_forgets_nor_fires_twice() {
    let mut keeps = rule("busy");
    keeps.timing.hold = MINUTE;
    let mut bench = Bench::new(vec![rule("now"), keeps.clone()]);
    bench.look(&[("a", 20.0)]);
    let started = bench.look(&[("a", 20.0)]).firing[0].alert.started;

    let mut bench = bench.restart(3_600_000, vec![rule("now"), keeps]);
    // Nothing is known yet, then it goes on.
    for samples in [&[][..], &[("a", 20.0)][..]] {
        let evaluation = bench.look(samples);
        assert_eq!(told(&evaluation), Vec::<String>::new());
        assert_eq!(firing(&evaluation), ["a"]);
        assert_eq!(evaluation.firing[0].alert.started, started);
        assert_eq!(evaluation.pending, 1, "the hour away is no time of waiting");
    }
    let evaluation = bench.look(&[("a", 1.0)]);
    assert_eq!(told(&evaluation), ["Lapsed a", "Resolved a"]);
}

#[test]
fn what_never_comes_back_after_a_restart_is_over_in_time() {
    let mut bench = Bench::new(vec![rule("busy")]);
    bench.look(&[("a", 20.0)]);
    let mut bench = bench.restart(0, vec![rule("busy")]);
    let looks = (1..=20).find(|_| !bench.look(&[("b", 1.0)]).transitions.is_empty());
    assert_eq!(looks, Some(12), "two minutes of patience");
}

#[test]
fn a_rule_that_is_gone_or_means_something_else_is_over() {
    let mut bench = Bench::new(vec![rule("busy"), rule("same")]);
    bench.look(&[("a", 20.0)]);
    let mut severe = rule("busy");
    severe.severity = "critical".to_owned();
    let mut same = rule("same");
    same.threshold = 15.0;
    bench.set(vec![severe, same]);
    let evaluation = bench.look(&[("a", 20.0)]);
    assert_eq!(told(&evaluation), ["Firing a", "Resolved a"]);
    let over = evaluation.transitions.iter().find(|t| t.event == Event::Resolved).unwrap();
    assert_eq!(over.alert.labels["severity"], "warning");
    bench.set(Vec::new());
    assert_eq!(told(&bench.look(&[])), ["Resolved a", "Resolved a"]);
    // Over a restart likewise.
    let mut bench = Bench::new(vec![rule("busy")]);
    bench.look(&[("a", 20.0)]);
    let mut bench = bench.restart(0, Vec::new());
    assert_eq!(told(&bench.look(&[])), ["Resolved a"]);
}

fn request(service: &str, status: &str, count: f64) -> Sample<'static> {
    let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    ("requests_total", vec![("service", leak(service)), ("status_class", leak(status))], count)
}

#[test]
fn an_error_rate_is_of_each_service() {
    let of = |pattern: Option<&str>| Term {
        matchers: pattern
            .map(|pattern| Matcher::label("status_class", pattern))
            .into_iter()
            .collect(),
        ..term("requests_total", Function::Increase, MINUTE)
    };
    let mut errors = rule("errors");
    errors.expression = Expression {
        measure: Measure::Ratio { part: of(Some("5xx")), whole: of(None), least: 10.0 },
        grouping: Grouping::By(vec!["service".to_owned()]),
    };
    errors.threshold = 0.05;
    errors.annotations.clear();
    let mut bench = Bench::new(vec![errors]);
    let mut last = Evaluation::default();
    for i in 0..7 {
        let i = f64::from(i);
        last = bench.see(&[
            request("web", "2xx", 90.0 * i),
            request("web", "5xx", 10.0 * i),
            request("shop", "2xx", 99.0 * i),
            request("shop", "5xx", i),
            request("fine", "2xx", 100.0 * i),
            // One of one failed: too few to say anything.
            request("idle", "5xx", 0.1 * i),
        ]);
    }
    let firing: Vec<_> =
        last.firing.iter().map(|r| (&*r.alert.labels["service"], r.value)).collect();
    assert_eq!(firing.len(), 1, "{firing:?}");
    assert_eq!(firing[0].0, "web");
    assert!((firing[0].1 - 0.1).abs() < 1e-9, "{firing:?}");
}

#[test]
fn where_nothing_went_well_the_share_of_what_did_is_none() {
    let of = |pattern: &[&str]| Term {
        matchers: pattern.iter().map(|pattern| Matcher::label("status_class", pattern)).collect(),
        ..term("requests_total", Function::Increase, MINUTE)
    };
    let mut good = rule("good");
    good.expression = Expression {
        measure: Measure::Ratio { part: of(&["2xx"]), whole: of(&[]), least: 10.0 },
        grouping: Grouping::By(vec!["service".to_owned()]),
    };
    (good.comparison, good.threshold) = (Comparison::Below, 0.5);
    good.annotations.clear();
    let mut bench = Bench::new(vec![good]);
    let mut last = Evaluation::default();
    for i in 0..7 {
        let i = f64::from(i);
        // None of the first is of the class that is asked for; nobody asked the second.
        last = bench.see(&[request("web", "5xx", 100.0 * i), request("idle", "2xx", 5.0)]);
    }
    let firing: Vec<_> =
        last.firing.iter().map(|r| (&*r.alert.labels["service"], r.value)).collect();
    assert_eq!(firing, [("web", 0.0)]);
}

#[test]
fn a_groups_number_is_folded_as_the_rule_says() {
    for (fold, expected) in [
        (Fold::Sum, 36.0),
        (Fold::Average, 12.0),
        (Fold::Least, 4.0),
        (Fold::Most, 20.0),
        (Fold::Count, 3.0),
    ] {
        let mut rule = rule("folded");
        let term = term("load", Function::Last, Duration::ZERO);
        rule.expression = Expression {
            measure: Measure::Fold { term, fold },
            grouping: Grouping::By(vec!["zone".to_owned()]),
        };
        rule.threshold = 0.0;
        rule.annotations.clear();
        let host = |host, zone, value| ("load", vec![("host", host), ("zone", zone)], value);
        let mut bench = Bench::new(vec![rule]);
        let seen = bench.see(&[
            host("a", "north", 12.0),
            host("b", "south", 7.0),
            host("c", "north", 4.0),
            host("d", "north", 20.0),
        ]);
        let north = seen.firing.iter().find(|raised| raised.alert.labels["zone"] == "north");
        assert_eq!(north.unwrap().value, expected, "{fold:?}");
    }
}

#[test]
fn a_quantile_is_of_all_buckets_of_a_group() {
    let mut slow = rule("slow");
    slow.expression = Expression {
        measure: Measure::Quantile {
            term: term("seconds_bucket", Function::Increase, MINUTE),
            quantile: 0.9,
        },
        grouping: Grouping::By(vec!["service".to_owned()]),
    };
    slow.threshold = 1.5;
    slow.annotations.clear();
    let mut bench = Bench::new(vec![slow]);
    let mut last = Evaluation::default();
    for i in 0..7 {
        let i = f64::from(i);
        let bucket = |route, le, count: f64| {
            ("seconds_bucket", vec![("le", le), ("route", route), ("service", "web")], count * i)
        };
        last = bench.see(&[
            bucket("a", "1", 5.0),
            bucket("a", "2", 9.0),
            bucket("a", "+Inf", 10.0),
            bucket("b", "1", 3.0),
            bucket("b", "2", 10.0),
            bucket("b", "+Inf", 10.0),
        ]);
    }
    assert_eq!(last.firing.len(), 1);
    // Of 20 in all, 8 took less than 1 and 19 less than 2: the 18th is 10/11 of the way.
    assert!((last.firing[0].value - (1.0 + 10.0 / 11.0)).abs() < 1e-9, "{}", last.firing[0].value);
}

#[test]
fn absence_is_of_data() {
    let mut absent = rule("silent");
    let silent = Term {
        matchers: vec![Matcher::label("host", "a")],
        ..term("load", Function::Last, Duration::ZERO)
    };
    absent.expression =
        Expression { measure: Measure::Absent { term: silent }, grouping: Grouping::Each };
    absent.threshold = 0.0;
    let mut bench = Bench::new(vec![absent]);
    assert_eq!(told(&bench.look(&[])), ["Firing a"]);
    assert_eq!(told(&bench.look(&[("b", 1.0)])), Vec::<String>::new());
    assert_eq!(told(&bench.look(&[("a", 1.0)])), ["Resolved a"]);
    assert_eq!(told(&bench.look(&[("b", 1.0)])), ["Firing a"]);
}

#[test]
fn a_counter_that_was_reset_grows_on() {
    let mut fast = rule("fast");
    fast.expression.measure =
        Measure::Fold { term: term("load", Function::Increase, MINUTE), fold: Fold::Sum };
    fast.threshold = -1.0;
    let mut bench = Bench::new(vec![fast]);
    let mut grown = Vec::new();
    for count in [100.0, 110.0, 120.0, 5.0, 15.0, 25.0, 35.0] {
        let evaluation = bench.look(&[("a", count)]);
        grown.extend(evaluation.firing.iter().map(|raised| raised.value));
    }
    // 45 from the first to the last of the six samples, which are 50 of the 60 seconds.
    assert_eq!(grown.last(), Some(&54.0), "{grown:?}");
    assert!(grown.iter().all(|value| *value >= 0.0), "{grown:?}");
}

#[test]
fn a_counter_that_appears_began_at_zero() {
    let mut fast = rule("fast");
    fast.expression.measure =
        Measure::Fold { term: term("load", Function::Increase, MINUTE), fold: Fold::Sum };
    let mut bench = Bench::new(vec![fast]);
    assert!(bench.look(&[("a", 50.0)]).firing.is_empty(), "nobody knows since when");
    bench.look(&[("a", 50.0)]);
    let evaluation = bench.look(&[("a", 50.0), ("b", 50.0)]);
    assert_eq!((firing(&evaluation), evaluation.firing[0].value), (vec!["b"], 50.0));
}

#[test]
fn one_rule_cannot_take_all_memory() {
    let hosts: Vec<String> = (0..12_000).map(|i| format!("host-{i}")).collect();
    let samples: Vec<(&str, f64)> = hosts.iter().map(|host| (host.as_str(), 20.0)).collect();
    let mut bench = Bench::new(vec![rule("busy")]);
    let evaluation = bench.look(&samples);
    assert_eq!((evaluation.firing.len(), evaluation.dropped), (10_000, 2_000));
}

#[test]
fn thousands_that_come_and_go_leave_nothing_behind() {
    let mut bench = Bench::new(vec![rule("busy")]);
    for round in 0..30 {
        let hosts: Vec<String> = (0..500).map(|i| format!("{round}-{i}")).collect();
        let mut samples: Vec<(&str, f64)> = hosts.iter().map(|host| (host.as_str(), 1.0)).collect();
        samples.push(("stays", 20.0));
        let evaluation = bench.look(&samples);
        assert_eq!(firing(&evaluation), ["stays"]);
        assert_eq!(evaluation.transitions.len(), usize::from(round == 0));
        assert!(bench.history.family("load").unwrap().len() < 3000);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Two sets with the same rules, one of them the other way round, and restarted at some point without
    /// being away, tell the same.
    #[test]
    fn neither_order_nor_a_restart_makes_a_difference(
        looks in prop::collection::vec(prop::collection::vec((0..6usize, 0.0..20.0f64), 0..6), 1..25),
        restart in 0..25usize,
        holds in prop::collection::vec(0..60u64, 3),
    ) {
        const HOSTS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
        let rules = || -> Vec<Rule> {
            let each = holds.iter().enumerate().map(|(i, hold)| {
                let mut rule = rule(&format!("rule-{i}"));
                // A restart may bring them up to date sooner.
                rule.annotations.clear();
                rule.timing = Timing {
                    hold: Duration::from_secs(*hold),
                    keep_firing: Duration::from_secs(60 - hold),
                };
                rule
            });
            each.collect()
        };
        let reversed = || rules().into_iter().rev().collect::<Vec<_>>();
        let (mut one, mut other) = (Bench::new(rules()), Bench::new(reversed()));
        for (i, look) in looks.iter().enumerate() {
            if i == restart {
                let records = other.rules.export();
                let mut fresh = RuleSet::default();
                fresh.set_rules(reversed().into_iter().map(Arc::new).collect());
                fresh.import(records.clone(), other.now, other.now);
                prop_assert_eq!(fresh.export(), records);
                other.rules = fresh;
            }
            let samples: BTreeMap<&str, f64> = look.iter().map(|(h, v)| (HOSTS[*h], *v)).collect();
            // All hosts are there, so that nothing is waited for after the restart.
            let samples: Vec<(&str, f64)> =
                HOSTS.iter().map(|host| (*host, samples.get(host).copied().unwrap_or(0.0))).collect();
            let (mut first, mut second) = (one.look(&samples), other.look(&samples));
            let order = |e: &mut Evaluation| {
                e.transitions.sort_by(|a, b| a.key.cmp(&b.key));
                e.firing.sort_by(|a, b| a.alert.labels.cmp(&b.alert.labels));
            };
            order(&mut first);
            order(&mut second);
            prop_assert_eq!(first.transitions, second.transitions);
            prop_assert_eq!(first.firing, second.firing);
            prop_assert_eq!(first.pending, second.pending);
        }
    }
}

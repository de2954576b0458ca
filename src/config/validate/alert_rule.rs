//! `[alerts.rules.<name>]`: what the kind says, with what the rule says over it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::alert_metric::{Metric, metric, threshold, unit};
use super::alert_text::{self, Texts};
use super::check::{Check, DAY, HOUR};
use crate::alert::rules::{
    Comparison, Expression, Fold, Function, Grouping, Matcher, Measure, PLAIN, PRESETS, Pattern,
    Preset, Rule, Term, Timing, Unit, preset,
};
use crate::config::path::KeyPath;
use crate::config::schema::{self, AlertAggregate, AlertDivisor, AlertFunction, AlertOp, Time};
use crate::config::types::ConfiguredRule;
use crate::model::{ChannelName, RuleName};

/// Labels of which a series has one that names a plugin.
const PLUGIN_LABELS: [&str; 3] = ["strategy", "check", "plugin"];

type Where = BTreeMap<String, String>;

pub fn rule(
    name: &str,
    written: schema::AlertRule,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Option<ConfiguredRule> {
    let schema::AlertRule {
        kind,
        metric: _,
        matchers: _,
        function: _,
        window: _,
        quantile: _,
        by: _,
        aggregate: _,
        divided_by: _,
        op,
        threshold: limit,
        hold,
        keep_firing_for,
        service: _,
        instance: _,
        route: _,
        plugin: _,
        node,
        severity,
        channels,
        labels,
        annotations,
        enabled: _, // whoever asks for a rule has looked
    } = &written;
    let base = base(name, kind.as_deref(), at, check)?;
    let rule_name = check.name(at, RuleName::new(name));
    let measured = Measurer { written: &written, base, at }.measured(check);
    let time = |key, time: &Option<Time>, default, check: &mut Check<'_>| {
        time.map_or(default, |time| check.time(&at.key(key), time, Duration::ZERO, DAY))
    };
    let timing = Timing {
        hold: time("for", hold, base.hold, check),
        keep_firing: time("keep_firing_for", keep_firing_for, Duration::ZERO, check),
    };
    let limit_at = at.key("threshold");
    let limit = match (limit, base.threshold) {
        (Some(limit), _) => threshold(limit, &limit_at, check),
        (None, Some(limit)) => Some((limit, None)),
        (None, None) => {
            if !check.tree.attempted(at, &["threshold"]) {
                check.lacks(at, "the key `threshold` is missing");
            }
            None
        }
    };
    if severity.as_deref() == Some("") {
        check.wrong(&at.key("severity"), "says nothing");
    }
    let channels = channels.iter().enumerate().filter_map(|(i, channel)| {
        check.name(&at.key("channels").index(i), ChannelName::new(channel))
    });
    let channels: Arc<[ChannelName]> = channels.collect();
    let node = node.as_deref().or(base.of_node.then_some("*")).map(Pattern::new);
    let labels = alert_text::labels(labels, &at.key("labels"), check);
    let (expression, group_labels) = measured?;
    let texts = Texts { base: base.summary, group_labels: &group_labels, labels: &labels };
    let annotations = texts.annotations(annotations, node.is_some(), &at.key("annotations"), check);
    let (threshold, written_unit) = limit?;
    let own_unit = own_unit(base, &expression);
    if let Some(unit) = written_unit
        && own_unit != Unit::Plain
        && unit != own_unit
    {
        let what = format!("is {}, and the rule's number {}", words(unit), words(own_unit));
        check.wrong(&limit_at, &what);
    }
    let rule = Rule {
        name: rule_name?,
        expression,
        comparison: op.map_or(base.comparison, comparison),
        threshold,
        unit: written_unit.unwrap_or(own_unit),
        timing,
        severity: severity.clone().unwrap_or_else(|| base.severity.to_owned()),
        labels,
        annotations,
        channels,
    };
    Some(ConfiguredRule { rule: Arc::new(rule), node })
}

fn base(
    name: &str,
    kind: Option<&str>,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Option<&'static Preset> {
    let Some(kind) = kind else { return Some(preset(name).unwrap_or(&PLAIN)) };
    let found = preset(kind);
    if found.is_none() {
        let kinds = PRESETS.iter().map(|preset| preset.name).collect();
        check.unknown(&at.key("kind"), "is no kind of rule", kind, kinds);
    }
    found
}

/// A quotient has no unit but that of a share; what grows in a second neither has that of what grows.
fn own_unit(base: &Preset, expression: &Expression) -> Unit {
    match &expression.measure {
        _ if base.unit != Unit::Plain => base.unit,
        Measure::Ratio { .. } => Unit::Share,
        Measure::Absent { .. } => Unit::Plain,
        Measure::Fold { fold: Fold::Count, .. } => Unit::Plain,
        Measure::Fold { term, .. } if term.function == Function::Change => Unit::Share,
        Measure::Fold { term, .. } if term.function == Function::Rate => Unit::Plain,
        Measure::Fold { term, .. } | Measure::Quantile { term, .. } => unit(&term.family),
    }
}

fn words(unit: Unit) -> &'static str {
    match unit {
        Unit::Plain => "a plain number",
        Unit::Seconds => "a duration",
        Unit::Bytes => "a size",
        Unit::Share => "a share",
    }
}

/// Makes the expression of one rule.
struct Measurer<'a> {
    written: &'a schema::AlertRule,
    base: &'static Preset,
    at: &'a KeyPath,
}

impl Measurer<'_> {
    /// The expression, and the labels that its groups have.
    fn measured(&self, check: &mut Check<'_>) -> Option<(Expression, Vec<String>)> {
        let Self { written, base, at } = self;
        let quantile = written.quantile.or(base.quantile);
        if let Some(quantile) = written.quantile
            && !(quantile > 0.0 && quantile < 1.0)
        {
            check.refuse(&at.key("quantile"), "is out of range", "between 0 and 1, such as 0.99");
        }
        let Some(name) = written.metric.as_deref().or(base.metric) else {
            if !check.tree.attempted(at, &["metric", "kind"]) {
                check.lacks(at, "the key `metric` is missing, and no `kind` says it");
            }
            return None;
        };
        let metric = metric(name, quantile.is_some(), &at.key("metric"), check)?;
        let function = self.function(quantile.is_some(), &metric, check);
        let window = written.window.map_or(base.window, |window| {
            check.time(&at.key("window"), window, Duration::from_secs(1), HOUR)
        });
        let window = if function == Function::Last { Duration::ZERO } else { window };
        // Another metric than the kind's need not have its labels.
        let has =
            |label: &str| written.metric.is_none() || metric.labels.iter().any(|l| l == label);
        let of_kind = base.labels.iter().filter(|(label, _)| has(label));
        let mut own: Where = of_kind.map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        own.extend(written.matchers.clone());
        let term = |metric: &Metric, matchers| Term {
            family: metric.family.clone(),
            matchers,
            function,
            window,
        };
        let matchers = self.matchers(&metric, &own, &at.key("where"), check);
        let divisor = self.divisor(name, check);
        let grouping = self.grouping(&metric, quantile.is_some() || divisor.is_some(), check);
        let fold = written.aggregate.map_or(base.fold, fold);
        let part = term(&metric, matchers);
        let labels = match &grouping {
            Grouping::Each => metric.labels.clone(),
            Grouping::By(labels) => labels.clone(),
        };
        let measure = match (divisor, quantile) {
            (Some((metric, matchers, least)), None) => {
                Measure::Ratio { part, whole: term(&metric, matchers), least }
            }
            (None, Some(quantile)) => Measure::Quantile { term: part, quantile },
            (None, None) if base.absent => Measure::Absent { term: part },
            (None, None) => Measure::Fold { term: part, fold },
            (Some(_), Some(_)) => {
                check.lacks(at, "has both `quantile` and `divided_by`");
                return None;
            }
        };
        Some((Expression { measure, grouping }, labels))
    }

    fn function(&self, quantile: bool, metric: &Metric, check: &mut Check<'_>) -> Function {
        let Self { written, base, at } = self;
        let function = match written.function {
            Some(written) => function(written),
            None if quantile => Function::Increase,
            None => base.function,
        };
        let function_at = at.key("function");
        if function.is_for_counters() && !metric.is_counter {
            let what = "is for counters, and the metric is a gauge";
            check.refuse(&function_at, what, "last, delta, change, avg, min, max");
        } else if function == Function::Last && metric.is_counter && !base.absent {
            check.doubt(
                at,
                "looks at all that a counter ever counted: is `function = \"rate\"` meant?",
            );
        }
        function
    }

    fn divisor(&self, own: &str, check: &mut Check<'_>) -> Option<(Metric, Vec<Matcher>, f64)> {
        let Self { written, base, at } = self;
        let at = at.key("divided_by");
        let empty = AlertDivisor::default();
        let (divisor, name) = match (&written.divided_by, base.divisor) {
            (None, None) => return None,
            (Some(divisor), base) => (divisor, divisor.metric.as_deref().or(base).unwrap_or(own)),
            (None, Some(base)) => (&empty, if written.metric.is_some() { own } else { base }),
        };
        let metric = metric(name, false, &at.key("metric"), check)?;
        let matchers = self.matchers(&metric, &divisor.matchers, &at.key("where"), check);
        Some((metric, matchers, divisor.at_least.unwrap_or(base.least)))
    }

    fn grouping(&self, metric: &Metric, folds: bool, check: &mut Check<'_>) -> Grouping {
        let Self { written, base, at } = self;
        let known: Vec<&str> = metric.labels.iter().map(String::as_str).collect();
        if let Some(by) = &written.by {
            for (i, label) in by.iter().enumerate().filter(|(_, by)| !known.contains(&by.as_str()))
            {
                let at = at.key("by").index(i);
                check.unknown(&at, "is no label of the metric", label, known.clone());
            }
            return Grouping::By(by.clone());
        }
        let usual = |labels: &[&str]| {
            let there = labels.iter().filter(|label| known.contains(label));
            Grouping::By(there.map(|label| (*label).to_owned()).collect())
        };
        match base.by {
            Some(by) => usual(by),
            None if folds => usual(&["service"]),
            None if written.aggregate.is_some() => Grouping::By(Vec::new()),
            None => Grouping::Each,
        }
    }

    /// What labels must be like: those of `where`, and those that have a key of their own.
    fn matchers(
        &self,
        metric: &Metric,
        own: &Where,
        at: &KeyPath,
        check: &mut Check<'_>,
    ) -> Vec<Matcher> {
        let written = self.written;
        let known: Vec<&str> = metric.labels.iter().map(String::as_str).collect();
        let mut matchers = Vec::new();
        for (label, pattern) in own {
            if !known.contains(&label.as_str()) {
                let what = format!("the metric has no label `{label}`");
                check.unknown_key(&at.key(label), &what, label, known.clone());
            }
            matchers.push(Matcher::label(label, pattern));
        }
        let scopes: [(&str, &Option<String>, &[&str]); 4] = [
            ("service", &written.service, &["service"]),
            ("instance", &written.instance, &["instance"]),
            ("route", &written.route, &["route"]),
            ("plugin", &written.plugin, &PLUGIN_LABELS),
        ];
        for (key, pattern, labels) in scopes {
            let Some(pattern) = pattern else { continue };
            if !labels.iter().any(|label| known.contains(label)) {
                let what = format!("cannot narrow {}, which has no such label", metric.family);
                check.refuse(&self.at.key(key), &what, &known.join(", "));
            }
            let names = labels.iter().map(|label| (*label).to_owned()).collect();
            matchers.push(Matcher { names, pattern: Pattern::new(pattern) });
        }
        matchers
    }
}

fn function(written: AlertFunction) -> Function {
    match written {
        AlertFunction::Last => Function::Last,
        AlertFunction::Rate => Function::Rate,
        AlertFunction::Increase => Function::Increase,
        AlertFunction::Delta => Function::Delta,
        AlertFunction::Change => Function::Change,
        AlertFunction::Avg => Function::Average,
        AlertFunction::Min => Function::Least,
        AlertFunction::Max => Function::Most,
    }
}

fn fold(written: AlertAggregate) -> Fold {
    match written {
        AlertAggregate::Sum => Fold::Sum,
        AlertAggregate::Avg => Fold::Average,
        AlertAggregate::Min => Fold::Least,
        AlertAggregate::Max => Fold::Most,
        AlertAggregate::Count => Fold::Count,
    }
}

fn comparison(written: AlertOp) -> Comparison {
    match written {
        AlertOp::Above => Comparison::Above,
        AlertOp::AtLeast => Comparison::AtLeast,
        AlertOp::Below => Comparison::Below,
        AlertOp::AtMost => Comparison::AtMost,
        AlertOp::Equal => Comparison::Equal,
        AlertOp::NotEqual => Comparison::NotEqual,
    }
}

//! What one evaluation of 200 rules over 10 000 series costs, its look at the series included.
//!
//! `cargo bench --bench alerts`. One `key value` a line; each key has its unit last. Three mixes: `spread`, as it is
//! in life (50 families; each rule looks at one); `harsh`, where each rule looks at every series; `storm`, where
//! 5 000 of the series go wrong at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use proconsul::alert::rules::{
    Comparison, Expression, Fold, Function, Grouping, History, Matcher, Measure, Rule, RuleSet,
    Term, Timing, Unit,
};
use proconsul::model::{Labels, RuleName, UnixMillis};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SERIES: usize = 10_000;
const RULES: usize = 200;
/// Of a history of five minutes.
const LOOKS: u64 = 40;
const WINDOW: Duration = Duration::from_secs(300);

struct Sample {
    family: String,
    labels: Vec<(&'static str, String)>,
}

fn main() -> Result<()> {
    let mut measured = 20;
    for argument in std::env::args().skip(1).filter(|argument| argument != "--bench") {
        match argument.as_str() {
            "--quick" => measured = 5,
            other => bail!("`{other}` is not known; --quick"),
        }
    }
    for (name, families, storm) in [("spread", 50, false), ("harsh", 1, false), ("storm", 50, true)]
    {
        let mut bench = Bench::new(families)?;
        let mut times = Vec::new();
        for i in 0..LOOKS + measured {
            let spent = bench.look(storm && i >= LOOKS);
            if i >= LOOKS {
                times.push(spent);
            }
        }
        report(name, &times, bench.firing);
    }
    Ok(())
}

fn report(name: &str, times: &[(Duration, Duration)], firing: usize) {
    let median = |part: fn(&(Duration, Duration)) -> Duration| {
        let mut each: Vec<Duration> = times.iter().map(part).collect();
        each.sort_unstable();
        each[each.len() / 2].as_secs_f64() * 1000.0
    };
    let worst = times.iter().map(|(look, evaluate)| *look + *evaluate).max().unwrap_or_default();
    println!("{name}_look_ms {:.2}", median(|(look, _)| *look));
    println!("{name}_evaluation_ms {:.2}", median(|(_, evaluation)| *evaluation));
    println!("{name}_worst_both_ms {:.2}", worst.as_secs_f64() * 1000.0);
    println!("{name}_firing_count {firing}");
}

struct Bench {
    samples: Vec<Sample>,
    rules: RuleSet,
    history: History,
    now: UnixMillis,
    firing: usize,
}

impl Bench {
    fn new(families: usize) -> Result<Self> {
        let samples: Vec<Sample> = (0..SERIES).map(|number| sample(number, families)).collect();
        let rules = (0..RULES).map(|number| rule(number, families).map(Arc::new));
        let mut set = RuleSet::default();
        set.set_rules(rules.collect::<Result<_>>()?);
        let mut history = History::default();
        history.keep(&set.families());
        Ok(Self { samples, rules: set, history, now: UnixMillis(1_000_000), firing: 0 })
    }

    /// One look and one evaluation, ten seconds after the former.
    fn look(&mut self, storm: bool) -> (Duration, Duration) {
        self.now = UnixMillis(self.now.0 + 10_000);
        let began = Instant::now();
        let mut look = self.history.look(self.now);
        for (number, sample) in self.samples.iter().enumerate() {
            // Half of all series go wrong in a storm: a counter that leaps.
            let grown = if storm && number % 2 == 0 { 1e9 } else { (number % 7) as f64 };
            let value = self.now.0 as f64 / 1000.0 * grown;
            let labels = sample.labels.iter().map(|(name, value)| (*name, value.as_str()));
            look.sample(&sample.family, labels, value);
        }
        look.end();
        let looked = began.elapsed();
        let began = Instant::now();
        let evaluation = self.rules.evaluate(&self.history, self.now);
        self.firing = evaluation.firing.len();
        (looked, began.elapsed())
    }
}

fn sample(number: usize, families: usize) -> Sample {
    let per_family = SERIES / families;
    let within = number % per_family;
    let labels = vec![
        ("le", ["0.1", "0.5", "1", "5", "+Inf"][within % 5].to_owned()),
        ("route", format!("route-{}", within / 5 % 10)),
        ("service", format!("service-{}", within / 50)),
    ];
    Sample { family: format!("family_{}", number / per_family), labels }
}

/// All four forms, in turn.
fn rule(number: usize, families: usize) -> Result<Rule> {
    let family = format!("family_{}", number % families);
    let service = || Grouping::By(vec!["service".to_owned()]);
    let term =
        |function, window| Term { family: family.clone(), matchers: Vec::new(), function, window };
    let rate = || term(Function::Rate, WINDOW);
    let (measure, grouping) = match number % 4 {
        0 => (Measure::Fold { term: rate(), fold: Fold::Sum }, Grouping::Each),
        1 => {
            let part = Term { matchers: vec![Matcher::label("le", "5|0.*")], ..rate() };
            (Measure::Ratio { part, whole: rate(), least: 0.0 }, service())
        }
        2 => (Measure::Quantile { term: rate(), quantile: 0.99 }, service()),
        _ => (
            Measure::Fold { term: term(Function::Last, Duration::ZERO), fold: Fold::Most },
            Grouping::Each,
        ),
    };
    Ok(Rule {
        name: RuleName::new(&format!("rule-{number}"))?,
        expression: Expression { measure, grouping },
        comparison: Comparison::Above,
        threshold: 1e8,
        unit: Unit::Plain,
        timing: Timing { hold: Duration::ZERO, keep_firing: Duration::ZERO },
        severity: "warning".to_owned(),
        labels: Labels::new(),
        annotations: BTreeMap::new(),
        channels: Arc::from([]),
    })
}

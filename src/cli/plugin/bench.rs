//! `proconsul plugin bench`: what a pick costs, as the proxy makes it.
//!
//! Each batch of the component's picks is followed by one of a native round-robin behind the same
//! seam, so that whatever else the machine does meets both alike; the ratio says more than either.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::super::REFUSED;
use crate::balance::{
    Ask, EndpointSet, EndpointState, Member, Miss, RequestFacts, Selector, Tried,
};
use crate::config::{HashOn, PluginLimits, PluginSource, Strategy};
use crate::model::{Endpoint, EndpointId, ServiceName, StrategyName, Weight};
use crate::plugin::balancer::{Balancer, BalancerHost};
use crate::plugin::{HotEngine, Kind, Library, Node, Refusal, Seeds};
use crate::telemetry::Metrics;

/// Picks between two looks at the clock.
const BATCH: u32 = 1000;

/// How long one size is measured, and batches at most.
const TIME_PER_SIZE: Duration = Duration::from_secs(1);
const MAX_BATCHES: usize = 20_000;

/// Batches before any counts: caches and branch predictors learn.
const WARM_UP: usize = 20;

/// What is to be measured.
pub(super) struct Options {
    pub endpoints: Vec<usize>,
    /// The strategy's config, as TOML.
    pub config: String,
    pub limits: PluginLimits,
    pub json: bool,
}

/// One line of the table.
struct Line {
    endpoints: usize,
    plugin_ns: f64,
    native_ns: f64,
    /// Picks that the component did not answer usably, by reason.
    missed: BTreeMap<&'static str, usize>,
    picks: usize,
}

/// Measures, and prints.
pub(super) fn bench(
    plugin: &str,
    source: &PluginSource,
    kind: Kind,
    options: &Options,
) -> ExitCode {
    if kind == Kind::AlertChannel {
        eprintln!("error: {plugin} is an alert channel, and this measures picks");
        return ExitCode::FAILURE;
    }
    if kind == Kind::HealthCheck {
        eprintln!(
            "error: {plugin} is a health check, and this measures picks; \
             `proconsul plugin test {plugin} --against HOST:PORT` says how long a check takes"
        );
        return ExitCode::FAILURE;
    }
    let config: toml::Table = match toml::from_str(&options.config) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("error: --config is no TOML: {}", error.message());
            return ExitCode::FAILURE;
        }
    };
    let strategy = Arc::new(Strategy {
        name: StrategyName::new("bench").expect("a constant that is a name"),
        source: source.clone(),
        config_json: serde_json::to_string(&config).unwrap_or_else(|_| "{}".into()),
        hash_on: HashOn::None,
        limits: options.limits,
    });
    let host = HotEngine::new().and_then(|engine| {
        BalancerHost::new(Library::new(engine, None), 1, Seeds::fixed(1), Metrics::new())
    });
    let host = match host {
        Ok(host) => host,
        Err(error) => {
            eprintln!("error: plugin engine: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut lines = Vec::new();
    for &count in &options.endpoints {
        let set = endpoints(count);
        let balancer = match balancer(&host, &strategy, &set) {
            Ok(balancer) => balancer,
            Err(refusal) => {
                eprintln!("error: {plugin} {refusal}");
                return ExitCode::from(REFUSED);
            }
        };
        lines.push(measure(&balancer, &set));
    }
    match options.json {
        true => print_json(plugin, &lines),
        false => print_table(plugin, &lines),
    }
    ExitCode::SUCCESS
}

fn balancer(
    host: &Arc<BalancerHost>,
    strategy: &Arc<Strategy>,
    set: &Arc<EndpointSet>,
) -> Result<Arc<Balancer>, Refusal> {
    let service = ServiceName::new("bench").expect("a constant that is a name");
    let checked = host.load(strategy)?;
    let balancer =
        host.build(&service, strategy, &checked, &Arc::new(Node::default()), set, None)?;
    // This thread's own slot is filled when it was found empty, as in the proxy.
    let _ = balancer.select(set, &ask(1, &Tried::default()));
    balancer.maintain(Instant::now());
    Ok(balancer)
}

fn measure(balancer: &Balancer, set: &Arc<EndpointSet>) -> Line {
    let native = NativeRoundRobin(AtomicUsize::new(0));
    let (mut plugin_ns, mut native_ns) = (Vec::new(), Vec::new());
    let mut progress = Progress::new(set.members().len());
    let begun = Instant::now();
    let (mut missed, mut batches) = (BTreeMap::new(), 0);
    while batches < WARM_UP || (begun.elapsed() < TIME_PER_SIZE && batches < MAX_BATCHES) {
        let ns = batch(balancer, set, batches, &mut missed);
        let baseline_ns = batch(&native, set, batches, &mut BTreeMap::new());
        batches += 1;
        // What failed is rebuilt, as in the proxy, and not on anybody's time.
        balancer.maintain(Instant::now());
        if batches > WARM_UP {
            plugin_ns.push(ns);
            native_ns.push(baseline_ns);
        }
        progress.show(begun.elapsed());
    }
    Line {
        endpoints: set.members().len(),
        plugin_ns: median(plugin_ns),
        native_ns: median(native_ns),
        missed,
        picks: batches * BATCH as usize,
    }
}

/// Nanoseconds a pick; those that gave nothing are counted. Each pick has a key of its own.
fn batch(
    selector: &dyn Selector,
    set: &Arc<EndpointSet>,
    number: usize,
    missed: &mut BTreeMap<&'static str, usize>,
) -> f64 {
    let tried = Tried::default();
    let first = number as u64 * u64::from(BATCH);
    let begun = Instant::now();
    for request in 0..u64::from(BATCH) {
        // Keys that have nothing in common, as a hash's have not; never 0.
        let key = (first + request + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        if let Err(miss) = selector.select(set, &ask(key, &tried)) {
            *missed.entry(miss.as_str()).or_default() += 1;
        }
    }
    begun.elapsed().as_nanos() as f64 / f64::from(BATCH)
}

fn ask(key: u64, tried: &Tried) -> Ask<'_> {
    Ask { key, tried, request: &RequestFacts::default }
}

/// The least that a strategy can do, without a sandbox.
struct NativeRoundRobin(AtomicUsize);

impl Selector for NativeRoundRobin {
    fn select(&self, set: &Arc<EndpointSet>, _: &Ask<'_>) -> Result<usize, Miss> {
        let turn = self.0.fetch_add(1, Ordering::Relaxed);
        turn.checked_rem(set.members().len()).ok_or(Miss::NoAnswer)
    }
}

fn endpoints(count: usize) -> Arc<EndpointSet> {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    Arc::new(EndpointSet::new((0..count).map(|index| Member {
        endpoint: Endpoint {
            id: EndpointId::new(&format!("e{index}")).expect("a letter and digits are a name"),
            host: address.ip().to_string(),
            port: address.port(),
            weight: Weight::DEFAULT,
            zone: String::new(),
            region: String::new(),
            metadata: BTreeMap::new(),
        },
        address,
        state: Arc::new(EndpointState::default()),
    })))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A line that says what is going on, on a terminal, once it takes a while.
struct Progress {
    endpoints: usize,
    shown: bool,
    possible: bool,
}

impl Progress {
    const AFTER: Duration = Duration::from_secs(2);

    fn new(endpoints: usize) -> Self {
        Self { endpoints, shown: false, possible: std::io::stderr().is_terminal() }
    }

    fn show(&mut self, elapsed: Duration) {
        if self.possible && !self.shown && elapsed > Self::AFTER {
            self.shown = true;
            eprint!("\rmeasuring {} endpoints ...", self.endpoints);
            let _ = std::io::stderr().flush(); // it is only a comfort
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}

fn print_table(plugin: &str, lines: &[Line]) {
    println!("{plugin}: nanoseconds a pick at the median, slot checkout included\n");
    println!("endpoints   plugin   native round-robin   without a usable answer");
    for Line { endpoints, plugin_ns, native_ns, missed, picks } in lines {
        let share = |(reason, count): (&&str, &usize)| {
            format!("{reason} {:.2} %", *count as f64 / *picks as f64 * 100.0)
        };
        let missed: Vec<_> = missed.iter().map(share).collect();
        let missed = if missed.is_empty() { "none".to_owned() } else { missed.join(", ") };
        println!("{endpoints:>9}  {plugin_ns:>7.0}  {native_ns:>19.1}   {missed}");
    }
    if cfg!(debug_assertions) {
        println!("\nThis proconsul is a debug build, and its own part of each pick unoptimised.");
    }
}

fn print_json(plugin: &str, lines: &[Line]) {
    let line = |line: &Line| {
        let Line { endpoints, plugin_ns, native_ns, missed, picks } = line;
        json!({
            "endpoints": endpoints,
            "pick_ns": plugin_ns,
            "native_round_robin_ns": native_ns,
            "picks": picks,
            "without_answer": missed,
        })
    };
    let lines: Vec<_> = lines.iter().map(line).collect();
    let optimised = !cfg!(debug_assertions);
    println!("{:#}", json!({ "plugin": plugin, "optimised": optimised, "sizes": lines }));
}

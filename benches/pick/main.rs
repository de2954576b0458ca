//! What a pick costs: through a component, slot checkout included, beside the native algorithm.
//!
//! `cargo bench --bench pick`. Batches of the two are interleaved, so that the machine's moods meet
//! both; the figures are medians over batches. `--tab` prints them for programs. `--count N STRATEGY
//! wasm|native` makes N picks and times nothing: for an instruction counter around the process.

mod native;
mod subject;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use proconsul::balance::{Ask, EndpointSet, RequestFacts, Selector, Tried};

use subject::{CASES, Case, Component, endpoints_of, host};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCHES: usize = 400;
const BATCHES_QUICK: usize = 60;
const PICKS_A_BATCH: usize = 2000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let arguments: Vec<&str> = arguments.into_iter().filter(|&a| a != "--bench").collect();
    if let ["--count", count, strategy, side] = arguments[..] {
        return make_picks(count.parse().context("--count")?, strategy, side);
    }
    let has = |flag| arguments.contains(&flag);
    if let Some(other) = arguments.iter().find(|&&a| a != "--tab" && a != "--quick") {
        bail!("`{other}` is not known; --tab, --quick, or --count N STRATEGY wasm|native");
    }
    let batches = if has("--quick") { BATCHES_QUICK } else { BATCHES };
    if !has("--tab") {
        println!("{:<52} {:>8} {:>10} {:>8}", "pick", "wasm ns", "native ns", "bar ns");
    }
    let host = host()?;
    for case in CASES {
        let set = endpoints_of(case.endpoints)?;
        let wasm = Component { host: &host, case }.build(&set)?;
        let native = native::build(case, &set)?;
        let (wasm_ns, native_ns) = interleaved_ns(&set, &*wasm, &*native, batches);
        let Case { strategy, endpoints, config, bar_ns } = case;
        if has("--tab") {
            println!("{strategy}\t{endpoints}\t{config}\t{wasm_ns:.0}\t{native_ns:.0}\t{bar_ns}");
        } else {
            let what = format!("{strategy}, {endpoints} endpoints, {config}");
            println!("{what:<52} {wasm_ns:>8.0} {native_ns:>10.0} {bar_ns:>8}");
        }
    }
    Ok(())
}

/// Keys as a hash gives them: a multiplicative sequence (Knuth's MMIX constants).
struct Keys(u64);

impl Keys {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0
    }
}

fn pick(selector: &dyn Selector, set: &Arc<EndpointSet>, key: u64) -> usize {
    let tried = Tried::default();
    let ask = Ask { key, tried: &tried, request: &RequestFacts::default };
    selector.select(set, &ask).expect("a healthy strategy that has endpoints picks one")
}

/// Medians of a pick by either, over batches that take turns.
fn interleaved_ns(
    set: &Arc<EndpointSet>,
    one: &dyn Selector,
    other: &dyn Selector,
    batches: usize,
) -> (f64, f64) {
    let mut keys = Keys(1);
    let mut batch = |selector: &dyn Selector| {
        let begun = Instant::now();
        for _ in 0..PICKS_A_BATCH {
            black_box(pick(selector, set, keys.next()));
        }
        begun.elapsed()
    };
    let times = (0..batches).map(|_| (batch(one), batch(other)));
    let (ones, others): (Vec<Duration>, Vec<Duration>) = times.unzip();
    (median_pick_ns(ones), median_pick_ns(others))
}

fn median_pick_ns(mut batches: Vec<Duration>) -> f64 {
    batches.sort();
    batches[batches.len() / 2].as_nanos() as f64 / PICKS_A_BATCH as f64
}

fn make_picks(count: usize, strategy: &str, side: &str) -> Result<()> {
    let case = CASES.iter().find(|case| case.strategy == strategy).context("no such strategy")?;
    let set = endpoints_of(case.endpoints)?;
    let host = host()?;
    let component;
    let alone;
    let selector: &dyn Selector = match side {
        "wasm" => {
            component = Component { host: &host, case }.build(&set)?;
            &*component
        }
        "native" => {
            alone = native::build(case, &set)?;
            &*alone
        }
        _ => bail!("`{side}` is neither `wasm` nor `native`"),
    };
    let mut keys = Keys(1);
    for _ in 0..count {
        black_box(pick(selector, &set, keys.next()));
    }
    Ok(())
}

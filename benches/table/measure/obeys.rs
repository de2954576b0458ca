//! From saving a file to the first request that obeys, as a client sees it. What compiles a plugin's
//! source comes before the save and does not count.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::Bench;
use crate::client::Client;
use crate::plugin_file;
use crate::process::{Server, free_address};
use crate::proxies::{Upstreams, proconsul, proconsul_head};
use crate::report::Row;
use crate::stats::{Spread, quantile};

const BAR_MS: f64 = 300.0;
const OBEYS_WITHIN: Duration = Duration::from_secs(20);
const ASK_EVERY: Duration = Duration::from_millis(1);
/// Between two saves: the proxy must have gone back to rest.
const REST: Duration = Duration::from_millis(250);

pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    let saves = bench.rounds(40, 6);
    Ok(vec![
        row("a TOML file saved → the next request obeys", toml(bench, saves)?),
        row("a plugin file saved → the next request obeys", plugin(bench, saves)?),
    ])
}

fn row(what: &str, mut times_ms: Vec<f64>) -> Row {
    times_ms.sort_by(f64::total_cmp);
    let (Spread { median, .. }, longest) = (Spread::of(times_ms.clone()), quantile(&times_ms, 1.0));
    Row::judged(
        what,
        format!("{median:.0} ms at the median of {} (longest {longest:.0} ms)", times_ms.len()),
        format!("≤ {BAR_MS:.0} ms"),
        median <= BAR_MS,
    )
}

/// The weight moves from one endpoint to the other and back, alternately written in place and
/// renamed over.
fn toml(bench: &Bench, saves: u32) -> Result<Vec<f64>> {
    let directory = tempfile::tempdir()?;
    let upstreams = Upstreams::start(directory.path())?;
    let (listen, admin) = (free_address()?, free_address()?);
    let config = directory.path().join("proconsul.toml");
    let text = |of_a: u32, of_b: u32| {
        format!(
            "{}[services.web]\nstrategy = \"weighted-round-robin\"\nendpoints = [\n\
             {{ address = \"{}\", weight = {of_a} }},\n{{ address = \"{}\", weight = {of_b} }}]\n\
             [[routes]]\nservice = \"web\"\n",
            proconsul_head(directory.path(), listen, admin),
            upstreams.a.address,
            upstreams.b.address,
        )
    };
    fs::write(&config, text(1, 0))?;
    let _server = start(bench, directory.path(), &config, listen)?;
    let mut client = Client::new(listen);
    let times = (1..=saves).map(|number| {
        let (wanted, text) = if number % 2 == 1 { ("b", text(0, 1)) } else { ("a", text(1, 0)) };
        std::thread::sleep(REST);
        let begun = Instant::now();
        if number % 4 < 2 {
            fs::write(&config, text)?;
        } else {
            plugin_file::replace(&config, text.as_bytes())?;
        }
        ask_until(|| Ok(client.get("/")?.body == wanted))?;
        Ok(begun.elapsed().as_secs_f64() * 1e3)
    });
    times.collect()
}

/// A plugin that alternates becomes one that always says the same, and back.
fn plugin(bench: &Bench, saves: u32) -> Result<Vec<f64>> {
    let directory = tempfile::tempdir()?;
    let upstreams = Upstreams::start(directory.path())?;
    let (listen, admin) = (free_address()?, free_address()?);
    let (config, file) =
        (directory.path().join("proconsul.toml"), directory.path().join("mine.wasm"));
    let text = format!(
        "{}[strategies.mine]\nplugin = \"mine.wasm\"\nhash_on = \"source_ip\"\n\
         [services.web]\nstrategy = \"mine\"\n\
         endpoints = [{{ address = \"{}\" }}, {{ address = \"{}\" }}]\n\
         [[routes]]\nservice = \"web\"\n",
        proconsul_head(directory.path(), listen, admin),
        upstreams.a.address,
        upstreams.b.address,
    );
    fs::write(&config, text)?;
    plugin_file::save(&file, "round-robin", 0)?;
    let _server = start(bench, directory.path(), &config, listen)?;
    let mut client = Client::new(listen);
    let mut last = client.get("/")?.body;
    let times = (1..=saves).map(|number| {
        let sticky = number % 2 == 1;
        std::thread::sleep(REST);
        let begun = Instant::now();
        plugin_file::save(&file, if sticky { "ip-hash" } else { "round-robin" }, number)?;
        ask_until(|| {
            let before = std::mem::replace(&mut last, client.get("/")?.body);
            Ok((before == last) == sticky)
        })?;
        Ok(begun.elapsed().as_secs_f64() * 1e3)
    });
    times.collect()
}

fn start(
    bench: &Bench,
    directory: &Path,
    config: &Path,
    listen: std::net::SocketAddr,
) -> Result<Server> {
    Server::start("proconsul", proconsul(&bench.binaries, config), listen, directory)
}

fn ask_until(mut obeyed: impl FnMut() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !obeyed()? {
        if begun.elapsed() > OBEYS_WITHIN {
            bail!("what was saved is not obeyed");
        }
        std::thread::sleep(ASK_EVERY);
    }
    Ok(())
}

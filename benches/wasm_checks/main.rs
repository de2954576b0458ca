//! What a health check by a component costs this process: microseconds of CPU a check, with an instance
//! that is used again and with a fresh one, against an upstream in another process.
//!
//! `core_percent` is for 1 000 checks at an interval of 10 s, evenly spread: what an idle engine's ticker
//! and the timers cost is in it.
//!
//! Prints `key value` lines. The upstream is this program again, with `upstream` as its argument.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use proconsul::config::PluginLimits;
use proconsul::model::{
    CheckName, HealthStatus, InstanceId, InstanceRecord, PluginCheck, PluginSource, ServiceKey,
    ServiceName, Weight,
};
use proconsul::plugin::health_check::{HealthCheckHost, HealthChecker, SystemResolver, Target};
use proconsul::plugin::{AsyncEngine, Library, Seeds};
use proconsul::telemetry::Metrics;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Checks of one measurement, and how many are under way at a time.
const CHECKS: usize = 5_000;
const AT_A_TIME: usize = 8;

/// Checks before any counts: code and memory are paged in.
const WARM_UP: usize = 500;

/// The bar's load: so many checks, in so long.
const PACED_CHECKS: u32 = 1_000;
const PACED_INTERVAL: Duration = Duration::from_secs(10);

const TIMEOUT: Duration = Duration::from_secs(10);

const SUBJECTS: [(&str, &str, &str); 2] = [
    ("http-json", "http_json", r#"{"pointer": "/status", "passing": {"equals": "up"}}"#),
    ("tcp-banner", "tcp_banner", r#"{"starts_with": "220 "}"#),
];

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match std::env::args().nth(1).as_deref() {
        Some("upstream") => runtime.block_on(upstream()),
        _ => runtime.block_on(measure()),
    }
}

async fn measure() -> Result<(), Failure> {
    let upstream = Upstream::start().await?;
    let library = Library::new(AsyncEngine::new()?, None);
    let resolver = Arc::new(SystemResolver::default());
    let host = HealthCheckHost::new(library, Seeds::fixed(1), Metrics::new(), resolver)?;
    for (plugin, key, config) in SUBJECTS {
        let address = if plugin == "http-json" { upstream.http } else { upstream.banner };
        let target = Arc::new(target(address)?);
        for (kind, fresh) in [("reused", false), ("fresh", true)] {
            let checker = load(&host, plugin, config, fresh)?;
            as_fast_as_possible(&checker, &target, WARM_UP).await?;
            let before = cpu()?;
            as_fast_as_possible(&checker, &target, CHECKS).await?;
            let spent = cpu()? - before;
            println!("{key}_{kind}_us {:.1}", spent.as_secs_f64() * 1e6 / CHECKS as f64);

            let before = cpu()?;
            paced(&checker, &target).await?;
            let share = (cpu()? - before).as_secs_f64() / PACED_INTERVAL.as_secs_f64();
            println!("{key}_{kind}_core_percent {:.2}", share * 100.0);
        }
    }
    Ok(())
}

async fn as_fast_as_possible(
    checker: &Arc<HealthChecker>,
    target: &Arc<Target>,
    checks: usize,
) -> Result<(), Failure> {
    let mut workers = JoinSet::new();
    for _ in 0..AT_A_TIME {
        let (checker, target) = (checker.clone(), target.clone());
        workers.spawn(async move {
            for _ in 0..checks / AT_A_TIME {
                check(&checker, &target).await?;
            }
            Ok(())
        });
    }
    workers.join_all().await.into_iter().collect()
}

async fn paced(checker: &Arc<HealthChecker>, target: &Arc<Target>) -> Result<(), Failure> {
    let mut ticks = tokio::time::interval(PACED_INTERVAL / PACED_CHECKS);
    let mut checks = JoinSet::new();
    for _ in 0..PACED_CHECKS {
        ticks.tick().await;
        let (checker, target) = (checker.clone(), target.clone());
        checks.spawn(async move { check(&checker, &target).await });
    }
    checks.join_all().await.into_iter().collect()
}

async fn check(checker: &HealthChecker, target: &Target) -> Result<(), Failure> {
    let verdict = checker.check(target, TIMEOUT).await?;
    match verdict.status {
        HealthStatus::Passing => Ok(()),
        status => Err(format!("{status}: {}", verdict.reason).into()),
    }
}

fn load(
    host: &HealthCheckHost,
    plugin: &str,
    config: &str,
    fresh: bool,
) -> Result<Arc<HealthChecker>, Failure> {
    let check = PluginCheck {
        source: PluginSource::BuiltIn(plugin.to_owned()),
        config_json: config.to_owned(),
        allow: Vec::new(),
        fresh,
        memory_bytes: 16 << 20,
    };
    Ok(host.load(&check, &CheckName::new(plugin)?, &PluginLimits::default(), None)?)
}

fn target(address: SocketAddr) -> Result<Target, Failure> {
    Ok(Target {
        record: Arc::new(InstanceRecord {
            service: ServiceKey::in_default(ServiceName::new("web")?),
            id: InstanceId::new("web-1")?,
            version: None,
            host: address.ip().to_string(),
            port: address.port(),
            protocol: String::new(),
            weight: Weight::DEFAULT,
            zone: String::new(),
            region: String::new(),
            tags: Default::default(),
            metadata: Default::default(),
            ttl: None,
            checks: Vec::new(),
        }),
        addresses: vec![address.ip()],
    })
}

/// CPU time of this process: all threads, user and system.
fn cpu() -> Result<Duration, Failure> {
    /// Linux counts these for everybody in hundredths, whatever it counts in itself.
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(") ").ok_or("no name in /proc/self/stat")?.1;
    let fields: Vec<&str> = after_name.split(' ').collect();
    let (user, system): (u32, u32) = (fields[11].parse()?, fields[12].parse()?);
    Ok(TICK * (user + system))
}

/// The other process.
struct Upstream {
    process: Child,
    http: SocketAddr,
    banner: SocketAddr,
}

impl Upstream {
    async fn start() -> Result<Self, Failure> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("upstream")
            .stdin(Stdio::piped()) // it ends when this process does
            .stdout(Stdio::piped())
            .spawn()?;
        let out = process.stdout.take().ok_or("the upstream has no output")?;
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(out));
        let mut address = || -> Result<SocketAddr, Failure> {
            Ok(lines.next().ok_or("the upstream said no address")??.parse()?)
        };
        let (http, banner) = (address()?, address()?);
        Ok(Self { process, http, banner })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves until its input ends.
async fn upstream() -> Result<(), Failure> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (http, banner) = (TcpListener::bind(any).await?, TcpListener::bind(any).await?);
    println!("{}\n{}", http.local_addr()?, banner.local_addr()?);
    let serving_http = tokio::spawn(async move {
        while let Ok((stream, _)) = http.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    let serving_banner = tokio::spawn(async move {
        while let Ok((mut stream, _)) = banner.accept().await {
            tokio::spawn(async move {
                stream.write_all(b"220 mail ESMTP\r\n").await?;
                stream.read(&mut [0; 16]).await
            });
        }
    });
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    serving_http.abort();
    serving_banner.abort();
    Ok(())
}

async fn answer(stream: tokio::net::TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        if line == "\r\n" {
            let document = r#"{"status":"up"}"#;
            let length = document.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
            );
            stream.write_all([head.as_bytes(), document.as_bytes()].concat().as_slice()).await?;
        }
        line.clear();
    }
    Ok(())
}

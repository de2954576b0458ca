//! `proconsul demo`: real backends, the real proxy, and a file to edit, in one process.

use std::io::{IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::{self, RunOptions};

const NAMES: [&str; 3] = ["red", "green", "blue"];
/// Requests a second that the demo sends itself.
const RATE: u64 = 50;
const REFRESH: Duration = Duration::from_millis(500);

/// Runs the demo until Ctrl-C, or for `seconds`.
pub(super) fn demo(listen: SocketAddr, admin: SocketAddr, seconds: Option<u64>) -> ExitCode {
    match play(listen, admin, seconds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

struct Backend {
    name: &'static str,
    address: SocketAddr,
    hits: Arc<AtomicU64>,
}

fn play(listen: SocketAddr, admin: SocketAddr, seconds: Option<u64>) -> anyhow::Result<()> {
    for address in [listen, admin] {
        drop(
            std::net::TcpListener::bind(address)
                .with_context(|| format!("{address} is taken; choose another (see --help)"))?,
        );
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let backends = NAMES
        .into_iter()
        .map(|name| runtime.block_on(start_backend(name)))
        .collect::<anyhow::Result<Vec<_>>>()?;

    // Private to this user: whoever may write it may say what this process does.
    let directory = tempfile::Builder::new().prefix("proconsul-demo-").tempdir()?;
    let config = directory.path().join("proconsul.toml");
    std::fs::write(&config, configuration(listen, admin, directory.path(), &backends))?;

    let failures = Arc::new(AtomicU64::new(0));
    runtime.spawn(send_requests(listen, failures.clone()));
    let show = Show { config: config.clone(), listen, admin, failures, seconds };
    std::thread::spawn(move || show.run(&backends));
    app::run(&RunOptions { config, upgrade: false }).map_err(|error| anyhow::anyhow!("{error}"))?;
    directory.close()?;
    Ok(())
}

async fn start_backend(name: &'static str) -> anyhow::Result<Backend> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let hits = Arc::new(AtomicU64::new(0));
    let counted = hits.clone();
    let answer = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        async move { format!("hello from {name}\n") }
    };
    tokio::spawn(async move {
        let router = Router::new().fallback(answer);
        if let Err(error) = axum::serve(listener, router).await {
            eprintln!("backend {name}: {error}");
        }
    });
    Ok(Backend { name, address, hits })
}

fn configuration(
    listen: SocketAddr,
    admin: SocketAddr,
    directory: &Path,
    backends: &[Backend],
) -> String {
    let endpoints: String = backends
        .iter()
        .map(|Backend { name, address, .. }| {
            format!("  {{ id = \"{name}\", address = \"{address}\", weight = 1 }},\n")
        })
        .collect();
    format!(
        "# Change anything, save, and look at the terminal: the next request obeys.\n\
         # A mistake is refused with its line, and traffic goes on as it was.\n\n\
         [server]\n\
         threads = 1\n\
         upgrade_socket = \"{socket}\"\n\n\
         [admin]\n\
         address = \"{admin}\"\n\n\
         [registry]\n\
         store = \"memory\"\n\n\
         [log]\n\
         level = \"warn\"\n\n\
         [listeners.http]\n\
         address = \"{listen}\"\n\n\
         [services.web]\n\
         # Try: weighted-round-robin, random, least-connections, consistent-hash, ip-hash, maglev,\n\
         # response-time, weighted-random\n\
         strategy = \"weighted-round-robin\"\n\
         endpoints = [ # Try: another weight, 0 takes an endpoint out\n{endpoints}]\n\n\
         [[routes]]\n\
         service = \"web\"\n",
        socket = directory.join("upgrade.sock").display()
    )
}

/// One request after the other, over one connection as long as it lasts.
async fn send_requests(proxy: SocketAddr, failures: Arc<AtomicU64>) {
    let mut connection = None;
    let mut interval = tokio::time::interval(Duration::from_millis(1000 / RATE));
    let mut served_once = false;
    loop {
        interval.tick().await;
        match request(&mut connection, proxy).await {
            Ok(()) => served_once = true,
            Err(_) if !served_once => {} // the proxy is still starting
            Err(_) => _ = failures.fetch_add(1, Ordering::Relaxed),
        }
    }
}

async fn request(connection: &mut Option<TcpStream>, proxy: SocketAddr) -> std::io::Result<()> {
    let mut stream = match connection.take() {
        Some(stream) => stream,
        None => TcpStream::connect(proxy).await?,
    };
    stream.write_all(b"GET / HTTP/1.1\r\nHost: demo\r\n\r\n").await?;
    let mut answer = [0; 4096];
    let read = stream.read(&mut answer).await?;
    if !answer[..read].starts_with(b"HTTP/1.1 200") {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    *connection = Some(stream);
    Ok(())
}

struct Show {
    config: PathBuf,
    listen: SocketAddr,
    admin: SocketAddr,
    failures: Arc<AtomicU64>,
    seconds: Option<u64>,
}

impl Show {
    fn run(&self, backends: &[Backend]) {
        println!("proxy    http://{}      try: curl http://{}/", self.listen, self.listen);
        println!("admin    http://{}/-/status, /metrics", self.admin);
        println!("edit     {}", self.config.display());
        println!("\n{RATE} requests a second; who got the last second's:\n");
        let begun = Instant::now();
        let mut window: Vec<Vec<u64>> = Vec::new();
        loop {
            std::thread::sleep(REFRESH);
            let totals: Vec<u64> =
                backends.iter().map(|b| b.hits.load(Ordering::Relaxed)).collect();
            window.push(totals);
            if window.len() > 3 {
                window.remove(0);
            }
            self.draw(backends, &window);
            if self.seconds.is_some_and(|seconds| begun.elapsed().as_secs() >= seconds) {
                println!();
                let own = rustix::process::getpid();
                if let Err(error) = rustix::process::kill_process(own, rustix::process::Signal::INT)
                {
                    eprintln!("error: {error}");
                }
                return;
            }
        }
    }

    fn draw(&self, backends: &[Backend], window: &[Vec<u64>]) {
        let (Some(first), Some(last)) = (window.first(), window.last()) else { return };
        let gained: Vec<u64> = first.iter().zip(last).map(|(a, b)| b - a).collect();
        let sum = gained.iter().sum::<u64>().max(1);
        let parts = backends.iter().zip(&gained).map(|(backend, &hits)| {
            let percent = hits * 100 / sum;
            let bar = "█".repeat((percent / 10) as usize);
            format!("{:>5} {percent:>3} % {bar:<10}", backend.name)
        });
        let line = parts.collect::<Vec<_>>().join("  ");
        let failed = self.failures.load(Ordering::Relaxed);
        let mut out = std::io::stdout();
        let end = if out.is_terminal() { "\r" } else { "\n" };
        // A closed terminal ends the demo by its signal, not by this line.
        let _ = write!(out, "{line}  failed {failed}{end}").and_then(|()| out.flush());
    }
}

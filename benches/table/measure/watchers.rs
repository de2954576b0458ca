//! How long it takes until every watcher of a service knows of a change.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::Bench;
use crate::client::Client;
use crate::registry::{Node, register_path, registration};
use crate::report::Row;
use crate::stats::quantile;

const BAR_MS: f64 = 1_000.0;
/// Connections that are opened at the same time.
const OPENING: usize = 200;
/// Connections from one address: it has not ports for all.
const FROM_ONE_ADDRESS: usize = 5_000;
const OTHER_FILES: u64 = 512;
const TOLD_WITHIN: Duration = Duration::from_secs(60);

pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.rounds(10_000, 1_000) as usize;
    allow_files(count as u64 + OTHER_FILES)?;
    let directory = tempfile::tempdir()?;
    let node = Node::start(bench, directory.path(), "")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let took_ms = runtime.block_on(told_ms(node.admin, count, bench.rounds(20, 3)))?;
    let (median, longest) = (quantile(&took_ms, 0.5), quantile(&took_ms, 1.0));
    Ok(vec![Row::judged(
        format!("a change → all of {count} watchers told"),
        format!("{median:.0} ms at the median of {} (longest {longest:.0} ms)", took_ms.len()),
        format!("≤ {BAR_MS:.0} ms"),
        longest <= BAR_MS,
    )])
}

/// The proxy raises its own limit as far as this one's allows.
fn allow_files(least: u64) -> Result<()> {
    let now = getrlimit(Resource::Nofile);
    if now.current.is_some_and(|current| current < least) {
        let maximum = now.maximum.map(|maximum| maximum.max(least));
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
            .with_context(|| format!("{least} open files are not allowed"))?;
    }
    Ok(())
}

/// How often watchers were told.
#[derive(Default)]
struct Told {
    count: AtomicUsize,
    all: Notify,
}

impl Told {
    async fn everybody(&self, count: usize) -> Result<()> {
        let everybody = async {
            while self.count.load(Ordering::Acquire) < count {
                self.all.notified().await;
            }
        };
        timeout(TOLD_WITHIN, everybody).await.context("watchers were not told")
    }
}

/// Milliseconds from before a change is asked for until the last watcher has read the whole event, sorted.
async fn told_ms(admin: SocketAddr, count: usize, changes: u32) -> Result<Vec<f64>> {
    let mut client = Client::new(admin);
    change(&mut client, 1)?;
    let told = Arc::new(Told::default());
    for first in (0..count).step_by(OPENING) {
        let opened = (first..count.min(first + OPENING)).map(|number| watcher(admin, number));
        for stream in futures_util::future::join_all(opened).await {
            tokio::spawn(follow(stream?, count, told.clone()));
        }
    }
    told.everybody(count).await?; // of the state that they found
    let mut took_ms = Vec::new();
    for port in 2..2 + changes {
        told.count.store(0, Ordering::Release);
        let begun = Instant::now();
        change(&mut client, port as u16)?;
        told.everybody(count).await?;
        took_ms.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    took_ms.sort_by(f64::total_cmp);
    Ok(took_ms)
}

fn change(client: &mut Client, port: u16) -> Result<()> {
    let answer = client.send_json("PUT", &register_path("web", "a"), &registration(port))?;
    ensure!(answer.status < 300, "{} {}", answer.status, answer.body);
    Ok(())
}

async fn watcher(admin: SocketAddr, number: usize) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let from = [127, 0, 1, 1 + (number / FROM_ONE_ADDRESS) as u8];
    socket.bind((from, 0).into())?;
    let mut stream = socket.connect(admin).await?;
    let request = b"GET /v1/services/web/watch HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    stream.write_all(request).await?;
    Ok(stream)
}

/// Counts the events that one watcher reads. An event ends with an empty line, and its chunk with another.
async fn follow(mut stream: TcpStream, count: usize, told: Arc<Told>) {
    let mut buffer = vec![0; 16 << 10];
    let mut tail = Vec::new();
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        tail.extend_from_slice(&buffer[..read]);
        while let Some(end) = tail.windows(4).position(|bytes| bytes == b"}\n\n\r") {
            tail.drain(..end + 4);
            if told.count.fetch_add(1, Ordering::AcqRel) + 1 >= count {
                told.all.notify_one();
            }
        }
    }
}

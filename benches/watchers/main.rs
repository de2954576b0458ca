//! How long it takes until every watcher of a service knows of a change, and how many heart-beats a second
//! the API takes: `cargo bench --bench watchers -- [WATCHERS]`.
//!
//! The proxy is the real binary in its own process; this one holds the watchers' connections. Knows the API
//! from outside alone.

use std::io;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Notify, mpsc};

const WATCHERS: usize = 10_000;
/// Changes that are measured.
const CHANGES: usize = 10;
/// Connections that are opened at the same time.
const OPENING: usize = 200;
/// Heart-beats of one batch, batches in flight, and for how long.
const BATCH: usize = 1000;
const SENDERS: usize = 4;
const BEATING: Duration = Duration::from_secs(5);
/// Files beside the connections.
const OTHER_FILES: u64 = 512;

struct Proxy {
    child: Child,
    admin: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn main() -> io::Result<()> {
    let count = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(WATCHERS);
    raise_file_limit(count as u64 + OTHER_FILES)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let proxy = start().await?;
        watchers(&proxy, count).await?;
        heartbeats(&proxy).await
    })
}

/// The proxy, too, takes it over from here.
fn raise_file_limit(least: u64) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let wanted = Some(now.maximum.map_or(least, |maximum| maximum.max(least)));
    if now.current.is_some_and(|current| current < least) {
        setrlimit(Resource::Nofile, Rlimit { current: wanted, maximum: wanted })?;
    }
    Ok(())
}

async fn start() -> io::Result<Proxy> {
    let directory = tempfile::tempdir()?;
    let admin = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let listener = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let path = directory.path().join("proconsul.toml");
    let text = format!(
        "[server]\nthreads = 1\nupgrade_socket = \"run/upgrade.sock\"\n\
         [log]\nlevel = \"warn\"\n\
         [admin]\naddress = \"{admin}\"\nauth.anonymous = \"admin\"\n\
         [listeners.http]\naddress = \"{listener}\"\n"
    );
    std::fs::write(&path, text)?;
    let child = Command::new(env!("CARGO_BIN_EXE_proconsul"))
        .arg("run")
        .arg(&path)
        .stdin(Stdio::null())
        .spawn()?;
    let proxy = Proxy { child, admin, _directory: directory };
    while TcpStream::connect(admin).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(proxy)
}

fn free_port() -> io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Opens the connections, then changes an instance again and again; each time the clock runs from before the
/// change is asked for until the last watcher has read the whole event.
async fn watchers(proxy: &Proxy, count: usize) -> io::Result<()> {
    put(proxy.admin, 1).await?;
    let told = Arc::new(AtomicUsize::new(0));
    let all_told = Arc::new(Notify::new());
    let begun = Instant::now();
    for first in (0..count).step_by(OPENING) {
        let opened = (first..count.min(first + OPENING)).map(|number| watcher(proxy.admin, number));
        for stream in futures_util::future::join_all(opened).await {
            tokio::spawn(follow(stream?, told.clone(), count, all_told.clone()));
        }
    }
    while told.load(Ordering::Acquire) < count {
        all_told.notified().await;
    }
    println!("{count} watchers connected and told the first state in {:?}", begun.elapsed());
    let mut times = Vec::new();
    for change in 0..CHANGES {
        told.store(0, Ordering::Release);
        let begun = Instant::now();
        put(proxy.admin, change + 2).await?;
        let acknowledged = begun.elapsed();
        while told.load(Ordering::Acquire) < count {
            all_told.notified().await;
        }
        times.push(begun.elapsed());
        println!(
            "change {change}: acknowledged in {acknowledged:?}, all told in {:?}",
            begun.elapsed()
        );
    }
    times.sort();
    println!(
        "{count} watchers: all told in {:?} at the median, {:?} at worst",
        times[CHANGES / 2],
        times[CHANGES - 1]
    );
    Ok(())
}

/// Each from an address of its own thousand ports: one address has not so many.
async fn watcher(admin: SocketAddr, number: usize) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let local = SocketAddr::from(([127, 0, 1, 1 + (number / 5000) as u8], 0));
    socket.bind(local)?;
    let mut stream = socket.connect(admin).await?;
    let request = b"GET /v1/services/web/watch HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    stream.write_all(request).await?;
    Ok(stream)
}

/// Counts the events that one watcher reads. An event ends with an empty line.
async fn follow(mut stream: TcpStream, told: Arc<AtomicUsize>, count: usize, all: Arc<Notify>) {
    let mut buffer = vec![0; 16 << 10];
    let mut tail = Vec::new();
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        tail.extend_from_slice(&buffer[..read]);
        while let Some(end) = tail.windows(4).position(|bytes| bytes == b"}\n\n\r") {
            tail.drain(..end + 4);
            if told.fetch_add(1, Ordering::AcqRel) + 1 >= count {
                all.notify_one();
            }
        }
    }
}

async fn put(admin: SocketAddr, weight: usize) -> io::Result<()> {
    let body = format!("{{\"host\":\"10.0.0.1\",\"port\":80,\"weight\":{weight}}}");
    let request = format!(
        "PUT /v1/services/web/instances/a HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(admin).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    match answer.starts_with("HTTP/1.1 20") {
        true => Ok(()),
        false => Err(io::Error::other(answer)),
    }
}

/// Batches over a few connections, each as soon as the one before is answered.
async fn heartbeats(proxy: &Proxy) -> io::Result<()> {
    let beat = "{\"service\":\"web\",\"instance\":\"a\",\"load\":{\"cpu\":0.5}}";
    let body = format!("{{\"heartbeats\":[{}]}}", vec![beat; BATCH].join(","));
    let request = Arc::new(format!(
        "POST /v1/heartbeats HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let (done, mut answers) = mpsc::channel::<usize>(SENDERS);
    let begun = Instant::now();
    for _ in 0..SENDERS {
        let (request, done) = (request.clone(), done.clone());
        let mut stream = TcpStream::connect(proxy.admin).await?;
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while begun.elapsed() < BEATING {
                stream.write_all(request.as_bytes()).await?;
                let read = stream.read(&mut buffer).await?; // a short answer comes in one piece
                if !buffer[..read].starts_with(b"HTTP/1.1 200") {
                    return Err(io::Error::other(String::from_utf8_lossy(&buffer[..read])));
                }
                let _ = done.send(BATCH).await;
            }
            Ok(())
        });
    }
    drop(done);
    let mut taken = 0;
    while let Some(batch) = answers.recv().await {
        taken += batch;
    }
    let rate = taken as f64 / begun.elapsed().as_secs_f64();
    println!("heart-beats in batches of {BATCH}: {rate:.0} a second");
    Ok(())
}

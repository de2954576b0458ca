//! Clients that ask without a pause, and count what goes wrong.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::client::Connection;
use super::wait::{bounded, eventually};

#[derive(Default)]
struct Tally {
    stop: AtomicBool,
    done: AtomicUsize,
    failures: Mutex<Vec<String>>,
    upstreams: Mutex<BTreeMap<String, usize>>,
}

/// Requests in the background, until it is stopped.
pub struct Load {
    tally: Arc<Tally>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts clients that each send one request after the other. `headers` end in CRLF.
    pub fn start(address: SocketAddr, clients: usize, headers: &str) -> Self {
        let tally = Arc::new(Tally::default());
        let request = format!("GET /load HTTP/1.1\r\nHost: test\r\n{headers}\r\n");
        let clients = (0..clients)
            .map(|_| tokio::spawn(client(address, request.clone(), tally.clone())))
            .collect();
        Self { tally, clients }
    }

    /// Requests that were answered so far.
    pub fn done(&self) -> usize {
        self.tally.done.load(Ordering::SeqCst)
    }

    /// Waits for so many further answers.
    pub async fn goes_on(&self, further: usize) {
        let wanted = self.done() + further;
        let what = format!("{further} further requests");
        eventually(&what, || async { (self.done() >= wanted).then_some(()) }).await;
    }

    /// Who answered how often since the last call.
    pub fn answered_by(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut self.tally.upstreams.lock())
    }

    /// Stops, and panics if a single request went wrong.
    pub async fn stop_without_a_failure(self) -> usize {
        self.tally.stop.store(true, Ordering::SeqCst);
        for client in self.clients {
            bounded("a client to stop", client).await.unwrap();
        }
        let failures = self.tally.failures.lock();
        let done = self.tally.done.load(Ordering::SeqCst);
        assert!(failures.is_empty(), "{} of {done} failed: {failures:#?}", failures.len());
        done
    }
}

async fn client(address: SocketAddr, request: String, tally: Arc<Tally>) {
    let mut connection: Option<Connection> = None;
    while !tally.stop.load(Ordering::SeqCst) {
        let mut open = match connection.take() {
            Some(open) => open,
            None => match bounded("a connection", TcpStream::connect(address)).await {
                Ok(stream) => Connection::over(stream),
                Err(error) => return tally.failures.lock().push(format!("connect: {error}")),
            },
        };
        open.send(&request).await;
        match bounded("an answer", open.try_answer()).await {
            Ok(answer) if answer.status == 200 => {
                let upstream = answer.header("x-upstream").unwrap_or_default();
                *tally.upstreams.lock().entry(upstream).or_default() += 1;
                if answer.header("connection").as_deref() != Some("close") {
                    connection = Some(open);
                }
            }
            Ok(answer) => {
                tally.failures.lock().push(format!("{}: {}", answer.status, answer.text()));
            }
            Err(error) => tally.failures.lock().push(error.to_string()),
        }
        tally.done.fetch_add(1, Ordering::SeqCst);
    }
}

//! Steady traffic in the background, of which every failure is counted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::client::Client;

const CONNECTIONS: usize = 8;
/// Between two requests of a connection: thousands a second, and time left for what is measured.
const PAUSE: Duration = Duration::from_millis(2);

/// Traffic until it is told to stop.
pub struct Pressure {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Tally>>,
}

/// How it went.
#[derive(Default)]
pub struct Tally {
    pub sent: u64,
    pub failed: u64,
    pub first_failure: Option<String>,
}

impl Pressure {
    /// Begins, with GETs of `paths` in turn.
    pub fn start(target: SocketAddr, paths: &'static [&'static str]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..CONNECTIONS).map(|_| {
            let stop = stop.clone();
            std::thread::spawn(move || load(target, paths, &stop))
        });
        let threads = threads.collect();
        Self { stop, threads }
    }

    /// Ends, and says how it went.
    pub fn stop(self) -> Result<Tally> {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = Tally::default();
        for thread in self.threads {
            let tally = thread.join().map_err(|_| anyhow!("a load thread panicked"))?;
            sum.sent += tally.sent;
            sum.failed += tally.failed;
            sum.first_failure = sum.first_failure.or(tally.first_failure);
        }
        Ok(sum)
    }
}

impl Tally {
    /// `0 of 12000`, and what went wrong first.
    pub fn describe(&self) -> String {
        let Self { sent, failed, first_failure } = self;
        let why = first_failure.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        format!("{failed} of {sent}{why}")
    }
}

fn load(target: SocketAddr, paths: &[&str], stop: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    let mut client = Client::new(target);
    for path in paths.iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        tally.sent += 1;
        if let Err(error) = client.get(path) {
            tally.failed += 1;
            tally.first_failure.get_or_insert_with(|| format!("{error:#}"));
        }
        std::thread::sleep(PAUSE);
    }
    tally
}

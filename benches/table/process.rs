//! A server in a process of its own: started, waited for, watched through /proc, and ended by its
//! process id.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Under an instruction counter everything takes fifty times as long.
const START_WITHIN: Duration = Duration::from_secs(120);
const STOP_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// In what /proc counts time: USER_HZ, 100 a second on every Linux that this runs on.
const TICK: Duration = Duration::from_millis(10);

/// A running server. Killed when dropped.
pub struct Server {
    child: Child,
    log: PathBuf,
    pub address: SocketAddr,
}

/// An address of this machine that nobody listens on.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

impl Server {
    /// Starts a server and waits until it accepts connections at `address`. What it says goes to
    /// `NAME.log` in `directory`.
    pub fn start(
        name: &str,
        mut command: Command,
        address: SocketAddr,
        directory: &Path,
    ) -> Result<Self> {
        let log = directory.join(format!("{name}.log"));
        let output = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("{name} cannot be started"))?;
        let mut server = Self { child, log, address };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("{name} ended with {status}: {}", server.last_words());
            }
            if begun.elapsed() > START_WITHIN {
                bail!("{name} does not listen: {}", server.last_words());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(server)
    }

    /// User and system time of all its threads so far, dead ones too.
    pub fn cpu_time(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The command's name may hold anything; what follows its last parenthesis is regular.
        let fields = stat.rsplit_once(") ").context("/proc/PID/stat has no name")?.1;
        let mut times = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
        let (Some(Ok(user)), Some(Ok(system))) = (times.next(), times.next()) else {
            bail!("/proc/PID/stat has no times");
        };
        Ok(TICK * u32::try_from(user + system)?)
    }

    /// Resident memory.
    pub fn resident_bytes(&self) -> Result<u64> {
        self.status_bytes("VmRSS:")
    }

    /// The most that was resident since [`forget_peak`](Self::forget_peak).
    pub fn peak_bytes(&self) -> Result<u64> {
        self.status_bytes("VmHWM:")
    }

    pub fn forget_peak(&self) -> Result<()> {
        Ok(fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5")?)
    }

    fn status_bytes(&self, name: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        Ok(kib.with_context(|| format!("no {name}"))?.parse::<u64>()? * 1024)
    }

    /// Ends it at once, in the way that lets it write its last files.
    pub fn stop(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::INT)?;
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > STOP_WITHIN {
                bail!("process {} does not stop: {}", self.child.id(), self.last_words());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    fn last_words(&self) -> String {
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(3)..].join("; ")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}

//! Taking over from the process that runs already.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::server::{RunError, system};
use crate::config::Server;

/// How long to wait for our own upgrade socket before the running process is told of it.
const SOCKET_PATIENCE: Duration = Duration::from_secs(10);

/// A pid file that can be written, which was found out before it matters.
pub(super) struct PidFile {
    file: File,
}

impl PidFile {
    pub(super) fn open(path: &Path) -> Result<Self, RunError> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let file = file.map_err(system(format!("server.pid_file {}", path.display())))?;
        Ok(Self { file })
    }

    /// Writes this process's number.
    pub(super) fn write(mut self) {
        let number = format!("{}\n", std::process::id());
        let written = self
            .file
            .rewind()
            .and_then(|()| self.file.write_all(number.as_bytes()))
            .and_then(|()| self.file.set_len(number.len() as u64));
        if let Err(error) = written {
            tracing::error!(%error, "pid file not written");
        }
    }
}

/// Sends SIGQUIT to the process that the pid file names, as soon as our socket waits for it.
pub(super) fn ask_to_hand_over(server: &Server) {
    let Some(pid_file) = server.pid_file.clone() else {
        tracing::info!("no server.pid_file: send SIGQUIT to the running process now");
        return;
    };
    let socket = server.upgrade_socket.clone();
    std::thread::spawn(move || match tell(&pid_file, &socket) {
        Ok(pid) => tracing::info!(pid, "asked the running process to hand over"),
        Err(error) => tracing::warn!(%error, "send SIGQUIT to the running process yourself"),
    });
}

fn tell(pid_file: &Path, socket: &Path) -> io::Result<i32> {
    let number: i32 = fs::read_to_string(pid_file)?.trim().parse().map_err(io::Error::other)?;
    let pid = Pid::from_raw(number)
        .filter(|_| number > 1 && is_ours(number))
        .ok_or_else(|| io::Error::other(format!("{number} is no process of this program")))?;
    let deadline = Instant::now() + SOCKET_PATIENCE;
    while !socket.exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    kill_process(pid, Signal::QUIT)?;
    Ok(number)
}

/// Whether a process runs a program of our name: a stale number may be anybody's by now.
fn is_ours(number: i32) -> bool {
    let program = |process: &str| {
        let path = fs::read_link(format!("/proc/{process}/exe")).ok()?;
        let name = path.file_name()?.to_string_lossy().into_owned();
        Some(name.trim_end_matches(" (deleted)").to_owned()) // the binary was replaced
    };
    program(&number.to_string()).is_some_and(|name| Some(name) == program("self"))
}

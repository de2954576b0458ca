//! `[server]`: what concerns the process rather than requests.

use std::path::PathBuf;
use std::time::Duration;

use super::check::{Check, HOUR};
use crate::config::path::KeyPath;
use crate::config::schema;
use crate::config::types::Server;

pub fn server(server: schema::Server, at: &KeyPath, check: &mut Check<'_>) -> Option<Server> {
    let schema::Server {
        threads,
        zone,
        region,
        drain_timeout,
        upgrade_socket,
        pid_file,
        upstream_pool_size,
    } = server;
    let threads = match check.number(&at.key("threads"), threads, 0, 1024) {
        0 => check.around.cores.max(1),
        threads => threads as usize,
    };
    let pool = check.number(&at.key("upstream_pool_size"), upstream_pool_size, 1, 65535);
    Some(Server {
        threads,
        zone,
        region,
        drain_timeout: check.time(&at.key("drain_timeout"), drain_timeout, Duration::ZERO, HOUR),
        upgrade_socket: match upgrade_socket {
            Some(path) => check.path(&at.key("upgrade_socket"), &path),
            None => default_upgrade_socket(check.around.variable),
        },
        pid_file: pid_file.map(|path| check.path(&at.key("pid_file"), &path)),
        upstream_pool_size: pool as usize,
    })
}

/// In a directory that only this user can write to: whoever owns the socket gets the listeners.
fn default_upgrade_socket(variable: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    let set = |name| variable(name).filter(|value| value.starts_with('/')).map(PathBuf::from);
    // systemd makes the first; it may name several directories, separated by colons.
    let runtime = set("RUNTIME_DIRECTORY").filter(|path| !path.to_string_lossy().contains(':'));
    let directory = runtime.or_else(|| set("XDG_RUNTIME_DIR").map(|path| path.join("proconsul")));
    directory.unwrap_or_else(|| PathBuf::from("/run/proconsul")).join("upgrade.sock")
}

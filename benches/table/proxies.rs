//! The proxies that are compared, and the servers behind them.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::binaries::Binaries;
use super::process::{Server, free_address};

/// What is compared, in the order in which they take turns.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Proxy {
    Proconsul,
    Bare,
    Nginx,
    Haproxy,
}

impl Proxy {
    pub const ALL: [Proxy; 4] = [Proxy::Proconsul, Proxy::Bare, Proxy::Nginx, Proxy::Haproxy];

    pub fn name(self) -> &'static str {
        match self {
            Proxy::Proconsul => "Proconsul",
            Proxy::Bare => "bare pingora",
            Proxy::Nginx => "nginx",
            Proxy::Haproxy => "HAProxy",
        }
    }

    /// The command that runs it: one thread, connections kept alive on both sides, round robin, no
    /// access log; Proconsul with its metrics on.
    pub fn command(
        self,
        binaries: &Binaries,
        directory: &Path,
        listen: SocketAddr,
        upstreams: &Upstreams,
    ) -> Result<Command> {
        let config = directory.join(format!("{}.conf", self.name()));
        let command = match self {
            Proxy::Proconsul => {
                fs::write(&config, proconsul_config(directory, listen, upstreams)?)?;
                proconsul(binaries, &config)
            }
            Proxy::Bare => {
                let mut command = Command::new(&binaries.bare_proxy);
                command.arg(listen.to_string());
                command.args(upstreams.addresses().map(|address| address.to_string()));
                command
            }
            Proxy::Nginx => {
                fs::write(&config, nginx_config(directory, listen, upstreams))?;
                nginx(&config, directory)
            }
            Proxy::Haproxy => {
                fs::write(&config, haproxy_config(listen, upstreams))?;
                let mut command = Command::new(program("haproxy"));
                command.arg("-db").arg("-f").arg(&config); // in the foreground
                command
            }
        };
        Ok(command)
    }

    /// Starts it where nobody listens yet.
    pub fn start(
        self,
        binaries: &Binaries,
        directory: &Path,
        upstreams: &Upstreams,
    ) -> Result<Server> {
        let listen = free_address()?;
        let command = self.command(binaries, directory, listen, upstreams)?;
        Server::start(self.name(), command, listen, directory)
    }
}

/// `proconsul run CONFIG`.
pub fn proconsul(binaries: &Binaries, config: &Path) -> Command {
    let mut command = Command::new(&binaries.proconsul);
    command.arg("run").arg(config);
    command.env("XDG_STATE_HOME", config.parent().unwrap_or(config)).env_remove("STATE_DIRECTORY");
    command
}

/// The tables that every configuration of Proconsul begins with here: one thread, nothing outside
/// of `directory`, all else as users get it.
pub fn proconsul_head(directory: &Path, listen: SocketAddr, admin: SocketAddr) -> String {
    let directory = directory.display();
    format!(
        "[server]\nthreads = 1\nupgrade_socket = \"{directory}/upgrade.sock\"\n\
         [admin]\naddress = \"{admin}\"\n\
         [log]\nlevel = \"warn\"\n\
         [plugins]\ncache_directory = \"{directory}/cache\"\n\
         [listeners.http]\naddress = \"{listen}\"\n"
    )
}

/// The whole configuration of Proconsul among the contenders.
pub fn proconsul_config(
    directory: &Path,
    listen: SocketAddr,
    upstreams: &Upstreams,
) -> Result<String> {
    let endpoints: Vec<String> =
        upstreams.addresses().map(|address| format!("{{ address = \"{address}\" }}")).collect();
    Ok(format!(
        "{}[strategies.turns]\nplugin = \"round-robin\"\n\
         pick_deadline = \"10s\" # an instruction counter stops threads for long\n\
         [services.web]\nstrategy = \"turns\"\nendpoints = [{}]\n\
         [[routes]]\nservice = \"web\"\n",
        proconsul_head(directory, listen, free_address()?),
        endpoints.join(", ")
    ))
}

fn nginx_config(directory: &Path, listen: SocketAddr, upstreams: &Upstreams) -> String {
    let servers: String =
        upstreams.addresses().map(|address| format!("server {address};\n")).collect();
    format!(
        "{}upstream web {{\n{servers}keepalive 512;\nkeepalive_requests 100000000;\n}}\n\
         server {{\nlisten {listen};\nlocation / {{\nproxy_http_version 1.1;\n\
         proxy_set_header Connection \"\";\nproxy_pass http://web;\n}}\n}}\n}}\n",
        nginx_head(directory, "proxy")
    )
}

fn haproxy_config(listen: SocketAddr, upstreams: &Upstreams) -> String {
    let servers: String = upstreams
        .addresses()
        .enumerate()
        .map(|(number, address)| format!("  server s{number} {address}\n"))
        .collect();
    format!(
        "global\n  nbthread 1\n  maxconn 4096\n\
         defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         frontend in\n  bind {listen}\n  default_backend web\n\
         backend web\n  balance roundrobin\n{servers}"
    )
}

/// Two servers that answer with a few bytes: `a` and `b`, so that a client sees who answered.
pub struct Upstreams {
    pub a: Server,
    pub b: Server,
}

impl Upstreams {
    pub fn start(directory: &Path) -> Result<Self> {
        let start = |name: &str| {
            let listen = free_address()?;
            let config = directory.join(format!("upstream-{name}.conf"));
            let text = format!(
                "{}server {{\nlisten {listen} backlog=4096;\nlocation / {{\n\
                 default_type text/plain;\nreturn 200 {name};\n}}\nlocation /json {{\n\
                 default_type application/json;\nreturn 200 '{{\"ok\":true}}';\n}}\n}}\n}}\n",
                nginx_head(directory, name)
            );
            fs::write(&config, text)?;
            Server::start(&format!("upstream-{name}"), nginx(&config, directory), listen, directory)
        };
        Ok(Self { a: start("a")?, b: start("b")? })
    }

    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        [self.a.address, self.b.address].into_iter()
    }
}

/// One process that is the worker too, with every path inside of `directory`.
fn nginx_head(directory: &Path, name: &str) -> String {
    let directory = directory.display();
    let folders: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {directory}/{name}-{kind};\n"))
        .collect();
    format!(
        "daemon off;\nmaster_process off;\npid {directory}/{name}.pid;\nerror_log stderr crit;\n\
         events {{ worker_connections 16384; }}\n\
         http {{\naccess_log off;\nkeepalive_requests 100000000;\nkeepalive_timeout 300s;\n{folders}"
    )
}

fn nginx(config: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program("nginx"));
    command.arg("-e").arg("stderr").arg("-p").arg(directory).arg("-c").arg(config);
    command
}

/// Debian keeps servers where the search path of an ordinary user does not lead.
pub fn program(name: &str) -> OsString {
    let path = Path::new("/usr/sbin").join(name);
    if path.is_file() { path.into() } else { name.into() }
}

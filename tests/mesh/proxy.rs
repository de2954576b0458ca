//! The proxy under test: the real binary, its configuration, its log, its admin API.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::client::{Answer, Connection};
use super::free_address;
use super::tls::{Authority, Certificate};
use super::wait::{bounded, eventually};

/// TLS with the certificate of [`Builder::site`].
const SITE: &str = "tls.certificates = [{ certificate = \"site.pem\", key = \"site.key\" }]";

/// Who is trusted in place of the system's authorities, where there is such a file.
const AUTHORITIES: &str = "authorities.pem";

/// A running proxy; it is killed with the test.
pub struct Mesh {
    pub directory: TempDir,
    pub listener: SocketAddr,
    pub admin: SocketAddr,
    child: Child,
}

/// What a mesh is made of.
pub struct Builder {
    listener: SocketAddr,
    admin: SocketAddr,
    directory: TempDir,
    listener_keys: String,
    server_keys: String,
    admin_keys: String,
    log_table: &'static str,
    config: String,
    files: Vec<(String, Vec<u8>)>,
    names: Vec<(String, String)>,
}

impl Mesh {
    /// A mesh with this configuration, apart from `[server]`, `[admin]` and `[listeners]`.
    pub fn with(config: &str) -> Builder {
        Builder {
            listener: free_address(),
            admin: free_address(),
            directory: tempfile::tempdir().unwrap(),
            listener_keys: String::new(),
            server_keys: String::new(),
            admin_keys: String::new(),
            log_table: "[log]\nlevel = \"info\"\n",
            config: config.into(),
            files: Vec::new(),
            names: Vec::new(),
        }
    }

    /// A proxy on a configuration that is in `directory` already, where these addresses are its
    /// listener's and its admin API's.
    pub async fn on(directory: TempDir, listener: SocketAddr, admin: SocketAddr) -> Self {
        let path = |name| directory.path().join(name);
        let child = spawn(&path("proconsul.toml"), &path("log"), &[]);
        let mut mesh = Self { directory, listener, admin, child };
        mesh.wait_until_serving().await;
        mesh
    }

    /// A mesh that sends everything to one upstream, over the service `web`.
    pub fn to(upstream: &super::Upstream) -> Builder {
        let config = "[services.web]\nendpoints = [{ address = \"@up\" }]\n\
                      [[routes]]\nservice = \"web\"\n";
        Self::with(config).at("up", upstream)
    }
}

impl Builder {
    /// Lets `@name` in the configuration stand for a value, an upstream's address mostly.
    pub fn at(mut self, name: &str, value: impl ToString) -> Self {
        self.names.push((format!("@{name}"), value.to_string()));
        self
    }

    /// Keys of `[listeners.http]`.
    pub fn listener(mut self, keys: &str) -> Self {
        self.listener_keys.push_str(keys);
        self.listener_keys.push('\n');
        self
    }

    /// Keys of `[server]`.
    pub fn server(mut self, keys: &str) -> Self {
        self.server_keys.push_str(keys);
        self.server_keys.push('\n');
        self
    }

    /// Keys of `[admin]`.
    pub fn admin_keys(mut self, keys: &str) -> Self {
        self.admin_keys.push_str(keys);
        self.admin_keys.push('\n');
        self
    }

    /// Leaves `[log]` to the test.
    pub fn bare_log(mut self) -> Self {
        self.log_table = "";
        self
    }

    /// A file beside the configuration.
    pub fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.into(), content.into()));
        self
    }

    /// Trusts this authority, in place of the system's.
    pub fn trusting(self, authority: &Authority) -> Self {
        self.file(AUTHORITIES, authority.pem())
    }

    /// A certificate as `site.pem` with its key as `site.key`.
    pub fn site(self, certificate: &Certificate) -> Self {
        self.file("site.pem", certificate.pem.as_str()).file("site.key", certificate.key.as_str())
    }

    /// TLS on the listener, with this certificate.
    pub fn tls(self, certificate: &Certificate) -> Self {
        self.listener(SITE).site(certificate)
    }

    /// A second listener, at `@secure`, with TLS.
    pub fn secure(mut self, certificate: &Certificate, keys: &str) -> Self {
        let table = format!("\n[listeners.secure]\naddress = \"@secure\"\n{SITE}\n{keys}\n");
        self.config.push_str(&table);
        self.at("secure", free_address()).site(certificate)
    }

    /// Where the mesh will have its files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self) -> String {
        // Compiled plugins are shared between tests: compiling is what takes long.
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin-cache");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&cache).unwrap();
        // First, as its keys may stand outside of tables.
        let mut text = format!(
            "{config}\n[server]\nthreads = 1\nupgrade_socket = \"run/upgrade.sock\"\n{server}\
             [admin]\naddress = \"{admin}\"\n{admin_keys}\
             {log}\
             [plugins]\ncache_directory = \"{cache}\"\n\
             [listeners.http]\naddress = \"{listener}\"\n{keys}",
            server = self.server_keys,
            admin = self.admin,
            admin_keys = self.admin_keys,
            log = self.log_table,
            cache = cache.display(),
            listener = self.listener,
            keys = self.listener_keys,
            config = self.config,
        );
        for (name, value) in &self.names {
            text = text.replace(name, value);
        }
        text
    }

    /// Writes the files and nothing else; returns the configuration's path.
    pub fn write(&self) -> PathBuf {
        for (name, content) in &self.files {
            let path = self.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let path = self.path("proconsul.toml");
        fs::write(&path, self.text()).unwrap();
        path
    }

    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Starts the proxy and waits until it serves.
    pub async fn start(self) -> Mesh {
        let config = self.write();
        let log = self.path("log");
        let child = spawn(&config, &log, &[]);
        let mut mesh =
            Mesh { directory: self.directory, listener: self.listener, admin: self.admin, child };
        mesh.wait_until_serving().await;
        mesh
    }
}

/// Starts `proconsul run`.
fn spawn(config: &Path, log: &Path, flags: &[&str]) -> Child {
    let log = File::options().create(true).append(true).open(log).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_proconsul"));
    let authorities = config.with_file_name(AUTHORITIES);
    if authorities.exists() {
        command.env("SSL_CERT_FILE", authorities);
    }
    command
        .arg("run")
        .arg(config)
        .args(flags)
        .env("NO_COLOR", "1")
        // The registry's store is where state is kept: each proxy has its own.
        .env("XDG_STATE_HOME", config.parent().unwrap())
        .env_remove("STATE_DIRECTORY")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

impl Mesh {
    async fn wait_until_serving(&mut self) {
        let (admin, listener) = (self.admin, self.listener);
        eventually("the proxy to serve", || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the proxy ended at its start: {status}\n{}", self.log());
            }
            async move {
                let stream = TcpStream::connect(admin).await.ok()?;
                Connection::over(stream).get("/-/ready").await;
                TcpStream::connect(listener).await.ok()
            }
        })
        .await;
    }

    /// Starts another process on the same configuration, which takes over from the present one.
    /// Returns the one that was.
    pub async fn upgrade(&mut self) -> Child {
        let new = spawn(&self.config_path(), &self.path("log"), &["--upgrade"]);
        std::mem::replace(&mut self.child, new)
    }

    /// Waits until the admin API is the present process's. What the former one had not accepted is reset.
    pub async fn taken_over(&self) {
        eventually("the new process to answer", || async {
            let mut connection = Connection::over(TcpStream::connect(self.admin).await.ok()?);
            connection.send("GET /-/status HTTP/1.1\r\nHost: test\r\n\r\n").await;
            let answer = bounded("the status", connection.try_answer()).await.ok()?;
            (answer.json()["process_id"] == self.pid()).then_some(())
        })
        .await;
    }

    /// Starts another process on the same configuration, where the former has ended.
    pub async fn start_again(&mut self) {
        self.child = spawn(&self.config_path(), &self.path("log"), &[]);
        self.wait_until_serving().await;
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        signal_to(&self.child, signal);
    }

    /// Waits until the process ends by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        ended(&mut self.child).await
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn config_path(&self) -> PathBuf {
        self.path("proconsul.toml")
    }

    pub fn config(&self) -> String {
        fs::read_to_string(self.config_path()).unwrap()
    }

    /// Replaces a part of the configuration, as a person with an editor would.
    pub fn edit(&self, from: &str, to: &str) {
        let text = self.config();
        assert!(text.contains(from), "{from:?} is not in\n{text}");
        fs::write(self.config_path(), text.replace(from, to)).unwrap();
    }

    /// Writes a file as careful programs do: aside, then renamed.
    pub fn replace(&self, name: &str, content: impl AsRef<[u8]>) {
        let aside = self.path(&format!(".{}.new", name.replace('/', "-")));
        fs::write(&aside, content).unwrap();
        fs::rename(aside, self.path(name)).unwrap();
    }

    /// Does something that leads to a reload, and waits for its report.
    pub async fn reloaded_by(&self, act: impl FnOnce()) -> Value {
        let before = self.status().await["last_reload"]["unix_seconds"].clone();
        act();
        eventually("a reload", || async {
            let last = self.status().await["last_reload"].clone();
            (last["unix_seconds"] != before).then_some(last)
        })
        .await
    }

    /// Edits the configuration and waits until it is in effect.
    pub async fn edit_and_wait(&self, from: &str, to: &str) {
        let report = self.reloaded_by(|| self.edit(from, to)).await;
        assert_eq!(report["result"], "applied", "{report:#}");
    }

    /// Where another listener listens.
    pub async fn address_of(&self, listener: &str) -> SocketAddr {
        self.status().await["listeners"][listener].as_str().unwrap().parse().unwrap()
    }

    pub async fn connect(&self) -> Connection {
        Connection::open(self.listener).await
    }

    /// One request over a connection of its own.
    pub async fn get(&self, path: &str) -> Answer {
        self.connect().await.get(path).await
    }

    /// One request, in its own bytes, over a connection of its own.
    pub async fn send(&self, request: &str) -> Answer {
        let mut connection = self.connect().await;
        connection.send(request).await;
        connection.answer().await
    }

    pub async fn admin(&self, method: &str, path: &str) -> Answer {
        let mut connection = Connection::open(self.admin).await;
        connection.send(format!("{method} {path} HTTP/1.1\r\nHost: admin\r\n\r\n")).await;
        connection.answer().await
    }

    pub async fn status(&self) -> Value {
        self.admin("GET", "/-/status").await.json()
    }

    /// The sum of the series of `name{label="value",..}`; further labels are free.
    pub async fn metric(&self, wanted: &str) -> f64 {
        let text = self.admin("GET", "/metrics").await.text();
        let (name, labels) = wanted.split_once('{').unwrap_or((wanted, ""));
        let labels: Vec<_> =
            labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()).collect();
        let fits = |series: &str| {
            let (series_name, series_labels) = series.split_once('{').unwrap_or((series, ""));
            series_name == name && labels.iter().all(|label| series_labels.contains(label))
        };
        text.lines()
            .filter_map(|line| line.rsplit_once(' '))
            .filter(|(series, _)| fits(series))
            .map(|(_, value)| value.parse::<f64>().unwrap())
            .sum()
    }

    /// Waits until a metric is so high: requests are counted when their answer is out already.
    pub async fn metric_reaches(&self, wanted: &str, value: f64) {
        let what = format!("{wanted} to reach {value}");
        eventually(&what, || async { (self.metric(wanted).await >= value).then_some(()) }).await;
    }

    /// Everything that the process said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Waits until a line of the log has all these words.
    pub async fn logged(&self, words: &[&str]) -> String {
        eventually(&format!("{words:?} in the log"), || async {
            let log = self.log();
            let has_all = |line: &&str| words.iter().all(|word| line.contains(word));
            log.lines().find(has_all).map(str::to_owned)
        })
        .await
    }
}

pub fn signal_to(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

pub async fn ended(child: &mut Child) -> ExitStatus {
    eventually("the process to end", || {
        let status = child.try_wait().unwrap();
        async move { status }
    })
    .await
}

impl Drop for Mesh {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- configuration\n{}---- log\n{}", self.config(), self.log());
        }
    }
}

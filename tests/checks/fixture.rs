//! Components in WebAssembly text, a host for them, and instances to check.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use proconsul::config::PluginLimits;
use proconsul::model::{
    AllowedHost, AllowedPeer, CheckName, InstanceId, InstanceRecord, PluginCheck, PluginSource,
    ServiceKey, ServiceName, Verdict, Weight,
};
use proconsul::plugin::health_check::{Fault, HealthCheckHost, HealthChecker, Resolver, Target};
use proconsul::plugin::{AsyncEngine, Library, Refusal, Seeds};
use proconsul::telemetry::Metrics;

use crate::mesh::plugin::{component, own_wit};

/// Longer than any check here takes that is to come to a verdict, on a busy machine.
pub const LONG: Duration = Duration::from_secs(20);

/// A health check that passes, apart from what a test puts into it.
///
/// `configure` and `check` are instructions at the beginning of an export's body. There are two
/// locals, `$i` and `$j`; `(call $real)` tells whether there is an instance, and not what a component
/// is tried with. There are `$checks`, how often `check` was called on this instance, the functions of `LIBRARY`, and
/// `$say`, which makes the verdict critical with a text as its reason.
#[derive(Default, Clone, Copy)]
pub struct Checker {
    pub configure: &'static str,
    pub check: &'static str,
    pub module: &'static str,
    /// What it imports beside the world of health checks, in WIT.
    pub more_wit: &'static str,
}

const IMPORTS: &str = r#"
    (import "proconsul:host/log@0.1.0" "write" (func $log (param i32 i32 i32)))
    (import "wasi:clocks/monotonic-clock@0.2.12" "subscribe-duration"
        (func $subscribe_duration (param i64) (result i32)))
    (import "wasi:io/poll@0.2.12" "[method]pollable.block" (func $block (param i32)))
    (import "wasi:io/poll@0.2.12" "[resource-drop]pollable" (func $drop_pollable (param i32)))
    (import "wasi:io/streams@0.2.12" "[method]input-stream.blocking-read"
        (func $blocking_read (param i32 i64 i32)))
    (import "wasi:sockets/instance-network@0.2.12" "instance-network" (func $network (result i32)))
    (import "wasi:sockets/tcp-create-socket@0.2.12" "create-tcp-socket"
        (func $create (param i32 i32)))
    (import "wasi:sockets/tcp@0.2.12" "[method]tcp-socket.start-connect"
        (func $start_connect (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "wasi:sockets/tcp@0.2.12" "[method]tcp-socket.start-bind"
        (func $start_bind (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "wasi:sockets/tcp@0.2.12" "[method]tcp-socket.finish-connect"
        (func $finish_connect (param i32 i32)))
    (import "wasi:sockets/tcp@0.2.12" "[method]tcp-socket.subscribe"
        (func $subscribe_socket (param i32) (result i32)))
    (import "wasi:sockets/ip-name-lookup@0.2.12" "resolve-addresses"
        (func $resolve (param i32 i32 i32 i32)))
    (import "wasi:sockets/ip-name-lookup@0.2.12" "[method]resolve-address-stream.subscribe"
        (func $subscribe_lookup (param i32) (result i32)))
    (import "wasi:sockets/ip-name-lookup@0.2.12" "[method]resolve-address-stream.resolve-next-address"
        (func $next_address (param i32 i32)))
    (import "wasi:http/types@0.2.12" "[constructor]fields" (func $fields (result i32)))
    (import "wasi:http/types@0.2.12" "[constructor]outgoing-request"
        (func $request (param i32) (result i32)))
    (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-authority"
        (func $set_authority (param i32 i32 i32 i32) (result i32)))
    (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-path-with-query"
        (func $set_path (param i32 i32 i32 i32) (result i32)))
    (import "wasi:http/outgoing-handler@0.2.12" "handle" (func $handle (param i32 i32 i32 i32)))
    (import "wasi:http/types@0.2.12" "[method]future-incoming-response.subscribe"
        (func $subscribe_response (param i32) (result i32)))
    (import "wasi:http/types@0.2.12" "[method]future-incoming-response.get"
        (func $get_response (param i32 i32)))
"#;

/// What tests say in WebAssembly: waiting, connecting, asking. Results of imports are written at 64.
const LIBRARY: &str = r#"
    (func $forever (loop $again (br $again)))
    (func $sleep (param $ns i64)
        (local $pollable i32)
        (local.set $pollable (call $subscribe_duration (local.get $ns)))
        (call $block (local.get $pollable))
        (call $drop_pollable (local.get $pollable)))
    (func $wait (param $pollable i32)
        (call $block (local.get $pollable))
        (call $drop_pollable (local.get $pollable)))
    (func $bomb (loop $again
        (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))))
    (func $real (result i32) ;; what a component is tried with is at port 1
        (i32.ne (i32.load16_u offset=32 (global.get $endpoint)) (i32.const 1)))
    (func $port (result i32) (i32.load16_u offset=32 (global.get $endpoint)))
    (func $socket (result i32)
        (call $create (i32.const 0) (i32.const 64))
        (if (i32.load8_u (i32.const 64)) (then unreachable))
        (i32.load (i32.const 68)))
    ;; Connects a socket to 127.a.b.c; 0 when it is connected, else 1 + the error's number.
    (func $connect_socket (param $socket i32) (param $a i32) (param $b i32) (param $c i32) (param $port i32)
        (result i32)
        (call $start_connect (local.get $socket) (call $network) (i32.const 0) (local.get $port)
            (i32.const 127) (local.get $a) (local.get $b) (local.get $c)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 64))
        (if (i32.load8_u (i32.const 64))
            (then (return (i32.add (i32.const 1) (i32.load8_u (i32.const 65))))))
        (call $wait (call $subscribe_socket (local.get $socket)))
        (call $finish_connect (local.get $socket) (i32.const 64))
        (if (i32.load8_u (i32.const 64))
            (then (return (i32.add (i32.const 1) (i32.load8_u (i32.const 68))))))
        (i32.const 0))
    (func $connect (param $a i32) (param $b i32) (param $c i32) (param $port i32) (result i32)
        (call $connect_socket (call $socket) (local.get $a) (local.get $b) (local.get $c) (local.get $port)))
    ;; Asks for a name; the last byte of its first IPv4 address, or 256 + the error's number.
    (func $look_up (param $name i32) (param $length i32) (result i32)
        (local $lookup i32)
        (call $resolve (call $network) (local.get $name) (local.get $length) (i32.const 64))
        (if (i32.load8_u (i32.const 64)) (then unreachable))
        (local.set $lookup (i32.load (i32.const 68)))
        (call $wait (call $subscribe_lookup (local.get $lookup)))
        (call $next_address (local.get $lookup) (i32.const 64))
        ;; result<option<variant>, enum>: tags at 64, 66 and 68, an IPv4 address at 70
        (if (i32.load8_u (i32.const 64))
            (then (return (i32.add (i32.const 256) (i32.load8_u (i32.const 66))))))
        (i32.load8_u (i32.const 73)))
    ;; Gets http://AUTHORITY/; 0 when a response came, else 1 + the error's number.
    (func $get (param $authority i32) (param $length i32) (result i32)
        (local $request i32) (local $response i32)
        (local.set $request (call $request (call $fields)))
        (drop (call $set_authority (local.get $request) (i32.const 1) (local.get $authority) (local.get $length)))
        (drop (call $set_path (local.get $request) (i32.const 1) (i32.const 264) (i32.const 1)))
        (call $handle (local.get $request) (i32.const 0) (i32.const 0) (i32.const 64))
        (if (i32.load8_u (i32.const 64))
            (then (return (i32.add (i32.const 1) (i32.load8_u (i32.const 72))))))
        (local.set $response (i32.load (i32.const 72)))
        (call $wait (call $subscribe_response (local.get $response)))
        (call $get_response (local.get $response) (i32.const 64))
        (if (i32.load8_u (i32.const 80))
            (then (return (i32.add (i32.const 1) (i32.load8_u (i32.const 88))))))
        (i32.const 0))
    (func $say (param $text i32) (param $length i32)
        (global.set $verdict (i32.const 2))
        (global.set $text (local.get $text))
        (global.set $length (local.get $length)))
    ;; A critical verdict that has a number as its reason.
    (func $say_number (param $number i32)
        (local $at i32)
        (local.set $at (i32.const 1024))
        (loop $digit
            (local.set $at (i32.sub (local.get $at) (i32.const 1)))
            (i32.store8 (local.get $at)
                (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
            (local.set $number (i32.div_u (local.get $number) (i32.const 10)))
            (br_if $digit (local.get $number)))
        (call $say (local.get $at) (i32.sub (i32.const 1024) (local.get $at))))
"#;

impl Checker {
    /// The component's bytes.
    pub fn build(&self) -> Vec<u8> {
        let Self { configure, check, module, more_wit } = self;
        let imports: String = module.lines().filter(|line| line.contains("(import")).collect();
        let rest: String =
            module.lines().filter(|line| !line.contains("(import")).collect::<Vec<_>>().join("\n");
        const CHECKER: &str = "proconsul:health-check/checker@0.1.0";
        let text = format!(
            r#"(module
              {IMPORTS} {imports}
              (memory (export "memory") 2)
              (global $heap (mut i32) (i32.const 8192))
              (global $checks (mut i32) (i32.const 0))
              (global $endpoint (mut i32) (i32.const 0))
              (global $verdict (mut i32) (i32.const 0))
              (global $text (mut i32) (i32.const 0))
              (global $length (mut i32) (i32.const 0))
              (data (i32.const 256) "flood") (data (i32.const 264) "/")
              {LIBRARY}
              {rest}
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and
                  (i32.add (global.get $heap) (i32.sub (local.get 2) (i32.const 1)))
                  (i32.sub (i32.const 0) (local.get 2))))
                (global.set $heap (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
              (func (export "{CHECKER}#configure") (param i32 i32) (result i32)
                {configure}
                (i32.store8 (i32.const 16) (i32.const 0)) (i32.const 16))
              (func (export "{CHECKER}#check") (param $e i32) (result i32)
                (local $i i32) (local $j i32)
                (global.set $endpoint (local.get $e))
                (global.set $verdict (i32.const 0))
                (global.set $checks (i32.add (global.get $checks) (i32.const 1)))
                {check}
                (global.set $heap (i32.const 8192))
                (i32.store8 (i32.const 32) (global.get $verdict))
                (i32.store (i32.const 36) (global.get $text))
                (i32.store (i32.const 40) (global.get $length))
                (i32.const 32))
            )"#
        );
        let mut wit = own_wit("health-check");
        let world = format!(
            "package test:test; world mine {{
                include proconsul:health-check/health-check@0.1.0; {more_wit} }}"
        );
        wit.push_str("mine.wit", &world).unwrap();
        component(&text, &wit, "mine")
    }
}

/// A host, and a folder for components.
pub struct Bench {
    pub host: Arc<HealthCheckHost>,
    pub metrics: Metrics,
    pub resolver: Arc<Answers>,
    folder: tempfile::TempDir,
    /// Counters go with the last checker that has them.
    kept: Mutex<Vec<Arc<HealthChecker>>>,
}

/// A name server whose answers to each name are a list: the last is given again and again.
#[derive(Default)]
pub struct Answers {
    names: BTreeMap<&'static str, Vec<IpAddr>>,
    pub asked: AtomicUsize,
}

#[async_trait]
impl Resolver for Answers {
    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, String> {
        let time = self.asked.fetch_add(1, Ordering::SeqCst);
        let answers = self.names.get(name).ok_or("no such name")?;
        Ok(vec![answers[time.min(answers.len() - 1)]])
    }
}

impl Bench {
    pub fn new() -> Self {
        Self::with_names(&[])
    }

    /// With a name server that gives these answers, one after the other.
    pub fn with_names(names: &[(&'static str, &[IpAddr])]) -> Self {
        let names = names.iter().map(|(name, answers)| (*name, answers.to_vec())).collect();
        let resolver = Arc::new(Answers { names, ..Answers::default() });
        let metrics = Metrics::new();
        let library = Library::new(AsyncEngine::new().unwrap(), None);
        let seeds = Seeds::fixed(1);
        let host = HealthCheckHost::new(library, seeds, metrics.clone(), resolver.clone()).unwrap();
        Self {
            host,
            metrics,
            resolver,
            folder: tempfile::tempdir().unwrap(),
            kept: Mutex::default(),
        }
    }

    /// Loads a component in text.
    pub fn load(&self, checker: &Checker) -> Result<Arc<HealthChecker>, Refusal> {
        self.load_with(checker, |_| {})
    }

    /// The same, with another table than the default.
    pub fn load_with(
        &self,
        checker: &Checker,
        change: impl FnOnce(&mut PluginCheck),
    ) -> Result<Arc<HealthChecker>, Refusal> {
        let path = self.folder.path().join("mine.wasm");
        std::fs::write(&path, checker.build()).unwrap();
        let mut check = plugin_check(PluginSource::File(path), "{}");
        change(&mut check);
        let checker = self.host.load(&check, &name(), &PluginLimits::default(), None)?;
        self.kept.lock().unwrap().push(checker.clone());
        Ok(checker)
    }

    /// Loads a shipped component: the one that the binary carries, or a fresh one.
    pub fn shipped(&self, plugin: &str, config_json: &str) -> Result<Arc<HealthChecker>, Refusal> {
        self.host.load(&shipped(plugin, config_json), &name(), &PluginLimits::default(), None)
    }

    /// A counter's value; 0 where it is not there.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.metrics.render();
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
    }

    pub fn denied(&self) -> u64 {
        self.metric("proconsul_plugin_connections_denied_total")
    }

    pub fn faults(&self, reason: &str) -> u64 {
        let labels = format!("{{check=\"mine\",reason=\"{reason}\"}}");
        self.metric(&format!("proconsul_plugin_check_faults_total{labels}"))
    }
}

pub fn name() -> CheckName {
    CheckName::new("mine").unwrap()
}

pub fn shipped(plugin: &str, config_json: &str) -> PluginCheck {
    let source = match std::env::var_os("PROCONSUL_PLUGIN_DIR") {
        Some(folder) => PluginSource::File(PathBuf::from(folder).join(format!("{plugin}.wasm"))),
        None => PluginSource::BuiltIn(plugin.to_owned()),
    };
    plugin_check(source, config_json)
}

pub fn plugin_check(source: PluginSource, config_json: &str) -> PluginCheck {
    PluginCheck {
        source,
        config_json: config_json.to_owned(),
        allow: Vec::new(),
        fresh: false,
        memory_bytes: 16 << 20,
    }
}

/// A peer by its name.
pub fn named(name: &str, port: Option<u16>) -> AllowedPeer {
    AllowedPeer { host: AllowedHost::Name(name.to_owned()), port }
}

/// An instance whose host is its address.
pub fn target(address: SocketAddr) -> Target {
    target_named(&address.ip().to_string(), address)
}

/// An instance whose host is a name.
pub fn target_named(host: &str, address: SocketAddr) -> Target {
    Target {
        record: Arc::new(InstanceRecord {
            service: ServiceKey::in_default(ServiceName::new("web").unwrap()),
            id: InstanceId::new("web-1").unwrap(),
            version: None,
            host: host.to_owned(),
            port: address.port(),
            protocol: String::new(),
            weight: Weight::DEFAULT,
            zone: String::new(),
            region: String::new(),
            tags: Default::default(),
            metadata: Default::default(),
            ttl: None,
            checks: Vec::new(),
        }),
        addresses: vec![address.ip()],
    }
}

/// A verdict that has to come, as `critical: why`.
pub fn words(result: Result<Verdict, Fault>) -> String {
    match result {
        Ok(verdict) if verdict.reason.is_empty() => verdict.status.to_string(),
        Ok(verdict) => format!("{}: {}", verdict.status, verdict.reason),
        Err(fault) => panic!("a fault: {fault}"),
    }
}

//! The configuration after validation: every value checked, every reference resolved to a name
//! that exists, every default filled in. What the rest of the program reads.
//!
//! Knows nothing of TOML: `schema` is the file's shape, `validate` the way from there to here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use regex::Regex;
use semver::VersionReq;

pub use crate::model::PluginSource;
use crate::model::{
    Check, CheckName, Endpoint, ListenerName, Namespace, RouteName, ServiceName, StrategyName, Tag,
};

/// A whole configuration, as one reload takes effect.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub server: Server,
    pub admin: Admin,
    pub log: Log,
    pub access_log: AccessLog,
    pub plugins: Plugins,
    pub registry: Registry,
    pub health: Health,
    /// `[checks]`: services name them, and registrations may.
    pub checks: BTreeMap<CheckName, Arc<Check>>,
    pub listeners: Vec<Listener>,
    /// Every strategy that a service uses: those of `[strategies]`, and built-in ones that a
    /// service names directly.
    pub strategies: BTreeMap<StrategyName, Arc<Strategy>>,
    pub services: BTreeMap<ServiceName, Arc<Service>>,
    /// In the order of the file, then of the fragments' names.
    pub routes: Vec<Arc<Route>>,
}

/// The process. A change here needs a restart (a graceful upgrade), and a reload says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Proxy threads; at least 1.
    pub threads: usize,
    /// Where the proxy itself runs, for strategies that look for near endpoints. May change at a reload.
    pub zone: String,
    pub region: String,
    /// How long SIGTERM waits for requests in flight.
    pub drain_timeout: Duration,
    /// Over which an old process hands its sockets to a new one.
    pub upgrade_socket: PathBuf,
    pub pid_file: Option<PathBuf>,
    /// Idle connections kept to all upstreams together.
    pub upstream_pool_size: usize,
}

/// The admin listener: metrics, health, status, reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// `None` switches it off.
    pub address: Option<SocketAddr>,
    pub auth: AdminAuth,
    pub limits: AdminLimits,
}

/// Who may use `/v1`. What stands under `/-/` and `/metrics` asks nobody's name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AdminAuth {
    /// What a client from a loopback address may do that shows nothing; `None` = nothing.
    pub anonymous: Option<Role>,
    pub tokens: Vec<AdminToken>,
    pub jwt: Option<JwtAuth>,
}

/// What somebody may do; each role may what those before it may, but a registrar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Read.
    Viewer,
    /// Read, and register, update and deregister instances of the services that its token names.
    Registrar,
    /// Change anything about services and instances.
    Operator,
    /// Everything: reload, audit records, subscriptions of others, backups.
    Admin,
}

/// A long-lived secret, known by its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminToken {
    /// For audit records.
    pub name: String,
    /// SHA-256 of the token. Tokens are random and long, so that a slow hash would add nothing.
    pub sha256: [u8; 32],
    pub role: Role,
    /// Of a registrar: what it may touch.
    pub services: Vec<ServicePattern>,
}

/// `web`, `team-a/*`, `shop/web-*`: a namespace (default: `default`) and a name, each of which may end
/// in `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePattern {
    pub namespace: String,
    pub name: String,
}

/// Tokens that somebody else signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtAuth {
    /// JSON Web Key Set with the keys that may sign; read again when it changes.
    pub jwks: PathBuf,
    /// One of these must be in `aud`.
    pub audience: Vec<String>,
    /// Must be `iss`; `None` = any.
    pub issuer: Option<String>,
    /// The claim that holds the role.
    pub role_claim: String,
    /// The claim that holds a registrar's services, as a list of patterns.
    pub services_claim: String,
    /// How wrong clocks may be.
    pub leeway: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdminLimits {
    /// A larger request is refused with 413.
    pub max_request_bytes: usize,
    /// Requests of one client address in a second; more get 429. 0 = no limit.
    pub requests_per_second: u32,
    /// Clients that watch at the same time.
    pub max_watchers: usize,
    /// A watcher that takes nothing for this long is cut off.
    pub watcher_timeout: Duration,
}

impl Default for AdminLimits {
    fn default() -> Self {
        Self {
            max_request_bytes: 1 << 20,
            requests_per_second: 0,
            max_watchers: 20_000,
            watcher_timeout: Duration::from_secs(10),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A `tracing` filter, such as `info` or `proconsul=debug,warn`.
    pub level: String,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    pub target: AccessLogTarget,
    /// Lines waiting to be written before further ones are dropped and counted.
    pub queue_lines: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLogTarget {
    Off,
    Stdout,
    File(PathBuf),
}

/// The registry of services and instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    pub store: RegistryStore,
    /// A critical instance that sends no heart-beat is deregistered this long after its time-to-live
    /// lapsed.
    pub ttl_grace: Duration,
    /// Nothing is made critical, or deregistered, for its heart-beats while more than this share (in
    /// percent) of all time-to-lives lapsed at once.
    pub self_preservation_percent: u32,
    /// Fewer lapsed instances than this are never suspicious.
    pub self_preservation_least: u32,
    /// A draining instance leaves after this, requests or not.
    pub drain_timeout: Duration,
    pub max_services: usize,
    pub max_instances: usize,
    /// Events and audit records that are kept.
    pub max_events: usize,
    pub max_audit_records: u64,
    pub max_subscriptions: usize,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            store: RegistryStore::Memory,
            ttl_grace: Duration::from_secs(60),
            self_preservation_percent: 50,
            self_preservation_least: 5,
            drain_timeout: Duration::from_secs(30),
            max_services: 20_000,
            max_instances: 200_000,
            max_events: 10_000,
            max_audit_records: 100_000,
            max_subscriptions: 1_000,
        }
    }
}

/// Where registrations are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryStore {
    /// Nowhere: a restart forgets them.
    Memory,
    /// In one file.
    Sqlite(PathBuf),
}

/// What holds for the health of every service that does not say otherwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Health {
    /// Below this share of eligible endpoints, in percent, requests go to all of them. 0 = never.
    pub panic_percent: u32,
    /// An endpoint that recovers gets its whole share of the traffic after this. Zero = at once.
    pub slow_start: Duration,
    /// Whether real traffic's results count.
    pub passive: bool,
    /// Failures in a row (connections refused or broken, time-outs, 502 to 504) that take an endpoint out;
    /// a refused connection does at once.
    pub passive_failures: u32,
    /// How long traffic keeps an endpoint out that no check calls back before. Doubles with each time, up to
    /// ten times.
    pub passive_rest: Duration,
    /// Checks in flight, over all services.
    pub max_concurrent: usize,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            panic_percent: 50,
            slow_start: Duration::ZERO,
            passive: true,
            passive_failures: 5,
            passive_rest: Duration::from_secs(10),
            max_concurrent: 4096,
        }
    }
}

/// Limits of every plugin; `Strategy::limits` is what holds for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugins {
    /// Compiled plugins are kept here; `None` compiles at every start.
    pub cache_directory: Option<PathBuf>,
    pub limits: PluginLimits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PluginLimits {
    /// How long one pick may run before it is cut off.
    pub pick_deadline: Duration,
    /// How long `configure`, `set-endpoints` and the like may run.
    pub setup_deadline: Duration,
    /// Linear memory of one instance.
    pub memory_bytes: usize,
    /// A component file larger than this is refused.
    pub file_bytes: u64,
    pub log_lines_per_second: u32,
    /// Failures after which the strategy is tripped: in a row, or with few good calls between them.
    pub trip_after: u32,
    /// Wait before a tripped strategy is probed; doubles up to `probe_after_max`.
    pub probe_after: Duration,
    pub probe_after_max: Duration,
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self {
            pick_deadline: Duration::from_millis(10),
            setup_deadline: Duration::from_secs(1),
            memory_bytes: 16 << 20,
            file_bytes: 16 << 20,
            log_lines_per_second: 20,
            trip_after: 5,
            probe_after: Duration::from_secs(1),
            probe_after_max: Duration::from_secs(60),
        }
    }
}

/// A socket that takes requests. Listeners cannot change while the process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    pub name: ListenerName,
    pub address: SocketAddr,
    /// Cleartext HTTP/2 with prior knowledge beside HTTP/1.1.
    pub h2c: bool,
    pub tls: Option<ListenerTls>,
    /// Peers whose `X-Forwarded-*` and `Forwarded` are believed.
    pub trusted_proxies: Vec<IpRange>,
    pub limits: ListenerLimits,
}

/// May change at a reload: a new value holds for the next request on the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerLimits {
    /// For the whole request header to arrive.
    pub header_timeout: Duration,
    /// For the next piece of a request body.
    pub body_timeout: Duration,
    /// For the client to take the next piece of a response.
    pub write_timeout: Duration,
    /// Between requests on one connection.
    pub keepalive_timeout: Duration,
    /// Requests on one connection before it is closed.
    pub keepalive_requests: u32,
    /// All header lines together.
    pub max_header_bytes: usize,
    pub max_headers: usize,
    pub max_uri_bytes: usize,
    /// Concurrent streams on one HTTP/2 connection.
    pub max_h2_streams: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerTls {
    /// The first is served to clients that name no host or an unknown one.
    pub certificates: Vec<CertificateFiles>,
    /// Offer HTTP/2 by ALPN.
    pub h2: bool,
}

/// PEM files. They are read again when they change, and checked before use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// An address range such as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpRange {
    pub base: IpAddr,
    pub prefix_bits: u8,
}

/// A plugin with its configuration: what decides where a service's requests go.
#[derive(Debug, Clone, PartialEq)]
pub struct Strategy {
    pub name: StrategyName,
    pub source: PluginSource,
    /// The `config` table as JSON, for the plugin's `configure`.
    pub config_json: String,
    pub hash_on: HashOn,
    pub limits: PluginLimits,
}

/// What of a request makes its affinity key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashOn {
    None,
    SourceIp,
    Path,
    Header(HeaderName),
    Cookie(String),
    Query(String),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    pub name: ServiceName,
    pub strategy: StrategyName,
    pub endpoints: Vec<Endpoint>,
    /// Which registered instances are endpoints too.
    pub registered: Registered,
    /// What each of its instances is asked.
    pub checks: Vec<Arc<Check>>,
    pub health: Health,
    pub upstream: Upstream,
    pub timeouts: Timeouts,
    pub headers: HeaderEdits,
    /// `None` = no limit.
    pub max_request_body_bytes: Option<u64>,
    /// Endpoints tried in all when a connection cannot be made.
    pub connect_tries: u32,
}

/// Which instances of the registry a service takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// `false` = none but its own endpoints.
    pub enabled: bool,
    pub namespace: Namespace,
    /// The registry's name of the service; its own by default.
    pub service: ServiceName,
    /// Only those whose version matches; `None` = all, those without a version too.
    pub version: Option<VersionReq>,
    /// Only those that have all of these.
    pub tags: BTreeSet<Tag>,
}

/// How a service's endpoints are spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    pub protocol: UpstreamProtocol,
    pub tls: Option<UpstreamTls>,
    /// Concurrent streams on one HTTP/2 connection.
    pub max_h2_streams: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamProtocol {
    Http1,
    /// HTTP/2 only: by ALPN over TLS, with prior knowledge in cleartext.
    Http2,
    /// Over TLS: whichever ALPN agrees on. In cleartext: HTTP/1.1.
    Auto,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamTls {
    /// Sent as SNI and checked against the certificate; the endpoint's host where `None`.
    pub server_name: Option<String>,
    pub verify: bool,
    /// PEM bundle to trust instead of the system's.
    pub ca: Option<PathBuf>,
    pub client_certificate: Option<CertificateFiles>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP (and TLS) connection.
    pub connect: Duration,
    /// Between two reads from the upstream: also the wait for its response header.
    pub read: Duration,
    /// Between two writes to the upstream.
    pub write: Duration,
    /// An unused upstream connection is closed after this.
    pub idle: Duration,
}

/// A route's own time-outs; what is `None` is the service's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RouteTimeouts {
    pub connect: Option<Duration>,
    pub read: Option<Duration>,
    pub write: Option<Duration>,
}

/// In this order: remove, set, add.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderEdits {
    pub request: HeaderEdit,
    pub response: HeaderEdit,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderEdit {
    pub remove: Vec<HeaderName>,
    pub set: Vec<(HeaderName, HeaderValue)>,
    pub add: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    pub name: RouteName,
    pub matcher: RouteMatch,
    pub action: RouteAction,
    pub timeouts: RouteTimeouts,
    pub headers: HeaderEdits,
    /// Overrides the service's.
    pub max_request_body_bytes: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RouteMatch {
    /// Empty = any host. Lower case.
    pub hosts: Vec<HostPattern>,
    pub path: PathPattern,
    /// Empty = any method.
    pub methods: BTreeSet<MethodName>,
    /// All must hold.
    pub headers: Vec<HeaderMatch>,
}

/// A method, ordered by its name so that it can stand in a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodName(pub Method);

impl PartialOrd for MethodName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for MethodName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.as_str().cmp(other.0.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    Exact(String),
    /// `*.example.com`, kept as `.example.com`: any number of labels before it, at least one.
    Suffix(String),
}

#[derive(Debug, Clone)]
pub enum PathPattern {
    Exact(String),
    /// Whole segments: `/api` matches `/api` and `/api/x`, not `/apix`. `/` matches everything.
    Prefix(String),
    /// Anchored at both ends.
    Regex(Regex),
}

impl PartialEq for PathPattern {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) | (Self::Prefix(a), Self::Prefix(b)) => a == b,
            (Self::Regex(a), Self::Regex(b)) => a.as_str() == b.as_str(),
            _ => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct HeaderMatch {
    pub name: HeaderName,
    pub value: HeaderValueMatch,
}

#[derive(Debug, Clone)]
pub enum HeaderValueMatch {
    Present,
    Absent,
    Exact(String),
    /// Anchored at both ends.
    Regex(Regex),
}

impl PartialEq for HeaderValueMatch {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Present, Self::Present) | (Self::Absent, Self::Absent) => true,
            (Self::Exact(a), Self::Exact(b)) => a == b,
            (Self::Regex(a), Self::Regex(b)) => a.as_str() == b.as_str(),
            _ => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum RouteAction {
    Forward { service: ServiceName, rewrite: Rewrite },
    Redirect(Redirect),
}

/// What the upstream sees as the path; the query stays.
#[derive(Debug, Clone)]
pub enum Rewrite {
    None,
    /// The whole path.
    Path(String),
    /// What the route's prefix matched becomes this.
    Prefix(String),
    /// Every match of `pattern` becomes `replacement`, which may name its groups (`$1`, `${name}`).
    Regex {
        pattern: Regex,
        replacement: String,
    },
}

impl PartialEq for Rewrite {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Path(a), Self::Path(b)) | (Self::Prefix(a), Self::Prefix(b)) => a == b,
            (
                Self::Regex { pattern, replacement },
                Self::Regex { pattern: other_pattern, replacement: other_replacement },
            ) => pattern.as_str() == other_pattern.as_str() && replacement == other_replacement,
            _ => false,
        }
    }
}

/// What is `None` stays as the request has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    pub scheme: Option<String>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub path: Option<String>,
}

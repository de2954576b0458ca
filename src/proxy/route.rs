//! Finding a request's route.
//!
//! Priority: the host first (exact, then the longest wildcard, then any), then the path (exact,
//! then patterns in the order of the file, then the longest prefix), then how many further
//! conditions a route has (method, headers), then the order of the file. Where no route of a host
//! fits, those of a less specific host are looked at.
//!
//! Lookups are by hash: their cost depends on the request's own length, not on how many routes
//! there are (patterns excepted: those of the matching host are tried one by one).

use std::sync::Arc;

use foldhash::HashMap;
use http::{HeaderMap, Method};

use super::service::Service;
use crate::config::{self, HeaderMatch, HeaderValueMatch, HostPattern, PathPattern, RouteAction};
use crate::telemetry::metrics::RouteMetrics;

/// A route as it serves.
pub struct Route {
    pub config: Arc<config::Route>,
    pub target: Target,
    pub metrics: Arc<RouteMetrics>,
}

/// Where a route leads.
pub enum Target {
    Service(Arc<Service>),
    Redirect(config::Redirect),
}

/// Every route, by host and path. Immutable: a reload publishes another.
#[derive(Default)]
pub struct RouteTable {
    exact_hosts: HashMap<String, Paths>,
    /// By what follows the `*`: `.example.com`.
    wildcard_hosts: HashMap<String, Paths>,
    any_host: Paths,
    routes: Vec<Arc<Route>>,
}

/// The routes of one host.
#[derive(Default)]
struct Paths {
    exact: HashMap<String, Candidates>,
    patterns: Vec<Arc<Route>>,
    /// Without a trailing slash: `` is the prefix `/`.
    prefixes: HashMap<String, Candidates>,
}

/// Routes that differ in method and headers only, the most particular first.
type Candidates = Vec<Arc<Route>>;

/// What of a request routes look at.
pub struct Question<'a> {
    /// Lower case, without the port.
    pub host: &'a str,
    pub path: &'a str,
    pub method: &'a Method,
    pub headers: &'a HeaderMap,
}

impl RouteTable {
    /// Arranges `routes`, which are in the order of the file.
    pub fn new(routes: Vec<Arc<Route>>) -> Self {
        let mut table = Self { routes: routes.clone(), ..Self::default() };
        for route in routes {
            let hosts = &route.config.matcher.hosts;
            if hosts.is_empty() {
                table.any_host.add(&route);
            }
            for host in hosts {
                let paths = match host {
                    HostPattern::Exact(host) => table.exact_hosts.entry(host.clone()),
                    HostPattern::Suffix(suffix) => table.wildcard_hosts.entry(suffix.clone()),
                };
                paths.or_default().add(&route);
            }
        }
        table
    }

    /// Every route, in the order of the file.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// The route for a request.
    pub fn find(&self, question: &Question<'_>) -> Option<&Arc<Route>> {
        let host = question.host;
        if !self.exact_hosts.is_empty()
            && let Some(route) = self.exact_hosts.get(host).and_then(|paths| paths.find(question))
        {
            return Some(route);
        }
        if !self.wildcard_hosts.is_empty() {
            let suffixes = memchr::memchr_iter(b'.', host.as_bytes()).filter(|&at| at > 0);
            for suffix in suffixes.map(|at| &host[at..]) {
                let paths = self.wildcard_hosts.get(suffix);
                if let Some(route) = paths.and_then(|paths| paths.find(question)) {
                    return Some(route);
                }
            }
        }
        self.any_host.find(question)
    }
}

impl Paths {
    fn add(&mut self, route: &Arc<Route>) {
        let candidates = match &route.config.matcher.path {
            PathPattern::Exact(path) => self.exact.entry(path.clone()).or_default(),
            PathPattern::Regex(_) => return self.patterns.push(route.clone()),
            PathPattern::Prefix(prefix) => {
                self.prefixes.entry(prefix.trim_end_matches('/').to_owned()).or_default()
            }
        };
        let particular = conditions(&route.config);
        let at = candidates.partition_point(|other| conditions(&other.config) >= particular);
        candidates.insert(at, route.clone());
    }

    fn find(&self, question: &Question<'_>) -> Option<&Arc<Route>> {
        let path = question.path;
        if !self.exact.is_empty()
            && let Some(route) = self.exact.get(path).and_then(|c| first_fit(c, question))
        {
            return Some(route);
        }
        let fits_pattern = |route: &&Arc<Route>| match &route.config.matcher.path {
            PathPattern::Regex(pattern) => pattern.is_match(path) && fits(route, question),
            _ => false,
        };
        if let Some(route) = self.patterns.iter().find(fits_pattern) {
            return Some(route);
        }
        // `/a/b/c`, then `/a/b`, `/a`, and the empty one that stands for `/`.
        let mut prefix = path.trim_end_matches('/');
        loop {
            let candidates = self.prefixes.get(prefix);
            if let Some(route) = candidates.and_then(|c| first_fit(c, question)) {
                return Some(route);
            }
            prefix = match memchr::memrchr(b'/', prefix.as_bytes()) {
                Some(at) => &prefix[..at],
                None if prefix.is_empty() => return None,
                None => "", // `OPTIONS *` has no path, and `/` stands for any
            };
        }
    }
}

/// How many conditions beside host and path a route has.
fn conditions(route: &config::Route) -> usize {
    route.matcher.headers.len() + usize::from(!route.matcher.methods.is_empty())
}

fn first_fit<'a>(candidates: &'a Candidates, question: &Question<'_>) -> Option<&'a Arc<Route>> {
    candidates.iter().find(|route| fits(route, question))
}

fn fits(route: &Route, question: &Question<'_>) -> bool {
    let matcher = &route.config.matcher;
    let method_fits = matcher.methods.is_empty()
        || matcher.methods.iter().any(|method| method.0 == *question.method);
    method_fits && matcher.headers.iter().all(|rule| header_fits(rule, question.headers))
}

fn header_fits(rule: &HeaderMatch, headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(&rule.name).iter();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    match &rule.value {
        HeaderValueMatch::Present => values.next().is_some(),
        HeaderValueMatch::Absent => values.next().is_none(),
        HeaderValueMatch::Exact(wanted) => values.any(|value| value == wanted.as_str()),
        HeaderValueMatch::Regex(pattern) => values.any(|value| pattern.is_match(&text(value))),
    }
}

impl Route {
    /// A route of `config` that leads to `service`, or where its redirect says.
    pub fn new(
        config: Arc<config::Route>,
        service: Option<Arc<Service>>,
        metrics: Arc<RouteMetrics>,
    ) -> Option<Self> {
        let target = match (&config.action, service) {
            (RouteAction::Redirect(redirect), _) => Target::Redirect(redirect.clone()),
            (RouteAction::Forward { .. }, Some(service)) => Target::Service(service),
            (RouteAction::Forward { .. }, None) => return None,
        };
        Some(Self { config, target, metrics })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::{HeaderEdits, MethodName, Redirect, RouteMatch, RouteTimeouts};
    use crate::model::RouteName;
    use crate::telemetry::Metrics;

    fn route(name: &str, hosts: &[&str], path: PathPattern) -> config::Route {
        let host = |host: &&str| match host.strip_prefix('*') {
            Some(suffix) => HostPattern::Suffix(suffix.into()),
            None => HostPattern::Exact((*host).into()),
        };
        config::Route {
            name: RouteName::new(name).unwrap(),
            matcher: RouteMatch {
                hosts: hosts.iter().map(host).collect(),
                path,
                methods: BTreeSet::new(),
                headers: vec![],
            },
            action: RouteAction::Redirect(Redirect {
                status: 301,
                scheme: None,
                host: None,
                port: None,
                path: None,
            }),
            timeouts: RouteTimeouts::default(),
            headers: HeaderEdits::default(),
            max_request_body_bytes: None,
        }
    }

    fn table(routes: Vec<config::Route>) -> RouteTable {
        let metrics = Metrics::new();
        let routes = routes.into_iter().map(|config| {
            let metrics = metrics.route("", config.name.as_str());
            Arc::new(Route::new(Arc::new(config), None, metrics).unwrap())
        });
        RouteTable::new(routes.collect())
    }

    fn found(table: &RouteTable, method: &str, host: &str, path: &str) -> String {
        let method = method.parse().unwrap();
        let headers = HeaderMap::new();
        let question = Question { host, path, method: &method, headers: &headers };
        table.find(&question).map_or("-".into(), |route| route.config.name.to_string())
    }

    fn prefix(path: &str) -> PathPattern {
        PathPattern::Prefix(path.into())
    }

    #[test]
    fn the_more_particular_path_wins() {
        let pattern = PathPattern::Regex(regex::Regex::new("^/api/v[0-9]+$").unwrap());
        let table = table(vec![
            route("all", &[], prefix("/")),
            route("api", &[], prefix("/api/")),
            route("versions", &[], pattern),
            route("exact", &[], PathPattern::Exact("/api/v1".into())),
        ]);
        let at = |path| found(&table, "GET", "h", path);
        assert_eq!(at("/api/v1"), "exact");
        assert_eq!(at("/api/v2"), "versions");
        assert_eq!(at("/api/v2/x"), "api");
        assert_eq!(at("/api"), "api");
        assert_eq!(at("/apix"), "all");
        assert_eq!(at("/"), "all");
    }

    #[test]
    fn the_more_particular_host_wins_and_falls_back() {
        let table = table(vec![
            route("any", &[], prefix("/")),
            route("wild", &["*.example.com"], prefix("/")),
            route("deep", &["*.eu.example.com"], prefix("/")),
            route("exact", &["a.example.com"], prefix("/only")),
        ]);
        let at = |host, path| found(&table, "GET", host, path);
        assert_eq!(at("a.example.com", "/only/x"), "exact");
        assert_eq!(at("a.example.com", "/"), "wild");
        assert_eq!(at("b.eu.example.com", "/"), "deep");
        assert_eq!(at("example.com", "/"), "any");
        assert_eq!(at("", "/"), "any");
    }

    #[test]
    fn further_conditions_come_before_order() {
        let mut post = route("post", &[], prefix("/"));
        post.matcher.methods.insert(MethodName(Method::POST));
        let table =
            table(vec![route("first", &[], prefix("/")), route("second", &[], prefix("/")), post]);
        assert_eq!(found(&table, "POST", "h", "/x"), "post");
        assert_eq!(found(&table, "GET", "h", "/x"), "first");
    }

    #[test]
    fn headers_are_matched() {
        let rule = |value| HeaderMatch { name: "x-v".parse().unwrap(), value };
        let mut headers = HeaderMap::new();
        headers.append("x-v", "1".parse().unwrap());
        headers.append("x-v", "2".parse().unwrap());
        let fits = |value| header_fits(&rule(value), &headers);
        assert!(fits(HeaderValueMatch::Exact("2".into())));
        assert!(fits(HeaderValueMatch::Regex(regex::Regex::new("^[12]$").unwrap())));
        assert!(fits(HeaderValueMatch::Present));
        assert!(!fits(HeaderValueMatch::Absent));
        assert!(!fits(HeaderValueMatch::Exact("3".into())));
    }
}

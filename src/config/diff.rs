//! What a new configuration changes, and which of it cannot take effect while the process runs.
//!
//! Pure. It compares meaning: a file that only reads differently changes nothing. It never shows
//! header values, which may be secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::types::{
    Config, ConfiguredRule, Listener, Registry, RegistryStore, Route, Server, Service,
};
use crate::model::{Endpoint, ListenerName, RouteName, RuleName, ServiceName, StrategyName};

/// The difference between two configurations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diff {
    pub listeners: Changes<ListenerName>,
    pub strategies: Changes<StrategyName>,
    pub services: Changes<ServiceName>,
    pub routes: Changes<RouteName>,
    /// Routes that are in both stand in another order, which decides between equals.
    pub routes_reordered: bool,
    /// What stays as it was until a restart (a graceful upgrade), one line each.
    pub needs_restart: Vec<String>,
    /// What takes effect at once, one line each.
    pub takes_effect: Vec<String>,
}

/// Names that came, went, or mean something else now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes<N> {
    pub added: Vec<N>,
    pub removed: Vec<N>,
    pub changed: Vec<N>,
}

impl<N> Default for Changes<N> {
    fn default() -> Self {
        Self { added: Vec::new(), removed: Vec::new(), changed: Vec::new() }
    }
}

impl<N> Changes<N> {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl Diff {
    /// Whether the two mean the same.
    pub fn is_empty(&self) -> bool {
        self.needs_restart.is_empty() && self.takes_effect.is_empty()
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.takes_effect {
            writeln!(f, "{line}")?;
        }
        for line in &self.needs_restart {
            writeln!(f, "{line} (needs a restart)")?;
        }
        Ok(())
    }
}

/// Compares what is in effect with what is to be.
pub fn diff(old: &Config, new: &Config) -> Diff {
    let Config {
        server,
        admin,
        log,
        access_log,
        otlp,
        metrics,
        plugins,
        registry,
        health,
        checks,
        alerts,
        listeners,
        strategies,
        services,
        routes,
    } = old;
    let mut diff = Diff::default();
    server_changes(server, &new.server, &mut diff);
    let restart = [
        ("admin.address", admin.address != new.admin.address),
        ("plugins.cache_directory", plugins.cache_directory != new.plugins.cache_directory),
        ("registry.store", registry.store != new.registry.store),
    ];
    diff.needs_restart.extend(changed(restart).map(|key| format!("{key} changed")));
    let limits =
        |registry: &Registry| Registry { store: RegistryStore::Memory, ..registry.clone() };
    let at_once = [
        ("log.level changed", log.level != new.log.level),
        ("log.format changed", log.format != new.log.format),
        ("log.writers changed", log.writers != new.log.writers),
        ("access_log changed", access_log != &new.access_log),
        ("otlp changed", otlp != &new.otlp),
        ("metrics changed", metrics != &new.metrics),
        ("admin.auth changed", admin.auth != new.admin.auth),
        ("admin.limits changed", admin.limits != new.admin.limits),
        ("plugins changed: limits", plugins.limits != new.plugins.limits),
        ("registry changed: limits", limits(registry) != limits(&new.registry)),
        ("health changed", health != &new.health),
        ("alerts changed", alerts.evaluation_interval != new.alerts.evaluation_interval),
    ];
    diff.takes_effect.extend(changed(at_once).map(str::to_owned));
    listener_changes(listeners, &new.listeners, &mut diff);

    let lines = &mut diff.takes_effect;
    diff.strategies = compare("strategy", strategies, &new.strategies, lines, |old, new| {
        let parts = [
            ("plugin", old.source != new.source),
            ("config", old.config_json != new.config_json),
            ("hash_on", old.hash_on != new.hash_on),
            ("limits", old.limits != new.limits),
        ];
        changed(parts).map(str::to_owned).collect()
    });
    compare("alert channel", &alerts.channels, &new.alerts.channels, lines, |_, _| Vec::new());
    compare("check", checks, &new.checks, lines, |_, _| Vec::new());
    let rules = |config: &Config| -> BTreeMap<RuleName, ConfiguredRule> {
        config.alerts.rules.iter().map(|rule| (rule.rule.name.clone(), rule.clone())).collect()
    };
    compare("alert rule", &rules(old), &rules(new), lines, |_, _| vec!["its table".to_owned()]);
    diff.services =
        compare("service", services, &new.services, lines, |old, new| service_parts(old, new));
    let by_name = |routes: &[std::sync::Arc<Route>]| -> BTreeMap<RouteName, std::sync::Arc<Route>> {
        routes.iter().map(|route| (route.name.clone(), route.clone())).collect()
    };
    let (old_routes, new_routes) = (by_name(routes), by_name(&new.routes));
    diff.routes = compare("route", &old_routes, &new_routes, lines, |old, new| {
        let parts = [
            ("match", old.matcher != new.matcher),
            ("action", old.action != new.action),
            ("timeouts", old.timeouts != new.timeouts),
            ("headers", old.headers != new.headers),
            ("max_request_body", old.max_request_body_bytes != new.max_request_body_bytes),
        ];
        changed(parts).map(str::to_owned).collect()
    });
    let in_both = |routes: &[std::sync::Arc<Route>]| -> Vec<RouteName> {
        let names = routes.iter().map(|route| route.name.clone());
        names.filter(|n| old_routes.contains_key(n) && new_routes.contains_key(n)).collect()
    };
    diff.routes_reordered = in_both(routes) != in_both(&new.routes);
    if diff.routes_reordered {
        diff.takes_effect.push("routes changed: their order".to_owned());
    }
    diff
}

fn server_changes(old: &Server, new: &Server, diff: &mut Diff) {
    let Server {
        threads,
        zone,
        region,
        drain_timeout,
        upgrade_socket,
        pid_file,
        upstream_pool_size,
    } = old;
    let restart = [
        ("threads", *threads != new.threads),
        ("drain_timeout", *drain_timeout != new.drain_timeout),
        ("upgrade_socket", *upgrade_socket != new.upgrade_socket),
        ("pid_file", *pid_file != new.pid_file),
        ("upstream_pool_size", *upstream_pool_size != new.upstream_pool_size),
    ];
    diff.needs_restart.extend(changed(restart).map(|key| format!("server.{key} changed")));
    let at_once = [("zone", *zone != new.zone), ("region", *region != new.region)];
    diff.takes_effect.extend(changed(at_once).map(|key| format!("server.{key} changed")));
}

fn listener_changes(old: &[Listener], new: &[Listener], diff: &mut Diff) {
    let by_name = |listeners: &[Listener]| -> BTreeMap<ListenerName, Listener> {
        listeners.iter().map(|listener| (listener.name.clone(), listener.clone())).collect()
    };
    let (old, new) = (by_name(old), by_name(new));
    let mut lines = Vec::new();
    diff.listeners = compare("listener", &old, &new, &mut lines, |_, _| Vec::new());
    diff.needs_restart.extend(lines);
    diff.listeners.changed.clear();
    for (name, old) in &old {
        let Some(new) = new.get(name).filter(|new| *new != old) else { continue };
        diff.listeners.changed.push(name.clone());
        let Listener { name: _, address, h2c, tls, trusted_proxies, limits } = old;
        let files = |listener: &Listener| listener.tls.clone().map(|tls| tls.certificates);
        let h2 = |listener: &Listener| listener.tls.as_ref().map(|tls| tls.h2);
        let restart = [
            ("address", *address != new.address),
            ("h2c", *h2c != new.h2c),
            ("tls", h2(old) != h2(new)),
        ];
        // Certificates are looked up at each handshake, but only where there is TLS at all.
        let both = tls.is_some() && new.tls.is_some();
        let at_once = [
            ("certificates", both && files(old) != files(new)),
            ("trusted_proxies", *trusted_proxies != new.trusted_proxies),
            ("limits", *limits != new.limits),
        ];
        let line = |part| format!("listener {name} changed: {part}");
        diff.needs_restart.extend(changed(restart).map(line));
        diff.takes_effect.extend(changed(at_once).map(line));
    }
}

fn service_parts(old: &Service, new: &Service) -> Vec<String> {
    let Service {
        name: _,
        strategy,
        endpoints,
        registered,
        checks,
        health,
        upstream,
        timeouts,
        headers,
        max_request_body_bytes,
        connect_tries,
    } = old;
    let parts = [
        ("registered", *registered != new.registered),
        ("checks", *checks != new.checks),
        ("health", *health != new.health),
        ("upstream", *upstream != new.upstream),
        ("timeouts", *timeouts != new.timeouts),
        ("headers", *headers != new.headers),
        ("max_request_body", *max_request_body_bytes != new.max_request_body_bytes),
        ("connect_tries", *connect_tries != new.connect_tries),
    ];
    let mut said = Vec::new();
    if *strategy != new.strategy {
        said.push(format!("strategy {strategy} → {}", new.strategy));
    }
    if *endpoints != new.endpoints {
        said.push(format!("endpoints ({})", endpoint_changes(endpoints, &new.endpoints)));
    }
    said.extend(changed(parts).map(str::to_owned));
    said
}

/// Endpoints named in one line at most; of more, only the number is said.
const MAX_NAMED_ENDPOINTS: usize = 8;

/// `+` for one that came, `-` for one that went, `~` for one that changed.
fn endpoint_changes(old: &[Endpoint], new: &[Endpoint]) -> String {
    let by_id = |list| -> BTreeMap<_, _> {
        Iterator::map(list, |e: &Endpoint| (e.id.clone(), e)).collect()
    };
    let (old, new) = (by_id(old.iter()), by_id(new.iter()));
    let ids: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let marks = ids.into_iter().filter_map(|id| match (old.get(id), new.get(id)) {
        (None, _) => Some(format!("+{id}")),
        (_, None) => Some(format!("-{id}")),
        (Some(old), Some(new)) => (old != new).then(|| format!("~{id}")),
    });
    let marks: Vec<String> = marks.collect();
    match marks.len() {
        0 => "another order".to_owned(),
        n if n > MAX_NAMED_ENDPOINTS => format!("{n} of them"),
        _ => marks.join(", "),
    }
}

fn changed<const N: usize>(parts: [(&str, bool); N]) -> impl Iterator<Item = &str> {
    parts.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name)
}

/// Compares two tables of names, and says a line for each difference.
fn compare<N: Ord + Clone + fmt::Display, T: PartialEq>(
    kind: &str,
    old: &BTreeMap<N, T>,
    new: &BTreeMap<N, T>,
    lines: &mut Vec<String>,
    parts: impl Fn(&T, &T) -> Vec<String>,
) -> Changes<N> {
    let mut changes = Changes::default();
    for name in new.keys().filter(|name| !old.contains_key(*name)) {
        lines.push(format!("{kind} {name} added"));
        changes.added.push(name.clone());
    }
    for (name, was) in old {
        match new.get(name) {
            None => {
                lines.push(format!("{kind} {name} removed"));
                changes.removed.push(name.clone());
            }
            Some(is) if is != was => {
                let parts = parts(was, is);
                if !parts.is_empty() {
                    lines.push(format!("{kind} {name} changed: {}", parts.join(", ")));
                }
                changes.changed.push(name.clone());
            }
            Some(_) => {}
        }
    }
    changes
}

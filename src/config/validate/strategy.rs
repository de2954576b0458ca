//! `[strategies]`, and which of them are in use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::HeaderName;

use super::check::Check;
use super::plugins::{Limits, limits};
use crate::config::path::KeyPath;
use crate::config::schema;
use crate::config::types::{HashOn, PluginLimits, PluginSource, Service, Strategy};
use crate::model::{ServiceName, StrategyName};

/// Built-in strategies that send every request to the same place unless they are given a key.
const KEYED: [&str; 3] = ["consistent-hash", "ip-hash", "maglev"];

type Strategies = BTreeMap<StrategyName, Arc<Strategy>>;

pub fn strategies(
    strategies: BTreeMap<String, schema::Strategy>,
    inherited: &PluginLimits,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Strategies {
    let each = strategies.into_iter().filter_map(|(name, written)| {
        let strategy = strategy(&name, written, inherited, &at.key(&name), check)?;
        Some((strategy.name.clone(), Arc::new(strategy)))
    });
    each.collect()
}

fn strategy(
    name: &str,
    strategy: schema::Strategy,
    inherited: &PluginLimits,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Option<Strategy> {
    let schema::Strategy {
        plugin,
        hash_on: written,
        config,
        pick_deadline,
        setup_deadline,
        memory_limit,
        file_limit,
        log_lines_per_second,
        trip_after,
        probe_after,
        probe_after_max,
    } = strategy;
    let name = check.name(at, StrategyName::new(name));
    let built_in = check.around.built_in.strategies;
    let source = source(&plugin, built_in, "strategy", &at.key("plugin"), check);
    let hash_on = match (written, &source) {
        (Some(written), _) => hash_on(written, &at.key("hash_on"), check),
        (None, Some(source)) => Some(default_hash_on(source)),
        (None, None) => None,
    };
    let written = Limits {
        pick_deadline,
        setup_deadline,
        memory_limit,
        file_limit,
        log_lines_per_second,
        trip_after,
        probe_after,
        probe_after_max,
    };
    let limits = limits(written, inherited, at, check);
    let config_json = serde_json::Value::Object(config).to_string();
    Some(Strategy { name: name?, source: source?, config_json, hash_on: hash_on?, limits })
}

/// Where a plugin of some `kind` comes from: one of `built_in`, or a file.
pub fn source(
    plugin: &str,
    built_in: &[&str],
    kind: &str,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Option<PluginSource> {
    if built_in.contains(&plugin) {
        return Some(PluginSource::BuiltIn(plugin.to_owned()));
    }
    if plugin.ends_with(".wasm") {
        return Some(PluginSource::File(check.file(at, plugin)));
    }
    let what = format!("is no built-in {kind}, nor a path ending in `.wasm`");
    check.unknown(at, &what, plugin, built_in.to_vec());
    None
}

fn hash_on(written: schema::HashOn, at: &KeyPath, check: &mut Check<'_>) -> Option<HashOn> {
    let named = |text: String, kind: &str, check: &mut Check<'_>| {
        if text.is_empty() {
            check.wrong(&at.key(kind), "is empty; allowed is a name");
        }
        text
    };
    match written {
        schema::HashOn::SourceIp => Some(HashOn::SourceIp),
        schema::HashOn::Path => Some(HashOn::Path),
        schema::HashOn::Cookie(name) => Some(HashOn::Cookie(named(name, "cookie", check))),
        schema::HashOn::Query(name) => Some(HashOn::Query(named(name, "query", check))),
        schema::HashOn::Header(name) => match HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) => Some(HashOn::Header(name)),
            Err(_) => {
                check.wrong(&at.key("header"), "is no header name");
                None
            }
        },
    }
}

fn default_hash_on(source: &PluginSource) -> HashOn {
    match source {
        PluginSource::BuiltIn(name) if KEYED.contains(&name.as_str()) => HashOn::SourceIp,
        _ => HashOn::None,
    }
}

/// All that are `declared` (the API may be asked to pick by one that no service uses), and the built-in ones
/// that services name directly.
pub fn used(
    declared: Strategies,
    services: &BTreeMap<ServiceName, Arc<Service>>,
    inherited: &PluginLimits,
    check: &mut Check<'_>,
) -> Strategies {
    let named: BTreeSet<_> = services.values().map(|service| &service.strategy).collect();
    for name in declared.keys().filter(|name| !named.contains(name)) {
        let at = KeyPath::root("strategies").key(name.as_str());
        check.doubt(&at, "is used by no service");
    }
    let mut all = declared.clone();
    for name in named.into_iter().filter(|name| !declared.contains_key(*name)) {
        // A name that is neither was reported where the service was checked.
        let strategy = direct(name, inherited, check).map(Arc::new);
        all.extend(strategy.map(|strategy| (name.clone(), strategy)));
    }
    all
}

fn direct(name: &StrategyName, limits: &PluginLimits, check: &Check<'_>) -> Option<Strategy> {
    let source = PluginSource::BuiltIn(name.as_str().to_owned());
    check.around.built_in.strategies.contains(&name.as_str()).then(|| Strategy {
        name: name.clone(),
        hash_on: default_hash_on(&source),
        source,
        config_json: "{}".to_owned(),
        limits: *limits,
    })
}

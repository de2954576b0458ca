//! `[registry]`, and which registered instances a service takes.

use std::path::PathBuf;
use std::time::Duration;

use semver::VersionReq;

use super::check::{Check, DAY, HOUR};
use crate::config::path::KeyPath;
use crate::config::schema;
use crate::config::types::{Registered, Registry, RegistryStore};
use crate::model::{Namespace, ServiceName, Tag};

pub fn registry(
    registry: schema::Registry,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Option<Registry> {
    let schema::Registry {
        store,
        ttl_grace,
        self_preservation_percent,
        self_preservation_least,
        self_preservation_limit,
        drain_timeout,
        max_services,
        max_instances,
        max_events,
        max_audit_records,
        max_subscriptions,
    } = registry;
    let store = match store {
        Some(schema::RegistryStore::Memory) => RegistryStore::Memory,
        Some(schema::RegistryStore::File(path)) => {
            RegistryStore::Sqlite(check.path(&at.key("store").key("file"), &path))
        }
        None => RegistryStore::Sqlite(default_store(check.around.variable)),
    };
    let mut number = |key, number, min, max| check.number(&at.key(key), number, min, max);
    Some(Registry {
        store,
        self_preservation_percent: number(
            "self_preservation_percent",
            self_preservation_percent,
            1,
            100,
        ),
        self_preservation_least: number(
            "self_preservation_least",
            self_preservation_least,
            1,
            1_000_000,
        ),
        max_services: number("max_services", max_services, 1, 10_000_000) as usize,
        max_instances: number("max_instances", max_instances, 1, 10_000_000) as usize,
        max_events: number("max_events", max_events, 100, 1_000_000) as usize,
        max_audit_records: number("max_audit_records", max_audit_records, 100, 100_000_000).into(),
        max_subscriptions: number("max_subscriptions", max_subscriptions, 0, 100_000) as usize,
        ttl_grace: check.time(&at.key("ttl_grace"), ttl_grace, Duration::from_secs(1), DAY),
        self_preservation_limit: check.time(
            &at.key("self_preservation_limit"),
            self_preservation_limit,
            Duration::from_secs(1),
            DAY,
        ),
        drain_timeout: check.time(&at.key("drain_timeout"), drain_timeout, Duration::ZERO, HOUR),
    })
}

/// As systemd and the XDG base directories say; for a user without a home, where services keep theirs.
fn default_store(variable: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    let set = |name| variable(name).filter(|value| value.starts_with('/')).map(PathBuf::from);
    // systemd may name several directories, separated by colons.
    let given = set("STATE_DIRECTORY").filter(|path| !path.to_string_lossy().contains(':'));
    let directory = given
        .or_else(|| set("XDG_STATE_HOME").map(|state| state.join("proconsul")))
        .or_else(|| set("HOME").map(|home| home.join(".local/state/proconsul")));
    directory.unwrap_or_else(|| PathBuf::from("/var/lib/proconsul")).join("registry.db")
}

pub fn registered(
    registered: schema::Registered,
    own: &ServiceName,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Option<Registered> {
    let schema::Registered { enabled, namespace, service, version, tags } = registered;
    let namespace = check.name(&at.key("namespace"), Namespace::new(&namespace));
    let service = match service {
        Some(service) => check.name(&at.key("service"), ServiceName::new(&service)),
        None => Some(own.clone()),
    };
    let version = version.and_then(|text| match VersionReq::parse(&text) {
        Ok(version) => Some(version),
        Err(error) => {
            let allowed = "a requirement such as `^1.2`, `>=1, <2`, `=1.4.2`";
            let what = format!("is no version requirement ({error})");
            check.refuse(&at.key("version"), &what, allowed);
            None
        }
    });
    let tags = tags.iter().enumerate().filter_map(|(i, tag)| {
        let at = at.key("tags").index(i);
        check.name(&at, Tag::new(tag))
    });
    let tags = tags.collect();
    Some(Registered { enabled, namespace: namespace?, service: service?, version, tags })
}

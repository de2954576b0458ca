//! `config/proconsul.toml` against the JSON Schema: every key is in it, with its true default.

use std::fs;

use proconsul::config::json_schema;
use serde_json::{Map, Value};

use super::load_case;

const FILES: [&str; 6] =
    ["tls/site.pem", "tls/site.key", "tls/ca.pem", "tls/client.pem", "tls/client.key", "keys.json"];

#[test]
fn the_reference_loads_as_it_is_and_with_every_comment_taken_away() {
    let directory = tempfile::tempdir().unwrap();
    for sub in ["tls", "conf.d"] {
        fs::create_dir(directory.path().join(sub)).unwrap();
    }
    FILES.iter().for_each(|file| fs::write(directory.path().join(file), "").unwrap());
    for (name, text) in [("live.toml", reference()), ("full.toml", uncommented())] {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        let loaded = load_case(&path).unwrap_or_else(|refused| panic!("{name}: {refused}"));
        let sticky = "strategies.sticky: is used by no service";
        let doubts: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        assert!(doubts.iter().all(|doubt| doubt.ends_with(sticky)), "{doubts:?}");
    }
}

#[test]
fn the_reference_has_every_key_with_its_default() {
    let schema = json_schema();
    let live = parsed(&reference());
    let full = parsed(&uncommented());
    let mut missing = Vec::new();
    walk(&schema, &schema, "", &[&live], &[&full], &mut missing);
    assert!(missing.is_empty(), "config/proconsul.toml lags:\n{}", missing.join("\n"));
}

/// Compares one object of the schema with every table of the reference that it describes.
fn walk(
    schema: &Value,
    object: &Value,
    path: &str,
    live: &[&Value],
    full: &[&Value],
    missing: &mut Vec<String>,
) {
    let Some(properties) = object["properties"].as_object() else { return };
    for (key, property) in properties {
        let path = format!("{path}{key}");
        let written: Vec<&Value> = full.iter().filter_map(|table| table.get(key)).collect();
        let written_live: Vec<&Value> = live.iter().filter_map(|table| table.get(key)).collect();
        if written.is_empty() {
            missing.push(format!("{path}: is not there"));
        }
        if property.get("description").is_none() {
            missing.push(format!("{path}: the schema has no description"));
        }
        if let Some(default) = property.get("default").filter(|default| !is_empty(default)) {
            if !written.contains(&default) {
                missing.push(format!("{path}: never has its default, {default}"));
            }
            for other in written_live.iter().filter(|value| **value != default) {
                missing.push(format!("{path}: is {other}, and its default {default}"));
            }
        }
        let (below, live, full) = match kind(schema, property) {
            Kind::Leaf => continue,
            Kind::Table(below) => (below, written_live, written),
            Kind::Named(below) => (below, members(&written_live), members(&written)),
            Kind::List(below) => (below, items(&written_live), items(&written)),
        };
        walk(schema, below, &format!("{path}."), &live, &full, missing);
    }
}

enum Kind<'s> {
    Leaf,
    Table(&'s Value),
    /// A table of tables by name.
    Named(&'s Value),
    List(&'s Value),
}

fn kind<'s>(schema: &'s Value, property: &'s Value) -> Kind<'s> {
    let resolved = resolve(schema, property);
    let describes_tables = |value: &&Value| value.get("properties").is_some();
    let below =
        |key| resolved.get(key).map(|value| resolve(schema, value)).filter(describes_tables);
    match (below("additionalProperties"), below("items")) {
        (Some(named), _) => Kind::Named(named),
        (_, Some(item)) => Kind::List(item),
        _ if describes_tables(&resolved) => Kind::Table(resolved),
        _ => Kind::Leaf,
    }
}

fn resolve<'s>(schema: &'s Value, value: &'s Value) -> &'s Value {
    match value["$ref"].as_str() {
        Some(reference) => schema.pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

fn members<'v>(tables: &[&'v Value]) -> Vec<&'v Value> {
    tables.iter().filter_map(|table| table.as_object()).flat_map(Map::values).collect()
}

fn items<'v>(lists: &[&'v Value]) -> Vec<&'v Value> {
    lists.iter().filter_map(|list| list.as_array()).flatten().collect()
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty)
}

fn parsed(text: &str) -> Value {
    toml::from_str(text).unwrap()
}

fn reference() -> String {
    fs::read_to_string("config/proconsul.toml").unwrap()
}

/// With `#key = ..` and `#[table]` brought to life; prose has a space after its `#`.
fn uncommented() -> String {
    let text = reference();
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

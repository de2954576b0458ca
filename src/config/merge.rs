//! Fragments into the main file: tables of names are united, routes put one after the other.
//!
//! A name that is there twice is a mistake, never an override: which file wins is not something
//! to remember at night.

use std::collections::btree_map::Entry;

use super::path::KeyPath;
use super::problem::{Problem, Problems};
use super::schema::FRAGMENT_KEYS;
use super::suggest::nearest;
use super::tree::{Node, Value};

/// Merges fragments into `main`, in order.
pub fn merge(main: &mut Node, fragments: Vec<Node>, problems: &mut Problems) {
    let Value::Table(main) = &mut main.value else { return };
    for fragment in fragments {
        let Value::Table(sections) = fragment.value else { continue };
        for (key, section) in sections {
            if !FRAGMENT_KEYS.contains(&key.as_str()) {
                let what = format!("`{key}` cannot stand in a fragment");
                let problem = Problem::new(section.place, key.clone(), what);
                let problem = problem.suggest(nearest(&key, FRAGMENT_KEYS));
                problems.push(problem.allowed(FRAGMENT_KEYS.join(", ")));
                continue;
            }
            match main.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(section);
                }
                Entry::Occupied(mut entry) => {
                    let path = KeyPath::root(entry.key());
                    unite(entry.get_mut(), section, &path, problems);
                }
            }
        }
    }
}

fn unite(into: &mut Node, from: Node, path: &KeyPath, problems: &mut Problems) {
    match (&mut into.value, from.value) {
        (Value::Array(into), Value::Array(from)) => into.extend(from),
        (Value::Table(into), Value::Table(from)) => {
            for (name, node) in from {
                match into.entry(name) {
                    Entry::Vacant(entry) => {
                        entry.insert(node);
                    }
                    Entry::Occupied(entry) => {
                        let path = path.key(entry.key()).to_string();
                        let what = format!("is already defined at {}", entry.get().place);
                        problems.push(Problem::new(node.place, path, what));
                    }
                }
            }
        }
        // One of the two has the wrong type: decoding reports it where it is the main file's, and
        // must see it where it is not.
        (Value::Array(_) | Value::Table(_), value) => {
            into.value = value;
            into.place = from.place;
        }
        _ => {}
    }
}

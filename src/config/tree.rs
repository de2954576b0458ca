//! A configuration as a tree of values that remember where they stand: what the files hold, before
//! it is known whether any of it makes sense.
//!
//! A value that cannot be used is *pruned*: it stays in the tree, so that nobody mistakes it for
//! one that was never written, but decoding no longer sees it.

use std::collections::BTreeMap;

use super::path::{KeyPath, Step};
use super::problem::{Place, Problem};

/// Characters of a value that are shown in a message.
const SHOWN_CHARACTERS: usize = 60;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Node {
    /// Of the key in a table, of the value in an array.
    pub place: Place,
    /// The position in the array of its own file; 0 elsewhere.
    pub ordinal: usize,
    pub value: Value,
    pub pruned: Option<Pruned>,
}

/// Why decoding does not see a value.
#[derive(Debug, Clone)]
pub struct Pruned {
    /// The key that was probably meant, where this one is unknown.
    pub meant: Option<String>,
}

#[derive(Debug, Clone)]
pub enum Value {
    /// `written` is the text of the file where substitution changed it: what a message may show.
    String {
        text: String,
        written: Option<String>,
    },
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime(String),
    Array(Vec<Node>),
    Table(BTreeMap<String, Node>),
    /// Stands in for a required key that is missing, once that is reported: as an empty text, so
    /// that the rest of its table is checked all the same. Nothing more is said of it.
    Missing,
}

/// What a path leads to.
pub struct Located<'t> {
    /// The value's place, or its closest ancestor's where the value is missing.
    pub place: Place,
    /// The path as the operator counts: array positions include pruned entries.
    pub path: String,
    pub node: Option<&'t Node>,
}

impl Node {
    /// A value that decoding sees.
    pub fn new(place: Place, ordinal: usize, value: Value) -> Self {
        Self { place, ordinal, value, pruned: None }
    }

    /// The value as a message shows it: never a secret, never long.
    pub fn shown(&self) -> String {
        match &self.value {
            Value::String { text, written } => {
                let text = written.as_ref().unwrap_or(text);
                let mut shown: String = text.chars().take(SHOWN_CHARACTERS).collect();
                if shown.len() < text.len() {
                    shown.push('…');
                }
                format!("{shown:?}")
            }
            Value::Integer(value) => value.to_string(),
            Value::Float(value) => value.to_string(),
            Value::Boolean(value) => value.to_string(),
            Value::Datetime(value) => value.clone(),
            Value::Array(_) => "an array".to_owned(),
            Value::Table(_) => "a table".to_owned(),
            Value::Missing => "nothing".to_owned(),
        }
    }

    /// What a path leads to, seen from the root.
    pub fn locate(&self, path: &KeyPath) -> Located<'_> {
        let (mut node, mut place, mut shown) = (Some(self), self.place.clone(), KeyPath::default());
        for step in &path.0 {
            node = node.and_then(|node| node.child(step));
            shown = match (step, node) {
                (Step::Key(key), _) => shown.key(key),
                (Step::Index(_), Some(node)) => shown.index(node.ordinal),
                (Step::Index(index), None) => shown.index(*index),
            };
            if let Some(node) = node {
                place = node.place.clone();
            }
        }
        Located { place, path: shown.to_string(), node }
    }

    /// A problem at a path; `what` follows the value found there.
    pub fn problem(&self, path: &KeyPath, what: &str) -> Problem {
        let Located { place, path, node } = self.locate(path);
        match node {
            Some(node) => Problem::new(place, path, format!("{} {what}", node.shown())),
            None => Problem::new(place, path, what),
        }
    }

    /// Hides what stands at a path from decoding. `false` if there is nothing, or the path is empty.
    pub fn prune(&mut self, path: &KeyPath, meant: Option<String>) -> bool {
        let Some(node) = self.find_mut(path) else { return false };
        let fresh = node.pruned.is_none() && !path.0.is_empty();
        if fresh {
            node.pruned = Some(Pruned { meant });
        }
        fresh
    }

    /// Puts [`Value::Missing`] where a table lacks a key. `false` if it is no table, or has it.
    pub fn fill(&mut self, path: &KeyPath, key: &str) -> bool {
        let Some(Node { value: Value::Table(entries), place, .. }) = self.find_mut(path) else {
            return false;
        };
        let lacking = entries.get(key).is_none_or(|node| node.pruned.is_some());
        if lacking {
            entries.insert(key.to_owned(), Node::new(place.clone(), 0, Value::Missing));
        }
        lacking
    }

    /// Whether a path leads to [`Value::Missing`].
    pub fn is_missing(&self, path: &KeyPath) -> bool {
        matches!(self.locate(path).node, Some(Node { value: Value::Missing, .. }))
    }

    /// Whether one of these keys was written, if only misspelt or with a value that will not do:
    /// to be told besides that it is missing would help nobody.
    pub fn attempted(&self, path: &KeyPath, keys: &[&str]) -> bool {
        let Some(Node { value: Value::Table(entries), .. }) = self.locate(path).node else {
            return false;
        };
        entries.iter().any(|(key, node)| match &node.pruned {
            None => false,
            Some(Pruned { meant: Some(meant) }) => keys.contains(&meant.as_str()),
            Some(Pruned { meant: None }) => keys.contains(&key.as_str()),
        })
    }

    /// Whether something at a path, or directly in it, was pruned.
    pub fn pruned_within(&self, path: &KeyPath) -> bool {
        self.locate(path).node.is_some_and(|node| {
            node.pruned.is_some()
                || match &node.value {
                    Value::Array(items) => items.iter().any(|item| item.pruned.is_some()),
                    Value::Table(entries) => entries.values().any(|entry| entry.pruned.is_some()),
                    _ => false,
                }
        })
    }

    /// Whether a value's text came from outside the file.
    pub fn substituted(&self, path: &KeyPath) -> bool {
        matches!(
            self.locate(path).node,
            Some(Node { value: Value::String { written: Some(_), .. }, .. })
        )
    }

    /// The keys of a table, pruned ones as well.
    pub fn keys(&self, path: &KeyPath) -> Vec<&str> {
        match self.locate(path).node {
            Some(Node { value: Value::Table(entries), .. }) => {
                entries.keys().map(String::as_str).collect()
            }
            _ => Vec::new(),
        }
    }

    fn find_mut(&mut self, path: &KeyPath) -> Option<&mut Node> {
        path.0.iter().try_fold(self, |node, step| node.child_mut(step))
    }

    fn child(&self, step: &Step) -> Option<&Node> {
        match (&self.value, step) {
            (Value::Table(entries), Step::Key(key)) => entries.get(key),
            (Value::Array(items), Step::Index(index)) => {
                items.iter().filter(|node| node.pruned.is_none()).nth(*index)
            }
            _ => None,
        }
    }

    fn child_mut(&mut self, step: &Step) -> Option<&mut Node> {
        match (&mut self.value, step) {
            (Value::Table(entries), Step::Key(key)) => entries.get_mut(key),
            (Value::Array(items), Step::Index(index)) => {
                items.iter_mut().filter(|node| node.pruned.is_none()).nth(*index)
            }
            _ => None,
        }
    }
}

//! Tree to schema. One error does not hide the next: what will not decode is reported and pruned,
//! what is missing is reported and filled in, and decoding begins again, until all is said.

use serde::Deserialize;

use super::de::Kind;
use super::path::{KeyPath, Step};
use super::problem::{Problem, Problems};
use super::schema::File;
use super::suggest::nearest;
use super::tree::{Located, Node, Value};

/// Decodes what can be, and prunes the rest. `None` if there were too many problems to go on.
pub fn decode(tree: &mut Node, problems: &mut Problems) -> Option<File> {
    // Each round prunes or fills in something, so this ends; `MAX_PROBLEMS` bounds the rounds, as
    // one without a report follows from an earlier one.
    while !problems.is_full() {
        match File::deserialize(&*tree) {
            Ok(file) => return Some(file),
            Err(error) => {
                let (path, kind) = error.into_parts();
                if !refuse(tree, path, kind, problems) {
                    return None;
                }
            }
        }
    }
    None
}

fn refuse(tree: &mut Node, path: KeyPath, kind: Kind, problems: &mut Problems) -> bool {
    let mut meant = None;
    match kind {
        Kind::UnknownKey { allowed } => {
            let key = last_key(&path);
            let Located { place, path, .. } = tree.locate(&path);
            meant = nearest(&key, allowed.iter().copied()).map(str::to_owned);
            let problem = Problem::new(place, path, format!("unknown key `{key}`"));
            problems.push(problem.suggest(meant.clone()).allowed(sorted(allowed)));
        }
        Kind::MissingKey(key) => {
            if !tree.attempted(&path, &[key]) {
                let Located { place, path, .. } = tree.locate(&path);
                problems.push(Problem::new(place, path, format!("the key `{key}` is missing")));
            }
            return tree.fill(&path, key);
        }
        // No empty text, then: the table cannot be decoded without its key.
        _ if tree.is_missing(&path) => return tree.prune(&path.parent(), None),
        // `{ headr = ".." }`: what is left once its unknown key is gone says nothing new.
        Kind::UnknownVariant { .. } if tree.pruned_within(&path) => {}
        Kind::UnknownVariant { allowed } => {
            let problem = tree.problem(&path, "will not do");
            let names = allowed.join(", ");
            let allowed_text = match tree.locate(&path).node.map(|node| &node.value) {
                Some(Value::Table(_)) => format!("exactly one of {names}"),
                _ => names,
            };
            let found = tree.locate(&path).node.map(Node::shown).unwrap_or_default();
            let suggestion = nearest(found.trim_matches('"'), allowed.iter().copied());
            problems.push(problem.suggest(suggestion).allowed(allowed_text));
        }
        Kind::Unexpected { expected } => {
            problems.push(tree.problem(&path, "will not do").allowed(in_toml_words(&expected)));
        }
        Kind::Other(what) => problems.push(tree.problem(&path, &what)),
    }
    tree.prune(&path, meant)
}

fn last_key(path: &KeyPath) -> String {
    match path.0.last() {
        Some(Step::Key(key)) => key.clone(),
        _ => String::new(),
    }
}

fn sorted(names: &[&str]) -> String {
    let mut names = names.to_vec();
    names.sort_unstable();
    names.join(", ")
}

/// Serde names Rust's types; an operator knows TOML's.
fn in_toml_words(expected: &str) -> String {
    let words = match expected {
        "a string" | "string" => "a text in quotes",
        "a boolean" => "true, false",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0",
        "i64" => "a whole number",
        "newtype variant" => "a table with this as its key, such as { cookie = \"session\" }",
        "a sequence" => "an array",
        "a map" => "a table",
        _ if expected.starts_with("struct ") => "a table",
        _ => expected,
    };
    words.to_owned()
}

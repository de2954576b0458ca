//! `include`: which fragments belong to a configuration.

use std::path::PathBuf;

use super::path::KeyPath;
use super::problem::Problems;
use super::tree::{Node, Value};

/// Where fragments are, relative to the configuration file's directory.
pub struct Include {
    pub directory: PathBuf,
    /// For the file name; `*` is any text.
    pub pattern: String,
    /// Whether the directory must exist: it was asked for.
    pub required: bool,
    /// Where it was asked for.
    pub at: KeyPath,
}

/// What a file includes; `conf.d/*.toml`, if it is there, where it does not say.
pub fn of(main: &Node, problems: &mut Problems) -> Option<Include> {
    let at = KeyPath::root("include");
    let (text, required) = match main.locate(&at).node.map(|node| &node.value) {
        None => ("conf.d/*.toml", false),
        Some(Value::String { text, .. }) => (text.as_str(), true),
        // Decoding will say that it is no text.
        Some(_) => return None,
    };
    if text.is_empty() {
        return None;
    }
    let (directory, pattern) = text.rsplit_once('/').unwrap_or((".", text));
    if directory.contains('*') || pattern.is_empty() || text.contains("${") {
        let allowed = "a path with `*` in the file name only, such as `conf.d/*.toml`";
        problems.push(main.problem(&at, "will not do").allowed(allowed));
        return None;
    }
    let directory = if directory.is_empty() { "/" } else { directory };
    Some(Include { directory: directory.into(), pattern: pattern.to_owned(), required, at })
}

/// Whether a file name matches. Hidden files never do: editors and Kubernetes keep theirs there.
pub fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') {
        return false;
    }
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(found) => rest = &rest[found + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text_and_hidden_files_are_hidden() {
        for (pattern, name, expected) in [
            ("*.toml", "a.toml", true),
            ("*.toml", ".a.toml", false),
            ("*.toml", "a.toml~", false),
            ("a.toml", "a.toml", true),
            ("a.toml", "ba.toml", false),
            ("a*b*.toml", "a-x-b.toml", true),
            ("a*b*.toml", "a.toml", false),
            ("a*a", "a", false),
            ("*", "anything", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}

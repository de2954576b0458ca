//! Secrets and other facts from outside the file: `${NAME}`, `${NAME:-default}`, `${file:/path}`
//! in any string value, and `$$` for a dollar sign before a brace. Another `$` stands for itself.
//!
//! Does no IO: what is outside comes through [`Outside`]. What was substituted is never shown.

use super::path::KeyPath;
use super::problem::Problem;
use super::problem::Problems;
use super::tree::{Node, Value};

/// Bytes that one string may have after substitution.
pub const MAX_STRING_BYTES: usize = 1 << 20;

/// Where substituted text comes from.
pub trait Outside {
    /// An environment variable.
    fn variable(&self, name: &str) -> Option<String>;
    /// A file's text; the error says why there is none.
    fn file(&mut self, path: &str) -> Result<String, String>;
}

/// Substitutes in every string of a tree.
pub fn substitute(tree: &mut Node, outside: &mut dyn Outside, problems: &mut Problems) {
    walk(tree, &KeyPath::default(), outside, problems);
}

fn walk(node: &mut Node, path: &KeyPath, outside: &mut dyn Outside, problems: &mut Problems) {
    match &mut node.value {
        Value::Table(entries) => {
            for (key, child) in entries {
                walk(child, &path.key(key), outside, problems);
            }
        }
        Value::Array(items) => {
            for child in items {
                walk(child, &path.index(child.ordinal), outside, problems);
            }
        }
        Value::String { text, written } if text.contains('$') => match expand(text, outside) {
            Ok(expanded) if expanded == *text => {}
            Ok(expanded) => *written = Some(std::mem::replace(text, expanded)),
            Err(what) => {
                problems.push(Problem::new(node.place.clone(), path.to_string(), what));
                node.pruned = Some(super::tree::Pruned { meant: None });
            }
        },
        _ => {}
    }
}

fn expand(text: &str, outside: &mut dyn Outside) -> Result<String, String> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let Some((inside, after)) = after.split_once('}') else {
                return Err("has a `${` without its `}`; write `$${` for the text itself".into());
            };
            out.push_str(&resolve(inside, outside)?);
            rest = after;
        } else {
            out.push('$');
        }
        if out.len() > MAX_STRING_BYTES {
            return Err(format!("has more than {MAX_STRING_BYTES} bytes after substitution"));
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn resolve(inside: &str, outside: &mut dyn Outside) -> Result<String, String> {
    if let Some(path) = inside.strip_prefix("file:") {
        let text = outside.file(path)?;
        let trimmed = text.strip_suffix('\n').unwrap_or(&text);
        return Ok(trimmed.strip_suffix('\r').unwrap_or(trimmed).to_owned());
    }
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(allowed) || name.starts_with(|c: char| c.is_numeric()) {
        return Err(format!(
            "`${{{inside}}}` is no substitution (allowed: `${{NAME}}`, `${{NAME:-default}}`, \
             `${{file:/path}}`; `$${{` for the text itself)"
        ));
    }
    match (outside.variable(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(format!("the environment variable `{name}` is not set")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Outside for Fixed {
        fn variable(&self, name: &str) -> Option<String> {
            match name {
                "KEY" => Some("s3cret".to_owned()),
                "EMPTY" => Some(String::new()),
                _ => None,
            }
        }

        fn file(&mut self, path: &str) -> Result<String, String> {
            match path {
                "/run/key" => Ok("from file\n".to_owned()),
                _ => Err("cannot read".to_owned()),
            }
        }
    }

    #[test]
    fn each_form_expands() {
        for (text, expected) in [
            ("Bearer ${KEY}", Ok("Bearer s3cret")),
            ("${NONE:-a b}", Ok("a b")),
            ("${EMPTY:-x}${EMPTY}", Ok("x")),
            ("${file:/run/key}!", Ok("from file!")),
            ("$${KEY}, $1, $$, /x$", Ok("${KEY}, $1, $, /x$")),
            ("${NONE}", Err("the environment variable `NONE` is not set")),
            ("${KEY", Err("has a `${` without its `}`; write `$${` for the text itself")),
            ("${file:/no}", Err("cannot read")),
        ] {
            let expanded = expand(text, &mut Fixed);
            assert_eq!(expanded.as_deref().map_err(String::as_str), expected, "{text}");
        }
        assert!(expand("${1}", &mut Fixed).is_err_and(|e| e.contains("no substitution")));
    }
}

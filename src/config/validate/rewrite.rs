//! `rewrite` of a route: what the service sees as the path.

use regex::Regex;

use super::check::Check;
use super::matcher::starts_with_slash;
use crate::config::path::KeyPath;
use crate::config::schema;
use crate::config::types::{PathPattern, Rewrite};

/// Checks a route's rewrite; `matched` is the route's own path, where that is good.
pub fn rewrite(
    rewrite: schema::Rewrite,
    matched: Option<&PathPattern>,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Option<Rewrite> {
    let schema::Rewrite { path, prefix, regex, replacement } = rewrite;
    match (path, prefix, regex, replacement) {
        (Some(path), None, None, None) => {
            starts_with_slash(&path, &at.key("path"), check).then_some(Rewrite::Path(path))
        }
        (None, Some(prefix), None, None) => {
            if !matches!(matched, None | Some(PathPattern::Prefix(_))) {
                check.lacks(&at.key("prefix"), "needs a route with `path_prefix`");
            }
            starts_with_slash(&prefix, &at.key("prefix"), check).then_some(Rewrite::Prefix(prefix))
        }
        (None, None, Some(pattern), Some(replacement)) => {
            let pattern = check.regex(&at.key("regex"), &pattern, false)?;
            if !groups(&replacement).iter().all(|group| has_group(&pattern, group)) {
                let what = "names a group that `regex` does not have; after `$`, letters, digits \
                            and `_` belong to the name";
                check.wrong(&at.key("replacement"), what);
            }
            Some(Rewrite::Regex { pattern, replacement })
        }
        _ => {
            if !check.tree.attempted(at, &["path", "prefix", "regex", "replacement"]) {
                let what = "needs `path`, or `prefix`, or `regex` with `replacement`: exactly one";
                check.lacks(at, what);
            }
            None
        }
    }
}

/// The groups that a replacement names, as the `regex` crate reads it: `$name`, `${name}`, and `$$`
/// for a dollar sign. One that does not exist would silently become nothing.
fn groups(replacement: &str) -> Vec<&str> {
    let (mut groups, mut rest) = (Vec::new(), replacement);
    while let Some(dollar) = rest.find('$') {
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('{').and_then(|r| r.split_once('}')) {
            groups.push(name);
            rest = after;
        } else {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
            groups.extend((!name.is_empty()).then_some(name));
            rest = after;
        }
    }
    groups
}

fn has_group(pattern: &Regex, group: &str) -> bool {
    match group.parse::<usize>() {
        Ok(number) => number < pattern.captures_len(),
        Err(_) => pattern.capture_names().flatten().any(|name| name == group),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_names_its_groups_as_the_regex_crate_reads_them() {
        for (replacement, expected) in [
            ("/x", vec![]),
            ("/$1/${2}/$name", vec!["1", "2", "name"]),
            ("$1_x", vec!["1_x"]),
            ("$$1 $ /", vec![]),
            ("${1", vec![]),
        ] {
            assert_eq!(groups(replacement), expected, "{replacement}");
        }
    }
}

//! What an upstream sees as the path. The query is kept.

use crate::config::{PathPattern, Rewrite};

/// The new path and query; `None` when nothing changes.
pub(super) fn rewrite(
    rewrite: &Rewrite,
    pattern: &PathPattern,
    path: &str,
    query: Option<&str>,
) -> Option<String> {
    let mut new = match (rewrite, pattern) {
        (Rewrite::None, _) => return None,
        (Rewrite::Path(whole), _) => whole.clone(),
        (Rewrite::Prefix(with), PathPattern::Prefix(prefix)) => {
            let rest = path.strip_prefix(prefix.trim_end_matches('/')).unwrap_or(path);
            let rest = rest.trim_start_matches('/');
            match with.trim_end_matches('/') {
                with if rest.is_empty() && !path.ends_with('/') && !with.is_empty() => {
                    with.to_owned()
                }
                with => format!("{with}/{rest}"),
            }
        }
        (Rewrite::Prefix(with), _) => with.clone(),
        (Rewrite::Regex { pattern, replacement }, _) => {
            pattern.replace_all(path, replacement).into_owned()
        }
    };
    if !new.starts_with('/') {
        new.insert(0, '/');
    }
    if let Some(query) = query {
        // A replacement may bring a query of its own.
        new.push(if new.contains('?') { '&' } else { '?' });
        new.push_str(query);
    }
    Some(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_prefix(prefix: &str, with: &str, path: &str) -> String {
        let pattern = PathPattern::Prefix(prefix.into());
        rewrite(&Rewrite::Prefix(with.into()), &pattern, path, None).unwrap()
    }

    #[test]
    fn a_prefix_is_exchanged_at_a_segment_border() {
        assert_eq!(by_prefix("/api", "/", "/api/users"), "/users");
        assert_eq!(by_prefix("/api", "/", "/api"), "/");
        assert_eq!(by_prefix("/api/", "/v1", "/api/users"), "/v1/users");
        assert_eq!(by_prefix("/api", "/v1", "/api"), "/v1");
        assert_eq!(by_prefix("/api", "/v1", "/api/"), "/v1/");
        assert_eq!(by_prefix("/", "/v1/", "/x"), "/v1/x");
    }

    #[test]
    fn a_pattern_may_name_its_groups_and_the_query_stays() {
        let rule = Rewrite::Regex {
            pattern: regex::Regex::new("^/u/([0-9]+)").unwrap(),
            replacement: "/users/$1".into(),
        };
        let pattern = PathPattern::Prefix("/".into());
        let new = rewrite(&rule, &pattern, "/u/7/x", Some("a=b"));
        assert_eq!(new.as_deref(), Some("/users/7/x?a=b"));
    }

    #[test]
    fn a_query_joins_the_replacements_own() {
        let rule = Rewrite::Path("/users?id=7".into());
        let new = |query| rewrite(&rule, &PathPattern::Exact("/u".into()), "/u", query);
        assert_eq!(new(Some("a=b")).as_deref(), Some("/users?id=7&a=b"));
        assert_eq!(new(None).as_deref(), Some("/users?id=7"));
    }
}

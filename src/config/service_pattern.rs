//! Which services somebody may touch, as it is written in tokens.

use super::types::ServicePattern;

/// Where a pattern is that names no namespace.
const DEFAULT_NAMESPACE: &str = "default";

impl ServicePattern {
    /// Reads `web`, `web-*`, `team-a/*`, `shop/web-*`; a `*` stands at the end of a part only.
    pub fn parse(text: &str) -> Option<Self> {
        let (namespace, name) = text.split_once('/').unwrap_or((DEFAULT_NAMESPACE, text));
        let part = |part: &str| {
            let stem = part.strip_suffix('*').unwrap_or(part);
            !part.is_empty() && !stem.contains('*')
        };
        (part(namespace) && part(name))
            .then(|| Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// Whether it means this service.
    pub fn matches(&self, namespace: &str, name: &str) -> bool {
        fits(&self.namespace, namespace) && fits(&self.name, name)
    }
}

fn fits(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(stem) => text.starts_with(stem),
        None => pattern == text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_ends_a_part() {
        let cases = [
            ("web", "default/web", true),
            ("web", "default/web-2", false),
            ("web", "shop/web", false),
            ("web-*", "default/web-2", true),
            ("shop/*", "shop/anything", true),
            ("shop/*", "shops/anything", false),
            ("*/web", "shop/web", true),
            ("*", "default/any", true),
            ("*", "shop/any", false),
        ];
        for (pattern, service, fits) in cases {
            let (namespace, name) = service.split_once('/').unwrap();
            let parsed = ServicePattern::parse(pattern).unwrap();
            assert_eq!(parsed.matches(namespace, name), fits, "{pattern} {service}");
        }
        for bad in ["", "/", "a*b", "/web", "shop/", "**"] {
            assert_eq!(ServicePattern::parse(bad), None, "{bad}");
        }
    }
}

//! Which services somebody may touch, as it is written in tokens.

use super::types::ServicePattern;

impl ServicePattern {
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
    use crate::config::service_pattern;

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
            let parsed = service_pattern(pattern).unwrap();
            assert_eq!(parsed.matches(namespace, name), fits, "{pattern} {service}");
        }
    }
}

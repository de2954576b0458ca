//! Answers: an instance is well when it answers `path` with one of `statuses`.

use proconsul_plugin::health_check::{Endpoint, HealthCheck, Verdict};
use proconsul_plugin::http;

/// What may stand in the check's `config` table. A misspelt key is refused by name.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    path: String,
    statuses: Vec<u16>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: String::from("/"),
            statuses: vec![200, 204],
        }
    }
}

struct Answers(Config);

impl HealthCheck for Answers {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        if !config.path.starts_with('/') {
            return Err(format!("`path` is {:?}; it must begin with `/`", config.path));
        }
        Ok(Self(config))
    }

    // What cannot be reached is an answer as well: say so, and do not panic.
    fn check(&mut self, endpoint: &Endpoint) -> Verdict {
        match http::get(&http::url(endpoint, &self.0.path)) {
            Ok(response) => judge(response.status, &self.0.statuses),
            Err(error) => Verdict::Critical(format!("{}: {error}", self.0.path)),
        }
    }
}

proconsul_plugin::export_health_check!(Answers);

/// The decision by itself, so that it can be tested without a proxy.
fn judge(status: u16, statuses: &[u16]) -> Verdict {
    match statuses.contains(&status) {
        true => Verdict::Passing,
        false => Verdict::Critical(format!("status {status}, expected one of {statuses:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_statuses_are_critical() {
        assert!(matches!(judge(200, &[200]), Verdict::Passing));
        assert!(matches!(judge(503, &[200]), Verdict::Critical(_)));
    }
}

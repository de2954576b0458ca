//! tcp-banner: connects, and judges what the server says first.
//!
//! ```toml
//! [checks.mail]
//! plugin = "tcp-banner"
//! config = { starts_with = "220 " }               # or `contains`, or both; `send` says something first
//! ```

use proconsul_plugin::health_check::{Endpoint, HealthCheck, NetworkError, Verdict};
use proconsul_plugin::tcp;

/// As much of a banner is looked at.
const MAX_BANNER_BYTES: usize = 4096;

/// As much of it is shown.
const SHOWN_CHARACTERS: usize = 60;

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// For servers that wait to be spoken to.
    send: String,
    starts_with: String,
    contains: String,
}

struct TcpBanner(Config);

impl HealthCheck for TcpBanner {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        match config.starts_with.len().max(config.contains.len()) {
            0 => Err(String::from("give `starts_with` or `contains`: what should the server say?")),
            bytes if bytes > MAX_BANNER_BYTES => Err(format!(
                "{bytes} bytes are expected; a banner is read up to {MAX_BANNER_BYTES}"
            )),
            _ => Ok(Self(config)),
        }
    }

    fn check(&mut self, endpoint: &Endpoint) -> Verdict {
        match self.0.listen(endpoint) {
            Ok(banner) => self.0.judge(&banner),
            Err(error) => Verdict::Critical(error.to_string()),
        }
    }
}

proconsul_plugin::export_health_check!(TcpBanner);

impl Config {
    fn listen(&self, endpoint: &Endpoint) -> Result<Vec<u8>, NetworkError> {
        let mut stream = tcp::connect(&endpoint.address)?;
        stream.write_all(self.send.as_bytes())?;
        stream.read_until(MAX_BANNER_BYTES, |banner| self.is_met_by(banner) || self.is_lost(banner))
    }

    fn is_met_by(&self, banner: &[u8]) -> bool {
        let wanted = self.contains.as_bytes();
        banner.starts_with(self.starts_with.as_bytes())
            && (wanted.is_empty() || banner.windows(wanted.len()).any(|part| part == wanted))
    }

    /// Nothing that may still come makes it good.
    fn is_lost(&self, banner: &[u8]) -> bool {
        let common = banner.len().min(self.starts_with.len());
        banner[..common] != self.starts_with.as_bytes()[..common]
    }

    /// The decision by itself, so that it can be tested without a network.
    fn judge(&self, banner: &[u8]) -> Verdict {
        if self.is_met_by(banner) {
            return Verdict::Passing;
        }
        let shown: String =
            String::from_utf8_lossy(banner).chars().take(SHOWN_CHARACTERS).collect();
        Verdict::Critical(format!("it says {shown:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(starts_with: &str, contains: &str) -> Config {
        Config { starts_with: starts_with.into(), contains: contains.into(), ..Config::default() }
    }

    #[test]
    fn both_must_hold() {
        let config = config("220 ", "ESMTP");
        assert!(matches!(config.judge(b"220 mail ESMTP"), Verdict::Passing));
        assert!(matches!(config.judge(b"220 mail"), Verdict::Critical(_)));
        assert!(matches!(config.judge(b"421 ESMTP"), Verdict::Critical(_)));
    }

    #[test]
    fn it_does_not_wait_for_what_cannot_come() {
        let config = config("220 ", "");
        assert!(config.is_lost(b"4"));
        assert!(!config.is_lost(b"22"));
        assert!(!config.is_lost(b""));
    }
}

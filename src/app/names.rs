//! Hosts of endpoints and the addresses that they stand for, asked again as their records age.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;

use crate::config::Config;

/// An answer is kept for at least this long, whatever its TTL says.
const SHORTEST: Duration = Duration::from_secs(1);
/// And asked again after this long at the latest.
const LONGEST: Duration = Duration::from_secs(300);
/// After a failure.
const RETRY: Duration = Duration::from_secs(5);
/// For one name to be answered.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// What is known of the names in use.
#[derive(Default)]
pub(super) struct Names {
    resolver: Option<TokioResolver>,
    known: HashMap<String, Answer>,
}

struct Answer {
    /// In ascending order; those of the last good answer when the newest failed.
    addresses: Vec<IpAddr>,
    ask_again: Instant,
}

/// The hosts of a configuration that are names.
pub(super) fn hosts(config: &Config) -> BTreeSet<String> {
    let endpoints = config.services.values().flat_map(|service| &service.endpoints);
    endpoints
        .filter(|endpoint| endpoint.host.parse::<IpAddr>().is_err())
        .map(|endpoint| endpoint.host.clone())
        .collect()
}

impl Names {
    /// The addresses of a host: itself if it is one; none while its name does not resolve.
    pub(super) fn addresses(&self, host: &str) -> Vec<IpAddr> {
        match host.parse() {
            Ok(ip) => vec![ip],
            Err(_) => self.known.get(host).map_or_else(Vec::new, |known| known.addresses.clone()),
        }
    }

    /// Asks for the hosts whose answers are due, and forgets those that are no longer used.
    /// Returns whether an address changed.
    pub(super) async fn refresh(&mut self, hosts: &BTreeSet<String>, now: Instant) -> bool {
        self.known.retain(|host, _| hosts.contains(host));
        let due: Vec<&String> = hosts
            .iter()
            .filter(|host| self.known.get(*host).is_none_or(|answer| answer.ask_again <= now))
            .collect();
        let mut changed = false;
        for host in due {
            changed |= self.ask(host, now).await;
        }
        changed
    }

    /// When the next answer is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.known.values().map(|answer| answer.ask_again).min()
    }

    async fn ask(&mut self, host: &str, now: Instant) -> bool {
        let looked_up = match self.resolver() {
            Ok(resolver) => {
                match tokio::time::timeout(LOOKUP_TIMEOUT, resolver.lookup_ip(host)).await {
                    Ok(Ok(answer)) => Ok(answer),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err("no answer in time".to_owned()),
                }
            }
            Err(error) => Err(error),
        };
        let before = self.known.get(host).map(|known| known.addresses.clone());
        let (addresses, ask_again) = match looked_up {
            Ok(answer) => {
                let mut addresses: Vec<IpAddr> = answer.iter().collect();
                addresses.sort();
                addresses.dedup();
                (addresses, answer.valid_until().clamp(now + SHORTEST, now + LONGEST))
            }
            Err(error) => {
                let kept = before.as_ref().map_or(0, Vec::len);
                tracing::warn!(
                    host,
                    error,
                    kept,
                    "name cannot be resolved, its last addresses stay"
                );
                (before.clone().unwrap_or_default(), now + RETRY)
            }
        };
        let changed = before.as_ref() != Some(&addresses);
        self.known.insert(host.to_owned(), Answer { addresses, ask_again });
        changed
    }

    fn resolver(&mut self) -> Result<&TokioResolver, String> {
        if self.resolver.is_none() {
            let built = TokioResolver::builder_tokio().and_then(|builder| builder.build());
            self.resolver = Some(built.map_err(|error| error.to_string())?);
        }
        Ok(self.resolver.as_ref().expect("made just above"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_needs_no_lookup_and_localhost_resolves() {
        let mut names = Names::default();
        assert_eq!(names.addresses("::1"), ["::1".parse::<IpAddr>().unwrap()]);
        assert!(names.addresses("localhost").is_empty());
        let hosts = BTreeSet::from(["localhost".to_owned()]);
        let now = Instant::now();
        assert!(names.refresh(&hosts, now).await);
        assert!(names.addresses("localhost").contains(&IpAddr::from([127, 0, 0, 1])));
        assert!(!names.refresh(&hosts, now).await, "not due yet");
        names.refresh(&BTreeSet::new(), now).await;
        assert!(names.addresses("localhost").is_empty(), "no longer used");
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_is_asked_again_later() {
        let mut names = Names::default();
        let hosts = BTreeSet::from(["nowhere.invalid".to_owned()]);
        let now = Instant::now();
        names.refresh(&hosts, now).await;
        assert!(names.addresses("nowhere.invalid").is_empty());
        assert_eq!(names.next(), Some(now + RETRY));
    }
}

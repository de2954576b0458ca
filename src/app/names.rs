//! Hosts of endpoints and the addresses that they stand for, asked again as their records age.
//!
//! A name that cannot be resolved, or is there no more (NXDOMAIN), keeps the addresses that it had:
//! a name server that errs for a minute must not take a service away, and an address that answers no
//! more costs a connection that is tried elsewhere. Who wants endpoints gone takes them out of the
//! configuration. It is logged at each failure, and `/-/status` tells.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use tokio::time::timeout;

use super::members::registered_hosts;
use crate::config::Config;
use crate::registry::Snapshot;

/// An answer is kept for at least this long, whatever its TTL says.
const SHORTEST: Duration = Duration::from_secs(1);
/// And asked again after this long at the latest.
const LONGEST: Duration = Duration::from_secs(300);
/// After a failure.
const RETRY: Duration = Duration::from_secs(5);
/// For one name to be answered.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// What is known of the names in use.
#[derive(Clone, Default)]
pub(super) struct Names {
    known: HashMap<String, Known>,
}

#[derive(Clone)]
struct Known {
    /// In ascending order; those of the last good answer when the newest failed.
    addresses: Vec<IpAddr>,
    /// When the last good answer came.
    answered: Option<Instant>,
    /// Why the newest answer was none.
    error: Option<String>,
    ask_again: Instant,
}

/// What is known of one name, for people.
pub(super) struct Resolution<'a> {
    pub addresses: usize,
    /// Of the last good answer.
    pub age: Option<Duration>,
    pub error: Option<&'a str>,
}

/// What asking for one name gave.
pub(super) struct Answer {
    host: String,
    outcome: Result<(Vec<IpAddr>, Instant), String>,
}

/// The hosts of a configuration, and of what registered for it, that are names.
pub(super) fn hosts(config: &Config, registry: &Snapshot) -> BTreeSet<String> {
    let endpoints = config.services.values().flat_map(|service| &service.endpoints);
    let configured = endpoints.map(|endpoint| &endpoint.host);
    let mut hosts: BTreeSet<String> =
        configured.filter(|host| host.parse::<IpAddr>().is_err()).cloned().collect();
    for service in config.services.values() {
        hosts.extend(registered_hosts(service, registry));
    }
    hosts
}

/// Asks for all of `hosts` at once. Takes as long as the slowest, [`LOOKUP_TIMEOUT`] at the most.
pub(super) async fn look_up(hosts: Vec<String>) -> Vec<Answer> {
    if hosts.is_empty() {
        return Vec::new();
    }
    let resolver = TokioResolver::builder_tokio().and_then(|builder| builder.build());
    let resolver = match resolver {
        Ok(resolver) => resolver,
        Err(error) => {
            let failed = |host| Answer { host, outcome: Err(error.to_string()) };
            return hosts.into_iter().map(failed).collect();
        }
    };
    let mut lookups = tokio::task::JoinSet::new();
    for host in hosts {
        lookups.spawn(look_up_one(resolver.clone(), host));
    }
    lookups.join_all().await
}

async fn look_up_one(resolver: TokioResolver, host: String) -> Answer {
    let outcome = match timeout(LOOKUP_TIMEOUT, resolver.lookup_ip(host.as_str())).await {
        Ok(Ok(answer)) => {
            let mut addresses: Vec<IpAddr> = answer.iter().collect();
            addresses.sort();
            addresses.dedup();
            Ok((addresses, answer.valid_until()))
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    };
    Answer { host, outcome }
}

impl Names {
    /// The addresses of a host: itself if it is one; none while its name does not resolve.
    pub(super) fn addresses(&self, host: &str) -> Vec<IpAddr> {
        match host.parse() {
            Ok(ip) => vec![ip],
            Err(_) => self.known.get(host).map_or_else(Vec::new, |known| known.addresses.clone()),
        }
    }

    /// How it stands with a name; `None` for an address, and for what was never asked for.
    pub(super) fn resolution(&self, host: &str, now: Instant) -> Option<Resolution<'_>> {
        let Known { addresses, answered, error, ask_again: _ } = self.known.get(host)?;
        Some(Resolution {
            addresses: addresses.len(),
            age: answered.map(|answered| now.saturating_duration_since(answered)),
            error: error.as_deref(),
        })
    }

    /// Those of `hosts` that were never asked for.
    pub(super) fn unknown(&self, hosts: &BTreeSet<String>) -> Vec<String> {
        hosts.iter().filter(|host| !self.known.contains_key(*host)).cloned().collect()
    }

    /// Those of `hosts` whose answers are too old; they count as asked for until `now` + [`RETRY`].
    pub(super) fn take_due(&mut self, hosts: &BTreeSet<String>, now: Instant) -> Vec<String> {
        self.known.retain(|host, _| hosts.contains(host));
        let due = self.known.iter_mut().filter(|(_, known)| known.ask_again <= now);
        due.map(|(host, known)| {
            known.ask_again = now + LOOKUP_TIMEOUT + RETRY;
            host.clone()
        })
        .collect()
    }

    /// Takes over what another knows of names that this one does not.
    pub(super) fn adopt(&mut self, other: Names) {
        for (host, known) in other.known {
            self.known.entry(host).or_insert(known);
        }
    }

    /// When the next answer is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.known.values().map(|known| known.ask_again).min()
    }

    /// Takes answers. A name that failed keeps the addresses that it had.
    pub(super) fn learn(&mut self, answers: Vec<Answer>, now: Instant) {
        for Answer { host, outcome } in answers {
            let known = match outcome {
                Ok((addresses, valid_until)) => Known {
                    addresses,
                    answered: Some(now),
                    error: None,
                    ask_again: valid_until.clamp(now + SHORTEST, now + LONGEST),
                },
                Err(error) => {
                    let (addresses, answered) = match self.known.remove(&host) {
                        Some(known) => (known.addresses, known.answered),
                        None => (Vec::new(), None),
                    };
                    let kept = addresses.len();
                    tracing::warn!(host, error, kept, "name not resolved, what it had stays");
                    Known { addresses, answered, error: Some(error), ask_again: now + RETRY }
                }
            };
            self.known.insert(host, known);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(host: &str) -> BTreeSet<String> {
        BTreeSet::from([host.to_owned()])
    }

    #[tokio::test]
    async fn an_address_needs_no_lookup_and_localhost_resolves() {
        let mut names = Names::default();
        assert_eq!(names.addresses("::1"), ["::1".parse::<IpAddr>().unwrap()]);
        assert!(names.addresses("localhost").is_empty());
        let now = Instant::now();
        names.learn(look_up(names.unknown(&set("localhost"))).await, now);
        assert!(names.addresses("localhost").contains(&IpAddr::from([127, 0, 0, 1])));
        assert!(names.unknown(&set("localhost")).is_empty());
        assert!(names.take_due(&set("localhost"), now).is_empty(), "not due yet");
        assert_eq!(names.take_due(&set("localhost"), now + LONGEST), ["localhost"]);
        names.take_due(&BTreeSet::new(), now);
        assert!(names.addresses("localhost").is_empty(), "no longer used");
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_is_asked_again_later() {
        let mut names = Names::default();
        let now = Instant::now();
        names.learn(look_up(vec!["nowhere.invalid".to_owned()]).await, now);
        assert!(names.addresses("nowhere.invalid").is_empty());
        assert_eq!(names.next(), Some(now + RETRY));
        let resolution = names.resolution("nowhere.invalid", now).unwrap();
        assert!(resolution.error.is_some() && resolution.age.is_none());
    }

    #[test]
    fn a_name_that_is_there_no_more_keeps_its_addresses() {
        let mut names = Names::default();
        let begun = Instant::now();
        let answer = |outcome| vec![Answer { host: "db.test".to_owned(), outcome }];
        let address = IpAddr::from([192, 0, 2, 7]);
        names.learn(answer(Ok((vec![address], begun))), begun);
        let later = begun + Duration::from_secs(60);
        names.learn(answer(Err("NXDOMAIN".to_owned())), later);
        assert_eq!(names.addresses("db.test"), [address]);
        let Resolution { addresses, age, error } = names.resolution("db.test", later).unwrap();
        assert_eq!((addresses, age), (1, Some(later - begun)));
        assert_eq!(error, Some("NXDOMAIN"));

        names.learn(answer(Ok((Vec::new(), later))), later);
        let Resolution { addresses, age, error } = names.resolution("db.test", later).unwrap();
        assert_eq!((addresses, age, error), (0, Some(Duration::ZERO), None));
    }
}

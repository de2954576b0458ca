//! The permission of one check, or of one message: to whom it may speak, and how much.

use std::collections::HashMap;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::budget::{Budget, MAX_CONNECTIONS, MAX_READ_BYTES};
use super::denials::Denials;
use super::names::{MAX_ADDRESSES, Resolver, may_lead_to};
use crate::model::{AllowedHost, AllowedPeer};

/// What is the same for all calls of one component.
#[derive(Clone)]
pub struct Rules {
    pub allow: Arc<[AllowedPeer]>,
    pub resolver: Arc<dyn Resolver>,
    pub denials: Denials,
}

/// What one call may do.
pub struct Permit {
    rules: Rules,
    /// `service/id` of the instance under check, for the log.
    instance: Option<String>,
    /// Its host in lower case, and where it is.
    host: String,
    addresses: Vec<SocketAddr>,
    pub budget: Arc<Budget>,
    /// The one answer in this call for each name that it asked for.
    answers: Mutex<HashMap<String, Arc<Answer>>>,
}

type Answer = OnceCell<Result<Vec<IpAddr>, String>>;

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoWay {
    /// It is not allowed; that was logged and counted.
    Denied,
    /// It is allowed, and the name does not resolve.
    Unresolved(String),
}

impl Permit {
    /// Permission to reach `instance`, which is at `host`, and what the rules list.
    pub fn for_instance(
        rules: Rules,
        instance: String,
        host: &str,
        addresses: Vec<SocketAddr>,
    ) -> Self {
        let (instance, host) = (Some(instance), host.to_ascii_lowercase());
        Self { instance, host, addresses, ..Self::listed(rules) }
    }

    /// Permission to reach what the rules list.
    pub fn listed(rules: Rules) -> Self {
        Self {
            rules,
            instance: None,
            host: String::new(),
            addresses: Vec::new(),
            budget: Arc::default(),
            answers: Mutex::default(),
        }
    }

    /// Permission to reach nothing, while a component is configured or tried.
    pub fn none(rules: &Rules) -> Self {
        Self::listed(Rules { allow: [].into(), ..rules.clone() })
    }

    /// Whether it may open one more connection.
    pub fn take_connection(&self) -> bool {
        let granted = self.budget.take_connection();
        if !granted {
            self.deny(&format!("connection {}", MAX_CONNECTIONS + 1), "a call has no more of them");
        }
        granted
    }

    /// Whether it may connect to an address.
    pub fn vet(&self, address: SocketAddr) -> bool {
        let granted = self.is_allowed(address);
        if !granted {
            self.deny(&address, self.not_listed());
        }
        granted
    }

    /// The addresses of `host` on `port` that it may connect to, in the order to try them.
    pub async fn find(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, NoWay> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let candidates = match bare.parse::<IpAddr>() {
            Ok(ip) => vec![ip],
            Err(_) => self.look_up(host).await?,
        };
        let all: Vec<_> =
            candidates.into_iter().map(|ip| SocketAddr::new(ip.to_canonical(), port)).collect();
        let allowed: Vec<_> = all.iter().copied().filter(|a| self.is_allowed(*a)).collect();
        if allowed.is_empty() {
            let led_to: Vec<_> = all.iter().map(SocketAddr::to_string).collect();
            let address = format!("{host}:{port} ({})", led_to.join(", "));
            self.deny(&address, self.not_listed());
            return Err(NoWay::Denied);
        }
        Ok(allowed)
    }

    /// The addresses of a name that it may ask for.
    pub async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, NoWay> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if name == self.host && self.instance.is_some() {
            return Ok(self.addresses.iter().map(SocketAddr::ip).collect());
        }
        if !self.names_allowed().any(|allowed| allowed.eq_ignore_ascii_case(&name)) {
            self.deny(&name, self.not_listed());
            return Err(NoWay::Denied);
        }
        // Bounded: only names that are listed come this far.
        let answer = self.answers.lock().entry(name.clone()).or_default().clone();
        let asked = answer.get_or_init(|| self.rules.resolver.resolve(&name)).await;
        let all = asked.as_ref().map_err(|error| NoWay::Unresolved(error.clone()))?;
        let (good, bad): (Vec<_>, Vec<_>) =
            all.iter().take(MAX_ADDRESSES).partition(|ip| may_lead_to(&name, **ip));
        if let (true, Some(ip)) = (good.is_empty(), bad.first()) {
            self.deny(&format!("{name} ({ip})"), "a name must not lead there; list the address");
            return Err(NoWay::Denied);
        }
        Ok(good)
    }

    fn is_allowed(&self, address: SocketAddr) -> bool {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        if self.addresses.contains(&address) {
            return true;
        }
        self.rules.allow.iter().any(|peer| {
            peer.port.is_none_or(|port| port == address.port())
                && match &peer.host {
                    AllowedHost::Range { base, prefix_bits } => {
                        is_within(address.ip(), *base, *prefix_bits)
                    }
                    AllowedHost::Name(name) => self.answered(name, address.ip()),
                }
        })
    }

    /// Whether this call was told that `name` is at `ip`.
    fn answered(&self, name: &str, ip: IpAddr) -> bool {
        if name.eq_ignore_ascii_case(&self.host) {
            return self.addresses.iter().any(|known| known.ip() == ip);
        }
        let answer = self.answers.lock().get(&name.to_ascii_lowercase()).cloned();
        let Some(Ok(addresses)) = answer.as_ref().and_then(|answer| answer.get()) else {
            return false;
        };
        addresses.iter().any(|known| known.to_canonical() == ip) && may_lead_to(name, ip)
    }

    fn names_allowed(&self) -> impl Iterator<Item = &str> {
        self.rules.allow.iter().filter_map(|peer| match &peer.host {
            AllowedHost::Name(name) => Some(name.as_str()),
            AllowedHost::Range { .. } => None,
        })
    }

    /// Notes that the call read more than it may.
    pub fn note_flood(&self) {
        self.deny(&format!("byte {}", MAX_READ_BYTES + 1), "a call may read no more");
    }

    /// Why somebody may not be reached, in the words of what is at work: only a check has an instance.
    fn not_listed(&self) -> &'static str {
        match self.instance {
            Some(_) => "neither the instance under check nor listed in `allow`",
            None => "not listed in `allow`",
        }
    }

    /// Logs and counts what was refused.
    pub fn deny(&self, address: &dyn Display, reason: &str) {
        self.rules.denials.note(self.instance.as_deref(), address, reason);
    }
}

/// Whether `ip` is in `base/prefix_bits`.
fn is_within(ip: IpAddr, base: IpAddr, prefix_bits: u8) -> bool {
    let shared = |a: u128, b: u128, bits: u8| {
        let differing = u32::from(bits.saturating_sub(prefix_bits));
        (a ^ b).checked_shr(differing).unwrap_or(0) == 0
    };
    match (ip.to_canonical(), base.to_canonical()) {
        (IpAddr::V4(ip), IpAddr::V4(base)) => {
            shared(u32::from(ip).into(), u32::from(base).into(), 32)
        }
        (IpAddr::V6(ip), IpAddr::V6(base)) => shared(ip.into(), base.into(), 128),
        _ => false,
    }
}

/// The permission that holds right now for one instance of a component, which outlives it.
#[derive(Clone)]
pub struct Gate(Arc<Mutex<Arc<Permit>>>);

impl Gate {
    pub fn new(permit: Permit) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(permit))))
    }

    /// What holds now.
    pub fn permit(&self) -> Arc<Permit> {
        self.0.lock().clone()
    }

    /// From now on this holds.
    pub fn set(&self, permit: Permit) {
        *self.0.lock() = Arc::new(permit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_of_one_family() {
        let within = |ip: &str, base: &str, bits| {
            is_within(ip.parse().unwrap(), base.parse().unwrap(), bits)
        };
        assert!(within("10.1.2.3", "10.0.0.0", 8));
        assert!(!within("11.1.2.3", "10.0.0.0", 8));
        assert!(within("10.1.2.3", "10.1.2.3", 32));
        assert!(!within("10.1.2.4", "10.1.2.3", 32));
        assert!(within("192.0.2.1", "0.0.0.0", 0));
        assert!(within("2001:db8::1", "2001:db8::", 32));
        assert!(!within("2001:db9::1", "2001:db8::", 32));
        assert!(within("::1", "::", 0));
        assert!(!within("10.0.0.1", "::", 0));
        assert!(within("::ffff:10.0.0.1", "10.0.0.0", 8), "it is that address");
    }
}

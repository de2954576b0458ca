//! Names to addresses, and which addresses a name may lead to.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use tokio::time::timeout;

/// For one name to be answered.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Of one answer, how many addresses are looked at.
pub(super) const MAX_ADDRESSES: usize = 16;

/// Whoever knows the addresses of names.
#[async_trait]
pub trait Resolver: Send + Sync + 'static {
    /// The addresses of a name, or why there are none.
    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, String>;
}

/// The system's name servers and `/etc/hosts`. Keeps answers for as long as they say.
#[derive(Default)]
pub struct SystemResolver(OnceLock<TokioResolver>);

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, String> {
        let resolver = match self.0.get() {
            Some(resolver) => resolver,
            None => {
                let built = TokioResolver::builder_tokio().and_then(|builder| builder.build());
                let built = built.map_err(|error| error.to_string())?;
                self.0.get_or_init(|| built)
            }
        };
        match timeout(LOOKUP_TIMEOUT, resolver.lookup_ip(name)).await {
            Ok(Ok(answer)) => Ok(answer.iter().collect()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer in time".to_owned()),
        }
    }
}

/// Whether `name`, which `allow` lists, may lead to `ip`. Whoever answers for a name must not open the
/// proxy's own machine by it, nor what is next to it without a name of its own (the metadata
/// services of clouds): those are allowed by address.
pub(super) fn may_lead_to(name: &str, ip: IpAddr) -> bool {
    let local = name == "localhost" || name.ends_with(".localhost");
    match ip.to_canonical() {
        ip if ip.is_loopback() => local,
        ip if ip.is_unspecified() || ip.is_multicast() => false,
        IpAddr::V4(ip) => !ip.is_link_local() && !ip.is_broadcast(),
        IpAddr::V6(ip) => !ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_does_not_lead_to_this_machine() {
        let may = |name, ip: &str| may_lead_to(name, ip.parse().unwrap());
        for ip in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "0.0.0.0", "::"] {
            assert!(!may("db.example", ip), "{ip}");
        }
        for ip in ["fe80::1", "224.0.0.1", "255.255.255.255", "::ffff:169.254.169.254"] {
            assert!(!may("db.example", ip), "{ip}");
        }
        for ip in ["10.0.0.1", "192.0.2.1", "2001:db8::1", "fd00::1"] {
            assert!(may("db.example", ip), "{ip}");
        }
        assert!(may("localhost", "127.0.0.1"));
    }
}

//! Where a callback may go. Who may subscribe makes the proxy send requests, so it is not to reach what only
//! the proxy's own machine should: the loopback addresses, and those of the link, where clouds keep their
//! credentials. Private networks are where services live, and are allowed.

use std::net::{IpAddr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// What may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Every address but the machine's own and the link's.
    Network,
    /// The machine's own, too: for an admin listener that only this machine can use.
    NetworkAndLoopback,
}

/// Why a callback URL will not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    #[error("is no URL: {0}")]
    Malformed(String),
    #[error("has the scheme `{0}`; allowed are http and https")]
    Scheme(String),
    #[error("has a user name or a password in it: the signature says who calls")]
    Credentials,
    #[error(
        "leads to {0}, which callbacks may not reach: loopback, link-local, multicast and unspecified addresses are refused"
    )]
    Address(IpAddr),
}

/// What a URL itself tells; its name is looked at when it is resolved, each time.
pub fn check_url(text: &str, reach: Reach) -> Result<Url, BadUrl> {
    let url = Url::parse(text).map_err(|error| BadUrl::Malformed(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(BadUrl::Scheme(url.scheme().to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BadUrl::Credentials);
    }
    let host = url.host_str().unwrap_or("").trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(address) if !reach.allows(address) => Err(BadUrl::Address(address)),
        _ => Ok(url),
    }
}

impl Reach {
    /// Whether a callback may go there.
    pub fn allows(self, address: IpAddr) -> bool {
        let address = address.to_canonical(); // an IPv4 address in IPv6's clothes
        if address.is_loopback() {
            return self == Reach::NetworkAndLoopback;
        }
        let link_local = match address {
            IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast() || v4.octets()[0] == 0,
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        !(link_local || address.is_multicast() || address.is_unspecified())
    }
}

/// Resolves names, and drops addresses that may not be reached: so that no name can be made to mean one
/// between looking and connecting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vetted(pub Reach);

impl Resolve for Vetted {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let (good, bad): (Vec<_>, Vec<_>) =
                found.partition(|address: &SocketAddr| reach.allows(address.ip()));
            match (good.is_empty(), bad.first()) {
                (true, Some(address)) => Err(BadUrl::Address(address.ip()).into()),
                _ => Ok(Box::new(good.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callbacks_reach_the_network_and_nothing_nearer() {
        let good = ["http://10.0.0.7/x", "https://hooks.example/", "http://[2001:db8::1]:8080/"];
        for url in good {
            assert!(check_url(url, Reach::Network).is_ok(), "{url}");
        }
        let bad = [
            "ftp://a/",
            "file:///etc/passwd",
            "http://127.0.0.1/",
            "http://[::1]/",
            "http://0.0.0.0/",
            "http://[::ffff:127.0.0.1]/",
            "http://169.254.169.254/latest",
            "http://[fe80::1]/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "http://0.1.2.3/",
            "http://2130706433/",
            "http://user:word@example/",
            "nonsense",
            "http://",
        ];
        for url in bad {
            assert!(check_url(url, Reach::Network).is_err(), "{url}");
        }
        assert!(check_url("http://127.0.0.1:9/", Reach::NetworkAndLoopback).is_ok());
    }
}

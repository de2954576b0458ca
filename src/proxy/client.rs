//! Who sent a request: the peer, or whom a trusted peer says it speaks for.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

use super::address::is_in;
use crate::config::IpRange;

/// Where a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Client {
    /// The client itself, after trusted hops.
    pub ip: IpAddr,
    /// The connection's other end.
    pub peer_ip: IpAddr,
    /// Whether the peer's `X-Forwarded-*` and `Forwarded` are believed.
    pub peer_is_trusted: bool,
}

impl Client {
    /// Walks `X-Forwarded-For` from its end while the hops are trusted, as nginx's
    /// `real_ip_recursive` does: the first address that is not trusted is the client.
    pub(super) fn find(peer: Option<SocketAddr>, headers: &HeaderMap, trusted: &[IpRange]) -> Self {
        let unknown = IpAddr::from([0, 0, 0, 0]);
        let peer_ip = peer.map_or(unknown, |peer| peer.ip().to_canonical());
        if trusted.is_empty() || !is_in(trusted, peer_ip) {
            return Self { ip: peer_ip, peer_ip, peer_is_trusted: false };
        }
        let mut ip = peer_ip;
        let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
        let hops = lines
            .iter()
            .rev()
            // A line that is no text is one hop that is no address: who stands before it is unknown.
            .flat_map(|line| line.to_str().unwrap_or_default().rsplit(','))
            .map(|hop| parse_hop(hop.trim()));
        for hop in hops {
            let Some(hop) = hop else { break };
            ip = hop;
            if !is_in(trusted, hop) {
                break;
            }
        }
        Self { ip, peer_ip, peer_is_trusted: true }
    }
}

/// An address, perhaps with a port, perhaps in brackets.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(ip, _)| ip);
    let ip = bare.unwrap_or(hop).parse::<IpAddr>().ok();
    ip.or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_of(peer: &str, forwarded_for: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", forwarded_for.parse().unwrap());
        let trusted = [IpRange { base: "10.0.0.0".parse().unwrap(), prefix_bits: 8 }];
        Client::find(Some(peer.parse().unwrap()), &headers, &trusted).ip.to_string()
    }

    #[test]
    fn only_trusted_hops_are_believed() {
        assert_eq!(client_of("192.0.2.1:9", "1.1.1.1"), "192.0.2.1");
        assert_eq!(client_of("10.0.0.1:9", "1.1.1.1"), "1.1.1.1");
        assert_eq!(client_of("10.0.0.1:9", "6.6.6.6, 1.1.1.1, 10.0.0.2"), "1.1.1.1");
        assert_eq!(client_of("10.0.0.1:9", "10.0.0.3, 10.0.0.2"), "10.0.0.3");
        assert_eq!(client_of("10.0.0.1:9", "1.1.1.1, nonsense"), "10.0.0.1");
        assert_eq!(client_of("10.0.0.1:9", "[2001:db8::1]:4711"), "2001:db8::1");
    }

    #[test]
    fn a_line_that_cannot_be_read_ends_the_walk() {
        let mut headers = HeaderMap::new();
        for line in [&b"6.6.6.6"[..], b"\xff", b"10.0.0.2"] {
            headers.append("x-forwarded-for", http::HeaderValue::from_bytes(line).unwrap());
        }
        let trusted = [IpRange { base: "10.0.0.0".parse().unwrap(), prefix_bits: 8 }];
        let client = Client::find(Some("10.0.0.1:9".parse().unwrap()), &headers, &trusted);
        assert_eq!(client.ip.to_string(), "10.0.0.2");
    }
}

//! Addresses, ranges and host names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::config::types::{HostPattern, IpRange};

/// What a socket address looks like.
pub const SOCKET_ADDRESS: &str = "an IP address and a port, such as `0.0.0.0:8080` or `[::]:8080`";

/// The longest host name that DNS knows.
const MAX_HOST_BYTES: usize = 253;

/// An IP address with a port that is not 0, except where tests ask the system for one.
pub fn socket_address(text: &str) -> Option<SocketAddr> {
    text.parse().ok()
}

/// `10.0.0.0/8`, or a single address.
pub fn ip_range(text: &str) -> Option<IpRange> {
    let (base, bits) = match text.split_once('/') {
        Some((base, bits)) => (base.parse::<IpAddr>().ok()?, Some(bits)),
        None => (text.parse::<IpAddr>().ok()?, None),
    };
    let width = if base.is_ipv4() { 32 } else { 128 };
    let prefix_bits = match bits {
        Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => bits.parse().ok()?,
        Some(_) => return None,
        None => width,
    };
    (prefix_bits <= width).then(|| IpRange { base: masked(base, prefix_bits), prefix_bits })
}

/// With the bits past the prefix cleared, so that equal ranges compare equal.
fn masked(base: IpAddr, prefix_bits: u8) -> IpAddr {
    match base {
        IpAddr::V4(base) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix_bits)).unwrap_or(0);
            Ipv4Addr::from_bits(base.to_bits() & mask).into()
        }
        IpAddr::V6(base) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix_bits)).unwrap_or(0);
            Ipv6Addr::from_bits(base.to_bits() & mask).into()
        }
    }
}

/// `host:port` of an endpoint: the host without brackets, the port not 0.
pub fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    if !port.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let port = port.parse().ok().filter(|&port| port != 0)?;
    let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inside) => inside.parse::<Ipv6Addr>().ok()?.to_string(),
        None => host_name(host)?,
    };
    Some((host, port))
}

/// A DNS name or an IPv4 address, in lower case.
pub fn host_name(text: &str) -> Option<String> {
    let label = |label: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=63).contains(&label.len()) && label.chars().all(allowed)
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    // Four numbers that are no address (`10.0.0.256`) would go to DNS as a name.
    let numeric = name.chars().all(|c| c.is_ascii_digit() || c == '.');
    let valid = name.len() <= MAX_HOST_BYTES
        && name.split('.').all(label)
        && (!numeric || name.parse::<Ipv4Addr>().is_ok());
    valid.then(|| name.to_ascii_lowercase())
}

/// `example.com`, `*.example.com`, an IPv4 address, or an IPv6 address in brackets.
pub fn host_pattern(text: &str) -> Option<HostPattern> {
    if let Some(rest) = text.strip_prefix("*.") {
        return host_name(rest).map(|name| HostPattern::Suffix(format!(".{name}")));
    }
    if let Some(inside) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        let address = inside.parse::<Ipv6Addr>().ok()?;
        return Some(HostPattern::Exact(format!("[{address}]")));
    }
    host_name(text).map(HostPattern::Exact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_masked() {
        let shown = |text| ip_range(text).map(|r| format!("{}/{}", r.base, r.prefix_bits));
        for (text, expected) in [
            ("10.1.2.3/8", Some("10.0.0.0/8")),
            ("127.0.0.1", Some("127.0.0.1/32")),
            ("0.0.0.0/0", Some("0.0.0.0/0")),
            ("fd00::1/8", Some("fd00::/8")),
            ("::1", Some("::1/128")),
            ("10.0.0.0/33", None),
            ("10.0.0.0/+8", None),
            ("10.0.0/8", None),
            ("localhost", None),
        ] {
            assert_eq!(shown(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn endpoints_are_hosts_with_ports() {
        let long = format!("{}:1", "a".repeat(64));
        for (text, expected) in [
            ("127.0.0.1:9001", Some(("127.0.0.1", 9001))),
            ("[::1]:80", Some(("::1", 80))),
            ("Web_1.internal:80", Some(("web_1.internal", 80))),
            ("web", None),
            ("web:0", None),
            ("web:99999", None),
            ("::1:80", None),
            ("10.0.0.256:80", None),
            ("http://web:80", None),
            (":80", None),
            (long.as_str(), None),
        ] {
            let found = host_and_port(text);
            assert_eq!(
                found.as_ref().map(|(host, port)| (host.as_str(), *port)),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn host_patterns() {
        let exact = |text: &str| Some(HostPattern::Exact(text.to_owned()));
        assert_eq!(host_pattern("Example.COM"), exact("example.com"));
        assert_eq!(host_pattern("[::1]"), exact("[::1]"));
        assert_eq!(host_pattern("*.a.b"), Some(HostPattern::Suffix(".a.b".to_owned())));
        for text in ["*", "a.*", "*a.b", "a:80", "bücher.de", ""] {
            assert_eq!(host_pattern(text), None, "{text}");
        }
    }
}

//! Membership of an address in ranges.

use std::net::IpAddr;

use crate::config::IpRange;

/// Whether one of `ranges` holds `ip`. An IPv4 address in IPv6 clothes counts as IPv4.
pub(super) fn is_in(ranges: &[IpRange], ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    ranges.iter().any(|range| contains(range, ip))
}

fn contains(range: &IpRange, ip: IpAddr) -> bool {
    let bits = u32::from(range.prefix_bits);
    match (range.base, ip) {
        (IpAddr::V4(base), IpAddr::V4(ip)) => {
            (u32::from(base) ^ u32::from(ip)).checked_shr(32 - bits.min(32)).unwrap_or(0) == 0
        }
        (IpAddr::V6(base), IpAddr::V6(ip)) => {
            (u128::from(base) ^ u128::from(ip)).checked_shr(128 - bits.min(128)).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str, prefix_bits: u8) -> IpRange {
        IpRange { base: text.parse().unwrap(), prefix_bits }
    }

    #[test]
    fn ranges_hold_what_they_say() {
        let ranges = [range("10.0.0.0", 8), range("2001:db8::", 32), range("192.0.2.7", 32)];
        let held = |ip: &str| is_in(&ranges, ip.parse().unwrap());
        assert!(held("10.255.0.1") && held("2001:db8::1") && held("192.0.2.7"));
        assert!(held("::ffff:10.0.0.1"));
        assert!(!held("11.0.0.1") && !held("192.0.2.8") && !held("2001:db9::1"));
        assert!(is_in(&[range("0.0.0.0", 0)], "8.8.8.8".parse().unwrap()));
    }
}

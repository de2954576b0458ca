//! Hashing that is the same on every platform and in every version: an endpoint's place on a ring
//! must not move because a proxy was upgraded.

/// A 64-bit hash of a text: FNV-1a (Fowler, Noll, Vo; RFC 9923) with [`mix`] on top, since FNV alone
/// leaves the high bits of short texts poor. Not for adversaries: who controls the texts can
/// make them collide.
pub fn hash_str(text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    mix(hash)
}

/// Spreads every bit of the input over every bit of the output, one to one: the finaliser of
/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
pub const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Maps the high 32 bits of a hash evenly to `0..bound` by multiplication (Lemire, "Fast random
/// integer generation in an interval", 2019): no division. Off by less than `bound` / 2³².
pub(crate) const fn reduce(hash: u64, bound: u32) -> u32 {
    (((hash >> 32) * bound as u64) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_never_change() {
        // A changed value here moves every key of every running installation.
        assert_eq!(mix(0), 0);
        assert_eq!(mix(1), 0x5692_161d_100b_05e5);
        assert_eq!(hash_str(""), mix(0xcbf2_9ce4_8422_2325));
        assert_eq!(hash_str("a"), mix(0xaf63_dc4c_8601_ec8c));
    }

    #[test]
    fn reduce_covers_its_range() {
        assert_eq!(reduce(0, 10), 0);
        assert_eq!(reduce(u64::MAX, 10), 9);
        assert_eq!(reduce(u64::MAX, u32::MAX), u32::MAX - 1);
        assert_eq!(reduce(1 << 63, 10), 5);
    }
}

//! A small seeded generator.

use crate::hash::{mix, reduce};

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): one addition and two multiplications a number,
/// which WebAssembly does natively (generators on 128-bit products are several times slower there).
/// Period 2⁶⁴, every seed good. Not for secrets.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// A generator that gives the same numbers for the same seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// The next number of `0..bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        reduce(self.next_u64(), bound)
    }

    /// Two different numbers of `0..bound` from one draw; the bound must be 2 or more.
    pub fn two_below(&mut self, bound: u32) -> (u32, u32) {
        let bits = self.next_u64();
        let first = reduce(bits, bound);
        let second = reduce(bits << 32, bound - 1);
        (first, if second >= first { second + 1 } else { second })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_published_generator() {
        let mut rng = Rng::new(1_234_567);
        assert_eq!(rng.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn two_are_different_and_cover_all_pairs() {
        let mut rng = Rng::new(7);
        let mut seen = [[0u32; 4]; 4];
        for _ in 0..12_000 {
            let (a, b) = rng.two_below(4);
            seen[a as usize][b as usize] += 1;
        }
        for (a, row) in seen.iter().enumerate() {
            for (b, &count) in row.iter().enumerate() {
                let expected = if a == b { 0..=0 } else { 850..=1150 };
                assert!(expected.contains(&count), "{a},{b}: {count}");
            }
        }
    }
}

//! Weighted random: each endpoint as likely as its weight says.
//!
//! Walker's alias method in Vose's form ("A linear algorithm for generating random numbers with a given
//! distribution", 1991): the weights are cut into n columns of equal height, each filled by at most
//! two endpoints, so that a pick is one draw, one comparison and O(1) however many there are. Building
//! takes O(n). Columns are cut in integers; a share is exact to 2⁻³².
//!
//! A retry draws again, up to eight times while it meets this instance's last answer.
//!
//! When not to use it: few requests, where `weighted_round_robin` is even and this is only likely to be.

use alloc::vec;
use alloc::vec::Vec;

use crate::api::{Endpoint, Host, Strategy};
use crate::hash::reduce;
use crate::rng::Rng;

/// How often a retry draws again when it meets the last answer.
const REDRAWS: u32 = 8;

/// See the [module documentation](self).
#[derive(Debug)]
pub struct WeightedRandom {
    rng: Rng,
    columns: Vec<Column>,
    last: u32,
}

/// Endpoint i's own part lies at the foot of column i; what is above belongs to another.
#[derive(Debug, Clone, Copy)]
struct Column {
    /// Height of the own part, in 2⁻³² of the column, less one: a draw up to and with it is our own.
    own: u32,
    /// Whose the rest is.
    other: u32,
}

impl WeightedRandom {
    /// Draws from a generator with this seed.
    pub fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed), columns: Vec::new(), last: u32::MAX }
    }

    fn draw(&mut self) -> u32 {
        let bits = self.rng.next_u64();
        let index = reduce(bits, self.columns.len() as u32);
        let column = self.columns[index as usize];
        if bits as u32 <= column.own { index } else { column.other }
    }
}

fn columns(weights: &[u64]) -> Vec<Column> {
    let n = weights.len() as u64;
    let height: u64 = weights.iter().sum();
    // Each weight times n, so that the mean is exactly one column's height.
    let mut left: Vec<u64> = weights.iter().map(|w| w * n).collect();
    let mut columns: Vec<Column> =
        (0..n as u32).map(|i| Column { own: u32::MAX, other: i }).collect();
    let (mut small, mut large) = (vec![], vec![]);
    for (i, &weight) in left.iter().enumerate() {
        if weight < height { small.push(i) } else { large.push(i) }
    }
    while let (Some(s), Some(&l)) = (small.pop(), large.last()) {
        // A weight is at least 1, so the own part is above zero unless it is below 2⁻³².
        let own = ((u128::from(left[s]) << 32) / u128::from(height)) as u32;
        columns[s] = Column { own: own.saturating_sub(1), other: l as u32 };
        left[l] -= height - left[s];
        if left[l] < height {
            large.pop();
            small.push(l);
        }
    }
    columns
}

impl Strategy for WeightedRandom {
    fn set_endpoints(&mut self, endpoints: &[Endpoint<'_>]) {
        let weights: Vec<u64> = endpoints.iter().map(|e| u64::from(e.share())).collect();
        self.columns = columns(&weights);
        self.last = u32::MAX;
    }

    fn pick<H: Host + ?Sized>(&mut self, _key: u64, attempt: u32, _host: &H) -> Option<u32> {
        if self.columns.is_empty() {
            return None;
        }
        let mut index = self.draw();
        if attempt > 0 {
            for _ in 0..REDRAWS {
                if index != self.last {
                    break;
                }
                index = self.draw();
            }
        }
        self.last = index;
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_shares, endpoints, picks};

    #[test]
    fn shares_are_the_weights() {
        for weights in [&[1, 2, 3, 4][..], &[100, 1, 1], &[7], &[5, 5], &[65535, 1, 30000]] {
            let mut strategy = WeightedRandom::new(3);
            endpoints(weights, |list| strategy.set_endpoints(list));
            assert_shares(&picks(&mut strategy, 400_000), weights);
        }
    }
}

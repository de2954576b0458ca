//! Round robin: each in turn, weights ignored.
//!
//! Source: time sharing, as old as computing; RFC 1794 has it for DNS. A pick takes O(1).
//!
//! A retry is given the next in turn, which is another endpoint unless as many picks as
//! there are endpoints came between. A change of the list goes on after the last endpoint
//! picked, if it is still there.
//!
//! When not to use it: requests that differ in cost, or endpoints that differ in strength. It counts
//! requests, and a slow endpoint gets as many as a fast one: take `least_connections` there.

use crate::api::{Endpoint, Host, Strategy};
use crate::carry::Carry;

/// See the [module documentation](self).
#[derive(Debug)]
pub struct RoundRobin {
    carry: Carry,
    n: u32,
    next: u32,
}

impl RoundRobin {
    /// Begins at the endpoint that the seed falls on, so that many slots do not all begin with the first.
    pub fn new(seed: u64) -> Self {
        Self { carry: Carry::default(), n: 0, next: seed as u32 }
    }
}

impl Strategy for RoundRobin {
    fn set_endpoints(&mut self, endpoints: &[Endpoint<'_>]) {
        let before = self.carry.replace(endpoints);
        let n = endpoints.len() as u32;
        let last = if self.n == 0 { None } else { Some((self.next + self.n - 1) % self.n) };
        let stays = last.and_then(|last| before.iter().position(|&at| at == Some(last)));
        self.next = match stays {
            Some(at) => at as u32 + 1,
            None => self.next,
        };
        self.next %= n.max(1);
        self.n = n;
    }

    fn pick<H: Host + ?Sized>(&mut self, _key: u64, _attempt: u32, _host: &H) -> Option<u32> {
        if self.n == 0 {
            return None;
        }
        let index = self.next;
        self.next = if index + 1 == self.n { 0 } else { index + 1 };
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Idle, endpoints, picks};
    use std::vec;

    #[test]
    fn each_in_turn() {
        let mut strategy = RoundRobin::new(4);
        endpoints(&[1, 1, 9], |list| strategy.set_endpoints(list));
        assert_eq!(picks(&mut strategy, 5), vec![1, 2, 0, 1, 2]);
    }

    #[test]
    fn a_change_goes_on_after_the_last_one() {
        let mut strategy = RoundRobin::new(0);
        endpoints(&[1; 4], |list| strategy.set_endpoints(list));
        assert_eq!(picks(&mut strategy, 2), vec![0, 1]);
        // `e0` goes: `e1`, the last picked, is now the first.
        endpoints(&[1; 4], |list| strategy.set_endpoints(&list[1..]));
        assert_eq!(strategy.pick(0, 0, &Idle), Some(1));
    }
}

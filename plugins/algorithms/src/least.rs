//! Choosing the one with the least cost: the leaf under `least_connections`, `response_time` and `least_load`.

use alloc::vec::Vec;

use crate::rng::Rng;

/// The largest list that a retry ranks in full; beyond it a retry draws two again.
const RANKED_UP_TO: u32 = 64;

/// Looks at all of a small list; of a larger one at two drawn at random, and takes the better: "the
/// power of two choices" (Mitzenmacher, "The power of two choices in randomized load balancing", 1996).
/// Two looks find nearly what a full scan would, and unlike it do not send every proxy
/// to the same idle endpoint at the same moment.
#[derive(Debug)]
pub(crate) struct Least {
    rng: Rng,
    /// The largest list of which all are looked at.
    pub exact_up_to: u32,
    /// Where the next scan begins: after the last answer, so that equals take turns.
    cursor: u32,
}

/// Which endpoints a choice will look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Two, by index.
    Two(u32, u32),
    /// Every one.
    All,
}

impl Least {
    pub fn new(seed: u64, exact_up_to: u32) -> Self {
        let mut rng = Rng::new(seed);
        // Each slot begins its turns elsewhere: idle endpoints are shared even where all slots are.
        let cursor = rng.next_u64() as u32;
        Self { rng, exact_up_to, cursor }
    }

    /// Which of `n` (at least 1) to look at. A retry ranks them all where that is affordable.
    pub fn look(&mut self, n: u32, attempt: u32) -> Look {
        let all = if attempt == 0 { self.exact_up_to } else { RANKED_UP_TO.max(self.exact_up_to) };
        if n <= all || n < 2 {
            return Look::All;
        }
        let (a, b) = self.rng.two_below(n);
        Look::Two(a, b)
    }

    /// The cheapest of all `n` (at least 1); for `attempt` k the one that k others precede. Equals take turns.
    pub fn of_all(&mut self, n: u32, attempt: u32, cost: impl Fn(u32) -> f64) -> u32 {
        let start = self.cursor % n;
        let turns = (start..n).chain(0..start);
        let best = if attempt == 0 {
            let mut turns = turns;
            let mut best = start;
            let mut least = turns.next().map_or(f64::INFINITY, &cost);
            for index in turns {
                let cost = cost(index);
                if cost < least {
                    (best, least) = (index, cost);
                }
            }
            best
        } else {
            // How many precede each, rather than a sort: rare, short, and less code in a component.
            let costs: Vec<(f64, u32)> = turns.map(|index| (cost(index), index)).collect();
            let precede = |(at, this): (usize, &(f64, u32))| {
                let before = costs[..at].iter().filter(|other| other.0 <= this.0).count();
                before + costs[at..].iter().filter(|other| other.0 < this.0).count()
            };
            let nth = (attempt % n) as usize;
            let found = costs.iter().enumerate().find(|&ranked| precede(ranked) == nth);
            found.map_or(start, |(_, &(_, index))| index)
        };
        self.cursor = best + 1;
        best
    }
}

/// The cheaper of two; the first when they are equal, which is as random as the draw was.
pub(crate) fn of_two(a: u32, b: u32, cost: impl Fn(u32) -> f64) -> u32 {
    if cost(b) < cost(a) { b } else { a }
}

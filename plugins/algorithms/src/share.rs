//! Smooth weighted sharing: the leaf under `weighted_round_robin` and `geographic`.

use alloc::vec::Vec;

/// nginx's smooth weighted round-robin (Igor Sysoev, nginx 1.3.1, 2012): at each pick every entry gains
/// its weight, the highest is picked and pays the sum of all weights. Weights 5, 1, 1 give
/// `a a b a c a a`, never five in a row where that can be helped.
///
/// A pick takes O(n).
#[derive(Debug, Default)]
pub(crate) struct Smooth {
    weights: Vec<i64>,
    credit: Vec<i64>,
    total: i64,
}

impl Smooth {
    /// Replaces the weights. `before` says for each where it was; its credit goes with it, so that a
    /// change of the list does not start everything again at the first entry.
    pub fn set(&mut self, weights: Vec<i64>, before: &[Option<u32>]) {
        let old = core::mem::take(&mut self.credit);
        self.total = weights.iter().sum();
        let most = self.total;
        self.credit = before
            .iter()
            .map(|at| {
                at.and_then(|at| old.get(at as usize).copied()).unwrap_or(0).clamp(-most, most)
            })
            .collect();
        self.credit.resize(weights.len(), 0);
        self.weights = weights;
        self.settle();
    }

    /// Credits add up to zero, or the one who leaves with a debt would make the rest gain for ever.
    fn settle(&mut self) {
        let n = self.credit.len() as i64;
        if n == 0 {
            return;
        }
        let sum: i64 = self.credit.iter().sum();
        let (each, left) = (sum.div_euclid(n), sum.rem_euclid(n));
        for (i, credit) in (0..).zip(&mut self.credit) {
            *credit -= each + i64::from(i < left);
        }
    }

    /// The next entry; ties go to the first. `None` when there are none.
    pub fn next(&mut self) -> Option<u32> {
        let mut best = None;
        let mut most = i64::MIN;
        for (i, (credit, weight)) in self.credit.iter_mut().zip(&self.weights).enumerate() {
            *credit += weight;
            if *credit > most {
                most = *credit;
                best = Some(i);
            }
        }
        let best = best?;
        self.credit[best] -= self.total;
        Some(best as u32)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.weights.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn credits_always_add_up_to_zero() {
        let mut smooth = Smooth::default();
        smooth.set(vec![5, 1, 1], &[None; 3]);
        for _ in 0..3 {
            smooth.next();
        }
        smooth.set(vec![1, 7], &[Some(2), None]);
        assert_eq!(smooth.credit.iter().sum::<i64>(), 0);
        smooth.next();
        assert_eq!(smooth.credit.iter().sum::<i64>(), 0);
    }
}

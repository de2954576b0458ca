//! Carrying what is known about an endpoint over a change of the list.

use alloc::vec::Vec;

use crate::api::Endpoint;
use crate::hash::hash_str;

/// Remembers the last list by id, so that a value kept for each endpoint can follow it.
#[derive(Debug, Default)]
pub(crate) struct Carry {
    /// `(hash of the id, index)`, sorted.
    known: Vec<(u64, u32)>,
}

impl Carry {
    /// Takes the new list, and gives for each of its endpoints where it was in the old one.
    pub fn replace(&mut self, endpoints: &[Endpoint<'_>]) -> Vec<Option<u32>> {
        let new: Vec<u64> = endpoints.iter().map(|e| hash_str(e.id)).collect();
        let find = |hash: &u64| {
            let at = self.known.binary_search_by_key(hash, |&(hash, _)| hash).ok()?;
            Some(self.known[at].1)
        };
        let before = new.iter().map(find).collect();
        self.known.clear();
        self.known.extend(new.into_iter().zip(0..));
        self.known.sort_unstable();
        before
    }
}

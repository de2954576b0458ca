//! The endpoints of a service at one moment. Built off to the side, published whole, never changed.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::EndpointState;
use crate::model::{Endpoint, EndpointId, Weight};

/// One endpoint that requests can go to.
#[derive(Debug, Clone)]
pub struct Member {
    /// What configuration and registration say.
    pub endpoint: Endpoint,
    /// Where it is, after name resolution.
    pub address: SocketAddr,
    /// What is known about it; the same object for the same id in every later set.
    pub state: Arc<EndpointState>,
}

/// An immutable list of members with weight above zero.
#[derive(Debug, Default)]
pub struct EndpointSet {
    members: Vec<Member>,
    index_by_id: HashMap<EndpointId, usize>,
    /// What is known of those that are left out, for when they come back.
    resting: HashMap<EndpointId, Arc<EndpointState>>,
    /// Running sums of the weights, for weighted choice by binary search.
    weight_sums: Vec<u64>,
}

impl EndpointSet {
    /// Lists `members`, leaving out those of weight 0, whose state is kept. Of two with the same id the
    /// first stays.
    pub fn new(members: impl IntoIterator<Item = Member>) -> Self {
        let mut set = Self::default();
        let mut sum = 0;
        for member in members {
            if member.endpoint.weight == Weight::ZERO {
                set.resting.entry(member.endpoint.id).or_insert(member.state);
                continue;
            }
            if set.index_by_id.contains_key(&member.endpoint.id) {
                continue;
            }
            sum += u64::from(member.endpoint.weight.get());
            set.weight_sums.push(sum);
            set.index_by_id.insert(member.endpoint.id.clone(), set.members.len());
            set.members.push(member);
        }
        set
    }

    /// The members in order; a strategy's index is a place in this list.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Whether nobody is there.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Where an endpoint stands in this set.
    pub fn position(&self, id: &EndpointId) -> Option<usize> {
        self.index_by_id.get(id).copied()
    }

    /// The state of an endpoint, listed or left out, to carry into the next set.
    pub fn state(&self, id: &EndpointId) -> Option<Arc<EndpointState>> {
        let listed = self.position(id).map(|index| &self.members[index].state);
        listed.or_else(|| self.resting.get(id)).cloned()
    }

    /// Whether another set has the same members, described alike and in the same order, of whom the
    /// same is known.
    pub fn lists_the_same(&self, other: &EndpointSet) -> bool {
        self.members.len() == other.members.len()
            && self.members.iter().zip(&other.members).all(|(one, other)| {
                one.endpoint == other.endpoint
                    && one.address == other.address
                    && Arc::ptr_eq(&one.state, &other.state)
            })
    }

    /// The member on whose share of the weight `fraction` falls, where 0 is the beginning of the
    /// first one's and 2^64 the end of the last one's.
    pub(super) fn at_fraction(&self, fraction: u64) -> Option<usize> {
        let sum = *self.weight_sums.last()?;
        let point = ((u128::from(fraction) * u128::from(sum)) >> 64) as u64;
        Some(self.weight_sums.partition_point(|&upper| upper <= point))
    }
}

//! The seam between the proxy and a strategy, and the rule for what a strategy's silence means.

use std::net::IpAddr;
use std::sync::Arc;

use super::{EndpointSet, Spread};

/// The most endpoints that one request is sent to.
pub const MAX_TRIES: usize = 8;

/// Which members of a set a request has been sent to. Bounded by [`MAX_TRIES`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Tried {
    indexes: [u32; MAX_TRIES],
    count: u8,
}

impl Tried {
    /// Notes a try. Beyond [`MAX_TRIES`] nothing more is noted.
    pub fn add(&mut self, index: usize) {
        if let Some(place) = self.indexes.get_mut(usize::from(self.count)) {
            *place = index as u32;
            self.count += 1;
        }
    }

    /// Whether a member was tried.
    pub fn contains(&self, index: usize) -> bool {
        self.indexes[..self.count()].contains(&(index as u32))
    }

    /// How many were tried.
    pub fn count(&self) -> usize {
        usize::from(self.count)
    }
}

/// What of a request a strategy may read when its key is not enough.
#[derive(Debug, Clone, Default)]
pub struct RequestFacts {
    pub method: http::Method,
    pub path: String,
    /// Lower case, without the port.
    pub host: String,
    pub headers: http::HeaderMap,
    pub client_ip: Option<IpAddr>,
}

/// A question to a strategy.
pub struct Ask<'a> {
    /// The request's affinity key; 0 = none.
    pub key: u64,
    /// What was tried already; its count is the attempt's number.
    pub tried: &'a Tried,
    /// Makes the request's facts: costly, and only called for a strategy that reads them.
    pub request: &'a dyn Fn() -> RequestFacts,
}

/// Why a strategy gave no usable answer. The words are the metric's `reason` label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Miss {
    /// It said so.
    NoAnswer,
    /// Its index is not in its endpoints.
    OutOfRange,
    /// It named an endpoint that this request was sent to before.
    AlreadyTried,
    /// It named an endpoint that has left, or may not be used right now.
    Ineligible,
    /// It crashed.
    Trap,
    /// It ran past its deadline.
    Deadline,
    /// Every slot was in use.
    Busy,
    /// It failed too often and rests until it is probed.
    Tripped,
}

impl Miss {
    /// Every reason, in order, for resolving metric handles ahead.
    pub const ALL: [Miss; 8] = [
        Miss::NoAnswer,
        Miss::OutOfRange,
        Miss::AlreadyTried,
        Miss::Ineligible,
        Miss::Trap,
        Miss::Deadline,
        Miss::Busy,
        Miss::Tripped,
    ];

    /// Where this reason stands in [`Miss::ALL`].
    pub fn place(self) -> usize {
        self as usize
    }

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Miss::NoAnswer => "no_answer",
            Miss::OutOfRange => "out_of_range",
            Miss::AlreadyTried => "already_tried",
            Miss::Ineligible => "ineligible",
            Miss::Trap => "trap",
            Miss::Deadline => "deadline",
            Miss::Busy => "busy",
            Miss::Tripped => "tripped",
        }
    }
}

/// A strategy: picks a member of `set` for a request.
pub trait Selector: Send + Sync {
    /// An index into `set`, not yet checked against what was tried.
    fn select(&self, set: &Arc<EndpointSet>, ask: &Ask<'_>) -> Result<usize, Miss>;
}

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Index into the set that was given.
    pub index: usize,
    /// Why the native fallback chose instead of the strategy.
    pub fallback: Option<Miss>,
}

/// Asks the strategy, checks its answer, and falls back to `spread`. `None` when no member of the
/// set is left to try.
pub fn choose(
    selector: &dyn Selector,
    spread: &Spread,
    set: &Arc<EndpointSet>,
    ask: &Ask<'_>,
) -> Option<Choice> {
    if set.is_empty() {
        return None;
    }
    let miss = match selector.select(set, ask) {
        Ok(index) if ask.tried.contains(index) => Miss::AlreadyTried,
        Ok(index) if set.members()[index].state.eligible() => {
            return Some(Choice { index, fallback: None });
        }
        Ok(_) => Miss::Ineligible,
        Err(miss) => miss,
    };
    let index = spread.pick(set, ask.key, ask.tried)?;
    Some(Choice { index, fallback: Some(miss) })
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::super::{EndpointState, Member};
    use super::*;
    use crate::model::{Endpoint, EndpointId, Weight};

    pub(in super::super) fn set_of(weights: &[i64]) -> EndpointSet {
        EndpointSet::new(weights.iter().enumerate().map(|(index, &weight)| Member {
            endpoint: Endpoint {
                id: EndpointId::new(&format!("e{index}")).unwrap(),
                host: "127.0.0.1".into(),
                port: 1,
                weight: Weight::new(weight).unwrap(),
                zone: String::new(),
                region: String::new(),
                metadata: BTreeMap::new(),
            },
            address: ([127, 0, 0, 1], 1).into(),
            state: Arc::new(EndpointState::default()),
        }))
    }

    struct Always(Result<usize, Miss>);

    impl Selector for Always {
        fn select(&self, _: &Arc<EndpointSet>, _: &Ask<'_>) -> Result<usize, Miss> {
            self.0
        }
    }

    fn choose_with(answer: Result<usize, Miss>, set: EndpointSet, tried: &Tried) -> Option<Choice> {
        let ask = Ask { key: 0, tried, request: &RequestFacts::default };
        choose(&Always(answer), &Spread::default(), &Arc::new(set), &ask)
    }

    #[test]
    fn a_good_answer_is_taken() {
        let choice = choose_with(Ok(1), set_of(&[1, 1]), &Tried::default());
        assert_eq!(choice, Some(Choice { index: 1, fallback: None }));
    }

    #[test]
    fn a_bad_answer_falls_back_with_its_reason() {
        let mut tried = Tried::default();
        tried.add(1);
        let choice = choose_with(Ok(1), set_of(&[1, 1]), &tried).unwrap();
        assert_eq!(choice, Choice { index: 0, fallback: Some(Miss::AlreadyTried) });

        let set = set_of(&[1, 1]);
        set.members()[0].state.set_eligible(false);
        let choice = choose_with(Ok(0), set, &Tried::default()).unwrap();
        assert_eq!(choice, Choice { index: 1, fallback: Some(Miss::Ineligible) });

        let choice = choose_with(Err(Miss::Trap), set_of(&[0, 1]), &Tried::default()).unwrap();
        assert_eq!(choice, Choice { index: 0, fallback: Some(Miss::Trap) });
    }

    #[test]
    fn every_reason_stands_in_its_place() {
        assert!(Miss::ALL.iter().enumerate().all(|(place, miss)| miss.place() == place));
    }

    #[test]
    fn nobody_left_is_no_choice() {
        let mut tried = Tried::default();
        tried.add(0);
        assert_eq!(choose_with(Ok(0), set_of(&[1]), &tried), None);
        assert_eq!(choose_with(Ok(0), set_of(&[]), &tried), None);
    }
}

//! What the checks of one instance say, by name: a handful, kept as small as can be, for there are as many of
//! these as there are instances.

use std::borrow::Borrow;
use std::ops::Index;
use std::sync::Arc;

use super::snapshot::CheckOutcome;
use crate::model::CheckName;

/// Sorted by name. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcomes(Arc<[(CheckName, CheckOutcome)]>);

impl Outcomes {
    /// What one check says; `None` if it says nothing, or is not made.
    pub fn get<Q: Ord + ?Sized>(&self, check: &Q) -> Option<&CheckOutcome>
    where
        CheckName: Borrow<Q>,
    {
        let place = self.0.binary_search_by(|(name, _)| name.borrow().cmp(check)).ok()?;
        Some(&self.0[place].1)
    }

    /// In the order of their names.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&CheckName, &CheckOutcome)> {
        self.0.iter().map(|(name, outcome)| (name, outcome))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// With another word of one check, or (`None`) without it.
    pub(super) fn with(&self, check: &CheckName, outcome: Option<CheckOutcome>) -> Self {
        let others = self.0.iter().filter(|(name, _)| name != check).cloned();
        let mut all: Vec<_> = others.chain(outcome.map(|o| (check.clone(), o))).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self(all.into())
    }
}

impl<Q: Ord + ?Sized> Index<&Q> for Outcomes
where
    CheckName: Borrow<Q>,
{
    type Output = CheckOutcome;

    /// Panics if the check says nothing, as maps do.
    fn index(&self, check: &Q) -> &CheckOutcome {
        self.get(check).expect("the check is made")
    }
}

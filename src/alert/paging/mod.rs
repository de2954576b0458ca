//! Who is told of which alerts, and when: groups, silences, inhibition. Decisions only, fed the clock.
//!
//! The words and what they mean are Alertmanager's
//! (<https://prometheus.io/docs/alerting/latest/alertmanager/>): alerts that have the labels of `group_by` in
//! common are told together, `group_wait` after the first of them, then each `group_interval` if something
//! changed, and each `repeat_interval` if nothing did. In reading order: [`Matcher`]s pick alerts by their
//! labels; a [`Silence`] and an [`Inhibition`] say who is not told of; [`Topology`] knows who depends on whom;
//! a [`Pager`] has all alerts, and says what is to be sent.
//!
//! One thing is unlike Alertmanager: that an alert is over is told even if it is silenced by then, if it was
//! told that it fired. Whoever was woken is to hear the end.

mod group;
mod inhibition;
mod matcher;
mod mute;
mod pager;
mod plan;
mod severity;
mod silence;
#[cfg(test)]
mod tests;
mod topology;

pub use group::{GroupKey, Sent};
pub use inhibition::Inhibition;
pub use matcher::{Matcher, MatcherError, Matchers};
pub use mute::Mute;
pub use pager::{Due, Listed, MAX_OUTSIDE, MAX_OUTSIDE_BYTES, OutsideEvent, Page, Pager};
pub use plan::Plan;
pub use severity::SEVERITY_LABEL;
pub use silence::{Silence, SilenceState};
pub use topology::Topology;

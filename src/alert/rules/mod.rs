//! Alert rules, as decisions: what is measured, when that is wrong, since when, and what is said of it.
//!
//! Pure: fed the clock, and everything that it knows of the world through [`Series`]. In reading order: a
//! [`Rule`] has an [`Expression`], which is [measured](measure) over series, a number for each group; where
//! the number is beyond the threshold, the group has a [`Life`]; [`RuleSet`] runs all rules, and says what
//! fires and what changed. [`History`] is the series' memory.
//!
//! What Prometheus has a word for means what it means there: `for`, `keep_firing_for`, `rate`, `increase`,
//! `histogram_quantile`, `absent`, and that a series that is gone takes its alert along.

mod binding;
mod expression;
pub mod facts;
mod history;
mod human;
mod live;
mod measure;
mod pattern;
mod preset;
mod quantile;
mod record;
mod rule;
mod rule_set;
mod series;
mod state;
mod stretch;
mod template;
#[cfg(test)]
mod tests;

pub use expression::{Comparison, Expression, Fold, Function, Grouping, Matcher, Measure, Term};
pub use history::{History, Look};
pub use human::{Unit, human};
pub use pattern::Pattern;
pub use preset::{PLAIN, PRESETS, Preset, preset};
pub use record::{Record, RecordKey};
pub use rule::{NAME_LABEL, RESERVED_LABELS, Rule, SEVERITY_LABEL};
pub use rule_set::{Evaluation, Event, Raised, RuleSet, Transition};
pub use series::{Family, Series};
pub use state::{Life, Phase, Timing};
pub use stretch::Stretch;
pub use template::{NAMES as TEMPLATE_NAMES, Template, TemplateError};

//! What an alert carries for people: labels and annotations.

use std::collections::{BTreeMap, BTreeSet};

use super::check::Check;
use crate::alert::rules::{
    NAME_LABEL, PLAIN, RESERVED_LABELS, SEVERITY_LABEL, TEMPLATE_NAMES, Template, TemplateError,
};
use crate::config::path::KeyPath;
use crate::config::types::NODE_LABEL;
use crate::model::Labels;

/// The annotation that every rule has.
const SUMMARY: &str = "summary";

/// Labels of a rule, by names that Prometheus would take.
pub fn labels(written: &BTreeMap<String, String>, at: &KeyPath, check: &mut Check<'_>) -> Labels {
    for name in written.keys() {
        if RESERVED_LABELS.contains(&name.as_str()) {
            check.lacks(&at.key(name), &format!("the label `{name}` is not a rule's to choose"));
        }
        name_of(name, &at.key(name), check);
    }
    written.clone()
}

fn name_of(name: &str, at: &KeyPath, check: &mut Check<'_>) {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        check.lacks(at, "the name must be letters, digits and `_`, and begin with no digit");
    }
}

/// What the texts of a rule may speak of.
pub struct Texts<'a> {
    /// The summary that the rule's kind has.
    pub base: &'a str,
    pub group_labels: &'a [String],
    pub labels: &'a Labels,
}

impl Texts<'_> {
    /// Compiles them, with a summary where none is written.
    pub fn annotations(
        &self,
        written: &BTreeMap<String, String>,
        of_node: bool,
        at: &KeyPath,
        check: &mut Check<'_>,
    ) -> BTreeMap<String, Template> {
        let groups = self.group_labels.iter().chain(self.labels.keys()).map(String::as_str);
        let mut names: BTreeSet<&str> = groups.chain([NAME_LABEL, SEVERITY_LABEL]).collect();
        if of_node {
            names.insert(NODE_LABEL);
        }
        let mut made = BTreeMap::new();
        for (name, text) in written {
            let at = at.key(name);
            name_of(name, &at, check);
            match Template::new(text, &names) {
                Ok(template) => _ = made.insert(name.clone(), template),
                Err(TemplateError::Unknown { name }) => {
                    let what = format!("names `{name}`, which no alert of the rule has");
                    let known = names.iter().copied().chain(TEMPLATE_NAMES).collect();
                    check.unknown(&at, &what, &name, known);
                }
                Err(error) => check.wrong(&at, &error.to_string()),
            }
        }
        // The kind's summary names labels that the rule may have taken away.
        let summary =
            [self.base, PLAIN.summary].into_iter().find_map(|t| Template::new(t, &names).ok());
        if let (false, Some(summary)) = (written.contains_key(SUMMARY), summary) {
            made.insert(SUMMARY.to_owned(), summary);
        }
        made
    }
}

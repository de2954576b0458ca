//! What every part of validation needs: a place to put problems, and checks that recur.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use regex::{Regex, RegexBuilder};

use super::Surroundings;
use crate::config::path::KeyPath;
use crate::config::problem::{MAX_PROBLEMS, Problem, Problems};
use crate::config::schema::{CertificateFiles, Size, Time};
use crate::config::suggest::nearest;
use crate::config::tree::{Located, Node};
use crate::config::types;
use crate::model::InvalidName;

/// A compiled pattern larger than this is refused: it would slow down each request.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// Of a long list of names, how many a message shows.
const MAX_LISTED_NAMES: usize = 20;

pub const MILLISECOND: Duration = Duration::from_millis(1);
pub const HOUR: Duration = Duration::from_secs(3600);
pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// Collects what validation finds.
pub struct Check<'a> {
    pub tree: &'a Node,
    pub around: &'a Surroundings<'a>,
    problems: Problems,
    warnings: Vec<Problem>,
    files: BTreeSet<PathBuf>,
}

impl<'a> Check<'a> {
    pub fn new(tree: &'a Node, around: &'a Surroundings<'a>) -> Self {
        let (problems, warnings, files) = Default::default();
        Self { tree, around, problems, warnings, files }
    }

    pub fn into_parts(self) -> (Problems, Vec<Problem>, BTreeSet<PathBuf>) {
        (self.problems, self.warnings, self.files)
    }

    fn report(&mut self, at: &KeyPath, make: impl FnOnce() -> Problem) {
        // What is missing was reported when it was filled in.
        if !self.tree.is_missing(at) {
            self.problems.push_with(make);
        }
    }

    /// The value at `at`, followed by `what`. Never put a value into `what`: it may be a secret.
    pub fn wrong(&mut self, at: &KeyPath, what: &str) {
        self.report(at, || self.tree.problem(at, what));
    }

    /// The same, with what is allowed instead.
    pub fn refuse(&mut self, at: &KeyPath, what: &str, allowed: &str) {
        self.report(at, || self.tree.problem(at, what).allowed(allowed));
    }

    /// A name that is none of `known`.
    pub fn unknown(&mut self, at: &KeyPath, what: &str, name: &str, mut known: Vec<&str>) {
        known.sort_unstable();
        known.dedup();
        self.report(at, || {
            let problem = self.tree.problem(at, what).suggest(nearest(name, known.iter().copied()));
            problem.allowed(listed(&known))
        });
    }

    /// A name that is none of `known`, which are too many to list.
    pub fn unheard_of<'n>(
        &mut self,
        at: &KeyPath,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'n str>,
        allowed: &str,
    ) {
        let meant = nearest(name, known);
        self.report(at, || self.tree.problem(at, what).suggest(meant).allowed(allowed));
    }

    /// A key that is none of `known`; `what` says so.
    pub fn unknown_key(&mut self, at: &KeyPath, what: &str, key: &str, known: Vec<&str>) {
        self.report(at, || {
            let Located { place, path, .. } = self.tree.locate(at);
            let problem = Problem::new(place, path, what);
            problem.suggest(nearest(key, known.iter().copied())).allowed(listed(&known))
        });
    }

    /// A problem of a table as a whole, whose value is not worth showing.
    pub fn lacks(&mut self, at: &KeyPath, what: &str) {
        self.report(at, || {
            let Located { place, path, .. } = self.tree.locate(at);
            Problem::new(place, path, what)
        });
    }

    /// A doubt about a table as a whole; past [`MAX_PROBLEMS`] it is not kept.
    pub fn doubt(&mut self, at: &KeyPath, what: &str) {
        if self.warnings.len() < MAX_PROBLEMS {
            let Located { place, path, .. } = self.tree.locate(at);
            self.warnings.push(Problem::new(place, path, what));
        }
    }

    /// A name that was made of the key or the value at `at`.
    pub fn name<T>(&mut self, at: &KeyPath, made: Result<T, InvalidName>) -> Option<T> {
        made.map_err(|invalid| match self.tree.substituted(at) {
            true => self.wrong(at, "is no name"),
            false => self.lacks(at, &format!("the name {invalid}")),
        })
        .ok()
    }

    /// A duration within bounds.
    pub fn time(&mut self, at: &KeyPath, time: Time, min: Duration, max: Duration) -> Duration {
        if time.0 < min || time.0 > max {
            let allowed = format!("{} to {}", Time(min), Time(max));
            self.refuse(at, "is out of range", &allowed);
        }
        time.0
    }

    /// A size within bounds.
    pub fn size(&mut self, at: &KeyPath, size: Size, min: u64, max: u64) -> u64 {
        if size.0 < min || size.0 > max {
            self.refuse(at, "is out of range", &format!("{} to {}", Size(min), Size(max)));
        }
        size.0
    }

    /// A whole number within bounds.
    pub fn number(&mut self, at: &KeyPath, number: u32, min: u32, max: u32) -> u32 {
        if number < min || number > max {
            self.refuse(at, "is out of range", &format!("{min} to {max}"));
        }
        number
    }

    /// A path, relative to the configuration file's directory. It need not exist.
    pub fn path(&mut self, at: &KeyPath, path: &str) -> PathBuf {
        if path.is_empty() || path.contains('\0') {
            self.wrong(at, "is no path");
        }
        // `join` keeps `./`; the components do not.
        self.around.directory.join(path).components().collect()
    }

    /// The path of a file that must exist, and that is watched.
    pub fn file(&mut self, at: &KeyPath, path: &str) -> PathBuf {
        let full = self.path(at, path);
        if path.is_empty() {
            return full;
        }
        if !(self.around.is_file)(&full) {
            self.wrong(at, &format!("is no file{}", self.looked_for(at, &full)));
        }
        self.files.insert(full.clone());
        full
    }

    // Where a relative path led is worth knowing; where a secret led is not to be told.
    fn looked_for(&self, at: &KeyPath, full: &Path) -> String {
        match self.tree.substituted(at) {
            true => String::new(),
            false => format!("; looked for {}", full.display()),
        }
    }

    pub fn certificate(
        &mut self,
        at: &KeyPath,
        files: &CertificateFiles,
    ) -> types::CertificateFiles {
        let CertificateFiles { certificate, key } = files;
        types::CertificateFiles {
            certificate: self.file(&at.key("certificate"), certificate),
            key: self.file(&at.key("key"), key),
        }
    }

    /// A regular expression; `whole` anchors it at both ends.
    pub fn regex(&mut self, at: &KeyPath, pattern: &str, whole: bool) -> Option<Regex> {
        // Compiled by itself first: a stray `)` must not find its partner in the anchors.
        let compile = |text: &str| RegexBuilder::new(text).size_limit(MAX_REGEX_BYTES).build();
        let compiled = compile(pattern).and_then(|regex| match whole {
            true => compile(&format!("^(?:{pattern})$")),
            false => Ok(regex),
        });
        compiled.map_err(|error| self.wrong(at, &regex_problem(&error))).ok()
    }
}

/// Names as one text, the first [`MAX_LISTED_NAMES`] of them.
fn listed(names: &[&str]) -> String {
    let shown = &names[..names.len().min(MAX_LISTED_NAMES)];
    match names.len() - shown.len() {
        0 if names.is_empty() => "none is defined".to_owned(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The last line of a syntax error says what is wrong; those before show the pattern.
fn regex_problem(error: &regex::Error) -> String {
    let text = error.to_string();
    let reason = text.lines().last().unwrap_or_default();
    format!("is no regular expression: {}", reason.strip_prefix("error: ").unwrap_or(reason))
}

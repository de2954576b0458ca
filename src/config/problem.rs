//! What is wrong with a configuration, said so that an operator can mend it: where, what was
//! found, what is allowed, and the name that was probably meant.
//!
//! Knows nothing of how mistakes are found, and never holds the value of a secret: what is shown
//! of a value is the text of the file, before substitution.

use std::fmt;
use std::sync::Arc;

/// Problems kept of one load. Later ones are counted, not kept: nobody reads the hundred-and-first,
/// and a file of garbage must not cost memory without end.
pub const MAX_PROBLEMS: usize = 100;

/// A place in a file, as editors count: lines and columns from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file as the operator named it.
    pub file: Arc<str>,
    /// 0 where the whole file is meant.
    pub line: u32,
    /// In characters; 0 where the whole file is meant.
    pub column: u32,
}

impl Place {
    /// The whole of a file, such as one that cannot be read.
    pub fn whole(file: &Arc<str>) -> Self {
        Self { file: file.clone(), line: 0, column: 0 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}:{}", self.file, self.column),
        }
    }
}

/// One mistake (or, in `Loaded::warnings`, one doubt).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where to look.
    pub place: Place,
    /// The TOML path, such as `services.web.endpoints[1].weight`; empty where none applies.
    pub path: String,
    /// What was found and why it will not do.
    pub what: String,
    /// The valid name closest to what was found.
    pub suggestion: Option<String>,
    /// What may stand there instead.
    pub allowed: Option<String>,
}

impl Problem {
    /// A problem with nothing to suggest.
    pub fn new(place: Place, path: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place, path: path.into(), what: what.into(), suggestion: None, allowed: None }
    }

    /// Adds what may stand there.
    pub fn allowed(mut self, allowed: impl Into<String>) -> Self {
        self.allowed = Some(allowed.into());
        self
    }

    /// Adds the name that was probably meant, if there is one.
    pub fn suggest(mut self, name: Option<impl Into<String>>) -> Self {
        self.suggestion = name.map(Into::into);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.what)?;
        if let Some(name) = &self.suggestion {
            write!(f, "; did you mean `{name}`?")?;
        }
        if let Some(allowed) = &self.allowed {
            write!(f, " (allowed: {allowed})")?;
        }
        Ok(())
    }
}

/// Every mistake of a configuration, in the order of files and lines. Never empty as an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    dropped: usize,
}

impl Problems {
    /// Takes one more; past [`MAX_PROBLEMS`] it is only counted.
    pub fn push(&mut self, problem: Problem) {
        if self.list.len() < MAX_PROBLEMS {
            self.list.push(problem);
        } else {
            self.dropped += 1;
        }
    }

    /// Takes one more, made only if it is kept.
    pub fn push_with(&mut self, make: impl FnOnce() -> Problem) {
        match self.is_full() {
            true => self.dropped += 1,
            false => self.list.push(make()),
        }
    }

    /// Takes all of another's.
    pub fn append(&mut self, other: Problems) {
        self.dropped += other.dropped;
        other.list.into_iter().for_each(|problem| self.push(problem));
    }

    /// Sorted by file and line, each said once.
    pub fn sorted(mut self) -> Self {
        self.list.sort();
        self.list.dedup();
        self
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether no more are kept.
    pub fn is_full(&self) -> bool {
        self.list.len() >= MAX_PROBLEMS
    }

    /// Those that are kept.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }

    /// How many were found beyond [`MAX_PROBLEMS`].
    pub fn dropped(&self) -> usize {
        self.dropped
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.list.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "error: {problem}")?;
        }
        match self.dropped {
            0 => Ok(()),
            n => write!(f, "\nerror: and {n} more, not shown"),
        }
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(line: u32) -> Problem {
        let place = Place { file: "p.toml".into(), line, column: 3 };
        Problem::new(place, "services.web", "unknown key `x`")
    }

    #[test]
    fn a_problem_says_where_what_and_instead_of_what() {
        let problem = problem(14).suggest(Some("y")).allowed("y, z");
        assert_eq!(
            problem.to_string(),
            "p.toml:14:3: services.web: unknown key `x`; did you mean `y`? (allowed: y, z)"
        );
    }

    #[test]
    fn problems_are_bounded_and_the_rest_is_counted() {
        let mut problems = Problems::default();
        (0..MAX_PROBLEMS + 5).rev().for_each(|n| problems.push(problem(n as u32)));
        let text = problems.sorted().to_string();
        assert_eq!(text.lines().count(), MAX_PROBLEMS + 1);
        assert!(text.ends_with("and 5 more, not shown"));
    }
}

//! A place in a document, and a collection of what is wrong at places.

use crate::admin::problem::{Mistake, Problem};

/// More are not listed: whoever made so many has to look at the whole thing again.
const MAX_MISTAKES: usize = 64;

/// A place in a document. Costs nothing until somebody wants to know it as text.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: Step<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl<'a> At<'a> {
    pub const ROOT: At<'static> = At { parent: None, step: Step::Root };

    pub fn key(&'a self, key: &'a str) -> At<'a> {
        At { parent: Some(self), step: Step::Key(key) }
    }

    pub fn index(&'a self, index: usize) -> At<'a> {
        At { parent: Some(self), step: Step::Index(index) }
    }

    /// As a JSON pointer.
    pub fn pointer(&self) -> String {
        let parent = self.parent.map(At::pointer).unwrap_or_default();
        match self.step {
            Step::Root => parent,
            Step::Key(key) => pointer_to(&parent, key),
            Step::Index(index) => pointer_to(&parent, &index.to_string()),
        }
    }
}

/// A pointer that leads one step further.
pub fn pointer_to(parent: &str, key: &str) -> String {
    format!("{parent}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// Where what is read comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Body,
    Parameters,
}

/// What is wrong with a request.
#[derive(Debug)]
pub struct Mistakes {
    from: From,
    found: Vec<(String, String)>,
}

impl Mistakes {
    pub fn of_body() -> Self {
        Self { from: From::Body, found: Vec::new() }
    }

    pub fn of_parameters() -> Self {
        Self { from: From::Parameters, found: Vec::new() }
    }

    pub fn add(&mut self, at: &At<'_>, detail: impl Into<String>) {
        self.add_at(at.pointer(), detail.into());
    }

    /// One mistake a place: what follows from an earlier one is not worth saying.
    pub fn add_at(&mut self, pointer: String, detail: String) {
        let within = |(known, _): &(String, String)| {
            pointer
                .strip_prefix(known.as_str())
                .is_some_and(|rest| rest.is_empty() || (rest.starts_with('/') && !known.is_empty()))
        };
        if self.found.len() < MAX_MISTAKES && !self.found.iter().any(within) {
            self.found.push((pointer, detail));
        }
    }

    /// The value, or what is wrong with it, noted.
    pub fn take<T, E: ToString>(&mut self, at: &At<'_>, made: Result<T, E>) -> Option<T> {
        made.map_err(|error| self.add(at, error.to_string())).ok()
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.found.len() >= MAX_MISTAKES
    }

    /// What was made, if nothing was wrong.
    pub fn or<T>(self, made: Option<T>) -> Result<T, Problem> {
        match made {
            Some(made) if self.found.is_empty() => Ok(made),
            _ => Err(self.into_problem()),
        }
    }

    pub fn into_problem(self) -> Problem {
        let from = self.from;
        let mistake = |(pointer, detail): (String, String)| match from {
            From::Body => Mistake { pointer: Some(pointer), parameter: None, detail },
            From::Parameters => Mistake {
                pointer: None,
                parameter: Some(pointer.trim_start_matches('/').to_owned()),
                detail,
            },
        };
        Problem::mistakes(self.found.into_iter().map(mistake).collect())
    }
}

#[cfg(test)]
impl Mistakes {
    /// Where they are, sorted.
    pub fn places(&self) -> Vec<String> {
        let mut places: Vec<_> = self.found.iter().map(|(place, _)| place.clone()).collect();
        places.sort();
        places
    }
}

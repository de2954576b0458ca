//! Routes: which requests, and what becomes of them.

use std::collections::BTreeSet;

use http::{HeaderName, Method};
use regex::Regex;

use super::{HeaderEdits, RouteTimeouts};
use crate::model::{RouteName, ServiceName};

#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    pub name: RouteName,
    pub matcher: RouteMatch,
    pub action: RouteAction,
    pub timeouts: RouteTimeouts,
    pub headers: HeaderEdits,
    /// Overrides the service's.
    pub max_request_body_bytes: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RouteMatch {
    /// Empty = any host. Lower case.
    pub hosts: Vec<HostPattern>,
    pub path: PathPattern,
    /// Empty = any method.
    pub methods: BTreeSet<MethodName>,
    /// All must hold.
    pub headers: Vec<HeaderMatch>,
}

/// A method, ordered by its name so that it can stand in a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodName(pub Method);

impl PartialOrd for MethodName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for MethodName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.as_str().cmp(other.0.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    Exact(String),
    /// `*.example.com`, kept as `.example.com`: any number of labels before it, at least one.
    Suffix(String),
}

#[derive(Debug, Clone)]
pub enum PathPattern {
    Exact(String),
    /// Whole segments: `/api` matches `/api` and `/api/x`, not `/apix`. `/` matches everything.
    Prefix(String),
    /// Anchored at both ends.
    Regex(Regex),
}

impl PartialEq for PathPattern {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) | (Self::Prefix(a), Self::Prefix(b)) => a == b,
            (Self::Regex(a), Self::Regex(b)) => a.as_str() == b.as_str(),
            _ => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct HeaderMatch {
    pub name: HeaderName,
    pub value: HeaderValueMatch,
}

#[derive(Debug, Clone)]
pub enum HeaderValueMatch {
    Present,
    Absent,
    Exact(String),
    /// Anchored at both ends.
    Regex(Regex),
}

impl PartialEq for HeaderValueMatch {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Present, Self::Present) | (Self::Absent, Self::Absent) => true,
            (Self::Exact(a), Self::Exact(b)) => a == b,
            (Self::Regex(a), Self::Regex(b)) => a.as_str() == b.as_str(),
            _ => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum RouteAction {
    Forward { service: ServiceName, rewrite: Rewrite },
    Redirect(Redirect),
}

/// What the upstream sees as the path; the query stays.
#[derive(Debug, Clone)]
pub enum Rewrite {
    None,
    /// The whole path.
    Path(String),
    /// What the route's prefix matched becomes this.
    Prefix(String),
    /// Every match of `pattern` becomes `replacement`, which may name its groups (`$1`, `${name}`).
    Regex {
        pattern: Regex,
        replacement: String,
    },
}

impl PartialEq for Rewrite {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Path(a), Self::Path(b)) | (Self::Prefix(a), Self::Prefix(b)) => a == b,
            (
                Self::Regex { pattern, replacement },
                Self::Regex { pattern: other_pattern, replacement: other_replacement },
            ) => pattern.as_str() == other_pattern.as_str() && replacement == other_replacement,
            _ => false,
        }
    }
}

/// What is `None` stays as the request has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    pub scheme: Option<String>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub path: Option<String>,
}

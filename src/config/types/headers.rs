//! What is changed of headers.

use http::{HeaderName, HeaderValue};

/// In this order: remove, set, add.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderEdits {
    pub request: HeaderEdit,
    pub response: HeaderEdit,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderEdit {
    pub remove: Vec<HeaderName>,
    pub set: Vec<(HeaderName, HeaderValue)>,
    pub add: Vec<(HeaderName, HeaderValue)>,
}

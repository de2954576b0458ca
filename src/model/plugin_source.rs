//! Where a component comes from.

use std::path::PathBuf;

/// A component, by where its bytes are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PluginSource {
    /// Embedded in the binary, by its name.
    BuiltIn(String),
    /// A component file; an absolute path.
    File(PathBuf),
}

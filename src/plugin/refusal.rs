//! Why a component may not serve, in words that its author can act on.

use super::kind::Kind;

/// A component that was refused. What served before goes on serving.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("cannot be read: {0}")]
    Unreadable(std::io::Error),
    #[error(
        "has {bytes} bytes, and the limit is {limit}; raise `plugins.file_limit` if it is meant"
    )]
    TooLarge { bytes: u64, limit: u64 },
    #[error("is empty; was it still being written?")]
    Empty,
    #[error(
        "is a core WebAssembly module, not a component; \
         `proconsul plugin build` makes one, or `wasm-tools component new`"
    )]
    CoreModule,
    #[error("is not WebAssembly: it begins with {0:02x?} where a component has 00 61 73 6d")]
    NotWasm(Vec<u8>),
    #[error("is not a valid component (a truncated file looks like this): {0}")]
    Invalid(String),
    #[error("there is no built-in {} `{name}`; there are {known}", kind.of_built_in())]
    UnknownBuiltIn { kind: Kind, name: String, known: String },
    #[error(
        "`{name}` is a built-in {}, for {}; here a {} is wanted",
        of.of_built_in(), of.section(), wanted.of_built_in()
    )]
    OtherBuiltIn { name: String, of: Kind, wanted: Kind },
    #[error(
        "is a {of}: it exports {export}. It belongs to {}; here a {wanted} is wanted",
        of.section()
    )]
    OtherKind { of: Kind, export: String, wanted: Kind },
    #[error(
        "{verb} {found}; this proxy speaks {spoken}. \
         Rebuild the plugin with a matching `proconsul-plugin`"
    )]
    Version { verb: &'static str, found: String, spoken: String },
    #[error("does not export {wanted}; it exports {found}. Build it for the world {world}")]
    MissingExport { wanted: String, found: String, world: String },
    #[error(
        "imports {import}, which a {kind} has not; it may import {allowed}. \
         What a plugin may do is what its world imports"
    )]
    ForbiddenImport { import: String, kind: Kind, allowed: String },
    #[error("exports `{function}` with another type than the contract's: {detail}")]
    WrongType { function: &'static str, detail: String },
    #[error("cannot be instantiated: {0}")]
    Instantiate(String),
    #[error("`{export}` says: {message}")]
    Declined { export: &'static str, message: String },
    #[error("`{export}` failed: {fault}")]
    Failed { export: &'static str, fault: String },
}

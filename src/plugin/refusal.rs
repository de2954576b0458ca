//! Why a component may not serve, in words that its author can act on.

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
    #[error("there is no built-in strategy `{name}`; there are {known}")]
    UnknownBuiltIn { name: String, known: String },
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
    ForbiddenImport { import: String, kind: &'static str, allowed: String },
    #[error("exports `{function}` with another type than the contract's: {detail}")]
    WrongType { function: &'static str, detail: String },
    #[error("cannot be instantiated: {0}")]
    Instantiate(String),
    #[error("`{export}` says: {message}")]
    Declined { export: &'static str, message: String },
    #[error("`{export}` failed: {fault}")]
    Failed { export: &'static str, fault: String },
}

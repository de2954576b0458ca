//! Finding a Rust compiler that can build for WebAssembly.
//!
//! Rustup's, or whichever `cargo` the user has, where the target's standard library is installed.
//! Otherwise Debian's packages, which bring the library's source and build it along.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What plugins are compiled for: no operating system, so nothing to import but what the contract offers.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Debian's names for the linker, newest first; any will do.
const LINKERS: [&str; 5] = ["wasm-ld-19", "wasm-ld-18", "wasm-ld-17", "wasm-ld-16", "wasm-ld"];

/// A compiler, and how it must be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    /// The cargo to run.
    pub cargo: PathBuf,
    /// What `rustc --version` says.
    pub version: String,
    /// Where the compiler's own files are.
    pub sysroot: PathBuf,
    /// Set where the standard library must be compiled too.
    pub build_std: Option<BuildStd>,
}

/// How a compiler without the target's standard library makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildStd {
    /// The compiler itself.
    pub rustc: PathBuf,
    /// The linker for WebAssembly.
    pub linker: PathBuf,
}

/// No compiler can do it.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    /// There is none at all.
    #[error(
        "no Rust compiler found ({0}). Install one, then type this again:\n    \
         curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --target {TARGET}"
    )]
    NoCompiler(String),
    /// There is one, without the target.
    #[error(
        "{version} cannot compile for {TARGET}: its standard library for that is not installed. Type:\n    \
         {line}\nor, on Debian, where that is out of reach:\n    \
         apt-get install rustc-web cargo-web rust-web-src lld-19"
    )]
    NoTarget {
        /// Which compiler.
        version: String,
        /// What gives it the target.
        line: &'static str,
    },
}

/// Finds a compiler for a crate in `dir` (where a `rust-toolchain.toml` may choose one).
///
/// `CARGO` and `RUSTC` in the environment are taken before what `PATH` has.
pub fn find(dir: &Path) -> Result<Toolchain, ToolchainError> {
    let named = |variable, default: &str| {
        PathBuf::from(std::env::var_os(variable).unwrap_or_else(|| OsString::from(default)))
    };
    let rustc = named("RUSTC", "rustc");
    let missing = match ordinary(dir, &rustc, named("CARGO", "cargo")) {
        Ok(Some(toolchain)) => return Ok(toolchain),
        Ok(None) => {
            let version = ask(dir, &rustc, &["--version"]).unwrap_or_default();
            ToolchainError::NoTarget { version, line: how_to_get_it() }
        }
        Err(why) => ToolchainError::NoCompiler(why),
    };
    debian(Path::new("/usr")).ok_or(missing)
}

/// The compiler that the user has; none where it lacks the target.
fn ordinary(dir: &Path, rustc: &Path, cargo: PathBuf) -> Result<Option<Toolchain>, String> {
    let libraries = ask(dir, rustc, &["--print", "target-libdir", "--target", TARGET])?;
    if !Path::new(&libraries).is_dir() {
        return Ok(None);
    }
    Ok(Some(Toolchain {
        cargo,
        version: ask(dir, rustc, &["--version"])?,
        sysroot: ask(dir, rustc, &["--print", "sysroot"])?.into(),
        build_std: None,
    }))
}

/// Debian's compiler with the library's source, under `prefix`.
fn debian(prefix: &Path) -> Option<Toolchain> {
    let (cargo, rustc) = (prefix.join("bin/cargo"), prefix.join("bin/rustc"));
    let source = prefix.join("lib/rustlib/src/rust/library/std/Cargo.toml");
    let linker = LINKERS.iter().map(|name| prefix.join("bin").join(name)).find(|l| l.exists())?;
    if !cargo.exists() || !source.exists() {
        return None;
    }
    Some(Toolchain {
        cargo,
        version: ask(Path::new("/"), &rustc, &["--version"]).ok()?,
        sysroot: prefix.to_path_buf(),
        build_std: Some(BuildStd { rustc, linker }),
    })
}

fn how_to_get_it() -> &'static str {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|dir| dir.join("rustup").exists()) {
        "rustup target add wasm32-unknown-unknown"
    } else {
        "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --target wasm32-unknown-unknown"
    }
}

/// Runs a program, and gives its one line of answer or why there is none.
fn ask(dir: &Path, program: &Path, arguments: &[&str]) -> Result<String, String> {
    let shown = program.display();
    let output = Command::new(program)
        .args(arguments)
        .current_dir(dir)
        .output()
        .map_err(|error| format!("`{shown}`: {error}"))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{shown} {}`: {}", arguments.join(" "), message.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_the_parts_is_no_debian() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(debian(dir.path()), None);
    }

    #[test]
    fn no_compiler_says_what_to_type() {
        let error = ordinary(Path::new("/"), Path::new("/nowhere/rustc"), "cargo".into());
        let message = ToolchainError::NoCompiler(error.unwrap_err()).to_string();
        assert!(message.contains("/nowhere/rustc"), "{message}");
        assert!(message.contains("--target wasm32-unknown-unknown"), "{message}");
    }
}

//! What a shipped component was built from, so that one that lags behind its sources is noticed
//! without a compiler.
//!
//! A digest covers the crate's manifest and sources, those of the SDK and the algorithms, and the contract. It
//! does not cover `Cargo.lock` or the compiler: a newer one of these makes other bytes of the same meaning, and
//! the manifest says which compiler it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Where the shipped components are, in the checkout.
pub const DIST: &str = "plugins/dist";

/// What every plugin is built from, beside its own crate.
const SHARED: [&str; 3] = ["plugins/sdk", "plugins/algorithms", "wit"];

/// Why there is no digest, or no manifest.
#[derive(Debug, thiserror::Error)]
pub enum DigestError {
    /// A file could not be read or written.
    #[error("{path}: {error}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// The manifest is not one.
    #[error("{path}: {message}; run `make plugins`")]
    Manifest {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// One shipped component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// SHA-256 of its sources, as [`sources`] gives it.
    pub sources: String,
    /// SHA-256 of the component.
    pub component: String,
    /// What `rustc --version` said.
    pub compiler: String,
}

/// The shipped components by name.
pub type Manifest = BTreeMap<String, Entry>;

/// SHA-256 of some bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes).as_slice())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest of all that the plugin in `crate_dir` (relative to the checkout) is built from.
pub fn sources(checkout: &Path, crate_dir: &Path) -> Result<String, DigestError> {
    let mut files = Vec::new();
    for folder in [crate_dir].into_iter().chain(SHARED.map(Path::new)) {
        collect(checkout, folder, &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let path = checkout.join(&file);
        let text = std::fs::read_to_string(&path)
            .map_err(|error| DigestError::File { path, error })?
            // A checkout on Windows may have other line ends than the one that was built.
            .replace("\r\n", "\n");
        let name = file.to_string_lossy().replace('\\', "/");
        // Lengths keep `a` + `bc` apart from `ab` + `c`.
        hash.update(format!("{} {name} {}\n", name.len(), text.len()));
        hash.update(text);
    }
    Ok(hex(hash.finalize().as_slice()))
}

/// Sources and manifests under a folder: what is compiled, not what describes or tests it.
fn collect(checkout: &Path, folder: &Path, into: &mut Vec<PathBuf>) -> Result<(), DigestError> {
    let path = checkout.join(folder);
    let failed = |error| DigestError::File { path: path.clone(), error };
    for entry in std::fs::read_dir(&path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = folder.join(entry.file_name());
        let kind = entry.file_type().map_err(failed)?;
        // The SDK's link to the contract is a link, and the contract is listed by itself.
        if kind.is_dir() {
            collect(checkout, &name, into)?;
        } else if kind.is_file() {
            let manifest = entry.file_name() == "Cargo.toml";
            let source = name.extension().is_some_and(|end| end == "rs" || end == "wit");
            if manifest || source {
                into.push(name);
            }
        }
    }
    Ok(())
}

/// Reads `manifest.toml`.
pub fn read(path: &Path) -> Result<Manifest, DigestError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| DigestError::File { path: path.to_path_buf(), error })?;
    let wrong = |message: String| DigestError::Manifest { path: path.to_path_buf(), message };
    let table: toml::Table = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let entry = |(name, value): (String, toml::Value)| {
        let field = |key: &str| {
            let text = value.get(key).and_then(toml::Value::as_str);
            text.map(str::to_owned).ok_or_else(|| wrong(format!("`{name}.{key}` is missing")))
        };
        let entry = Entry {
            sources: field("sources")?,
            component: field("component")?,
            compiler: field("compiler")?,
        };
        Ok((name, entry))
    };
    table.into_iter().map(entry).collect()
}

/// Writes `manifest.toml`, in order of names.
pub fn write(path: &Path, manifest: &Manifest) -> Result<(), DigestError> {
    let mut text = String::from(
        "# Written by `make plugins`: what each component beside this file was built from, and by what.\n\
         # `sources` and `component` are SHA-256; a test fails where one no longer fits.\n",
    );
    for (name, Entry { sources, component, compiler }) in manifest {
        text += &format!(
            "\n[{name}]\nsources = {sources:?}\ncomponent = {component:?}\ncompiler = {compiler:?}\n"
        );
    }
    std::fs::write(path, text)
        .map_err(|error| DigestError::File { path: path.to_path_buf(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkout() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("plugins/mine/Cargo.toml", "[package]\n"),
            ("plugins/mine/src/lib.rs", "fn a() {}\nfn b() {}\n"),
            ("plugins/mine/README.md", "about\n"),
            ("plugins/sdk/src/lib.rs", ""),
            ("plugins/algorithms/src/lib.rs", ""),
            ("wit/host.wit", "package a:b;\n"),
        ] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    fn digest(checkout: &tempfile::TempDir) -> String {
        sources(checkout.path(), Path::new("plugins/mine")).unwrap()
    }

    #[test]
    fn what_is_compiled_counts_and_nothing_else() {
        let dir = checkout();
        let before = digest(&dir);
        let change = |path: &str, text: &str| {
            std::fs::write(dir.path().join(path), text).unwrap();
            digest(&dir)
        };
        assert_eq!(change("plugins/mine/README.md", "more"), before);
        assert_eq!(change("plugins/mine/src/lib.rs", "fn a() {}\r\nfn b() {}\r\n"), before);
        assert_ne!(change("plugins/mine/src/lib.rs", "fn a() {}\n"), before);
        change("plugins/mine/src/lib.rs", "fn a() {}\nfn b() {}\n");
        assert_ne!(change("wit/host.wit", "package a:c;\n"), before);
        change("wit/host.wit", "package a:b;\n");
        assert_ne!(change("plugins/algorithms/src/new.rs", ""), before);
    }

    #[test]
    fn a_manifest_comes_back_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("manifest.toml");
        let entry =
            Entry { sources: "ab".into(), component: "cd".into(), compiler: "rustc 1.95.0".into() };
        let manifest = Manifest::from([("ip-hash".to_owned(), entry)]);
        write(&path, &manifest).unwrap();
        assert_eq!(read(&path).unwrap(), manifest);
    }

    #[test]
    fn a_broken_manifest_says_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("manifest.toml");
        std::fs::write(&path, "[maglev]\nsources = \"a\"\n").unwrap();
        let message = read(&path).unwrap_err().to_string();
        assert!(message.contains("`maglev.component` is missing"), "{message}");
    }
}

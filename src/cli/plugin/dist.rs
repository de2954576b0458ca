//! The components that are shipped: rebuilding them all, and noticing those that lag behind.

use std::path::{Path, PathBuf};

use super::build::{self, BuildError, Component};
use super::digest::{self, DIST, DigestError, Entry, Manifest};
use super::toolchain::Toolchain;
use crate::plugin::builtin;

/// Why the shipped components could not be rebuilt or checked.
#[derive(Debug, thiserror::Error)]
pub enum DistError {
    /// One does not build.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A source or the manifest could not be read or written.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

/// Builds every shipped component from the sources of a checkout, into no folder yet.
///
/// `target_dir` is where cargo works; none = where it would work by itself.
pub fn build(
    toolchain: &Toolchain,
    checkout: &Path,
    target_dir: Option<&Path>,
) -> Result<Vec<Component>, DistError> {
    let folders: Vec<PathBuf> =
        builtin::all_names().map(|name| checkout.join("plugins").join(name)).collect();
    Ok(build::build_all(toolchain, &folders, target_dir)?)
}

/// Builds them, and puts them with their manifest into a folder, usually `plugins/dist`.
pub fn rebuild(
    toolchain: &Toolchain,
    checkout: &Path,
    out: &Path,
    target_dir: Option<&Path>,
) -> Result<Manifest, DistError> {
    let mut manifest = Manifest::new();
    for component in build(toolchain, checkout, target_dir)? {
        let entry = Entry {
            sources: digest::sources(checkout, &Path::new("plugins").join(&component.name))?,
            component: digest::sha256(&component.bytes),
            compiler: toolchain.version.clone(),
        };
        build::write(&component, out)?;
        manifest.insert(component.name, entry);
    }
    digest::write(&out.join("manifest.toml"), &manifest)?;
    Ok(manifest)
}

/// What is wrong with `plugins/dist`, one line each; empty when nothing is.
pub fn check(checkout: &Path) -> Result<Vec<String>, DistError> {
    let dist = checkout.join(DIST);
    let manifest = digest::read(&dist.join("manifest.toml"))?;
    let mut wrong = Vec::new();
    for name in builtin::all_names() {
        let Some(entry) = manifest.get(name) else {
            wrong.push(format!("{name}: is not in the manifest"));
            continue;
        };
        if digest::sources(checkout, &Path::new("plugins").join(name))? != entry.sources {
            wrong.push(format!("{name}: its sources have changed since it was built"));
        }
        match std::fs::read(dist.join(format!("{name}.wasm"))) {
            Ok(bytes) if digest::sha256(&bytes) == entry.component => {}
            Ok(_) => wrong.push(format!("{name}: is not the component that was built")),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    let unknown = manifest.keys().filter(|name| builtin::component(name).is_none());
    wrong.extend(unknown.map(|name| format!("{name}: is in the manifest and not shipped")));
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A checkout where everything fits.
    fn checkout() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &[u8]| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        for shared in ["plugins/sdk/Cargo.toml", "plugins/algorithms/Cargo.toml", "wit/a.wit"] {
            write(shared, b"");
        }
        let mut manifest = Manifest::new();
        for name in builtin::all_names() {
            let folder = Path::new("plugins").join(name);
            write(folder.join("Cargo.toml").to_str().unwrap(), b"");
            write(&format!("{DIST}/{name}.wasm"), name.as_bytes());
            let entry = Entry {
                sources: digest::sources(dir.path(), &folder).unwrap(),
                component: digest::sha256(name.as_bytes()),
                compiler: String::new(),
            };
            manifest.insert(name.to_owned(), entry);
        }
        digest::write(&dir.path().join(DIST).join("manifest.toml"), &manifest).unwrap();
        dir
    }

    #[test]
    fn what_fits_is_not_complained_about_and_what_does_not_is() {
        let dir = checkout();
        assert_eq!(check(dir.path()).unwrap(), [""; 0]);

        std::fs::write(dir.path().join("plugins/maglev/Cargo.toml"), "[lib]").unwrap();
        std::fs::write(dir.path().join(DIST).join("random.wasm"), "other").unwrap();
        std::fs::remove_file(dir.path().join(DIST).join("ip-hash.wasm")).unwrap();
        let wrong = check(dir.path()).unwrap();
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        assert!(wrong[0].starts_with("ip-hash: "));
        assert_eq!(wrong[1], "maglev: its sources have changed since it was built");
        assert_eq!(wrong[2], "random: is not the component that was built");

        std::fs::write(dir.path().join("wit/a.wit"), "package a:b;").unwrap();
        assert!(check(dir.path()).unwrap().len() >= builtin::all_names().count());
    }
}

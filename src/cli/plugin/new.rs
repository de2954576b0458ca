//! `proconsul plugin new`: a crate that builds, passes its tests, and is meant to be changed.

use std::path::{Path, PathBuf};

use crate::plugin::Kind;

/// Where a new plugin's crate finds the SDK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sdk {
    /// The folder of the SDK's crate, in a checkout.
    Path(PathBuf),
    /// A released version.
    Version(String),
}

/// Why there is no new crate.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    /// The name is none for a crate.
    #[error(
        "`{0}` cannot be a plugin's name; allowed are 1 to 64 lower-case letters, digits and `-`, a letter first"
    )]
    Name(String),
    /// There is something already.
    #[error("{0} exists already; choose another name or folder")]
    Exists(PathBuf),
    /// The SDK is not where it should be.
    #[error(
        "{0} is not the SDK: it has no Cargo.toml. It is `plugins/sdk` in a checkout of Proconsul"
    )]
    NoSdk(PathBuf),
    /// A file could not be written.
    #[error("{path}: {error}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
}

/// A crate's files, with `{{name}}` and `{{sdk}}` to be filled in.
type Template = [(&'static str, &'static str); 5];

const BALANCER: Template = [
    ("Cargo.toml", include_str!("template/Cargo.toml.in")),
    ("README.md", include_str!("template/README.md")),
    (".gitignore", include_str!("template/gitignore")),
    ("src/lib.rs", include_str!("template/src/lib.rs")),
    ("scenarios/spills-over.toml", include_str!("template/scenarios/spills-over.toml")),
];

const HEALTH_CHECK: Template = [
    ("Cargo.toml", include_str!("template/Cargo.toml.in")),
    ("README.md", include_str!("template-health-check/README.md")),
    (".gitignore", include_str!("template/gitignore")),
    ("src/lib.rs", include_str!("template-health-check/src/lib.rs")),
    ("scenarios/answers.toml", include_str!("template-health-check/scenarios/answers.toml")),
];

const ALERT_CHANNEL: Template = [
    ("Cargo.toml", include_str!("template/Cargo.toml.in")),
    ("README.md", include_str!("template-alert-channel/README.md")),
    (".gitignore", include_str!("template/gitignore")),
    ("src/lib.rs", include_str!("template-alert-channel/src/lib.rs")),
    ("sample.toml", include_str!("template-alert-channel/sample.toml")),
];

fn template(kind: Kind) -> &'static Template {
    match kind {
        Kind::Balancer => &BALANCER,
        Kind::HealthCheck => &HEALTH_CHECK,
        Kind::AlertChannel => &ALERT_CHANNEL,
    }
}

impl Sdk {
    /// The SDK of the checkout that one of these folders is in, or else this version's release.
    ///
    /// Give it the working directory and that of the running program.
    pub fn find(folders: &[&Path]) -> Self {
        let up = folders.iter().flat_map(|folder| folder.ancestors());
        let found = up.map(|folder| folder.join("plugins/sdk")).find(|sdk| is_sdk(sdk));
        found.map_or_else(|| Sdk::Version(env!("CARGO_PKG_VERSION").to_owned()), Sdk::Path)
    }

    /// The right side of the dependency, in TOML.
    fn requirement(&self) -> Result<String, NewError> {
        match self {
            Sdk::Version(version) => Ok(format!("{version:?}")),
            Sdk::Path(path) if !is_sdk(path) => Err(NewError::NoSdk(path.clone())),
            Sdk::Path(path) => {
                let real = path
                    .canonicalize()
                    .map_err(|error| NewError::File { path: path.clone(), error })?;
                Ok(format!("{{ path = {:?} }}", real.display().to_string()))
            }
        }
    }
}

fn is_sdk(folder: &Path) -> bool {
    folder.join("Cargo.toml").is_file()
}

/// Makes a crate for a plugin of `kind` called `name` in a folder of that name under `parent`, and gives the folder.
pub fn create(kind: Kind, name: &str, parent: &Path, sdk: &Sdk) -> Result<PathBuf, NewError> {
    let letters = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let first = name.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
    if !letters || !first || name.len() > 64 || name.ends_with('-') {
        return Err(NewError::Name(name.to_owned()));
    }
    let folder = parent.join(name);
    if folder.exists() {
        return Err(NewError::Exists(folder));
    }
    let requirement = sdk.requirement()?;
    for (file, text) in template(kind) {
        let path = folder.join(file);
        let text = text.replace("{{name}}", name).replace("{{sdk}}", &requirement);
        let made = match path.parent() {
            Some(folder) => std::fs::create_dir_all(folder),
            None => Ok(()),
        };
        made.and_then(|()| std::fs::write(&path, text))
            .map_err(|error| NewError::File { path, error })?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version() -> Sdk {
        Sdk::Version("0.1.0".into())
    }

    #[test]
    fn every_placeholder_is_filled_in() {
        for kind in Kind::ALL {
            let dir = tempfile::tempdir().unwrap();
            let folder = create(kind, "fill-first", dir.path(), &version()).unwrap();
            for (file, _) in template(kind) {
                let text = std::fs::read_to_string(folder.join(file)).unwrap();
                assert!(!text.contains("{{"), "{file}: {text}");
            }
            let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
            let manifest: toml::Table = toml::from_str(&manifest).unwrap();
            assert_eq!(manifest["package"]["name"].as_str(), Some("fill-first"));
            assert_eq!(manifest["dependencies"]["proconsul-plugin"].as_str(), Some("0.1.0"));
        }
    }

    #[test]
    fn nothing_is_overwritten_and_names_are_checked() {
        let dir = tempfile::tempdir().unwrap();
        create(Kind::Balancer, "mine", dir.path(), &version()).unwrap();
        assert!(matches!(
            create(Kind::Balancer, "mine", dir.path(), &version()),
            Err(NewError::Exists(_))
        ));
        for name in ["", "Mine", "1st", "a/b", "..", "a_b", "a-"] {
            assert!(
                matches!(
                    create(Kind::Balancer, name, dir.path(), &version()),
                    Err(NewError::Name(_))
                ),
                "{name}"
            );
        }
    }

    #[test]
    fn a_wrong_sdk_is_refused_before_anything_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let sdk = Sdk::Path(dir.path().join("nowhere"));
        assert!(matches!(
            create(Kind::Balancer, "mine", dir.path(), &sdk),
            Err(NewError::NoSdk(_))
        ));
        assert!(!dir.path().join("mine").exists());
    }

    #[test]
    fn the_sdk_is_found_upwards() {
        let dir = tempfile::tempdir().unwrap();
        let sdk = dir.path().join("plugins/sdk");
        std::fs::create_dir_all(&sdk).unwrap();
        assert_eq!(Sdk::find(&[dir.path()]), Sdk::Version(env!("CARGO_PKG_VERSION").into()));
        std::fs::write(sdk.join("Cargo.toml"), "").unwrap();
        assert_eq!(Sdk::find(&[&dir.path().join("target/release")]), Sdk::Path(sdk));
    }
}

//! `proconsul plugin new` and `proconsul plugin build`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use super::digest::{Entry, Manifest};
use super::new::{self, Sdk};
use super::{build, digest, dist, toolchain};
use crate::plugin::Kind;

/// How the template's channel is tried, where somebody listens.
pub(super) const TEST_SENDING: &str =
    r#" --send --allow 127.0.0.1:9000 --config 'url = "http://127.0.0.1:9000/"'"#;

/// Makes a crate, and says what to type next.
pub(super) fn new(kind: Kind, name: &str, parent: &Path, sdk: Option<PathBuf>) -> ExitCode {
    let sdk = sdk.map_or_else(find_sdk, Sdk::Path);
    finish(new::create(kind, name, parent, &sdk).map(|folder| {
        let (folder, what) = (folder.display(), kind.of_built_in());
        let sent = match kind {
            Kind::AlertChannel => TEST_SENDING,
            Kind::Balancer | Kind::HealthCheck => "",
        };
        format!(
            "{folder}: a new {what}, to change to your own. Next:\n    \
             proconsul plugin build {folder}\n    proconsul plugin test {folder}{sent}"
        )
    }))
}

fn find_sdk() -> Sdk {
    let here = std::env::current_dir().unwrap_or_default();
    let program = std::env::current_exe().unwrap_or_default();
    Sdk::find(&[&here, &program])
}

/// Builds one crate's component.
pub(super) fn build(folder: &Path, out: &Path, manifest: bool) -> ExitCode {
    finish(build_one(folder, out, manifest))
}

fn build_one(folder: &Path, out: &Path, manifest: bool) -> anyhow::Result<String> {
    let toolchain = toolchain::find(folder)?;
    let component = build::build(&toolchain, folder, None)?;
    let path = build::write(&component, out)?;
    let message = format!("{}: {} bytes", path.display(), component.bytes.len());
    if manifest {
        let folder = folder.canonicalize()?;
        let checkout = folder
            .ancestors()
            .find(|above| above.join("plugins/sdk").is_dir())
            .with_context(|| format!("{} is not in a checkout", folder.display()))?;
        let entry = Entry {
            sources: digest::sources(checkout, folder.strip_prefix(checkout)?)?,
            component: digest::sha256(&component.bytes),
            compiler: toolchain.version.clone(),
        };
        digest::write(&out.join("manifest.toml"), &Manifest::from([(component.name, entry)]))?;
    }
    Ok(message)
}

/// Builds the components that are shipped, from the `plugins` folder of a checkout.
pub(super) fn all(plugins: &Path, out: &Path, manifest: bool) -> ExitCode {
    finish(
        build_all(plugins, out, manifest)
            .map(|count| format!("{count} components in {}", out.display())),
    )
}

fn build_all(plugins: &Path, out: &Path, manifest: bool) -> anyhow::Result<usize> {
    let plugins = plugins.canonicalize().with_context(|| plugins.display().to_string())?;
    let checkout = plugins.parent().context("the `plugins` folder is not in a checkout")?;
    let toolchain = toolchain::find(checkout)?;
    if manifest {
        return Ok(dist::rebuild(&toolchain, checkout, out, None)?.len());
    }
    let components = dist::build(&toolchain, checkout, None)?;
    for component in &components {
        build::write(component, out)?;
    }
    Ok(components.len())
}

fn finish(result: Result<String, impl std::fmt::Display>) -> ExitCode {
    match result {
        Ok(message) => {
            println!("{message}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

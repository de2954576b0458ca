//! From a crate's source to a component: cargo makes a module, and the module is wrapped by what it
//! says about itself, and given a `door`. No adapter, no WASI.
//!
//! The same sources and compiler give the same bytes wherever they are built: paths are cut out, the profile
//! is set here, and flags from the environment are not taken.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use wit_component::ComponentEncoder;

use super::door::with_door;
use super::toolchain::{TARGET, Toolchain};

/// How plugins are compiled. Speed first: `pick` is on the path of every request.
const PROFILE: [(&str, &str); 8] = [
    ("INHERITS", "release"),
    ("OPT_LEVEL", "3"),
    ("LTO", "fat"),
    ("CODEGEN_UNITS", "1"),
    ("PANIC", "abort"),
    ("STRIP", "true"),
    ("DEBUG", "false"),
    ("INCREMENTAL", "false"),
];

/// What would change the output behind our back.
const NOT_TAKEN: [&str; 7] = [
    "RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC",
];

/// A component that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// The crate's name, without `proconsul-plugin-` before it.
    pub name: String,
    /// The crate's folder, as it was given.
    pub crate_dir: PathBuf,
    /// The component.
    pub bytes: Vec<u8>,
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The folder is no crate.
    #[error("{0} is not a crate: no Cargo.toml there names a package")]
    NoCrate(PathBuf),
    /// Cargo could not be started.
    #[error("cannot run {cargo}: {error}")]
    Cargo {
        /// Which cargo.
        cargo: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// Cargo said no; its own message went to stderr, but for what is here.
    #[error("{0}")]
    Failed(String),
    /// The crate compiles, but to no module.
    #[error(
        "{0} makes no WebAssembly module. Add to its Cargo.toml:\n    [lib]\n    crate-type = [\"cdylib\"]"
    )]
    NoModule(PathBuf),
    /// The module is no component.
    #[error("{crate_dir} compiles, but its module is no component: {message}")]
    Encode {
        /// Which crate.
        crate_dir: PathBuf,
        /// What the encoder said.
        message: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {error}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
}

/// Builds one crate.
///
/// Cargo's progress and the compiler's messages go to stderr. `target_dir` is where cargo works; none = where
/// it would work by itself.
pub fn build(
    toolchain: &Toolchain,
    crate_dir: &Path,
    target_dir: Option<&Path>,
) -> Result<Component, BuildError> {
    let mut built = build_all(toolchain, &[crate_dir.to_path_buf()], target_dir)?;
    built.pop().ok_or_else(|| BuildError::NoModule(crate_dir.to_path_buf()))
}

/// Builds several crates of one workspace in one go, and gives the components in the same order.
pub fn build_all(
    toolchain: &Toolchain,
    crate_dirs: &[PathBuf],
    target_dir: Option<&Path>,
) -> Result<Vec<Component>, BuildError> {
    let folders = crate_dirs.iter().map(|dir| real(dir)).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = folders.first() else {
        return Ok(Vec::new());
    };
    let mut cargo = command(toolchain, first)?;
    if let Some(dir) = target_dir {
        cargo.arg("--target-dir").arg(dir);
    }
    for dir in &folders {
        cargo.arg("--package").arg(package(dir)?);
    }
    let modules = run(toolchain, cargo)?;
    let component = |(dir, folder): (&PathBuf, &PathBuf)| {
        let module = modules
            .iter()
            .find(|module| module.crate_dir == *folder)
            .ok_or_else(|| BuildError::NoModule(dir.clone()))?;
        Ok(Component {
            name: package(folder)?.trim_start_matches("proconsul-plugin-").to_owned(),
            crate_dir: dir.clone(),
            bytes: encode(dir, &module.path)?,
        })
    };
    crate_dirs.iter().zip(&folders).map(component).collect()
}

/// Writes a component as `<name>.wasm` into a folder, by way of a temporary name: a proxy that watches the
/// folder never sees half of it. Gives the path.
pub fn write(component: &Component, folder: &Path) -> Result<PathBuf, BuildError> {
    let path = folder.join(format!("{}.wasm", component.name));
    let half = folder.join(format!(".{}.wasm.{}", component.name, std::process::id()));
    std::fs::create_dir_all(folder)
        .map_err(|error| BuildError::File { path: folder.to_path_buf(), error })?;
    std::fs::write(&half, &component.bytes)
        .and_then(|()| std::fs::rename(&half, &path))
        .map_err(|error| BuildError::File { path: path.clone(), error })?;
    Ok(path)
}

/// A crate's folder without links, which is how cargo names it.
fn real(dir: &Path) -> Result<PathBuf, BuildError> {
    if !dir.join("Cargo.toml").is_file() {
        return Err(BuildError::NoCrate(dir.to_path_buf()));
    }
    dir.canonicalize().map_err(|error| BuildError::File { path: dir.to_path_buf(), error })
}

fn command(toolchain: &Toolchain, crate_dir: &Path) -> Result<Command, BuildError> {
    let mut cargo = Command::new(&toolchain.cargo);
    for variable in NOT_TAKEN {
        cargo.env_remove(variable);
    }
    for (key, value) in PROFILE {
        cargo.env(format!("CARGO_PROFILE_PLUGIN_{key}"), value);
    }
    cargo
        .env("CARGO_ENCODED_RUSTFLAGS", flags(toolchain, crate_dir)?)
        .current_dir(crate_dir)
        .args(["build", "--profile", "plugin", "--target", TARGET])
        .arg("--message-format=json-render-diagnostics");
    if let Some(std) = &toolchain.build_std {
        cargo
            .env("RUSTC", &std.rustc)
            // Building the standard library is for nightly compilers, but for this word.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", &std.linker)
            .args(["-Z", "build-std=std,panic_abort"]);
    }
    Ok(cargo)
}

/// Cuts this machine's paths out of what the compiler writes; the last that fits a path is applied.
fn flags(toolchain: &Toolchain, crate_dir: &Path) -> Result<OsString, BuildError> {
    let home = std::env::home_dir().unwrap_or_default();
    let cargo_home =
        std::env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    let source = toolchain.sysroot.join("lib/rustlib/src/rust");
    let mut cut = vec![
        (workspace(toolchain, crate_dir)?, "/plugin"),
        (cargo_home.clone(), "/cargo"),
        (toolchain.sysroot.clone(), "/rust"),
    ];
    // A registry's folder is named by a hash of where this machine fetches from.
    for registry in std::fs::read_dir(cargo_home.join("registry/src")).into_iter().flatten() {
        cut.extend(registry.map(|folder| (folder.path(), "/crates")));
    }
    if toolchain.build_std.is_some() {
        cut.push((source.canonicalize().unwrap_or_else(|_| source.clone()), "/rust/src"));
        cut.push((source, "/rust/src"));
    }
    let mut flags = OsString::new();
    for (from, to) in cut {
        if !flags.is_empty() {
            flags.push("\u{1f}");
        }
        flags.push("--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    }
    Ok(flags)
}

/// The folder of the workspace that a crate belongs to.
fn workspace(toolchain: &Toolchain, crate_dir: &Path) -> Result<PathBuf, BuildError> {
    let output = Command::new(&toolchain.cargo)
        .args(["locate-project", "--workspace", "--message-format=plain"])
        .current_dir(crate_dir)
        .output()
        .map_err(|error| BuildError::Cargo { cargo: toolchain.cargo.clone(), error })?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(BuildError::Failed(message));
    }
    let manifest = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    Ok(manifest.parent().unwrap_or(crate_dir).to_path_buf())
}

/// What cargo says it made.
struct Module {
    crate_dir: PathBuf,
    path: PathBuf,
}

fn run(toolchain: &Toolchain, mut cargo: Command) -> Result<Vec<Module>, BuildError> {
    let output = cargo
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| BuildError::Cargo { cargo: toolchain.cargo.clone(), error })?;
    if !output.status.success() {
        return Err(BuildError::Failed(String::from("the crate does not compile; see above")));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    Ok(messages.lines().filter_map(module).collect())
}

/// A line of cargo's, if it tells of a module.
fn module(line: &str) -> Option<Module> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    let files = message["filenames"].as_array()?;
    let path = files.iter().filter_map(|f| f.as_str()).find(|f| f.ends_with(".wasm"))?;
    let manifest = Path::new(message["manifest_path"].as_str()?);
    Some(Module { crate_dir: manifest.parent()?.to_path_buf(), path: PathBuf::from(path) })
}

/// The name of a crate, from its manifest.
fn package(crate_dir: &Path) -> Result<String, BuildError> {
    let path = crate_dir.join("Cargo.toml");
    let text = std::fs::read_to_string(&path)
        .map_err(|error| BuildError::File { path: path.clone(), error })?;
    let manifest: toml::Table = toml::from_str(&text)
        .map_err(|error| BuildError::Failed(format!("{}: {error}", path.display())))?;
    let name = manifest.get("package").and_then(|package| package.get("name")?.as_str());
    name.map(str::to_owned).ok_or_else(|| BuildError::NoCrate(crate_dir.to_path_buf()))
}

/// Wraps a module into a component, by the worlds that its custom sections name.
fn encode(crate_dir: &Path, module: &Path) -> Result<Vec<u8>, BuildError> {
    let bytes = std::fs::read(module)
        .map_err(|error| BuildError::File { path: module.to_path_buf(), error })?;
    let encoded = ComponentEncoder::default()
        .module(&bytes)
        .and_then(|encoder| encoder.validate(true).encode());
    let encoded = encoded.map_err(|error| BuildError::Encode {
        crate_dir: crate_dir.to_path_buf(),
        message: format!("{error:#}"),
    })?;
    // A door makes picks faster and nothing else: what cannot have one is as good without.
    Ok(with_door(&encoded).unwrap_or(encoded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_manifest_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = real(dir.path()).unwrap_err();
        assert!(error.to_string().contains("is not a crate"), "{error}");
    }

    #[test]
    fn a_workspace_alone_is_no_crate() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("Cargo.toml"), "[workspace]").unwrap();
        assert!(matches!(package(dir.path()), Err(BuildError::NoCrate(_))));
    }

    #[test]
    fn a_module_without_a_world_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let module = dir.path().join("empty.wasm");
        std::fs::write(&module, b"no wasm").unwrap();
        assert!(matches!(encode(dir.path(), &module), Err(BuildError::Encode { .. })));
    }

    #[test]
    fn a_component_is_written_whole() {
        let dir = tempfile::tempdir().unwrap();
        let component =
            Component { name: "a".into(), crate_dir: PathBuf::new(), bytes: vec![1, 2, 3] };
        let path = write(&component, &dir.path().join("out")).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [1, 2, 3]);
        assert_eq!(std::fs::read_dir(dir.path().join("out")).unwrap().count(), 1);
    }
}

//! The programs under test, built as users get them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// A directory with `proconsul`, `bare-proxy` and `pick`, to be used as they are.
const GIVEN: &str = "PROCONSUL_BENCH_BINARIES";

/// Where they are.
pub struct Binaries {
    pub proconsul: PathBuf,
    pub bare_proxy: PathBuf,
    pub pick: PathBuf,
}

impl Binaries {
    /// Builds what cargo has not built along with this program.
    pub fn locate() -> Result<Self> {
        if let Some(directory) = std::env::var_os(GIVEN).map(PathBuf::from) {
            let at = |name: &str| {
                let path = directory.join(name);
                ensure!(path.is_file(), "{GIVEN}: {} is not there", path.display());
                Ok(path)
            };
            let (proconsul, bare_proxy, pick) = (at("proconsul")?, at("bare-proxy")?, at("pick")?);
            return Ok(Self { proconsul, bare_proxy, pick });
        }
        let proconsul = option_env!("CARGO_BIN_EXE_proconsul")
            .with_context(|| format!("not built by `cargo bench`; set {GIVEN}"))?;
        Ok(Self {
            proconsul: PathBuf::from(proconsul),
            bare_proxy: build("bare-proxy", &["build", "--release", "--example", "bare-proxy"])?,
            pick: build("pick", &["bench", "--bench", "pick", "--no-run"])?,
        })
    }
}

/// Has cargo build a target, and returns where it put it.
fn build(name: &str, arguments: &[&str]) -> Result<PathBuf> {
    eprintln!("building {name}");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .arg("--message-format=json-render-diagnostics")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "cargo {} failed", arguments.join(" "));
    let messages = String::from_utf8(output.stdout)?;
    let executable = messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_it = message["target"]["name"] == name;
        message["executable"].as_str().filter(|_| is_it).map(|path| Path::new(path).to_owned())
    });
    executable.with_context(|| format!("cargo does not say where it put {name}"))
}

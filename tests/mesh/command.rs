//! Runs of the binary that end by themselves.

use std::process::Stdio;

use super::wait::bounded;

/// What a command left behind.
#[derive(Debug)]
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `proconsul` to its end.
pub async fn command(arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_proconsul"));
    // The registry's store is where state is kept: each test has its own.
    let state = format!("{}/state-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    command.env("XDG_STATE_HOME", state).env_remove("STATE_DIRECTORY");
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = bounded(&format!("{arguments:?}"), command.output()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

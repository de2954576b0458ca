//! `proconsul token`.

use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Subcommand, ValueEnum};
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};

use super::drive;
use super::show::print;

/// Random bytes of a token: nobody guesses it, so that its hash need not be slow.
const TOKEN_BYTES: usize = 32;

/// So that who finds one knows what it opens.
const PREFIX: &str = "pcs_";

#[derive(Subcommand)]
pub enum Command {
    /// Make a token, and the table of [admin.auth] that knows it
    New {
        /// Whose it is, for audit records
        #[arg(default_value = "operator")]
        name: String,
        /// What it may do
        #[arg(long, value_enum, default_value = "operator")]
        role: Role,
        /// What a registrar may touch: `web`, `shop/web-*`, `team-a/*`
        #[arg(long)]
        service: Vec<String>,
    },
}

/// What a token may do.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Role {
    Viewer,
    Registrar,
    Operator,
    Admin,
}

pub fn run(command: Command) -> ExitCode {
    let Command::New { name, role, service } = command;
    drive(async move {
        let mut random = [0; TOKEN_BYTES];
        SystemRandom::new()
            .fill(&mut random)
            .map_err(|_| anyhow!("the system gives no random numbers"))?;
        let token = format!("{PREFIX}{}", hex(&random));
        let word = role.to_possible_value().map(|value| value.get_name().to_owned());
        let mut table = format!(
            "[[admin.auth.tokens]]\nname = {}\nsha256 = \"{}\"\nrole = \"{}\"\n",
            toml::Value::from(name),
            hex(&Sha256::digest(token.as_bytes())),
            word.unwrap_or_default(),
        );
        if !service.is_empty() {
            table = format!("{table}services = {}\n", toml::Value::from(service));
        }
        print(&format!("{token}\n"));
        // Apart from the token, so that each goes where it belongs.
        eprintln!("The token is told this once. The configuration knows it by:\n\n{table}");
        Ok(())
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

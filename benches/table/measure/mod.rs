//! The measurements, one a file, in the order of the table.

mod callgrind;
mod checks;
mod cpu;
mod hostile;
mod killed;
mod latency;
mod memory;
mod obeys;
mod pick;
mod registry;
mod reloads;
mod rules;
mod services;
mod storm;
mod telemetry;
mod watchers;

use anyhow::Result;

use super::binaries::Binaries;
use super::report::Row;

/// What every measurement is given.
pub struct Bench {
    pub binaries: Binaries,
    /// Few rounds.
    pub quick: bool,
}

impl Bench {
    /// How often, in a whole run or a quick one.
    pub fn rounds(&self, whole: u32, quick: u32) -> u32 {
        if self.quick { quick } else { whole }
    }
}

/// One measurement: what the command line calls it, what it is, and the function that makes it.
pub struct Measurement {
    pub name: &'static str,
    pub what: &'static str,
    pub run: fn(&Bench) -> Result<Vec<Row>>,
}

pub const ALL: &[Measurement] = &[
    Measurement { name: "pick", what: "a pick", run: pick::run },
    Measurement { name: "cpu", what: "CPU a request", run: cpu::run },
    Measurement { name: "callgrind", what: "user instructions a request", run: callgrind::run },
    Measurement { name: "reloads", what: "reloads under load", run: reloads::run },
    Measurement {
        name: "obeys",
        what: "from saving to the first request that obeys",
        run: obeys::run,
    },
    Measurement { name: "memory", what: "resident memory at rest", run: memory::run },
    Measurement { name: "hostile", what: "a plugin that never returns", run: hostile::run },
    Measurement { name: "services", what: "CPU a request beside many", run: services::run },
    Measurement { name: "registry", what: "the registry over its API", run: registry::run },
    Measurement { name: "watchers", what: "from a change to many watchers", run: watchers::run },
    Measurement { name: "killed", what: "kills while registering", run: killed::run },
    Measurement { name: "checks", what: "health checks of many instances", run: checks::run },
    Measurement { name: "telemetry", what: "being counted and logged", run: telemetry::run },
    Measurement { name: "rules", what: "alert rules over many series", run: rules::run },
    Measurement { name: "storm", what: "everything fails at once", run: storm::run },
    Measurement { name: "latency", what: "latency at a fixed rate", run: latency::run },
];

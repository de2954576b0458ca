//! A call that came to nothing, through the component's own failure.

use std::time::Duration;

use wasmtime::Trap;

use super::super::log_gate::tame;
use super::super::refusal::Refusal;

/// Why the component did not answer. Says nothing about whom it was to speak with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It waited, or computed, until its time was over.
    #[error("the plugin did not answer within {0:?}")]
    Deadline(Duration),
    /// It computed for longer than a call may.
    #[error("the plugin computed for more than {0:?} and was cut off")]
    Busy(Duration),
    /// It trapped, or left by itself.
    #[error("the plugin failed: {0}")]
    Trap(String),
    /// It could not be instantiated, or configured, though it could when it was loaded.
    #[error("the plugin could not be started: {0}")]
    Start(String),
}

impl Fault {
    /// The words in `proconsul_plugin_check_faults_total` and `proconsul_plugin_channel_faults_total`.
    pub(in super::super) const REASONS: [&'static str; 4] = ["deadline", "busy", "trap", "start"];

    /// The fault that an error of wasmtime's is.
    pub(in super::super) fn of(error: &wasmtime::Error) -> Self {
        match error.downcast_ref::<Trap>() {
            Some(trap) => Fault::Trap(trap.to_string()),
            None => Fault::Trap(tame(&error.root_cause().to_string())),
        }
    }

    /// What happened, without saying whose doing it is: for a sentence that begins with that.
    pub(in super::super) fn words(&self) -> String {
        match self {
            Fault::Deadline(deadline) => format!("did not return within {deadline:?}"),
            Fault::Busy(most) => format!("computed for more than {most:?} and was cut off"),
            Fault::Trap(words) | Fault::Start(words) => words.clone(),
        }
    }

    /// The place in [`Fault::REASONS`].
    pub(in super::super) fn reason(&self) -> usize {
        match self {
            Fault::Deadline(_) => 0,
            Fault::Busy(_) => 1,
            Fault::Trap(_) => 2,
            Fault::Start(_) => 3,
        }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Fault::Start(tame(&refusal.to_string()))
    }
}

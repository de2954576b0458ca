//! Which signals end the process, and how.

use std::path::PathBuf;

use async_trait::async_trait;
use pingora_core::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM drains, SIGINT stops at once, SIGQUIT hands over to a new process if one waits.
pub(super) struct Signals {
    /// Where a new process waits for the listeners.
    pub(super) upgrade_socket: PathBuf,
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        let (mut quit, mut terminate, mut interrupt) = (
            listen(SignalKind::quit()),
            listen(SignalKind::terminate()),
            listen(SignalKind::interrupt()),
        );
        loop {
            tokio::select! {
                _ = terminate.recv() => return ShutdownSignal::GracefulTerminate,
                _ = interrupt.recv() => return ShutdownSignal::FastShutdown,
                _ = quit.recv() => {
                    // Pingora would stop even with nobody there to take over.
                    if self.upgrade_socket.exists() {
                        return ShutdownSignal::GracefulUpgrade;
                    }
                    let socket = self.upgrade_socket.display();
                    tracing::error!(
                        %socket,
                        "SIGQUIT ignored: no new process waits (start it with `run --upgrade`)"
                    );
                }
            }
        }
    }
}

fn listen(kind: SignalKind) -> Signal {
    signal(kind).expect("the runtime has signals, and these may be caught")
}

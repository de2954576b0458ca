//! Trying a component before it serves: aside, and not for longer than it may take.

use std::thread;
use std::time::Duration;

use prometheus::Counter;
use tokio::time::timeout;

use super::super::refusal::Refusal;
use super::fault::Fault;
use super::metered::Metered;

/// Awaits a call, for so long at the most, of which so much may be spent on computing; what is spent is counted.
pub async fn bounded<T>(
    deadline: Duration,
    busy: Duration,
    spent: &Counter,
    call: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let metered = Metered::new(busy, spent.clone(), call);
    timeout(deadline, metered).await.unwrap_or(Err(Fault::Deadline(deadline)))
}

/// Runs a trial on a thread of its own: whoever asks for it may be inside of a runtime or not.
pub fn tried(trial: impl Future<Output = Result<(), Refusal>> + Send) -> Result<(), Refusal> {
    thread::scope(|scope| {
        let trial = scope.spawn(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| Refusal::Instantiate(error.to_string()))?
                .block_on(trial)
        });
        trial.join().unwrap_or_else(|_| Err(Refusal::Instantiate("the host failed".into())))
    })
}

//! Blocking queries: an answer that is given when something changed, or when the client's patience ends.

use std::time::Duration;

use crate::admin::input::{At, MAX_WAIT, Mistakes};
use crate::config::Time;
use crate::registry::Index;

/// How long a blocking query waits that does not say.
const USUAL_WAIT: Duration = Duration::from_secs(60);

/// By up to this part of it a wait is longer, so that those who asked together do not come back together.
const JITTER_PART: u32 = 16;

/// What a blocking query waits for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wait {
    /// For an index above this.
    pub above: Index,
    pub patience: Duration,
}

/// `?index=` and `?wait=`; without an index nothing is waited for.
pub(super) fn wait(
    index: Option<Index>,
    patience: Option<Time>,
    mistakes: &mut Mistakes,
) -> Option<Wait> {
    let patience = patience.map_or(USUAL_WAIT, |time| time.0);
    if patience > MAX_WAIT {
        let allowed = format!("is too long; allowed are up to {}", Time(MAX_WAIT));
        mistakes.add(&At::ROOT.key("wait"), allowed);
    }
    index.map(|above| Wait { above, patience: jittered(patience) })
}

/// Somewhat longer.
pub(super) fn jittered(time: Duration) -> Duration {
    time + (time / JITTER_PART).mul_f64(fastrand::f64())
}

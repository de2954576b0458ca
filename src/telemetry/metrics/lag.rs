//! How late an event loop is: what waits for it waits as long.

use std::time::Duration;

use prometheus::Histogram;
use tokio::time::{Instant, sleep_until};

/// How often a loop is asked. A loop that hangs is seen once it goes on.
const INTERVAL: Duration = Duration::from_millis(500);

/// Measures the loop that runs it, for as long as that does.
pub async fn measure_lag(lag: Histogram) {
    loop {
        let due = Instant::now() + INTERVAL;
        sleep_until(due).await;
        lag.observe(due.elapsed().as_secs_f64());
    }
}

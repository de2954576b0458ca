//! `[health]`, what of it a service says otherwise, and when checks run.

use std::time::Duration;

use super::check::{Check, DAY, HOUR, MILLISECOND};
use crate::config::path::KeyPath;
use crate::config::schema::{self, Time};
use crate::config::types::Health;
use crate::model::{HealthStatus, Schedule};

/// The shortest interval: a check is no load test.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// When a check runs, as it is written; what is `None` is inherited.
pub struct Written {
    pub interval: Option<Time>,
    pub jitter_percent: Option<u32>,
    pub interval_changing: Option<Time>,
    pub interval_down: Option<Time>,
    pub timeout: Option<Time>,
    pub rise: Option<u32>,
    pub fall: Option<u32>,
    pub initial: Option<schema::HealthStatus>,
}

pub fn health(health: schema::Health, at: &KeyPath, check: &mut Check<'_>) -> (Health, Schedule) {
    let schema::Health {
        panic_percent,
        slow_start,
        passive,
        passive_failures,
        passive_rest,
        max_concurrent,
        interval,
        jitter_percent,
        interval_changing,
        interval_down,
        timeout,
        rise,
        fall,
        initial,
    } = health;
    let max_concurrent = check.number(&at.key("max_concurrent"), max_concurrent, 1, 100_000);
    let inherited = Health { max_concurrent: max_concurrent as usize, ..Health::default() };
    let of_services = schema::ServiceHealth {
        panic_percent: Some(panic_percent),
        slow_start: Some(slow_start),
        passive: Some(passive),
        passive_failures: Some(passive_failures),
        passive_rest: Some(passive_rest),
    };
    let written = Written {
        interval: Some(interval),
        jitter_percent: Some(jitter_percent),
        interval_changing: Some(interval_changing),
        interval_down: Some(interval_down),
        timeout: Some(timeout),
        rise: Some(rise),
        fall: Some(fall),
        initial: Some(initial),
    };
    let schedule = schedule(&written, &Schedule::default(), at, check);
    (service_health(of_services, &inherited, at, check), schedule)
}

pub fn service_health(
    written: schema::ServiceHealth,
    inherited: &Health,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Health {
    let schema::ServiceHealth {
        panic_percent,
        slow_start,
        passive,
        passive_failures,
        passive_rest,
    } = written;
    let number = |key, number: Option<u32>, inherited, min, max, check: &mut Check<'_>| {
        number.map_or(inherited, |number| check.number(&at.key(key), number, min, max))
    };
    let time = |key, time: Option<Time>, inherited, min, check: &mut Check<'_>| {
        time.map_or(inherited, |time| check.time(&at.key(key), time, min, HOUR))
    };
    let i = inherited;
    Health {
        panic_percent: number("panic_percent", panic_percent, i.panic_percent, 0, 100, check),
        slow_start: time("slow_start", slow_start, i.slow_start, Duration::ZERO, check),
        passive: passive.unwrap_or(i.passive),
        passive_failures: number(
            "passive_failures",
            passive_failures,
            i.passive_failures,
            1,
            1000,
            check,
        ),
        passive_rest: time("passive_rest", passive_rest, i.passive_rest, 100 * MILLISECOND, check),
        max_concurrent: i.max_concurrent,
    }
}

/// Checks what is written, and takes the rest from `inherited`.
pub fn schedule(
    written: &Written,
    inherited: &Schedule,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Schedule {
    let Written {
        interval,
        jitter_percent,
        interval_changing,
        interval_down,
        timeout,
        rise,
        fall,
        initial,
    } = written;
    let mut time = |key, time: &Option<Time>, inherited, min, max| {
        time.map_or(inherited, |time| check.time(&at.key(key), time, min, max))
    };
    let i = inherited;
    let interval = time("interval", interval, i.interval, SHORTEST_INTERVAL, DAY);
    let interval_changing = time(
        "interval_changing",
        interval_changing,
        i.interval_changing.min(interval),
        SHORTEST_INTERVAL,
        DAY,
    );
    let interval_down =
        time("interval_down", interval_down, i.interval_down.max(interval), SHORTEST_INTERVAL, DAY);
    let timeout = time("timeout", timeout, i.timeout, 10 * MILLISECOND, HOUR);
    let mut number = |key, number: &Option<u32>, inherited, min, max| {
        number.map_or(inherited, |number| check.number(&at.key(key), number, min, max))
    };
    let jitter_percent =
        jitter_percent.map(|percent| number("jitter_percent", &Some(percent), 0, 0, 50));
    Schedule {
        interval,
        jitter: jitter_percent.map_or(i.jitter, |percent| percent as f32 / 100.0),
        interval_changing,
        interval_down,
        timeout,
        rise: number("rise", rise, i.rise, 1, 100),
        fall: number("fall", fall, i.fall, 1, 100),
        initial: initial.map_or(i.initial, status),
    }
}

pub fn status(written: schema::HealthStatus) -> HealthStatus {
    match written {
        schema::HealthStatus::Passing => HealthStatus::Passing,
        schema::HealthStatus::Warning => HealthStatus::Warning,
        schema::HealthStatus::Critical => HealthStatus::Critical,
    }
}

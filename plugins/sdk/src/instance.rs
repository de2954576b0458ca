//! The one value behind a component's exports.
//!
//! The only file with `unsafe`: exports are functions without a receiver, so the strategy, check or channel
//! must live in a `static`, and a lock would be paid in each pick for nobody to wait on.

use std::cell::UnsafeCell;

use crate::alert_channel::{AlertChannel, Error, Notification};
use crate::health_check::{self, HealthCheck, Verdict};
use crate::json;
use crate::strategy::{Endpoint, Feedback, Handover, Outcome, Strategy};
use crate::wait;

/// A place for one strategy, health check or alert channel.
pub struct Instance<S>(UnsafeCell<Option<S>>);

// SAFETY: a component instance has one thread, and the proxy never enters it twice at a time: the
// component model traps on re-entrance, and no import calls back. Elsewhere there are
// threads, so there `Instance` is not `Sync` and cannot be in a `static`.
#[cfg(target_arch = "wasm32")]
unsafe impl<S> Sync for Instance<S> {}

impl<S> Instance<S> {
    /// Before `configure`.
    pub const fn empty() -> Self {
        Self(UnsafeCell::new(None))
    }

    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    fn get(&self) -> &mut Option<S> {
        // SAFETY: see `Sync` above. Each export calls this once, and the borrow ends with it.
        unsafe { &mut *self.0.get() }
    }
}

impl<C: HealthCheck> Instance<C> {
    /// What the proxy calls first of a health check.
    pub fn configure_check(&self, config: &str) -> Result<(), String> {
        *self.get() = Some(C::new(json::parse(config)?)?);
        Ok(())
    }

    /// What it calls for each check.
    pub fn check(&self, endpoint: &health_check::Endpoint) -> Verdict {
        match self.get() {
            Some(check) => {
                wait::begin(endpoint.timeout_ms);
                check.check(endpoint)
            }
            None => Verdict::Critical(String::from("`check` was called before `configure`")),
        }
    }
}

impl<C: AlertChannel> Instance<C> {
    /// What the proxy calls first of an alert channel.
    pub fn configure_channel(&self, config: &str) -> Result<(), String> {
        *self.get() = Some(C::new(json::parse(config)?)?);
        Ok(())
    }

    /// What it calls for a notification.
    pub fn send(&self, notification: &Notification) -> Result<String, Error> {
        match self.get() {
            Some(channel) => {
                wait::begin(notification.timeout_ms);
                channel.send(notification)
            }
            None => Err(Error::Permanent(String::from("`send` was called before `configure`"))),
        }
    }
}

impl<S: Strategy> Instance<S> {
    /// What the proxy calls first.
    pub fn configure(&self, config: &str) -> Result<(), String> {
        *self.get() = Some(S::new(json::parse(config)?)?);
        Ok(())
    }

    /// What it calls on each change.
    pub fn set_endpoints(&self, endpoints: Vec<Endpoint>) -> Result<(), String> {
        match self.get() {
            Some(strategy) => strategy.set_endpoints(endpoints),
            None => Err(String::from("`set-endpoints` was called before `configure`")),
        }
    }

    /// What it calls for each request. None before `configure`.
    #[inline(always)]
    pub fn pick(&self, key: u64, attempt: u32) -> Option<u32> {
        self.get().as_mut()?.pick(key, attempt)
    }

    /// What it calls after each try.
    pub fn observe(&self, index: u32, outcome: Outcome, latency_us: u32)
    where
        S: Feedback,
    {
        if let Some(strategy) = self.get() {
            strategy.observe(index, outcome, latency_us);
        }
    }

    /// What it calls on an instance about to be replaced.
    pub fn snapshot(&self) -> Vec<u8>
    where
        S: Handover,
    {
        self.get().as_mut().map(S::snapshot).unwrap_or_default()
    }

    /// What it calls on the one that replaces it.
    pub fn restore(&self, state: Vec<u8>) -> Result<(), String>
    where
        S: Handover,
    {
        match self.get() {
            Some(strategy) => strategy.restore(state),
            None => Err(String::from("`restore` was called before `configure`")),
        }
    }
}

/// Compiles only for what `export!` accepts.
pub const fn check_strategy<S: Strategy>() {}
/// Compiles only for what `export!(…, feedback)` accepts.
pub const fn check_feedback<S: Feedback>() {}
/// Compiles only for what `export!(…, handover)` accepts.
pub const fn check_handover<S: Handover>() {}
/// Compiles only for what `export_health_check!` accepts.
pub const fn check_health_check<C: HealthCheck>() {}
/// Compiles only for what `export_alert_channel!` accepts.
pub const fn check_alert_channel<C: AlertChannel>() {}

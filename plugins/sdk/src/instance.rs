//! The one value behind a component's exports, and how a configuration becomes it.
//!
//! The only file with `unsafe`: exports are functions without a receiver, so the strategy must live in
//! a `static`, and a lock would be paid in each pick for nobody to wait on.

use std::cell::UnsafeCell;

use serde::de::DeserializeOwned;

use crate::strategy::{Endpoint, Feedback, Handover, Outcome, Strategy};

/// A place for one strategy.
pub struct Instance<S>(UnsafeCell<Option<S>>);

// SAFETY: a component instance has one thread, and the proxy never enters it twice at a time: the
// component model traps on re-entrance, and no import calls back. Elsewhere there are
// threads, so there `Instance` is not `Sync` and cannot be in a `static`.
#[cfg(target_arch = "wasm32")]
unsafe impl<S> Sync for Instance<S> {}

impl<S: Strategy> Instance<S> {
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

    /// What the proxy calls first.
    pub fn configure(&self, config: &str) -> Result<(), String> {
        *self.get() = Some(S::new(parse(config)?)?);
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

/// Reads the `config` table. The message names the key; where in the JSON it stood is left out, since
/// what the operator wrote is TOML.
pub fn parse<C: DeserializeOwned>(config: &str) -> Result<C, String> {
    let mut json = serde_json::Deserializer::from_str(config);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let message = error.inner().to_string();
        let message = message.rsplit_once(" at line ").map_or(&*message, |(message, _)| message);
        // An unknown key is named by the message already; the path is that of the table around it.
        if path == "." || message.contains(&format!("`{path}`")) {
            return message.to_owned();
        }
        format!("`{path}`: {message}")
    })
}

/// Compiles only for what `export!` accepts.
pub const fn check_strategy<S: Strategy>() {}
/// Compiles only for what `export!(…, feedback)` accepts.
pub const fn check_feedback<S: Feedback>() {}
/// Compiles only for what `export!(…, handover)` accepts.
pub const fn check_handover<S: Handover>() {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoConfig;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Config {
        virtual_nodes: u32,
        load_factor: f64,
    }

    impl Default for Config {
        fn default() -> Self {
            Self { virtual_nodes: 150, load_factor: 1.25 }
        }
    }

    #[test]
    fn absent_keys_have_their_defaults() {
        let config: Config = parse(r#"{"virtual_nodes": 10}"#).unwrap();
        assert_eq!((config.virtual_nodes, config.load_factor), (10, 1.25));
        parse::<NoConfig>("{}").unwrap();
    }

    #[test]
    fn mistakes_name_the_key_and_what_is_allowed() {
        let check = |json, expected| assert_eq!(parse::<Config>(json).unwrap_err(), expected);
        check(
            r#"{"virtual_node": 10}"#,
            "unknown field `virtual_node`, expected `virtual_nodes` or `load_factor`",
        );
        check(
            r#"{"virtual_nodes": "ten"}"#,
            "`virtual_nodes`: invalid type: string \"ten\", expected u32",
        );
        check(
            r#"{"virtual_nodes": -1}"#,
            "`virtual_nodes`: invalid value: integer `-1`, expected u32",
        );
        assert_eq!(
            parse::<NoConfig>(r#"{"a": 1}"#).unwrap_err(),
            "unknown field `a`, there are no fields"
        );
    }
}

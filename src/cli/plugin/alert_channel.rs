//! `proconsul plugin test --send`: a sample notification, by way of an alert channel's component.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::super::REFUSED;
use crate::config::{AlertChannel as Settings, PluginLimits, PluginSource, allowed_peer};
use crate::model::{
    Alert, AllowedPeer, ChannelName, Labels, Notification, Receipt, SendFailure, UnixMillis,
};
use crate::plugin::alert_channel::{AlertChannel, AlertChannelHost};
use crate::plugin::health_check::SystemResolver;
use crate::plugin::{AsyncEngine, Library, Refusal, Seeds};
use crate::telemetry::Metrics;

/// As in a configuration that says nothing.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What the command line says of the channel.
pub(super) struct Errand {
    pub config: String,
    pub allow: Vec<String>,
    pub file: Option<PathBuf>,
}

/// Sends the sample, and says what became of it.
pub(super) fn send(
    plugin: &str,
    source: &PluginSource,
    limits: PluginLimits,
    errand: &Errand,
    as_json: bool,
) -> ExitCode {
    let settings = match settings(source, &limits, errand) {
        Ok(settings) => settings,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::FAILURE;
        }
    };
    let channel = match load(&settings, &limits) {
        Ok(Ok(channel)) => channel,
        Ok(Err(refusal)) => {
            eprintln!("error: {plugin} {refusal}");
            return ExitCode::from(REFUSED);
        }
        Err(message) => {
            eprintln!("error: plugin engine: {message}");
            return ExitCode::FAILURE;
        }
    };
    let result = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(channel.send(&sample())),
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    match as_json {
        true => println!("{:#}", as_facts(plugin, &result)),
        false => println!("{}", words(&result)),
    }
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn settings(
    source: &PluginSource,
    limits: &PluginLimits,
    errand: &Errand,
) -> Result<Settings, String> {
    let config: toml::Table = toml::from_str(&errand.config)
        .map_err(|error| format!("--config is no TOML: {}", error.message()))?;
    let peer = |text: &String| {
        allowed_peer(text).ok_or_else(|| format!("--allow is {text:?}; it takes host:port"))
    };
    let allow: Vec<AllowedPeer> = errand.allow.iter().map(peer).collect::<Result<_, _>>()?;
    Ok(Settings {
        name: ChannelName::new("test").expect("a constant that is a name"),
        source: source.clone(),
        config_json: serde_json::to_string(&config).map_err(|error| error.to_string())?,
        allow,
        file: errand.file.clone(),
        timeout: TIMEOUT,
        max_per_minute: None,
        memory_bytes: limits.memory_bytes,
    })
}

type Loaded = Result<Arc<AlertChannel>, Refusal>;

fn load(settings: &Settings, limits: &PluginLimits) -> Result<Loaded, String> {
    let library = Library::new(AsyncEngine::new().map_err(|error| error.to_string())?, None);
    let resolver = Arc::new(SystemResolver::default());
    let host = AlertChannelHost::new(library, Seeds::from_entropy(), Metrics::new(), resolver)
        .map_err(|error| error.to_string())?;
    Ok(host.load(settings, limits, None))
}

fn words(result: &Result<Receipt, SendFailure>) -> String {
    match result {
        Ok(Receipt(name)) if name.is_empty() => "sent".to_owned(),
        Ok(Receipt(name)) => format!("sent: {name}"),
        Err(failure) => {
            let again = match (failure.retryable, failure.retry_after) {
                (true, Some(after)) => format!("would be tried again after {after:?}"),
                (true, None) => "would be tried again".to_owned(),
                (false, _) => "would not be tried again".to_owned(),
            };
            format!("not sent: {failure} ({again})")
        }
    }
}

fn as_facts(plugin: &str, result: &Result<Receipt, SendFailure>) -> serde_json::Value {
    let failure = result.as_ref().err();
    json!({
        "plugin": plugin,
        "sent": result.is_ok(),
        "receipt": result.as_ref().ok().map(|Receipt(name)| name),
        "reason": failure.map(|failure| &failure.reason),
        "retryable": failure.map(|failure| failure.retryable),
        "retry_after_ms": failure
            .and_then(|failure| failure.retry_after)
            .map(|after| after.as_millis() as u64),
    })
}

/// One alert that fires, and one that is over.
fn sample() -> Notification {
    let labels = |pairs: &[(&str, &str)]| -> Labels {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    };
    let now = UnixMillis::of(SystemTime::now());
    let common = [("alertname", "Sample"), ("severity", "info")];
    let alert = |instance: &str, ended| {
        let mut own: BTreeMap<_, _> = labels(&common);
        own.insert("instance".to_owned(), instance.to_owned());
        let started = UnixMillis(now.0.saturating_sub(60_000));
        let annotations = labels(&[("summary", "a sample notification; nothing is wrong")]);
        Alert { labels: own, annotations, started, ended }
    };
    Notification {
        sequence: now.0,
        group_key: "{}:{alertname=\"Sample\"}".to_owned(),
        group_labels: labels(&common[..1]),
        common_labels: labels(&common),
        common_annotations: labels(&[("summary", "a sample notification; nothing is wrong")]),
        alerts: vec![alert("a", None), alert("b", Some(now))],
        truncated: 0,
        made: now,
    }
}

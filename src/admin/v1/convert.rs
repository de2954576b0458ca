//! From what clients write to the words of the model. Each takes the place that it is about, and notes what
//! is wrong there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use semver::{Version, VersionReq};

use crate::admin::input::{
    At, MAX_METADATA, MAX_METADATA_KEY_BYTES, MAX_METADATA_VALUE_BYTES, MAX_TAGS, Mistakes,
};
use crate::config::Time;
use crate::model::{InvalidName, Tag};

/// The longest host name that DNS knows.
const MAX_HOST_BYTES: usize = 253;

/// One label of it.
const MAX_LABEL_BYTES: usize = 63;

/// The longest version that is read.
pub(super) const MAX_VERSION_BYTES: usize = 256;

pub(super) fn version(text: &str) -> Result<Version, String> {
    if text.len() > MAX_VERSION_BYTES {
        return Err(format!("has {} bytes; allowed are {MAX_VERSION_BYTES}", text.len()));
    }
    Version::parse(text).map_err(|error| format!("is no version such as 1.2.3: {error}"))
}

pub(super) fn requirement(text: &str) -> Result<VersionReq, String> {
    if text.len() > MAX_VERSION_BYTES {
        return Err(format!("has {} bytes; allowed are {MAX_VERSION_BYTES}", text.len()));
    }
    VersionReq::parse(text)
        .map_err(|error| format!("is no version requirement such as ^1.2 or `>=1, <2`: {error}"))
}

/// A name of the model.
pub(super) fn name<T>(
    text: &str,
    make: impl FnOnce(&str) -> Result<T, InvalidName>,
    at: &At<'_>,
    mistakes: &mut Mistakes,
) -> Option<T> {
    mistakes.take(at, make(text))
}

/// Text without control characters, of bounded length.
pub(super) fn text(
    text: String,
    max_bytes: usize,
    at: &At<'_>,
    mistakes: &mut Mistakes,
) -> Option<String> {
    if text.len() > max_bytes {
        mistakes.add(at, format!("has {} bytes; allowed are {max_bytes}", text.len()));
        return None;
    }
    if text.chars().any(char::is_control) {
        mistakes.add(at, "has control characters");
        return None;
    }
    Some(text)
}

/// An IP address without brackets, or a DNS name, in lower case.
pub(super) fn host(text: &str) -> Result<String, &'static str> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=MAX_LABEL_BYTES).contains(&label.len()) && label.chars().all(allowed)
    };
    // Four numbers that are no address (`10.0.0.256`) would go to DNS as a name.
    let numeric = name.chars().all(|c| c.is_ascii_digit() || c == '.');
    match name.len() <= MAX_HOST_BYTES && !numeric && name.split('.').all(label) {
        true => Ok(name.to_ascii_lowercase()),
        false => Err("is neither an IP address nor a host name"),
    }
}

pub(super) fn port(port: u16) -> Result<u16, &'static str> {
    match port {
        0 => Err("is 0; allowed are 1 to 65535"),
        port => Ok(port),
    }
}

pub(super) fn tags(
    tags: Vec<String>,
    at: &At<'_>,
    mistakes: &mut Mistakes,
) -> Option<BTreeSet<Tag>> {
    if tags.len() > MAX_TAGS {
        mistakes.add(at, format!("has {} tags; allowed are {MAX_TAGS}", tags.len()));
        return None;
    }
    let each =
        tags.iter().enumerate().map(|(index, tag)| mistakes.take(&at.index(index), Tag::new(tag)));
    each.collect::<Vec<_>>().into_iter().collect()
}

pub(super) fn metadata(
    metadata: BTreeMap<String, String>,
    at: &At<'_>,
    mistakes: &mut Mistakes,
) -> Option<BTreeMap<String, String>> {
    if metadata.len() > MAX_METADATA {
        mistakes.add(at, format!("has {} entries; allowed are {MAX_METADATA}", metadata.len()));
        return None;
    }
    let each = metadata.into_iter().map(|(key, value)| {
        let at = at.key(&key);
        if key.is_empty() || key.len() > MAX_METADATA_KEY_BYTES || key.chars().any(char::is_control)
        {
            let allowed = format!(
                "has a key that will not do; allowed are 1 to {MAX_METADATA_KEY_BYTES} bytes"
            );
            mistakes.add(&at, allowed);
            return None;
        }
        let value = text(value, MAX_METADATA_VALUE_BYTES, &at, mistakes)?;
        Some((key.clone(), value))
    });
    each.collect::<Vec<_>>().into_iter().collect()
}

/// A duration within bounds.
pub(super) fn time(
    time: Time,
    min: Duration,
    max: Duration,
    at: &At<'_>,
    mistakes: &mut Mistakes,
) -> Option<Duration> {
    if (min..=max).contains(&time.0) {
        return Some(time.0);
    }
    mistakes.add(at, format!("is {time}; allowed are {} to {}", Time(min), Time(max)));
    None
}

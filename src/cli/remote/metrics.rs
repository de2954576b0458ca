//! `proconsul metrics`.

use std::io::{IsTerminal, stdout};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::client::Remote;
use super::drive;
use super::path::part;
use super::show::{Column, print, show};

const WINDOWS: [Column; 10] = [
    ("SUBJECT", "/subject"),
    ("WINDOW", "/window"),
    ("REQUESTS", "/requests"),
    ("ERRORS", "/errors"),
    ("ERROR RATE", "/error_rate"),
    ("PER SECOND", "/requests_per_second"),
    ("P50", "/p50_seconds"),
    ("P90", "/p90_seconds"),
    ("P99", "/p99_seconds"),
    ("AVAILABLE", "/availability"),
];

const REQUESTS: &str = "proconsul_http_requests_total";

/// Lowest to highest.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// How services did over the last minutes
#[derive(Args)]
pub struct Arguments {
    /// The service; the list of them if absent
    service: Option<String>,
    /// Of which time the line of requests is drawn
    #[arg(long, default_value = "15m")]
    range: String,
    #[command(flatten)]
    remote: Remote,
}

pub fn run(arguments: Arguments) -> ExitCode {
    drive(work(arguments))
}

async fn work(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { service, range, remote } = arguments;
    let client = remote.client()?;
    let Some(service) = service else {
        let answer = client.get("/v1/metrics", &Vec::new()).await?;
        if remote.json {
            print(&format!("{answer:#}\n"));
            return Ok(());
        }
        let names = answer["services"].as_array().cloned().unwrap_or_default();
        let items: Vec<_> = names.iter().map(|name| json!({ "service": name })).collect();
        show(&json!({ "items": items }), false, &[("SERVICE", "/service")]);
        return Ok(());
    };
    let path = format!("/v1/metrics/{}", part(&service));
    let answer = client.get(&path, &Vec::new()).await?;
    if remote.json {
        print(&format!("{answer:#}\n"));
        return Ok(());
    }
    show(&json!({ "items": rows(&answer) }), false, &WINDOWS);
    if stdout().is_terminal() {
        let query = vec![("range", range)];
        // A service without a request has no such series.
        if let Ok(samples) = client.get(&format!("{path}/{REQUESTS}"), &query).await {
            print(&format!("\nrequests  {}\n", sparkline(&growth(&samples))));
        }
    }
    Ok(())
}

/// A line for each window, of the service first.
fn rows(answer: &Value) -> Vec<Value> {
    let mut subjects = vec![("(all)", &answer["windows"])];
    let instances = answer["instances"].as_object().into_iter().flatten();
    subjects.extend(instances.map(|(name, windows)| (name.as_str(), windows)));
    let mut rows = Vec::new();
    for (subject, windows) in subjects {
        let mut windows: Vec<_> = windows.as_object().into_iter().flatten().collect();
        windows.sort_by_key(|(window, _)| (window.len(), window.as_str()));
        for (window, found) in windows {
            let mut row = rounded(found);
            row["subject"] = subject.into();
            row["window"] = window.as_str().into();
            rows.push(row);
        }
    }
    rows
}

/// With no more digits than people read.
fn rounded(window: &Value) -> Value {
    let short = |value: &Value| match value.as_f64() {
        Some(number) => json!((number * 10_000.0).round() / 10_000.0),
        None => value.clone(),
    };
    let fields = window.as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.clone(), short(value))).collect()
}

/// By how much all series together grew from each time to the next.
fn growth(samples: &Value) -> Vec<f64> {
    let mut sums: std::collections::BTreeMap<u64, f64> = Default::default();
    for series in samples["series"].as_array().into_iter().flatten() {
        for sample in series["samples"].as_array().into_iter().flatten() {
            if let (Some(at), Some(value)) = (sample[0].as_f64(), sample[1].as_f64()) {
                *sums.entry((at * 1000.0) as u64).or_default() += value;
            }
        }
    }
    let sums: Vec<f64> = sums.into_values().collect();
    sums.windows(2).map(|pair| (pair[1] - pair[0]).max(0.0)).collect()
}

fn sparkline(values: &[f64]) -> String {
    let highest = values.iter().copied().fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let bar = |value: &f64| BARS[((value / highest * 7.0).round() as usize).min(7)];
    values.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_from_the_lowest_to_the_highest() {
        assert_eq!(sparkline(&[0.0, 7.0, 3.5, 14.0]), "▁▅▃█");
        assert_eq!(sparkline(&[0.0, 0.0]), "▁▁");
        assert_eq!(sparkline(&[]), "");
    }

    #[test]
    fn what_all_series_grew_by_is_never_negative() {
        let one = json!({ "samples": [[1.0, 5.0], [2.0, 9.0], [3.0, 0.0]] });
        let other = json!({ "samples": [[2.0, 1.0], [3.0, 2.0]] });
        assert_eq!(growth(&json!({ "series": [one, other] })), [5.0, 0.0]);
    }
}

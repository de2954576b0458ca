//! `proconsul alert`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Query, Remote};
use super::drive;
use super::path::{LookBack, given, part};
use super::show::{Column, print, show, show_one};

const ALERTS: [Column; 6] = [
    ("STATE", "/state"),
    ("LABELS", "/labels"),
    ("SUMMARY", "/annotations/summary"),
    ("SINCE", "/starts_at"),
    ("CHANNELS", "/channels"),
    ("SUPPRESSED BY", "/suppressed_by"),
];

const SILENCES: [Column; 6] = [
    ("ID", "/id"),
    ("STATE", "/state"),
    ("MATCHERS", "/matchers"),
    ("UNTIL", "/ends_at"),
    ("AUTHOR", "/author"),
    ("COMMENT", "/comment"),
];

const CHANNELS: [Column; 6] = [
    ("CHANNEL", "/name"),
    ("WAITING", "/waiting"),
    ("SENT", "/sent"),
    ("FAILED", "/failed"),
    ("LAST SUCCESS", "/last_success"),
    ("LAST ERROR", "/last_error"),
];

const HISTORY: [Column; 5] = [
    ("AT", "/at"),
    ("EVENT", "/event"),
    ("LABELS", "/labels"),
    ("CHANNEL", "/channel"),
    ("DETAIL", "/detail"),
];

const DEAD: [Column; 5] = [
    ("CHANNEL", "/channel"),
    ("SEQUENCE", "/sequence"),
    ("GROUP", "/group"),
    ("GIVEN UP", "/given_up"),
    ("REASON", "/reason"),
];

#[derive(Subcommand)]
pub enum Command {
    /// List alerts: those that fire, and those whose end is still to be told
    List {
        #[command(flatten)]
        remote: Remote,
    },
    /// What fired and ended, and what was told of it, the newest first
    History {
        /// Conditions on labels, such as `service=web alertname=~slow.*`; =, !=, =~, !~; all have to hold
        #[arg(value_name = "MATCHER")]
        matchers: Vec<String>,
        /// firing, resolved, sent or dead
        #[arg(long)]
        event: Option<String>,
        /// Where notifications were sent
        #[arg(long)]
        channel: Option<String>,
        #[command(flatten)]
        back: LookBack,
        #[command(flatten)]
        remote: Remote,
    },
    /// Send an alert from outside
    Send {
        /// Labels, such as `alertname=backup severity=critical`; `alertname` is required
        #[arg(required = true, value_name = "LABEL=VALUE")]
        labels: Vec<String>,
        /// What people are told
        #[arg(long, default_value = "")]
        summary: String,
        /// It is over
        #[arg(long)]
        resolved: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// Keep alerts from being told for a while
    Silence {
        #[command(subcommand)]
        command: Silence,
    },
    /// List channels, and how sending went
    Channels {
        #[command(flatten)]
        remote: Remote,
    },
    /// Send a notification that says it is a test, and tell how it went
    Test {
        channel: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// List notifications that are not tried any more
    DeadLetters {
        #[command(flatten)]
        remote: Remote,
    },
    /// Have a dead letter sent again
    Resend(Letter),
    /// Forget a dead letter
    Forget(Letter),
}

/// A notification that is not tried any more.
#[derive(Args)]
pub struct Letter {
    channel: String,
    sequence: u64,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Subcommand)]
pub enum Silence {
    /// List silences
    List {
        #[command(flatten)]
        remote: Remote,
    },
    /// Silence alerts from now on
    Add {
        /// What to silence, such as `alertname=slow service=~web-.*`; =, !=, =~, !~; all have to hold
        #[arg(required = true)]
        matchers: Vec<String>,
        /// For how long: 30m, 2h, 90s
        #[arg(long = "for", value_name = "TIME", value_parser = seconds)]
        length: u64,
        /// Why
        #[arg(long)]
        comment: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// End a silence now
    Expire {
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
}

pub fn run(command: Command) -> ExitCode {
    drive(work(command))
}

async fn work(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List { remote } => list("/v1/alerts", &remote, &ALERTS).await,
        Command::History { matchers, event, channel, back, remote } => {
            let mut query = given([("event", event), ("channel", channel)]);
            query.extend(back.query());
            query.extend(matchers.into_iter().map(|matcher| ("match", matcher)));
            let answer = remote.client()?.get("/v1/alerts/history", &query).await?;
            show(&answer, remote.json, &HISTORY);
            Ok(())
        }
        Command::Send { labels, summary, resolved, remote } => {
            send(&labels, &summary, resolved, &remote).await
        }
        Command::Silence { command } => silence(command).await,
        Command::Channels { remote } => list("/v1/alerts/channels", &remote, &CHANNELS).await,
        Command::Test { channel, remote } => test(&channel, &remote).await,
        Command::DeadLetters { remote } => dead_letters(&remote).await,
        Command::Resend(letter) => {
            letter.ask(Method::POST, "/resend").await?;
            print("it waits to be sent\n");
            Ok(())
        }
        Command::Forget(letter) => letter.ask(Method::DELETE, "").await,
    }
}

impl Letter {
    async fn ask(&self, method: Method, below: &str) -> anyhow::Result<()> {
        let Self { channel, sequence, remote } = self;
        let path = format!("/v1/alerts/channels/{}/dead-letters/{sequence}{below}", part(channel));
        remote.client()?.ask(method, &path, &Query::new(), None).await?;
        Ok(())
    }
}

async fn list(path: &str, remote: &Remote, columns: &[Column]) -> anyhow::Result<()> {
    let answer = remote.client()?.get(path, &Query::new()).await?;
    show(&answer, remote.json, columns);
    Ok(())
}

async fn send(
    labels: &[String],
    summary: &str,
    resolved: bool,
    remote: &Remote,
) -> anyhow::Result<()> {
    let pairs = labels.iter().map(|pair| {
        pair.split_once('=').with_context(|| format!("`{pair}` is no label: write LABEL=VALUE"))
    });
    let labels: BTreeMap<&str, &str> = pairs.collect::<anyhow::Result<_>>()?;
    let mut alert = json!({ "labels": labels, "annotations": {} });
    if !summary.is_empty() {
        alert["annotations"]["summary"] = summary.into();
    }
    if resolved {
        alert["endsAt"] = jiff::Timestamp::now().to_string().into();
    }
    remote.client()?.ask(Method::POST, "/v1/alerts", &Query::new(), Some(json!([alert]))).await?;
    Ok(())
}

async fn silence(command: Silence) -> anyhow::Result<()> {
    const PATH: &str = "/v1/alerts/silences";
    match command {
        Silence::List { remote } => list(PATH, &remote, &SILENCES).await,
        Silence::Add { matchers, length, comment, remote } => {
            let body = json!({ "matchers": matchers, "comment": comment, "seconds": length });
            let answer =
                remote.client()?.ask(Method::POST, PATH, &Query::new(), Some(body)).await?;
            show_one(&answer, remote.json);
            Ok(())
        }
        Silence::Expire { id, remote } => {
            let path = format!("{PATH}/{}", part(&id));
            remote.client()?.ask(Method::DELETE, &path, &Query::new(), None).await?;
            Ok(())
        }
    }
}

async fn test(channel: &str, remote: &Remote) -> anyhow::Result<()> {
    let path = format!("/v1/alerts/channels/{}/test", part(channel));
    let answer = remote.client()?.ask(Method::POST, &path, &Query::new(), None).await?;
    if answer["delivered"] != true {
        bail!("it did not arrive: {}", answer["detail"].as_str().unwrap_or("no reason is given"));
    }
    show_one(&answer, remote.json);
    Ok(())
}

async fn dead_letters(remote: &Remote) -> anyhow::Result<()> {
    let answer = remote.client()?.get("/v1/alerts/channels", &Query::new()).await?;
    let channels = answer["items"].as_array().into_iter().flatten();
    let letters = channels.flat_map(|channel| {
        let letters = channel["dead_letters"].as_array().into_iter().flatten();
        letters.map(|letter| {
            let mut letter = letter.clone();
            letter["channel"] = channel["name"].clone();
            letter
        })
    });
    let items: Vec<Value> = letters.collect();
    show(&json!({ "items": items }), remote.json, &DEAD);
    Ok(())
}

/// `90s`, `30m`, `2h`, `1d` in seconds.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no time: write it like 30m, 2h or 1d");
    let unit = text.char_indices().next_back().ok_or_else(wrong)?;
    let factor = match unit.1 {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..unit.0].parse().map_err(|_| wrong())?;
    number.checked_mul(factor).filter(|seconds| *seconds > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        let read = ["90s", "30m", "2h", "1d"].map(|text| seconds(text).unwrap());
        assert_eq!(read, [90, 1800, 7200, 86400]);
        for wrong in ["", "5", "m", "0m", "1w", "-1s", "99999999999999999999h"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}

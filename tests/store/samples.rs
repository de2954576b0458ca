//! Records in which nothing is left at its default, so that what is not kept is seen.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proconsul::alert::paging::{GroupKey, Matchers, Sent, Silence};
use proconsul::alert::rules::{Life, Phase, Record, RecordKey};
use proconsul::model::*;
use proconsul::store::alerts::{AlertRow, HistoryEntry, HistoryEvent, Letter, Outside};
use proconsul::store::{AuditRecord, StoredEvent, StoredInstance, Subscription};

pub fn key(name: &str) -> ServiceKey {
    ServiceKey { namespace: Namespace::new("shop").unwrap(), name: ServiceName::new(name).unwrap() }
}

pub fn id(id: &str) -> InstanceId {
    InstanceId::new(id).unwrap()
}

fn schedule() -> Schedule {
    Schedule {
        interval: Duration::from_nanos(1_000_000_007),
        jitter: 0.3,
        interval_changing: Duration::from_millis(200),
        interval_down: Duration::from_secs(60),
        timeout: Duration::from_millis(750),
        rise: 4,
        fall: 5,
        initial: HealthStatus::Critical,
    }
}

fn checks() -> Vec<Check> {
    let tls = Some(CheckTls { server_name: Some("a.example".to_owned()), verify: false });
    let degraded_above = Some(Duration::from_micros(1234));
    let kinds = [
        CheckKind::Http(HttpCheck {
            method: "POST".to_owned(),
            path: "/health?\"x\"=ä".to_owned(),
            host: Some("h".to_owned()),
            headers: vec![("x-a".to_owned(), "b".to_owned())],
            statuses: vec![(200, 204), (301, 301)],
            body_contains: Some("ok".to_owned()),
            body_matches: Some("^o.$".to_owned()),
            port: Some(1),
            tls: tls.clone(),
            degraded_above,
        }),
        CheckKind::Tcp(TcpCheck {
            port: None,
            send: vec![0, 255],
            expect: b"+PONG".to_vec(),
            degraded_above: None,
        }),
        CheckKind::Grpc(GrpcCheck { service: "s".to_owned(), port: Some(2), tls, degraded_above }),
        CheckKind::ResponseTime(ResponseTimeCheck {
            warning_above: Duration::from_millis(3),
            critical_above: Some(Duration::from_secs(4)),
        }),
        CheckKind::Resources(ResourceCheck {
            cpu: 0.1,
            memory: 0.7,
            disk: 0.95,
            above: HealthStatus::Warning,
        }),
        CheckKind::Plugin(PluginCheck {
            source: PluginSource::File(PathBuf::from("/p/c.wasm")),
            config_json: "{\"a\":1}".to_owned(),
            allow: vec![
                AllowedPeer {
                    host: AllowedHost::Range { base: "10.0.0.0".parse().unwrap(), prefix_bits: 8 },
                    port: Some(53),
                },
                AllowedPeer { host: AllowedHost::Name("db".to_owned()), port: None },
            ],
            fresh: true,
            memory_bytes: 1 << 20,
        }),
        CheckKind::Plugin(PluginCheck {
            source: PluginSource::BuiltIn("redis-ping".to_owned()),
            config_json: String::new(),
            allow: Vec::new(),
            fresh: false,
            memory_bytes: 0,
        }),
    ];
    let named = kinds.into_iter().enumerate().map(|(number, kind)| Check {
        name: CheckName::new(&format!("check-{number}")).unwrap(),
        kind,
        schedule: schedule(),
    });
    named.collect()
}

pub fn service(name: &str) -> ServiceRecord {
    ServiceRecord {
        key: key(name),
        group: Some(GroupName::new("front").unwrap()),
        kind: "api".to_owned(),
        protocol: "grpc".to_owned(),
        dependencies: [key("db"), ServiceKey::in_default(ServiceName::new("x").unwrap())].into(),
        tags: [Tag::new("blue").unwrap(), Tag::new("eu").unwrap()].into(),
        metadata: [("k".to_owned(), "v'\";--".to_owned())].into(),
        owner: "Team Ärger".to_owned(),
        checks: checks(),
        deprecations: vec![Deprecation {
            versions: "<2".parse().unwrap(),
            since: UnixMillis(10),
            sunset: Some(UnixMillis(20)),
            reason: "old".to_owned(),
            replacement: "web2".to_owned(),
        }],
    }
}

pub fn instance(name: &str, instance: &str) -> StoredInstance {
    StoredInstance {
        record: InstanceRecord {
            service: key(name),
            id: id(instance),
            version: Some("1.2.3-rc.1+build".parse().unwrap()),
            host: "10.1.2.3".to_owned(),
            port: 65535,
            protocol: "http".to_owned(),
            weight: Weight::new(17).unwrap(),
            zone: "eu-1a".to_owned(),
            region: "eu-1".to_owned(),
            tags: [Tag::new("canary").unwrap()].into(),
            metadata: [("rack".to_owned(), "7".to_owned())].into(),
            ttl: Some(Duration::from_millis(1500)),
            checks: checks(),
        },
        duty: Duty::Maintenance { reason: "disk".to_owned() },
        registered: UnixMillis(1),
        updated: UnixMillis(2),
    }
}

pub fn subscription(id: &str) -> Subscription {
    Subscription {
        id: id.to_owned(),
        service: key("web"),
        url: "https://a.example/hook".to_owned(),
        secret: "s".to_owned(),
        owner: "o".to_owned(),
        created: UnixMillis(3),
    }
}

pub fn event(index: u64) -> StoredEvent {
    StoredEvent {
        index,
        at: UnixMillis(index),
        kind: "health".to_owned(),
        service: Some(key("web")),
        instance: Some(id("a")),
        message: "why".to_owned(),
    }
}

pub fn audit(index: u64, who: &str, subject: &str) -> AuditRecord {
    AuditRecord {
        index,
        at: UnixMillis(index * 10),
        who: who.to_owned(),
        from: "127.0.0.1".to_owned(),
        action: "instance.register".to_owned(),
        subject: subject.to_owned(),
        before: String::new(),
        after: "{}".to_owned(),
    }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).unwrap()
}

fn an_alert(ended: Option<u64>) -> Alert {
    Alert {
        labels: labels(&[("alertname", "down"), ("x", "a\"b\\ä\u{1F600}")]),
        annotations: labels(&[("summary", "it\nis down")]),
        started: UnixMillis(11),
        ended: ended.map(UnixMillis),
    }
}

/// One of each kind, and of those that come in several forms, each form; in the order of their keys.
pub fn alert_rows() -> Vec<AlertRow> {
    let notification = |sequence| Notification {
        sequence,
        group_key: "{}".to_owned(),
        group_labels: labels(&[("alertname", "down")]),
        common_labels: labels(&[("x", "y")]),
        common_annotations: labels(&[("summary", "z")]),
        alerts: vec![an_alert(None), an_alert(Some(12))],
        truncated: 3,
        made: UnixMillis(13),
    };
    let letter = |sequence, dead: Option<&str>| Letter {
        channel: channel("ops"),
        notification: Arc::new(notification(sequence)),
        since: UnixMillis(14),
        dead: dead.map(|reason| (reason.to_owned(), UnixMillis(15))),
    };
    let record = |rule, phase, value| Record {
        key: RecordKey { rule: RuleName::new(rule).unwrap(), group: labels(&[("service", "web")]) },
        meaning: "rate > 1".to_owned(),
        life: Life { since: UnixMillis(16), phase },
        value,
        labels: labels(&[("alertname", rule)]),
        annotations: labels(&[("summary", "s")]),
        channels: [channel("ops"), channel("team")].into(),
    };
    let (fired, ceased) = (UnixMillis(17), Some(UnixMillis(18)));
    vec![
        AlertRow::Sequence(channel("ops"), 2),
        AlertRow::Letter(letter(1, None)),
        AlertRow::Letter(letter(2, Some("status 404"))),
        AlertRow::Group(
            GroupKey { channel: channel("ops"), labels: labels(&[("alertname", "down")]) },
            Sent { at: UnixMillis(19), firing: [an_alert(None).labels].into() },
        ),
        AlertRow::Silence(Silence {
            id: "5e".to_owned(),
            matchers: Matchers(vec!["a=~\"b|c\"".parse().unwrap(), "d!=".parse().unwrap()]),
            author: "ann".to_owned(),
            comment: "moving".to_owned(),
            starts: UnixMillis(20),
            ends: UnixMillis(21),
        }),
        AlertRow::Outside(Outside {
            alert: Arc::new(an_alert(Some(22))),
            channels: [channel("team")].into(),
            expires: UnixMillis(23),
        }),
        AlertRow::Evaluated(UnixMillis(24)),
        AlertRow::Rule(record("a", Phase::Pending, f64::INFINITY)),
        AlertRow::Rule(record("b", Phase::Firing { fired, ceased: None }, -0.1)),
        AlertRow::Rule(record("c", Phase::Firing { fired, ceased }, 1e300)),
    ]
}

pub fn happened(position: u64, event: HistoryEvent) -> HistoryEntry {
    HistoryEntry {
        position,
        at: UnixMillis(position * 10),
        event,
        labels: labels(&[("alertname", "down"), ("n", &position.to_string())]),
        value: position.is_multiple_of(2).then_some(f64::NEG_INFINITY),
        channel: (event == HistoryEvent::Sent).then(|| channel("ops")),
        detail: "it is \"down\"".to_owned(),
    }
}

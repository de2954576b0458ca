//! Records in which nothing is left at its default, so that what is not kept is seen.

use std::path::PathBuf;
use std::time::Duration;

use proconsul::model::*;
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

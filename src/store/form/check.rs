//! Checks.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Unfit, nanos};
use crate::model::{
    AllowedHost, AllowedPeer, Check, CheckKind, CheckName, CheckTls, GrpcCheck, HealthStatus,
    HttpCheck, PluginCheck, PluginSource, ResourceCheck, ResponseTimeCheck, Schedule, TcpCheck,
};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckForm {
    name: String,
    kind: KindForm,
    schedule: ScheduleForm,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindForm {
    Http(HttpForm),
    Tcp(TcpForm),
    Grpc(GrpcForm),
    ResponseTime(ResponseTimeForm),
    Resources(ResourcesForm),
    Plugin(PluginForm),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpForm {
    method: String,
    path: String,
    host: Option<String>,
    headers: Vec<(String, String)>,
    statuses: Vec<(u16, u16)>,
    body_contains: Option<String>,
    body_matches: Option<String>,
    port: Option<u16>,
    tls: Option<TlsForm>,
    degraded_above_ns: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsForm {
    server_name: Option<String>,
    verify: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TcpForm {
    port: Option<u16>,
    send: Vec<u8>,
    expect: Vec<u8>,
    degraded_above_ns: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrpcForm {
    service: String,
    port: Option<u16>,
    tls: Option<TlsForm>,
    degraded_above_ns: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResponseTimeForm {
    warning_above_ns: u64,
    critical_above_ns: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResourcesForm {
    cpu: f32,
    memory: f32,
    disk: f32,
    above: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PluginForm {
    source: SourceForm,
    config_json: String,
    allow: Vec<PeerForm>,
    fresh: bool,
    memory_bytes: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SourceForm {
    BuiltIn(String),
    File(PathBuf),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PeerForm {
    host: HostForm,
    port: Option<u16>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HostForm {
    Range(IpAddr, u8),
    Name(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScheduleForm {
    interval_ns: u64,
    jitter: f32,
    interval_changing_ns: u64,
    interval_down_ns: u64,
    timeout_ns: u64,
    rise: u32,
    fall: u32,
    initial: String,
}

impl CheckForm {
    pub(super) fn of(check: &Check) -> Self {
        let Check { name, kind, schedule } = check;
        Self {
            name: name.to_string(),
            kind: KindForm::of(kind),
            schedule: ScheduleForm::of(schedule),
        }
    }

    pub(super) fn check(self) -> Result<Check, Unfit> {
        let Self { name, kind, schedule } = self;
        Ok(Check {
            name: CheckName::new(&name)?,
            kind: kind.kind()?,
            schedule: schedule.schedule()?,
        })
    }
}

impl KindForm {
    fn of(kind: &CheckKind) -> Self {
        match kind.clone() {
            CheckKind::Http(HttpCheck {
                method,
                path,
                host,
                headers,
                statuses,
                body_contains,
                body_matches,
                port,
                tls,
                degraded_above,
            }) => Self::Http(HttpForm {
                method,
                path,
                host,
                headers,
                statuses,
                body_contains,
                body_matches,
                port,
                tls: tls.map(TlsForm::of),
                degraded_above_ns: degraded_above.map(nanos),
            }),
            CheckKind::Tcp(TcpCheck { port, send, expect, degraded_above }) => Self::Tcp(TcpForm {
                port,
                send,
                expect,
                degraded_above_ns: degraded_above.map(nanos),
            }),
            CheckKind::Grpc(GrpcCheck { service, port, tls, degraded_above }) => {
                Self::Grpc(GrpcForm {
                    service,
                    port,
                    tls: tls.map(TlsForm::of),
                    degraded_above_ns: degraded_above.map(nanos),
                })
            }
            CheckKind::ResponseTime(ResponseTimeCheck { warning_above, critical_above }) => {
                Self::ResponseTime(ResponseTimeForm {
                    warning_above_ns: nanos(warning_above),
                    critical_above_ns: critical_above.map(nanos),
                })
            }
            CheckKind::Resources(ResourceCheck { cpu, memory, disk, above }) => {
                Self::Resources(ResourcesForm {
                    cpu,
                    memory,
                    disk,
                    above: above.as_str().to_owned(),
                })
            }
            CheckKind::Plugin(PluginCheck { source, config_json, allow, fresh, memory_bytes }) => {
                Self::Plugin(PluginForm {
                    source: match source {
                        PluginSource::BuiltIn(name) => SourceForm::BuiltIn(name),
                        PluginSource::File(path) => SourceForm::File(path),
                    },
                    config_json,
                    allow: allow.into_iter().map(PeerForm::of).collect(),
                    fresh,
                    memory_bytes,
                })
            }
        }
    }

    fn kind(self) -> Result<CheckKind, Unfit> {
        Ok(match self {
            Self::Http(HttpForm {
                method,
                path,
                host,
                headers,
                statuses,
                body_contains,
                body_matches,
                port,
                tls,
                degraded_above_ns,
            }) => CheckKind::Http(HttpCheck {
                method,
                path,
                host,
                headers,
                statuses,
                body_contains,
                body_matches,
                port,
                tls: tls.map(TlsForm::tls),
                degraded_above: degraded_above_ns.map(Duration::from_nanos),
            }),
            Self::Tcp(TcpForm { port, send, expect, degraded_above_ns }) => {
                CheckKind::Tcp(TcpCheck {
                    port,
                    send,
                    expect,
                    degraded_above: degraded_above_ns.map(Duration::from_nanos),
                })
            }
            Self::Grpc(GrpcForm { service, port, tls, degraded_above_ns }) => {
                CheckKind::Grpc(GrpcCheck {
                    service,
                    port,
                    tls: tls.map(TlsForm::tls),
                    degraded_above: degraded_above_ns.map(Duration::from_nanos),
                })
            }
            Self::ResponseTime(ResponseTimeForm { warning_above_ns, critical_above_ns }) => {
                CheckKind::ResponseTime(ResponseTimeCheck {
                    warning_above: Duration::from_nanos(warning_above_ns),
                    critical_above: critical_above_ns.map(Duration::from_nanos),
                })
            }
            Self::Resources(ResourcesForm { cpu, memory, disk, above }) => {
                CheckKind::Resources(ResourceCheck { cpu, memory, disk, above: status(above)? })
            }
            Self::Plugin(PluginForm { source, config_json, allow, fresh, memory_bytes }) => {
                CheckKind::Plugin(PluginCheck {
                    source: match source {
                        SourceForm::BuiltIn(name) => PluginSource::BuiltIn(name),
                        SourceForm::File(path) => PluginSource::File(path),
                    },
                    config_json,
                    allow: allow.into_iter().map(PeerForm::peer).collect(),
                    fresh,
                    memory_bytes,
                })
            }
        })
    }
}

impl TlsForm {
    fn of(CheckTls { server_name, verify }: CheckTls) -> Self {
        Self { server_name, verify }
    }

    fn tls(self) -> CheckTls {
        let Self { server_name, verify } = self;
        CheckTls { server_name, verify }
    }
}

impl PeerForm {
    fn of(AllowedPeer { host, port }: AllowedPeer) -> Self {
        let host = match host {
            AllowedHost::Range { base, prefix_bits } => HostForm::Range(base, prefix_bits),
            AllowedHost::Name(name) => HostForm::Name(name),
        };
        Self { host, port }
    }

    fn peer(self) -> AllowedPeer {
        let Self { host, port } = self;
        let host = match host {
            HostForm::Range(base, prefix_bits) => AllowedHost::Range { base, prefix_bits },
            HostForm::Name(name) => AllowedHost::Name(name),
        };
        AllowedPeer { host, port }
    }
}

impl ScheduleForm {
    fn of(schedule: &Schedule) -> Self {
        let Schedule {
            interval,
            jitter,
            interval_changing,
            interval_down,
            timeout,
            rise,
            fall,
            initial,
        } = *schedule;
        Self {
            interval_ns: nanos(interval),
            jitter,
            interval_changing_ns: nanos(interval_changing),
            interval_down_ns: nanos(interval_down),
            timeout_ns: nanos(timeout),
            rise,
            fall,
            initial: initial.as_str().to_owned(),
        }
    }

    fn schedule(self) -> Result<Schedule, Unfit> {
        let Self {
            interval_ns,
            jitter,
            interval_changing_ns,
            interval_down_ns,
            timeout_ns,
            rise,
            fall,
            initial,
        } = self;
        Ok(Schedule {
            interval: Duration::from_nanos(interval_ns),
            jitter,
            interval_changing: Duration::from_nanos(interval_changing_ns),
            interval_down: Duration::from_nanos(interval_down_ns),
            timeout: Duration::from_nanos(timeout_ns),
            rise,
            fall,
            initial: status(initial)?,
        })
    }
}

fn status(word: String) -> Result<HealthStatus, Unfit> {
    let known = HealthStatus::ALL.into_iter().find(|status| status.as_str() == word);
    known.ok_or(Unfit::Word { what: "health status", found: word })
}

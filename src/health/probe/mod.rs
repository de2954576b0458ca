//! Looking at an instance, one file for each way. Knows nothing of schedules: it looks when told to.

mod connect;
mod grpc;
mod http;
mod resources;
mod tcp;
mod tls;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::model::{
    Check, CheckKind, HealthStatus, InstanceRecord, ResourceCheck, ResponseTimeCheck, Verdict,
};
use crate::plugin::health_check::{HealthChecker, Target};
use crate::registry::Vitals;
use crate::telemetry::clock::coarse_ms;

use grpc::GrpcProbe;
use http::HttpProbe;
use tcp::TcpProbe;

/// A way to look at one instance, with the connection that it keeps between two looks.
pub(super) enum Probe {
    Http(Box<HttpProbe>),
    Tcp(TcpProbe),
    Grpc(Box<GrpcProbe>),
    ResponseTime(ResponseTimeCheck, Arc<Vitals>),
    /// Reports older than the duration are not judged.
    Resources(ResourceCheck, Arc<Vitals>, Duration),
    Plugin(Arc<HealthChecker>, Arc<InstanceRecord>),
    /// It names a plugin that is not there.
    Nothing,
}

/// A report of resources is not judged after so many intervals.
const STALE_AFTER_INTERVALS: u32 = 3;

impl Probe {
    /// Whatever `check` says. `checker` is its plugin, if it has one.
    pub(super) fn new(
        check: &Check,
        record: &Arc<InstanceRecord>,
        vitals: &Arc<Vitals>,
        checker: Option<Arc<HealthChecker>>,
    ) -> Self {
        match &check.kind {
            CheckKind::Http(http) => Probe::Http(Box::new(HttpProbe::new(http, record))),
            CheckKind::Tcp(tcp) => Probe::Tcp(TcpProbe::new(tcp, record)),
            CheckKind::Grpc(grpc) => Probe::Grpc(Box::new(GrpcProbe::new(grpc, record))),
            CheckKind::ResponseTime(times) => Probe::ResponseTime(times.clone(), vitals.clone()),
            CheckKind::Resources(limits) => {
                let stale = check.schedule.interval * STALE_AFTER_INTERVALS;
                Probe::Resources(limits.clone(), vitals.clone(), stale)
            }
            CheckKind::Plugin(_) => match checker {
                Some(checker) => Probe::Plugin(checker, record.clone()),
                None => Probe::Nothing,
            },
        }
    }

    /// Looks once. What is late is critical.
    pub(super) async fn look(&mut self, limit: Duration) -> Verdict {
        let looked = match self {
            Probe::Http(http) => timeout(limit, http.look()).await,
            Probe::Tcp(tcp) => timeout(limit, tcp.look()).await,
            Probe::Grpc(grpc) => timeout(limit, grpc.look()).await,
            Probe::ResponseTime(times, vitals) => Ok(response_time(times, vitals)),
            Probe::Resources(limits, vitals, stale) => {
                Ok(resources::judge(limits, vitals.load(), *stale))
            }
            Probe::Plugin(checker, record) => Ok(by_plugin(checker, record, limit).await),
            Probe::Nothing => Ok(critical("the plugin of this check is not configured")),
        };
        looked.unwrap_or_else(|_| {
            self.hang_up();
            critical(format!("no answer within {limit:?}"))
        })
    }

    /// Forgets the connection: nobody knows what is on it.
    fn hang_up(&mut self) {
        match self {
            Probe::Http(http) => http.hang_up(),
            Probe::Grpc(grpc) => grpc.hang_up(),
            _ => {}
        }
    }
}

async fn by_plugin(
    checker: &HealthChecker,
    record: &Arc<InstanceRecord>,
    limit: Duration,
) -> Verdict {
    let addresses: Vec<IpAddr> = match timeout(limit, connect::resolve(&record.host)).await {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(why)) => return critical(why),
        Err(_) => return critical(format!("`{}` was not resolved within {limit:?}", record.host)),
    };
    let target = Target { record: record.clone(), addresses };
    match checker.check(&target, limit).await {
        Ok(verdict) => verdict,
        Err(fault) => critical(fault.to_string()),
    }
}

fn response_time(times: &ResponseTimeCheck, vitals: &Vitals) -> Verdict {
    let latency = Duration::from_micros(vitals.endpoint.latency().read_us(coarse_ms()).into());
    let says = |limit: Duration| format!("answers take {latency:?}, more than {limit:?}");
    match times.critical_above {
        Some(limit) if latency > limit => critical(says(limit)),
        _ if latency > times.warning_above => {
            Verdict::new(HealthStatus::Warning, says(times.warning_above))
        }
        _ if latency.is_zero() => passing("no request went there yet"),
        _ => passing(format!("answers take {latency:?}")),
    }
}

/// Passing, or a warning where the answer took longer than it should.
fn timely(reason: String, took: Duration, degraded_above: Option<Duration>) -> Verdict {
    match degraded_above {
        Some(limit) if took > limit => {
            let took_ms = took.as_millis();
            Verdict::new(
                HealthStatus::Warning,
                format!("{reason}, after {took_ms}ms; degraded above {limit:?}"),
            )
        }
        _ => passing(reason),
    }
}

fn passing(reason: impl Into<String>) -> Verdict {
    Verdict::new(HealthStatus::Passing, reason)
}

fn critical(reason: impl Into<String>) -> Verdict {
    Verdict::new(HealthStatus::Critical, reason)
}

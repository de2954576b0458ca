//! Exporting telemetry as a configuration asks for it, from one configuration to the next, and to the end.

use std::sync::Arc;

use parking_lot::Mutex;

use super::BuildError;
use crate::config::{self, CertificateFiles, OtlpProtocol, OtlpTls};
use crate::proxy::Shared;
use crate::telemetry::Metrics;
use crate::telemetry::otlp::logs::set_sink;
use crate::telemetry::otlp::{Otlp, Protocol, Settings, Target, TraceSettings};

/// What a reload does with the export.
pub(super) enum Change {
    Stays,
    /// `None` switches it off.
    Becomes(Option<Otlp>),
}

/// Starts what differs from `former`, or may: certificates change behind the same configuration.
pub(super) fn open(
    config: Option<&config::Otlp>,
    former: Option<&config::Otlp>,
    metrics: &Metrics,
) -> Result<Change, BuildError> {
    let has_files = config.is_some_and(|otlp| otlp.tls != OtlpTls::default());
    if config == former && !has_files {
        return Ok(Change::Stays);
    }
    let started = config.map(|config| Otlp::start(settings(config), metrics)).transpose();
    started.map(Change::Becomes).map_err(|error| BuildError::Otlp { error })
}

/// Finds out whether it could be started.
pub(super) fn try_out(config: Option<&config::Otlp>) -> Result<(), BuildError> {
    let tried = config.map(|config| Otlp::try_out(&settings(config)));
    tried.unwrap_or(Ok(())).map_err(|error| BuildError::Otlp { error })
}

fn settings(config: &config::Otlp) -> Settings {
    let config::Otlp {
        endpoint,
        protocol,
        headers,
        timeout,
        queue,
        tls,
        service_name,
        resource,
        traces,
        metrics,
        logs,
    } = config.clone();
    let OtlpTls { ca, client_certificate } = tls;
    let target = Target {
        endpoint,
        protocol: match protocol {
            OtlpProtocol::HttpProtobuf => Protocol::HttpProtobuf,
            OtlpProtocol::Grpc => Protocol::Grpc,
        },
        headers,
        timeout,
        ca,
        client_certificate: client_certificate
            .map(|CertificateFiles { certificate, key }| (certificate, key)),
    };
    let traces = traces.map(|traces| {
        let config::OtlpTraces { sample, plugin_threshold, baggage } = traces;
        TraceSettings { sample, plugin_threshold, baggage }
    });
    let resource = resource.into_iter().collect();
    let logs = logs.map(|logs| logs.level);
    Settings { target, queue, service_name, resource, traces, metrics, logs }
}

/// The export that is in effect. A copy shares it.
#[derive(Clone, Default)]
pub(super) struct Exporting(Arc<Mutex<Option<Otlp>>>);

impl Exporting {
    /// Exports by another configuration from now on. What the former one still has is delivered beside that.
    pub(super) fn change(&self, otlp: Option<Otlp>, shared: &Shared) {
        shared.tracing.set(otlp.as_ref().and_then(Otlp::tracer));
        set_sink(otlp.as_ref().and_then(Otlp::logs));
        *self.0.lock() = otlp;
    }

    /// Delivers what is there, as far as time allows. The process is about to end.
    pub(super) fn flush(&self) {
        let otlp = self.0.lock().take();
        if let Some(otlp) = otlp {
            otlp.flush();
        }
    }
}

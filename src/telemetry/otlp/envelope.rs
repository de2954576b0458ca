//! What is said of this process with everything that it exports, and the messages that hold both.

use std::sync::{Arc, LazyLock};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use prost::Message;

use super::attribute::{number, text};
use super::span::Span;

/// The semantic conventions that spans keep.
const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.37.0";

/// The same for each process as long as it runs.
static INSTANCE_ID: LazyLock<String> = LazyLock::new(|| {
    // A UUID of version 4 (RFC 9562, section 5.4).
    let random = fastrand::u128(..);
    let random = random & !(0xf << 76) | (0x4 << 76);
    let random = random & !(0x3 << 62) | (0x2 << 62);
    let digits = format!("{random:032x}");
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    parts.join("-")
});

/// Makes messages. A copy shares what it says.
#[derive(Clone)]
pub(super) struct Envelope {
    resource: Arc<Resource>,
    scope: Arc<InstrumentationScope>,
}

impl Envelope {
    /// `further` facts replace those that are known anyway.
    pub(super) fn new(service_name: &str, further: &[(String, String)]) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let host = rustix::system::uname();
        let mut attributes = vec![
            text("service.name", service_name),
            text("service.instance.id", &INSTANCE_ID),
            text("service.version", version),
            text("host.name", &host.nodename().to_string_lossy()),
            number("process.pid", i64::from(std::process::id())),
        ];
        for (key, value) in further {
            attributes.retain(|known| known.key != *key);
            attributes.push(text(key, value));
        }
        let resource = Resource { attributes, ..Resource::default() };
        let scope = InstrumentationScope {
            name: "proconsul".to_owned(),
            version: version.to_owned(),
            ..InstrumentationScope::default()
        };
        Self { resource: Arc::new(resource), scope: Arc::new(scope) }
    }

    fn resource(&self) -> Option<Resource> {
        Some(Resource::clone(&self.resource))
    }

    fn scope(&self) -> Option<InstrumentationScope> {
        Some(InstrumentationScope::clone(&self.scope))
    }

    /// The metrics.
    pub(super) fn metrics(&self, metrics: Vec<Metric>) -> Vec<u8> {
        let metrics = ScopeMetrics { scope: self.scope(), metrics, schema_url: String::new() };
        let metrics = ResourceMetrics {
            resource: self.resource(),
            scope_metrics: vec![metrics],
            schema_url: String::new(),
        };
        ExportMetricsServiceRequest { resource_metrics: vec![metrics] }.encode_to_vec()
    }

    /// A batch of log records.
    pub(super) fn logs(&self, log_records: Vec<LogRecord>) -> Vec<u8> {
        let records = ScopeLogs { scope: self.scope(), log_records, schema_url: String::new() };
        let records = ResourceLogs {
            resource: self.resource(),
            scope_logs: vec![records],
            schema_url: String::new(),
        };
        ExportLogsServiceRequest { resource_logs: vec![records] }.encode_to_vec()
    }

    /// A batch of requests' spans.
    pub(super) fn traces(&self, batch: Vec<Vec<Span>>) -> Vec<u8> {
        let spans = batch.into_iter().flatten().map(|span| span.0).collect();
        let spans = ScopeSpans { scope: self.scope(), spans, schema_url: SCHEMA_URL.to_owned() };
        let spans = ResourceSpans {
            resource: self.resource(),
            scope_spans: vec![spans],
            schema_url: String::new(),
        };
        ExportTraceServiceRequest { resource_spans: vec![spans] }.encode_to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_configured_replaces_what_is_known() {
        let further = [("service.instance.id".to_owned(), "a".to_owned())];
        let envelope = Envelope::new("edge", &further);
        let keys: Vec<_> = envelope.resource.attributes.iter().map(|a| a.key.as_str()).collect();
        assert_eq!(keys.iter().filter(|key| **key == "service.instance.id").count(), 1);
        assert!(envelope.resource.attributes.contains(&text("service.instance.id", "a")));
        assert!(envelope.resource.attributes.contains(&text("service.name", "edge")));
    }

    #[test]
    fn the_instance_is_a_uuid() {
        let shape = regex::Regex::new(
            "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
        );
        assert!(shape.unwrap().is_match(&INSTANCE_ID), "{}", *INSTANCE_ID);
    }
}

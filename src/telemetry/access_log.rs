//! The access log: a line a request, for the writers that want it.
//!
//! What each of them wants, and in which form, is resolved when the configuration is built.

use std::sync::Arc;

use super::access_line::{Entry, Form};
use super::access_text;
use super::log::{Format, Kind, Record, Severity, Writer};
use super::otlp;

/// Takes requests that have ended.
pub struct AccessLog {
    form: Form,
    outlets: Box<[AccessOutlet]>,
    /// A collector is told, too.
    exported: bool,
}

/// Who is told, of what, and how.
pub struct AccessOutlet {
    pub writer: Arc<Writer>,
    pub format: Format,
    /// Of these services; empty: of all, and of what reached none.
    pub services: Vec<String>,
    /// Of answers with this status, or a larger one. No answer at all is always told.
    pub least_status: u16,
}

impl AccessLog {
    pub fn new(form: Form, outlets: Vec<AccessOutlet>, exported: bool) -> Self {
        Self { form, outlets: outlets.into(), exported }
    }

    /// Whether a request gets a line.
    pub fn takes(&self, status: u16, trace_id: &str) -> bool {
        self.form.takes(status, trace_id)
    }

    /// Puts a line into the queues; where one is full, it is counted as dropped.
    pub fn write(&self, entry: &Entry<'_>) {
        if self.exported {
            otlp::logs::request(&self.form, entry);
        }
        for outlet in self.outlets.iter().filter(|outlet| outlet.wants(entry)) {
            outlet.writer.put(Record {
                kind: Kind::Access,
                severity: Severity::of_status(entry.status),
                unix_ms: entry.unix_ms,
                line: self.line(entry, outlet.format),
            });
        }
    }

    fn line(&self, entry: &Entry<'_>, format: Format) -> Vec<u8> {
        match format {
            Format::Json => self.form.line(entry),
            Format::Text => access_text::line(&self.form, entry, false),
            Format::Coloured => access_text::line(&self.form, entry, true),
        }
    }
}

impl AccessOutlet {
    fn wants(&self, entry: &Entry<'_>) -> bool {
        (entry.status >= self.least_status || entry.status == 0)
            && (self.services.is_empty() || self.services.iter().any(|name| name == entry.service))
    }
}

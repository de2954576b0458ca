//! The access log: a line a request, for the writers that want it.
//!
//! What each of them wants, and in which form, is resolved when the configuration is built.

use std::cell::RefCell;
use std::sync::Arc;

use super::access_line::{Entry, Form};
use super::access_text;
use super::log::{Format, Head, Kind, Record, Severity, Writer};
use super::object::Plain;
use super::otlp;

/// The room that a thread keeps for its next line.
const KEPT_BYTES: usize = 16 << 10;

thread_local! {
    /// Where lines are made; a queue copies them.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

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
    pub fn takes(&self, status: u16, trace_id: Plain<'_>) -> bool {
        self.form.takes(status, trace_id)
    }

    /// Puts a line into the queues; where one is full, it is counted as dropped.
    pub fn write(&self, entry: &Entry<'_>) {
        if self.exported {
            otlp::logs::request(&self.form, entry);
        }
        let head = Head {
            kind: Kind::Access,
            severity: Severity::of_status(entry.status),
            unix_ms: entry.unix_ms,
        };
        LINE.with_borrow_mut(|line| {
            for outlet in self.outlets.iter().filter(|outlet| outlet.wants(entry)) {
                line.clear();
                match outlet.format {
                    Format::Json => self.form.write(entry, line),
                    Format::Text => access_text::write(&self.form, entry, false, line),
                    Format::Coloured => access_text::write(&self.form, entry, true, line),
                }
                outlet.writer.put(Record { head, line });
            }
            line.shrink_to(KEPT_BYTES);
        });
    }
}

impl AccessOutlet {
    fn wants(&self, entry: &Entry<'_>) -> bool {
        (entry.status >= self.least_status || entry.status == 0)
            && (self.services.is_empty() || self.services.iter().any(|name| name == entry.service))
    }
}

//! Writing down what changes nothing: events and audit records of what happened beside the registry.

use super::super::event::EventKind;
use super::super::note::Note;
use super::super::plan::{Audit, Draft};
use super::Writer;
use super::commit::audit_record;
use crate::store::Write;

impl Writer {
    /// Gives a note its index and its place in a log.
    pub(super) fn take_note(&mut self, note: Note) {
        let now = self.now();
        let index = self.take_index();
        match note {
            Note::Panic { service, message } => {
                self.state.snapshot.index = index;
                let kind = EventKind::Panic;
                let draft = Draft { kind, service: Some(service), instance: None, message };
                self.note(&draft, index, now);
                self.publish();
            }
            Note::Done { author, action, subject, after } => {
                let audit = Audit { action, subject, before: String::new(), after };
                let record = audit_record(&audit, &author, index, now);
                self.save(Write::AppendAudit(record), now);
            }
        }
    }
}

//! The access log: one JSON line a request, written by a thread of its own.
//!
//! A request never waits for the disk: lines go into a bounded queue, and those that find it full
//! are dropped and counted. A file that was moved away (logrotate) is left by starting another log in
//! its place: the former thread writes what it has to where it was, and ends.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use prometheus::IntCounter;

use super::access_line::{Entry, Form};
use super::otlp;
use super::rotating_file::{RotatingFile, Rotation};

/// Takes lines.
pub struct AccessLog {
    form: Form,
    /// `None`: no line is written.
    queue: Option<SyncSender<Vec<u8>>>,
    dropped: IntCounter,
    /// A collector is told, too.
    exported: bool,
}

impl AccessLog {
    /// Writes to a file, appending, through a queue of `queue_lines`.
    pub fn to_file(
        path: &Path,
        rotation: Option<Rotation>,
        form: Form,
        queue_lines: usize,
        dropped: IntCounter,
    ) -> io::Result<Self> {
        let file = RotatingFile::open(path, rotation)?;
        Self::start(file, form, queue_lines, dropped)
    }

    /// Writes to standard output through a queue of `queue_lines`.
    pub fn to_stdout(form: Form, queue_lines: usize, dropped: IntCounter) -> io::Result<Self> {
        Self::start(BufWriter::new(io::stdout()), form, queue_lines, dropped)
    }

    /// Writes nothing.
    pub fn unwritten(form: Form, dropped: IntCounter) -> Self {
        Self { form, queue: None, dropped, exported: false }
    }

    /// The same, of which a collector is told or not.
    pub fn exported(self, exported: bool) -> Self {
        Self { exported, ..self }
    }

    fn start(
        writer: impl Write + Send + 'static,
        form: Form,
        queue_lines: usize,
        dropped: IntCounter,
    ) -> io::Result<Self> {
        let (queue, lines) = sync_channel(queue_lines);
        std::thread::Builder::new().name("access-log".into()).spawn({
            let lost = dropped.clone();
            move || write_lines(&lines, writer, &lost)
        })?;
        Ok(Self { form, queue: Some(queue), dropped, exported: false })
    }

    /// Whether a request gets a line.
    pub fn takes(&self, status: u16, trace_id: &str) -> bool {
        self.form.takes(status, trace_id)
    }

    /// Queues a line, or counts it as dropped when the queue is full.
    pub fn write(&self, entry: &Entry<'_>) {
        if self.exported {
            otlp::logs::request(&self.form, entry);
        }
        if let Some(queue) = &self.queue
            && queue.try_send(self.form.line(entry)).is_err()
        {
            self.dropped.inc();
        }
    }
}

/// Writes until the last sender is gone; flushes whenever the queue runs empty. A line that cannot be
/// written is counted as lost, and the next one is tried.
fn write_lines(lines: &Receiver<Vec<u8>>, mut writer: impl Write, lost: &IntCounter) {
    let mut failing = false;
    while let Ok(first) = lines.recv() {
        let mut next = Ok(first);
        let mut written = Ok(());
        while let Ok(line) = next {
            if let Err(error) = writer.write_all(&line) {
                lost.inc();
                written = Err(error);
            }
            next = lines.try_recv();
        }
        debug_assert!(matches!(next, Err(TryRecvError::Empty | TryRecvError::Disconnected)));
        let flushed = written.and_then(|()| writer.flush());
        // Once a fault, not once a line: a full disk must not flood the log as well.
        match (&flushed, failing) {
            (Err(error), false) => tracing::error!(%error, "access log cannot be written"),
            (Ok(()), true) => tracing::info!("access log is written again"),
            _ => {}
        }
        failing = flushed.is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::access_line::Choice;

    #[test]
    fn a_full_queue_drops_and_counts() {
        let dropped = IntCounter::new("d", "d").unwrap();
        let (queue, _lines) = sync_channel(1);
        let form = Form::new(Choice::default());
        let log = AccessLog { form, queue: Some(queue), dropped: dropped.clone(), exported: false };
        let headers = http::HeaderMap::new();
        let entry = Entry {
            unix_ms: 1,
            request_id: "",
            trace_id: "",
            client_ip: "",
            method: "GET",
            host: "",
            path: "/",
            protocol: "",
            route: "",
            service: "",
            upstream: "",
            status: 200,
            bytes_in: 0,
            bytes_out: 0,
            duration_us: 0,
            tries: 0,
            error: "",
            request_headers: &headers,
            response_headers: None,
        };
        for _ in 0..3 {
            log.write(&entry);
        }
        assert_eq!(dropped.get(), 2);
    }
}

//! A writer: a thread that takes records from a bounded queue, and writes them.
//!
//! Records that find the queue full are dropped and counted, as are those that cannot be written. A fault is
//! said once, and so is its end; what the thread says goes to the other writers.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use super::record::{Head, Kind, Record};
use super::sink::{Destination, Fresh, Sink};
use crate::telemetry::gathering::{Batch, Gathered, Gatherer, gathering};
use crate::telemetry::metrics::LogMetrics;

/// Between two tries of a record, at first and at most.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Faults that come and go are told of no more often.
const TELL_EVERY: Duration = Duration::from_secs(30);
/// How often a full queue is tried when it is to be flushed.
const LOOK_EVERY: Duration = Duration::from_millis(5);

thread_local! {
    /// The writer whose thread this is: what it says of itself cannot go there.
    static OWN: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

/// Takes records.
pub struct Writer {
    name: Arc<str>,
    destination: Destination,
    queue_records: usize,
    queue: Gatherer<Message>,
    fresh: Fresh,
    metrics: Arc<LogMetrics>,
    /// The thread no longer waits for better days once this is dropped.
    _patience: std::sync::mpsc::Sender<()>,
}

enum Message {
    /// Its line is the message's bytes.
    Record(Head),
    /// To be answered when everything before it is written.
    Flush(SyncSender<()>),
}

impl Writer {
    /// Opens the destination, and starts a thread that writes until the writer is dropped.
    pub fn start(
        name: &str,
        destination: Destination,
        queue_records: usize,
        metrics: Arc<LogMetrics>,
    ) -> io::Result<Self> {
        let fresh = Fresh::default();
        let sink = destination.open(fresh.clone())?;
        let (queue, messages) = gathering(queue_records);
        let (patience, impatient) = channel();
        let name: Arc<str> = name.into();
        let thread = Thread {
            messages,
            sink,
            faults: Faults::default(),
            impatient,
            metrics: metrics.clone(),
            name: name.clone(),
        };
        std::thread::Builder::new().name("log".into()).spawn(move || thread.run())?;
        Ok(Self { name, destination, queue_records, queue, fresh, metrics, _patience: patience })
    }

    /// Whether another writer to this destination would be no different.
    pub fn is_like(&self, destination: &Destination, queue_records: usize) -> bool {
        self.destination == *destination && self.queue_records == queue_records
    }

    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Queues a record, or counts it as dropped when the queue is full.
    pub fn put(&self, record: Record<'_>) {
        // What the process says of itself may be its last word.
        let Record { head, line } = record;
        let is_urgent = head.kind == Kind::Event;
        if self.queue.put(Message::Record(head), line).is_err() {
            self.metrics.queue_full.inc();
        } else if is_urgent {
            self.queue.hurry();
        }
    }

    /// Writes to the file that is at its path now.
    pub fn reopen(&self) -> io::Result<()> {
        if let Some(file) = self.destination.open_again()? {
            *self.fresh.lock() = Some(file);
        }
        Ok(())
    }

    /// Waits until everything that was put here is written, or until `deadline`.
    pub fn flush(&self, deadline: Instant) {
        let (reply, done) = sync_channel(1);
        let mut message = Message::Flush(reply);
        loop {
            match self.queue.put(message, b"") {
                Ok(()) => break,
                Err(_) if Instant::now() >= deadline => return,
                Err(back) => message = back,
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.queue.hurry();
        let _ = done.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }

    /// Whether this is the thread that writes here.
    pub(super) fn is_this_thread(&self) -> bool {
        // A thread that is ending has no more of its own, and is no writer's.
        let is_own = |own: &RefCell<Option<Arc<str>>>| own.borrow().as_ref() == Some(&self.name);
        OWN.try_with(is_own).unwrap_or(false)
    }
}

/// The side that writes.
struct Thread {
    messages: Gathered<Message>,
    sink: Box<dyn Sink>,
    faults: Faults,
    /// Hears that the writer is gone.
    impatient: Receiver<()>,
    metrics: Arc<LogMetrics>,
    name: Arc<str>,
}

impl Thread {
    /// Flushes whenever the queue runs empty.
    fn run(mut self) {
        OWN.set(Some(self.name.clone()));
        let mut messages = Batch::default();
        while self.messages.take(&mut messages) {
            let (mut to_answer, mut outcome, mut taken) = (Vec::new(), Ok(()), 0);
            for (message, line) in messages.each() {
                match message {
                    Message::Flush(reply) => to_answer.push(reply),
                    Message::Record(head) => match self.write(Record { head: *head, line }) {
                        Ok(()) => taken += 1,
                        Err(error) if self.sink.is_patient() => {
                            self.metrics.not_written.inc();
                            outcome = Err(error);
                        }
                        Err(error) => {
                            self.metrics.not_written.inc_by(taken + 1);
                            (taken, outcome) = (0, Err(error));
                        }
                    },
                }
            }
            match self.sink.flush() {
                Ok(()) => self.metrics.written.inc_by(taken),
                Err(error) => {
                    self.metrics.not_written.inc_by(taken);
                    outcome = Err(error);
                }
            }
            self.faults.note(outcome.as_ref().err(), &self.name, Instant::now());
            for reply in to_answer {
                let _ = reply.try_send(()); // it may no longer be waited for
            }
        }
    }

    fn write(&mut self, record: Record<'_>) -> io::Result<()> {
        let mut wait = FIRST_WAIT;
        loop {
            let Err(error) = self.sink.put(record) else { return Ok(()) };
            self.faults.note(Some(&error), &self.name, Instant::now());
            // Meanwhile the queue fills, and what finds it full is counted there.
            if !self.sink.is_patient()
                || self.impatient.recv_timeout(wait) != Err(RecvTimeoutError::Timeout)
            {
                return Err(error);
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

/// Tells of faults once, not once a record: a full disk must not flood the other logs as well.
#[derive(Default)]
struct Faults {
    failing: bool,
    told: Option<Instant>,
}

impl Faults {
    fn note(&mut self, error: Option<&io::Error>, writer: &str, now: Instant) {
        let is_due = self.told.is_none_or(|told| now.duration_since(told) >= TELL_EVERY);
        match (error, self.failing) {
            (Some(error), false) if is_due => {
                tracing::error!(writer, %error, "log cannot be written");
                self.failing = true;
                self.told = Some(now);
            }
            (None, true) => {
                tracing::info!(writer, "log is written again");
                self.failing = false;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Severity;
    use super::*;
    use crate::telemetry::Metrics;

    fn put(writer: &Writer, line: &str) {
        let head = Head { kind: Kind::Event, severity: Severity::Info, unix_ms: 1 };
        writer.put(Record { head, line: format!("{line}\n").as_bytes() });
    }

    #[test]
    fn a_full_queue_drops_and_counts_and_what_was_taken_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let metrics = Metrics::new().log("w");
        let destination = Destination::File { path: path.clone(), rotation: None };
        let writer = Writer::start("w", destination, 4, metrics.clone()).unwrap();
        for number in 0..10_000 {
            put(&writer, &number.to_string());
        }
        writer.flush(Instant::now() + Duration::from_secs(60));
        let lines = std::fs::read_to_string(&path).unwrap().lines().count() as u64;
        assert_eq!(metrics.written.get(), lines);
        assert_eq!(lines + metrics.queue_full.get(), 10_000);
        assert!(metrics.queue_full.get() > 0);
    }

    #[test]
    fn a_fault_that_comes_and_goes_is_told_of_now_and_then() {
        let (mut faults, begun) = (Faults::default(), Instant::now());
        let error = io::Error::from(io::ErrorKind::StorageFull);
        let mut is_told = |fails: bool, after: Duration| {
            faults.note(fails.then_some(&error), "w", begun + after);
            faults.failing
        };
        let second = Duration::from_secs(1);
        assert!(is_told(true, Duration::ZERO));
        assert!(!is_told(false, second));
        assert!(!is_told(true, 2 * second));
        assert!(is_told(true, TELL_EVERY + second));
    }
}

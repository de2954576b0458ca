//! The access log: one JSON line a request, written by a thread of its own.
//!
//! A request never waits for the disk: lines go into a bounded queue, and those that find it full
//! are dropped and counted. A file that was moved away (logrotate) is left by starting another log in
//! its place: the former thread writes what it has to where it was, and ends.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use prometheus::IntCounter;
use serde::Serializer;
use serde::ser::SerializeMap;

/// What a line says.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// When the request came, as a Unix time in milliseconds.
    pub unix_ms: u64,
    pub request_id: &'a str,
    pub trace_id: &'a str,
    pub client_ip: &'a str,
    pub method: &'a str,
    pub host: &'a str,
    pub path: &'a str,
    pub protocol: &'a str,
    pub route: &'a str,
    pub service: &'a str,
    /// Where the response came from; empty when the proxy answered.
    pub upstream: &'a str,
    pub status: u16,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub duration_us: u64,
    /// Endpoints that the request was sent to.
    pub tries: usize,
    /// Why the proxy answered by itself; empty when it did not.
    pub error: &'a str,
}

/// Takes lines.
pub struct AccessLog {
    queue: SyncSender<Vec<u8>>,
    dropped: IntCounter,
}

impl AccessLog {
    /// Writes to a file, appending, through a queue of `queue_lines`.
    pub fn to_file(path: &Path, queue_lines: usize, dropped: IntCounter) -> io::Result<Self> {
        let file: File = OpenOptions::new().create(true).append(true).open(path)?;
        Self::start(file, queue_lines, dropped)
    }

    /// Writes to standard output through a queue of `queue_lines`.
    pub fn to_stdout(queue_lines: usize, dropped: IntCounter) -> io::Result<Self> {
        Self::start(io::stdout(), queue_lines, dropped)
    }

    fn start(
        writer: impl Write + Send + 'static,
        queue_lines: usize,
        dropped: IntCounter,
    ) -> io::Result<Self> {
        let (queue, lines) = sync_channel(queue_lines);
        std::thread::Builder::new()
            .name("access-log".into())
            .spawn(move || write_lines(&lines, BufWriter::new(writer)))?;
        Ok(Self { queue, dropped })
    }

    /// Queues a line, or counts it as dropped when the queue is full.
    pub fn write(&self, entry: &Entry<'_>) {
        if self.queue.try_send(line(entry)).is_err() {
            self.dropped.inc();
        }
    }
}

fn line(entry: &Entry<'_>) -> Vec<u8> {
    let Entry {
        unix_ms,
        request_id,
        trace_id,
        client_ip,
        method,
        host,
        path,
        protocol,
        route,
        service,
        upstream,
        status,
        bytes_in,
        bytes_out,
        duration_us,
        tries,
        error,
    } = entry;
    let mut line = Vec::with_capacity(512);
    let mut serializer = serde_json::Serializer::new(&mut line);
    // Straight into the buffer: a tree of values first would cost twenty allocations a request.
    let written = serializer.serialize_map(None).and_then(|mut map| {
        map.serialize_entry("timestamp_ms", unix_ms)?;
        map.serialize_entry("request_id", request_id)?;
        map.serialize_entry("trace_id", trace_id)?;
        map.serialize_entry("client_ip", client_ip)?;
        map.serialize_entry("method", method)?;
        map.serialize_entry("host", host)?;
        map.serialize_entry("path", path)?;
        map.serialize_entry("protocol", protocol)?;
        map.serialize_entry("route", route)?;
        map.serialize_entry("service", service)?;
        map.serialize_entry("upstream", upstream)?;
        map.serialize_entry("status", status)?;
        map.serialize_entry("bytes_in", bytes_in)?;
        map.serialize_entry("bytes_out", bytes_out)?;
        map.serialize_entry("duration_us", duration_us)?;
        map.serialize_entry("tries", tries)?;
        map.serialize_entry("error", error)?;
        SerializeMap::end(map)
    });
    written.expect("texts and numbers are JSON, and a Vec takes every write");
    line.push(b'\n');
    line
}

/// Writes until the last sender is gone; flushes whenever the queue runs empty.
fn write_lines(lines: &Receiver<Vec<u8>>, mut writer: impl Write) {
    let mut failing = false;
    while let Ok(first) = lines.recv() {
        let mut next = Ok(first);
        let mut written = Ok(());
        while let Ok(line) = next {
            written = written.and_then(|()| writer.write_all(&line));
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

    fn entry() -> Entry<'static> {
        Entry {
            unix_ms: 1,
            request_id: "r",
            trace_id: "t",
            client_ip: "::1",
            method: "GET",
            host: "h",
            path: "/\"\n\u{7f}é",
            protocol: "HTTP/1.1",
            route: "api",
            service: "web",
            upstream: "127.0.0.1:1",
            status: 200,
            bytes_in: 0,
            bytes_out: 3,
            duration_us: 9,
            tries: 1,
            error: "",
        }
    }

    #[test]
    fn a_line_is_one_json_object_whatever_it_quotes() {
        let line = line(&entry());
        assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value["path"], "/\"\n\u{7f}é");
        assert_eq!(value["status"], 200);
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let dropped = IntCounter::new("d", "d").unwrap();
        let (queue, _lines) = sync_channel(1);
        let log = AccessLog { queue, dropped: dropped.clone() };
        for _ in 0..3 {
            log.write(&entry());
        }
        assert_eq!(dropped.get(), 2);
    }
}

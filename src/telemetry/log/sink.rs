//! Where a writer's records end up.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use super::record::Record;
use super::syslog::{Syslog, SyslogAddress};
use crate::telemetry::buffered::Buffered;
use crate::telemetry::rotating_file::{RotatingFile, Rotation, append};

/// Where a writer writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    Stdout,
    Stderr,
    File {
        path: PathBuf,
        rotation: Option<Rotation>,
    },
    /// The facility is a number of [`FACILITIES`](super::FACILITIES).
    Syslog {
        address: SyslogAddress,
        facility: u8,
    },
}

/// Takes records one after the other.
pub(super) trait Sink: Send {
    /// Takes a record. An error says that it is lost, and unless the sink is patient, so is what waited.
    fn put(&mut self, record: Record<'_>) -> io::Result<()>;

    /// Has everything that was taken written.
    fn flush(&mut self) -> io::Result<()>;

    /// Whether a record that failed is worth being tried again, later.
    fn is_patient(&self) -> bool;
}

impl<W: io::Write + Send> Sink for Buffered<W> {
    fn put(&mut self, record: Record<'_>) -> io::Result<()> {
        self.put(record.line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flush()
    }

    fn is_patient(&self) -> bool {
        false
    }
}

/// A file that takes the place of the one that is written to.
pub(super) type Fresh = Arc<Mutex<Option<File>>>;

/// A file, which may be exchanged for another.
struct Exchangeable {
    file: RotatingFile,
    fresh: Fresh,
}

impl Sink for Exchangeable {
    fn put(&mut self, record: Record<'_>) -> io::Result<()> {
        if let Some(fresh) = self.fresh.lock().take() {
            self.file.exchange(fresh)?;
        }
        self.file.put(record.line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    fn is_patient(&self) -> bool {
        false
    }
}

impl Destination {
    /// Opens it. `fresh` is where another file is put for it.
    pub(super) fn open(&self, fresh: Fresh) -> io::Result<Box<dyn Sink>> {
        Ok(match self {
            Self::Stdout => Box::new(Buffered::new(io::stdout())),
            Self::Stderr => Box::new(Buffered::new(io::stderr())),
            Self::Syslog { address, facility } => Box::new(Syslog::new(address.clone(), *facility)),
            Self::File { path, rotation } => {
                Box::new(Exchangeable { file: RotatingFile::open(path, *rotation)?, fresh })
            }
        })
    }

    /// Opens the file at its path again: what was there may have been moved away.
    pub(super) fn open_again(&self) -> io::Result<Option<File>> {
        match self {
            Self::File { path, .. } => append(path).map(Some),
            Self::Stdout | Self::Stderr | Self::Syslog { .. } => Ok(None),
        }
    }
}

//! Lines that go to where they are written in one call, many at a time.
//!
//! Unlike std's `BufWriter`, it forgets what could not be written: whoever counts what was lost can be exact,
//! and a full disk does not keep old lines in the way of new ones.

use std::io::{self, Write};

/// Lines of a busy moment wait up to this.
const BUFFER_BYTES: usize = 64 << 10;

/// A writer behind a buffer.
pub struct Buffered<W> {
    inner: W,
    waiting: Vec<u8>,
}

impl<W: Write> Buffered<W> {
    pub fn new(inner: W) -> Self {
        Self { inner, waiting: Vec::with_capacity(BUFFER_BYTES) }
    }

    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// Takes whole lines. An error says that these, and what waited, are lost.
    pub fn put(&mut self, lines: &[u8]) -> io::Result<()> {
        self.waiting.extend_from_slice(lines);
        if self.waiting.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes what waits. An error says that it is lost.
    pub fn flush(&mut self) -> io::Result<()> {
        let written = self.inner.write_all(&self.waiting).and_then(|()| self.inner.flush());
        self.waiting.clear();
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes.
    struct Disk(Vec<u8>, usize);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.len() + bytes.len() > self.1 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_could_not_be_written_is_forgotten() {
        let mut file = Buffered::new(Disk(Vec::new(), 4));
        file.put(b"a\n").unwrap();
        assert!(file.get_ref().0.is_empty());
        file.flush().unwrap();
        file.put(b"longer\n").unwrap();
        assert!(file.flush().is_err());
        file.put(b"b\n").unwrap();
        file.flush().unwrap();
        assert_eq!(file.get_ref().0, b"a\nb\n");
    }

    #[test]
    fn much_is_written_without_being_asked() {
        let mut file = Buffered::new(Disk(Vec::new(), usize::MAX));
        file.put(&vec![b'x'; BUFFER_BYTES]).unwrap();
        assert_eq!(file.get_ref().0.len(), BUFFER_BYTES);
        let mut full = Buffered::new(Disk(Vec::new(), 0));
        assert!(full.put(&vec![b'x'; BUFFER_BYTES]).is_err());
    }
}

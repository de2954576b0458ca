//! A file that is begun anew when it grows too large, with its former selves kept beside it.
//!
//! It notices a file that somebody else moved away, and a directory that comes back: logrotate may see to the
//! same file. `access.log` becomes `access.log.1`, that `access.log.2`, and so on; the
//! oldest is removed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::mem;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Lines of a busy moment go to the disk in one call.
const BUFFER_BYTES: usize = 64 << 10;

/// When a file is begun anew, and how many former ones stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    pub size_bytes: u64,
    /// At least 1.
    pub keep: u32,
}

/// Appends to a file. Each `write` is whole lines, and ends up in one file.
pub struct RotatingFile {
    path: PathBuf,
    file: BufWriter<File>,
    written_bytes: u64,
    rotation: Option<Rotation>,
}

impl RotatingFile {
    pub fn open(path: &Path, rotation: Option<Rotation>) -> io::Result<Self> {
        let (file, written_bytes) = begin(path)?;
        Ok(Self { path: path.to_owned(), file, written_bytes, rotation })
    }

    /// Goes on in another file, which is at the same path.
    pub fn exchange(&mut self, file: File) -> io::Result<()> {
        let written_bytes = file.metadata()?.len();
        let mut former = mem::replace(&mut self.file, BufWriter::with_capacity(BUFFER_BYTES, file));
        self.written_bytes = written_bytes;
        former.flush()
    }

    fn rotate(&mut self, keep: u32) -> io::Result<()> {
        self.file.flush()?;
        // Whoever else moved it away has rotated it; what is there now is not ours to move.
        if is_at(self.file.get_ref(), &self.path) {
            for number in (1..keep).rev() {
                rename_if_there(&numbered(&self.path, number), &numbered(&self.path, number + 1))?;
            }
            fs::rename(&self.path, numbered(&self.path, 1))?;
        }
        (self.file, self.written_bytes) = begin(&self.path)?;
        Ok(())
    }
}

impl Write for RotatingFile {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if let Some(Rotation { size_bytes, keep }) = self.rotation
            && self.written_bytes > 0
            && self.written_bytes + lines.len() as u64 > size_bytes
        {
            self.rotate(keep)?;
        }
        self.file.write_all(lines)?;
        self.written_bytes += lines.len() as u64;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Opens a file to append to it.
pub fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn begin(path: &Path) -> io::Result<(BufWriter<File>, u64)> {
    let file = append(path)?;
    let length = file.metadata()?.len();
    Ok((BufWriter::with_capacity(BUFFER_BYTES, file), length))
}

fn is_at(file: &File, path: &Path) -> bool {
    let identity = |found: fs::Metadata| (found.dev(), found.ino());
    let own = file.metadata().map(identity).ok();
    own.is_some() && own == fs::metadata(path).map(identity).ok()
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<(String, String)> {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
        let mut names: Vec<_> = entries
            .map(|entry| {
                let name = entry.file_name().into_string().unwrap();
                (name, fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_full_file_is_moved_aside_and_the_oldest_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let rotation = Some(Rotation { size_bytes: 4, keep: 2 });
        let mut file = RotatingFile::open(&path, rotation).unwrap();
        for line in ["a\n", "b\n", "c\n", "longer than a file\n", "d\n", "e\n"] {
            file.write_all(line.as_bytes()).unwrap();
        }
        file.flush().unwrap();
        let expected = [("log", "d\ne\n"), ("log.1", "longer than a file\n"), ("log.2", "c\n")];
        assert_eq!(names(directory.path()), expected.map(|(n, t)| (n.to_owned(), t.to_owned())));
    }

    #[test]
    fn what_was_there_before_counts_and_what_others_put_there_is_let_be() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        fs::write(&path, "old\n").unwrap();
        let rotation = Some(Rotation { size_bytes: 4, keep: 1 });
        let mut file = RotatingFile::open(&path, rotation).unwrap();
        file.write_all(b"new\n").unwrap();
        file.flush().unwrap();
        assert_eq!(fs::read_to_string(numbered(&path, 1)).unwrap(), "old\n");
        fs::rename(&path, directory.path().join("moved")).unwrap();
        fs::write(&path, "of another\n").unwrap();
        file.write_all(b"more\n").unwrap();
        file.flush().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "of another\nmore\n");
        assert_eq!(fs::read_to_string(numbered(&path, 1)).unwrap(), "old\n");
    }
}

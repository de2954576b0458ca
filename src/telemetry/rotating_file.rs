//! A file that is begun anew when it grows too large or with a new day, with its former selves kept beside it.
//!
//! It notices a file that somebody else moved away, and a directory that comes back: logrotate may see to the
//! same file. `access.log` becomes `access.log.1`, that `access.log.2`, and so on; the
//! oldest is removed.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::mem;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::buffered::Buffered;

/// When a file is begun anew, and how many former ones stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// Before it grows beyond this.
    pub size_bytes: Option<u64>,
    /// With the first line of a new one.
    pub every: Option<Period>,
    /// At least 1.
    pub keep: u32,
    /// A former file that was last written to before that is removed when a file is begun.
    pub max_age: Option<Duration>,
}

/// Periods begin with the hour or the day in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    Hour,
    Day,
}

impl Period {
    /// The number of the one that a moment is in.
    fn number(self, moment: SystemTime) -> u64 {
        let seconds = moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        match self {
            Self::Hour => seconds / 3600,
            Self::Day => seconds / (24 * 3600),
        }
    }
}

/// Appends to a file.
pub struct RotatingFile {
    path: PathBuf,
    file: Buffered<File>,
    written_bytes: u64,
    /// When it was last written to.
    written_at: SystemTime,
    rotation: Option<Rotation>,
}

impl RotatingFile {
    pub fn open(path: &Path, rotation: Option<Rotation>) -> io::Result<Self> {
        let (file, written_bytes, written_at) = begin(append(path)?)?;
        let file = Self { path: path.to_owned(), file, written_bytes, written_at, rotation };
        file.remove_old(SystemTime::now());
        Ok(file)
    }

    /// Goes on in another file, which is at the same path.
    pub fn exchange(&mut self, file: File) -> io::Result<()> {
        let (file, written_bytes, written_at) = begin(file)?;
        let mut former = mem::replace(&mut self.file, file);
        (self.written_bytes, self.written_at) = (written_bytes, written_at);
        former.flush()
    }

    /// Appends whole lines, all to one file. An error says that these, and what waited, are lost.
    pub fn put(&mut self, lines: &[u8]) -> io::Result<()> {
        self.write_at(lines, SystemTime::now())
    }

    /// Writes what waits. An error says that it is lost.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    fn write_at(&mut self, lines: &[u8], now: SystemTime) -> io::Result<()> {
        if let Some(rotation) = self.rotation
            && self.is_over(&rotation, lines.len() as u64, now)
        {
            self.rotate(rotation.keep)?;
            self.remove_old(now);
        }
        self.file.put(lines)?;
        self.written_bytes += lines.len() as u64;
        self.written_at = now;
        Ok(())
    }

    fn is_over(&self, rotation: &Rotation, more_bytes: u64, now: SystemTime) -> bool {
        let is_full =
            rotation.size_bytes.is_some_and(|size| self.written_bytes + more_bytes > size);
        let is_past = rotation.every.is_some_and(|p| p.number(self.written_at) < p.number(now));
        self.written_bytes > 0 && (is_full || is_past)
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
        (self.file, self.written_bytes, self.written_at) = begin(append(&self.path)?)?;
        Ok(())
    }

    /// Removes former files that are too old. Who may not do that has them lie.
    fn remove_old(&self, now: SystemTime) {
        let Some(Rotation { keep, max_age: Some(max_age), .. }) = self.rotation else { return };
        for number in 1..=keep {
            let path = numbered(&self.path, number);
            let written = fs::metadata(&path).and_then(|metadata| metadata.modified());
            let age = written.ok().and_then(|written| now.duration_since(written).ok());
            if age.is_some_and(|age| age > max_age) {
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// Opens a file to append to it.
pub fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// A file with its length, and when it was last written to.
fn begin(file: File) -> io::Result<(Buffered<File>, u64, SystemTime)> {
    let metadata = file.metadata()?;
    let written_at = metadata.modified()?;
    Ok((Buffered::new(file), metadata.len(), written_at))
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

    fn by_size(keep: u32) -> Rotation {
        Rotation { size_bytes: Some(4), every: None, keep, max_age: None }
    }

    #[test]
    fn a_new_day_begins_a_new_file_and_what_is_too_old_is_removed() {
        const HOUR: Duration = Duration::from_secs(3600);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let (every, max_age) = (Some(Period::Day), Some(100 * HOUR));
        let rotation = Rotation { size_bytes: None, every, keep: 9, max_age };
        let mut file = RotatingFile::open(&path, Some(rotation)).unwrap();
        let day = Period::Day.number(SystemTime::now()) + 1;
        let begun = UNIX_EPOCH + Duration::from_secs(day * 24 * 3600);
        for (line, hours) in [("a\n", 0), ("b\n", 23), ("c\n", 24), ("d\n", 47), ("e\n", 48)] {
            file.write_at(line.as_bytes(), begun + hours * HOUR).unwrap();
        }
        file.flush().unwrap();
        let expected = [("log", "e\n"), ("log.1", "c\nd\n"), ("log.2", "a\nb\n")];
        assert_eq!(names(directory.path()), expected.map(|(n, t)| (n.to_owned(), t.to_owned())));

        // They were really written just now, which is more than 100 hours before this.
        file.write_at(b"f\n", begun + 150 * HOUR).unwrap();
        file.flush().unwrap();
        assert_eq!(names(directory.path()), [("log".to_owned(), "f\n".to_owned())]);
    }

    #[test]
    fn what_was_written_on_another_day_is_moved_aside_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        fs::write(&path, "old\n").unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(25 * 3600)).unwrap();
        let every = Some(Period::Day);
        let rotation = Rotation { size_bytes: None, every, keep: 1, max_age: None };
        let mut file = RotatingFile::open(&path, Some(rotation)).unwrap();
        file.put(b"new\n").unwrap();
        file.flush().unwrap();
        let expected = [("log", "new\n"), ("log.1", "old\n")];
        assert_eq!(names(directory.path()), expected.map(|(n, t)| (n.to_owned(), t.to_owned())));
    }

    #[test]
    fn a_full_file_is_moved_aside_and_the_oldest_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let rotation = Some(by_size(2));
        let mut file = RotatingFile::open(&path, rotation).unwrap();
        for line in ["a\n", "b\n", "c\n", "longer than a file\n", "d\n", "e\n"] {
            file.put(line.as_bytes()).unwrap();
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
        let rotation = Some(by_size(1));
        let mut file = RotatingFile::open(&path, rotation).unwrap();
        file.put(b"new\n").unwrap();
        file.flush().unwrap();
        assert_eq!(fs::read_to_string(numbered(&path, 1)).unwrap(), "old\n");
        fs::rename(&path, directory.path().join("moved")).unwrap();
        fs::write(&path, "of another\n").unwrap();
        file.put(b"more\n").unwrap();
        file.flush().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "of another\nmore\n");
        assert_eq!(fs::read_to_string(numbered(&path, 1)).unwrap(), "old\n");
    }

    #[test]
    fn what_is_too_old_at_the_start_is_removed_and_what_is_not_stays() {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        for (number, age) in [(1, DAY), (2, 3 * DAY), (3, 3 * DAY)] {
            let file = append(&numbered(&path, number)).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
        }
        let rotation = Rotation { size_bytes: None, every: None, keep: 2, max_age: Some(2 * DAY) };
        let _file = RotatingFile::open(&path, Some(rotation)).unwrap();
        let left: Vec<String> = names(directory.path()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(left, ["log", "log.1", "log.3"], "the third is not of this file's making");
    }

    #[test]
    fn what_waits_when_the_file_is_exchanged_is_written_to_the_former_one() {
        let directory = tempfile::tempdir().unwrap();
        let (path, moved) = (directory.path().join("log"), directory.path().join("moved"));
        let mut file = RotatingFile::open(&path, None).unwrap();
        file.put(b"before\n").unwrap();
        fs::rename(&path, &moved).unwrap();
        file.exchange(append(&path).unwrap()).unwrap();
        file.put(b"after\n").unwrap();
        file.flush().unwrap();
        let read = [&moved, &path].map(|path| fs::read_to_string(path).unwrap());
        assert_eq!(read, ["before\n", "after\n"]);
    }

    #[test]
    fn periods_begin_with_the_hour_and_the_day() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!([0, 3599, 3600, 7200].map(|s| Period::Hour.number(at(s))), [0, 0, 1, 2]);
        assert_eq!([0, 86_399, 86_400].map(|s| Period::Day.number(at(s))), [0, 0, 1]);
    }
}

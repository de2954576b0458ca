//! The one file that a channel may append lines to. Nothing else of a file system exists for it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Of one line.
const MAX_LINE_BYTES: usize = 1 << 20;

/// A file by its path. It is opened for each line: whoever rotates it needs to tell nobody.
#[derive(Debug)]
pub struct Journal(PathBuf);

impl Journal {
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Appends a line and its end, and waits until the disk has it.
    pub async fn append(&self, line: String) -> Result<(), String> {
        if line.len() > MAX_LINE_BYTES {
            return Err(format!("a line has at most {MAX_LINE_BYTES} bytes"));
        }
        if line.contains(['\n', '\r']) {
            return Err("a line has no line break".to_owned());
        }
        let path = self.0.clone();
        let written = tokio::task::spawn_blocking(move || write(&path, line)).await;
        written.unwrap_or_else(|_| Err("the host failed".to_owned()))
    }
}

fn write(path: &Path, mut line: String) -> Result<(), String> {
    line.push('\n');
    let append = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        // In one piece: lines of several proxies do not mix.
        file.write_all(line.as_bytes())?;
        file.sync_data()
    };
    append().map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_added_and_never_broken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.log");
        let journal = Journal::new(path.clone());
        journal.append("one".into()).await.unwrap();
        journal.append("two".into()).await.unwrap();
        assert!(journal.append("three\nfour".into()).await.unwrap_err().contains("line break"));
        let huge = "x".repeat(MAX_LINE_BYTES + 1);
        assert!(journal.append(huge).await.unwrap_err().contains("at most"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_named() {
        let journal = Journal::new("/nowhere/alerts.log".into());
        assert!(journal.append("one".into()).await.unwrap_err().contains("/nowhere/alerts.log"));
    }
}

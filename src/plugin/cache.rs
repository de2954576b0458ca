//! Compiled components on disk, so that a restart compiles nothing.
//!
//! Machine code that is loaded is code that runs, so an entry is used only when the folder and the
//! file belong to this user and nobody else may write them, and when its digest fits. Anything
//! else is as if it were not there: it is compiled again and written over. This is the one file
//! with `unsafe`: `Component::deserialize` trusts its bytes, and the checks here are why it may.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// First bytes of an entry; the digest of what follows it comes next.
const MAGIC: &[u8] = b"proconsul compiled component 1\n";

/// Beyond this many the oldest go.
const MAX_ENTRIES: usize = 256;

/// A folder that is private to this user.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    directory: PathBuf,
}

impl Cache {
    /// Opens, or makes, a cache. A folder that others may write is refused.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        if !is_private(&fs::symlink_metadata(directory)?, 0o077) {
            return Err(io::Error::other(format!(
                "{} must belong to this user alone: `chmod 700` it, or name another folder",
                directory.display()
            )));
        }
        Ok(Self { directory: directory.to_owned() })
    }

    /// The compiled form of `key`, when there is one that can be trusted.
    pub(super) fn load(&self, engine: &Engine, key: &str) -> Option<Component> {
        let entry = self.read(key).ok()?;
        let artifact = checked_artifact(&entry)?;
        // SAFETY: the bytes were written by `store` under this user's name into a folder and a
        // file that only this user may write (`is_private`), and they are whole (the digest).
        // Wasmtime itself refuses artifacts of another engine or version.
        #[allow(unsafe_code)]
        unsafe { Component::deserialize(engine, artifact) }.ok()
    }

    /// Keeps the compiled form of `key`. A failure costs a compilation later, and nothing else.
    pub(super) fn store(&self, key: &str, component: &Component) -> io::Result<()> {
        let artifact = component.serialize().map_err(io::Error::other)?;
        let unfinished = self.directory.join(format!("{key}.{}.new", std::process::id()));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&unfinished)
            .or_else(|error| self.reclaim(&unfinished, error))?;
        file.write_all(MAGIC)?;
        file.write_all(&Sha256::digest(&artifact))?;
        file.write_all(&artifact)?;
        fs::rename(&unfinished, self.path(key))?;
        self.prune()
    }

    /// A leftover of a process with our number that died in the middle.
    fn reclaim(&self, unfinished: &Path, error: io::Error) -> io::Result<File> {
        if error.kind() != io::ErrorKind::AlreadyExists {
            return Err(error);
        }
        fs::remove_file(unfinished)?;
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(unfinished)
    }

    fn path(&self, key: &str) -> PathBuf {
        self.directory.join(format!("{key}.cwasm"))
    }

    fn read(&self, key: &str) -> io::Result<Vec<u8>> {
        let mut file =
            OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(self.path(key))?;
        let metadata = file.metadata()?;
        if !metadata.is_file() || !is_private(&metadata, 0o022) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut entry = Vec::with_capacity(metadata.len() as usize);
        file.read_to_end(&mut entry)?;
        Ok(entry)
    }

    fn prune(&self) -> io::Result<()> {
        let mut entries: Vec<_> = fs::read_dir(&self.directory)?
            .filter_map(|entry| entry.ok())
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        entries.sort();
        let surplus = entries.len().saturating_sub(MAX_ENTRIES);
        for (_, path) in entries.into_iter().take(surplus) {
            fs::remove_file(path)?;
        }
        Ok(())
    }
}

/// Whether a file belongs to this user and none of the `forbidden` mode bits is set.
fn is_private(metadata: &fs::Metadata, forbidden: u32) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & forbidden == 0
}

fn checked_artifact(entry: &[u8]) -> Option<&[u8]> {
    let rest = entry.strip_prefix(MAGIC)?;
    let (digest, artifact) = rest.split_at_checked(32)?;
    (Sha256::digest(artifact).as_slice() == digest).then_some(artifact)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn sample(engine: &Engine) -> Component {
        Component::new(engine, b"\0asm\x0d\0\x01\0").unwrap()
    }

    fn cache_with_entry() -> (tempfile::TempDir, Cache, Engine) {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let engine = Engine::default();
        cache.store("k", &sample(&engine)).unwrap();
        (folder, cache, engine)
    }

    #[test]
    fn what_was_stored_is_loaded() {
        let (_folder, cache, engine) = cache_with_entry();
        assert!(cache.load(&engine, "k").is_some());
        assert!(cache.load(&engine, "other").is_none());
    }

    #[test]
    fn a_corrupt_entry_is_not_trusted() {
        let (folder, cache, engine) = cache_with_entry();
        let path = folder.path().join("k.cwasm");
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for bad in [&flipped[..], &whole[..whole.len() / 2], b"", b"\0asm"] {
            fs::write(&path, bad).unwrap();
            assert!(cache.load(&engine, "k").is_none());
        }
    }

    #[test]
    fn an_entry_that_others_may_write_is_not_trusted() {
        let (folder, cache, engine) = cache_with_entry();
        let path = folder.path().join("k.cwasm");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(cache.load(&engine, "k").is_none());
        fs::rename(&path, folder.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap();
        assert!(cache.load(&engine, "k").is_none());
    }

    #[test]
    fn a_folder_that_others_may_enter_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(Cache::open(folder.path()).unwrap_err().to_string().contains("chmod 700"));
    }
}

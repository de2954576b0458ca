//! Noticing that a file changed, however it is changed: written in place, renamed over, or behind
//! a symlink that was swapped (as Kubernetes does with ConfigMaps).
//!
//! Directories are watched rather than files, since a file that is replaced takes its watch along.
//! Events only say "look": what counts is whether the files' identity, size or time differ. Nobody looks because
//! another file grew: a log may lie beside the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use notify::event::ModifyKind;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::{timeout, timeout_at};

/// Files must be quiet for this long before they are read: editors write in several steps.
const SETTLE: Duration = Duration::from_millis(40);
/// But no longer than this after the first change.
const SETTLE_LONGEST: Duration = Duration::from_millis(500);
/// Symlinks followed for one path; a longer chain is a loop.
const MAX_LINKS: usize = 16;

/// Watches files and directories; says when to look, and whether there is something to see.
pub(super) struct FileWatch {
    watcher: Option<RecommendedWatcher>,
    /// Watched directories, as they were when the watch was set: another one under the same name is
    /// another directory.
    directories: BTreeMap<PathBuf, DirectoryId>,
    paths: Vec<PathBuf>,
    /// What the files are called, here and where symlinks lead.
    names: Names,
    seen: Fingerprint,
    events: mpsc::Receiver<()>,
}

type Names = Arc<Mutex<BTreeSet<OsString>>>;

/// Device and inode.
type DirectoryId = (u64, u64);

/// What differs when a file was written or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Facts {
    device: u64,
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

type Fingerprint = BTreeMap<PathBuf, Option<Facts>>;

impl FileWatch {
    /// Starts watching `paths`. Where the system offers no events, that is logged;
    /// [`FileWatch::changed`] still tells.
    pub(super) fn new(paths: Vec<PathBuf>) -> Self {
        let (tell, events) = mpsc::channel(1);
        let names = Names::default();
        let known = names.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| may_matter(&event, &known.lock())) {
                let _ = tell.try_send(()); // one note is enough: it says "look"
            }
        });
        let watcher = watcher.inspect_err(|error| {
            tracing::error!(%error, "no file events: changes are seen every few seconds only");
        });
        let mut watch = Self {
            watcher: watcher.ok(),
            directories: BTreeMap::new(),
            paths: Vec::new(),
            names,
            seen: Fingerprint::new(),
            events,
        };
        watch.set_paths(paths);
        watch
    }

    /// Watches other paths. What was seen of those that stay is kept; new ones count as seen as they
    /// are now, so this comes before what they hold is put to work.
    pub(super) fn set_paths(&mut self, paths: Vec<PathBuf>) {
        let mut seen = fingerprint(&paths);
        for (path, facts) in &mut seen {
            if let Some(known) = self.seen.get(path) {
                *facts = *known;
            }
        }
        self.seen = seen;
        self.paths = paths;
        self.follow();
    }

    /// Waits until something happened near a watched path.
    pub(super) async fn stirred(&mut self) {
        if self.events.recv().await.is_none() {
            std::future::pending::<()>().await; // no watcher, no events
        }
    }

    /// Waits until nothing has stirred for a moment.
    pub(super) async fn settled(&mut self) {
        let latest = Instant::now() + SETTLE_LONGEST;
        while Instant::now() < latest && timeout(SETTLE, self.stirred()).await.is_ok() {}
    }

    /// Waits until there is something to see, and it has settled; false when `patience` is over first.
    pub(super) async fn differs_within(&mut self, patience: Duration) -> bool {
        let latest = Instant::now() + patience;
        while timeout_at(latest.into(), self.stirred()).await.is_ok() {
            if self.differs() {
                self.settled().await;
                return true;
            }
        }
        self.differs() // there may be no events here
    }

    /// Whether there is something to see.
    pub(super) fn differs(&mut self) -> bool {
        self.follow(); // a directory may have come, or been replaced; a symlink may lead elsewhere
        fingerprint(&self.paths) != self.seen
    }

    /// Whether a watched path differs from what was seen last; it counts as seen then.
    pub(super) fn changed(&mut self) -> bool {
        self.follow();
        let now = fingerprint(&self.paths);
        let changed = now != self.seen;
        self.seen = now;
        changed
    }

    fn follow(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        let targets: Vec<_> = self.paths.iter().filter_map(|p| fs::canonicalize(p).ok()).collect();
        let names = self.paths.iter().chain(&targets).filter_map(|path| path.file_name());
        *self.names.lock() = names.map(ToOwned::to_owned).collect();
        let wanted: BTreeMap<PathBuf, DirectoryId> = self
            .paths
            .iter()
            .flat_map(|path| directories_of(path))
            .filter_map(|path| Some((path.clone(), directory_id(&path)?)))
            .collect();
        self.directories.retain(|path, id| {
            let stays = wanted.get(path) == Some(id);
            if !stays {
                let _ = watcher.unwatch(path); // it may be gone itself
            }
            stays
        });
        for (path, id) in wanted {
            if self.directories.contains_key(&path) {
                continue;
            }
            match watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => _ = self.directories.insert(path, id),
                Err(error) => {
                    let directory = path.display();
                    tracing::warn!(%directory, %error, "directory cannot be watched");
                }
            }
        }
    }
}

/// Whether a file of ours may differ after an event.
fn may_matter(event: &Event, names: &BTreeSet<OsString>) -> bool {
    let is_ours = |path: &PathBuf| {
        is_fragment(path) || path.file_name().is_some_and(|name| names.contains(name))
    };
    match event.kind {
        EventKind::Access(_) => false,
        EventKind::Modify(ModifyKind::Data(_)) => event.paths.iter().any(is_ours),
        _ => true,
    }
}

/// Whether a file in a watched directory is part of the configuration.
fn is_fragment(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml")
}

fn directory_id(path: &Path) -> Option<DirectoryId> {
    fs::metadata(path).ok().filter(fs::Metadata::is_dir).map(|m| (m.dev(), m.ino()))
}

fn fingerprint(paths: &[PathBuf]) -> Fingerprint {
    let mut found = Fingerprint::new();
    for path in paths {
        note(path, &mut found);
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        for entry in entries.map(|entry| entry.path()) {
            if is_fragment(&entry) {
                note(&entry, &mut found);
            }
        }
    }
    found
}

fn note(path: &Path, found: &mut Fingerprint) {
    // A directory's own times change with every file in it, watched or not.
    let facts = fs::metadata(path).ok().map(|m| {
        let (bytes, changed) = match m.is_dir() {
            true => (0, (0, 0)),
            false => (m.size(), (m.ctime(), m.ctime_nsec())),
        };
        Facts { device: m.dev(), inode: m.ino(), bytes, changed }
    });
    found.insert(path.to_owned(), facts);
}

/// Directories in which `path` may be replaced: its parent, those of the symlinks that it goes
/// through, and itself if it is a directory.
fn directories_of(path: &Path) -> BTreeSet<PathBuf> {
    let mut directories = BTreeSet::new();
    let mut at = path.to_owned();
    if at.is_dir() {
        directories.insert(at.clone());
    }
    for _ in 0..MAX_LINKS {
        // The nearest that exists: what is missing may come back.
        let nearest = at.ancestors().skip(1).find(|ancestor| ancestor.is_dir());
        directories.extend(nearest.map(Path::to_owned));
        // Any component may be the link that is swapped: `..data` in a ConfigMap.
        let link =
            at.ancestors().find_map(|part| Some((part.to_owned(), fs::read_link(part).ok()?)));
        let Some((link, target)) = link else { break };
        let rest = at.strip_prefix(&link).map(Path::to_owned).unwrap_or_default();
        let parent = link.parent().unwrap_or(Path::new("/"));
        directories.insert(parent.to_owned());
        at = parent.join(target);
        if !rest.as_os_str().is_empty() {
            at.push(rest);
        }
    }
    directories
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use super::*;

    #[tokio::test]
    async fn a_file_beside_ours_may_grow_unseen_but_none_of_ours() {
        let outer = tempfile::tempdir().unwrap();
        // A directory's own is watched, too: others must not come and go there.
        let folder = outer.path().join("folder");
        fs::create_dir(&folder).unwrap();
        let at = |name: &str| folder.join(name);
        for name in ["access.log", "plugin.wasm", "target", "fragment.toml"] {
            fs::write(at(name), name).unwrap();
        }
        symlink("target", at("p.toml")).unwrap();
        let paths = vec![at("p.toml"), at("plugin.wasm"), folder.clone()];
        let mut watch = FileWatch::new(paths);
        let grow = |name: &str| {
            fs::OpenOptions::new().append(true).open(at(name)).unwrap().write_all(b"more").unwrap();
        };
        grow("access.log");
        assert!(timeout(Duration::from_millis(300), watch.stirred()).await.is_err());
        for name in ["plugin.wasm", "target", "fragment.toml"] {
            grow(name);
            let stirred = timeout(Duration::from_secs(20), watch.stirred()).await;
            assert!(stirred.is_ok(), "{name}");
            while timeout(Duration::from_millis(100), watch.stirred()).await.is_ok() {}
        }
    }

    #[test]
    fn a_swapped_symlink_shows() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for version in ["v1", "v2"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("p.toml"), version).unwrap();
        }
        symlink("v1", at("..data")).unwrap();
        symlink("..data/p.toml", at("p.toml")).unwrap();
        assert!(directories_of(&at("p.toml")).contains(folder.path()));
        assert!(directories_of(&at("p.toml")).contains(&at("v1")));

        let mut watch = FileWatch::new(vec![at("p.toml")]);
        assert!(!watch.changed());
        symlink("v2", at("..new")).unwrap();
        fs::rename(at("..new"), at("..data")).unwrap();
        assert!(watch.changed());
        assert!(!watch.changed());
        watch.follow();
        assert!(watch.directories.contains_key(&at("v2")));
    }

    #[test]
    fn neighbours_do_not_count_but_fragments_do() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = FileWatch::new(vec![folder.path().to_owned()]);
        fs::write(folder.path().join("access.log"), "x").unwrap();
        assert!(!watch.changed());
        fs::write(folder.path().join("a.toml"), "x").unwrap();
        assert!(watch.changed());
        fs::remove_file(folder.path().join("a.toml")).unwrap();
        assert!(watch.changed());
    }

    #[test]
    fn what_changed_since_it_was_seen_stays_to_be_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.toml");
        fs::write(&path, "x").unwrap();
        let mut watch = FileWatch::new(vec![path.clone()]);
        fs::write(&path, "longer").unwrap();
        watch.set_paths(vec![path, folder.path().join("new")]);
        assert!(watch.changed(), "a path that stays keeps what was seen of it");
        assert!(!watch.changed());
    }

    #[test]
    fn a_directory_that_comes_back_is_watched_again() {
        let folder = tempfile::tempdir().unwrap();
        let plugins = folder.path().join("plugins");
        let mut watch = FileWatch::new(vec![plugins.join("a.wasm")]);
        assert!(watch.directories.contains_key(folder.path()));
        for _ in 0..2 {
            fs::create_dir(&plugins).unwrap();
            fs::write(plugins.join("a.wasm"), "x").unwrap();
            assert!(watch.changed());
            assert_eq!(watch.directories.get(&plugins), directory_id(&plugins).as_ref());
            fs::remove_dir_all(&plugins).unwrap();
            assert!(watch.changed());
        }
    }

    #[test]
    fn a_loop_of_symlinks_ends() {
        let folder = tempfile::tempdir().unwrap();
        symlink("b", folder.path().join("a")).unwrap();
        symlink("a", folder.path().join("b")).unwrap();
        assert!(!directories_of(&folder.path().join("a")).is_empty());
    }
}

//! Noticing that a file changed, however it is changed: written in place, renamed over, or behind
//! a symlink that was swapped (as Kubernetes does with ConfigMaps).
//!
//! Directories are watched rather than files, since a file that is replaced takes its watch along.
//! Events only say "look": what counts is whether the files' identity, size or time differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Symlinks followed for one path; a longer chain is a loop.
const MAX_LINKS: usize = 16;

/// File systems stamp with a coarse clock, which lags behind.
const CLOCK_LAG: Duration = Duration::from_millis(20);

/// How things were before files were read: what changes from then on is news, also while they are
/// being read and built from.
pub(super) struct Before {
    seen: Fingerprint,
    at: SystemTime,
}

impl Before {
    /// Before the first reading of all.
    pub(super) fn start() -> Self {
        Self { seen: Fingerprint::new(), at: SystemTime::now() }
    }

    /// What counts as seen of what is there `now`. Of a path that was not watched before, the time
    /// of its last change has to tell.
    fn seen_of(mut self, now: &Fingerprint) -> Fingerprint {
        let since = (self.at - CLOCK_LAG).duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = (since.as_secs() as i64, i64::from(since.subsec_nanos()));
        for (path, facts) in now {
            let is_news = facts.is_some_and(|(.., seconds, nanos)| (seconds, nanos) >= since);
            self.seen.entry(path.clone()).or_insert(if is_news { None } else { *facts });
        }
        // What is gone is news if a watched directory had it, and else no longer watched.
        let is_listed = |path: &Path| path.parent().is_some_and(|parent| now.contains_key(parent));
        self.seen.retain(|path, _| now.contains_key(path) || is_listed(path));
        self.seen
    }
}

/// Watches files and directories; says when to look, and whether there is something to see.
pub(super) struct FileWatch {
    watcher: Option<RecommendedWatcher>,
    tell: mpsc::Sender<()>,
    directories: BTreeSet<PathBuf>,
    paths: Vec<PathBuf>,
    seen: Fingerprint,
    events: mpsc::Receiver<()>,
}

/// Device, inode, size, change time: what differs when a file was written or replaced.
type Facts = (u64, u64, u64, i64, i64);
type Fingerprint = BTreeMap<PathBuf, Option<Facts>>;

impl FileWatch {
    /// Starts watching `paths`, which were read after `before`. Where the system offers no events,
    /// that is logged, and reloads come by signal or API only.
    pub(super) fn new(paths: Vec<PathBuf>, before: Before) -> Self {
        let (tell, events) = mpsc::channel(1);
        let stir = tell.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                let _ = stir.try_send(()); // one note is enough: it says "look"
            }
        });
        let watcher = watcher.inspect_err(|error| {
            tracing::error!(%error, "files cannot be watched: reload by SIGHUP or POST /-/reload");
        });
        let mut watch = Self {
            watcher: watcher.ok(),
            tell,
            directories: BTreeSet::new(),
            paths: Vec::new(),
            seen: Fingerprint::new(),
            events,
        };
        watch.set_paths(paths, before);
        watch
    }

    /// How things are, before files are read again.
    pub(super) fn before(&self) -> Before {
        Before { seen: fingerprint(&self.paths), at: SystemTime::now() }
    }

    /// Watches other paths, which were read after `before`.
    pub(super) fn set_paths(&mut self, paths: Vec<PathBuf>, before: Before) {
        self.paths = paths;
        self.follow();
        let now = fingerprint(&self.paths);
        self.seen = before.seen_of(&now);
        if self.seen != now {
            let _ = self.tell.try_send(()); // a note that waits already says the same
        }
    }

    /// Waits until something happened near a watched path.
    pub(super) async fn stirred(&mut self) {
        if self.events.recv().await.is_none() {
            std::future::pending::<()>().await; // no watcher, no events
        }
    }

    /// Whether a watched path differs from what was seen last; it counts as seen then.
    pub(super) fn changed(&mut self) -> bool {
        let now = fingerprint(&self.paths);
        let changed = now != self.seen;
        self.seen = now;
        if changed {
            self.follow(); // a symlink may lead elsewhere now
        }
        changed
    }

    fn follow(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        let wanted: BTreeSet<PathBuf> =
            self.paths.iter().flat_map(|path| directories_of(path)).collect();
        for gone in self.directories.difference(&wanted) {
            let _ = watcher.unwatch(gone); // it may be gone itself
        }
        let mut watched: BTreeSet<PathBuf> =
            self.directories.intersection(&wanted).cloned().collect();
        for new in wanted.difference(&self.directories) {
            match watcher.watch(new, RecursiveMode::NonRecursive) {
                Ok(()) => _ = watched.insert(new.clone()),
                Err(error) => {
                    let directory = new.display();
                    tracing::warn!(%directory, %error, "directory cannot be watched");
                }
            }
        }
        self.directories = watched;
    }
}

fn fingerprint(paths: &[PathBuf]) -> Fingerprint {
    let mut found = Fingerprint::new();
    for path in paths {
        note(path, &mut found);
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        for entry in entries.map(|entry| entry.path()) {
            if entry.extension().is_some_and(|extension| extension == "toml") {
                note(&entry, &mut found);
            }
        }
    }
    found
}

fn note(path: &Path, found: &mut Fingerprint) {
    // A directory's own times change with every file in it, watched or not.
    let facts = fs::metadata(path).ok().map(|m| match m.is_dir() {
        true => (m.dev(), m.ino(), 0, 0, 0),
        false => (m.dev(), m.ino(), m.size(), m.ctime(), m.ctime_nsec()),
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
        directories.extend(at.parent().filter(|parent| parent.is_dir()).map(Path::to_owned));
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
    use std::os::unix::fs::symlink;

    use super::*;

    /// As if the files had been there for long.
    fn later() -> Before {
        Before { at: SystemTime::now() + Duration::from_secs(1), ..Before::start() }
    }

    #[test]
    fn what_changes_while_it_is_read_is_news() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let paths = || vec![folder.path().to_owned(), at("p.wasm")];
        fs::write(at("a.toml"), "1").unwrap();
        let before = Before::start();
        fs::write(at("p.wasm"), "1").unwrap();
        assert!(FileWatch::new(paths(), before).changed(), "written since the start");

        let mut watch = FileWatch::new(paths(), later());
        assert!(!watch.changed());
        let before = watch.before();
        watch.set_paths(paths(), before);
        assert!(!watch.changed());
        for change in [
            &(|| fs::write(at("p.wasm"), "22").unwrap()) as &dyn Fn(),
            &|| fs::write(at("b.toml"), "1").unwrap(),
            &|| fs::remove_file(at("b.toml")).unwrap(),
            &|| fs::remove_file(at("p.wasm")).unwrap(),
        ] {
            let before = watch.before();
            change();
            watch.set_paths(paths(), before);
            assert!(watch.changed());
            assert!(!watch.changed());
        }
        let before = watch.before();
        watch.set_paths(vec![at("a.toml")], before);
        assert!(!watch.changed(), "a path that is watched no longer is no news");
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

        let mut watch = FileWatch::new(vec![at("p.toml")], later());
        assert!(!watch.changed());
        symlink("v2", at("..new")).unwrap();
        fs::rename(at("..new"), at("..data")).unwrap();
        assert!(watch.changed());
        assert!(!watch.changed());
        assert!(watch.directories.contains(&at("v2")));
    }

    #[test]
    fn neighbours_do_not_count_but_fragments_do() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = FileWatch::new(vec![folder.path().to_owned()], later());
        fs::write(folder.path().join("access.log"), "x").unwrap();
        assert!(!watch.changed());
        fs::write(folder.path().join("a.toml"), "x").unwrap();
        assert!(watch.changed());
        fs::remove_file(folder.path().join("a.toml")).unwrap();
        assert!(watch.changed());
    }

    #[test]
    fn a_loop_of_symlinks_ends() {
        let folder = tempfile::tempdir().unwrap();
        symlink("b", folder.path().join("a")).unwrap();
        symlink("a", folder.path().join("b")).unwrap();
        assert!(!directories_of(&folder.path().join("a")).is_empty());
    }
}

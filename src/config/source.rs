//! The only part of the configuration that touches the machine: reads the files, follows `include`
//! and `${file:}`, and runs the text through parse, substitute, merge, decode and validate.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::decode::decode;
use super::include::{self, Include};
use super::merge::merge;
use super::parse::{self, empty, parse};
use super::path::KeyPath;
use super::problem::{Place, Problem, Problems};
use super::substitute::{Outside, substitute};
use super::tree::{Located, Node};
use super::types::Config;
use super::validate::{BuiltIn, Surroundings, Validated, validate};

/// The largest configuration file or fragment; a larger one is refused unread.
pub const MAX_FILE_BYTES: u64 = 4 << 20;
/// The largest file that `${file:}` may name.
pub const MAX_SECRET_BYTES: u64 = 64 << 10;
/// The most fragments; with more, none is read.
pub const MAX_FRAGMENTS: usize = 1000;

/// A configuration that can take effect.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    /// Files and directories (of fragments) that the configuration was made of, absolute: when
    /// one changes, load again. The same as [`Refused::watch`] of a load that failed.
    pub watch: Vec<PathBuf>,
    /// Doubts that stop nothing.
    pub warnings: Vec<Problem>,
    /// Where each key stands, for mistakes that show only when the configuration is put to work.
    pub places: Places,
}

/// Where each key of a configuration stands in its files.
#[derive(Debug)]
pub struct Places(Node);

impl Places {
    /// A mistake at `keys`, or at the nearest key above them that is written.
    pub fn problem(&self, keys: &[&str], what: &str) -> Problem {
        let (first, rest) = keys.split_first().unwrap_or((&"", &[]));
        let path = rest.iter().fold(KeyPath::root(first), |path, key| path.key(key));
        let Located { place, path, node: _ } = self.0.locate(&path);
        Problem::new(place, path, what)
    }
}

/// A configuration that cannot take effect.
#[derive(Debug, thiserror::Error)]
#[error("{problems}")]
pub struct Refused {
    pub problems: Problems,
    /// What to watch for it to be mended.
    pub watch: Vec<PathBuf>,
}

/// Reads a configuration as a whole. `variable` is the environment, `built_in` the names of the
/// embedded strategies.
pub fn load(
    path: &Path,
    variable: &dyn Fn(&str) -> Option<String>,
    built_in: BuiltIn<'_>,
) -> Result<Loaded, Refused> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let directory = absolute.parent().unwrap_or(Path::new("/")).to_owned();
    let mut files = Files { directory, variable, watch: RefCell::new(BTreeSet::new()) };
    files.watch.borrow_mut().insert(absolute);

    let mut problems = Problems::default();
    let mut tree = files.tree(path, &mut problems);
    let fragments = files.fragments(path, &tree, &mut problems);
    // Half a file would be full of mistakes that nobody made: mend its syntax first.
    let mut warnings = Vec::new();
    let mut config = None;
    let syntax_is_good = problems.is_empty();
    if syntax_is_good {
        merge(&mut tree, fragments, &mut problems);
        substitute(&mut tree, &mut files, &mut problems);
        if let Some(file) = decode(&mut tree, &mut problems) {
            let cores = std::thread::available_parallelism().map_or(1, Into::into);
            let is_file = |path: &Path| path.is_file();
            let directory = &files.directory;
            let around = Surroundings { directory, built_in, variable, is_file: &is_file, cores };
            let validated: Validated = validate(file, &tree, &around);
            problems.append(validated.problems);
            files.watch.borrow_mut().extend(validated.files);
            (warnings, config) = (validated.warnings, validated.config);
            warnings.sort();
        }
    }
    let watch = files.watch.into_inner().into_iter().collect();
    match config {
        Some(config) if problems.is_empty() => {
            Ok(Loaded { config, watch, warnings, places: Places(tree) })
        }
        _ => Err(Refused { problems: problems.sorted(), watch }),
    }
}

/// The files of one load, and what it depends on.
struct Files<'a> {
    directory: PathBuf,
    variable: &'a dyn Fn(&str) -> Option<String>,
    watch: RefCell<BTreeSet<PathBuf>>,
}

impl Files<'_> {
    /// One file as a tree; an empty one where it cannot be read, which is reported.
    fn tree(&self, path: &Path, problems: &mut Problems) -> Node {
        let name: Arc<str> = path.to_string_lossy().into();
        let refuse = |place, what: String| Problem::new(place, "", what);
        let bytes = match read(path, MAX_FILE_BYTES) {
            Ok(bytes) => bytes,
            Err(what) => {
                problems.push(refuse(Place::whole(&name), what));
                return empty(&name);
            }
        };
        match std::str::from_utf8(&bytes) {
            Ok(text) => parse(&name, text, problems),
            Err(error) => {
                let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
                let place = parse::end_of(&name, &good);
                problems.push(refuse(place, "is not UTF-8 text from here on".to_owned()));
                empty(&name)
            }
        }
    }

    /// The fragments' trees, in the order of their names.
    fn fragments(&self, path: &Path, main: &Node, problems: &mut Problems) -> Vec<Node> {
        let Some(Include { directory, pattern, required, at }) = include::of(main, problems) else {
            return Vec::new();
        };
        let full = self.directory.join(&directory);
        self.watch.borrow_mut().insert(full.clone());
        let names = match list(&full, &pattern) {
            Ok(names) => names,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => Vec::new(),
            Err(error) => {
                problems.push(main.problem(&at, &format!("cannot be read: {error}")));
                Vec::new()
            }
        };
        if names.len() > MAX_FRAGMENTS {
            let what = format!("there are {} fragments; allowed are {MAX_FRAGMENTS}", names.len());
            problems.push(Problem::new(main.locate(&at).place, at.to_string(), what));
            return Vec::new();
        }
        let shown = path.parent().unwrap_or(Path::new("")).join(&directory);
        self.watch.borrow_mut().extend(names.iter().map(|name| full.join(name)));
        names.iter().map(|name| self.tree(&shown.join(name), problems)).collect()
    }
}

impl Outside for Files<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name)
    }

    fn file(&mut self, path: &str) -> Result<String, String> {
        let full = self.directory.join(path);
        self.watch.borrow_mut().insert(full.clone());
        let bytes = read(&full, MAX_SECRET_BYTES).map_err(|what| format!("`{path}` {what}"))?;
        String::from_utf8(bytes).map_err(|_| format!("`{path}` is not UTF-8 text"))
    }
}

/// A regular file of bounded size. A FIFO or a device would never end.
fn read(path: &Path, max_bytes: u64) -> Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    if !fs::metadata(path).map_err(cannot)?.is_file() {
        return Err("is not a file".to_owned());
    }
    let file = fs::File::open(path).map_err(cannot)?;
    let mut bytes = Vec::new();
    file.take(max_bytes + 1).read_to_end(&mut bytes).map_err(cannot)?;
    match bytes.len() as u64 > max_bytes {
        true => Err(format!("is larger than {max_bytes} bytes")),
        false => Ok(bytes),
    }
}

/// The names in a directory that match, sorted.
fn list(directory: &Path, pattern: &str) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        if let Ok(name) = entry?.file_name().into_string()
            && include::matches(pattern, &name)
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

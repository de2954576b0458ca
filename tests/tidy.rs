//! The house rules that a compiler does not keep: who may know whom, and who may name what.
//!
//! Reads the sources as text; what stands after `#[cfg(test)]` in a file is its tests, which are
//! free of most rules.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// Rows of the architecture, from the ground up. A module may use itself and what stands in rows
/// before its own.
const ROWS: [&[&str]; 11] = [
    &["model"],
    &["telemetry"],
    &["balance", "resilience", "rollout", "health::state", "alert::rules", "alert::paging"],
    &["config"],
    &["store"],
    &["registry"],
    &["plugin"],
    &["health", "alert", "sync", "webhook"],
    &["proxy", "admin"],
    &["app"],
    &["cli", "main", "lib"],
];

/// What only some may name, and why.
const PRIVILEGES: [(&str, &[&str], &str); 7] = [
    (r"\bpingora\w*::", &["proxy", "app"], "pingora stays behind the data plane"),
    (r"\bwasmtime\w*::", &["plugin"], "wasmtime stays behind the plugin host"),
    (
        r"derive\([^)]*\b(Serialize|Deserialize|JsonSchema)\b",
        // The store's forms are the JSON of its rows.
        &["config::schema", "store::form", "admin", "cli"],
        "files', rows' and APIs' shapes are types of their own",
    ),
    (r"\bsqlx::", &["store"], "databases stay behind the store"),
    (r"\bunsafe\b", &["plugin::cache"], "one file may be unsafe, and says why"),
    (r"\banyhow\b", &["cli", "main"], "libraries have typed errors"),
    (r"\.unwrap\(\)", &[], "an `expect` says which invariant makes it true"),
];

struct Source {
    path: PathBuf,
    /// `proxy::route`
    module: String,
    /// Numbered lines without comments, and without tests.
    lines: Vec<(usize, String)>,
    opening: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(source(&root, path));
            }
        }
    }
    sources.retain(|source| !source.module.contains("template")); // plugins-to-be, not ours
    // Tests in a file or folder of their own.
    sources.retain(|source| !source.module.split("::").any(|part| part == "tests"));
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn source(root: &Path, path: PathBuf) -> Source {
    let text = fs::read_to_string(&path).unwrap();
    let relative = path.strip_prefix(root).unwrap().with_extension("");
    let parts: Vec<_> = relative.iter().filter_map(|part| part.to_str()).collect();
    let lines = text
        .lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(index, line)| (index + 1, line.split(" // ").next().unwrap().to_owned()))
        .collect();
    Source {
        module: parts.join("::").trim_end_matches("::mod").to_owned(),
        lines,
        opening: text.lines().next().unwrap_or_default().to_owned(),
        path: Path::new("src").join(relative).with_extension("rs"),
    }
}

/// Whether `module` is `parent` or in it.
fn is_in(module: &str, parent: &str) -> bool {
    module.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The row of a module, and its name in it: the longest that fits.
fn row_of(module: &str) -> Option<(usize, &'static str)> {
    let entries =
        ROWS.iter().enumerate().flat_map(|(row, names)| names.iter().map(move |n| (row, *n)));
    entries.filter(|(_, name)| is_in(module, name)).max_by_key(|(_, name)| name.len())
}

/// Modules that a piece of code names from the crate's root, with the line of each: also those in
/// `use crate::{a, b::c};`.
fn named_modules(source: &Source) -> Vec<(usize, String)> {
    let single = Regex::new(r"\bcrate::([a-z_]+(?:::[a-z_]+)?)").unwrap();
    let group = Regex::new(r"(?s)\bcrate::\{(.*?)\};").unwrap();
    let mut named: Vec<(usize, String)> = Vec::new();
    for (number, line) in &source.lines {
        named.extend(single.captures_iter(line).map(|found| (*number, found[1].to_owned())));
    }
    let text: String = source.lines.iter().map(|(_, line)| format!("{line}\n")).collect();
    for found in group.captures_iter(&text) {
        let parts = found[1].split(',').map(str::trim).filter(|part| !part.is_empty());
        named.extend(parts.map(|part| (0, part.to_owned())));
    }
    named
}

#[test]
fn modules_use_only_what_is_below_them() {
    let mut breaches = Vec::new();
    for source in sources() {
        let path = source.path.display();
        let Some((own_row, own)) = row_of(&source.module) else {
            breaches.push(format!("{path}: `{}` has no row: give it one in ROWS", source.module));
            continue;
        };
        for (line, named) in named_modules(&source) {
            match row_of(&named) {
                Some((row, other)) if row > own_row || (row == own_row && other != own) => {
                    breaches.push(format!("{path}:{line}: `{own}` must not know `{other}`"));
                }
                _ => {}
            }
        }
    }
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn only_the_privileged_name_certain_things() {
    let mut breaches = Vec::new();
    let sources = sources();
    for (pattern, privileged, reason) in PRIVILEGES {
        let pattern = Regex::new(pattern).unwrap();
        for source in &sources {
            if privileged.iter().any(|module| is_in(&source.module, module)) {
                continue;
            }
            for (number, line) in source.lines.iter().filter(|(_, line)| pattern.is_match(line)) {
                let place = format!("{}:{number}", source.path.display());
                breaches.push(format!("{place}: `{}`: {reason}", line.trim()));
            }
        }
    }
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn each_file_says_what_it_is() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|source| !source.opening.starts_with("//!"))
        .map(|source| source.path.display().to_string())
        .collect();
    assert!(silent.is_empty(), "these do not open with `//!`: {silent:#?}");
}

#[test]
fn files_stay_of_a_size_to_be_read() {
    const LONGEST: usize = 500;
    let long: BTreeMap<_, _> = sources()
        .into_iter()
        .map(|source| (source.path.display().to_string(), source.lines.len()))
        .filter(|(_, lines)| *lines > LONGEST)
        .collect();
    assert!(long.is_empty(), "a second idea wants a second file: {long:#?}");
}

//! Cases on disk, each with its expectation beside it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use proconsul::config::ConfiguredRule;

use super::load_case;

#[test]
fn bad_files_are_refused_with_all_their_mistakes() {
    for case in cases("tests/config/bad") {
        let refused = load_case(&case.file).err();
        let refused = refused.unwrap_or_else(|| panic!("{} was accepted", case.file.display()));
        let text = format!("{}\n", refused.problems);
        assert!(!text.contains("s3cret"), "{}: a secret is shown", case.file.display());
        case.expect("err", &text);
    }
}

#[test]
fn good_files_are_accepted_and_mean_what_they_say() {
    for case in cases("tests/config/good") {
        let loaded = load_case(&case.file).unwrap_or_else(|refused| panic!("{refused}"));
        let mut text = String::new();
        for warning in &loaded.warnings {
            writeln!(text, "warning: {warning}").unwrap();
        }
        for listener in &loaded.config.listeners {
            writeln!(text, "{listener:?}").unwrap();
        }
        for strategy in loaded.config.strategies.values() {
            writeln!(text, "{strategy:?}").unwrap();
        }
        for service in loaded.config.services.values() {
            writeln!(text, "{service:?}").unwrap();
        }
        for route in &loaded.config.routes {
            writeln!(text, "{route:?}").unwrap();
        }
        for rule in &loaded.config.alerts.rules {
            let ConfiguredRule { rule, node } = rule;
            let (comparison, threshold) = (rule.comparison.as_str(), rule.threshold);
            writeln!(text, "{}: {} {comparison} {threshold}", rule.name, rule.expression).unwrap();
            writeln!(text, "    {node:?} {:?} {:?} {}", rule.unit, rule.timing, rule.severity)
                .unwrap();
            writeln!(text, "    {:?} {:?} {:?}", rule.labels, rule.annotations, rule.channels)
                .unwrap();
        }
        assert!(!text.contains("s3cret"), "{}: a secret is shown", case.file.display());
        case.expect("txt", &text);
    }
}

struct Case {
    file: PathBuf,
    /// Without its extension: the expectation's path but for that.
    stem: PathBuf,
    /// What paths in the output are relative to.
    directory: PathBuf,
}

impl Case {
    fn expect(&self, extension: &str, text: &str) {
        let absolute = std::path::absolute(&self.directory).unwrap();
        let relative = format!("{}/", self.directory.display());
        let text = text.replace(&format!("{}/", absolute.display()), "$DIR/");
        let text = text.replace(&relative, "");
        let expectation = self.stem.with_extension(extension);
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&expectation, &text).unwrap();
        }
        let expected = fs::read_to_string(&expectation).unwrap_or_default();
        // By lines: two texts of thirty lines side by side tell nobody anything.
        let name = expectation.display();
        for (i, (line, expected)) in text.lines().zip(expected.lines()).enumerate() {
            assert_eq!(line, expected, "{name}:{} (UPDATE=1 writes it anew)", i + 1);
        }
        assert_eq!(text.lines().count(), expected.lines().count(), "lines of {name}");
    }
}

fn cases(directory: &str) -> Vec<Case> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<Case> = entries
        .filter_map(|path| {
            let inside = path.join("proconsul.toml");
            let file = match path.extension() {
                Some(extension) if extension == "toml" => path.clone(),
                None if inside.is_file() => inside,
                _ => return None,
            };
            Some(Case { file, stem: path.with_extension(""), directory: directory.into() })
        })
        .collect();
    cases.sort_by(|a, b| a.file.cmp(&b.file));
    assert!(cases.len() > 3, "{} has hardly any cases", Path::new(directory).display());
    cases
}

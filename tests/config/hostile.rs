//! Files that nobody wrote in good faith: whatever they hold, the answer is a message.

use std::fs;
use std::path::Path;

use proconsul::config::{MAX_FILE_BYTES, MAX_FRAGMENTS, MAX_PROBLEMS};
use proptest::prelude::*;

use super::load_case;

/// What is said of a file with this content.
fn said_of(content: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    said_of_in(directory.path(), content)
}

fn said_of_in(directory: &Path, content: &[u8]) -> String {
    let path = directory.join("p.toml");
    fs::write(&path, content).unwrap();
    match load_case(&path) {
        Ok(_) => String::new(),
        Err(refused) => refused.to_string().replace(&format!("{}/", directory.display()), ""),
    }
}

#[test]
fn a_file_that_is_too_large_is_not_parsed() {
    let content = vec![b'#'; usize::try_from(MAX_FILE_BYTES).unwrap() + 1];
    assert_eq!(said_of(&content), "error: p.toml: is larger than 4194304 bytes");
}

#[test]
fn a_file_of_other_bytes_is_named_as_such() {
    assert_eq!(
        said_of(b"[server]\nzone = \"\xff\"\n"),
        "error: p.toml:2:9: is not UTF-8 text from here on"
    );
    let said = said_of(&[0_u8; 4096]);
    assert!(said.starts_with("error: p.toml:1:") && said.lines().count() == 1, "{said}");
}

#[test]
fn deep_nesting_does_not_end_the_process() {
    let n = 300_000;
    for content in [
        format!("a = {}", "[".repeat(n)),
        format!("a = {}1{}", "[".repeat(n), "]".repeat(n)),
        format!("a = {}1{}", "{b=".repeat(n), "}".repeat(n)),
        format!("{}a = 1", "a.".repeat(n)),
        format!("[{}a]\n{}a = 1", "a.".repeat(n), "a.".repeat(n)),
        format!("[[{}a]]", "a.".repeat(n)),
        format!("a = {}", "{b.c.d=".repeat(n)),
        "a = [".repeat(n),
    ] {
        let said = said_of(content.as_bytes());
        assert_eq!(said.lines().count(), 1, "{content:.20}: {said:.200}");
        assert!(said.ends_with("is nested more than 64 levels deep"), "{said:.200}");
    }
}

#[test]
fn a_flood_of_mistakes_is_cut_off_and_counted() {
    let said = said_of("key = 1\n".repeat(10_000).as_bytes());
    assert_eq!(said.lines().count(), MAX_PROBLEMS + 1);
    assert!(said.ends_with("more, not shown"), "{said}");
}

#[test]
fn a_directory_a_missing_file_and_a_socket_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let refusal = |path: &Path| load_case(path).unwrap_err().to_string();
    assert!(refusal(directory.path()).ends_with(": is not a file"));
    let missing = refusal(&directory.path().join("none.toml"));
    assert!(missing.contains("cannot be read: No such file"), "{missing}");
    let socket = directory.path().join("s.toml");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert!(refusal(&socket).ends_with(": is not a file"));
}

#[test]
fn too_many_fragments_are_refused_unread() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("conf.d")).unwrap();
    for i in 0..=MAX_FRAGMENTS {
        fs::write(directory.path().join(format!("conf.d/{i}.toml")), "").unwrap();
    }
    let said = said_of_in(directory.path(), b"");
    assert_eq!(said, "error: p.toml: include: there are 1001 fragments; allowed are 1000");
}

/// Pieces of real files, so that arbitrary ones get past the first letter.
fn scraps() -> impl Strategy<Value = String> {
    let scrap = prop_oneof![
        Just("[services.web]\n"),
        Just("[listeners.http]\n"),
        Just("[[routes]]\n"),
        Just("[strategies.s]\n"),
        Just("plugin = \"ip-hash\"\n"),
        Just("hash_on = { header = \"x\" }\n"),
        Just("service = \"web\"\n"),
        Just("endpoints = [{ address = \"a:1\" }, { weight = -1 }, 3]\n"),
        Just("address = \"${EMPTY:-[::1]:80}\"\n"),
        Just("path_regex = \"(a|$$\"\n"),
        Just("timeouts = { read = \"1h\", write = 5 }\n"),
        Just("config = { a = [1, 2.5, 1979-05-27, { b = \"${file:x}\" }] }\n"),
        Just("\"é\" = '''\n"),
        Just("= "),
        Just("["),
        Just("\""),
        Just("}"),
    ];
    proptest::collection::vec(scrap, 0..24).prop_map(|scraps| scraps.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_end_the_process(content in proptest::collection::vec(any::<u8>(), 0..512)) {
        said_of(&content);
    }

    #[test]
    fn no_text_ends_the_process(content in "\\PC{0,200}") {
        said_of(content.as_bytes());
    }

    #[test]
    fn no_half_written_file_ends_the_process(content in scraps(), cut in any::<prop::sample::Index>()) {
        said_of(content.as_bytes());
        let bytes = content.as_bytes();
        said_of(&bytes[..cut.index(bytes.len() + 1)]);
    }
}

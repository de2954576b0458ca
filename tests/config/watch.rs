//! What a configuration depends on, and what a change of it means.

use std::fs;
use std::path::Path;

use proconsul::config::diff;

use super::load_case;

const BASE: &str = r#"
[listeners.http]
address = "127.0.0.1:8080"
[services.web]
endpoints = [{ address = "127.0.0.1:1" }, { address = "127.0.0.1:2" }]
[[routes]]
service = "web"
[[routes]]
name = "api"
service = "web"
path_prefix = "/api"
"#;

fn write(directory: &Path, files: &[(&str, &str)]) {
    for (name, content) in files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

#[test]
fn every_file_that_matters_is_watched_also_after_a_refusal() {
    let directory = tempfile::tempdir().unwrap();
    let main = r#"
        [strategies.own]
        plugin = "own.wasm"
        [listeners.tls]
        address = "127.0.0.1:1"
        tls = { certificates = [{ certificate = "a.pem", key = "a.key" }] }
        [services.web]
        strategy = "own"
        endpoints = [{ address = "a:1" }]
        tls = { ca = "ca.pem" }
        request_headers = { set = { X-Key = "${file:key.txt}" } }
    "#;
    let names = ["a.key", "a.pem", "ca.pem", "key.txt", "own.wasm"];
    write(directory.path(), &[("p.toml", main), ("conf.d/x.toml", "")]);
    let watched = |watch: Vec<std::path::PathBuf>| -> Vec<String> {
        let relative = |path: &Path| path.strip_prefix(directory.path()).unwrap().to_owned();
        watch.iter().map(|path| relative(path).display().to_string()).collect()
    };
    let expected =
        ["a.key", "a.pem", "ca.pem", "conf.d", "conf.d/x.toml", "key.txt", "own.wasm", "p.toml"];
    let refused = load_case(&directory.path().join("p.toml")).unwrap_err();
    assert_eq!(watched(refused.watch), expected);
    names.iter().for_each(|name| write(directory.path(), &[(name, "x\n")]));
    let loaded = load_case(&directory.path().join("p.toml")).unwrap();
    assert_eq!(watched(loaded.watch), expected);
}

/// The lines of a difference between `BASE` and `BASE` with a text replaced.
fn change(from: &str, to: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    assert!(BASE.contains(from), "{from}");
    write(directory.path(), &[("old.toml", BASE), ("new.toml", &BASE.replacen(from, to, 1))]);
    let config = |name| load_case(&directory.path().join(name)).unwrap().config;
    diff(&config("old.toml"), &config("new.toml")).to_string()
}

#[test]
fn a_difference_says_what_changed_and_what_waits_for_a_restart() {
    for (from, to, expected) in [
        ("[services.web]", "# said otherwise\n[services.\"web\"]", ""),
        ("8080", "8081", "listener http changed: address (needs a restart)\n"),
        (":8080\"", ":8080\"\nmax_headers = 7", "listener http changed: limits\n"),
        (
            "[listeners.http]",
            "[listeners.b]",
            "listener b added (needs a restart)\nlistener http removed (needs a restart)\n",
        ),
        (
            ":2\"",
            ":3\", weight = 2",
            "service web changed: endpoints (-127.0.0.1:2, +127.0.0.1:3)\n",
        ),
        (":2\"", ":2\", weight = 2", "service web changed: endpoints (~127.0.0.1:2)\n"),
        (
            "[services.web]",
            "[services.web]\nstrategy = \"ip-hash\"",
            "strategy ip-hash added\nstrategy round-robin removed\nservice web changed: strategy round-robin → ip-hash\n",
        ),
        ("\"/api\"", "\"/v2\"", "route api changed: match\n"),
        (
            "[[routes]]",
            "[server]\nthreads = 999\nzone = \"a\"\n[[routes]]",
            "server.zone changed\nserver.threads changed (needs a restart)\n",
        ),
        (
            "[[routes]]",
            "[admin]\nenabled = false\n[[routes]]",
            "admin.address changed (needs a restart)\n",
        ),
        (
            "[[routes]]",
            "[log]\nlevel = \"debug\"\nformat = \"json\"\n[access_log]\ntarget = \"stdout\"\n[[routes]]",
            "log.level changed\nlog.format changed\naccess_log changed\n",
        ),
        ("[[routes]]\nservice = \"web\"\n[[routes]]", "[[routes]]", "route web removed\n"),
    ] {
        assert_eq!(change(from, to), expected, "{from} → {to}");
    }
}

#[test]
fn the_order_of_routes_matters() {
    let swapped = "[[routes]]\nname = \"api\"\nservice = \"web\"\npath_prefix = \"/api\"\n";
    let rest = BASE.split_once("[[routes]]").unwrap().1;
    let reversed = format!("{swapped}[[routes]]\nservice = \"web\"\n");
    assert_eq!(change(&format!("[[routes]]{rest}"), &reversed), "routes changed: their order\n");
}

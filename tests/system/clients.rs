//! The clients that people have: curl and h2load, as Debian packages them. Other tests speak for
//! themselves, byte by byte; these show that programs nobody here wrote get along.

use tokio::process::Command;

use crate::mesh::wait::bounded;
use crate::mesh::{Mesh, Upstream};

/// What a program prints, having ended well.
async fn printed(program: &str, arguments: &[&str]) -> String {
    let output = bounded(program, Command::new(program).args(arguments).output()).await;
    let output = output.unwrap_or_else(|error| panic!("{program} (see `make test`): {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn curl_gets_what_it_asks_for_in_both_versions() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::to(&up).listener("h2c = true").start().await;
    let url = format!("http://{}/a?b=c", mesh.listener);
    for (option, version) in [("--http1.1", "1.1"), ("--http2-prior-knowledge", "2")] {
        let format = "\n%{http_version} %{http_code}";
        let arguments = ["-sS", option, "-d", "body", "-w", format, &url];
        let answer = printed("curl", &arguments).await;
        let (seen, versions) = answer.trim().rsplit_once('\n').unwrap();
        assert_eq!(versions, format!("{version} 200"));
        let seen: serde_json::Value = serde_json::from_str(seen).unwrap();
        assert_eq!((&seen["path"], &seen["body"]), (&"/a?b=c".into(), &"body".into()));
    }
}

#[tokio::test]
async fn h2load_loses_nothing_in_either_version() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::to(&up).listener("h2c = true").start().await;
    let url = format!("http://{}/", mesh.listener);
    for version in [&["--h1"][..], &[]] {
        let arguments = [version, &["-n", "500", "-c", "8", "-t", "1", &url]].concat();
        let report = printed("h2load", &arguments).await;
        assert!(report.contains("500 succeeded, 0 failed, 0 errored, 0 timeout"), "{report}");
        assert!(report.contains("status codes: 500 2xx"), "{report}");
    }
    assert_eq!(up.requests(), 1000);
}

//! Several writers at once, each with what it takes; and what happens when one cannot write.

use rustix::process::Signal;

use crate::admin_api::ask;
use crate::mesh::command::command;
use crate::mesh::wait::eventually;
use crate::mesh::{Mesh, Upstream};

/// A mesh over one upstream, with these writers.
async fn mesh(writers: &str) -> Mesh {
    let config = format!(
        "[services.web]\nendpoints = [{{ address = \"@up\" }}]\n[[routes]]\nservice = \"web\"\npath_prefix = \"/w\"\n{writers}"
    );
    let up = Upstream::echo("up").await;
    Mesh::with(&config).bare_log().at("up", up).start().await
}

fn text(mesh: &Mesh, file: &str) -> String {
    std::fs::read_to_string(mesh.path(file)).unwrap_or_default()
}

/// Waits until a file has a line with these words.
async fn has(mesh: &Mesh, file: &str, words: &[&str]) -> String {
    eventually(&format!("{words:?} in {file}"), || async {
        let text = text(mesh, file);
        let found = text.lines().find(|line| words.iter().all(|word| line.contains(word)));
        found.map(str::to_owned)
    })
    .await
}

#[tokio::test]
async fn each_writer_takes_its_level_its_kind_and_its_form() {
    let mesh = mesh(
        r#"
        [log]
        level = "warn"
        [log.writers.all]
        to = "file"
        path = "all.log"
        format = "json"
        level = "warn,proconsul::app=info"
        records = ["access", "events"]
        [log.writers.faults]
        to = "file"
        path = "faults.log"
        records = ["access"]
        least_status = 400
        [log.writers.other]
        to = "file"
        path = "other.log"
        format = "json"
        records = ["access"]
        services = ["web"]
        [log.writers.quiet]
        to = "stderr"
        "#,
    )
    .await;
    mesh.get("/w/good").await;
    mesh.get("/none\x1b").await;
    mesh.get("/none").await;
    has(&mesh, "all.log", &["\"path\":\"/none\""]).await;
    has(&mesh, "faults.log", &["WARN request service=\"\"", "path=\"/none\" ", "status=404"]).await;
    mesh.signal(Signal::TERM);
    let mut mesh = mesh;
    assert!(mesh.ended().await.success());

    let all = text(&mesh, "all.log");
    let parsed: Vec<serde_json::Value> =
        all.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let keys = ["timestamp", "level", "message", "service", "request_id", "trace_id", "user_id"];
    for line in &parsed {
        assert!(keys.iter().all(|key| line[key].is_string()), "{line}");
        assert!(line["fields"].is_object(), "{line}");
    }
    let messages: Vec<&str> = parsed.iter().filter_map(|line| line["message"].as_str()).collect();
    assert!(messages.contains(&"listening"), "{messages:?}");
    assert_eq!(messages.iter().filter(|message| **message == "request").count(), 3);
    assert_eq!(messages.last(), Some(&"stopped"), "the last line is written, too");
    assert!(!text(&mesh, "faults.log").contains("/w/good"));
    assert!(!text(&mesh, "faults.log").contains('\x1b'));
    let other = text(&mesh, "other.log");
    assert!(other.contains("/w/good") && other.lines().count() == 1, "{other}");
    assert!(!mesh.log().contains("listening"), "only warnings are on stderr: {}", mesh.log());
}

#[tokio::test]
async fn writers_come_and_go_with_the_configuration_and_those_that_stay_lose_nothing() {
    let mesh =
        mesh("[log.writers.one]\nto = \"file\"\npath = \"one.log\"\nrecords = [\"access\"]\n")
            .await;
    mesh.logged(&["listening"]).await; // no writer takes events: they are on stderr
    mesh.get("/w/1").await;
    has(&mesh, "one.log", &["/w/1"]).await;
    let two = "records = [\"access\"]\n[log.writers.two]\nto = \"file\"\npath = \"two.log\"\n";
    mesh.edit_and_wait("records = [\"access\"]\n", two).await;
    mesh.get("/w/2").await;
    has(&mesh, "one.log", &["/w/2"]).await;
    has(&mesh, "two.log", &["configuration reloaded"]).await;
    assert!(!mesh.log().contains("configuration reloaded"), "{}", mesh.log());

    std::fs::rename(mesh.path("two.log"), mesh.path("moved")).unwrap();
    mesh.reloaded_by(|| mesh.signal(Signal::HUP)).await;
    mesh.edit_and_wait("two.log\"\n", "two.log\"\nformat = \"json\"\n").await;
    has(&mesh, "two.log", &["\"message\":\"configuration reloaded\""]).await;

    let report = mesh.reloaded_by(|| mesh.edit("two.log", "no-such-place/two.log")).await;
    assert_eq!(report["result"], "refused", "{report:#}");
    let reason = &report["reasons"][0];
    assert!(reason.as_str().unwrap().contains("log.writers.two"), "{report:#}");

    mesh.edit_and_wait("no-such-place/two.log", "two.log").await;
    assert!(mesh.admin("GET", "/metrics").await.text().contains("writer=\"one\""));
    mesh.edit_and_wait("[log.writers.one]", "[log.writers.first]").await;
    eventually("its series to go with it", || async {
        let text = mesh.admin("GET", "/metrics").await.text();
        (text.contains("writer=\"first\"") && !text.contains("writer=\"one\"")).then_some(())
    })
    .await;
}

/// What each writer is told, by the API.
async fn levels(mesh: &Mesh) -> serde_json::Value {
    let answer = ask(mesh, "GET", "/v1/log/level", None).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let list = answer.json();
    let each = list["items"].as_array().unwrap().iter();
    each.map(|item| (item["writer"].as_str().unwrap().to_owned(), item["level"].clone())).collect()
}

#[tokio::test]
async fn the_level_is_changed_while_it_runs_and_goes_back_by_itself() {
    let mesh = mesh(
        "[admin.auth]\nanonymous = \"admin\"\n[log]\nlevel = \"warn\"\n[log.writers.main]\nto = \"file\"\npath = \"main.log\"\n\
         [log.writers.other]\nto = \"file\"\npath = \"other.log\"\nlevel = \"error\"\n",
    )
    .await;
    let put = async |body: &str| {
        let body = serde_json::from_str(body).unwrap();
        ask(&mesh, "PUT", "/v1/log/level", Some(body)).await
    };
    assert_eq!(levels(&mesh).await, serde_json::json!({"main": "warn", "other": "error"}));
    mesh.edit_and_wait("[[routes]]", "# one\n[[routes]]").await;
    assert_eq!(text(&mesh, "main.log"), "", "nothing to warn of");

    assert_eq!(put(r#"{"level": "warn,proconsul::app=info"}"#).await.status, 200);
    let expected = serde_json::json!({"main": "warn,proconsul::app=info", "other": "error"});
    assert_eq!(levels(&mesh).await, expected);
    mesh.edit_and_wait("# one", "# two").await;
    has(&mesh, "main.log", &["configuration reloaded"]).await;
    assert_eq!(levels(&mesh).await, expected, "a reload that names no other level lets it be");

    let answer = put(r#"{"level": "debug", "seconds": 2, "writer": "other"}"#).await;
    assert!(answer.json()["items"][1]["until"].is_string(), "{}", answer.text());
    eventually("the level to go back", || async {
        (levels(&mesh).await["other"] == "error").then_some(())
    })
    .await;
    mesh.edit_and_wait("\"warn\"", "\"info\"").await;
    assert_eq!(levels(&mesh).await, serde_json::json!({"main": "info", "other": "error"}));

    for (bad, status) in [
        (r#"{"level": "verbose"}"#, 422),
        (r#"{"level": "info", "seconds": 0}"#, 422),
        (r#"{"seconds": 5}"#, 422),
        (r#"{"level": "info", "writer": "nobody"}"#, 404),
        (r#"{"level": ["info"]}"#, 422),
    ] {
        let answer = put(bad).await;
        assert_eq!(answer.status, status, "{bad}: {}", answer.text());
    }
    let audit = ask(&mesh, "GET", "/v1/audit", None).await.json();
    let newest = &audit["items"][0];
    assert_eq!(
        (&newest["action"], newest["after"].is_object()),
        (&"log.level".into(), true),
        "{audit:#}"
    );
}

#[tokio::test]
async fn the_level_is_shown_and_set_from_the_command_line() {
    let mesh = mesh("[admin.auth]\nanonymous = \"admin\"\n[log]\nlevel = \"warn\"\n").await;
    let admin = format!("http://{}", mesh.admin);
    let level = async |arguments: &[&str]| {
        let said = command(&[&["log", "level"], arguments, &["--admin", &admin]].concat()).await;
        said.stdout.lines().nth(1).map_or(said.stderr, str::to_owned)
    };
    let words = async |arguments: &[&str]| -> Vec<String> {
        level(arguments).await.split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(words(&[]).await[1..], ["warn", "warn", "-"]);
    let set = words(&["debug", "--for", "10m"]).await;
    assert_eq!(set[1..3], ["debug", "warn"]);
    assert_ne!(set[3], "-", "until when");
    assert_eq!(words(&["--reset"]).await[1..], ["warn", "warn", "-"]);
    assert!(level(&["loud"]).await.contains("is no log level"), "{}", level(&["loud"]).await);
    assert!(level(&["--writer", "x"]).await.contains("--reset"));
}

#[tokio::test]
async fn a_full_disk_is_said_once_and_costs_no_request() {
    let mesh = mesh(
        "[log.writers.full]\nto = \"file\"\npath = \"/dev/full\"\nrecords = [\"access\"]\n\
         [log.writers.events]\nto = \"file\"\npath = \"events.log\"\n",
    )
    .await;
    for number in 0..100 {
        assert_eq!(mesh.get(&format!("/w/{number}/{}", "x".repeat(1000))).await.status, 200);
    }
    let lost = "proconsul_log_records_dropped_total{writer=\"full\",reason=\"not_written\"}";
    mesh.metric_reaches(lost, 80.0).await;
    has(&mesh, "events.log", &["log cannot be written", "full"]).await;
    let said = text(&mesh, "events.log").matches("cannot be written").count();
    assert_eq!(said, 1, "{}", text(&mesh, "events.log"));
}

#[tokio::test]
async fn what_a_reader_leaves_lying_is_dropped_and_counted() {
    let config = "[services.web]\nendpoints = [{ address = \"@up\" }]\n[[routes]]\nservice = \"web\"\n\
                  [log.writers.pipe]\nto = \"file\"\npath = \"pipe\"\nrecords = [\"access\"]\nqueue = 4\n";
    let builder = Mesh::with(config).bare_log().at("up", Upstream::echo("up").await);
    let pipe = builder.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // It is there, and never reads: the pipe fills, and then the queue.
    let reader = std::fs::File::options().read(true).write(true).open(&pipe).unwrap();
    let mut mesh = builder.start().await;
    let path = format!("/{}", "x".repeat(4000));
    for _ in 0..60 {
        assert_eq!(mesh.get(&path).await.status, 200);
    }
    let lost = "proconsul_log_records_dropped_total{writer=\"pipe\",reason=\"queue_full\"}";
    mesh.metric_reaches(lost, 1.0).await;
    mesh.signal(Signal::TERM); // it ends all the same
    assert!(mesh.ended().await.success());
    drop(reader);
}

#[tokio::test]
async fn the_user_is_who_a_claim_of_the_token_says() {
    let mesh = mesh(
        "[access_log]\ntarget = { file = \"access.log\" }\nuser_id = { jwt_claim = \"sub\" }\n\
         rotate = { every = \"daily\", keep = 3, max_age = \"168h\" }\n",
    )
    .await;
    // {"alg":"none"}.{"sub":"anna\n","admin":true}
    let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm5hXG4iLCJhZG1pbiI6dHJ1ZX0.";
    for (path, token) in [("/w/good", token), ("/w/bad", "eyJ.%.x"), ("/w/huge", &"e".repeat(9000))]
    {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");
        assert_eq!(mesh.send(&request).await.status, 200);
    }
    let line = has(&mesh, "access.log", &["/w/good"]).await;
    assert!(line.contains(r#""user_id":"anna\n""#), "{line}");
    for path in ["/w/bad", "/w/huge"] {
        let line = has(&mesh, "access.log", &[path]).await;
        assert!(line.contains(r#""user_id":"""#), "{line}");
    }
}

//! Traces: who takes part in them, and what a collector is told.

use opentelemetry_proto::tonic::trace::v1::Span;

use crate::mesh::collector::{CLIENT, INTERNAL, SERVER, attribute, hex};
use crate::mesh::{Builder, Collector, Mesh, Upstream};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A mesh that tells `collector` of traces, with these keys of `[otlp.traces]`.
fn traced(up: &Upstream, collector: &Collector, keys: &str) -> Builder {
    let config = "services.web = { endpoints = [{ address = \"@up\", id = \"one\" }] }\n\
                  routes = [{ service = \"web\", path_prefix = \"/w\", name = \"all\" }]\n\
                  access_log.target = { file = \"access.log\" }\n\
                  [otlp]\nendpoint = \"http://@collector\"\n[otlp.traces]\n@keys\n";
    Mesh::with(config).at("up", up).at("collector", collector.address).at("keys", keys)
}

fn request(path: &str, headers: &[&str]) -> String {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    format!("GET {path} HTTP/1.1\r\nHost: shop.example:81\r\n{headers}\r\n")
}

fn traceparent(trace: &str, flags: &str) -> String {
    format!("traceparent: 00-{trace}-{CALLER}-{flags}")
}

fn one<'s>(spans: &'s [Span], kind: i32, name: &str) -> &'s Span {
    let found: Vec<_> = spans.iter().filter(|s| s.kind == kind && s.name == name).collect();
    assert_eq!(found.len(), 1, "{kind} {name} in {spans:#?}");
    found[0]
}

fn said<const N: usize>(span: &Span, keys: [&str; N]) -> [String; N] {
    keys.map(|key| attribute(&span.attributes, key))
}

#[tokio::test]
async fn a_trace_goes_on_through_the_proxy() {
    let (up, collector) = (Upstream::echo("up").await, Collector::start().await);
    let mesh = traced(&up, &collector, "sample = 0.0\nbaggage = [\"tenant\"]").start().await;
    let headers = [
        &traceparent(TRACE, "01"),
        "tracestate: vendor=a",
        "baggage: tenant=caf%C3%A9;x=1,other=2",
        "User-Agent: probe",
        "X-Request-Id: r1",
    ];
    let answer = mesh.send(&request("/w/x?secret=1", &headers)).await;
    let spans = collector.trace(TRACE).await;

    let server = one(&spans, SERVER, "GET /w");
    assert_eq!(hex(&server.parent_span_id), CALLER);
    assert_eq!((server.trace_state.as_str(), server.flags), ("vendor=a", 1));
    let keys = ["http.request.method", "url.path", "http.route", "http.response.status_code"];
    assert_eq!(said(server, keys), ["GET", "/w/x", "/w", "200"]);
    let keys = ["server.address", "server.port", "url.scheme", "client.address"];
    assert_eq!(said(server, keys), ["shop.example", "81", "http", "127.0.0.1"]);
    let keys = ["proconsul.route", "proconsul.service", "proconsul.request_id", "error.type"];
    assert_eq!(said(server, keys), ["all", "web", "r1", "-"]);
    let keys = ["baggage.tenant", "baggage.other", "user_agent.original", "url.query"];
    assert_eq!(said(server, keys), ["café", "-", "probe", "-"], "queries may be secrets");
    assert_eq!(server.status, None);

    let pick = one(&spans, INTERNAL, "pick");
    assert_eq!(pick.parent_span_id, server.span_id);
    let keys = ["proconsul.strategy", "proconsul.endpoint", "proconsul.fallback"];
    assert_eq!(said(pick, keys), ["round-robin", "one", "-"]);

    let client = one(&spans, CLIENT, "GET");
    assert_eq!(client.parent_span_id, server.span_id);
    let keys = ["network.peer.address", "network.peer.port", "http.response.status_code"];
    let (ip, port) = (up.address.ip().to_string(), up.address.port().to_string());
    assert_eq!(said(client, keys), [ip, port, "200".into()]);
    assert_eq!(said(client, ["http.request.resend_count"]), ["-"]);

    let heard = format!("00-{TRACE}-{}-01", hex(&client.span_id));
    assert_eq!(answer.seen("traceparent"), heard, "the upstream goes on from the try");
    assert_eq!(answer.seen("tracestate"), "vendor=a");
    assert_eq!(answer.seen("baggage"), "tenant=caf%C3%A9;x=1,other=2");
    assert_eq!(spans.len(), 3, "{spans:#?}");
    for span in &spans {
        assert!(server.start_time_unix_nano <= span.start_time_unix_nano);
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
        assert!(span.end_time_unix_nano <= server.end_time_unix_nano);
    }
    let resource = collector.received().resource.attributes.clone();
    assert_eq!(attribute(&resource, "service.name"), "proconsul");
    assert_eq!(attribute(&resource, "service.version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(attribute(&resource, "service.instance.id").len(), 36);
    let log = std::fs::read_to_string(mesh.path("access.log")).unwrap();
    assert!(log.contains(&format!("\"trace_id\":\"{TRACE}\"")), "{log}");
}

#[tokio::test]
async fn what_the_caller_decided_holds_and_else_the_share() {
    let (up, collector) = (Upstream::echo("up").await, Collector::start().await);
    let mesh = traced(&up, &collector, "sample = 1.0").start().await;
    let not_taken = traceparent(TRACE, "00");
    let answer = mesh.send(&request("/w", &[&not_taken])).await;
    let passed_on = not_taken.split_once(": ").unwrap().1;
    assert_eq!(answer.seen("traceparent"), passed_on, "as it came: nobody here takes part");
    let begun = mesh.get("/w").await.seen("traceparent");
    assert!(begun.ends_with("-01"), "{begun}");
    let spans = collector.trace(&begun[3..35]).await;
    let server = one(&spans, SERVER, "GET /w");
    assert_eq!(hex(&server.parent_span_id), "", "it begins here");
    let all = collector.received().spans.clone();
    assert!(all.iter().all(|span| hex(&span.trace_id) != TRACE), "{all:#?}");

    mesh.edit_and_wait("sample = 1.0", "sample = 0.0").await;
    let answer = mesh.get("/w").await;
    let begun = answer.seen("traceparent");
    assert!(begun.ends_with("-00"), "what is not taken is not to be taken further on: {begun}");
    mesh.send(&request("/w", &[&traceparent(TRACE, "01")])).await;
    collector.trace(TRACE).await;
    let all = collector.received().spans.clone();
    assert!(all.iter().all(|span| hex(&span.trace_id) != begun[3..35]), "{all:#?}");
}

#[tokio::test]
async fn each_try_has_a_span_of_its_own() {
    let (down, up) = (Upstream::refusing(), Upstream::echo("up").await);
    let collector = Collector::start().await;
    let config = "services.web = { endpoints = [{ address = \"@down\", id = \"down\" }, \
                  { address = \"@up\", id = \"up\" }], health = { passive = false }, \
                  strategy = \"round-robin\" }\nroutes = [{ service = \"web\" }]\n\
                  otlp = { endpoint = \"http://@collector\", traces = { sample = 1.0 } }\n";
    let mesh = Mesh::with(config)
        .at("down", &down)
        .at("up", &up)
        .at("collector", collector.address)
        .start()
        .await;
    let mut failed_over = None;
    for _ in 0..2 {
        let heard = mesh.get("/").await.seen("traceparent");
        let spans = collector.trace(&heard[3..35]).await;
        let tries: Vec<Span> = spans.iter().filter(|s| s.kind == CLIENT).cloned().collect();
        let picks = spans.iter().filter(|s| s.name == "pick").count();
        assert_eq!(picks, tries.len(), "{spans:#?}");
        let last = tries.last().unwrap();
        assert_eq!(hex(&last.span_id), heard[36..52], "the upstream's own try");
        if tries.len() == 2 {
            failed_over = Some(spans);
        }
    }
    let spans = failed_over.expect("round robin comes to each");
    let tries: Vec<&Span> = spans.iter().filter(|s| s.kind == CLIENT).collect();
    let keys = [
        "proconsul.endpoint",
        "error.type",
        "http.request.resend_count",
        "http.response.status_code",
    ];
    assert_eq!(said(tries[0], keys), ["down", "connection_refused", "-", "-"]);
    assert_eq!(said(tries[1], keys), ["up", "-", "1", "200"]);
    assert_eq!(tries[0].status.as_ref().map(|status| status.code), Some(2));
    let server = one(&spans, SERVER, "GET /");
    assert_eq!(server.status, None, "the client knows nothing of it");
}

#[tokio::test]
async fn what_the_proxy_answers_itself_has_a_span_too() {
    let (down, collector) = (Upstream::refusing(), Collector::start().await);
    let mesh = traced(&down, &collector, "sample = 1.0").start().await;
    mesh.send(&request("/w", &[&traceparent(TRACE, "01")])).await;
    let spans = collector.trace(TRACE).await;
    let server = one(&spans, SERVER, "GET /w");
    let keys = ["http.response.status_code", "error.type"];
    assert_eq!(said(server, keys), ["502", "upstream_unreachable"]);
    assert_eq!(server.status.as_ref().map(|status| status.code), Some(2));

    let other = TRACE.replace("4b", "77");
    let brew = "BREW /nowhere HTTP/1.1\r\nHost: a\r\n";
    mesh.send(&format!("{brew}{}\r\n\r\n", traceparent(&other, "01"))).await;
    let spans = collector.trace(&other).await;
    let server = one(&spans, SERVER, "HTTP");
    assert_eq!(said(server, keys), ["404", "no_route"]);
    assert_eq!(server.status, None, "the client's mistake is not the server's");
    let keys = ["http.request.method", "http.request.method_original"];
    assert_eq!(said(server, keys), ["_OTHER", "BREW"]);
}

#[tokio::test]
async fn a_plugin_call_that_takes_long_has_a_span() {
    let (up, collector) = (Upstream::echo("up").await, Collector::start().await);
    let mesh = traced(&up, &collector, "plugin_threshold = \"0s\"").start().await;
    mesh.send(&request("/w", &[&traceparent(TRACE, "01")])).await;
    let spans = collector.trace(TRACE).await;
    let (pick, call) = (one(&spans, INTERNAL, "pick"), one(&spans, INTERNAL, "plugin pick"));
    assert_eq!(call.parent_span_id, pick.span_id);
    assert!(pick.start_time_unix_nano <= call.start_time_unix_nano);
    assert!(call.end_time_unix_nano <= pick.end_time_unix_nano);
    let keys = ["proconsul.strategy", "proconsul.plugin.export"];
    assert_eq!(said(call, keys), ["round-robin", "pick"]);
}

#[tokio::test]
async fn what_is_hostile_is_neither_believed_nor_kept() {
    let (up, collector) = (Upstream::echo("up").await, Collector::start().await);
    let keys = "sample = 1.0\nbaggage = [\"tenant\"]";
    let mesh = traced(&up, &collector, keys).start().await;
    let huge = format!("baggage: tenant=a,{}", "x=y,".repeat(4000));
    let long = format!("tracestate: a={}", "z".repeat(4000));
    let agent = format!("User-Agent: {}", "é".repeat(3000));
    for bad in [
        "traceparent: 00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "traceparent: ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
        "traceparent: \u{1f600}",
        "traceparent:",
    ] {
        let answer = mesh.send(&request("/w", &[bad, &huge, &long, &agent])).await;
        let heard = answer.seen("traceparent");
        assert_ne!(&heard[3..35], TRACE, "{bad}");
        let spans = collector.trace(&heard[3..35]).await;
        let server = one(&spans, SERVER, "GET /w");
        assert_eq!((hex(&server.parent_span_id).as_str(), server.trace_state.as_str()), ("", ""));
        assert_eq!(said(server, ["baggage.tenant"]), ["-"], "too much of it to be read");
        assert!(said(server, ["user_agent.original"])[0].len() <= 1024);
        assert_eq!(answer.seen("baggage"), huge.split_once(' ').unwrap().1.trim_end());
    }
    // A later version may say more; what follows is told what is known here.
    let later = format!("traceparent: cc-{TRACE}-{CALLER}-ff-more");
    let answer = mesh.send(&request("/w", &[&later])).await;
    let spans = collector.trace(TRACE).await;
    let client = one(&spans, CLIENT, "GET");
    assert_eq!(answer.seen("traceparent"), format!("00-{TRACE}-{}-03", hex(&client.span_id)));
    assert_eq!(client.flags, 3);
}

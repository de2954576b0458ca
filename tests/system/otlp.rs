//! Telling a collector: that costs no request anything, whatever the collector does.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{HistogramDataPoint, NumberDataPoint};
use rustix::process::Signal;

use crate::mesh::collector::{Behaviour, attribute, hex};
use crate::mesh::tls::Certificate;
use crate::mesh::{Builder, Collector, Mesh, Upstream, eventually, free_address};

/// Each request has these: the request, the pick, the try.
const SPANS: usize = 3;

const DROPPED: &str = "proconsul_otlp_dropped_total";
const EXPORTED: &str = "proconsul_otlp_exported_total{signal=\"traces\"}";
const FAILURES: &str = "proconsul_otlp_export_failures_total{signal=\"traces\"}";

/// A mesh that traces everything, with these keys of `[otlp]`.
fn traced(up: &Upstream, collector: SocketAddr, keys: &str) -> Builder {
    traced_at(up, &format!("http://{collector}"), keys)
}

fn traced_at(up: &Upstream, endpoint: &str, keys: &str) -> Builder {
    let config = "services.web = { endpoints = [{ address = \"@up\" }] }\n\
                  routes = [{ service = \"web\" }]\n\
                  [otlp]\nendpoint = \"@endpoint\"\n@keys\ntraces.sample = 1.0\n";
    Mesh::with(config).at("up", up).at("endpoint", endpoint).at("keys", keys)
}

async fn get(mesh: &Mesh, count: usize) {
    let mut connection = mesh.connect().await;
    for _ in 0..count {
        assert_eq!(connection.get("/").await.status, 200);
    }
}

fn dropped(reason: &str) -> String {
    format!("{DROPPED}{{signal=\"traces\",reason=\"{reason}\"}}")
}

#[tokio::test]
async fn a_collector_that_is_away_harms_nobody_and_is_told_when_it_is_back() {
    let (up, address) = (Upstream::echo("up").await, free_address());
    let mesh = traced(&up, address, "queue = 10").start().await;
    get(&mesh, 1).await;
    mesh.metric_reaches(FAILURES, 1.0).await;
    // One batch is in hand and fails; ten requests wait; of the others nothing is kept.
    get(&mesh, 60).await;
    mesh.metric_reaches(&dropped("queue_full"), 40.0 * SPANS as f64).await;
    let collector = Collector::start_at(address, None).await;
    mesh.logged(&["the collector takes it again", "traces"]).await;
    // A request's spans are put after its answer: the last of them may come late.
    eventually("all to be taken or counted as lost", || async {
        let counted = mesh.metric(EXPORTED).await + mesh.metric(DROPPED).await;
        (counted == 61.0 * SPANS as f64).then_some(())
    })
    .await;
    let taken = collector.received().spans.len();
    assert_eq!(taken as f64, mesh.metric(EXPORTED).await);
    let warned = mesh.log().matches("the collector does not take it").count();
    assert_eq!(warned, 1, "said once, not once a try");
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_nobody_up() {
    let (up, collector) = (Upstream::echo("up").await, Collector::start().await);
    collector.behave(Behaviour::Hang);
    let mesh = traced(&up, collector.address, "timeout = \"200ms\"").start().await;
    get(&mesh, 200).await;
    mesh.metric_reaches(FAILURES, 2.0).await;
    collector.behave(Behaviour::Take);
    assert_eq!(collector.spans(200 * SPANS).await.len(), 200 * SPANS);
    assert_eq!(mesh.metric(DROPPED).await, 0.0);
}

#[tokio::test]
async fn what_the_collector_says_of_it_is_counted() {
    let (up, collector) = (Upstream::echo("up").await, Collector::start().await);
    let mesh = traced(&up, collector.address, "").start().await;
    collector.behave(Behaviour::Status(400, vec![]));
    get(&mesh, 1).await;
    mesh.metric_reaches(&dropped("refused"), SPANS as f64).await;
    assert_eq!(collector.received().calls, 1, "it would be refused again");

    collector.behave(Behaviour::TakeBut(2));
    get(&mesh, 1).await;
    mesh.metric_reaches(&dropped("rejected"), 2.0).await;
    mesh.metric_reaches(EXPORTED, SPANS as f64 - 2.0).await;
    // A number that cannot be true.
    collector.behave(Behaviour::TakeBut(i64::MAX));
    get(&mesh, 1).await;
    mesh.metric_reaches(&dropped("rejected"), 2.0 + SPANS as f64).await;

    // Garbage, and too much of it, with a good status: it has been taken.
    let before = mesh.metric(EXPORTED).await;
    collector.behave(Behaviour::Say(vec![0xff; 4 << 20].into()));
    get(&mesh, 1).await;
    mesh.metric_reaches(EXPORTED, before + SPANS as f64).await;

    // A redirect is not followed: its headers may be secrets.
    collector.behave(Behaviour::Status(307, vec![("location", "/v1/traces")]));
    get(&mesh, 1).await;
    mesh.metric_reaches(&dropped("refused"), 2.0 * SPANS as f64).await;
    assert_eq!(collector.received().calls, 5);

    collector.behave(Behaviour::Status(503, vec![("retry-after", "1")]));
    get(&mesh, 1).await;
    let call = async |number| {
        let called = || async {
            let received = collector.received();
            received.called.filter(|_| received.calls == number)
        };
        eventually(&format!("call {number}"), called).await
    };
    let first = call(6).await;
    collector.behave(Behaviour::Take);
    let pause = call(7).await - first;
    assert!(pause >= Duration::from_secs(1), "sooner than it was asked for: {pause:?}");
}

#[tokio::test]
async fn it_can_be_switched_on_and_off() {
    let (up, collector) = (Upstream::echo("up").await, Collector::start().await);
    let mesh = traced(&up, collector.address, "").start().await;
    let table = mesh.config();
    let table = &table[table.find("[otlp]").unwrap()..table.find("[server]").unwrap()];
    get(&mesh, 1).await;
    // What is under way is delivered by who took it.
    mesh.edit_and_wait(table, "").await;
    collector.spans(SPANS).await;
    get(&mesh, 5).await;
    assert_eq!(mesh.metric(DROPPED).await, 0.0, "there is nothing to lose");
    mesh.edit_and_wait("[server]", &format!("{table}\n[server]")).await;
    get(&mesh, 1).await;
    assert_eq!(collector.spans(2 * SPANS).await.len(), 2 * SPANS);

    let second = Collector::start().await;
    let (from, to) = (collector.address.to_string(), second.address.to_string());
    mesh.edit_and_wait(&from, &to).await;
    get(&mesh, 1).await;
    second.spans(SPANS).await;
    assert_eq!(collector.received().spans.len(), 2 * SPANS);
}

#[tokio::test]
async fn the_last_spans_are_delivered_before_the_process_ends() {
    let (up, collector) = (Upstream::echo("up").await, Collector::start().await);
    let mut mesh = traced(&up, collector.address, "").start().await;
    get(&mesh, 7).await;
    mesh.signal(Signal::TERM);
    assert!(mesh.ended().await.success());
    assert_eq!(collector.received().spans.len(), 7 * SPANS);
}

#[tokio::test]
async fn a_dead_collector_does_not_keep_the_process_alive() {
    let (up, collector) = (Upstream::echo("up").await, Collector::start().await);
    collector.behave(Behaviour::Hang);
    let mut mesh = traced(&up, collector.address, "timeout = \"1m\"").start().await;
    get(&mesh, 1).await;
    mesh.signal(Signal::TERM);
    let begun = Instant::now();
    assert!(mesh.ended().await.success());
    assert!(begun.elapsed() < Duration::from_secs(25), "sooner than pingora would end it");
}

#[tokio::test]
async fn the_whole_of_a_drain_leaves_time_to_deliver() {
    let (up, collector) =
        (Upstream::http(|_| std::future::pending()).await, Collector::start().await);
    let table = "metrics.interval = \"1h\"";
    let builder = telling(&up, &collector, table).server("drain_timeout = \"1s\"");
    let mut mesh = builder.start().await;
    eventually("a call", || async { (collector.received().calls == 1).then_some(()) }).await;
    let mut held = mesh.connect().await;
    held.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await;
    mesh.metric_reaches("proconsul_http_requests_in_flight", 1.0).await;
    collector.received().metrics.clear();
    // Longer than pingora needs to end, once it has begun to.
    collector.behave(Behaviour::Late(Duration::from_secs(4)));
    mesh.signal(Signal::TERM);
    assert!(mesh.ended().await.success());
    assert_ne!(collector.received().metrics.len(), 0, "ended before the collector had answered");
    mesh.logged(&["drain time is over"]).await;
}

#[tokio::test]
async fn grpc_is_spoken_too() {
    let (up, collector) = (Upstream::echo("up").await, Collector::start().await);
    let keys = "protocol = \"grpc\"\nheaders = { X-Token = \"${file:token}\" }\n\
                service_name = \"edge\"\nresource = { \"deployment.environment.name\" = \"test\" }";
    let builder = traced(&up, collector.address, keys).file("token", "s3cret\n");
    let mesh = builder.start().await;
    get(&mesh, 2).await;
    collector.spans(2 * SPANS).await;
    {
        let received = collector.received();
        assert_eq!(received.headers["x-token"], "s3cret");
        let facts = &received.resource.attributes;
        assert_eq!(attribute(facts, "service.name"), "edge");
        assert_eq!(attribute(facts, "deployment.environment.name"), "test");
    }
    collector.behave(Behaviour::Grpc("3"));
    get(&mesh, 1).await;
    mesh.metric_reaches(&dropped("refused"), SPANS as f64).await;
    collector.behave(Behaviour::Grpc("14"));
    let failures = mesh.metric(FAILURES).await;
    get(&mesh, 1).await;
    mesh.metric_reaches(FAILURES, failures + 1.0).await;
    collector.behave(Behaviour::TakeBut(1));
    mesh.metric_reaches(&dropped("rejected"), 1.0).await;
    assert_eq!(collector.spans(3 * SPANS).await.len(), 3 * SPANS);
    assert!(!mesh.log().contains("s3cret"));
}

#[tokio::test]
async fn a_collector_may_have_a_certificate_of_ones_own() {
    let up = Upstream::echo("up").await;
    for (protocol, alpn) in [("http/protobuf", "http/1.1"), ("grpc", "h2")] {
        let address = free_address();
        let certificate = Certificate::of(&address.ip().to_string());
        let collector = Collector::start_at(address, Some(certificate.acceptor(&[alpn]))).await;
        let stranger = Certificate::of(&address.ip().to_string());
        let keys = format!("protocol = \"{protocol}\"\ntls = {{ ca = \"ca.pem\" }}");
        let mesh = traced_at(&up, &format!("https://{address}"), &keys)
            .file("ca.pem", stranger.pem.as_str())
            .start()
            .await;
        get(&mesh, 1).await;
        mesh.metric_reaches(FAILURES, 1.0).await;
        assert_eq!(collector.received().calls, 0, "not to whom nobody trusts");
        let report = mesh.reloaded_by(|| mesh.replace("ca.pem", "no certificate")).await;
        assert_eq!(report["result"], "refused", "{report:#}");
        let report = mesh.reloaded_by(|| mesh.replace("ca.pem", &certificate.pem)).await;
        assert_eq!(report["result"], "applied", "{report:#}");
        get(&mesh, 1).await;
        collector.spans(SPANS).await;
    }
}

/// A mesh that tells `collector` of what this table says.
fn telling(up: &Upstream, collector: &Collector, table: &str) -> Builder {
    let config = "services.web = { endpoints = [{ address = \"@up\" }] }\n\
                  routes = [{ service = \"web\", name = \"all\" }]\n@access\n\
                  [otlp]\nendpoint = \"http://@collector\"\n@table\n";
    let access = "access_log = { mask_query = [\"token\"], request_headers = [\"x-tenant\"] }";
    Mesh::with(config)
        .at("up", up)
        .at("collector", collector.address)
        .at("table", table)
        .at("access", access)
}

/// The newest point of a counter whose labels have these values.
fn counted(collector: &Collector, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let received = collector.received();
    let metric = received.metrics.iter().rev().find(|metric| metric.name == name)?;
    let Some(Data::Sum(sum)) = &metric.data else { panic!("{name} is no counter: {metric:?}") };
    assert!(sum.is_monotonic && sum.aggregation_temporality == 2, "cumulative: {sum:?}");
    let fits = |point: &&NumberDataPoint| {
        labels.iter().all(|(key, value)| attribute(&point.attributes, key) == *value)
    };
    let point = sum.data_points.iter().find(fits)?;
    assert!((1..point.time_unix_nano).contains(&point.start_time_unix_nano), "{point:?}");
    match point.value {
        Some(Value::AsDouble(value)) => Some(value),
        _ => None,
    }
}

#[tokio::test]
async fn metrics_are_told_as_they_are_exposed() {
    let (up, collector) = (Upstream::echo("up").await, Collector::start().await);
    let mesh = telling(&up, &collector, "metrics.interval = \"1s\"").start().await;
    get(&mesh, 3).await;
    let labels = [("service", "web"), ("route", "all"), ("status_class", "2xx")];
    eventually("three requests", || async {
        let count = counted(&collector, "proconsul_http_requests_total", &labels)?;
        (count == 3.0).then_some(())
    })
    .await;
    {
        let received = collector.received();
        let of =
            |name: &str| received.metrics.iter().rev().find(|metric| metric.name == name).unwrap();
        let seconds = of("proconsul_http_request_duration_seconds");
        assert_eq!((seconds.unit.as_str(), seconds.description.is_empty()), ("s", false));
        let Some(Data::Histogram(histogram)) = &seconds.data else { panic!("{seconds:?}") };
        let fits = |point: &&HistogramDataPoint| attribute(&point.attributes, "route") == "all";
        let point = histogram.data_points.iter().find(fits).unwrap();
        assert_eq!((point.count, point.bucket_counts.iter().sum::<u64>()), (3, 3));
        assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
        let gauge = of("proconsul_config_last_reload_successful");
        assert!(matches!(gauge.data, Some(Data::Gauge(_))), "{gauge:?}");
    }
    eventually("each family to be told", || async {
        let exposed = mesh.admin("GET", "/metrics").await.text();
        let families = exposed.lines().filter(|line| line.starts_with("# TYPE")).count();
        let received = collector.received();
        let told: BTreeSet<&str> = received.metrics.iter().map(|m| m.name.as_str()).collect();
        (told.len() == families).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_newest_metrics_are_told_before_the_process_ends() {
    let (up, collector) = (Upstream::echo("up").await, Collector::start().await);
    let mut mesh = telling(&up, &collector, "metrics.interval = \"1h\"").start().await;
    get(&mesh, 3).await;
    let labels = [("service", "web"), ("route", "all"), ("status_class", "2xx")];
    assert_eq!(counted(&collector, "proconsul_http_requests_total", &labels), None, "too soon");
    mesh.signal(Signal::TERM);
    assert!(mesh.ended().await.success());
    assert_eq!(counted(&collector, "proconsul_http_requests_total", &labels), Some(3.0));
}

#[tokio::test]
async fn log_records_are_told_with_their_trace_and_without_secrets() {
    let (up, collector) = (Upstream::echo("up").await, Collector::start().await);
    let table = "logs = { level = \"info\", access = true }\ntraces.sample = 1.0";
    let mesh = telling(&up, &collector, table).start().await;
    let request = "GET /x?a=1&token=s3cret HTTP/1.1\r\nHost: test\r\nX-Tenant: blue\r\n\r\n";
    let answer = mesh.send(request).await;
    let trace = answer.seen("traceparent")[3..35].to_owned();
    mesh.edit_and_wait("level = \"info\", access", "level = \"warn\", access").await;
    let records = eventually("the request and an event", || async {
        let records = collector.received().logs.clone();
        let has = |name: &str| records.iter().any(|record| record.event_name == name);
        (has("proconsul.request") && has("")).then_some(records)
    })
    .await;
    let record = records.iter().find(|record| record.event_name == "proconsul.request").unwrap();
    assert_eq!(hex(&record.trace_id), trace);
    assert_eq!((record.severity_number, record.severity_text.as_str()), (9, "info"));
    let of = |key: &str| attribute(&record.attributes, key);
    assert_eq!([of("service"), of("route"), of("status")], ["web", "all", "200"]);
    assert_eq!([of("path"), of("request_headers.x-tenant")], ["/x?a=1&token=***", "blue"]);
    assert_eq!(of("upstream"), up.to_string());
    assert!(!format!("{records:?}").contains("s3cret"));
    let text = |record: &LogRecord| format!("{:?}", record.body);
    let event = records.iter().find(|record| text(record).contains("listening")).unwrap();
    assert_eq!(attribute(&event.attributes, "listener"), "http");
    assert!(event.time_unix_nano > 0 && event.severity_number == 9, "{event:?}");

    // By now only what is a warning is told.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    mesh.reloaded_by(|| mesh.edit("[otlp]", "nonsense = 1\n[otlp]")).await;
    let newer = eventually("a warning", || async {
        let mut logs = collector.received().logs.clone();
        logs.retain(|record| record.time_unix_nano > since && record.event_name.is_empty());
        logs.iter().any(|record| record.severity_number >= 13).then_some(logs)
    })
    .await;
    assert!(newer.iter().all(|record| record.severity_number >= 13), "{newer:#?}");
}

#[tokio::test]
async fn what_is_said_of_a_dead_collector_is_not_told_to_it() {
    let (up, collector) = (Upstream::echo("up").await, Collector::start().await);
    collector.behave(Behaviour::Status(503, vec![]));
    let builder = telling(&up, &collector, "logs.level = \"trace\"").bare_log();
    let config = "[log]\nlevel = \"debug,hyper_util=trace\"\n[otlp]";
    let mesh = builder.start().await;
    mesh.edit_and_wait("[otlp]", config).await;
    let failures = "proconsul_otlp_export_failures_total{signal=\"logs\"}";
    mesh.metric_reaches(failures, 3.0).await;
    collector.behave(Behaviour::Take);
    mesh.logged(&["the collector takes it again"]).await;
    // What came before the newest record is there with it.
    mesh.edit_and_wait("threads = 1", "threads = 1\nzone = \"a\"").await;
    let reloads = |record: &&LogRecord| format!("{:?}", record.body).contains("configuration");
    let records = eventually("the last event", || async {
        let records = collector.received().logs.clone();
        (records.iter().filter(reloads).count() >= 2).then_some(records)
    })
    .await;
    let own = |record: &&LogRecord| format!("{:?}", record.body).contains("the collector");
    assert_eq!(records.iter().filter(own).count(), 0, "{records:#?}");
}

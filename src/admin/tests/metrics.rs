//! `/v1/metrics` and `/v1/prometheus/sd`.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;

use super::{Api, asked};
use crate::telemetry::metrics::StatusClass;

const HOUR: Duration = Duration::from_secs(3600);

/// An API that remembers two minutes of 10 requests each 10 seconds, one of which failed.
async fn busy() -> Api {
    let api = Api::new().await;
    let route = api.metrics.route("web", "api");
    let service = api.metrics.service("web");
    let instance = api.metrics.instance("web", "web-1");
    service.endpoints.set(1);
    for step in 0..13_u64 {
        api.ring.record(&api.metrics.gather(), 1_000_000 + step * 10_000, HOUR);
        (0..9).for_each(|_| route.finished(StatusClass::of(200), 0.02));
        route.finished(StatusClass::of(500), 0.02);
        instance.answered(200, 0.02);
    }
    // The handles' end takes the series along, out of what comes after.
    api
}

#[tokio::test]
async fn a_service_has_windows() {
    let api = busy().await;
    let answer = api.get("/v1/metrics").await.json();
    assert_eq!((&answer["services"], &answer["samples"]), (&json!(["web"]), &json!(13)));
    let answer = api.get("/v1/metrics/web").await.json();
    let window = &answer["windows"]["1m"];
    assert_eq!(window["requests"], 60.0, "{answer:#}");
    assert_eq!((&window["errors"], &window["error_rate"]), (&json!(6.0), &json!(0.1)));
    assert_eq!(
        (&window["requests_per_second"], &window["availability"]),
        (&json!(1.0), &json!(1.0))
    );
    assert_eq!(answer["windows"]["15m"]["covers_seconds"], 120.0);
    let instance = &answer["instances"]["web-1"]["1m"];
    assert_eq!((&instance["requests"], &instance["error_rate"]), (&json!(6.0), &json!(0.0)));
    assert_eq!(api.get("/v1/metrics/absent").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_metric_has_samples() {
    let api = busy().await;
    let path = "/v1/metrics/web/proconsul_http_requests_total";
    let answer = api.get(&format!("{path}?range=20s")).await.json();
    let series = answer["series"].as_array().unwrap();
    let good = series.iter().find(|s| s["labels"]["status_class"] == "2xx").unwrap();
    let expected = json!([[1100.0, 90.0], [1110.0, 99.0], [1120.0, 108.0]]);
    assert_eq!(good["samples"], expected, "{answer:#}");
    let answer = api.get(&format!("{path}?range=1m&step=30s")).await.json();
    assert_eq!(answer["series"][0]["samples"].as_array().unwrap().len(), 3, "{answer:#}");
    let buckets = "/v1/metrics/web/proconsul_http_request_duration_seconds_bucket";
    let answer = api.get(buckets).await.json();
    let all = answer["series"].as_array().unwrap();
    assert!(all.iter().any(|series| series["labels"]["le"] == "+Inf"), "{answer:#}");

    let mistakes = api.get(&format!("{path}?range=soon&steps=1s")).await;
    assert_eq!(mistakes.status, StatusCode::BAD_REQUEST, "{mistakes:?}");
    let absent = api.get("/v1/metrics/web/absent").await;
    assert_eq!(absent.status, StatusCode::NOT_FOUND);
    assert_eq!(absent.header("content-type"), "application/problem+json");
    let other = api.get("/v1/metrics/web/proconsul_config_reloads_total").await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn prometheus_finds_what_is_registered() {
    let api = Api::new().await;
    let more = json!({
        "tags": ["a", "b"], "zone": "z1", "metadata": { "scrape.port": "9100", "ünï": "x" },
    });
    api.register("web", "web-1", more).await;
    api.register("db", "db-1", json!({})).await;
    let answer = api.get("/v1/prometheus/sd").await;
    let groups = answer.json();
    assert_eq!(groups.as_array().unwrap().len(), 2, "{groups:#}");
    let found = api.get("/v1/prometheus/sd?service=web&tag=a").await.json();
    assert_eq!(found[0]["targets"], json!(["10.0.0.1:80"]), "{found:#}");
    let labels = &found[0]["labels"];
    for (name, value) in [
        ("service", "web"),
        ("instance", "web-1"),
        ("tags", ",a,b,"),
        ("zone", "z1"),
        ("health", "passing"),
        ("metadata_scrape_port", "9100"),
    ] {
        assert_eq!(labels[format!("__meta_proconsul_{name}")], value, "{name}: {labels:#}");
    }
    assert_eq!(api.get("/v1/prometheus/sd?tag=c").await.json(), json!([]));
    let mistakes = api.get("/v1/prometheus/sd?version=~~").await;
    assert_eq!(mistakes.mistakes(), ["version"]);

    let mut again = asked("viewer", "GET", "/v1/prometheus/sd", None);
    again.headers_mut().insert("if-none-match", answer.headers["etag"].clone());
    assert_eq!(api.send(again).await.status, StatusCode::NOT_MODIFIED);
}

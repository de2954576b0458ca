//! Watching: by events, and by blocking queries.

use axum::body::Body;
use axum::http::StatusCode;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::Api;

/// The next piece of a stream that is no heart-beat.
async fn next(stream: &mut Body) -> String {
    loop {
        let frame = stream.frame().await.expect("streams do not end").unwrap();
        let text = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
        if !text.starts_with(':') {
            return text;
        }
    }
}

/// An event's `id` and its data.
fn read(event: &str) -> (u64, Value) {
    let field = |name: &str| {
        event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{event}"))
    };
    (field("id: ").parse().unwrap(), serde_json::from_str(field("data: ")).unwrap())
}

const WATCH: &str = "/v1/services/web/watch";

#[tokio::test(start_paused = true)]
async fn a_watcher_is_told_the_state_and_each_newest_one() {
    let api = Api::new().await;
    let mut stream = api.stream(WATCH, &[]).await;
    let (first, state) = read(&next(&mut stream).await);
    assert_eq!((state["present"].clone(), state["instances"].clone()), (json!(false), json!([])));

    // What changes while nobody reads comes in one.
    for id in ["a", "b", "c"] {
        api.register("web", id, json!({})).await;
    }
    let (second, state) = read(&next(&mut stream).await);
    assert!(second > first);
    assert_eq!(state["instances"].as_array().unwrap().len(), 3);
    assert_eq!(state["index"], second);

    // Who comes back is told nothing that he knows.
    let known = second.to_string();
    let mut resumed = api.stream(WATCH, &[("last-event-id", &known)]).await;
    api.register("web", "d", json!({})).await;
    let (third, state) = read(&next(&mut resumed).await);
    assert_eq!(state["instances"].as_array().unwrap().len(), 4);
    assert_eq!(read(&next(&mut stream).await).0, third);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_late_or_from_elsewhere_is_told_the_state_at_once() {
    let api = Api::new().await;
    api.register("web", "a", json!({})).await;
    for known in ["1", "9007199254740991", "nonsense"] {
        let mut stream = api.stream(WATCH, &[("last-event-id", known)]).await;
        let (_, state) = read(&next(&mut stream).await);
        assert_eq!(state["instances"].as_array().unwrap().len(), 1, "{known}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_watcher_may_look_for_some_instances_only() {
    let api = Api::new().await;
    api.register("web", "a", json!({ "tags": ["x"] })).await;
    api.register("web", "b", json!({})).await;
    let mut stream = api.stream(&format!("{WATCH}?tag=x"), &[]).await;
    let (_, state) = read(&next(&mut stream).await);
    assert_eq!(state["instances"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_place_is_given_back_when_a_watcher_leaves() {
    let api = Api::new().await;
    let (one, _other) = (api.stream(WATCH, &[]).await, api.stream(WATCH, &[]).await);
    let answer = api.get(WATCH).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), "5");
    drop(one);
    drop(api.stream(WATCH, &[]).await);
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_by_a_comment() {
    let api = Api::new().await;
    let mut stream = api.stream(WATCH, &[]).await;
    next(&mut stream).await;
    let frame = stream.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(&frame[..], b":\n\n");
}

#[tokio::test(start_paused = true)]
async fn a_blocking_query_waits_for_a_change() {
    let api = Api::new().await;
    api.register("web", "a", json!({})).await;
    let path = "/v1/services/web/instances";
    let index = api.get(path).await.header("x-proconsul-index");
    let begun = tokio::time::Instant::now();
    let blocking = format!("{path}?index={index}&wait=30s");
    let waited = api.get(&blocking).await;
    assert_eq!(waited.header("x-proconsul-index"), index);
    let took = begun.elapsed().as_secs_f64();
    assert!((30.0..33.0).contains(&took), "{took}");

    let (answer, _) = tokio::join!(api.get(&blocking), api.register("web", "b", json!({})));
    assert_eq!(answer.json()["items"].as_array().unwrap().len(), 2);
    let late = api.get(&format!("{path}?index=1&wait=30s")).await;
    assert_eq!(late.status, StatusCode::OK, "what is later already is answered at once");
}

#[tokio::test(start_paused = true)]
async fn events_are_followed_and_waited_for() {
    let api = Api::new().await;
    api.register("web", "a", json!({})).await;
    let newest = api.get("/v1/events").await.json();
    let index = newest["index"].as_u64().unwrap();
    assert_eq!(newest["items"][0]["kind"], "registered");

    let mut stream = api.stream("/v1/events/watch?kind=maintenance", &[]).await;
    let waiting = format!("/v1/events?since={index}&wait=30s&kind=maintenance");
    let change = api.ask("PUT", "/v1/services/web/instances/a/maintenance", Some(json!({})));
    let (waited, _) = tokio::join!(api.get(&waiting), change);
    assert_eq!(waited.json()["items"][0]["kind"], "maintenance");
    let (id, event) = read(&next(&mut stream).await);
    assert_eq!((event["kind"].clone(), event["index"].clone()), (json!("maintenance"), json!(id)));

    let known = index.to_string();
    let mut resumed = api.stream("/v1/events/watch", &[("last-event-id", &known)]).await;
    assert_eq!(read(&next(&mut resumed).await).0, id);
}

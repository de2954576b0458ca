//! The description that the API gives of itself.

use serde_json::Value;

use super::Api;

/// Every `$ref` of a document.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                match value.as_str() {
                    Some(target) if key == "$ref" => found.push(target.to_owned()),
                    _ => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn it_is_whole() {
    let api = Api::new().await;
    let document = api.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut targets = Vec::new();
    references(&document, &mut targets);
    for target in targets {
        let pointer = target.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
    }
    let paths = document["paths"].as_object().unwrap();
    let mut ids = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let place = format!("{method} {path}");
            ids.push(operation["operationId"].as_str().unwrap().to_owned());
            assert!(operation["summary"].is_string(), "{place}");
            let responses = operation["responses"].as_object().unwrap();
            for status in ["401", "403", "default"] {
                assert!(responses.contains_key(status), "{place} {status}");
            }
            let body = operation.pointer("/requestBody/content/application~1json/schema/$ref");
            if let Some(target) = body.and_then(Value::as_str) {
                let schema = document.pointer(target.trim_start_matches('#')).unwrap();
                assert_eq!(schema["additionalProperties"], false, "{place} is not strict");
            }
        }
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "two operations have one name");
    assert!(count > 30, "{count}");
}

#[tokio::test]
async fn there_is_a_page_to_try_it() {
    let api = Api::new().await;
    let page = api.get("/docs/").await;
    assert!(String::from_utf8(page.body).unwrap().contains("swagger-ui"));
}

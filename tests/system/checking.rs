//! Health checks as servers meet them: over TLS, by gRPC; and components that misbehave instead of looking.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Response};
use serde_json::Value;

use super::admin_api::{ask, open_mesh};
use crate::mesh::check::hostile;
use crate::mesh::tls::{Authority, Certificate};
use crate::mesh::upstream::Body;
use crate::mesh::wait::eventually;
use crate::mesh::{Load, Mesh, Upstream};

/// How each check here is made.
const OFTEN: &str = "interval = \"100ms\"\ninterval_changing = \"100ms\"\ninterval_down = \"100ms\"\n\
                     rise = 1\nfall = 1\n";

/// A service of one instance, `one`, and its check.
fn service(name: &str, address: &str, check: &str) -> String {
    format!(
        "[checks.{name}]\n{OFTEN}{check}\n[services.{name}]\nchecks = [\"{name}\"]\n\
         endpoints = [{{ id = \"one\", address = \"{address}\" }}]\n\
         [[routes]]\nservice = \"{name}\"\npath_prefix = \"/{name}\"\n"
    )
}

/// What the check of a service's instance found, once it did: status and reason.
async fn found(mesh: &Mesh, service: &str) -> (String, String) {
    eventually(&format!("the check of {service}"), || async {
        let path = format!("/v1/services/{service}/instances/one");
        let told = ask(mesh, "GET", &path, None).await.json();
        let check = &told["health"]["checks"][service];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (status, reason) = (text(&check["status"]), text(&check["reason"]));
        (!status.is_empty() && reason != "not checked yet").then_some((status, reason))
    })
    .await
}

/// An answer of `grpc.health.v1`: 1 is serving, 2 is not.
fn health_answer(serving: u8) -> Response<Body> {
    let message = Full::new(Bytes::from(vec![0, 0, 0, 0, 2, 0x08, serving]));
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let body: Body = message.with_trailers(std::future::ready(Some(Ok(trailers)))).boxed();
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    response
}

/// A server with this certificate that speaks HTTP and gRPC, and serves all but `down`.
async fn secure(certificate: &Certificate) -> Upstream {
    Upstream::serve(Some(certificate.acceptor(&["h2", "http/1.1"])), |request| async move {
        assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
        let asked = request.into_body().collect().await.unwrap().to_bytes();
        health_answer(if asked.ends_with(b"down") { 2 } else { 1 })
    })
    .await
}

#[tokio::test]
async fn grpc_is_asked_over_tls_and_whose_certificate_it_is_matters() {
    let authority = Authority::new();
    let server = secure(&authority.certificate("good.test")).await;
    let stranger = secure(&Certificate::of("good.test")).await;
    let asking = |service: &str, tls: &str| {
        format!("grpc = {{ service = \"{service}\", tls = {{ {tls} }} }}")
    };
    let named = "server_name = \"good.test\"";
    let config = [
        service("good", "@good", &asking("up", named)),
        service("down", "@good", &asking("down", named)),
        service("wrong-name", "@good", &asking("up", "server_name = \"other.test\"")),
        service("own-host", "@good", &asking("up", "")),
        service("stranger", "@stranger", &asking("up", named)),
        service("trusting", "@stranger", &asking("up", &format!("verify = false, {named}"))),
    ];
    let builder = open_mesh(&config.concat()).trusting(&authority);
    let mesh = builder.at("good", &server).at("stranger", &stranger).start().await;
    let passing = |reason: &str| ("passing".to_owned(), reason.to_owned());
    assert_eq!(found(&mesh, "good").await, passing("serving"));
    assert_eq!(found(&mesh, "trusting").await, passing("serving"));
    let critical = async |service: &str, words: &[&str]| {
        let (status, reason) = found(&mesh, service).await;
        assert_eq!(status, "critical", "{service}: {reason}");
        for word in words {
            assert!(reason.contains(word), "{service}: {reason}");
        }
    };
    critical("down", &["NOT_SERVING"]).await;
    critical("wrong-name", &["TLS: ", "not valid for name", "good.test", "other.test"]).await;
    critical("own-host", &["TLS: ", "not valid for name", "good.test"]).await;
    critical("stranger", &["TLS: ", "UnknownIssuer"]).await;
    assert!(server.requests() > 1);
}

/// What each does, and as which fault it is counted.
const HOSTILE: [(&str, &str, &str); 4] = [
    ("trap", "unreachable", "trap"),
    ("loop", "(call $forever)", "busy"),
    ("bomb", "(call $bomb) unreachable", "trap"),
    ("nonsense", "(i32.store (i32.const 1024) (i32.const 77))", "trap"),
];

#[tokio::test]
async fn a_check_that_misbehaves_harms_no_other_check_and_no_request() {
    let (up, doc) = (Upstream::echo("up").await, Upstream::echo("doc").await);
    let json = "plugin = \"http-json\"\nconfig = { path = \"/\", pointer = \"/name\", passing = { equals = \"doc\" } }";
    let mut config =
        service("load", "@up", "http = { path = \"/\" }") + &service("doc", "@doc", json);
    for (name, ..) in HOSTILE {
        config += &service(name, "@up", &format!("plugin = \"{name}.wasm\""));
    }
    let mut builder = open_mesh(&config).at("up", &up).at("doc", &doc);
    for (name, evil, _) in HOSTILE {
        builder = builder.file(&format!("{name}.wasm"), hostile(evil));
    }
    let mesh = builder.start().await;
    let load = Load::start(mesh.listener, 2, "");
    for (name, _, fault) in HOSTILE {
        let series =
            format!("proconsul_plugin_check_faults_total{{check=\"{name}\",reason=\"{fault}\"}}");
        mesh.metric_reaches(&series, 3.0).await;
        let (status, reason) = found(&mesh, name).await;
        // A check that is broken says nothing about the instance.
        assert_eq!(status, "warning", "{name}: {reason}");
        assert_eq!(mesh.get(&format!("/{name}/")).await.status, 200, "{name}");
    }
    for name in ["load", "doc"] {
        let (status, reason) = found(&mesh, name).await;
        assert_eq!(status, "passing", "{name}: {reason}");
    }
    let looked = (up.requests(), doc.requests());
    eventually("good checks to go on", || async {
        (up.requests() > looked.0 + 3 && doc.requests() > looked.1 + 3).then_some(())
    })
    .await;
    load.goes_on(10).await;
    load.stop_without_a_failure().await;
}

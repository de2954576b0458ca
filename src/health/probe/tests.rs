//! Every probe against real servers on this machine, the unwell ones above all.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::model::HealthStatus::{Critical, Passing, Warning};
use crate::model::{
    CheckName, CheckTls, GrpcCheck, HttpCheck, InstanceId, Schedule, ServiceKey, ServiceName,
    TcpCheck, Weight,
};

/// Far longer than a server here takes to answer.
const LIMIT: Duration = Duration::from_secs(20);
/// For those who never do.
const SHORT: Duration = Duration::from_millis(400);

fn http() -> HttpCheck {
    HttpCheck {
        method: "GET".to_owned(),
        path: "/healthz".to_owned(),
        host: None,
        headers: Vec::new(),
        statuses: vec![(200, 299)],
        body_contains: None,
        body_matches: None,
        port: None,
        tls: None,
        degraded_above: None,
    }
}

fn tcp(send: &str, expect: &str) -> CheckKind {
    let (send, expect) = (send.into(), expect.into());
    CheckKind::Tcp(TcpCheck { port: None, send, expect, degraded_above: None })
}

fn grpc(service: &str) -> CheckKind {
    let service = service.to_owned();
    CheckKind::Grpc(GrpcCheck { service, port: None, tls: None, degraded_above: None })
}

pub(super) fn record(port: u16) -> Arc<InstanceRecord> {
    Arc::new(InstanceRecord {
        service: ServiceKey::in_default(ServiceName::new("web").unwrap()),
        id: InstanceId::new("a").unwrap(),
        version: None,
        host: "127.0.0.1".to_owned(),
        port,
        protocol: String::new(),
        weight: Weight::DEFAULT,
        zone: String::new(),
        region: String::new(),
        tags: Default::default(),
        metadata: Default::default(),
        ttl: None,
        checks: Vec::new(),
    })
}

fn probe(kind: CheckKind, port: u16) -> Arc<Probe> {
    patient_probe(kind, port, LIMIT)
}

fn patient_probe(kind: CheckKind, port: u16, timeout: Duration) -> Arc<Probe> {
    let schedule = Schedule { timeout, ..Schedule::default() };
    let check = Check { name: CheckName::new("check").unwrap(), kind, schedule };
    Arc::new(Probe::new(Arc::new(Prepared::new(&check, &Plan::default())), record(port)))
}

fn dialer() -> Arc<Dialer> {
    Arc::new(Dialer::new(tokio::runtime::Handle::current()))
}

/// Asks once.
async fn ask(kind: CheckKind, port: u16) -> Verdict {
    probe(kind, port).run(dialer(), Kept::Nothing).await.verdict
}

/// Asks once, with little patience.
async fn ask_shortly(kind: CheckKind, port: u16) -> Verdict {
    let asked = patient_probe(kind, port, SHORT).run(dialer(), Kept::Nothing);
    tokio::time::timeout(LIMIT, asked).await.expect("it keeps its time-out").verdict
}

/// A server that does `serve` with each connection.
async fn server<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    port
}

/// A server that reads something, says `answer`, and closes (or not).
async fn says(answer: impl Into<Vec<u8>>, closes: bool) -> u16 {
    let answer = Arc::new(answer.into());
    server(move |mut stream| {
        let answer = answer.clone();
        async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(&answer).await;
            if !closes {
                std::future::pending::<()>().await;
            }
        }
    })
    .await
}

async fn refused_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

async fn http_says(check: HttpCheck, answer: &str) -> (HealthStatus, String) {
    let verdict = ask(CheckKind::Http(check), says(answer, false).await).await;
    (verdict.status, verdict.reason)
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nup: 1";

#[tokio::test]
async fn http_judges_status_and_body() {
    let found = |status, reason: &str| (status, reason.to_owned());
    assert_eq!(http_says(http(), OK).await, found(Passing, "status 200"));
    let down = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
    let expected = found(Critical, "status 503, expected 200-299");
    assert_eq!(http_says(http(), down).await, expected);
    let moved = "HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n";
    let check = HttpCheck { statuses: vec![(200, 204), (401, 401)], ..http() };
    let expected = found(Critical, "status 302, expected 200-204, 401");
    assert_eq!(http_says(check, moved).await, expected);

    let contains = |text: &str| HttpCheck { body_contains: Some(text.to_owned()), ..http() };
    assert_eq!(http_says(contains("up"), OK).await.0, Passing);
    let expected = found(Critical, "status 200, but the body does not contain `fine`");
    assert_eq!(http_says(contains("fine"), OK).await, expected);
    let matches = |text: &str| HttpCheck { body_matches: Some(text.to_owned()), ..http() };
    assert_eq!(http_says(matches("^up: [1-9]"), OK).await.0, Passing);
    let expected = found(Critical, "status 200, but the body does not match `^up: 0`");
    assert_eq!(http_says(matches("^up: 0"), OK).await, expected);
    let slow = HttpCheck { degraded_above: Some(Duration::ZERO), ..http() };
    assert_eq!(http_says(slow, OK).await.0, Warning);
}

#[tokio::test]
async fn http_survives_servers_that_are_not_well() {
    let closed = "the connection was closed before the answer was complete";
    let cases = [
        ("220 mail.example ESMTP\r\n", "the answer is not HTTP"),
        ("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", "the answer is not HTTP"),
        ("", closed),
        ("HTTP/1.1 200 OK\r\nconte", closed),
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nup", closed),
    ];
    for (answer, reason) in cases {
        let verdict = ask(CheckKind::Http(http()), says(answer, true).await).await;
        assert_eq!(verdict.status, Critical, "{answer}");
        assert!(verdict.reason.starts_with(reason), "{answer}: {}", verdict.reason);
    }
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(1 << 20));
    assert_eq!(ask(CheckKind::Http(http()), says(endless, false).await).await.status, Critical);
    let verdict = ask(CheckKind::Http(http()), refused_port().await).await;
    assert!(verdict.reason.starts_with("connection refused (127.0.0.1:"), "{}", verdict.reason);
}

#[tokio::test]
async fn a_hang_and_a_drip_end_with_the_time_out() {
    let hung = server(|stream| async move {
        let _stream = stream;
        std::future::pending().await
    })
    .await;
    let drip = server(|mut stream| async move {
        while stream.write_all(b"H").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    for port in [hung, drip] {
        for kind in [CheckKind::Http(http()), tcp("", "ready"), grpc("")] {
            let word = kind.as_str();
            let verdict = ask_shortly(kind, port).await;
            assert_eq!(verdict.status, Critical, "{word}");
        }
    }
    let verdict = ask_shortly(CheckKind::Http(http()), hung).await;
    assert_eq!(verdict.reason, "no answer within 400ms");
}

#[tokio::test]
async fn a_huge_body_is_cut() {
    let port = server(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nup").await;
        while stream.write_all(&[b'x'; 65536]).await.is_ok() {}
    })
    .await;
    let check = HttpCheck { body_contains: Some("up".to_owned()), ..http() };
    let outcome = probe(CheckKind::Http(check), port).run(dialer(), Kept::Nothing).await;
    assert_eq!(outcome.verdict.status, Passing, "{}", outcome.verdict.reason);
    assert!(matches!(outcome.kept, Kept::Nothing), "the rest of it is still coming");
    let flood =
        server(|mut stream| async move { while stream.write_all(&[b'x'; 65536]).await.is_ok() {} })
            .await;
    let verdict = ask(tcp("", "ready"), flood).await;
    assert!(verdict.reason.starts_with("answered `xxx"), "{}", verdict.reason);
    assert!(verdict.reason.len() < 200);
}

#[tokio::test]
async fn one_connection_is_used_again_and_made_anew_when_it_was_closed() {
    let (accepted, count) = (Arc::new(std::sync::atomic::AtomicU32::new(0)), 2);
    let seen = accepted.clone();
    let port = server(move |mut stream| {
        accepted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move {
            for _ in 0..count {
                if stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {
                    let _ = stream.write_all(OK.as_bytes()).await;
                }
            }
        }
    })
    .await;
    let (probe, dialer) = (probe(CheckKind::Http(http()), port), dialer());
    let mut kept = Kept::Nothing;
    for _ in 0..6 {
        let outcome = probe.clone().run(dialer.clone(), kept).await;
        assert_eq!(outcome.verdict.reason, "status 200");
        kept = outcome.kept;
    }
    assert_eq!(seen.load(std::sync::atomic::Ordering::SeqCst), 3);
}

#[tokio::test]
async fn what_cannot_be_asked_is_the_check_s_fault() {
    let check = HttpCheck { method: "NO METHOD".to_owned(), ..http() };
    let outcome = probe(CheckKind::Http(check), 1).run(dialer(), Kept::Nothing).await;
    assert!(outcome.own_fault);
    assert_eq!(outcome.verdict.reason, "the check cannot be made: `NO METHOD` is no method");
}

#[tokio::test]
async fn tcp_says_and_hears() {
    assert_eq!(ask(tcp("", ""), says("", false).await).await.reason, "connected");
    let pong = says("+PONG\r\n", false).await;
    assert_eq!(ask(tcp("PING\r\n", "+PONG"), pong).await.reason, "answered as expected");
    let verdict = ask(tcp("PING\r\n", "+PONG"), says("-ERR\r\n", true).await).await;
    assert_eq!(verdict.reason, "answered `-ERR\\r\\n`, expected `+PONG`");
    assert_eq!(ask(tcp("", ""), refused_port().await).await.status, Critical);
}

#[tokio::test]
async fn tls_is_verified_unless_the_check_says_otherwise() {
    let made = rcgen::generate_simple_self_signed(vec!["web.test".to_owned()]).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let port = server(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(OK.as_bytes()).await;
            let _ = stream.flush().await;
            std::future::pending().await
        }
    })
    .await;
    let with = |verify| {
        let server_name = Some("web.test".to_owned());
        CheckKind::Http(HttpCheck { tls: Some(CheckTls { server_name, verify }), ..http() })
    };
    assert_eq!(ask(with(false), port).await.reason, "status 200");
    let verdict = ask(with(true), port).await;
    assert_eq!(verdict.status, Critical);
    assert!(verdict.reason.starts_with("TLS: "), "{}", verdict.reason);
    let plain = says("this is no TLS at all", false).await;
    assert!(ask(with(false), plain).await.reason.starts_with("TLS: "));
}

#[tokio::test]
async fn grpc_asks_the_health_protocol() {
    let (reporter, service) = tonic_health::server::health_reporter();
    use tonic_health::ServingStatus::{NotServing, Serving};
    reporter.set_service_status("up", Serving).await;
    reporter.set_service_status("down", NotServing).await;
    let port = server(move |stream| {
        let service = hyper_util::service::TowerToHyperService::new(service.clone());
        async move {
            let executor = hyper_util::rt::TokioExecutor::new();
            let _ = hyper::server::conn::http2::Builder::new(executor)
                .serve_connection(hyper_util::rt::TokioIo::new(stream), service)
                .await;
        }
    })
    .await;
    assert_eq!(ask(grpc("up"), port).await.reason, "serving");
    assert_eq!(ask(grpc("down"), port).await, Verdict::new(Critical, "NOT_SERVING"));
    let verdict = ask(grpc("other"), port).await;
    assert_eq!(verdict, Verdict::new(Critical, "service `other` is not known there"));
    let verdict = ask(grpc("up"), says("HTTP/1.1 400 Bad\r\n\r\n", true).await).await;
    assert_eq!(verdict.status, Critical);

    let (probe, dialer) = (probe(grpc("up"), port), dialer());
    let first = probe.clone().run(dialer.clone(), Kept::Nothing).await;
    assert!(matches!(first.kept, Kept::Grpc(_)));
    assert_eq!(probe.run(dialer, first.kept).await.verdict.reason, "serving");
}

//! Components that reach for what is not theirs: refused by address, and in plain sight.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proconsul::model::{AllowedHost, AllowedPeer};
use proconsul::plugin::health_check::Fault;

use super::fixture::{Bench, Checker, LONG, named, target, target_named, words};
use super::servers::Server;
use crate::mesh::free_address;

/// `access-denied` of `wasi:sockets`, as the fixture's `$connect` gives it.
const DENIED: &str = "critical: 2";

/// `HTTP-request-denied` of `wasi:http`, as the fixture's `$get` gives it.
const HTTP_DENIED: &str = "critical: 16";

/// Does `check` where there is an instance.
fn checker(check: String) -> Checker {
    let check = format!("(if (call $real) (then {check}))").leak();
    Checker { check, ..Checker::default() }
}

/// Says what came of connecting to an address.
fn connecting(address: SocketAddr) -> String {
    let IpAddr::V4(ip) = address.ip() else { panic!("an IPv4 address") };
    let [_, a, b, c] = ip.octets().map(|byte| format!("(i32.const {byte})"));
    format!("(call $say_number (call $connect {a} {b} {c} (i32.const {})))", address.port())
}

/// Says what came of an HTTP request.
fn getting(authority: &str) -> Checker {
    let module = format!(r#"(data (i32.const 512) "{authority}")"#).leak();
    let length = authority.len();
    let check = format!("(call $say_number (call $get (i32.const 512) (i32.const {length})))");
    Checker { module, ..checker(check) }
}

/// Says what came of a look-up.
fn looking_up(name: &str) -> Checker {
    let module = format!(r#"(data (i32.const 512) "{name}")"#).leak();
    let length = name.len();
    let check = format!("(call $say_number (call $look_up (i32.const 512) (i32.const {length})))");
    Checker { module, ..checker(check) }
}

#[tokio::test]
async fn the_instance_under_check_may_be_reached_and_its_neighbours_not() {
    let (own, other) = (Server::says("hello").await, Server::says("hello").await);
    let bench = Bench::new();
    let to_own = bench.load(&checker(connecting(own.address))).unwrap();
    assert_eq!(words(to_own.check(&target(own.address), LONG).await), "critical: 0");
    assert_eq!((own.connections().await, bench.denied()), (1, 0));

    // The same machine, another port: the admin API, say.
    let to_other = bench.load(&checker(connecting(other.address))).unwrap();
    assert_eq!(words(to_other.check(&target(own.address), LONG).await), DENIED);
    assert_eq!((other.connections().await, bench.denied()), (0, 1));

    let allowed = |port| AllowedPeer {
        host: AllowedHost::Range { base: other.address.ip(), prefix_bits: 32 },
        port,
    };
    let to_other = checker(connecting(other.address));
    let listed = bench.load_with(&to_other, |check| {
        check.allow = vec![allowed(Some(other.address.port()))];
    });
    assert_eq!(words(listed.unwrap().check(&target(own.address), LONG).await), "critical: 0");
    let elsewhere = bench.load_with(&to_other, |check| check.allow = vec![allowed(Some(1))]);
    assert_eq!(words(elsewhere.unwrap().check(&target(own.address), LONG).await), DENIED);
    assert_eq!((other.connections().await, bench.denied()), (1, 2));
}

#[tokio::test]
async fn an_instance_of_the_component_may_not_reach_who_was_checked_before() {
    let (first, second) = (Server::says("hello").await, Server::says("hello").await);
    let bench = Bench::new();
    let to_first = bench.load(&checker(connecting(first.address))).unwrap();
    assert_eq!(words(to_first.check(&target(first.address), LONG).await), "critical: 0");
    assert_eq!(words(to_first.check(&target(second.address), LONG).await), DENIED);
}

#[tokio::test]
async fn http_goes_to_the_instance_and_nowhere_else() {
    let (own, other) = (Server::json("200 OK", "{}").await, Server::json("200 OK", "{}").await);
    let bench = Bench::new();
    let get = async |authority: &str| {
        let checker = bench.load(&getting(authority)).unwrap();
        words(checker.check(&target_named("web.test", own.address), LONG).await)
    };
    assert_eq!(get(&own.address.to_string()).await, "critical: 0");
    let port = own.address.port();
    assert_eq!(get(&format!("WEB.test:{port}")).await, "critical: 0", "its name is as good");
    assert_eq!(bench.denied(), 0);
    assert_eq!(get(&other.address.to_string()).await, HTTP_DENIED);
    assert_eq!(get(&format!("web.test:{}", other.address.port())).await, HTTP_DENIED);
    assert_eq!(get("metadata.internal").await, HTTP_DENIED);
    assert_eq!(get("169.254.169.254").await, HTTP_DENIED);
    assert_eq!((own.connections().await, other.connections().await, bench.denied()), (2, 0, 4));
    assert_eq!(bench.resolver.asked.load(Ordering::SeqCst), 0, "nobody was asked for a name");
}

#[tokio::test]
async fn the_instances_own_name_may_be_listed_with_another_port() {
    let (own, other) = (Server::json("200 OK", "{}").await, Server::json("200 OK", "{}").await);
    let bench = Bench::new();
    let port = other.address.port();
    let checker = bench.load_with(&getting(&format!("web.test:{port}")), |check| {
        check.allow = vec![named("web.test", Some(port))];
    });
    let verdict = checker.unwrap().check(&target_named("web.test", own.address), LONG).await;
    assert_eq!(words(verdict), "critical: 0");
    assert_eq!((other.connections().await, bench.denied()), (1, 0));
}

#[tokio::test]
async fn a_name_that_changes_its_answer_leads_nowhere_else() {
    let (good, bad) = (Server::json("200 OK", "{}").await, "127.0.0.1".parse().unwrap());
    let port = good.address.port();
    let name = "peer.localhost";
    let authority = format!("{name}:{port}");
    let module: &str =
        format!(r#"(data (i32.const 512) "{name}") (data (i32.const 640) "{authority}")"#).leak();
    let (name_length, length) = (name.len(), authority.len());
    // Looks up, gets, looks up again, gets again: all must have had the first answer.
    let look = format!("(call $look_up (i32.const 512) (i32.const {name_length}))");
    let get = format!("(call $get (i32.const 640) (i32.const {length}))");
    let check = format!(
        "(local.set $i {look})
         (if (call $real) (then
            (if {get} (then (call $say_number (i32.const 901))))
            (if (i32.ne {look} (local.get $i)) (then (call $say_number (i32.const 902))))
            (if {get} (then (call $say_number (i32.const 903))))
            (if (i32.eq {rebound} (i32.const 0)) (then (call $say_number (i32.const 904))))))",
        // The address of the second answer, which this check was never told.
        rebound = format_args!(
            "(call $connect (i32.const 0) (i32.const 0) (i32.const 1) (i32.const {port}))"
        ),
    )
    .leak();
    let bench = Bench::with_names(&[(name, &[good.address.ip(), bad])]);
    let rebinding = Checker { module, check, ..Checker::default() };
    let checker =
        bench.load_with(&rebinding, |check| check.allow = vec![named(name, Some(port))]).unwrap();
    assert_eq!(words(checker.check(&target(free_address()), LONG).await), "passing");
    assert_eq!(good.connections().await, 2);
    assert_eq!(bench.resolver.asked.load(Ordering::SeqCst), 1, "one answer for the whole check");
    assert_eq!(bench.denied(), 1, "the other address");
}

#[tokio::test]
async fn a_listed_name_does_not_open_this_machine() {
    let admin = Server::json("200 OK", "{}").await;
    let names: &[(&str, &[IpAddr])] = &[("peer.test", &[admin.address.ip()])];
    let bench = Bench::with_names(names);
    let authority = format!("peer.test:{}", admin.address.port());
    let checker = bench.load_with(&getting(&authority), |check| {
        check.allow = vec![named("peer.test", None)];
    });
    let verdict = checker.unwrap().check(&target(free_address()), LONG).await;
    assert_eq!(words(verdict), HTTP_DENIED);
    assert_eq!((admin.connections().await, bench.denied()), (0, 1));
}

#[tokio::test]
async fn names_are_answered_to_whom_they_concern() {
    let bench = Bench::new();
    let look_up = async |name: &str| {
        let checker = bench.load(&looking_up(name)).unwrap();
        let here = target_named("web.test", "127.9.8.7:80".parse().unwrap());
        words(checker.check(&here, LONG).await)
    };
    assert_eq!(look_up("web.test").await, "critical: 7");
    assert_eq!(look_up("example.com").await, "critical: 257", "access-denied");
    assert_eq!(bench.denied(), 1);
}

#[tokio::test]
async fn udp_and_listening_are_refused() {
    let bench = Bench::new();
    let import = r#"(import "wasi:sockets/udp-create-socket@0.2.12" "create-udp-socket" (func $udp (param i32 i32)))"#;
    let udp = "(call $udp (i32.const 0) (i32.const 64))
        (if (i32.eqz (i32.load8_u (i32.const 64))) (then unreachable))";
    let bind = "(call $start_bind (call $socket) (call $network) (i32.const 0) (i32.const 8080)
            (i32.const 127) (i32.const 0) (i32.const 0) (i32.const 1)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 64))
        (if (i32.eqz (i32.load8_u (i32.const 64))) (then unreachable))";
    for evil in [udp, bind] {
        let (module, more_wit) = match evil == udp {
            true => (import, "import wasi:sockets/udp-create-socket@0.2.12;"),
            false => ("", ""),
        };
        let before = bench.denied();
        let checker =
            bench.load(&Checker { module, more_wit, ..checker(evil.to_owned()) }).unwrap();
        assert_eq!(words(checker.check(&target(free_address()), LONG).await), "passing");
        assert_eq!(bench.denied(), before + 1);
    }
}

#[tokio::test]
async fn connections_are_counted() {
    let bench = Bench::new();
    let check = "(local.set $i (i32.const 17))
        (loop $again
            (call $create (i32.const 0) (i32.const 64))
            (local.set $i (i32.sub (local.get $i) (i32.const 1)))
            (br_if $again (local.get $i)))
        (call $say_number (i32.load8_u (i32.const 64)))";
    let checker = bench.load(&Checker { check, ..Checker::default() }).unwrap();
    assert_eq!(words(checker.check(&target(free_address()), LONG).await), "critical: 1");
    assert_eq!(bench.denied(), 1, "the seventeenth");
}

/// What a server sends to a check that reads without end. `None` = a busy machine had it cut off for computing.
async fn read_without_end() -> Option<usize> {
    let sent = Arc::new(AtomicUsize::new(0));
    let server = Server::floods("", sent.clone()).await;
    let IpAddr::V4(ip) = server.address.ip() else { panic!("an IPv4 address") };
    let [_, a, b, c] = ip.octets();
    let port = server.address.port();
    // Reads into its two pages again and again, for as long as something comes.
    let check = format!(
        "(if (call $connect (i32.const {a}) (i32.const {b}) (i32.const {c}) (i32.const {port}))
            (then unreachable))
         (local.set $j (i32.load (i32.const 68)))
         (loop $again
            (global.set $heap (i32.const 8192))
            (call $blocking_read (local.get $j) (i64.const 65536) (i32.const 64))
            (br_if $again (i32.eqz (i32.load8_u (i32.const 64)))))"
    );
    let bench = Bench::new();
    let checker = bench.load(&self::checker(check)).unwrap();
    let found = checker.check(&target(server.address), LONG).await;
    if matches!(found, Err(Fault::Busy(_))) {
        return None;
    }
    assert_eq!(words(found), "passing");
    assert_eq!(bench.denied(), 1);
    Some(sent.load(Ordering::SeqCst))
}

#[tokio::test]
async fn an_endless_stream_is_cut() {
    for _ in 0..20 {
        if let Some(sent) = read_without_end().await {
            let expected = 16 << 20..32 << 20;
            assert!(expected.contains(&sent), "{sent} bytes, the sockets' buffers included");
            return;
        }
    }
    panic!("it never had the time to read so much");
}

//! `[listeners]`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::check::{Check, DAY, HOUR, MILLISECOND};
use super::network::{SOCKET_ADDRESS, ip_range, socket_address};
use crate::config::path::KeyPath;
use crate::config::schema;
use crate::config::types::{IpRange, Listener, ListenerLimits, ListenerTls};
use crate::model::ListenerName;

pub fn listeners(
    listeners: BTreeMap<String, schema::Listener>,
    admin: Option<SocketAddr>,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Vec<Listener> {
    let mut taken: BTreeMap<SocketAddr, String> =
        admin.map(|address| (address, "admin.address".to_owned())).into_iter().collect();
    let mut list = Vec::new();
    for (name, written) in listeners {
        let at = at.key(&name);
        let Some(listener) = listener(&name, written, &at, check) else { continue };
        // Port 0 is a fresh port each time.
        if listener.address.port() != 0
            && let Some(owner) = taken.insert(listener.address, at.to_string())
        {
            check.wrong(&at.key("address"), &format!("is already the address of {owner}"));
        }
        list.push(listener);
    }
    if list.is_empty() && check.tree.keys(at).is_empty() {
        check.doubt(at, "there is no listener: no request can come in");
    }
    list
}

fn listener(
    name: &str,
    listener: schema::Listener,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Option<Listener> {
    let schema::Listener {
        address,
        h2c,
        tls,
        trusted_proxies,
        header_timeout,
        body_timeout,
        write_timeout,
        keepalive_timeout,
        keepalive_requests,
        max_header_bytes,
        max_headers,
        max_uri_bytes,
        max_h2_streams,
    } = listener;
    let name = check.name(at, ListenerName::new(name));
    let address = socket_address(&address).or_else(|| {
        check.refuse(&at.key("address"), "will not do", SOCKET_ADDRESS);
        None
    });
    if h2c && tls.is_some() {
        check.wrong(&at.key("h2c"), "cannot be with `tls`; `tls.h2` offers HTTP/2 there");
    }
    let tls = tls.map(|written| listener_tls(written, &at.key("tls"), check));
    let trusted_proxies = ranges(&trusted_proxies, &at.key("trusted_proxies"), check);
    let mut time = |key, time, max| check.time(&at.key(key), time, MILLISECOND, max);
    let header_timeout = time("header_timeout", header_timeout, HOUR);
    let body_timeout = time("body_timeout", body_timeout, HOUR);
    let write_timeout = time("write_timeout", write_timeout, HOUR);
    let keepalive_timeout = time("keepalive_timeout", keepalive_timeout, DAY);
    let mut number = |key, number, max| check.number(&at.key(key), number, 1, max);
    let keepalive_requests = number("keepalive_requests", keepalive_requests, u32::MAX);
    let max_headers = number("max_headers", max_headers, 4096);
    let max_h2_streams = number("max_h2_streams", max_h2_streams, 10_000);
    let header_bytes = check.size(&at.key("max_header_bytes"), max_header_bytes, 1 << 10, 1 << 20);
    let uri_bytes = check.size(&at.key("max_uri_bytes"), max_uri_bytes, 16, 64 << 10);
    let limits = ListenerLimits {
        header_timeout,
        body_timeout,
        write_timeout,
        keepalive_timeout,
        keepalive_requests,
        max_header_bytes: usize::try_from(header_bytes).unwrap_or(usize::MAX),
        max_headers: max_headers as usize,
        max_uri_bytes: usize::try_from(uri_bytes).unwrap_or(usize::MAX),
        max_h2_streams,
    };
    Some(Listener { name: name?, address: address?, h2c, tls, trusted_proxies, limits })
}

fn listener_tls(tls: schema::ListenerTls, at: &KeyPath, check: &mut Check<'_>) -> ListenerTls {
    let schema::ListenerTls { certificates, h2 } = tls;
    let at = at.key("certificates");
    if certificates.is_empty() && !check.tree.pruned_within(&at) {
        check.lacks(&at, "there is no certificate; at least one is needed");
    }
    let each = certificates.iter().enumerate();
    let certificates = each.map(|(i, files)| check.certificate(&at.index(i), files)).collect();
    ListenerTls { certificates, h2 }
}

fn ranges(texts: &[String], at: &KeyPath, check: &mut Check<'_>) -> Vec<IpRange> {
    let mut ranges = Vec::new();
    for (i, text) in texts.iter().enumerate() {
        match ip_range(text) {
            Some(range) => ranges.push(range),
            None => {
                let allowed = "an IP address or a range, such as `10.0.0.0/8` or `fd00::/8`";
                check.refuse(&at.index(i), "will not do", allowed);
            }
        }
    }
    ranges
}

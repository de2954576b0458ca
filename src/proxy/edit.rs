//! Header edits: what concerns one hop only goes; then what the configuration says: remove, then
//! set, then add.

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, HeaderValue, StatusCode};
use pingora_http::{RequestHeader, ResponseHeader};

use crate::config::HeaderEdit;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// A header that can be edited.
trait Editable {
    fn remove(&mut self, name: &HeaderName);
    fn set(&mut self, name: &HeaderName, value: &HeaderValue) -> pingora_core::Result<()>;
    fn add(&mut self, name: &HeaderName, value: &HeaderValue) -> pingora_core::Result<()>;
}

macro_rules! editable {
    ($header:ty) => {
        impl Editable for $header {
            fn remove(&mut self, name: &HeaderName) {
                self.remove_header(name);
            }

            fn set(&mut self, name: &HeaderName, value: &HeaderValue) -> pingora_core::Result<()> {
                self.insert_header(name.clone(), value.clone())
            }

            fn add(&mut self, name: &HeaderName, value: &HeaderValue) -> pingora_core::Result<()> {
                self.append_header(name.clone(), value.clone()).map(|_| ())
            }
        }
    };
}

editable!(RequestHeader);
editable!(ResponseHeader);

#[inline]
fn apply(edit: &HeaderEdit, header: &mut impl Editable) -> pingora_core::Result<()> {
    let HeaderEdit { remove, set, add } = edit;
    if remove.is_empty() && set.is_empty() && add.is_empty() {
        return Ok(());
    }
    for name in remove {
        header.remove(name);
    }
    for (name, value) in set {
        header.set(name, value)?;
    }
    for (name, value) in add {
        header.add(name, value)?;
    }
    Ok(())
}

/// Takes out of a response what concerned the upstream's connection alone (RFC 9110, section
/// 7.6.1). Of a request pingora does the same.
pub(super) fn strip_hop(header: &mut ResponseHeader) {
    let Hop { names_some, others } = Hop::of(header);
    // Pingora writes a `Connection` of its own over one that names nothing.
    if !names_some && !others && !header.status.is_informational() {
        return;
    }
    header.remove_header(&KEEP_ALIVE);
    header.remove_header(&PROXY_CONNECTION);
    if header.status == StatusCode::SWITCHING_PROTOCOLS {
        return; // these two are the answer itself
    }
    if names_some {
        let named: Vec<HeaderName> =
            header.headers.get_all(CONNECTION).iter().flat_map(named).collect();
        for name in named {
            header.remove_header(&name);
        }
    }
    header.remove_header(&CONNECTION);
    header.remove_header(&UPGRADE);
}

/// What of a response concerns the upstream's connection. One pass costs less than four lookups.
#[derive(Default)]
struct Hop {
    /// A `Connection` names other headers.
    names_some: bool,
    /// There are other headers about the connection.
    others: bool,
}

impl Hop {
    fn of(header: &ResponseHeader) -> Self {
        let mut hop = Self::default();
        for (name, value) in &header.headers {
            match name.as_str() {
                "connection" => {
                    hop.names_some |= !NO_HEADERS.iter().any(|other| is(value.as_bytes(), other));
                }
                "keep-alive" | "proxy-connection" | "upgrade" => hop.others = true,
                _ => {}
            }
        }
        hop
    }
}

/// What a `Connection` may say beside the names of headers.
const NO_HEADERS: [&[u8]; 2] = [b"keep-alive", b"close"];

fn is(word: &[u8], other: &[u8]) -> bool {
    word.eq_ignore_ascii_case(other)
}

/// The headers that a `Connection` names, but for those that its sender may not take away.
fn named(connection: &HeaderValue) -> impl Iterator<Item = HeaderName> {
    connection
        .as_bytes()
        .split(|&byte| byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|name| !NO_HEADERS.iter().any(|other| is(name, other)))
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .filter(|name| name != CONTENT_LENGTH && name != TRANSFER_ENCODING)
}

/// Edits a request on its way to the upstream.
#[inline]
pub(super) fn request(edit: &HeaderEdit, header: &mut RequestHeader) -> pingora_core::Result<()> {
    apply(edit, header)
}

/// Edits a response on its way to the client.
#[inline]
pub(super) fn response(edit: &HeaderEdit, header: &mut ResponseHeader) -> pingora_core::Result<()> {
    apply(edit, header)
}

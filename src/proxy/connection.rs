//! A client's HTTP/1.1 connection from one request to the next: what the first request told holds
//! for those after it, as they come from the same peer and are mostly for the same host.

use std::cell::Cell;
use std::sync::{Arc, OnceLock};

use http::HeaderValue;

use super::host::bare_host;
use super::stamp::Described;

/// What is kept of a connection.
#[derive(Default)]
pub(super) struct Connection {
    known: OnceLock<Known>,
}

/// A host that was admitted on this connection, and what requests for it say of where they come from.
pub(super) struct Known {
    /// The `Host` as the client wrote it.
    host: HeaderValue,
    /// What routes compare: lower case, no port.
    pub bare_host: String,
    pub described: Described,
}

impl Connection {
    /// What is known, where it is known of `host`.
    pub(super) fn known_of(&self, host: Option<&HeaderValue>) -> Option<&Known> {
        self.known.get().filter(|known| host == Some(&known.host))
    }

    /// Keeps what the first request told. Those for another host are described one by one.
    pub(super) fn learn(&self, host: &HeaderValue, describe: impl FnOnce() -> Described) {
        self.known.get_or_init(|| Known {
            host: copied(host),
            bare_host: bare_host(host.to_str().unwrap_or_default()),
            described: describe(),
        });
    }
}

/// A value that does not keep the buffer alive of which it is a part.
fn copied(value: &HeaderValue) -> HeaderValue {
    HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone())
}

thread_local! {
    /// The connection that is polled on this thread, until its request's header is here.
    static AWAITED: Cell<Option<Arc<Connection>>> = const { Cell::new(None) };
}

/// Polls a request of `connection` by `poll`. True when its header was here by the end.
pub(super) fn awaiting<T>(connection: &Arc<Connection>, poll: impl FnOnce() -> T) -> (T, bool) {
    AWAITED.set(Some(connection.clone()));
    let progress = poll();
    (progress, AWAITED.take().is_none())
}

/// Whether the header of what is being polled on this thread is still to come.
pub(super) fn is_awaited() -> bool {
    let awaited = AWAITED.take();
    let is_awaited = awaited.is_some();
    AWAITED.set(awaited);
    is_awaited
}

/// Notes that the request being polled on this thread has its header, and returns its connection.
pub(super) fn header_arrived() -> Option<Arc<Connection>> {
    AWAITED.take()
}

//! How a try failed, in the few words of `error.type`.

use pingora_core::ErrorType::{
    ConnectNoRoute, ConnectRefused, ConnectTimedout, ReadTimedout, TLSHandshakeFailure,
    TLSHandshakeTimedout, WriteTimedout,
};
use pingora_core::{Error, ErrorSource};

/// The word for a failure.
pub(in crate::proxy) fn word(error: &Error) -> &'static str {
    match (error.esource(), error.etype()) {
        (ErrorSource::Downstream, _) => "client_gone",
        (_, ConnectTimedout) => "connect_timeout",
        (_, ConnectRefused) => "connection_refused",
        (_, ConnectNoRoute) => "no_route_to_host",
        (_, TLSHandshakeFailure | TLSHandshakeTimedout) => "tls",
        (_, ReadTimedout | WriteTimedout) => "timeout",
        _ => "connection",
    }
}

//! A connection to an instance, or the words for why there is none.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpStream, lookup_host};

/// Addresses of a name that are tried, at most.
const MAX_ADDRESSES: usize = 8;

/// The addresses of a host, which may be one itself. At least one.
pub(super) async fn resolve(host: &str) -> Result<Vec<IpAddr>, String> {
    if let Ok(ip) = host.parse() {
        return Ok(vec![ip]);
    }
    let found = lookup_host((host, 0)).await;
    let found = found.map_err(|error| format!("`{host}` does not resolve: {error}"))?;
    let addresses: Vec<IpAddr> = found.map(|address| address.ip()).take(MAX_ADDRESSES).collect();
    match addresses.is_empty() {
        true => Err(format!("`{host}` has no address")),
        false => Ok(addresses),
    }
}

/// Connects to the first address that takes it.
pub(super) async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    let mut why = String::new();
    for ip in resolve(host).await? {
        let address = SocketAddr::new(ip, port);
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // A small request must not wait for more.
                return stream.set_nodelay(true).map(|()| stream).map_err(|e| e.to_string());
            }
            Err(error) => why = format!("{} ({address})", words(&error)),
        }
    }
    Err(why)
}

/// What went wrong, in the words that people use.
pub(super) fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        io::ErrorKind::UnexpectedEof => "connection closed too early".to_owned(),
        _ => error.to_string(),
    }
}

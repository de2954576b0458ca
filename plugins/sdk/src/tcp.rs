//! TCP for health checks: connect, write, read. Nothing waits for longer than the check may take: it
//! fails in time for a verdict that says so.
//!
//! ```no_run
//! # use proconsul_plugin::{health_check::{Endpoint, NetworkError}, tcp};
//! # fn banner(endpoint: &Endpoint) -> Result<Vec<u8>, NetworkError> {
//! let mut stream = tcp::connect(&endpoint.address)?;
//! stream.write_all(b"HELLO\r\n")?;
//! stream.read(1024)
//! # }
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use crate::bindings::health_check::wasi::io::streams::{InputStream, OutputStream, StreamError};
use crate::bindings::health_check::wasi::sockets::instance_network::instance_network;
use crate::bindings::health_check::wasi::sockets::network::{
    ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
};
use crate::bindings::health_check::wasi::sockets::tcp::TcpSocket;
use crate::bindings::health_check::wasi::sockets::tcp_create_socket::create_tcp_socket;
use crate::health_check::NetworkError;
use crate::wait::Until;

/// A connection. It is closed when it is dropped.
pub struct Stream {
    // In this order: the host wants the streams back before the socket.
    input: InputStream,
    output: OutputStream,
    _socket: TcpSocket,
    timeout: Option<Duration>,
}

/// Connects to an address such as `192.0.2.7:6379`, which is how an endpoint's `address` is written.
pub fn connect(address: &str) -> Result<Stream, NetworkError> {
    open(address, None)
}

/// The same, where connecting, and then each write and read by itself, may take no longer than `timeout`.
pub fn connect_within(address: &str, timeout: Duration) -> Result<Stream, NetworkError> {
    open(address, Some(timeout))
}

fn open(address: &str, timeout: Option<Duration>) -> Result<Stream, NetworkError> {
    let address: SocketAddr = address.parse().map_err(|_| NetworkError::NotAnAddress)?;
    let until = Until::within(timeout);
    let (family, address) = to_host(address);
    let socket = create_tcp_socket(family).map_err(error)?;
    socket.start_connect(&instance_network(), address).map_err(error)?;
    let (input, output) = loop {
        match socket.finish_connect() {
            Err(ErrorCode::WouldBlock) => until.wait(&socket.subscribe())?,
            connected => break connected.map_err(error)?,
        }
    };
    Ok(Stream { input, output, _socket: socket, timeout })
}

impl Stream {
    /// Writes all of it.
    pub fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), NetworkError> {
        let until = Until::within(self.timeout);
        while !bytes.is_empty() {
            let room = self.output.check_write().map_err(closed)? as usize;
            if room == 0 {
                until.wait(&self.output.subscribe())?;
                continue;
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.output.write(now).map_err(closed)?;
            bytes = later;
        }
        Ok(())
    }

    /// Waits for bytes, and gives what came: `most` at the most, none when the other side has closed.
    pub fn read(&mut self, most: usize) -> Result<Vec<u8>, NetworkError> {
        Until::within(self.timeout).read(&self.input, most)
    }

    /// Reads on until `enough` says so of all that came, `most` bytes came, or the other side has closed.
    /// The timeout holds for all of it.
    pub fn read_until(
        &mut self,
        most: usize,
        enough: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<u8>, NetworkError> {
        let until = Until::within(self.timeout);
        let mut all = Vec::new();
        while all.len() < most && !enough(&all) {
            let more = until.read(&self.input, most - all.len())?;
            if more.is_empty() {
                break;
            }
            all.extend(more);
        }
        Ok(all)
    }
}

fn to_host(address: SocketAddr) -> (IpAddressFamily, IpSocketAddress) {
    match address {
        SocketAddr::V4(v4) => {
            let [a, b, c, d] = v4.ip().octets();
            let address = Ipv4SocketAddress { port: v4.port(), address: (a, b, c, d) };
            (IpAddressFamily::Ipv4, IpSocketAddress::Ipv4(address))
        }
        SocketAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, h] = v6.ip().segments();
            let address = Ipv6SocketAddress {
                port: v6.port(),
                flow_info: v6.flowinfo(),
                address: (a, b, c, d, e, f, g, h),
                scope_id: v6.scope_id(),
            };
            (IpAddressFamily::Ipv6, IpSocketAddress::Ipv6(address))
        }
    }
}

fn error(code: ErrorCode) -> NetworkError {
    match code {
        ErrorCode::AccessDenied | ErrorCode::NewSocketLimit => NetworkError::Denied,
        ErrorCode::ConnectionRefused => NetworkError::Refused,
        ErrorCode::Timeout => NetworkError::TimedOut,
        ErrorCode::ConnectionReset | ErrorCode::ConnectionAborted => NetworkError::Closed,
        ErrorCode::InvalidArgument => NetworkError::NotAnAddress,
        _ => NetworkError::Other,
    }
}

fn closed(_: StreamError) -> NetworkError {
    NetworkError::Closed
}

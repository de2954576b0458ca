//! Records as syslog messages (RFC 5424): to a Unix socket, over UDP (RFC 5426), or over TCP with each message's
//! length before it (RFC 6587).
//!
//! A connection is made when there is something to say, and made anew when it broke. TCP tells a writer late that
//! nobody listens any more: what was on its way then is lost without a trace.

use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use socket2::SockRef;

use super::record::{Kind, Record, Severity};
use super::sink::Sink;

/// To be connected, and to take a message.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A datagram cannot be longer than about 64 KiB; a longer message is cut.
const MAX_MESSAGE_BYTES: usize = 60_000;

/// Where messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyslogAddress {
    /// A socket for datagrams or, if it is none, for a stream, whose messages end with a newline.
    Unix(PathBuf),
    /// Host and port.
    Udp(String),
    Tcp(String),
}

/// Names of facilities, each at the place of its number.
pub const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];

pub(super) struct Syslog {
    address: SyslogAddress,
    facility: u8,
    /// What stands between a message's time and its kind.
    origin: String,
    connection: Option<Connection>,
}

enum Connection {
    UnixDatagram(UnixDatagram),
    UnixStream(UnixStream),
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Syslog {
    pub(super) fn new(address: SyslogAddress, facility: u8) -> Self {
        let node = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let is_plain = !node.is_empty() && node.bytes().all(|byte| byte.is_ascii_graphic());
        let host = if is_plain && node.len() <= 255 { &node } else { "-" };
        let origin = format!("{host} proconsul {}", std::process::id());
        Self { address, facility, origin, connection: None }
    }

    fn message(&self, record: Record<'_>) -> Vec<u8> {
        let Record { head, line } = record;
        let severity = match head.severity {
            Severity::Error => 3,
            Severity::Warn => 4,
            Severity::Info => 6,
            Severity::Debug => 7,
        };
        let kind = match head.kind {
            Kind::Access => "access",
            Kind::Event => "event",
        };
        let moment =
            i64::try_from(head.unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let moment = moment.unwrap_or(Timestamp::UNIX_EPOCH);
        let priority = u32::from(self.facility) * 8 + severity;
        let origin = &self.origin;
        let mut message = format!("<{priority}>1 {moment:.3} {origin} {kind} - ").into_bytes();
        message.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
        if message.len() > MAX_MESSAGE_BYTES {
            let is_inside = |byte: u8| byte & 0b1100_0000 == 0b1000_0000; // of a character
            let mut end = MAX_MESSAGE_BYTES;
            while is_inside(message[end]) {
                end -= 1;
            }
            message.truncate(end);
        }
        message
    }
}

impl Sink for Syslog {
    fn put(&mut self, record: Record<'_>) -> io::Result<()> {
        let message = self.message(record);
        let mut connection = match self.connection.take().filter(Connection::is_open) {
            Some(connection) => connection,
            None => Connection::open(&self.address)?,
        };
        connection.send(&message)?;
        self.connection = Some(connection);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn is_patient(&self) -> bool {
        true
    }
}

impl Connection {
    fn open(address: &SyslogAddress) -> io::Result<Self> {
        match address {
            SyslogAddress::Unix(path) => Self::open_unix(path),
            SyslogAddress::Udp(to) => {
                let to = first(to)?;
                let any: SocketAddr =
                    if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0; 8], 0).into() };
                let socket = UdpSocket::bind(any)?;
                socket.connect(to)?;
                Ok(Self::Udp(socket))
            }
            SyslogAddress::Tcp(to) => {
                let stream = TcpStream::connect_timeout(&first(to)?, TIMEOUT)?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                stream.set_nodelay(true)?;
                Ok(Self::Tcp(stream))
            }
        }
    }

    fn open_unix(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        match socket.connect(path) {
            Ok(()) => {
                socket.set_write_timeout(Some(TIMEOUT))?;
                Ok(Self::UnixDatagram(socket))
            }
            // It is of the other kind.
            Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => {
                let stream = UnixStream::connect(path)?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                Ok(Self::UnixStream(stream))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether nobody has closed it at the other end, as far as is known here.
    fn is_open(&self) -> bool {
        let socket = match self {
            Self::UnixDatagram(_) | Self::Udp(_) => return true,
            Self::UnixStream(stream) => SockRef::from(stream),
            Self::Tcp(stream) => SockRef::from(stream),
        };
        let mut byte = [MaybeUninit::uninit()];
        match socket.recv_with_flags(&mut byte, libc::MSG_PEEK | libc::MSG_DONTWAIT) {
            Ok(bytes) => bytes > 0,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }

    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        match self {
            Self::UnixDatagram(socket) => socket.send(message).map(|_| ()),
            Self::Udp(socket) => socket.send(message).map(|_| ()),
            Self::UnixStream(stream) => stream.write_all(&[message, b"\n"].concat()),
            Self::Tcp(stream) => {
                let length = format!("{} ", message.len());
                stream.write_all(&[length.as_bytes(), message].concat())
            }
        }
    }
}

fn first(host_and_port: &str) -> io::Result<SocketAddr> {
    let mut found = host_and_port.to_socket_addrs()?;
    found.next().ok_or_else(|| io::Error::other("the name has no address"))
}

#[cfg(test)]
mod tests {
    use super::super::record::Head;
    use super::*;

    #[test]
    fn a_long_message_is_cut_at_the_end_of_a_character() {
        let syslog = Syslog::new(SyslogAddress::Unix(PathBuf::new()), 1);
        let head = Head { kind: Kind::Event, severity: Severity::Error, unix_ms: 1 };
        for before in ["", "x"] {
            let line = format!("{before}{}\n", "\u{e9}".repeat(MAX_MESSAGE_BYTES));
            let message = syslog.message(Record { head, line: line.as_bytes() });
            assert!(message.starts_with(b"<11>1 1970-01-01T00:00:00.001Z "));
            assert!((MAX_MESSAGE_BYTES - 1..=MAX_MESSAGE_BYTES).contains(&message.len()));
            assert!(std::str::from_utf8(&message).is_ok_and(|text| text.ends_with('\u{e9}')));
        }
    }
}

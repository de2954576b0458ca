//! Addresses as text, without the machinery of formatting: a log line has two.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

/// The longest, an IPv6 address with its scope and port, has less.
const MAX_BYTES: usize = 80;

/// An address as text.
pub struct AddressText {
    bytes: [u8; MAX_BYTES],
    length: usize,
}

impl AddressText {
    pub fn of_ip(ip: IpAddr) -> Self {
        let mut text = Self { bytes: [0; MAX_BYTES], length: 0 };
        match ip {
            IpAddr::V4(ip) => {
                for (place, octet) in ip.octets().into_iter().enumerate() {
                    if place > 0 {
                        text.push(b".");
                    }
                    text.push(itoa::Buffer::new().format(octet).as_bytes());
                }
            }
            IpAddr::V6(ip) => text.print(format_args!("{ip}")),
        }
        text
    }

    pub fn of_socket(address: SocketAddr) -> Self {
        if address.is_ipv6() {
            let mut text = Self { bytes: [0; MAX_BYTES], length: 0 };
            text.print(format_args!("{address}"));
            return text;
        }
        let mut text = Self::of_ip(address.ip());
        text.push(b":");
        text.push(itoa::Buffer::new().format(address.port()).as_bytes());
        text
    }

    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..self.length]).expect("addresses are written in ASCII")
    }

    fn push(&mut self, part: &[u8]) {
        let end = self.length + part.len();
        self.bytes[self.length..end].copy_from_slice(part);
        self.length = end;
    }

    fn print(&mut self, text: std::fmt::Arguments<'_>) {
        let mut rest = &mut self.bytes[..];
        let _ = rest.write_fmt(text); // what has no room is cut
        self.length = MAX_BYTES - rest.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_the_library_has_it() {
        let longest = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";
        for text in ["0.0.0.0:0", "192.0.2.17:8080", "255.255.255.255:65535", "[::1]:1", longest] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(AddressText::of_socket(address).as_str(), text);
            assert_eq!(AddressText::of_ip(address.ip()).as_str(), address.ip().to_string());
        }
    }
}

//! Addresses as text, without the machinery of formatting, which costs more than what it is used for: a log line
//! has two, a request's headers one.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::object::Plain;

/// The longest, an IPv6 address with its scope and port, has less.
const MAX_BYTES: usize = 64;

/// Each octet with a dot behind it; what is left of the four bytes is nothing.
static DOTTED: [[u8; 4]; 256] = {
    let mut dotted = [[0; 4]; 256];
    let mut octet: u8 = 0;
    loop {
        let [hundreds, tens, ones] =
            [b'0' + octet / 100, b'0' + octet / 10 % 10, b'0' + octet % 10];
        dotted[octet as usize] = match octet {
            0..10 => [ones, b'.', 0, 0],
            10..100 => [tens, ones, b'.', 0],
            100.. => [hundreds, tens, ones, b'.'],
        };
        if octet == u8::MAX {
            break dotted;
        }
        octet += 1;
    }
};

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
                for octet in ip.octets() {
                    let end = text.length + DOTTED[0].len();
                    text.bytes[text.length..end].copy_from_slice(&DOTTED[usize::from(octet)]);
                    text.length += 2 + usize::from(octet >= 10) + usize::from(octet >= 100);
                }
                text.length -= 1; // no dot behind the last
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

    pub fn text(&self) -> Plain<'_> {
        Plain::new(&self.bytes[..self.length])
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
            assert_eq!(AddressText::of_socket(address).text().as_str(), text);
            assert_eq!(AddressText::of_ip(address.ip()).text().as_str(), address.ip().to_string());
        }
        for octet in 0..=255 {
            let ip = IpAddr::from([octet, 0, 255 - octet, octet]);
            assert_eq!(AddressText::of_ip(ip).text().as_str(), ip.to_string());
        }
    }
}

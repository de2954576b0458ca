//! Backends for the set-ups beside this file: each answers with its port and what it was asked.
//!
//! `cargo run --example backend -- 9001 9002 9003`

use std::io::{BufRead, BufReader, Result, Write};
use std::net::{TcpListener, TcpStream};

/// A request's header is read up to so many bytes; what is longer is not answered.
const MAX_HEADER_BYTES: usize = 64 << 10;

fn main() -> Result<()> {
    let ports: Vec<u16> = std::env::args().skip(1).filter_map(|port| port.parse().ok()).collect();
    if ports.is_empty() {
        eprintln!("usage: cargo run --example backend -- PORT...");
        std::process::exit(2);
    }
    std::thread::scope(|scope| {
        for &port in &ports {
            let listener = TcpListener::bind(("127.0.0.1", port))?;
            println!("backend http://127.0.0.1:{port}");
            scope.spawn(move || serve(&listener, port));
        }
        Ok(())
    })
}

fn serve(listener: &TcpListener, port: u16) {
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || {
            // A client that hangs up is none of this program's business.
            let _ = converse(&stream, port);
        });
    }
}

/// Answers one request after the other. Bodies are not read: the set-ups send none.
fn converse(stream: &TcpStream, port: u16) -> Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut header = String::new();
        while !header.ends_with("\r\n\r\n") {
            if reader.read_line(&mut header)? == 0 || header.len() > MAX_HEADER_BYTES {
                return Ok(());
            }
        }
        let body = format!("backend {port}\n\n{}", header.trim_end());
        write!(
            &mut &*stream,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}\n",
            body.len() + 1
        )?;
    }
}

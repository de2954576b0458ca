//! Who is told of alerts: a server that takes every webhook, and remembers when it came and what was in it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver as Inbox, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

/// Takes webhooks for as long as the process lives.
pub struct Receiver {
    pub address: SocketAddr,
    inbox: Inbox<Told>,
}

/// A notification.
pub struct Told {
    pub at: Instant,
    pub body: Value,
}

impl Receiver {
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (tell, inbox) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let tell = tell.clone();
                thread::spawn(move || serve(stream, &tell));
            }
        });
        Ok(Self { address, inbox })
    }

    /// The tables of configuration that have everybody told here, at once.
    pub fn tables(&self, alerts: &str) -> String {
        let address = self.address;
        format!(
            "[alerts]\ndefault_channels = [\"hook\"]\n{alerts}\n\
             [alerts.channels.hook]\nplugin = \"webhook\"\nallow = [\"{address}\"]\n\
             config = {{ url = \"http://{address}/\" }}\n"
        )
    }

    /// The next notification.
    pub fn next(&self, within: Duration) -> Result<Told> {
        self.inbox.recv_timeout(within).context("nobody was told in time")
    }
}

/// One connection; a client that breaks off ends it.
fn serve(stream: TcpStream, tell: &Sender<Told>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        let body = serde_json::from_slice(&body).ok()?;
        tell.send(Told { at: Instant::now(), body }).ok()?;
        stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()?;
    }
}

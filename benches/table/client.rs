//! A client that keeps its connection, takes every irregularity for an error, and retries nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

const PATIENCE: Duration = Duration::from_secs(30);
const MAX_HEAD_BYTES: usize = 64 << 10;
const MAX_BODY_BYTES: usize = 16 << 20;

/// One connection at a time to one server.
pub struct Client {
    server: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

/// What came back.
pub struct Response {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Client {
    pub fn new(server: SocketAddr) -> Self {
        Self { server, connection: None }
    }

    /// GET, which must be answered with 200.
    pub fn get(&mut self, path: &str) -> Result<Response> {
        let response = self.send("GET", path)?;
        ensure!(response.status == 200, "{} {}", response.status, response.body.trim());
        Ok(response)
    }

    /// Any method, any status.
    pub fn send(&mut self, method: &str, path: &str) -> Result<Response> {
        self.send_json(method, path, "")
    }

    /// The same, with a JSON body.
    pub fn send_json(&mut self, method: &str, path: &str, body: &str) -> Result<Response> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.server,
            body.len(),
        );
        connection.get_mut().write_all(request.as_bytes()).context("request not taken")?;
        let response = receive(&mut connection)?;
        if !response.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            self.connection = Some(connection);
        }
        Ok(response)
    }

    fn connect(&self) -> Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(self.server).context("no connection")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(BufReader::new(stream))
    }
}

fn receive(connection: &mut BufReader<TcpStream>) -> Result<Response> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let read = connection.read_line(&mut head).context("no answer")?;
        ensure!(read > 0, "closed before the answer was whole: {head:?}");
        ensure!(head.len() <= MAX_HEAD_BYTES, "endless header");
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let mut response = Response { status: status.context("no status")?, head, body: String::new() };
    if response.status == 204 {
        return Ok(response); // which has no body (RFC 9110, 15.3.5)
    }
    let length = response.header("content-length").context("an answer without Content-Length")?;
    let length: usize = length.parse()?;
    if length > MAX_BODY_BYTES {
        bail!("a body of {length} bytes");
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).context("half a body")?;
    response.body = String::from_utf8(body)?;
    Ok(response)
}

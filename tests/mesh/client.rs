//! A client that sends exactly the bytes that it is given, and reads answers strictly.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::wait::bounded;

/// One response.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case, in their order.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value; several are joined as HTTP does it.
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<_> =
            self.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A header as an echoing upstream saw it; `-` when it did not.
    pub fn seen(&self, name: &str) -> String {
        self.json()["headers"][name].as_str().unwrap_or("-").to_owned()
    }
}

/// A connection to the proxy, over which requests go one after the other.
pub struct Connection<S = TcpStream> {
    pub stream: S,
    /// Read, but not yet used.
    rest: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = bounded("a connection", TcpStream::connect(address)).await;
        Self::over(stream.unwrap_or_else(|error| panic!("{address}: {error}")))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub fn over(stream: S) -> Self {
        Self { stream, rest: Vec::new() }
    }

    /// Sends bytes. The other side may have gone: what it said before is still there to read.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = bounded("sending", self.stream.write_all(bytes.as_ref())).await;
    }

    /// Sends a request without a body and reads its answer.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")).await;
        self.answer().await
    }

    /// The next answer; an error when the connection ends first.
    pub async fn try_answer(&mut self) -> io::Result<Answer> {
        let mut answer = self.head().await?;
        let length = answer.header("content-length").and_then(|value| value.parse().ok());
        if answer.header("transfer-encoding").as_deref() == Some("chunked") {
            while let Some(chunk) = self.chunk().await? {
                answer.body.extend(chunk);
            }
        } else if let Some(length) = length {
            answer.body = self.take(length).await?;
        } else if answer.status >= 200 && ![204, 304].contains(&answer.status) {
            while self.fill().await? > 0 {}
            answer.body = std::mem::take(&mut self.rest);
        }
        Ok(answer)
    }

    pub async fn answer(&mut self) -> Answer {
        let answer = bounded("an answer", self.try_answer()).await;
        answer.unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// Status and headers only.
    pub async fn head(&mut self) -> io::Result<Answer> {
        let mut answer = Answer::default();
        let status_line = self.line().await?;
        answer.status = status_line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .unwrap_or_else(|| panic!("{status_line:?} is no status line"));
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(answer);
            }
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?}"));
            answer.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }

    /// One chunk of a chunked body; `None` is its end.
    pub async fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let size = self.line().await?;
        let size = usize::from_str_radix(&size, 16).unwrap_or_else(|_| panic!("{size:?}"));
        if size == 0 {
            while !self.line().await?.is_empty() {}
            return Ok(None);
        }
        let chunk = self.take(size).await?;
        assert_eq!(self.take(2).await?, b"\r\n");
        Ok(Some(chunk))
    }

    /// Whether the other side closed the connection without another byte.
    pub async fn is_closed(&mut self) -> bool {
        let read = bounded("the connection's end", self.fill()).await;
        self.rest.is_empty() && read.map_or(true, |read| read == 0)
    }

    /// Exactly so many bytes.
    pub async fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.rest.len() < count {
            self.must_fill().await?;
        }
        Ok(self.rest.drain(..count).collect())
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.rest.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.rest.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            self.must_fill().await?;
        }
    }

    async fn must_fill(&mut self) -> io::Result<()> {
        match self.fill().await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.stream.read_buf(&mut self.rest).await
    }
}

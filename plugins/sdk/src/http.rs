//! HTTP for health checks: one request, its whole response.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use proconsul_plugin::{health_check::{Endpoint, NetworkError}, http};
//! # fn is_ready(endpoint: &Endpoint) -> Result<bool, NetworkError> {
//! let response = http::Request::get(&http::url(endpoint, "/ready"))
//!     .header("Accept", "application/json")
//!     .timeout(Duration::from_secs(1))
//!     .send()?;
//! Ok(response.status == 200)
//! # }
//! ```

use std::time::Duration;

use crate::bindings::health_check::wasi::http::outgoing_handler::handle;
use crate::bindings::health_check::wasi::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme,
};
use crate::health_check::{Endpoint, NetworkError};
use crate::wait::Until;

/// Bytes of a body that are read where the request says nothing else.
const MAX_BODY_BYTES: usize = 1 << 20;

/// Bytes that are read from the host at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// The URL of a path on the endpoint, by its host as configured: `http://web.internal:8080/ready`.
pub fn url(endpoint: &Endpoint, path: &str) -> String {
    let (before, after) = match endpoint.host.contains(':') {
        true => ("[", "]"),
        false => ("", ""),
    };
    format!("http://{before}{}{after}:{}{path}", endpoint.host, endpoint.port)
}

/// Gets a URL.
pub fn get(url: &str) -> Result<Response, NetworkError> {
    Request::get(url).send()
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Such as 200.
    pub status: u16,
    /// In the order in which they came, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// All of the body.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of a header, by its name in lower case, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name)?;
        std::str::from_utf8(value).ok()
    }
}

/// A request to be sent. Redirections are not followed: they are answers as well.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    timeout: Option<Duration>,
    max_body_bytes: usize,
}

impl Request {
    /// A `GET`.
    pub fn get(url: &str) -> Self {
        Self::new("GET", url)
    }

    /// Any method, in upper case.
    pub fn new(method: &str, url: &str) -> Self {
        Self {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: None,
            max_body_bytes: MAX_BODY_BYTES,
        }
    }

    /// Adds a header. `Host` is the URL's, and cannot be set.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives it a body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// How long it may take, to the response's last byte; by default as long as the check may.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How large the response's body may be; 1 MiB by default.
    pub fn max_body_bytes(mut self, bytes: usize) -> Self {
        self.max_body_bytes = bytes;
        self
    }

    /// Sends it, and waits for the whole response.
    pub fn send(self) -> Result<Response, NetworkError> {
        let until = Until::within(self.timeout);
        let request = self.to_host()?;
        let body = match self.body.is_empty() {
            true => None,
            false => Some(request.body().map_err(|()| NetworkError::Other)?),
        };
        let pending = handle(request, None).map_err(error)?;
        if let Some(body) = body {
            write(until, body, &self.body)?;
        }
        let response = loop {
            match pending.get() {
                Some(response) => break response,
                None => until.wait(&pending.subscribe())?,
            }
        };
        let response = response.map_err(|()| NetworkError::Other)?.map_err(error)?;
        read(until, &response, self.max_body_bytes)
    }

    fn to_host(&self) -> Result<OutgoingRequest, NetworkError> {
        let (scheme, rest) = match self.url.split_once("://") {
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(("https", rest)) => (Scheme::Https, rest),
            _ => return Err(NetworkError::NotAnAddress),
        };
        let path_at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(path_at);
        let headers = Fields::new();
        for (name, value) in &self.headers {
            headers.append(name, value.as_bytes()).map_err(|_| NetworkError::Denied)?;
        }
        if !self.body.is_empty() {
            let length = self.body.len().to_string();
            headers
                .set("content-length", &[length.into_bytes()])
                .map_err(|_| NetworkError::Other)?;
        }
        let request = OutgoingRequest::new(headers);
        let wrong = |()| NetworkError::NotAnAddress;
        request.set_method(&method(&self.method)).map_err(wrong)?;
        request.set_scheme(Some(&scheme)).map_err(wrong)?;
        request.set_authority(Some(authority)).map_err(wrong)?;
        let path = if path.is_empty() { "/" } else { path };
        request.set_path_with_query(Some(path)).map_err(wrong)?;
        Ok(request)
    }
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        other => Method::Other(other.to_owned()),
    }
}

fn write(until: Until, body: OutgoingBody, mut bytes: &[u8]) -> Result<(), NetworkError> {
    let stream = body.write().map_err(|()| NetworkError::Other)?;
    while !bytes.is_empty() {
        let room = stream.check_write().map_err(|_| NetworkError::Closed)? as usize;
        if room == 0 {
            until.wait(&stream.subscribe())?;
            continue;
        }
        let (now, later) = bytes.split_at(room.min(bytes.len()));
        stream.write(now).map_err(|_| NetworkError::Closed)?;
        bytes = later;
    }
    stream.flush().map_err(|_| NetworkError::Closed)?;
    drop(stream);
    OutgoingBody::finish(body, None).map_err(error)
}

fn read(until: Until, response: &IncomingResponse, most: usize) -> Result<Response, NetworkError> {
    let status = response.status();
    let headers = response.headers().entries();
    let incoming = response.consume().map_err(|()| NetworkError::Other)?;
    let stream = incoming.stream().map_err(|()| NetworkError::Other)?;
    let mut body = Vec::new();
    loop {
        let more = until.read(&stream, CHUNK_BYTES)?;
        if more.is_empty() {
            return Ok(Response { status, headers, body });
        }
        if body.len() + more.len() > most {
            return Err(NetworkError::TooLarge);
        }
        body.extend(more);
    }
}

fn error(code: ErrorCode) -> NetworkError {
    match code {
        ErrorCode::HttpRequestDenied
        | ErrorCode::DestinationIpProhibited
        | ErrorCode::ConnectionLimitReached => NetworkError::Denied,
        ErrorCode::ConnectionRefused => NetworkError::Refused,
        ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::HttpResponseTimeout => NetworkError::TimedOut,
        ErrorCode::ConnectionTerminated | ErrorCode::HttpResponseIncomplete => NetworkError::Closed,
        ErrorCode::DnsError(_) | ErrorCode::DnsTimeout => NetworkError::NoSuchName,
        ErrorCode::HttpResponseBodySize(_)
        | ErrorCode::HttpResponseHeaderSectionSize(_)
        | ErrorCode::HttpResponseHeaderSize(_) => NetworkError::TooLarge,
        ErrorCode::HttpRequestUriInvalid => NetworkError::NotAnAddress,
        ErrorCode::HttpProtocolError
        | ErrorCode::TlsProtocolError
        | ErrorCode::TlsCertificateError => NetworkError::Protocol,
        _ => NetworkError::Other,
    }
}

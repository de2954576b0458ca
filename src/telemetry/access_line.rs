//! The form of an access-log line, and which requests get one.
//!
//! What an operator chose (fields, headers, what is hidden) is resolved here once, when the
//! configuration is built. Every value is escaped: a client can write nothing that ends a line or begins a
//! key.

use std::borrow::Cow;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use serde_json::{Map, Value};

use super::json_line::JsonLine;
use super::jwt_claim;
use super::log::Severity;
use super::moment::Moment;
use super::object::{KeyBuf, Object, Plain, key};

/// A header's value is cut here, at a character's end.
const MAX_VALUE_BYTES: usize = 1024;

/// Stands where a value is hidden.
const MASK: &str = "***";

/// What a line may say under `fields`, by the names that the configuration uses.
pub const FIELDS: [&str; 12] = [
    "client_ip",
    "method",
    "host",
    "path",
    "protocol",
    "route",
    "upstream",
    "status",
    "bytes_in",
    "bytes_out",
    "duration_us",
    "tries",
];

/// A field, once its name was looked up.
#[derive(Debug, Clone, Copy)]
enum Field {
    ClientIp,
    Method,
    Host,
    Path,
    Protocol,
    Route,
    Upstream,
    Status,
    BytesIn,
    BytesOut,
    DurationUs,
    Tries,
}

/// In the order of their names in [`FIELDS`].
const KINDS: [Field; FIELDS.len()] = [
    Field::ClientIp,
    Field::Method,
    Field::Host,
    Field::Path,
    Field::Protocol,
    Field::Route,
    Field::Upstream,
    Field::Status,
    Field::BytesIn,
    Field::BytesOut,
    Field::DurationUs,
    Field::Tries,
];

/// A request that has ended.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// When the request came, as a Unix time in milliseconds.
    pub unix_ms: u64,
    pub request_id: &'a str,
    pub trace_id: Plain<'a>,
    pub client_ip: Plain<'a>,
    /// A token, as HTTP has it.
    pub method: Plain<'a>,
    pub host: &'a str,
    /// With its query.
    pub path: &'a str,
    pub protocol: Plain<'a>,
    pub route: &'a str,
    pub service: &'a str,
    /// Where the response came from; empty when the proxy answered.
    pub upstream: Plain<'a>,
    pub status: u16,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub duration_us: u64,
    /// Endpoints that the request was sent to.
    pub tries: usize,
    /// Why the proxy answered by itself; empty when it did not.
    pub error: Plain<'a>,
    pub request_headers: &'a HeaderMap,
    pub response_headers: Option<&'a HeaderMap>,
}

/// What the operator chose.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Choice {
    /// Of [`FIELDS`].
    pub fields: Vec<String>,
    pub request_headers: Vec<HeaderName>,
    pub response_headers: Vec<HeaderName>,
    /// Headers whose values are hidden.
    pub mask_headers: Vec<HeaderName>,
    /// Query parameters whose values are hidden.
    pub mask_query: Vec<String>,
    /// The share of requests answered with 2xx that get a line: 0 to 1.
    pub sample_2xx: f64,
    /// What names the user. Nobody has verified it.
    pub user_id: Option<UserId>,
}

/// Where a user's name is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserId {
    /// In a request header.
    Header(HeaderName),
    /// In this claim of a JSON Web Token.
    JwtClaim(String),
}

/// A [`Choice`], ready for use.
#[derive(Debug)]
pub struct Form {
    fields: Vec<Named>,
    request_headers: Vec<Shown>,
    response_headers: Vec<Shown>,
    mask_query: Vec<String>,
    sample_2xx: f64,
    user_id: Option<UserId>,
}

/// A field that was chosen.
#[derive(Debug)]
struct Named {
    key: KeyBuf,
    field: Field,
}

/// A header that was chosen.
#[derive(Debug)]
struct Shown {
    name: HeaderName,
    key: KeyBuf,
    masked: bool,
}

impl Form {
    pub fn new(choice: Choice) -> Self {
        let Choice {
            fields,
            request_headers,
            response_headers,
            mask_headers,
            mask_query,
            sample_2xx,
            user_id,
        } = choice;
        let shown = |names: Vec<HeaderName>| {
            let shown = |name: HeaderName| Shown {
                masked: mask_headers.contains(&name),
                key: KeyBuf::new(name.as_str()),
                name,
            };
            names.into_iter().map(shown).collect()
        };
        let named = FIELDS.into_iter().zip(KINDS);
        let chosen = named.filter(|&(name, _)| fields.iter().any(|own| own == name));
        Self {
            fields: chosen.map(|(name, field)| Named { key: KeyBuf::new(name), field }).collect(),
            request_headers: shown(request_headers),
            response_headers: shown(response_headers),
            mask_query,
            sample_2xx,
            user_id,
        }
    }

    /// Whether a request gets a line: all but 2xx do, of those a share. Every proxy that uses the same
    /// share takes the same traces.
    pub fn takes(&self, status: u16, trace_id: Plain<'_>) -> bool {
        if self.sample_2xx >= 1.0 || !(200..300).contains(&status) {
            return true;
        }
        // The right part of a trace's id is the random one.
        let digits = trace_id.as_str().get(16..32).unwrap_or_default();
        let number = u64::from_str_radix(digits, 16).unwrap_or(0);
        (number as f64) < self.sample_2xx * u64::MAX as f64
    }

    /// Appends the line, with its newline.
    pub fn write(&self, entry: &Entry<'_>, lines: &mut Vec<u8>) {
        let mut line = JsonLine::begin(lines);
        self.describe(entry, &mut line);
        line.end();
    }

    /// What the line says, as a value.
    pub fn value(&self, entry: &Entry<'_>) -> Map<String, Value> {
        let mut value = Map::new();
        self.describe(entry, &mut value);
        value
    }

    fn describe(&self, entry: &Entry<'_>, record: &mut impl Object) {
        let severity = Severity::of_status(entry.status);
        record.plain(key!("timestamp"), Moment::of(entry.unix_ms).text());
        record.plain(key!("level"), Plain::new(severity.as_str().as_bytes()));
        record.plain(key!("message"), Plain::new(b"request"));
        self.describe_request(entry, record);
    }

    /// All that stands behind the message.
    pub(super) fn describe_request(&self, entry: &Entry<'_>, record: &mut impl Object) {
        record.text(key!("service"), entry.service);
        record.text(key!("request_id"), entry.request_id);
        record.plain(key!("trace_id"), entry.trace_id);
        record.text(key!("user_id"), &self.user_id(entry));
        record.object(key!("fields"), |record| self.describe_fields(entry, record));
    }

    fn describe_fields(&self, entry: &Entry<'_>, record: &mut impl Object) {
        for Named { key, field } in &self.fields {
            let key = key.get();
            match field {
                Field::ClientIp => record.plain(key, entry.client_ip),
                Field::Method => record.plain(key, entry.method),
                Field::Host => record.text(key, entry.host),
                Field::Path => record.text(key, &masked_path(entry.path, &self.mask_query)),
                Field::Protocol => record.plain(key, entry.protocol),
                Field::Route => record.text(key, entry.route),
                Field::Upstream => record.plain(key, entry.upstream),
                Field::Status => record.number(key, entry.status.into()),
                Field::BytesIn => record.number(key, entry.bytes_in),
                Field::BytesOut => record.number(key, entry.bytes_out),
                Field::DurationUs => record.number(key, entry.duration_us),
                Field::Tries => record.number(key, entry.tries as u64),
            }
        }
        record.plain(key!("error"), entry.error);
        let of_request =
            (key!("request_headers"), &self.request_headers, Some(entry.request_headers));
        let of_response =
            (key!("response_headers"), &self.response_headers, entry.response_headers);
        for (key, shown, headers) in [of_request, of_response] {
            if !shown.is_empty() {
                record.object(key, |record| describe_headers(shown, headers, record));
            }
        }
        if let Some(rate) = self.sample_rate(entry) {
            record.share(key!("sample_rate"), rate);
        }
    }

    /// Who the user is; empty when nobody says so.
    fn user_id<'e>(&self, entry: &Entry<'e>) -> Cow<'e, str> {
        let of = |name: &HeaderName| entry.request_headers.get(name);
        match &self.user_id {
            None => Cow::Borrowed(""),
            Some(UserId::Header(name)) => {
                of(name).map_or(Cow::Borrowed(""), |value| text(value.as_bytes()))
            }
            Some(UserId::JwtClaim(claim)) => {
                let value = of(&AUTHORIZATION).and_then(|value| jwt_claim::claim(value, claim));
                let text = |value: String| text(value.as_bytes()).into_owned();
                value.map_or(Cow::Borrowed(""), |value| Cow::Owned(text(value)))
            }
        }
    }

    /// Which share it was taken of, where a line stands for others too.
    fn sample_rate(&self, entry: &Entry<'_>) -> Option<f64> {
        let is_sampled = self.sample_2xx < 1.0
            && (200..300).contains(&entry.status)
            && entry.error.as_bytes().is_empty();
        is_sampled.then_some(self.sample_2xx)
    }
}

/// The headers that were chosen, of those that there are.
fn describe_headers(shown: &[Shown], headers: Option<&HeaderMap>, record: &mut impl Object) {
    for Shown { name, key, masked } in shown {
        match headers.and_then(|headers| headers.get(name)) {
            None => {}
            Some(_) if *masked => record.text(key.get(), MASK),
            Some(value) => record.text(key.get(), &text(value.as_bytes())),
        }
    }
}

/// A header's value as text, cut to a bound; what is no UTF-8 is replaced.
fn text(value: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(&value[..value.len().min(MAX_VALUE_BYTES)])
}

/// The path with the values of some query parameters hidden.
fn masked_path<'a>(path: &'a str, masked: &[String]) -> Cow<'a, str> {
    let Some((bare, query)) = path.split_once('?') else { return Cow::Borrowed(path) };
    if masked.is_empty() {
        return Cow::Borrowed(path);
    }
    // A name may be written in percent signs; it is the same name to who reads it.
    let is_masked = |pair: &str| {
        form_urlencoded::parse(pair.as_bytes())
            .any(|(name, _)| masked.iter().any(|own| own.eq_ignore_ascii_case(&name)))
    };
    let pairs: Vec<Cow<'_, str>> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if is_masked(pair) => Cow::Owned(format!("{name}={MASK}")),
            _ => Cow::Borrowed(pair),
        })
        .collect();
    Cow::Owned(format!("{bare}?{}", pairs.join("&")))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::Value;

    use super::*;

    fn choice() -> Choice {
        Choice { fields: FIELDS.map(str::to_owned).to_vec(), sample_2xx: 1.0, ..Choice::default() }
    }

    fn written(choice: Choice, headers: &HeaderMap, path: &str) -> Value {
        let entry = Entry {
            unix_ms: 1,
            request_id: "r",
            trace_id: Plain::new(b"t"),
            client_ip: Plain::new(b"::1"),
            method: Plain::new(b"GET"),
            host: "h",
            path,
            protocol: Plain::new(b"HTTP/1.1"),
            route: "api",
            service: "web",
            upstream: Plain::new(b"127.0.0.1:1"),
            status: 200,
            bytes_in: 0,
            bytes_out: 3,
            duration_us: 9,
            tries: 1,
            error: Plain::EMPTY,
            request_headers: headers,
            response_headers: None,
        };
        let mut line = Vec::new();
        Form::new(choice).write(&entry, &mut line);
        assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
        serde_json::from_slice(&line).unwrap()
    }

    #[test]
    fn a_line_is_one_json_object_whatever_it_quotes() {
        let value = written(choice(), &HeaderMap::new(), "/\"\n\u{7f}é");
        assert_eq!(value["timestamp"], "1970-01-01T00:00:00.001Z");
        assert_eq!(value["fields"]["path"], "/\"\n\u{7f}é");
        assert_eq!(value["fields"]["status"], 200);
        assert_eq!((&value["level"], &value["service"]), (&"info".into(), &"web".into()));
    }

    #[test]
    fn hostile_headers_are_quoted_cut_and_hidden() {
        let mut headers = HeaderMap::new();
        headers.insert("x-user", HeaderValue::from_bytes(b"a\",\"level\":\"x\t\xff").unwrap());
        headers.insert("x-long", HeaderValue::from_str(&"y".repeat(5000)).unwrap());
        headers.insert("cookie", HeaderValue::from_static("secret"));
        let names = ["x-user", "x-long", "cookie", "x-none"];
        let value = written(
            Choice {
                request_headers: names.map(HeaderName::from_static).to_vec(),
                mask_headers: vec![http::header::COOKIE],
                user_id: Some(UserId::Header(HeaderName::from_static("x-user"))),
                ..choice()
            },
            &headers,
            "/",
        );
        let shown = &value["fields"]["request_headers"];
        assert_eq!(value["user_id"], "a\",\"level\":\"x\t\u{fffd}");
        assert_eq!(shown["x-long"].as_str().unwrap().len(), MAX_VALUE_BYTES);
        assert_eq!(shown["cookie"], MASK);
        assert_eq!(shown["x-none"], Value::Null);
    }

    #[test]
    fn named_query_parameters_are_hidden_however_they_are_spelt() {
        let masked = ["token".to_owned()];
        for (path, expected) in [
            ("/a?token=1&b=2", "/a?token=***&b=2"),
            ("/a?b=2&TOKEN=1=2", "/a?b=2&TOKEN=***"),
            ("/a?%74oken=1", "/a?%74oken=***"),
            ("/a?token", "/a?token"),
            ("/a?", "/a?"),
            ("/token=1", "/token=1"),
        ] {
            assert_eq!(masked_path(path, &masked), expected, "{path}");
        }
    }

    #[test]
    fn errors_are_always_taken_and_successes_by_their_trace() {
        let form = Form::new(Choice { sample_2xx: 0.25, ..choice() });
        let trace = |end: u64| format!("{:016x}{end:016x}", 7);
        for status in [0, 301, 404, 500] {
            assert!(form.takes(status, Plain::new(trace(u64::MAX).as_bytes())), "{status}");
        }
        assert!(form.takes(200, Plain::new(trace(u64::MAX / 5).as_bytes())));
        assert!(!form.takes(200, Plain::new(trace(u64::MAX / 3).as_bytes())));
        let never = Form::new(Choice { sample_2xx: 0.0, ..choice() });
        assert!(!never.takes(204, Plain::new(trace(0).as_bytes())));
    }

    #[test]
    fn only_chosen_fields_are_there() {
        let value = written(
            Choice { fields: vec!["status".to_owned()], ..choice() },
            &HeaderMap::new(),
            "/",
        );
        let fields: Vec<&String> = value["fields"].as_object().unwrap().keys().collect();
        assert_eq!(fields, ["error", "status"]);
    }
}

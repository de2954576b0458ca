//! One step of a request, with its begin, its end and what is to be known of it.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{self, Status};

use super::attribute;

/// A span's id within its trace. Never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanId(u64);

impl SpanId {
    /// A new one.
    pub fn random() -> Self {
        Self(fastrand::u64(..).max(1))
    }

    /// The id that was written in 16 hexadecimal digits.
    pub fn from_hex(digits: &str) -> Option<Self> {
        u64::from_str_radix(digits, 16).ok().filter(|&id| id != 0).map(Self)
    }

    /// Its number, whose hexadecimal digits are its spelling.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// On which side of a call a span stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It answers one.
    Server,
    /// It makes one.
    Client,
    /// Neither.
    Internal,
}

/// What all spans of a request have in common.
#[derive(Debug, Clone)]
pub struct Trace {
    pub id: u128,
    /// `traceparent`'s flags.
    pub flags: u8,
    /// `tracestate` as it came.
    pub state: String,
    pub clock: Clock,
}

/// Makes times of day of instants, so that a span's end never comes before its begin.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    at: Instant,
    unix_ns: u64,
}

impl Clock {
    /// Reads both clocks.
    pub fn now() -> Self {
        Self { at: Instant::now(), unix_ns: unix_ns() }
    }

    fn unix_ns(&self, instant: Instant) -> u64 {
        let nanos = |span: std::time::Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        match instant.checked_duration_since(self.at) {
            Some(after) => self.unix_ns.saturating_add(nanos(after)),
            None => self.unix_ns.saturating_sub(nanos(self.at.duration_since(instant))),
        }
    }
}

/// The time of day.
pub(super) fn unix_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// A step. Begun by [`Trace::begin`], ended by [`Span::end`].
#[derive(Debug, Clone, PartialEq)]
pub struct Span(pub(super) v1::Span);

impl Trace {
    /// A span that begins at `at`, below `parent`.
    pub fn begin(
        &self,
        name: String,
        kind: Kind,
        id: SpanId,
        parent: Option<SpanId>,
        at: Instant,
    ) -> Span {
        let kind = match kind {
            Kind::Server => SpanKind::Server,
            Kind::Client => SpanKind::Client,
            Kind::Internal => SpanKind::Internal,
        };
        Span(v1::Span {
            trace_id: self.id.to_be_bytes().to_vec(),
            span_id: id.0.to_be_bytes().to_vec(),
            trace_state: self.state.clone(),
            parent_span_id: parent.map_or_else(Vec::new, |parent| parent.0.to_be_bytes().to_vec()),
            flags: u32::from(self.flags),
            name,
            kind: kind.into(),
            start_time_unix_nano: self.clock.unix_ns(at),
            ..v1::Span::default()
        })
    }
}

impl Span {
    /// Adds a text; an empty one says nothing.
    pub fn text(&mut self, key: &str, value: &str) -> &mut Self {
        if !value.is_empty() {
            self.0.attributes.push(attribute::text(key, value));
        }
        self
    }

    /// Adds a number.
    pub fn number(&mut self, key: &str, value: i64) -> &mut Self {
        self.0.attributes.push(attribute::number(key, value));
        self
    }

    /// Is called otherwise from now on.
    pub fn rename(&mut self, name: &str) -> &mut Self {
        name.clone_into(&mut self.0.name);
        self
    }

    /// Says that it failed, by a word of few.
    pub fn failed(&mut self, error: &str) -> &mut Self {
        self.text("error.type", error);
        self.0.status = Some(Status { message: String::new(), code: StatusCode::Error.into() });
        self
    }

    /// Says when it ended.
    pub fn end(mut self, clock: &Clock, at: Instant) -> Self {
        self.0.end_time_unix_nano = clock.unix_ns(at).max(self.0.start_time_unix_nano);
        self
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_the_clocks_and_never_run_backwards() {
        let clock = Clock::now();
        let trace = Trace { id: 1, flags: 1, state: String::new(), clock };
        let begun = clock.at.checked_sub(Duration::from_millis(3)).unwrap();
        let begin = || trace.begin("x".into(), Kind::Internal, SpanId(7), None, begun);
        assert_eq!(begin().0.start_time_unix_nano, clock.unix_ns - 3_000_000);
        let ended = begin().end(&clock, clock.at + Duration::from_millis(2));
        assert_eq!(ended.0.end_time_unix_nano, clock.unix_ns + 2_000_000);
        let early = begin().end(&clock, begun.checked_sub(Duration::from_secs(1)).unwrap());
        assert_eq!(early.0.end_time_unix_nano, early.0.start_time_unix_nano);
    }

    #[test]
    fn ids_are_written_as_they_are_read() {
        assert_eq!(SpanId::from_hex("00f067aa0ba902b7"), Some(SpanId(0x00f0_67aa_0ba9_02b7)));
        assert_eq!(SpanId::from_hex("0000000000000000"), None);
        assert_eq!(SpanId::from_hex("x"), None);
    }
}

//! Names for a request: its `X-Request-Id`, and its place in a W3C trace.

use std::ops::Range;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::glance::Glance;
use crate::telemetry::object::Plain;
use crate::telemetry::otlp::Sampler;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(super) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Somebody wants the trace: of `traceparent`'s flags, the first.
const SAMPLED: u8 = 1;

/// That, and that the trace's id is random.
const KNOWN_FLAGS: u8 = 3;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Longer ids are replaced: they go into every log line.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// What a request is called, here and at its upstream.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub request_id: HeaderValue,
    pub traceparent: HeaderValue,
    /// The client brought a `traceparent` that is valid: it is passed on as it came.
    pub continues_trace: bool,
}

impl Names {
    /// Takes over what the client brought where it is well-formed, and makes the rest. Of traces that begin here
    /// `sampler` takes some; without one, it is left to whoever comes next.
    pub(super) fn of(seen: &Glance<'_>, sampler: Option<Sampler>) -> Self {
        let brought_id = seen.request_id.filter(|value| is_request_id(value));
        let brought_trace = seen.traceparent.filter(|value| is_traceparent(value));
        let continues_trace = brought_trace.is_some();
        if let (Some(id), Some(trace)) = (brought_id, brought_trace) {
            return Self { request_id: id.clone(), traceparent: trace.clone(), continues_trace };
        }
        // A new request's id is its trace's: one number to look for. Both share one buffer.
        let trace = begin_trace(sampler);
        let id = || header_value(trace.slice(3..35));
        Self {
            request_id: brought_id.cloned().unwrap_or_else(id),
            traceparent: brought_trace.cloned().unwrap_or_else(|| header_value(trace.clone())),
            continues_trace,
        }
    }

    /// The `X-Request-Id`.
    pub(super) fn request_id(&self) -> &str {
        str::from_utf8(self.request_id.as_bytes()).unwrap_or_default()
    }

    /// The trace's id: 32 hex digits.
    pub(super) fn trace_id(&self) -> Plain<'_> {
        Plain::new(self.part(3..35))
    }

    /// The trace's id as a number.
    pub(super) fn trace_number(&self) -> Option<u128> {
        u128::from_str_radix(self.trace_id().as_str(), 16).ok()
    }

    /// The span that the trace goes on from: 16 hex digits.
    pub(super) fn span_id(&self) -> Plain<'_> {
        Plain::new(self.part(36..52))
    }

    /// What the next one is told: of the flags, those that are known here.
    pub(super) fn flags(&self) -> u8 {
        u8::from_str_radix(Plain::new(self.part(53..55)).as_str(), 16).unwrap_or(0) & KNOWN_FLAGS
    }

    /// Whether the trace is taken.
    pub(super) fn is_sampled(&self) -> bool {
        self.flags() & SAMPLED != 0
    }

    fn part(&self, place: Range<usize>) -> &[u8] {
        self.traceparent.as_bytes().get(place).unwrap_or_default()
    }
}

/// Sixteen digits, from the most significant on.
fn hex(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    digits[..8].copy_from_slice(&eight_digits((number >> 32) as u32));
    digits[8..].copy_from_slice(&eight_digits(number as u32));
    digits
}

/// All eight at once: each digit's four bits are moved to a byte of their own, and become letters.
fn eight_digits(number: u32) -> [u8; 8] {
    let spread = u64::from(number);
    let spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff;
    let spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff;
    let spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    let above_nine = ((spread + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    let to_letters = u64::from(b'a' - b'9' - 1);
    (spread + 0x3030_3030_3030_3030 + above_nine * to_letters).to_be_bytes()
}

/// A new trace with a random id. It is sampled where nobody says otherwise.
fn begin_trace(sampler: Option<Sampler>) -> Bytes {
    let (upper, lower) = (fastrand::u64(..).max(1), fastrand::u64(..));
    let is_sampled = sampler.is_none_or(|sampler| sampler.takes(lower));
    let flags = if is_sampled { SAMPLED } else { 0 };
    // One allocation, however many share it.
    Bytes::from_owner(written([upper, lower], fastrand::u64(..).max(1), flags))
}

/// A `traceparent`.
fn written(trace: [u64; 2], span: u64, flags: u8) -> [u8; 55] {
    let mut value = *b"00-00000000000000000000000000000000-0000000000000000-00";
    value[3..19].copy_from_slice(&hex(trace[0]));
    value[19..35].copy_from_slice(&hex(trace[1]));
    value[36..52].copy_from_slice(&hex(span));
    value[54] = b'0' + flags;
    value
}

/// The `traceparent` of a span. Of `flags`, those that are known count.
pub(super) fn header_of(trace: u128, span: u64, flags: u8) -> HeaderValue {
    let halves = [(trace >> 64) as u64, trace as u64];
    header_value(Bytes::from_owner(written(halves, span, flags & KNOWN_FLAGS)))
}

fn header_value(text: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(text).expect("hex digits and dashes are a header value")
}

fn is_request_id(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    (1..=MAX_REQUEST_ID_BYTES).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

/// W3C Trace Context, version 00: `00-<32 hex>-<16 hex>-<2 hex>`, ids not all zero. A later version
/// (ff is none) begins alike, and may go on after another dash.
fn is_traceparent(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    let is_hex = |part: &[u8]| part.iter().all(|b| HEX.contains(b));
    let ends_well = match (bytes.get(..2), bytes.get(55)) {
        (_, None) => true,
        (Some(b"00"), Some(_)) => false,
        (_, Some(next)) => *next == b'-',
    };
    bytes.len() >= 55
        && ends_well
        && is_hex(&bytes[..2])
        && &bytes[..2] != b"ff"
        && (bytes[2], bytes[35], bytes[52]) == (b'-', b'-', b'-')
        && is_hex(&bytes[3..35])
        && is_hex(&bytes[36..52])
        && is_hex(&bytes[53..55])
        && bytes[3..35].iter().any(|&b| b != b'0')
        && bytes[36..52].iter().any(|&b| b != b'0')
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn names_for(name: &'static str, value: &str) -> Names {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        Names::of(&Glance::at(&headers), None)
    }

    #[test]
    fn digits_are_the_formatters() {
        for number in [0, 0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, u64::MAX, 0x9a0f] {
            let written = String::from_utf8(hex(number).to_vec()).unwrap();
            assert_eq!(written, format!("{number:016x}"));
        }
    }

    #[test]
    fn a_good_trace_is_continued_and_a_bad_one_replaced() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        let names = names_for("traceparent", good);
        assert!(names.continues_trace);
        assert_eq!(names.traceparent, good);
        assert_eq!(names.trace_id().as_str(), "4bf92f3577b34da6a3ce929d0e0e4736");
        for bad in [
            "00-00000000000000000000000000000000-00f067aa0ba902b7-00",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00.more",
            "cz-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            "0",
            "",
        ] {
            let names = names_for("traceparent", bad);
            assert!(!names.continues_trace, "{bad}");
            assert!(is_traceparent(&names.traceparent));
        }
    }

    #[test]
    fn a_later_version_is_read_as_the_first_and_passed_on() {
        for later in [
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-is-new",
        ] {
            let names = names_for("traceparent", later);
            assert!(names.continues_trace, "{later}");
            assert_eq!(names.traceparent, later);
            assert_eq!(names.trace_id().as_str(), "4bf92f3577b34da6a3ce929d0e0e4736");
        }
    }

    #[test]
    fn a_request_id_is_kept_if_it_can_stand_in_a_log() {
        assert_eq!(names_for("x-request-id", "abc-1").request_id, "abc-1");
        assert_eq!(names_for("x-request-id", "a b").request_id.len(), 32);
        assert_eq!(names_for("x-request-id", &"x".repeat(200)).request_id.len(), 32);
    }
}

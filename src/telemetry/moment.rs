//! Moments as logs write them: RFC 3339, UTC, to the millisecond.

use std::cell::Cell;

use jiff::Timestamp;

use super::object::Plain;

/// `2030-01-31T23:59:59`, without what comes after the seconds.
const SECOND_BYTES: usize = 19;

type Second = [u8; SECOND_BYTES];

thread_local! {
    /// The second that was written last: the next line is mostly of the same one.
    static LAST: Cell<(u64, Second)> = const { Cell::new((u64::MAX, [0; SECOND_BYTES])) };
}

/// A moment as text.
pub struct Moment([u8; SECOND_BYTES + 5]);

impl Moment {
    /// Of a Unix time in milliseconds.
    pub fn of(unix_ms: u64) -> Self {
        let (second, millis) = (unix_ms / 1000, unix_ms % 1000);
        let (last, mut text) = LAST.get();
        if last != second {
            text = written(second);
            LAST.set((second, text));
        }
        let digit = |part: u64| b'0' + (part % 10) as u8;
        let mut bytes = [b'Z'; SECOND_BYTES + 5];
        bytes[..SECOND_BYTES].copy_from_slice(&text);
        let millis = [b'.', digit(millis / 100), digit(millis / 10), digit(millis)];
        bytes[SECOND_BYTES..SECOND_BYTES + 4].copy_from_slice(&millis);
        Self(bytes)
    }

    pub fn text(&self) -> Plain<'_> {
        Plain::new(&self.0)
    }
}

/// What no calendar has is written as the beginning of time.
fn written(second: u64) -> Second {
    let moment = i64::try_from(second).ok().and_then(|second| Timestamp::from_second(second).ok());
    let text = format!("{:.0}", moment.unwrap_or(Timestamp::UNIX_EPOCH));
    let bytes = text.as_bytes().first_chunk().copied();
    bytes.unwrap_or(*b"1970-01-01T00:00:00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_rfc_3339_has_them() {
        for (unix_ms, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1, "1970-01-01T00:00:00.001Z"),
            (1_709_164_800_120, "2024-02-29T00:00:00.120Z"),
            (1_709_164_800_999, "2024-02-29T00:00:00.999Z"),
            (1_709_164_799_999, "2024-02-28T23:59:59.999Z"),
            (253_402_207_199_999, "9999-12-30T21:59:59.999Z"),
            (u64::MAX, "1970-01-01T00:00:00.615Z"),
        ] {
            assert_eq!(Moment::of(unix_ms).text().as_str(), expected, "{unix_ms}");
        }
    }
}

//! Numbers as people read them, by what they count.

use std::time::Duration;

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    #[default]
    Plain,
    Seconds,
    Bytes,
    /// 0.05 is 5 %.
    Share,
}

/// A number with its unit.
pub fn human(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Plain => plain(value),
        Unit::Seconds => seconds(value),
        Unit::Bytes => bytes(value),
        Unit::Share => format!("{}%", plain(value * 100.0)),
    }
}

/// A length of time in a rule, such as `5m`.
pub fn duration(duration: Duration) -> String {
    seconds(duration.as_secs_f64())
}

/// Four digits that matter, and no zeros behind them.
fn plain(value: f64) -> String {
    if value == 0.0 || !value.is_finite() || value.abs() >= 1000.0 {
        return format!("{}", if value.is_finite() { value.round() } else { value });
    }
    let digits = 3 - value.abs().log10().floor() as i32;
    let text = format!("{value:.*}", digits.clamp(0, 12) as usize);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn seconds(value: f64) -> String {
    const UNITS: [(&str, f64); 4] = [("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)];
    if !value.is_finite() || value == 0.0 {
        return format!("{value}s");
    }
    if value.abs() < 60.0 {
        let (unit, factor) = UNITS.into_iter().find(|(_, f)| value.abs() >= *f).unwrap_or(UNITS[3]);
        return format!("{}{unit}", plain(value / factor));
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let whole = value.abs().round() as u64;
    let parts = [("d", 86_400, u64::MAX), ("h", 3_600, 24), ("m", 60, 60), ("s", 1, 60)];
    let parts = parts.map(|(unit, size, most)| (unit, (whole / size) % most));
    let said = parts.iter().filter(|(_, count)| *count > 0).take(2);
    format!("{sign}{}", said.map(|(unit, count)| format!("{count}{unit}")).collect::<String>())
}

fn bytes(value: f64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut value, mut unit) = (value, 0);
    while value.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{}{}", plain(value), UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let cases = [
            (0.0, Unit::Plain, "0"),
            (3.0, Unit::Plain, "3"),
            (12.345_678, Unit::Plain, "12.35"),
            (0.000_123_456, Unit::Plain, "0.0001235"),
            (123_456.7, Unit::Plain, "123457"),
            (f64::INFINITY, Unit::Plain, "inf"),
            (0.052_34, Unit::Share, "5.234%"),
            (1.0, Unit::Share, "100%"),
            (0.25, Unit::Seconds, "250ms"),
            (1.5, Unit::Seconds, "1.5s"),
            (0.000_002, Unit::Seconds, "2µs"),
            (90.0, Unit::Seconds, "1m30s"),
            (300.0, Unit::Seconds, "5m"),
            (3661.0, Unit::Seconds, "1h1m"),
            (90_000.0, Unit::Seconds, "1d1h"),
            (0.0, Unit::Seconds, "0s"),
            (1536.0, Unit::Bytes, "1.5KiB"),
            (512.0, Unit::Bytes, "512B"),
            (3.0 * 1_073_741_824.0, Unit::Bytes, "3GiB"),
        ];
        for (value, unit, expected) in cases {
            assert_eq!(human(value, unit), expected);
        }
    }
}

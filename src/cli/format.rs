//! How single values are written: short ids, times, sizes, durations.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Local, SecondsFormat, Utc};
use model::Timestamp;

/// Digits of an id where there is little room.
const SHORT: usize = 8;

/// The first eight characters of an id, or all of it when `verbose`.
pub(super) fn short(id: &str, verbose: bool) -> String {
    if verbose { id.to_owned() } else { id.chars().take(SHORT).collect() }
}

/// What time it is, and in which zone times are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    pub(super) now: fn() -> Timestamp,
    pub(super) zone: Zone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    Local,
    /// For tests.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests must print the same everywhere"))]
    Utc,
}

impl Clock {
    /// The clock of the machine. The CLI is an edge: nothing it computes is stored.
    #[expect(clippy::disallowed_methods, reason = "the clock that is handed to everything else is made here")]
    pub(super) fn system() -> Self {
        let now = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Timestamp::ZERO.plus(since)
        };
        Self { now, zone: Zone::Local }
    }

    /// `2006-01-02T15:04:05Z07:00`; empty for "never".
    pub(super) fn absolute(&self, time: Timestamp) -> String {
        if time.is_zero() {
            return String::new();
        }
        let time = DateTime::<Utc>::from_timestamp_nanos(time.as_nanos());
        match self.zone {
            Zone::Utc => time.to_rfc3339_opts(SecondsFormat::Secs, true),
            Zone::Local => time.with_timezone(&Local).to_rfc3339_opts(SecondsFormat::Secs, true),
        }
    }

    /// `1m5s ago` or `3h2m from now`; empty for "never".
    pub(super) fn relative(&self, time: Timestamp) -> String {
        if time.is_zero() {
            return String::new();
        }
        let now = (self.now)();
        if time > now {
            format!("{} from now", two_units(time.since(now)))
        } else {
            format!("{} ago", two_units(now.since(time)))
        }
    }

    /// Absolute in verbose tables, relative elsewhere.
    pub(super) fn when(&self, time: Timestamp, verbose: bool) -> String {
        if verbose { self.absolute(time) } else { self.relative(time) }
    }
}

/// The two largest units of a span: `1y2mo`, `2d4h`, `1m5s`, `0s`.
fn two_units(span: Duration) -> String {
    const UNITS: [(&str, u64); 6] =
        [("y", 365 * 86_400), ("mo", 30 * 86_400), ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
    let mut rest = span.as_secs();
    let Some(first) = UNITS.iter().position(|&(_, size)| rest >= size) else { return String::from("0s") };
    let mut text = String::new();
    for (name, size) in UNITS.iter().skip(first).take(2) {
        let count = rest / size;
        rest %= size;
        if count > 0 {
            text.push_str(&format!("{count}{name}"));
        }
    }
    text
}

/// `16 KiB`, `2.9 MiB`: powers of 1024, one decimal below ten.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
pub(super) fn bytes(count: u64) -> String {
    const NAMES: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 10 {
        return format!("{count} B");
    }
    let mut value = count as f64;
    let mut at = 0;
    while value >= 1024.0 && at + 1 < NAMES.len() {
        value /= 1024.0;
        at += 1;
    }
    let value = (value * 10.0 + 0.5).floor() / 10.0;
    if value < 10.0 { format!("{value:.1} {}", NAMES[at]) } else { format!("{value:.0} {}", NAMES[at]) }
}

pub(super) fn megabytes(count: u64) -> String {
    bytes(count.saturating_mul(1024 * 1024))
}

/// `1h2m3s`, `1m0s`, `2.5s`, `300ms`: as durations are written in job files and in Go programs' output.
pub(super) fn duration(span: Duration) -> String {
    if span.is_zero() {
        return String::from("0s");
    }
    if span < Duration::from_secs(1) {
        let nanos = span.subsec_nanos();
        return match nanos {
            0..1_000 => format!("{nanos}ns"),
            1_000..1_000_000 => format!("{}µs", decimals(u64::from(nanos), 1_000, 3)),
            _ => format!("{}ms", decimals(u64::from(nanos), 1_000_000, 6)),
        };
    }
    let secs = span.as_secs();
    let (hours, minutes) = (secs / 3600, secs / 60 % 60);
    let seconds = decimals((secs % 60) * 1_000_000_000 + u64::from(span.subsec_nanos()), 1_000_000_000, 9);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// `value / unit` with at most `digits` decimals and no trailing zeros.
fn decimals(value: u64, unit: u64, digits: usize) -> String {
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    format!("{whole}.{}", format!("{rest:0digits$}").trim_end_matches('0'))
}

/// JSON as `-json` and `-output` print it: indented by four blanks.
pub(super) fn json(value: &impl serde::Serialize) -> String {
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(
        &mut text,
        serde_json::ser::PrettyFormatter::with_indent(b"    "),
    );
    match value.serialize(&mut serializer) {
        Ok(()) => String::from_utf8_lossy(&text).into_owned(),
        // Only a map with keys that are no text can fail, and no wire type has one.
        Err(error) => format!("\"{error}\""),
    }
}

/// `a,b,c`.
pub(super) fn list(items: &[String]) -> String {
    items.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_times_show_two_units() {
        let clock = Clock { now: || Timestamp::from_secs(100_000_000), zone: Zone::Utc };
        let check = |secs_ago: i64, expected: &str| {
            assert_eq!(clock.relative(Timestamp::from_secs(100_000_000 - secs_ago)), expected);
        };
        check(0, "0s ago");
        check(54, "54s ago");
        check(65, "1m5s ago");
        check(60, "1m ago");
        check(3 * 3600 + 2 * 60 + 59, "3h2m ago");
        check(2 * 86_400 + 4 * 3600, "2d4h ago");
        check(33 * 86_400, "1mo3d ago");
        check((365 + 61) * 86_400, "1y2mo ago");
        check(-90, "1m30s from now");
        assert_eq!(clock.relative(Timestamp::ZERO), "");
        assert_eq!(clock.absolute(Timestamp::ZERO), "");
        assert_eq!(clock.absolute(Timestamp::from_secs(1_735_812_000)), "2025-01-02T10:00:00Z");
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        for (count, expected) in [
            (0, "0 B"),
            (512, "512 B"),
            (16_384, "16 KiB"),
            (1_011_712, "988 KiB"),
            (1_048_576, "1.0 MiB"),
            (3_040_870, "2.9 MiB"),
            (268_435_456, "256 MiB"),
            (16_106_127_360, "15 GiB"),
        ] {
            assert_eq!(bytes(count), expected);
        }
    }

    #[test]
    fn durations_read_as_in_job_files() {
        for (nanos, expected) in [
            (0, "0s"),
            (1_500, "1.5µs"),
            (300_000_000, "300ms"),
            (2_500_000_000, "2.5s"),
            (60_000_000_000, "1m0s"),
            (3_723_000_000_000, "1h2m3s"),
        ] {
            assert_eq!(duration(Duration::from_nanos(nanos)), expected);
        }
    }
}

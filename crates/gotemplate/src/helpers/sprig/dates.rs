//! Times and durations. A time is a text as Go prints it (`2006-01-02 15:04:05 +0000 UTC`), so functions that take one
//! take what the others give; texts of RFC 3339 and seconds since 1970 are times as well. The local zone is UTC.

use jiff::{
    SignedDuration, Timestamp,
    tz::{Offset, TimeZone, TimeZoneDatabase},
};

use super::{Call, layout, whole};
use crate::{Value, helpers::text};

pub(super) const NAMES: &[&str] = &[
    "ago",
    "date",
    "dateInZone",
    "dateModify",
    "date_in_zone",
    "date_modify",
    "duration",
    "durationRound",
    "htmlDate",
    "htmlDateInZone",
    "now",
    "toDate",
    "unixEpoch",
];

/// How Go prints a time.
const PRINTED: &str = "2006-01-02 15:04:05.999999999 -0700 MST";
const RFC3339: &str = "2006-01-02T15:04:05.999999999Z07:00";
const DAY: &str = "2006-01-02";
/// What sprig gives for a text that says no time.
const ZERO: &str = "0001-01-01 00:00:00 +0000 UTC";

/// A moment as somebody's clock shows it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moment {
    pub(super) at: Timestamp,
    pub(super) offset: Offset,
    /// `UTC`, `CET`; of zones without a name the offset.
    pub(super) zone: String,
}

impl Moment {
    fn utc(at: Timestamp) -> Self {
        Self { at, offset: Offset::UTC, zone: String::from("UTC") }
    }

    /// In the zone of this name; one that nobody knows is UTC.
    fn in_zone(at: Timestamp, name: &str) -> Self {
        let zone = match name {
            "" | "UTC" | "Local" => TimeZone::UTC,
            name => TimeZoneDatabase::bundled().get(name).unwrap_or(TimeZone::UTC),
        };
        let shown = zone.to_offset_info(at);
        Self { at, offset: shown.offset(), zone: shown.abbreviation().to_owned() }
    }
}

pub(super) fn call(call: &Call<'_>) -> Result<Value, String> {
    let now = || Timestamp::from_nanosecond(i128::from(call.setting.now)).map_err(|error| error.to_string());
    let shown = |moment: &Moment| layout::format(PRINTED, moment);
    Ok(Value::text(match call.name {
        "now" => {
            let [] = call.exactly()?;
            shown(&Moment::utc(now()?))
        }
        "date" => {
            let [form, time] = call.exactly()?;
            layout::format(text(form)?, &Moment::utc(moment(time, now()?)?.at))
        }
        "dateInZone" | "date_in_zone" => {
            let [form, time, zone] = call.exactly()?;
            layout::format(text(form)?, &Moment::in_zone(moment(time, now()?)?.at, text(zone)?))
        }
        "htmlDate" => {
            let [time] = call.exactly()?;
            layout::format(DAY, &Moment::utc(moment(time, now()?)?.at))
        }
        "htmlDateInZone" => {
            let [time, zone] = call.exactly()?;
            layout::format(DAY, &Moment::in_zone(moment(time, now()?)?.at, text(zone)?))
        }
        "dateModify" | "date_modify" => {
            let [by, time] = call.exactly()?;
            let mut moment = moment(time, now()?)?;
            match parse_duration(text(by)?) {
                Some(by) => {
                    let moved = moment.at.checked_add(SignedDuration::from_nanos(by));
                    moment.at =
                        moved.map_err(|_| String::from("the time is beyond the years that there are"))?;
                }
                None if call.must => {
                    return Err(format!("{:?} is not a duration such as \"-1h30m\"", text(by)?));
                }
                None => {}
            }
            shown(&moment)
        }
        "toDate" => {
            let [form, time] = call.texts()?;
            match layout::parse(form, time) {
                Ok(moment) => shown(&moment),
                Err(reason) if call.must => return Err(reason),
                Err(_) => ZERO.to_owned(),
            }
        }
        "unixEpoch" => {
            let [time] = call.exactly()?;
            seconds(moment(time, now()?)?.at).to_string()
        }
        "ago" => {
            let [time] = call.exactly()?;
            let passed = now()?.as_nanosecond() - moment(time, now()?)?.at.as_nanosecond();
            // To the nearest second.
            let seconds = (passed + 500_000_000 * passed.signum()) / 1_000_000_000;
            duration(i64::try_from(seconds).unwrap_or(i64::MAX / SECOND).saturating_mul(SECOND))
        }
        "duration" => {
            let [seconds] = call.exactly()?;
            let seconds = match seconds {
                Value::Text(text) => text.parse().unwrap_or(0),
                other => whole(other)?,
            };
            duration(seconds.checked_mul(SECOND).ok_or("the duration does not fit into 64 bits")?)
        }
        _ => {
            let [value] = call.exactly()?;
            let nanos = match value {
                Value::Text(text) => match parse_duration(text) {
                    Some(nanos) => i128::from(nanos),
                    None => moment(value, now()?).map_or(0, |m| m.at.as_nanosecond()),
                },
                other => i128::from(whole(other)?),
            };
            let is_time = matches!(value, Value::Text(text) if parse_duration(text).is_none()) && nanos != 0;
            let nanos = if is_time { now()?.as_nanosecond() - nanos } else { nanos };
            coarse(nanos.unsigned_abs())
        }
    }))
}

const SECOND: i64 = 1_000_000_000;

fn seconds(at: Timestamp) -> i64 {
    at.as_nanosecond().div_euclid(i128::from(SECOND)).try_into().unwrap_or(0)
}

/// A time, or seconds since 1970; nothing is now.
fn moment(value: &Value, now: Timestamp) -> Result<Moment, String> {
    match value {
        Value::Null => Ok(Moment::utc(now)),
        Value::Text(text) => layout::parse(PRINTED, text).or_else(|_| layout::parse(RFC3339, text)).map_err(|_| {
            format!("{text:?} is not a time: wants what sprig_now and sprig_toDate give, seconds, or 2006-01-02T15:04:05Z")
        }),
        other => {
            let at = Timestamp::from_second(whole(other)?);
            at.map(Moment::utc).map_err(|_| String::from("the time is beyond the years that there are"))
        }
    }
}

/// As Go reads it: `-1h30m`, `1.5s`, `300ms`, `0`; in nanoseconds.
fn parse_duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut nanos = 0.0;
    while !rest.is_empty() || nanos == 0.0 {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let units = [
            ("ns", 1.0),
            ("us", 1e3),
            ("µs", 1e3),
            ("μs", 1e3),
            ("ms", 1e6),
            ("s", 1e9),
            ("m", 6e10),
            ("h", 3.6e12),
        ];
        let (unit, size) = units.into_iter().find(|(unit, _)| rest.starts_with(unit))?;
        rest = &rest[unit.len()..];
        nanos += number * size;
        if rest.is_empty() {
            break;
        }
    }
    // Larger ones do not fit.
    (nanos < 9.2e18).then_some((sign * nanos).round() as i64)
}

/// As Go prints it: `1h30m0s`, `1.5s`, `300ms`.
fn duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    let below = |unit: u64, name: &str| {
        let text = format!("{}.{:09}", nanos / unit, nanos % unit * (1_000_000_000 / unit));
        format!("{sign}{}{name}", text.trim_end_matches('0').trim_end_matches('.'))
    };
    match nanos {
        0 => String::from("0s"),
        1..1_000 => format!("{sign}{nanos}ns"),
        1_000..1_000_000 => below(1_000, "µs"),
        1_000_000..1_000_000_000 => below(1_000_000, "ms"),
        _ => {
            let (minutes, rest) = (nanos / 60_000_000_000, nanos % 60_000_000_000);
            let second = format!("{}.{:09}", rest / 1_000_000_000, rest % 1_000_000_000);
            let second = second.trim_end_matches('0').trim_end_matches('.');
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{second}s"),
                (0, minutes) => format!("{sign}{minutes}m{second}s"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{second}s"),
            }
        }
    }
}

/// The largest unit alone: years of 365 days, months of 30.
fn coarse(nanos: u128) -> String {
    let second = 1_000_000_000;
    let units = [
        ("y", 31_536_000 * second),
        ("mo", 2_592_000 * second),
        ("d", 86_400 * second),
        ("h", 3_600 * second),
        ("m", 60 * second),
        ("s", second),
    ];
    let found = units.into_iter().find(|(_, size)| nanos > *size);
    found.map_or_else(|| String::from("0s"), |(name, size)| format!("{}{name}", nanos / size))
}

//! Timestamps as RFC 3339 text; `null` stands for "never".

use model::{Timestamp, civil};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time(pub Timestamp);

const DAY: i64 = 86_400;

impl Time {
    /// `2006-01-02T15:04:05.999999999Z`, without trailing zeros of the fraction.
    pub fn to_rfc3339(self) -> String {
        let nanos = self.0.as_nanos();
        let (secs, fraction) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
        let (days, second) = (secs.div_euclid(DAY), secs.rem_euclid(DAY));
        let (year, month, day) = civil::date(days);
        let fraction = match fraction {
            0 => String::new(),
            _ => format!(".{fraction:09}").trim_end_matches('0').to_owned(),
        };
        format!(
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}{fraction}Z",
            second / 3600,
            second / 60 % 60,
            second % 60
        )
    }

    /// Reads RFC 3339 text with any offset and fraction.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |from: usize, to: usize| -> Option<i64> {
            let digits = text.get(from..to)?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
        };
        let mark = |at: usize, marks: &[u8]| text.as_bytes().get(at).is_some_and(|byte| marks.contains(byte));
        if !(mark(4, b"-") && mark(7, b"-") && mark(10, b"Tt ") && mark(13, b":") && mark(16, b":")) {
            return None;
        }
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let mut rest = text.get(19..)?;
        let mut fraction = 0;
        if let Some(after) = rest.strip_prefix('.') {
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                return None;
            }
            fraction = format!("{:0<9}", &after[..digits]).get(..9)?.parse().ok()?;
            rest = &after[digits..];
        }
        let offset = match rest {
            "Z" | "z" => 0,
            _ => {
                let sign = if rest.starts_with('+') { 1 } else { -1 };
                let (hours, minutes) = rest.strip_prefix(['+', '-'])?.split_once(':')?;
                sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60)
            }
        };
        let days = civil::days(year, u32::try_from(month).ok()?, u32::try_from(day).ok()?);
        let secs = days * DAY + hour * 3600 + minute * 60 + second - offset;
        Some(Self(Timestamp(secs.checked_mul(1_000_000_000)?.checked_add(fraction)?)))
    }
}

impl From<Timestamp> for Time {
    fn from(time: Timestamp) -> Self {
        Self(time)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_zero() {
            serializer.serialize_none()
        } else {
            serializer.serialize_str(&self.to_rfc3339())
        }
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Option::<String>::deserialize(deserializer)? {
            None => Ok(Self::default()),
            // How Go writes its zero time.
            Some(text) if text.starts_with("0001-01-01T") => Ok(Self::default()),
            Some(text) => Self::parse(&text)
                .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not an RFC 3339 time"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads_known_moments() {
        for (nanos, text) in [
            (1, "1970-01-01T00:00:00.000000001Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00Z"),
            (1_709_251_199_500_000_000, "2024-02-29T23:59:59.5Z"),
            (-1_000_000_000, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(Time(Timestamp(nanos)).to_rfc3339(), text);
            assert_eq!(Time::parse(text), Some(Time(Timestamp(nanos))), "{text}");
        }
        assert_eq!(Time::parse("2000-02-29T02:00:00+02:00"), Time::parse("2000-02-29T00:00:00Z"));
    }

    #[test]
    fn refuses_other_text() {
        for text in [
            "",
            "yesterday",
            "2000-13-01T00:00:00Z",
            "2000-01-01",
            "2000-01-01T00:00:00",
            "2000-01-01T00:00:00.Z",
        ] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
    }

    #[test]
    fn zero_is_null() {
        assert_eq!(serde_json::to_string(&Time::default()).unwrap(), "null");
        assert_eq!(serde_json::from_str::<Time>("null").unwrap(), Time::default());
        assert_eq!(serde_json::from_str::<Time>("\"0001-01-01T00:00:00Z\"").unwrap(), Time::default());
    }
}

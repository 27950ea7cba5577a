//! Dates as people write them, and as seconds since 1970.

use model::civil::{date, days};

/// A time of day on a day, somewhere on earth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) year: i64,
    /// From 1.
    pub(super) month: u32,
    /// From 1.
    pub(super) day: u32,
    pub(super) hour: u32,
    pub(super) minute: u32,
    pub(super) second: u32,
    pub(super) nanos: u32,
    /// Minutes that the clocks there are ahead.
    pub(super) ahead: i32,
}

const DAY: i64 = 86_400;

impl Moment {
    /// `2018-05-13T07:44:12Z`, `2018-05-13T07:44:12.5+02:00`; `None` if it is no such time.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let number = |from: usize, to: usize| -> Option<u32> {
            let digits = text.get(from..to)?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
        };
        let sign = |at: usize, expected: &[u8]| {
            text.as_bytes().get(at).is_some_and(|found| expected.contains(found))
        };
        let form = sign(4, b"-") && sign(7, b"-") && sign(10, b"Tt ") && sign(13, b":") && sign(16, b":");
        let mut moment = Self {
            year: i64::from(number(0, 4)?),
            month: number(5, 7)?,
            day: number(8, 10)?,
            hour: number(11, 13)?,
            minute: number(14, 16)?,
            second: number(17, 19)?,
            nanos: 0,
            ahead: 0,
        };
        let mut zone = text.get(19..)?;
        if let Some(fraction) = zone.strip_prefix('.') {
            let length =
                fraction.len() - fraction.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
            let digits = fraction.get(..length).filter(|digits| !digits.is_empty() && digits.len() <= 9)?;
            moment.nanos = format!("{digits:0<9}").parse().ok()?;
            zone = &fraction[length..];
        }
        if !matches!(zone, "Z" | "z") {
            let from = text.len() - zone.len();
            let hours = i32::try_from(number(from + 1, from + 3)?).ok()?;
            let minutes = i32::try_from(number(from + 4, from + 6)?).ok()?;
            let ahead = hours * 60 + minutes;
            if !sign(from, b"+-") || !sign(from + 3, b":") || zone.len() != 6 || hours > 23 || minutes > 59 {
                return None;
            }
            moment.ahead = if sign(from, b"-") { -ahead } else { ahead };
        }
        let of_day = moment.hour < 24 && moment.minute < 60 && moment.second < 60;
        let of_year = date(days(moment.year, moment.month.clamp(1, 12), moment.day));
        (form && of_day && of_year == (moment.year, moment.month, moment.day)).then_some(moment)
    }

    /// Nanoseconds since 1970 in Greenwich.
    pub(super) fn nanos_since_epoch(&self) -> i128 {
        let of_day = i64::from(self.hour * 3600 + self.minute * 60 + self.second);
        let seconds = days(self.year, self.month, self.day) * DAY + of_day - i64::from(self.ahead) * 60;
        i128::from(seconds) * 1_000_000_000 + i128::from(self.nanos)
    }

    /// `None` outside of the years 0 to 9999.
    pub(super) fn from_nanos(nanos: i128, ahead: i32) -> Option<Self> {
        let seconds =
            i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?.checked_add(i64::from(ahead) * 60)?;
        let (year, month, day) = date(seconds.div_euclid(DAY));
        let of_day = u32::try_from(seconds.rem_euclid(DAY)).ok()?;
        (0..=9999).contains(&year).then_some(Self {
            year,
            month,
            day,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            nanos: u32::try_from(nanos.rem_euclid(1_000_000_000)).ok()?,
            ahead,
        })
    }

    /// From 0, which is Sunday.
    pub(super) fn weekday(&self) -> usize {
        usize::try_from((days(self.year, self.month, self.day) + 4).rem_euclid(7)).unwrap_or(0)
    }

    /// `Z`, `+02:00`
    pub(super) fn zone(&self, utc: &str, separator: &str) -> String {
        if self.ahead == 0 {
            return utc.to_owned();
        }
        let sign = if self.ahead < 0 { '-' } else { '+' };
        format!("{sign}{:02}{separator}{:02}", self.ahead.abs() / 60, self.ahead.abs() % 60)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_days() {
        assert_eq!(days(1970, 1, 1), 0);
        assert_eq!(days(2000, 3, 1), 11_017);
        assert_eq!(date(-1), (1969, 12, 31));
        assert_eq!(Moment::parse("2018-01-02T23:12:01Z").unwrap().weekday(), 2);
        for text in
            ["2018-02-29T00:00:00Z", "2018-13-01T00:00:00Z", "2018-01-01T24:00:00Z", "2018-01-01", "x", ""]
        {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn days_and_dates_belong_together(number in -719_000_i64..2_900_000) {
            let (year, month, day) = date(number);
            prop_assert_eq!(days(year, month, day), number);
        }

        #[test]
        fn what_is_written_is_read(nanos in 0_i64..250_000_000_000, ahead in -720..720_i32) {
            let moment = Moment::from_nanos(i128::from(nanos) * 1_000_000_000, ahead).unwrap();
            let text = format!(
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}",
                moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second, moment.zone("Z", ":")
            );
            prop_assert_eq!(Moment::parse(&text), Some(moment));
            prop_assert_eq!(moment.nanos_since_epoch(), i128::from(nanos) * 1_000_000_000);
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = Moment::parse(&text);
        }
    }
}

//! Go's layouts of times: a layout shows how one certain moment looks, `Mon Jan 2 15:04:05 MST 2006`.

use jiff::{civil, tz::Offset};

use super::dates::Moment;

/// Something in a layout that stands for a part of a time.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Field {
    Month,
    MonthShort,
    MonthNumber {
        padded: bool,
    },
    WeekDay,
    WeekDayShort,
    Day {
        fill: Option<char>,
    },
    DayOfYear {
        fill: char,
    },
    Hour,
    Hour12 {
        padded: bool,
    },
    Minute {
        padded: bool,
    },
    Second {
        padded: bool,
    },
    Year,
    YearShort,
    HalfOfDay {
        upper: bool,
    },
    Zone,
    /// `Z`: UTC is written so. Parts are hours, minutes and seconds.
    Offset {
        z: bool,
        colon: bool,
        parts: u8,
    },
    /// Behind a point or a comma; `optional`: without zeros at the end.
    Fraction {
        mark: char,
        digits: usize,
        optional: bool,
    },
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The longer ones of two that begin alike first.
const FIELDS: &[(&str, Field)] = &[
    ("January", Field::Month),
    ("Jan", Field::MonthShort),
    ("Monday", Field::WeekDay),
    ("Mon", Field::WeekDayShort),
    ("MST", Field::Zone),
    ("002", Field::DayOfYear { fill: '0' }),
    ("01", Field::MonthNumber { padded: true }),
    ("02", Field::Day { fill: Some('0') }),
    ("03", Field::Hour12 { padded: true }),
    ("04", Field::Minute { padded: true }),
    ("05", Field::Second { padded: true }),
    ("06", Field::YearShort),
    ("15", Field::Hour),
    ("1", Field::MonthNumber { padded: false }),
    ("2006", Field::Year),
    ("2", Field::Day { fill: None }),
    ("__2", Field::DayOfYear { fill: ' ' }),
    ("_2", Field::Day { fill: Some(' ') }),
    ("3", Field::Hour12 { padded: false }),
    ("4", Field::Minute { padded: false }),
    ("5", Field::Second { padded: false }),
    ("PM", Field::HalfOfDay { upper: true }),
    ("pm", Field::HalfOfDay { upper: false }),
    ("-070000", Field::Offset { z: false, colon: false, parts: 3 }),
    ("-07:00:00", Field::Offset { z: false, colon: true, parts: 3 }),
    ("-0700", Field::Offset { z: false, colon: false, parts: 2 }),
    ("-07:00", Field::Offset { z: false, colon: true, parts: 2 }),
    ("-07", Field::Offset { z: false, colon: false, parts: 1 }),
    ("Z070000", Field::Offset { z: true, colon: false, parts: 3 }),
    ("Z07:00:00", Field::Offset { z: true, colon: true, parts: 3 }),
    ("Z0700", Field::Offset { z: true, colon: false, parts: 2 }),
    ("Z07:00", Field::Offset { z: true, colon: true, parts: 2 }),
    ("Z07", Field::Offset { z: true, colon: false, parts: 1 }),
];

/// The text before the next field, the field, and what is behind it.
fn next(layout: &str) -> Option<(&str, Field, &str)> {
    layout.char_indices().find_map(|(at, c)| {
        let rest = &layout[at..];
        if let '.' | ',' = c {
            let digit = rest[1..].chars().next().filter(|digit| matches!(digit, '0' | '9'))?;
            let digits = rest[1..].chars().take_while(|c| *c == digit).count();
            let behind = &rest[1 + digits..];
            // A point before other digits is just a point.
            if behind.starts_with(|c: char| c.is_ascii_digit()) {
                return None;
            }
            let field = Field::Fraction { mark: c, digits, optional: digit == '9' };
            return Some((&layout[..at], field, behind));
        }
        let (text, field) = FIELDS.iter().find(|(text, _)| {
            rest.strip_prefix(text).is_some_and(|behind| match *text {
                // A line and a year.
                "_2" => !behind.starts_with("006"),
                // `Month` begins with no day.
                "Jan" | "Mon" => !behind.starts_with(|c: char| c.is_ascii_lowercase()),
                _ => true,
            })
        })?;
        Some((&layout[..at], *field, &rest[text.len()..]))
    })
}

pub(super) fn format(layout: &str, moment: &Moment) -> String {
    let clock = moment.offset.to_datetime(moment.at);
    let mut out = String::new();
    let mut rest = layout;
    while let Some((before, field, behind)) = next(rest) {
        out.push_str(before);
        rest = behind;
        out.push_str(&shown(field, clock, moment));
    }
    out.push_str(rest);
    out
}

fn shown(field: Field, clock: civil::DateTime, moment: &Moment) -> String {
    let number = |number: i64, padded: bool| if padded { format!("{number:02}") } else { number.to_string() };
    let month = MONTHS[usize::from(clock.month().unsigned_abs()).saturating_sub(1) % 12];
    let day = DAYS[usize::from(clock.weekday().to_sunday_zero_offset().unsigned_abs()) % 7];
    let hour12 = i64::from((clock.hour() + 11) % 12 + 1);
    match field {
        Field::Month => month.to_owned(),
        Field::MonthShort => month[..3].to_owned(),
        Field::MonthNumber { padded } => number(clock.month().into(), padded),
        Field::WeekDay => day.to_owned(),
        Field::WeekDayShort => day[..3].to_owned(),
        Field::Day { fill: Some(' ') } => format!("{:2}", clock.day()),
        Field::Day { fill } => number(clock.day().into(), fill.is_some()),
        Field::DayOfYear { fill: ' ' } => format!("{:3}", clock.day_of_year()),
        Field::DayOfYear { .. } => format!("{:03}", clock.day_of_year()),
        Field::Hour => number(clock.hour().into(), true),
        Field::Hour12 { padded } => number(hour12, padded),
        Field::Minute { padded } => number(clock.minute().into(), padded),
        Field::Second { padded } => number(clock.second().into(), padded),
        Field::Year => format!("{:04}", clock.year()),
        Field::YearShort => number(i64::from(clock.year()).rem_euclid(100), true),
        Field::HalfOfDay { upper } => {
            let half = if clock.hour() < 12 { "AM" } else { "PM" };
            if upper { half.to_owned() } else { half.to_lowercase() }
        }
        Field::Zone => moment.zone.clone(),
        Field::Offset { z, colon, parts } => offset(moment.offset, z, colon, parts),
        Field::Fraction { mark, digits, optional } => {
            let nanos = format!("{:09}", clock.subsec_nanosecond());
            let shown = nanos + &"0".repeat(digits.saturating_sub(9));
            let shown = &shown[..digits];
            let shown = if optional { shown.trim_end_matches('0') } else { shown };
            if shown.is_empty() { String::new() } else { format!("{mark}{shown}") }
        }
    }
}

fn offset(offset: Offset, z: bool, colon: bool, parts: u8) -> String {
    let seconds = offset.seconds();
    if z && seconds == 0 {
        return String::from("Z");
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.unsigned_abs();
    let numbers = [seconds / 3600, seconds / 60 % 60, seconds % 60];
    let texts: Vec<String> =
        numbers[..usize::from(parts)].iter().map(|number| format!("{number:02}")).collect();
    format!("{sign}{}", texts.join(if colon { ":" } else { "" }))
}

/// What has been read of a time.
struct Clock {
    year: i16,
    month: i8,
    day: i8,
    day_of_year: Option<i16>,
    hour: i8,
    afternoon: Option<bool>,
    minute: i8,
    second: i8,
    nanos: i32,
    offset: Option<i32>,
    zone: Option<String>,
}

/// # Errors
/// What of the text does not look like the layout.
pub(super) fn parse(layout: &str, text: &str) -> Result<Moment, String> {
    let wrong = || format!("{text:?} does not look like {layout:?}");
    let mut clock = Clock {
        year: 0,
        month: 1,
        day: 1,
        day_of_year: None,
        hour: 0,
        afternoon: None,
        minute: 0,
        second: 0,
        nanos: 0,
        offset: None,
        zone: None,
    };
    let (mut form, mut rest) = (layout, text);
    while let Some((before, field, behind)) = next(form) {
        rest = rest.strip_prefix(before).ok_or_else(wrong)?;
        form = behind;
        rest = clock.read(field, rest).ok_or_else(wrong)?;
        // Behind seconds there may be a fraction that the layout does not show.
        let shows_fraction = matches!(next(form), Some(("", Field::Fraction { .. }, _)));
        if matches!(field, Field::Second { .. }) && rest.starts_with(['.', ',']) && !shows_fraction {
            rest = clock
                .read(Field::Fraction { mark: '.', digits: 9, optional: true }, rest)
                .ok_or_else(wrong)?;
        }
    }
    if rest != form {
        return Err(wrong());
    }
    clock.moment().ok_or_else(wrong)
}

/// One to `most` digits; `least`: fewer are wrong.
fn digits(text: &str, least: usize, most: usize) -> Option<(i16, &str)> {
    let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let number = text.get(..count)?.parse().ok()?;
    (count >= least).then_some((number, &text[count..]))
}

/// The place of the name that the text begins with; `short`: three letters of it.
fn name<'a>(names: &[&str], short: bool, text: &'a str) -> Option<(usize, &'a str)> {
    names.iter().enumerate().find_map(|(place, name)| {
        let name = if short { &name[..3] } else { name };
        let head = text.get(..name.len())?;
        head.eq_ignore_ascii_case(name).then(|| (place, &text[name.len()..]))
    })
}

impl Clock {
    fn read<'a>(&mut self, field: Field, text: &'a str) -> Option<&'a str> {
        let small = |padded: bool, text: &'a str| {
            let (number, rest) = digits(text, if padded { 2 } else { 1 }, 2)?;
            Some((i8::try_from(number).ok()?, rest))
        };
        let rest;
        match field {
            Field::Month | Field::MonthShort => {
                let month;
                (month, rest) = name(&MONTHS, field == Field::MonthShort, text)?;
                self.month = i8::try_from(month + 1).ok()?;
            }
            Field::MonthNumber { padded } => (self.month, rest) = small(padded, text)?,
            Field::WeekDay | Field::WeekDayShort => {
                (_, rest) = name(&DAYS, field == Field::WeekDayShort, text)?;
            }
            Field::Day { fill } => {
                let text = if fill == Some(' ') { text.strip_prefix(' ').unwrap_or(text) } else { text };
                (self.day, rest) = small(fill == Some('0'), text)?;
            }
            Field::DayOfYear { fill } => {
                let text = if fill == ' ' { text.trim_start_matches(' ') } else { text };
                let day;
                (day, rest) = digits(text, if fill == '0' { 3 } else { 1 }, 3)?;
                self.day_of_year = Some(day);
            }
            Field::Hour => (self.hour, rest) = small(true, text)?,
            Field::Hour12 { padded } => {
                (self.hour, rest) = small(padded, text)?;
                if !(0..=12).contains(&self.hour) {
                    return None;
                }
            }
            Field::Minute { padded } => (self.minute, rest) = small(padded, text)?,
            Field::Second { padded } => (self.second, rest) = small(padded, text)?,
            Field::Year => (self.year, rest) = digits(text, 4, 4)?,
            Field::YearShort => {
                let year;
                (year, rest) = digits(text, 2, 2)?;
                self.year = year + if year >= 69 { 1900 } else { 2000 };
            }
            Field::HalfOfDay { upper } => {
                let names = if upper { ["AM", "PM"] } else { ["am", "pm"] };
                let half = names.iter().position(|half| text.starts_with(half))?;
                self.afternoon = Some(half == 1);
                rest = &text[2..];
            }
            Field::Zone => {
                let end = text
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '+' && c != '-')
                    .unwrap_or(text.len());
                self.zone = Some(text[..end].to_owned()).filter(|zone| (1..=8).contains(&zone.len()));
                self.zone.as_ref()?;
                rest = &text[end..];
            }
            Field::Offset { z: true, .. } if text.starts_with('Z') => {
                self.offset = Some(0);
                rest = &text[1..];
            }
            Field::Offset { colon, parts, .. } => rest = self.read_offset(text, colon, parts)?,
            Field::Fraction { digits, optional, .. } => {
                let Some(behind) = text.strip_prefix(['.', ',']) else { return optional.then_some(text) };
                let count = behind.bytes().take_while(u8::is_ascii_digit).count();
                if count == 0 || (!optional && count != digits) {
                    return None;
                }
                self.nanos = format!("{:0<9.9}", &behind[..count]).parse().ok()?;
                rest = &behind[count..];
            }
        }
        Some(rest)
    }

    fn read_offset<'a>(&mut self, text: &'a str, colon: bool, parts: u8) -> Option<&'a str> {
        let sign = if text.starts_with('-') { -1 } else { 1 };
        let mut rest = text.strip_prefix(['+', '-'])?;
        let mut seconds = 0;
        for part in 0..parts {
            if part > 0 && colon {
                rest = rest.strip_prefix(':')?;
            }
            let number;
            (number, rest) = digits(rest, 2, 2)?;
            seconds += i32::from(number) * [3600, 60, 1][usize::from(part)];
        }
        self.offset = Some(sign * seconds);
        Some(rest)
    }

    /// `None`: there is no such day or time.
    fn moment(self) -> Option<Moment> {
        let hour = match self.afternoon {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let date = match self.day_of_year {
            Some(day) => civil::Date::new(self.year, 1, 1).ok()?.with().day_of_year(day).build().ok()?,
            None => civil::Date::new(self.year, self.month, self.day).ok()?,
        };
        let time = civil::Time::new(hour, self.minute, self.second, self.nanos).ok()?;
        let offset = Offset::from_seconds(self.offset.unwrap_or(0)).ok()?;
        let at = offset.to_timestamp(date.to_datetime(time)).ok()?;
        let unnamed =
            if offset == Offset::UTC { String::from("UTC") } else { self::offset(offset, false, false, 2) };
        Some(Moment { at, offset, zone: self.zone.unwrap_or(unnamed) })
    }
}

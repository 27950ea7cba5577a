//! Dates: written in another form, or moved.

use super::{
    arguments::{Answer, Call, Refusal},
    civil::Moment,
};
use crate::{
    duration,
    eval::{Growing, Val},
};

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

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

fn moment(call: &Call<'_, '_>, at: usize) -> Result<Moment, Refusal> {
    let text = call.text(at)?;
    Moment::parse(&text).ok_or_else(|| {
        Refusal::of(at, format!("\"{text}\" is not a time")).help("write it as \"2018-05-13T07:44:12Z\"")
    })
}

pub(super) fn timeadd(call: &mut Call<'_, '_>) -> Answer {
    let (moment, text) = (moment(call, 0)?, call.text(1)?);
    let (minus, span) = text.strip_prefix('-').map_or((false, text.as_ref()), |span| (true, span));
    let span = duration::parse(span).map_err(|reason| Refusal::of(1, reason))?;
    let span = i128::try_from(span.as_nanos()).unwrap_or(i128::MAX / 2);
    let nanos = moment.nanos_since_epoch() + if minus { -span } else { span };
    let Some(sum) = Moment::from_nanos(nanos, moment.ahead) else {
        return Err(Refusal::new("the sum is not in the years 0 to 9999"));
    };
    let fraction = match sum.nanos {
        0 => String::new(),
        nanos => format!(".{nanos:09}").trim_end_matches('0').to_owned(),
    };
    let Moment { year, month, day, hour, minute, second, .. } = sum;
    let zone = sum.zone("Z", ":");
    Ok(Val::text(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}")))
}

/// Letters stand for parts of the time, what is between single quotes for itself.
pub(super) fn formatdate(call: &mut Call<'_, '_>) -> Answer {
    let (pattern, moment) = (call.text(0)?, moment(call, 1)?);
    let mut out = Growing::default();
    let mut rest = pattern.as_ref();
    while let Some(letter) = rest.chars().next() {
        if letter == '\'' {
            let Some((text, length)) = literal(rest) else {
                return Err(Refusal::of(0, "a text between single quotes is never closed"));
            };
            out.push(&text)?;
            rest = &rest[length..];
            continue;
        }
        let length = rest.len() - rest.trim_start_matches(letter).len();
        let (run, after) = rest.split_at(length);
        rest = after;
        if !letter.is_ascii_alphabetic() {
            out.push(run)?;
            continue;
        }
        match part(run, &moment) {
            Some(text) => out.push(&text)?,
            None => {
                let message = format!("`{run}` stands for no part of a time");
                return Err(Refusal::of(0, message).help("put text between single quotes"));
            }
        }
    }
    Ok(Val::text(out.finish()))
}

/// A text at the start, in which two quotes stand for one, and its bytes with quotes.
fn literal(text: &str) -> Option<(String, usize)> {
    let mut out = String::new();
    let mut at = 1;
    loop {
        let end = at + text[at..].find('\'')?;
        out.push_str(&text[at..end]);
        if !text[end + 1..].starts_with('\'') {
            return Some((out, end + 1));
        }
        out.push('\'');
        at = end + 2;
    }
}

fn part(run: &str, moment: &Moment) -> Option<String> {
    let month = MONTHS.get(usize::try_from(moment.month).ok()?.checked_sub(1)?)?;
    let day = DAYS[moment.weekday()];
    let hour = match moment.hour % 12 {
        0 => 12,
        hour => hour,
    };
    Some(match run {
        "YYYY" => format!("{:04}", moment.year),
        "YY" => format!("{:02}", moment.year % 100),
        "MMMM" => (*month).to_owned(),
        "MMM" => month[..3].to_owned(),
        "MM" => format!("{:02}", moment.month),
        "M" => moment.month.to_string(),
        "DD" => format!("{:02}", moment.day),
        "D" => moment.day.to_string(),
        "EEEE" => day.to_owned(),
        "EEE" => day[..3].to_owned(),
        "hh" => format!("{:02}", moment.hour),
        "h" => moment.hour.to_string(),
        "HH" => format!("{hour:02}"),
        "H" => hour.to_string(),
        "AA" => (if moment.hour < 12 { "AM" } else { "PM" }).to_owned(),
        "aa" => (if moment.hour < 12 { "am" } else { "pm" }).to_owned(),
        "mm" => format!("{:02}", moment.minute),
        "m" => moment.minute.to_string(),
        "ss" => format!("{:02}", moment.second),
        "s" => moment.second.to_string(),
        "ZZZZZ" => moment.zone("+00:00", ":"),
        "ZZZZ" => moment.zone("+0000", ""),
        "ZZZ" => moment.zone("UTC", ""),
        "Z" => moment.zone("Z", ":"),
        _ => return None,
    })
}

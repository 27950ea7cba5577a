//! A value as the type that its setting wants. Converts as the original does: `"1"` is 1, `"true"` is true.

use std::{net::IpAddr, time::Duration};

use jobspec::Kind;
use model::claims::parse_cpuset;

/// A value and the name of its setting, for messages.
pub(super) struct Typed<'a> {
    pub path: &'a str,
    pub value: &'a Kind,
}

type Read<T> = Result<T, String>;

impl Typed<'_> {
    fn wrong<T>(&self, wanted: &str) -> Read<T> {
        Err(format!("`{}` must be {wanted}, found {}", self.path, describe(self.value)))
    }

    /// Nothing was said: an empty block, `null`.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(self.value, Kind::Null)
    }

    pub(super) fn text(&self) -> Read<String> {
        plain(self.value).map_or_else(|| self.wrong("a text"), Ok)
    }

    /// A text without the characters that end names elsewhere.
    pub(super) fn name(&self) -> Read<String> {
        let text = self.text()?;
        if text.contains(['\0', '\n', '\r']) {
            return self.wrong("a name on one line");
        }
        Ok(text)
    }

    pub(super) fn bool(&self) -> Read<bool> {
        match self.value {
            Kind::Bool(value) => Ok(*value),
            Kind::Int(0) => Ok(false),
            Kind::Int(1) => Ok(true),
            Kind::Text(text) => match text.as_str() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
                "0" | "f" | "F" | "false" | "FALSE" | "False" | "" => Ok(false),
                _ => self.wrong("true or false"),
            },
            _ => self.wrong("true or false"),
        }
    }

    pub(super) fn whole(&self) -> Read<i64> {
        match self.value {
            Kind::Int(number) => Ok(*number),
            Kind::Text(text) => text.trim().parse().or_else(|_| self.wrong("a whole number")),
            Kind::Bool(value) => Ok(i64::from(*value)),
            _ => self.wrong("a whole number"),
        }
    }

    /// From `low` to `high`, both included.
    pub(super) fn between<T: TryFrom<i64>>(&self, low: i64, high: i64) -> Read<T> {
        let whole = self.whole()?;
        let fits = (low..=high).contains(&whole);
        T::try_from(whole)
            .ok()
            .filter(|_| fits)
            .map_or_else(|| self.wrong(&format!("a number from {low} to {high}")), Ok)
    }

    pub(super) fn port(&self) -> Read<u16> {
        self.between(1, 65535)
    }

    pub(super) fn amount(&self) -> Read<u32> {
        u32::try_from(self.whole()?).or_else(|_| self.wrong("a number that is not negative"))
    }

    pub(super) fn decimal(&self) -> Read<f64> {
        let number = match self.value {
            Kind::Int(number) => *number as f64,
            Kind::Float(number) => *number,
            Kind::Text(text) => text.trim().parse().unwrap_or(f64::NAN),
            _ => f64::NAN,
        };
        if number.is_finite() && number >= 0.0 {
            Ok(number)
        } else {
            self.wrong("a number that is not negative")
        }
    }

    /// Per cent.
    pub(super) fn percent(&self) -> Read<f64> {
        let number = self.decimal()?;
        if number <= 100.0 { Ok(number) } else { self.wrong("a number from 0 to 100") }
    }

    /// `"30s"`; a bare number counts nanoseconds for the original, which nobody means.
    pub(super) fn span(&self) -> Read<Duration> {
        let text = match self.value {
            Kind::Text(text) => text.as_str(),
            Kind::Int(0) => "0",
            Kind::Int(number) => {
                return Err(format!("`{}` lacks a unit: write \"{number}s\" for seconds", self.path));
            }
            _ => return self.wrong("a duration such as \"30s\""),
        };
        jobspec::duration::parse(text).map_err(|reason| {
            format!(
                "{} can't parse time duration {text}: {reason}; write \"30s\", \"5m\" or \"1h\"",
                self.path
            )
        })
    }

    pub(super) fn list(&self) -> Read<Vec<String>> {
        match self.value {
            Kind::List(items) => items
                .iter()
                .map(|item| plain(&item.kind).map_or_else(|| self.wrong("a list of texts"), Ok))
                .collect(),
            Kind::Null => Ok(Vec::new()),
            value => plain(value).map_or_else(|| self.wrong("a list of texts"), |text| Ok(vec![text])),
        }
    }

    /// `8.8.8.8` or `10.0.0.2:5353`, each.
    pub(super) fn dns_servers(&self) -> Read<Vec<String>> {
        let servers = self.list()?;
        for server in &servers {
            let known = server.parse::<IpAddr>().is_ok() || server.parse::<std::net::SocketAddr>().is_ok();
            if !known {
                return self.wrong("addresses such as \"8.8.8.8\" or \"10.0.0.2:5353\"");
            }
        }
        Ok(servers)
    }

    /// `0-2,7`
    pub(super) fn cores(&self) -> Read<Vec<u16>> {
        parse_cpuset(&self.text()?).map_or_else(|| self.wrong("cores such as \"0-2,7\""), Ok)
    }

    /// `80,443,8000-8010`
    pub(super) fn ports(&self) -> Read<Vec<u16>> {
        let text = self.text()?;
        let mut ports = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let bad = || {
                format!("`{}` must be ports and ranges such as \"22,8000-8010\", found {part:?}", self.path)
            };
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let from: u16 = from.trim().parse().map_err(|_| bad())?;
            let to: u16 = to.trim().parse().map_err(|_| bad())?;
            if from == 0 || from > to {
                return Err(bad());
            }
            ports.extend(from..=to);
        }
        ports.sort_unstable();
        ports.dedup();
        Ok(ports)
    }
}

/// Texts, numbers and booleans as text.
pub(super) fn plain(value: &Kind) -> Option<String> {
    match value {
        Kind::Bool(value) => Some(value.to_string()),
        Kind::Int(number) => Some(number.to_string()),
        Kind::Float(number) => Some(number.to_string()),
        Kind::Text(text) => Some(text.clone()),
        _ => None,
    }
}

fn describe(value: &Kind) -> String {
    match value {
        Kind::Null => "nothing".into(),
        Kind::Text(text) => format!("the text {text:?}"),
        Kind::Int(number) => format!("the number {number}"),
        Kind::Float(number) => format!("the number {number}"),
        Kind::Bool(value) => value.to_string(),
        Kind::List(_) => "a list".into(),
        Kind::Object(_) | Kind::Invalid => "a block".into(),
    }
}

/// Takes over what says something: in later files, zero and empty are silence.
pub(super) fn keep<T: Default + PartialEq>(target: &mut T, value: T) {
    if value != T::default() {
        *target = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(value: &Kind) -> Typed<'_> {
        Typed { path: "a.b", value }
    }

    #[test]
    fn converts_weakly() {
        let text = |text: &str| Kind::Text(text.into());
        assert!(typed(&text("true")).bool().unwrap() && typed(&Kind::Int(1)).bool().unwrap());
        assert_eq!(typed(&text("4646")).port(), Ok(4646));
        assert_eq!(typed(&Kind::Int(5)).text(), Ok("5".into()));
        assert_eq!(typed(&text("a")).list(), Ok(vec!["a".into()]));
        assert_eq!(typed(&text("1m30s")).span(), Ok(Duration::from_secs(90)));
        assert_eq!(typed(&text("2.5")).decimal(), Ok(2.5));
    }

    #[test]
    fn says_what_it_wants() {
        let check = |problem: String, expected: &str| assert_eq!(problem, expected);
        let text = |text: &str| Kind::Text(text.into());
        check(
            typed(&text("maybe")).bool().unwrap_err(),
            "`a.b` must be true or false, found the text \"maybe\"",
        );
        check(
            typed(&Kind::Int(0)).port().unwrap_err(),
            "`a.b` must be a number from 1 to 65535, found the number 0",
        );
        check(typed(&Kind::Int(30)).span().unwrap_err(), "`a.b` lacks a unit: write \"30s\" for seconds");
        check(
            typed(&text("soon")).span().unwrap_err(),
            "a.b can't parse time duration soon: \"soon\" is not a duration; write \"30s\", \"5m\" or \"1h\"",
        );
        check(typed(&Kind::List(Vec::new())).text().unwrap_err(), "`a.b` must be a text, found a list");
    }

    #[test]
    fn reserved_ports_are_ports_and_ranges() {
        let ports = |text: &str| typed(&Kind::Text(text.into())).ports();
        assert_eq!(ports("22, 80-82").unwrap(), [22, 80, 81, 82]);
        let cores = |text: &str| typed(&Kind::Text(text.into())).cores();
        assert_eq!(cores("0-2,7").unwrap(), [0, 1, 2, 7]);
        let refused = "`a.b` must be cores such as \"0-2,7\", found the text \"2-1\"";
        assert_eq!(cores("2-1").unwrap_err(), refused);
        assert!(ports("80-").is_err() && ports("0").is_err() && ports("9-7").is_err());
    }
}

//! Jobs that do not run themselves but launch others: by the calendar, or when somebody asks.

mod calendar; // slots on a clock that changes

use std::collections::BTreeMap;

use calendar::Expression;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Launched by the calendar (`periodic`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Periodic {
    /// Default: true. Otherwise only by hand.
    pub enabled: bool,
    /// Cron expressions: minute, hour, day of month, month, day of week; with a year behind them (six fields), and with
    /// seconds before them (seven); or `@hourly` and the like. A slot counts once, also when several name it.
    pub specs: Vec<String>,
    /// Nothing is launched while what was launched before still runs.
    pub prohibit_overlap: bool,
    /// A name of the IANA database, or `Local`, which is UTC. Default: `UTC`.
    pub time_zone: String,
}

impl Default for Periodic {
    fn default() -> Self {
        Self { enabled: true, specs: Vec::new(), prohibit_overlap: false, time_zone: String::from("UTC") }
    }
}

impl Periodic {
    /// The first slot after a moment; `None` if there is none any more, or nothing valid is written.
    ///
    /// Times that a change of clocks skips are made up for right after it, and times that it repeats come once, the first
    /// time. Of expressions that leave the hour open (`*/15 * * * *`) skipped times are none, and repeated ones come
    /// again: they stay equally far apart.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let zone = zone(&self.time_zone)?;
        let slots = self.specs.iter().filter_map(|spec| calendar::next(&parse(spec).ok()?, &zone, after));
        slots.min()
    }
}

/// Whether a cron expression can be understood.
///
/// # Errors
/// What is wrong with it.
pub fn check_spec(spec: &str) -> Result<(), String> {
    parse(spec).map(drop)
}

/// Whether there is a time zone of that name.
pub fn is_time_zone(name: &str) -> bool {
    zone(name).is_some()
}

/// `Local` would be another one on each server.
fn zone(name: &str) -> Option<TimeZone> {
    match name {
        "" | "UTC" | "Local" => Some(TimeZone::UTC),
        name => jiff::tz::TimeZoneDatabase::bundled().get(name).ok(),
    }
}

/// A longer expression is none.
const MAX_SPEC: usize = 256;

fn parse(spec: &str) -> Result<Expression, String> {
    if spec.len() > MAX_SPEC {
        return Err(format!("it has {} letters, at most {MAX_SPEC} are read", spec.len()));
    }
    let fields: Vec<&str> = spec.split_whitespace().collect();
    let (full, hour) = match fields.as_slice() {
        [short] if short.starts_with('@') => {
            ((*short).to_owned(), if *short == "@hourly" { "*" } else { "" })
        }
        [_, hour, _, _, _] => (fields.join(" "), *hour),
        // To the library the first of six would be the seconds.
        [_, hour, _, _, _, _year] => (format!("0 {}", fields.join(" ")), *hour),
        [_seconds, _, hour, _, _, _, _year] => (fields.join(" "), *hour),
        _ => {
            let found = fields.len();
            return Err(format!("it has {found} fields, not 5, 6 (with a year) or 7 (with seconds, too)"));
        }
    };
    let parser =
        CronParser::builder().seconds(Seconds::Optional).year(Year::Optional).dom_and_dow(false).build();
    let cron = parser.parse(&full).map_err(|error| error.to_string())?;
    Ok(Expression { cron, hour_is_open: hour.contains(['*', '?']) })
}

/// What a dispatch may or must bring along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayloadRule {
    #[default]
    Optional,
    Required,
    Forbidden,
}

impl PayloadRule {
    pub const ALL: [Self; 3] = [Self::Optional, Self::Required, Self::Forbidden];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Optional => "optional",
            Self::Required => "required",
            Self::Forbidden => "forbidden",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == text)
    }
}

/// Launched with what somebody passes (`parameterized`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Parameterized {
    pub payload: PayloadRule,
    /// Keys of `meta` that each dispatch has to give.
    pub meta_required: Vec<String>,
    /// Keys that it may give.
    pub meta_optional: Vec<String>,
}

/// Bytes of a payload.
pub const MAX_PAYLOAD: usize = 16 * 1024;

impl Parameterized {
    /// Whether a dispatch may bring this.
    ///
    /// # Errors
    /// Why not.
    pub fn accept(&self, payload: &[u8], meta: &BTreeMap<String, String>) -> Result<(), String> {
        match self.payload {
            PayloadRule::Required if payload.is_empty() => {
                return Err(String::from("Payload is not provided but required by parameterized job"));
            }
            PayloadRule::Forbidden if !payload.is_empty() => {
                return Err(String::from("Payload provided but forbidden by parameterized job"));
            }
            _ => {}
        }
        if payload.len() > MAX_PAYLOAD {
            return Err(format!("Payload exceeds maximum size; {} > {MAX_PAYLOAD}", payload.len()));
        }
        let known = |key: &String| self.meta_required.contains(key) || self.meta_optional.contains(key);
        let unknown: Vec<&str> = meta.keys().filter(|key| !known(key)).map(String::as_str).collect();
        if !unknown.is_empty() {
            return Err(format!("Dispatch request included unpermitted metadata keys: {unknown:?}"));
        }
        let missing: Vec<&str> =
            self.meta_required.iter().filter(|key| !meta.contains_key(*key)).map(String::as_str).collect();
        if !missing.is_empty() {
            return Err(format!("Dispatch did not provide required meta keys: {missing:?}"));
        }
        Ok(())
    }
}

/// A job that was launched by another one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Launched {
    pub parent: String,
    /// By a dispatch; otherwise by the calendar or by hand.
    pub dispatched: bool,
    /// What the dispatch brought along.
    pub payload: Vec<u8>,
    /// A second dispatch with the same token launches nothing. Empty: none.
    pub idempotency_token: String,
}

#[cfg(test)]
mod tests;

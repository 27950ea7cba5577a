//! Versions (semver.org) and constraints of them, as Masterminds/semver reads both.

use std::cmp::Ordering;

use super::Call;
use crate::Value;

pub(super) const NAMES: &[&str] = &["semver", "semverCompare"];

pub(super) fn call(call: &Call<'_>) -> Result<Value, String> {
    if call.name == "semver" {
        let text = call.text()?;
        let version = Version::parse(text).ok_or_else(|| format!("{text:?} is not a version"))?;
        return Ok(Value::map([
            ("Major", number(version.numbers[0])?),
            ("Minor", number(version.numbers[1])?),
            ("Patch", number(version.numbers[2])?),
            ("Prerelease", Value::text(&version.pre)),
            ("Metadata", Value::text(&version.metadata)),
            ("Original", Value::text(text)),
        ]));
    }
    let [constraint, text] = call.texts()?;
    let version = Version::parse(text).ok_or_else(|| format!("{text:?} is not a version"))?;
    let mut matches = false;
    for alternative in constraint.split("||") {
        let mut all = true;
        for rule in
            rules(alternative).ok_or_else(|| format!("{constraint:?} is not a constraint of versions"))?
        {
            all &= rule.allows(&version);
        }
        matches |= all;
    }
    Ok(Value::Bool(matches))
}

fn number(number: u64) -> Result<Value, String> {
    i64::try_from(number).map(Value::Int).map_err(|_| String::from("the number does not fit into 64 bits"))
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Version {
    /// Major, minor, patch.
    numbers: [u64; 3],
    pre: String,
    metadata: String,
}

/// A version whose numbers may be missing or `x`: how many there are, beside it.
fn parse_partly(text: &str) -> Option<(Version, usize)> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, metadata) = text.split_once('+').unwrap_or((text, ""));
    let (text, pre) = text.split_once('-').unwrap_or((text, ""));
    let is_word = |word: &str| word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
    let mut version = Version { pre: pre.to_owned(), metadata: metadata.to_owned(), ..Version::default() };
    let parts: Vec<&str> = text.split('.').collect();
    let known = parts.iter().position(|part| matches!(*part, "x" | "X" | "*")).unwrap_or(parts.len());
    if parts.len() > 3 || !is_word(pre) || !is_word(metadata) {
        return None;
    }
    for (number, part) in version.numbers.iter_mut().zip(&parts[..known]) {
        *number = part.bytes().all(|c| c.is_ascii_digit()).then(|| part.parse().ok())??;
    }
    Some((version, known))
}

impl Version {
    /// Numbers that are missing are 0.
    fn parse(text: &str) -> Option<Self> {
        let (version, known) = parse_partly(text)?;
        let wildcard = text.split(['-', '+']).next().is_some_and(|numbers| numbers.contains(['x', 'X', '*']));
        (known > 0 && !wildcard).then_some(version)
    }

    /// Metadata do not count. (semver.org, section 11)
    fn order(&self, other: &Self) -> Ordering {
        let by_pre = || match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => pre_order(&self.pre, &other.pre),
        };
        self.numbers.cmp(&other.numbers).then_with(by_pre)
    }
}

/// Numbers by size and below words; the longer one of two that begin alike is larger.
fn pre_order(first: &str, second: &str) -> Ordering {
    let (mut first, mut second) = (first.split('.'), second.split('.'));
    loop {
        let order = match (first.next(), second.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(first), Some(second)) => match (first.parse::<u64>(), second.parse::<u64>()) {
                (Ok(first), Ok(second)) => first.cmp(&second),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => first.cmp(second),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// One comparison.
struct Rule<'a> {
    operator: &'a str,
    version: Version,
    /// How many numbers were written; fewer than three leave the others open.
    known: usize,
}

/// Comparisons that hold together: with commas or blanks between them, or `1.2 - 1.4`. `None`: not understood.
fn rules(text: &str) -> Option<Vec<Rule<'_>>> {
    let rule = |operator, version: &str| {
        let (version, known) = parse_partly(version)?;
        Some(Rule { operator, version, known })
    };
    if let Some((first, last)) = text.split_once(" - ") {
        return Some(vec![rule(">=", first.trim())?, rule("<=", last.trim())?]);
    }
    let mut rules = Vec::new();
    let mut rest = text.trim_start_matches([' ', ',']);
    while !rest.is_empty() {
        let operator_end = rest.find(|c: char| !"=!<>~^".contains(c))?;
        let (operator, behind) = rest.split_at(operator_end);
        let behind = behind.trim_start();
        let end = behind.find([' ', ',']).unwrap_or(behind.len());
        let known = ["", "=", "!=", ">", "<", ">=", "=>", "<=", "=<", "~", "~>", "^"];
        let operator = known.into_iter().find(|known| *known == operator)?;
        rules.push(rule(operator, &behind[..end])?);
        rest = behind[end..].trim_start_matches([' ', ',']);
    }
    (!rules.is_empty()).then_some(rules)
}

impl Rule<'_> {
    fn allows(&self, version: &Version) -> bool {
        // Versions before a release are only for those who ask for such.
        if !version.pre.is_empty() && self.version.pre.is_empty() {
            return false;
        }
        let order = version.order(&self.version);
        let (found, wanted) = (version.numbers, self.version.numbers);
        // As far as numbers were written.
        let written = found[..self.known.min(3)].cmp(&wanted[..self.known.min(3)]);
        match self.operator {
            "" | "=" if self.known >= 3 => order == Ordering::Equal,
            "" | "=" => written == Ordering::Equal,
            "!=" if self.known >= 3 => order != Ordering::Equal,
            "!=" => written != Ordering::Equal,
            ">" if self.known >= 3 => order == Ordering::Greater,
            ">" => written == Ordering::Greater,
            "<" => order == Ordering::Less,
            ">=" | "=>" => order != Ordering::Less,
            "<=" | "=<" if self.known >= 3 => order != Ordering::Greater,
            "<=" | "=<" => written != Ordering::Greater,
            "~" | "~>" => {
                let same = self.known.min(2);
                order != Ordering::Less && found[..same] == wanted[..same]
            }
            // The first number that is not 0 stays, and all before it.
            _ => {
                let first = wanted.iter().position(|number| *number > 0).unwrap_or(2);
                let same = (first + 1).min(self.known);
                order != Ordering::Less && found[..same] == wanted[..same]
            }
        }
    }
}

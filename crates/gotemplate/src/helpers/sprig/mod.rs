//! The functions of sprig, under the prefix `sprig_`: those that need nothing but their arguments and the time.
//!
//! What sprig calls its subject is the last argument, so that it comes through a pipe. Where sprig panics, or gives the
//! text of an error for a result, there is an error here. Whole numbers that do not fit into 64 bits are errors, too:
//! sprig goes on with what is left of them. Keys of maps have an order, that of their letters.

mod cases; // letters and words: title, snake_case, ..
mod dates; // times, in Go's layouts
mod decimal; // sums of decimal fractions
mod defaults; // empty values, kinds, JSON
mod dicts; // maps
mod encodings; // base64, base32, hashes
mod layout; // Go's layouts of times
mod lists; // lists, and texts as lists
mod numbers; // whole numbers and others, ranges
mod paths; // parts of paths
mod patterns; // regular expressions
mod semver; // versions and constraints
mod strings; // texts: cut, wrapped, quoted
mod urls; // parts of URLs

use super::{Arguments, Setting};
use crate::{
    Value,
    print::{self, Sink, TooLong},
};

/// Before the name that sprig itself gives a function.
const PREFIX: &str = "sprig_";

/// What a theme does with a call of one of its names.
type Theme = fn(&Call<'_>) -> Result<Value, String>;

const THEMES: &[(&[&str], Theme)] = &[
    (cases::NAMES, cases::call),
    (dates::NAMES, dates::call),
    (defaults::NAMES, defaults::call),
    (dicts::NAMES, dicts::call),
    (encodings::NAMES, encodings::call),
    (lists::NAMES, lists::call),
    (numbers::NAMES, numbers::call),
    (paths::NAMES, paths::call),
    (patterns::NAMES, patterns::call),
    (semver::NAMES, semver::call),
    (strings::NAMES, strings::call),
    (urls::NAMES, urls::call),
];

/// Names that are also there with `must` before them, for those who want errors where others go on.
const MUST: &[&str] = &[
    "append",
    "chunk",
    "compact",
    "dateModify",
    "deepCopy",
    "first",
    "fromJson",
    "has",
    "initial",
    "last",
    "merge",
    "mergeOverwrite",
    "prepend",
    "push",
    "regexFind",
    "regexFindAll",
    "regexMatch",
    "regexReplaceAll",
    "regexReplaceAllLiteral",
    "regexSplit",
    "rest",
    "reverse",
    "slice",
    "toDate",
    "toJson",
    "toPrettyJson",
    "toRawJson",
    "uniq",
    "without",
];

/// A call of one function.
pub(super) struct Call<'a> {
    /// Without prefixes.
    name: &'a str,
    /// Mistakes are errors where others go on.
    must: bool,
    arguments: Arguments<'a>,
    setting: &'a Setting,
}

impl<'a> Call<'a> {
    fn exactly<const N: usize>(&self) -> Result<[&'a Value; N], String> {
        self.arguments.exactly()
    }

    fn texts<const N: usize>(&self) -> Result<[&'a str; N], String> {
        self.arguments.texts()
    }

    /// The one argument, a text.
    fn text(&self) -> Result<&'a str, String> {
        self.texts::<1>().map(|[text]| text)
    }

    /// The first argument and the others.
    fn first(&self, wanted: &str) -> Result<(&'a Value, &'a [Value]), String> {
        self.arguments.0.split_first().ok_or_else(|| format!("wants {wanted}"))
    }

    fn all(&self) -> &'a [Value] {
        self.arguments.0
    }

    /// A text may have so many bytes.
    fn grows_to(&self, bytes: usize) -> Result<(), String> {
        if bytes > self.setting.bytes {
            return Err(TooLong::message(self.setting.bytes));
        }
        Ok(())
    }

    fn sink(&self) -> Sink {
        Sink::new(self.setting.bytes)
    }

    fn too_long(&self) -> String {
        TooLong::message(self.setting.bytes)
    }

    /// What `print` shows of it; nothing is `<nil>`.
    fn shown(&self, value: &Value) -> Result<String, String> {
        let mut sink = self.sink();
        print::inner(value, &mut sink).map_err(|TooLong| self.too_long())?;
        Ok(sink.text)
    }

    /// The texts that are in a list, without what is nothing; of another value, itself.
    fn strings(&self, value: &Value) -> Result<Vec<String>, String> {
        let one = std::slice::from_ref(value);
        let items = if let Value::List(items) = value { items } else { one };
        self.setting.holds(items.len())?;
        let mut rest = self.setting.bytes;
        let mut texts = Vec::new();
        for item in items.iter().filter(|item| **item != Value::Null) {
            let text = self.shown(item)?;
            // Shared items are written out here.
            rest = rest.checked_sub(text.len()).ok_or_else(|| self.too_long())?;
            texts.push(text);
        }
        Ok(texts)
    }

    /// A list of what comes out, up to the most items that one may have.
    fn list(&self, items: impl IntoIterator<Item = Value>) -> Result<Value, String> {
        let most = self.setting.most_items();
        let list: Vec<Value> = items.into_iter().take(most + 1).collect();
        self.setting.holds(list.len())?;
        Ok(Value::list(list))
    }

    /// Values that are walked through as a whole must not be endless.
    fn bounded(&self, values: &[Value]) -> Result<(), String> {
        values.iter().try_for_each(|value| self.setting.bounded(value))
    }
}

/// The name without its prefixes, and whether it has `must`. `None`: sprig has no such function, or it is refused here.
fn plain(name: &str) -> Option<(&str, bool)> {
    let name = name.strip_prefix(PREFIX)?;
    let must = |plain: &'static str| {
        let rest = name.strip_prefix("must")?;
        let mut letters = plain.chars();
        let first = letters.next()?.to_ascii_uppercase();
        rest.strip_prefix(first).is_some_and(|rest| rest == letters.as_str()).then_some((plain, true))
    };
    if name == "must_date_modify" {
        return Some(("dateModify", true));
    }
    let known = THEMES.iter().any(|(names, _)| names.contains(&name));
    if known { Some((name, false)) } else { MUST.iter().find_map(|plain| must(plain)) }
}

pub(super) fn knows(name: &str) -> bool {
    plain(name).is_some()
}

/// Whether it changes the map that is its first argument.
pub(super) fn changes_first(name: &str) -> bool {
    let changing = ["set", "unset", "merge", "mergeOverwrite"];
    plain(name).is_some_and(|(name, _)| changing.contains(&name))
}

pub(super) fn call(name: &str, arguments: Arguments<'_>, setting: &Setting) -> Result<Value, String> {
    let undefined = || format!("function {name:?} not defined");
    let (name, must) = plain(name).ok_or_else(undefined)?;
    let theme = THEMES.iter().find(|(names, _)| names.contains(&name));
    let (_, theme) = theme.ok_or_else(undefined)?;
    theme(&Call { name, must, arguments, setting })
}

/// All names, with the prefix.
#[cfg(test)]
pub(super) fn names() -> Vec<String> {
    let plain = THEMES.iter().flat_map(|(names, _)| names.iter());
    let must = MUST.iter().map(|name| {
        let (first, rest) = name.split_at(1);
        format!("{PREFIX}must{}{rest}", first.to_uppercase())
    });
    plain
        .map(|name| format!("{PREFIX}{name}"))
        .chain(must)
        .chain([format!("{PREFIX}must_date_modify")])
        .collect()
}

/// A whole number that a function insists on.
fn whole(value: &Value) -> Result<i64, String> {
    match value {
        Value::Int(number) => Ok(*number),
        // JSON makes no difference.
        Value::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => Ok(*number as i64),
        other => Err(format!("wants a whole number, found a {}", other.kind())),
    }
}

/// The same, as a size.
fn size(value: &Value) -> Result<usize, String> {
    let number = whole(value)?;
    usize::try_from(number).map_err(|_| format!("wants a number that is not negative, found {number}"))
}

#[cfg(test)]
mod tests;

//! Regular expressions: whether they are some, and small enough for servers to compile them again and again.

use std::collections::BTreeMap;

use model::location::pattern::{MAX_BYTES, MAX_COMPILED_BYTES, MAX_PER_JOB};
use regex::{Error, RegexBuilder};

/// What is wrong with a pattern, and the remedy.
type Wrong = (String, &'static str);

/// Letters of a pattern that messages show.
const SHOWN: usize = 60;

/// Those of one job, each compiled once.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    known: BTreeMap<String, Option<Wrong>>,
    /// That there are too many was said.
    told: bool,
}

impl Patterns {
    pub(super) fn wrong(&mut self, text: &str) -> Option<Wrong> {
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        // The first one too many is told; compiling goes no further, or checking a job could take minutes.
        if self.known.len() >= MAX_PER_JOB {
            let message = format!(
                "the job has more than {MAX_PER_JOB} different regular expressions, which is how many a server compiles"
            );
            let told = std::mem::replace(&mut self.told, true);
            return (!told).then_some((message, "use one for several groups, or `set_contains_any`"));
        }
        let found = check(text);
        self.known.insert(text.to_owned(), found.clone());
        found
    }
}

fn check(text: &str) -> Option<Wrong> {
    if text.len() > MAX_BYTES {
        let message = format!(
            "the regular expression \"{}\" has {} bytes; at most {MAX_BYTES} are compiled",
            shown(text),
            text.len()
        );
        return Some((message, "shorten it, or compare with `set_contains_any`"));
    }
    match RegexBuilder::new(text).size_limit(MAX_COMPILED_BYTES).build() {
        Ok(_) => None,
        Err(Error::CompiledTooBig(_)) => {
            let message = format!(
                "the regular expression \"{}\" becomes larger than {} MiB when it is compiled",
                shown(text),
                MAX_COMPILED_BYTES >> 20
            );
            Some((
                message,
                "lower its repetition counts, and write `[a-z]` and `[0-9]` where these will do for `\\w` and `\\d`",
            ))
        }
        Err(_) => Some((
            format!("\"{}\" is not a regular expression", shown(text)),
            "close its brackets, and write \\\\ for a backslash",
        )),
    }
}

/// Its beginning, if it is long.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}..", &text[..end]),
    }
}

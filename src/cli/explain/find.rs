//! From what was typed to one thing.

use crate::cli::{
    client::Client,
    format::short,
    lookup::{self, Kind},
    output::Failure,
};

/// What is to be explained, by its full id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    Job(String),
    Alloc(String),
    Eval(String),
}

/// Whether the text has the form of an error code: `T` and four digits.
pub(super) fn is_code(text: &str) -> bool {
    let digits = text.trim().strip_prefix(['T', 't']);
    digits.is_some_and(|digits| digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// An exact id wins, of whatever kind; else what begins with the text.
pub(super) fn find(client: &Client, text: &str) -> Result<Subject, Failure> {
    let found = lookup::search_all(client, text)?;
    let explained = |kind: &Kind| matches!(kind, Kind::Job | Kind::Alloc | Kind::Eval);
    let (mine, other): (Vec<_>, Vec<_>) = found.into_iter().partition(|(kind, _)| explained(kind));
    match mine.as_slice() {
        [] => Err(nothing(text, &other)),
        [(kind, ids)] if ids.len() == 1 => Ok(match kind {
            Kind::Alloc => Subject::Alloc(ids[0].clone()),
            Kind::Eval => Subject::Eval(ids[0].clone()),
            _ => Subject::Job(ids[0].clone()),
        }),
        _ => Err(ambiguous(text, &mine)),
    }
}

fn nothing(text: &str, other: &[(Kind, Vec<String>)]) -> Failure {
    let mut answer = format!(
        "Nothing to explain is called \"{text}\": it is no error code (T and four digits), and no job, allocation or \
         evaluation has this id, or one that begins with it. (Those of another namespace are found with -namespace.)"
    );
    for (kind, ids) in other {
        let (what, command) = match kind {
            Kind::Node => ("a node", "node status"),
            _ => ("a deployment", "deployment status"),
        };
        if let Some(id) = ids.first() {
            answer += &format!("\n\"{id}\" is {what}: `{command} {}` shows it.", short(id, false));
        }
    }
    Failure::message(answer)
}

fn ambiguous(text: &str, found: &[(Kind, Vec<String>)]) -> Failure {
    let mut answer = format!("Several things have an id that begins with \"{text}\". Which one is meant?");
    for (kind, ids) in found {
        answer += &format!("\n\n{}:", kind.title());
        for id in ids {
            answer += &format!("\n  {id}");
        }
    }
    Failure::message(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_a_letter_and_four_digits() {
        for code in ["T0001", "t0203", " T9999 "] {
            assert!(is_code(code), "{code}");
        }
        for other in ["T001", "T00011", "T000x", "0001", "web", "", "T", "t0001-1"] {
            assert!(!is_code(other), "{other}");
        }
    }
}

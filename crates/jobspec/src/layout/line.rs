//! One line: its words, and what they are.

use super::LayoutError;

#[derive(Debug, Default)]
pub(super) struct Line {
    /// Written as it is: inside a heredoc or a long comment.
    pub(super) verbatim: Option<String>,
    pub(super) indent: usize,
    /// All of the line, or what stands before the equals sign.
    pub(super) lead: String,
    /// From the equals sign on, where the value ends in this line.
    pub(super) assign: Option<String>,
    /// At the end of the line, behind something else.
    pub(super) comment: Option<String>,
    pub(super) opened: usize,
    pub(super) closed: usize,
}

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A name, a number, a text, an operator.
    Word,
    Open(char),
    Close(char),
    Comma,
    /// `=` between a name and its value.
    Equals,
    Comment,
}

#[derive(Debug)]
struct Word {
    kind: Kind,
    text: String,
    /// A blank stood before it.
    apart: bool,
}

/// What goes on in the next line.
enum Rest {
    Nothing,
    /// Until a line of this word alone.
    Heredoc(String),
    LongComment,
}

pub(super) fn read(source: &str) -> Result<Vec<Line>, LayoutError> {
    let mut lines = Vec::new();
    let mut rest = Rest::Nothing;
    let mut began = 0;
    for (number, text) in source.lines().enumerate() {
        match &rest {
            Rest::Heredoc(end) => {
                if text.trim() == end {
                    rest = Rest::Nothing;
                }
                lines.push(Line { verbatim: Some(text.to_owned()), ..Line::default() });
            }
            Rest::LongComment => {
                if text.contains("*/") {
                    rest = Rest::Nothing;
                }
                lines.push(Line { verbatim: Some(text.to_owned()), ..Line::default() });
            }
            Rest::Nothing => {
                let (words, goes_on) = words(text, number + 1)?;
                rest = goes_on;
                began = number + 1;
                lines.push(line(words));
            }
        }
    }
    match rest {
        Rest::Nothing => Ok(lines),
        Rest::Heredoc(_) => Err(LayoutError::Odd { line: began, what: "the heredoc has no end" }),
        Rest::LongComment => Err(LayoutError::Odd { line: began, what: "the comment has no end" }),
    }
}

fn words(text: &str, number: usize) -> Result<(Vec<Word>, Rest), LayoutError> {
    let odd = |what| LayoutError::Odd { line: number, what };
    let mut words: Vec<Word> = Vec::new();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let trimmed = rest.trim_start();
        let apart = trimmed.len() < rest.len();
        at = text.len() - trimmed.len();
        let Some(first) = trimmed.chars().next() else { return Ok((words, Rest::Nothing)) };
        let mut push = |kind, length: usize| {
            words.push(Word { kind, text: trimmed[..length].to_owned(), apart });
            at += length;
        };
        if first == '#' || trimmed.starts_with("//") {
            let length = trimmed.trim_end().len();
            push(Kind::Comment, length);
            return Ok((words, Rest::Nothing));
        } else if trimmed.starts_with("/*") {
            match trimmed.find("*/") {
                Some(end) => push(Kind::Word, end + 2),
                None => {
                    let length = trimmed.trim_end().len();
                    push(Kind::Comment, length);
                    return Ok((words, Rest::LongComment));
                }
            }
        } else if first == '"' {
            let length = quoted(trimmed).ok_or_else(|| odd("the text has no end"))?;
            push(Kind::Word, length);
        } else if let Some(rest) = trimmed.strip_prefix("<<") {
            let name = rest.trim_start_matches('-').trim();
            let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
            if name.is_empty() || !name.chars().all(is_name) {
                return Err(odd("the heredoc has no name"));
            }
            let end = name.to_owned();
            let length = trimmed.trim_end().len();
            push(Kind::Word, length);
            return Ok((words, Rest::Heredoc(end)));
        } else if "([{".contains(first) {
            push(Kind::Open(first), 1);
        } else if ")]}".contains(first) {
            push(Kind::Close(first), 1);
        } else if first == ',' {
            push(Kind::Comma, 1);
        } else if first == '=' && !trimmed.starts_with("==") && !trimmed.starts_with("=>") {
            push(Kind::Equals, 1);
        } else if is_operator(first) {
            let length = trimmed.find(|c| !is_operator(c)).unwrap_or(trimmed.len());
            push(Kind::Word, length.min(2));
        } else {
            let ends = |c: char| c.is_whitespace() || "()[]{},\"#".contains(c) || is_operator(c);
            let length = trimmed.find(ends).unwrap_or(trimmed.len());
            push(Kind::Word, length.max(first.len_utf8()));
        }
    }
}

/// Signs that two of may stand for one operator; `-`, `*`, `/`, `.` and `:` are left with the words around them.
fn is_operator(c: char) -> bool {
    "=!<>&|".contains(c)
}

/// Length of the text at the beginning, with its quotes and with the templates in it.
fn quoted(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut inside = false;
    let mut escaped = false;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if inside || depth > 0 {
            match c {
                '\\' if inside => escaped = true,
                '"' if depth == 0 => return Some(at + 1),
                '"' => inside = !inside,
                '{' if inside && depth == 0 && matches!(before, '$' | '%') => {
                    depth = 1;
                    inside = false;
                }
                '{' if !inside => depth += 1,
                '}' if !inside => {
                    depth -= 1;
                    inside = depth == 0;
                }
                _ => {}
            }
        } else {
            // The first quote.
            inside = true;
        }
        // `$${` is no template.
        before = if before == c && matches!(c, '$' | '%') { ' ' } else { c };
    }
    None
}

fn line(mut words: Vec<Word>) -> Line {
    let count = |words: &[Word]| {
        let opened = words.iter().filter(|word| matches!(word.kind, Kind::Open(_))).count();
        let closed = words.iter().filter(|word| matches!(word.kind, Kind::Close(_))).count();
        (opened, closed)
    };
    let comment = match words.last() {
        Some(word) if word.kind == Kind::Comment && words.len() > 1 => words.pop().map(|word| word.text),
        _ => None,
    };
    let (opened, closed) = count(&words);
    let equals = words.iter().position(|word| word.kind == Kind::Equals).filter(|at| *at > 0);
    // A value that goes on in the next lines stands by itself.
    let whole = equals.filter(|at| {
        let (before, after) = (count(&words[..*at]), count(&words[*at..]));
        before.0 == before.1 && after.0 == after.1
    });
    let is_heredoc = words.last().is_some_and(|word| word.text.starts_with("<<"));
    match whole.filter(|_| !is_heredoc) {
        Some(at) => Line {
            lead: joined(&words[..at]),
            assign: Some(joined(&words[at..])),
            comment,
            opened,
            closed,
            ..Line::default()
        },
        None => Line { lead: joined(&words), comment, opened, closed, ..Line::default() },
    }
}

/// The words with one blank between them, or none where none belongs.
fn joined(words: &[Word]) -> String {
    let mut text = String::new();
    for (at, word) in words.iter().enumerate() {
        let blank = match at.checked_sub(1).map(|before| &words[before]) {
            None => false,
            Some(before) => match (before.kind, word.kind) {
                (Kind::Open('(' | '['), _) | (_, Kind::Close(')' | ']') | Kind::Comma) => false,
                (Kind::Open('{'), Kind::Close('}')) => word.apart,
                (Kind::Open('{'), _) | (_, Kind::Close('}')) => true,
                (Kind::Comma | Kind::Equals, _) | (_, Kind::Equals) => true,
                (Kind::Word, Kind::Open('{')) => true,
                // Calls, indexes, signs: as they were written.
                _ => word.apart,
            },
        };
        if blank {
            text.push(' ');
        }
        text.push_str(&word.text);
    }
    text
}

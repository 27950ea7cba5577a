//! Lays out HCL as everybody does: two blanks per level, one blank between words, equals signs and comments of lines
//! that follow each other below each other. Words, comments and empty lines stay.
//!
//! Works on lines and their words, not on a tree: what stands in texts and heredocs is not touched.

mod line; // one line: its words and what they are
#[cfg(test)]
mod tests;

use self::line::{Line, read};
use crate::syntax::{MAX_BYTES, is_object};

/// Why a text cannot be laid out. It was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    #[error("the file has {0} bytes; at most {MAX_BYTES} are read")]
    TooLarge(usize),
    #[error("line {line}: {what}")]
    Odd { line: usize, what: &'static str },
}

/// The text, laid out. Laying it out again changes nothing. JSON is left as it is.
///
/// # Errors
/// It is too large, or a text, a comment or a heredoc in it has no end.
pub fn layout(source: &str) -> Result<String, LayoutError> {
    if source.len() > MAX_BYTES {
        return Err(LayoutError::TooLarge(source.len()));
    }
    if is_object(source) {
        return Ok(source.to_owned());
    }
    let mut lines = read(source)?;
    indent(&mut lines);
    let leads = align(&lines, |line| line.assign.as_ref().map(|_| line.lead.chars().count()));
    for (line, width) in lines.iter_mut().zip(leads) {
        if let Some(assign) = line.assign.take() {
            let gap = width.saturating_sub(line.lead.chars().count());
            line.lead = format!("{}{} {assign}", line.lead, " ".repeat(gap));
        }
    }
    let leads =
        align(&lines, |line| line.comment.as_ref().map(|_| line.indent * 2 + line.lead.chars().count()));
    let mut text = String::with_capacity(source.len());
    for (line, width) in lines.iter().zip(leads) {
        match &line.verbatim {
            Some(verbatim) => text.push_str(verbatim),
            None => {
                let mut laid = format!("{}{}", "  ".repeat(line.indent), line.lead);
                if let Some(comment) = &line.comment {
                    let gap = width.saturating_sub(laid.chars().count());
                    laid = format!("{laid}{} {comment}", " ".repeat(gap));
                }
                text.push_str(laid.trim_end());
            }
        }
        text.push('\n');
    }
    Ok(text)
}

/// A line that opens several brackets at once is one level, and they are closed together.
fn indent(lines: &mut [Line]) {
    let mut levels: Vec<usize> = Vec::new();
    for line in lines.iter_mut().filter(|line| line.verbatim.is_none()) {
        let (opened, closed) = (line.opened, line.closed);
        let mut left = closed.saturating_sub(opened);
        while left > 0 {
            let Some(top) = levels.last_mut() else { break };
            if *top <= left {
                left -= *top;
                levels.pop();
            } else {
                *top -= left;
                left = 0;
            }
        }
        line.indent = levels.len();
        if opened > closed {
            levels.push(opened - closed);
        }
    }
}

/// For each line the width that its first part needs so that the second parts of neighbours are below each other.
fn align(lines: &[Line], width: impl Fn(&Line) -> Option<usize>) -> Vec<usize> {
    let mut widths = vec![0; lines.len()];
    let mut begin = 0;
    while begin < lines.len() {
        let run =
            lines[begin..].iter().take_while(|line| line.verbatim.is_none() && width(line).is_some()).count();
        let widest = lines[begin..begin + run].iter().filter_map(&width).max().unwrap_or(0);
        widths[begin..begin + run].fill(widest);
        begin += run.max(1);
    }
    widths
}

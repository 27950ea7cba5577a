//! Text between quotes or heredoc marks: escapes, and interpolation that has to survive until run time.

use super::{
    expression::{self, Reference},
    tree::Span,
};
use crate::{codes, diagnostic::Finding};

/// Where the text came from, for messages.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin {
    /// Between double quotes, from this offset of the file: `\n` and the like are escapes.
    Quoted { offset: usize },
    /// A heredoc: backslashes stand for themselves, and indentation was removed, so only the whole has a place.
    Heredoc { span: Span },
}

impl Origin {
    fn span(self, from: usize, to: usize) -> Span {
        match self {
            Self::Quoted { offset } => Span { start: offset + from, end: offset + to },
            Self::Heredoc { span } => span,
        }
    }
}

/// The text that is meant. Findings are added for what cannot be meant; the text then holds it as it was written.
pub(crate) fn expand(content: &str, origin: Origin, findings: &mut Vec<Finding>) -> String {
    let mut out = String::with_capacity(content.len());
    let mut at = 0;
    while let Some(letter) = content[at..].chars().next() {
        let rest = &content[at..];
        if rest.starts_with("$${") || rest.starts_with("%%{") {
            out.push_str(&rest[1..3]);
            at += 3;
        } else if rest.starts_with("${") {
            let length = interpolation_length(rest);
            let Some(length) = length else {
                findings.push(Finding::new(
                    codes::TEXT,
                    origin.span(at, at + 2),
                    "`${` is never closed",
                    "close it with `}`, or write `$${` for a literal `${`",
                ));
                out.push_str(rest);
                break;
            };
            interpolate(&rest[..length], origin.span(at, at + length), &mut out, findings);
            at += length;
        } else if rest.starts_with("%{") {
            findings.push(Finding::new(
                codes::EXPRESSION,
                origin.span(at, at + 2),
                "template directives (`%{ .. }`) are not supported yet",
                "write `%%{` if a literal `%{` is meant",
            ));
            out.push_str("%{");
            at += 2;
        } else if letter == '\\' && matches!(origin, Origin::Quoted { .. }) {
            at += unescape(rest, origin.span(at, at + 2), &mut out, findings);
        } else {
            out.push(letter);
            at += letter.len_utf8();
        }
    }
    out
}

/// Bytes from `${` to its `}`, both included. Braces and quotes inside may nest.
pub(crate) fn interpolation_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut braces = 0_usize;
    let mut quoted = false;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b'{' if !quoted => braces += 1,
            b'}' if !quoted => {
                braces -= 1;
                if braces == 0 {
                    return Some(at + 1);
                }
            }
            b'\n' => return None,
            _ => {}
        }
        at += 1;
    }
    None
}

/// `raw` is `${..}`.
fn interpolate(raw: &str, span: Span, out: &mut String, findings: &mut Vec<Finding>) {
    let inner = raw[2..raw.len() - 1].trim();
    if inner.is_empty() {
        findings.push(Finding::new(
            codes::TEXT,
            span,
            "`${}` names nothing",
            "write a name between the braces, such as `${NOMAD_PORT_http}`, or `$${` for a literal `${`",
        ));
    }
    match expression::references(inner) {
        Reference::Runtime(_) => out.push_str(raw),
        Reference::Nothing => match expression::evaluate(inner).ok().and_then(as_text) {
            Some(text) => out.push_str(&text),
            None => out.push_str(raw),
        },
        reference => {
            findings.push(refusal(&reference, span));
            out.push_str(raw);
        }
    }
}

fn as_text(kind: super::Kind) -> Option<String> {
    super::Value { kind, span: Span::default() }.to_text()
}

/// The sentence for what this release does not evaluate.
pub(crate) fn refusal(reference: &Reference, span: Span) -> Finding {
    let (what, help) = match reference {
        Reference::Variable(name) => {
            (format!("variables (`{name}`) are not supported yet"), "write the value itself here")
        }
        Reference::Function(name) => {
            (format!("functions (`{name}(..)`) are not supported yet"), "write the resulting value here")
        }
        Reference::Loop => {
            (String::from("`for` expressions are not supported yet"), "write the resulting list or map here")
        }
        Reference::Runtime(name) => (
            format!("`{name}` is not a value"),
            "put text between double quotes; what is known at run time only is written \"${name}\"",
        ),
        Reference::Nothing => (String::from("the expression has no value"), ""),
    };
    Finding::new(codes::EXPRESSION, span, what, help)
}

/// Bytes consumed.
fn unescape(rest: &str, span: Span, out: &mut String, findings: &mut Vec<Finding>) -> usize {
    let Some(letter) = rest[1..].chars().next() else {
        out.push('\\');
        return 1;
    };
    let simple = match letter {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        '"' => Some('"'),
        '\\' => Some('\\'),
        // JSON writes it.
        '/' => Some('/'),
        _ => None,
    };
    if let Some(simple) = simple {
        out.push(simple);
        return 2;
    }
    let digits = match letter {
        'u' => 4,
        'U' => 8,
        _ => 0,
    };
    if digits > 0 {
        let code = rest.get(2..2 + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        if let Some(letter) = code.and_then(char::from_u32) {
            out.push(letter);
            return 2 + digits;
        }
    }
    findings.push(Finding::new(
        codes::TEXT,
        span,
        format!("`\\{letter}` is not an escape"),
        "known are \\n \\r \\t \\\" \\\\ \\uNNNN and \\UNNNNNNNN; write \\\\ for a backslash",
    ));
    out.push('\\');
    out.push(letter);
    1 + letter.len_utf8()
}

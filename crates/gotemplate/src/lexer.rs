//! Text to tokens. Blanks inside actions are tokens, too: `.a.b` is one term and `.a .b` are two.

use crate::{Delimiters, Fault, Value, number};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Text(String),
    Left,
    Right,
    Space,
    Pipe,
    Assign,
    Declare,
    Comma,
    OpenParen,
    CloseParen,
    Dot,
    /// Without the dot.
    Field(String),
    /// With the dollar.
    Variable(String),
    Word(String),
    Constant(Value),
    End,
}

impl Kind {
    /// For errors.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Text(_) => String::from("text"),
            Self::Left => String::from("the beginning of an action"),
            Self::Right => String::from("the end of the action"),
            Self::Space => String::from("a blank"),
            Self::Pipe => String::from("\"|\""),
            Self::Assign => String::from("\"=\""),
            Self::Declare => String::from("\":=\""),
            Self::Comma => String::from("\",\""),
            Self::OpenParen => String::from("\"(\""),
            Self::CloseParen => String::from("\")\""),
            Self::Dot => String::from("\".\""),
            Self::Field(name) => format!("\".{name}\""),
            Self::Variable(name) | Self::Word(name) => format!("{name:?}"),
            Self::Constant(Value::Text(text)) => format!("{text:?}"),
            Self::Constant(_) => String::from("a number"),
            Self::End => String::from("the end of the template"),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) at: usize,
}

/// What may stand around the marks that take blanks away.
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

pub(crate) fn tokens(text: &str, delimiters: &Delimiters) -> Result<Vec<Token>, Fault> {
    let (left, right) = (delimiters.left.as_str(), delimiters.right.as_str());
    if left.is_empty() || right.is_empty() {
        return Err(Fault::new(0, "delimiters must not be empty"));
    }
    let mut lexer = Lexer { text, right, at: 0, out: Vec::new() };
    let mut trim_next = false;
    loop {
        let rest = &text[lexer.at..];
        let found = rest.find(left);
        let mut piece = &rest[..found.unwrap_or(rest.len())];
        let begin = lexer.at;
        if trim_next {
            piece = piece.trim_start_matches(BLANKS);
        }
        let Some(offset) = found else {
            lexer.push_text(piece, begin);
            lexer.push(Kind::End, text.len());
            return Ok(lexer.out);
        };
        lexer.at += offset + left.len();
        let open = begin + offset;
        let after = &text[lexer.at..];
        if after.starts_with('-') && after[1..].starts_with(BLANKS) {
            piece = piece.trim_end_matches(BLANKS);
            lexer.at += 2;
        }
        lexer.push_text(piece, begin);
        if text[lexer.at..].starts_with("/*") {
            trim_next = lexer.comment(open)?;
            continue;
        }
        lexer.push(Kind::Left, open);
        trim_next = lexer.action(open)?;
    }
}

struct Lexer<'a> {
    text: &'a str,
    right: &'a str,
    at: usize,
    out: Vec<Token>,
}

impl<'a> Lexer<'a> {
    fn push(&mut self, kind: Kind, at: usize) {
        self.out.push(Token { kind, at });
    }

    fn push_text(&mut self, piece: &str, at: usize) {
        if !piece.is_empty() {
            self.push(Kind::Text(piece.to_owned()), at);
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The closing delimiter, and whether it takes the blanks behind it away.
    fn closes(&self) -> Option<(usize, bool)> {
        let rest = self.rest();
        if rest.starts_with(self.right) {
            return Some((self.right.len(), false));
        }
        let trimmed = rest.strip_prefix(BLANKS)?.strip_prefix('-')?;
        trimmed.starts_with(self.right).then(|| (2 + self.right.len(), true))
    }

    fn comment(&mut self, open: usize) -> Result<bool, Fault> {
        let Some(end) = self.rest().find("*/") else {
            return Err(Fault::new(open, "the comment is not closed: expected */"));
        };
        self.at += end + 2;
        let Some((length, trims)) = self.closes() else {
            let message = format!("expected {:?} directly after the comment's */", self.right);
            return Err(Fault::new(self.at, message));
        };
        self.at += length;
        Ok(trims)
    }

    /// Up to the closing delimiter; whether that one trims.
    fn action(&mut self, open: usize) -> Result<bool, Fault> {
        let mut depth = 0usize;
        loop {
            if let Some((length, trims)) = self.closes() {
                if depth > 0 {
                    return Err(Fault::new(self.at, "expected \")\" before the end of the action"));
                }
                self.push(Kind::Right, self.at);
                self.at += length;
                return Ok(trims);
            }
            let at = self.at;
            let mut chars = self.rest().chars();
            let Some(c) = chars.next() else {
                return Err(Fault::new(open, format!("the action is not closed: expected {:?}", self.right)));
            };
            let next = chars.next();
            match c {
                c if BLANKS.contains(&c) => {
                    // The blank before `-}}` belongs to that.
                    while self.closes().is_none() && self.rest().starts_with(BLANKS) {
                        self.at += 1;
                    }
                    self.push(Kind::Space, at);
                }
                '|' => self.single(Kind::Pipe),
                ',' => self.single(Kind::Comma),
                '(' => {
                    depth += 1;
                    self.single(Kind::OpenParen);
                }
                ')' if depth == 0 => return Err(Fault::new(at, "unexpected \")\"")),
                ')' => {
                    depth -= 1;
                    self.single(Kind::CloseParen);
                }
                '=' => self.single(Kind::Assign),
                ':' if next == Some('=') => {
                    self.at += 2;
                    self.push(Kind::Declare, at);
                }
                '"' => self.quoted('"')?,
                '`' => self.raw()?,
                '\'' => self.quoted('\'')?,
                '$' => {
                    self.at += 1;
                    let name = self.word();
                    self.push(Kind::Variable(format!("${name}")), at);
                }
                '.' if next.is_none_or(|next| !next.is_ascii_digit()) => {
                    self.at += 1;
                    let name = self.word();
                    self.push(if name.is_empty() { Kind::Dot } else { Kind::Field(name.to_owned()) }, at);
                }
                c if c.is_ascii_digit() || matches!(c, '.' | '+' | '-') => self.number()?,
                c if c.is_alphabetic() || c == '_' => {
                    let word = self.word().to_owned();
                    self.push(
                        match word.as_str() {
                            "true" => Kind::Constant(Value::Bool(true)),
                            "false" => Kind::Constant(Value::Bool(false)),
                            _ => Kind::Word(word),
                        },
                        at,
                    );
                }
                other => return Err(Fault::new(at, format!("unexpected {other:?} in an action"))),
            }
        }
    }

    fn single(&mut self, kind: Kind) {
        self.push(kind, self.at);
        self.at += 1;
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn number(&mut self) -> Result<(), Fault> {
        let at = self.at;
        let rest = self.rest();
        let mut end = 0;
        let mut before = ' ';
        let hex = rest.trim_start_matches(['+', '-']).to_ascii_lowercase().starts_with("0x");
        for c in rest.chars() {
            let signs = matches!(c, '+' | '-') && (end == 0 || (matches!(before, 'e' | 'E') && !hex));
            if !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.') || signs) {
                break;
            }
            end += c.len_utf8();
            before = c;
        }
        let text = &rest[..end];
        let Some(value) = number::literal(text) else {
            return Err(Fault::new(at, format!("{text:?} is not a number")));
        };
        self.at += end;
        self.push(Kind::Constant(value), at);
        Ok(())
    }

    fn raw(&mut self) -> Result<(), Fault> {
        let at = self.at;
        let inside = &self.rest()[1..];
        let Some(end) = inside.find('`') else {
            return Err(Fault::new(at, "the raw string is not closed: expected `"));
        };
        self.at += end + 2;
        self.push(Kind::Constant(Value::text(inside[..end].replace('\r', ""))), at);
        Ok(())
    }

    /// A string, or a character, which is a number.
    fn quoted(&mut self, quote: char) -> Result<(), Fault> {
        let at = self.at;
        let mut text = String::new();
        let mut chars = self.rest()[1..].char_indices();
        let unclosed = || Fault::new(at, format!("the string is not closed: expected {quote}"));
        let end = loop {
            let (offset, c) = chars.next().ok_or_else(unclosed)?;
            match c {
                '\n' => return Err(unclosed()),
                c if c == quote => break offset,
                '\\' => {
                    let (_, escaped) = chars.next().ok_or_else(unclosed)?;
                    text.push(escape(escaped, quote, &mut chars).ok_or_else(|| {
                        Fault::new(at + 1 + offset, "unknown escape in a string; use `...` for raw text")
                    })?);
                }
                c => text.push(c),
            }
        };
        self.at += end + 2;
        if quote == '"' {
            self.push(Kind::Constant(Value::text(text)), at);
            return Ok(());
        }
        let mut inside = text.chars();
        match (inside.next(), inside.next()) {
            (Some(one), None) => self.push(Kind::Constant(Value::Int(i64::from(u32::from(one)))), at),
            _ => return Err(Fault::new(at, "a character in '...' is one character; use \"...\" for text")),
        }
        Ok(())
    }
}

fn escape(c: char, quote: char, chars: &mut std::str::CharIndices<'_>) -> Option<char> {
    let mut digits = |count: usize, first: Option<char>, radix: u32| {
        let mut value = first.map_or(Some(0), |first| first.to_digit(radix))?;
        for _ in 0..count {
            value = value * radix + chars.next()?.1.to_digit(radix)?;
        }
        char::from_u32(value)
    };
    Some(match c {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' => '\\',
        c if c == quote => c,
        'x' => return digits(2, None, 16),
        'u' => return digits(4, None, 16),
        'U' => return digits(8, None, 16),
        '0'..='7' => return digits(2, Some(c), 8),
        _ => return None,
    })
}

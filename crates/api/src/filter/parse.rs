//! From text to an expression.

use regex::RegexBuilder;

use super::{DEEPEST, Expression, FilterError, LONGEST, Test};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// A bare word: a name, a number, a selector with its dots.
    Word(String),
    /// What stood between quotes.
    Text(String),
    /// `(`, `)`, `{`, `}`, `[`, `]`, `,`, `==`, `!=`
    Mark(&'static str),
}

pub(super) fn parse(text: &str) -> Result<Expression, FilterError> {
    if text.len() > LONGEST {
        return Err(FilterError::Read(format!("it has {} bytes; the limit is {LONGEST}", text.len())));
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, end: text.len(), depth: 0 };
    let expression = parser.any()?;
    match parser.peek() {
        None => Ok(expression),
        Some(_) => Err(parser.wrong("`and`, `or` or the end")),
    }
}

/// Each with the byte at which it begins.
fn tokens(text: &str) -> Result<Vec<(usize, Token)>, FilterError> {
    const MARKS: [&str; 9] = ["==", "!=", "(", ")", "{", "}", "[", "]", ","];
    let is_word = |c: char| c.is_alphanumeric() || "_./-+:@%*~$".contains(c);
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let at = text.len() - rest.len();
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        if let Some(mark) = MARKS.into_iter().find(|mark| rest.starts_with(mark)) {
            tokens.push((at, Token::Mark(mark)));
            rest = &rest[mark.len()..];
        } else if first == '"' || first == '`' {
            let (content, length) = quoted(rest, first, at)?;
            tokens.push((at, Token::Text(content)));
            rest = &rest[length..];
        } else if is_word(first) {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            tokens.push((at, Token::Word(rest[..length].to_owned())));
            rest = &rest[length..];
        } else {
            return Err(FilterError::Read(format!("1:{}: unexpected {first:?}", at + 1)));
        }
    }
}

/// The content of the text at the beginning, and its length with the quotes. Between back quotes nothing is special.
fn quoted(rest: &str, quote: char, at: usize) -> Result<(String, usize), FilterError> {
    let mut content = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((index, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((content, index + 1)),
            '\\' if quote == '"' => match chars.next() {
                Some((_, 'n')) => content.push('\n'),
                Some((_, 't')) => content.push('\t'),
                Some((_, 'r')) => content.push('\r'),
                Some((_, c @ ('"' | '\\' | '/'))) => content.push(c),
                // Backslashes of patterns are kept.
                Some((_, c)) => content.extend(['\\', c]),
                None => break,
            },
            c => content.push(c),
        }
    }
    Err(FilterError::Read(format!("1:{}: the text has no end; write {quote} behind it", at + 1)))
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    end: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn ahead(&self, by: usize) -> Option<&Token> {
        self.tokens.get(self.at + by).map(|(_, token)| token)
    }

    fn wrong(&self, wanted: &str) -> FilterError {
        let place = self.tokens.get(self.at).map_or(self.end, |(place, _)| *place) + 1;
        let found = match self.peek() {
            None => String::from("the end"),
            Some(Token::Word(text)) => format!("`{text}`"),
            Some(Token::Text(text)) => format!("{text:?}"),
            Some(Token::Mark(mark)) => format!("`{mark}`"),
        };
        FilterError::Read(format!("1:{place}: expected {wanted}, found {found}"))
    }

    fn is_word(&self, by: usize, word: &str) -> bool {
        matches!(self.ahead(by), Some(Token::Word(found)) if found == word)
    }

    fn takes(&mut self, word: &str) -> bool {
        let takes = self.is_word(0, word);
        self.at += usize::from(takes);
        takes
    }

    fn takes_mark(&mut self, mark: &str) -> bool {
        let takes = matches!(self.peek(), Some(Token::Mark(found)) if *found == mark);
        self.at += usize::from(takes);
        takes
    }

    fn needs_mark(&mut self, mark: &str) -> Result<(), FilterError> {
        if self.takes_mark(mark) { Ok(()) } else { Err(self.wrong(&format!("`{mark}`"))) }
    }

    fn deeper(&mut self) -> Result<(), FilterError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(FilterError::Read(format!("it is nested deeper than {DEEPEST} levels")));
        }
        Ok(())
    }

    fn any(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.all()?];
        while self.takes("or") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Any(parts) })
    }

    fn all(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.not()?];
        while self.takes("and") {
            parts.push(self.not()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::All(parts) })
    }

    fn not(&mut self) -> Result<Expression, FilterError> {
        self.deeper()?;
        let expression = if self.takes("not") {
            Expression::Not(Box::new(self.not()?))
        } else if self.takes_mark("(") {
            let inner = self.any()?;
            self.needs_mark(")")?;
            inner
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn test(&mut self) -> Result<Expression, FilterError> {
        let each = self.is_word(0, "any") || self.is_word(0, "all");
        if each && matches!(self.ahead(1), Some(Token::Word(_))) {
            let all = self.is_word(0, "all");
            self.at += 1;
            return self.each(all);
        }
        // `value in selector`: the only test that begins with a value.
        let by = usize::from(self.is_word(1, "not"));
        if self.is_word(1 + by, "in") {
            let value = self.value()?;
            self.at += 1 + by;
            let selector = self.selector()?;
            return Ok(Expression::Test { selector, test: Test::Contains(value), negated: by == 1 });
        }
        let selector = self.selector()?;
        if self.takes_mark("==") {
            let test = Test::Equal(self.value()?);
            return Ok(Expression::Test { selector, test, negated: false });
        }
        if self.takes_mark("!=") {
            let test = Test::Equal(self.value()?);
            return Ok(Expression::Test { selector, test, negated: true });
        }
        if self.takes("is") {
            let negated = self.takes("not");
            let test = if self.takes("empty") {
                Test::Empty
            } else if self.takes("nil") {
                Test::Nil
            } else {
                return Err(self.wrong("`empty` or `nil`"));
            };
            return Ok(Expression::Test { selector, test, negated });
        }
        let negated = self.takes("not");
        let test = if self.takes("contains") {
            Test::Contains(self.value()?)
        } else if self.takes("matches") {
            let place = self.at;
            let pattern = self.value()?;
            let regex = RegexBuilder::new(&pattern).size_limit(1 << 20).build().map_err(|error| {
                let place = self.tokens.get(place).map_or(0, |(place, _)| *place) + 1;
                FilterError::Read(format!("1:{place}: not a regular expression: {error}"))
            })?;
            Test::Matches(regex)
        } else {
            let wanted = if negated {
                "`in`, `contains` or `matches`"
            } else {
                "`==`, `!=`, `is`, `in`, `contains` or `matches`"
            };
            return Err(self.wrong(wanted));
        };
        Ok(Expression::Test { selector, test, negated })
    }

    fn each(&mut self, all: bool) -> Result<Expression, FilterError> {
        let selector = self.selector()?;
        if !self.takes("as") {
            return Err(self.wrong("`as`"));
        }
        let first = self.name()?;
        let second = if self.takes_mark(",") { Some(self.name()?) } else { None };
        self.needs_mark("{")?;
        let body = Box::new(self.any()?);
        self.needs_mark("}")?;
        Ok(Expression::Each { selector, names: (first, second), all, body })
    }

    fn name(&mut self) -> Result<String, FilterError> {
        match self.peek() {
            Some(Token::Word(word)) if !word.contains('.') => {
                let word = word.clone();
                self.at += 1;
                Ok(word)
            }
            _ => Err(self.wrong("a name")),
        }
    }

    fn value(&mut self) -> Result<String, FilterError> {
        match self.peek() {
            Some(Token::Word(text) | Token::Text(text)) => {
                let text = text.clone();
                self.at += 1;
                Ok(text)
            }
            _ => Err(self.wrong("a value")),
        }
    }

    /// `Meta.team`, `Meta["my team"]`, `"/Meta/team"`
    fn selector(&mut self) -> Result<Vec<String>, FilterError> {
        let mut steps: Vec<String> = match self.peek() {
            Some(Token::Word(word)) if word.starts_with(|first: char| first.is_ascii_alphabetic()) => {
                word.split('.').map(str::to_owned).collect()
            }
            Some(Token::Text(text)) if text.starts_with('/') => {
                text.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
            }
            _ => return Err(self.wrong("the name of a field")),
        };
        self.at += 1;
        loop {
            if self.takes_mark("[") {
                steps.push(self.value()?);
                self.needs_mark("]")?;
            } else if let Some(Token::Word(word)) = self.peek().filter(|_| self.follows_bracket())
                && let Some(more) = word.strip_prefix('.')
            {
                steps.extend(more.split('.').map(str::to_owned));
                self.at += 1;
            } else {
                break;
            }
        }
        if steps.iter().any(String::is_empty) {
            self.at -= 1;
            return Err(self.wrong("the name of a field"));
        }
        Ok(steps)
    }

    fn follows_bracket(&self) -> bool {
        self.at
            .checked_sub(1)
            .and_then(|at| self.tokens.get(at))
            .is_some_and(|(_, token)| *token == Token::Mark("]"))
    }
}

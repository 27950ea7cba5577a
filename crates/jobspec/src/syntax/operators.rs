//! Expressions: operators, traversals, calls, loops. What they begin with is read in `values`.

use super::{
    expr::{Binary, Expr, For, Node, Step, Unary},
    parser::{Parser, Read, starts_word, wrong},
    tree::{Name, Span},
};
use crate::codes;

impl Parser<'_> {
    /// What stands behind an equals sign.
    pub(super) fn value(&mut self) -> Read<Expr> {
        let lines = std::mem::replace(&mut self.lines_are_blanks, false);
        let value = self.expression();
        self.lines_are_blanks = lines;
        value
    }

    /// An expression between brackets: line ends do not end it.
    pub(super) fn inner(&mut self) -> Read<Expr> {
        let lines = std::mem::replace(&mut self.lines_are_blanks, true);
        self.skip(true);
        let value = self.expression();
        self.skip(true);
        self.lines_are_blanks = lines;
        value
    }

    pub(super) fn make(&self, node: Node, start: usize) -> Read<Expr> {
        let span = Span { start, end: self.at };
        match Expr::new(node, span) {
            Some(expr) => Ok(expr),
            None => wrong(
                codes::LIMIT,
                span,
                "the expression has too many operators, brackets or dots inside each other; 100 are read",
                "give parts of it a name in `locals`",
            ),
        }
    }

    fn blanks(&mut self) {
        self.skip(self.lines_are_blanks);
    }

    fn expression(&mut self) -> Read<Expr> {
        let start = self.at;
        self.descend()?;
        let mut value = self.binary(0)?;
        let end = self.at;
        self.blanks();
        if self.eat("?") {
            self.skip(true);
            let yes = self.expression()?;
            self.skip(true);
            if !self.eat(":") {
                return wrong(
                    codes::SYNTAX,
                    self.here(),
                    format!("expected `:` and the other value, found {}", self.found()),
                    "write `condition ? value : other`",
                );
            }
            self.skip(true);
            let no = self.expression()?;
            value = self.make(Node::Conditional(Box::new([value, yes, no])), start)?;
        } else {
            self.at = end;
        }
        self.depth -= 1;
        Ok(value)
    }

    fn binary(&mut self, tighter_than: u8) -> Read<Expr> {
        let start = self.at;
        let mut left = self.unary()?;
        loop {
            let end = self.at;
            self.blanks();
            let found = Binary::at(self.rest()).filter(|(_, _, binding)| *binding > tighter_than);
            let Some((operator, length, binding)) = found else {
                self.at = end;
                return Ok(left);
            };
            self.at += length;
            self.skip(true);
            let right = self.binary(binding)?;
            left = self.make(Node::Binary(operator, Box::new(left), Box::new(right)), start)?;
        }
    }

    fn unary(&mut self) -> Read<Expr> {
        let start = self.at;
        let number = self.rest().chars().nth(1).is_some_and(|letter| letter.is_ascii_digit());
        let operator = match self.peek() {
            Some('!') => Unary::Not,
            Some('-') if !number => Unary::Negate,
            _ => return self.traversal(),
        };
        self.descend()?;
        self.at += 1;
        self.skip(true);
        let operand = self.unary()?;
        self.depth -= 1;
        self.make(Node::Unary(operator, Box::new(operand)), start)
    }

    /// `a.b[0]`, `a[*].b`
    fn traversal(&mut self) -> Read<Expr> {
        let start = self.at;
        let mut value = self.primary()?;
        loop {
            let node = if self.eat("[*]") {
                let mut steps = Vec::new();
                while let Some(step) = self.step(true)? {
                    steps.push(step);
                }
                Node::Splat(Box::new(value), steps)
            } else if self.eat(".*") {
                let mut steps = Vec::new();
                while let Some(step) = self.step(false)? {
                    steps.push(step);
                }
                Node::Splat(Box::new(value), steps)
            } else {
                match self.step(true)? {
                    Some(Step::Get(name)) => Node::Get(Box::new(value), name),
                    Some(Step::Index(key)) => Node::Index(Box::new(value), Box::new(key)),
                    None => return Ok(value),
                }
            };
            value = self.make(node, start)?;
        }
    }

    fn step(&mut self, index: bool) -> Read<Option<Step>> {
        let rest = self.rest();
        let start = self.at;
        if let Some(name) = rest.strip_prefix('.') {
            if name.starts_with(starts_word) {
                self.at += 1;
                return Ok(Some(Step::Get(self.identifier())));
            }
            let digits = name.len() - name.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
            if let Ok(position) = name[..digits].parse() {
                self.at += 1 + digits;
                let span = Span { start: start + 1, end: self.at };
                return Ok(Some(Step::Index(Expr::leaf(Node::Int(position), span))));
            }
            return Ok(None);
        }
        if !index || !rest.starts_with('[') || rest.starts_with("[*]") {
            return Ok(None);
        }
        self.at += 1;
        self.open_values += 1;
        let key = self.inner()?;
        if !self.eat("]") {
            return wrong(
                codes::SYNTAX,
                self.here(),
                format!("expected `]` after the index, found {}", self.found()),
                "write `list[0]` or `map[\"key\"]`",
            );
        }
        self.open_values -= 1;
        Ok(Some(Step::Index(key)))
    }

    /// A word as expressions have it: without dots.
    pub(super) fn identifier(&mut self) -> Name {
        let start = self.at;
        let rest = self.rest();
        let length = rest
            .find(|letter: char| !(letter.is_alphanumeric() || matches!(letter, '_' | '-')))
            .unwrap_or(rest.len());
        self.at += length;
        Name { text: rest[..length].to_string(), span: Span { start, end: self.at } }
    }

    /// A word where an expression begins: a literal, a call, or a reference.
    pub(super) fn word(&mut self) -> Read<Expr> {
        let start = self.at;
        let name = self.identifier();
        if self.eat("(") {
            return self.call(name);
        }
        let node = match name.text.as_str() {
            "true" => Node::Bool(true),
            "false" => Node::Bool(false),
            "null" => Node::Null,
            _ => Node::Name(name.text),
        };
        self.make(node, start)
    }

    fn call(&mut self, name: Name) -> Read<Expr> {
        let start = name.span.start;
        self.open_values += 1;
        let mut args = Vec::new();
        let mut expand = false;
        loop {
            self.skip(true);
            if self.eat(")") {
                break;
            }
            args.push(self.inner()?);
            expand = self.eat("...");
            self.skip(true);
            let comma = !expand && self.eat(",");
            if !comma && self.peek() != Some(')') {
                return wrong(
                    codes::SYNTAX,
                    self.here(),
                    format!("expected `,` or `)` in the call of `{}`, found {}", name.text, self.found()),
                    "separate the arguments with commas and close the call with `)`",
                );
            }
        }
        self.open_values -= 1;
        self.make(Node::Call { name, args, expand }, start)
    }

    pub(super) fn parenthesis(&mut self) -> Read<Expr> {
        let start = self.at;
        self.at += 1;
        self.open_values += 1;
        let mut value = self.inner()?;
        if !self.eat(")") {
            return wrong(
                codes::SYNTAX,
                self.here(),
                format!("expected `)`, found {}", self.found()),
                "close every `(` of the expression",
            );
        }
        self.open_values -= 1;
        value.span = Span { start, end: self.at };
        Ok(value)
    }

    /// Whether a `for` expression begins here, behind `[` or `{`.
    pub(super) fn loops(&self) -> bool {
        let rest = self.rest().trim_start();
        rest.strip_prefix("for").is_some_and(|rest| {
            rest.starts_with(char::is_whitespace) && rest.trim_start().starts_with(starts_word)
        })
    }

    /// Reads `for k, v in source` after the bracket; returns the names and the source.
    pub(super) fn for_head(&mut self) -> Read<(Option<String>, String, Expr)> {
        self.skip(true);
        self.at += "for".len();
        self.skip(true);
        let mut key = None;
        let mut value = self.loop_variable()?;
        self.skip(true);
        if self.eat(",") {
            self.skip(true);
            key = Some(std::mem::replace(&mut value, self.loop_variable()?));
            self.skip(true);
        }
        let separate = |letter: char| letter.is_whitespace() || matches!(letter, '[' | '{' | '(' | '"');
        if !self.rest().strip_prefix("in").is_some_and(|rest| rest.starts_with(separate)) {
            return wrong(
                codes::SYNTAX,
                self.here(),
                format!("expected `in` and a list or map, found {}", self.found()),
                "write `for item in list` or `for key, value in map`",
            );
        }
        self.at += "in".len();
        Ok((key, value, self.inner()?))
    }

    fn loop_variable(&mut self) -> Read<String> {
        if self.peek().is_some_and(starts_word) {
            return Ok(self.identifier().text);
        }
        wrong(
            codes::SYNTAX,
            self.here(),
            format!("expected a name for the items, found {}", self.found()),
            "write `for item in list`",
        )
    }

    /// The rest of a `for` expression up to the closing bracket; `start` is its opening one.
    pub(super) fn for_expression(&mut self, start: usize, map: bool) -> Read<Expr> {
        let (key, value, source) = self.for_head()?;
        if !self.eat(":") {
            return wrong(
                codes::SYNTAX,
                self.here(),
                format!("expected `:` and what becomes of each item, found {}", self.found()),
                "write `[for item in list : item]`",
            );
        }
        let mut result = self.inner()?;
        let mut result_key = None;
        let mut grouped = false;
        if map {
            if !self.eat("=>") {
                return wrong(
                    codes::SYNTAX,
                    self.here(),
                    format!("expected `=>` and the value of the entry, found {}", self.found()),
                    "write `{for key, value in map : key => value}`",
                );
            }
            result_key = Some(std::mem::replace(&mut result, self.inner()?));
            grouped = self.eat("...");
            self.skip(true);
        }
        let condition = if self.rest().strip_prefix("if").is_some_and(|rest| !rest.starts_with(starts_word)) {
            self.at += "if".len();
            Some(self.inner()?)
        } else {
            None
        };
        let close = if map { "}" } else { "]" };
        if !self.eat(close) {
            return wrong(
                codes::SYNTAX,
                self.here(),
                format!("expected `if` or `{close}` after the `for` expression, found {}", self.found()),
                format!("close it with `{close}`"),
            );
        }
        let parts = For { key, value, source, result_key, result, grouped, condition };
        self.make(Node::For(Box::new(parts)), start)
    }
}

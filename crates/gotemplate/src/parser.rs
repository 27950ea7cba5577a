//! Tokens to a tree. Variables and functions that are not there are found here, before anything is rendered.

use std::collections::BTreeMap;

use crate::{
    Fault, Value, builtins,
    lexer::{Kind, Token},
    tree::{Branch, Command, Node, Pipe, Term, TermKind},
};

/// Blocks and parentheses inside one another.
const DEEPEST: usize = 64;

type Parsed = (Vec<Node>, BTreeMap<String, Vec<Node>>);

pub(crate) fn parse(tokens: Vec<Token>, known: &dyn Fn(&str) -> Result<(), String>) -> Result<Parsed, Fault> {
    let mut parser = Parser {
        tokens,
        next: 0,
        known,
        variables: vec![String::from("$")],
        loops: 0,
        depth: 0,
        named: BTreeMap::new(),
    };
    let (main, end) = parser.nodes(true)?;
    match end {
        Stop::End => Ok((main, parser.named)),
        Stop::Word { at, word } => Err(Fault::new(at, format!("unexpected {word:?}: nothing is open here"))),
    }
}

/// What ended a list of nodes.
enum Stop {
    End,
    /// `end` or `else`; for `else` the parser stands behind the word.
    Word {
        at: usize,
        word: &'static str,
    },
}

struct Parser<'a> {
    tokens: Vec<Token>,
    next: usize,
    known: &'a dyn Fn(&str) -> Result<(), String>,
    /// Those that can be named here.
    variables: Vec<String>,
    /// Loops around here.
    loops: usize,
    depth: usize,
    named: BTreeMap<String, Vec<Node>>,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        // The last token is `End` and never taken.
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        if token.kind != Kind::End {
            self.next += 1;
        }
        token
    }

    fn skip_space(&mut self) {
        while self.peek().kind == Kind::Space {
            self.next += 1;
        }
    }

    fn expect_right(&mut self, of: &str) -> Result<(), Fault> {
        self.skip_space();
        let token = self.take();
        if token.kind == Kind::Right {
            return Ok(());
        }
        Err(Fault::new(token.at, format!("unexpected {} in {of}", token.kind.describe())))
    }

    fn deeper(&mut self, at: usize) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Fault::new(
                at,
                format!("more than {DEEPEST} blocks and parentheses inside one another"),
            ));
        }
        Ok(())
    }

    /// Nodes up to the end, or to an `end` or `else` that belongs to whoever asks.
    fn nodes(&mut self, top: bool) -> Result<(Vec<Node>, Stop), Fault> {
        let mut nodes = Vec::new();
        loop {
            let token = self.take();
            match token.kind {
                Kind::End => return Ok((nodes, Stop::End)),
                Kind::Text(text) => nodes.push(Node::Text(text)),
                Kind::Left => {
                    self.skip_space();
                    let at = self.peek().at;
                    let word = match &self.peek().kind {
                        Kind::Word(word) => word.clone(),
                        _ => String::new(),
                    };
                    if let "end" | "else" = word.as_str() {
                        self.next += 1;
                        if word == "end" {
                            self.expect_right("end")?;
                            return Ok((nodes, Stop::Word { at, word: "end" }));
                        }
                        return Ok((nodes, Stop::Word { at, word: "else" }));
                    }
                    if let Some(node) = self.action(&word, at, top)? {
                        nodes.push(node);
                    }
                }
                other => return Err(Fault::new(token.at, format!("unexpected {}", other.describe()))),
            }
        }
    }

    fn action(&mut self, word: &str, at: usize, top: bool) -> Result<Option<Node>, Fault> {
        if matches!(word, "if" | "with" | "range" | "define" | "block" | "template" | "break" | "continue") {
            self.next += 1;
        }
        Ok(Some(match word {
            "if" => Node::If(self.branch("if", at)?),
            "with" => Node::With(self.branch("with", at)?),
            "range" => Node::Range(self.branch("range", at)?),
            "break" | "continue" => {
                self.expect_right(word)?;
                if self.loops == 0 {
                    return Err(Fault::new(at, format!("{{{{{word}}}}} outside {{{{range}}}}")));
                }
                if word == "break" { Node::Break { at } } else { Node::Continue { at } }
            }
            "define" => {
                if !top {
                    return Err(Fault::new(at, "a template is defined outside of all blocks"));
                }
                let name = self.name("define")?;
                self.expect_right("define")?;
                self.define(name, at)?;
                return Ok(None);
            }
            "block" => {
                let name = self.name("block")?;
                let data = self.pipe("block", &[Kind::Right])?;
                self.define(name.clone(), at)?;
                Node::Call { at, name, data: Some(data) }
            }
            "template" => {
                let name = self.name("template")?;
                self.skip_space();
                let data = if self.peek().kind == Kind::Right {
                    self.next += 1;
                    None
                } else {
                    Some(self.pipe("template", &[Kind::Right])?)
                };
                Node::Call { at, name, data }
            }
            _ => Node::Action(self.pipe("action", &[Kind::Right])?),
        }))
    }

    fn name(&mut self, of: &str) -> Result<String, Fault> {
        self.skip_space();
        let token = self.take();
        match token.kind {
            Kind::Constant(Value::Text(name)) => Ok(name.to_string()),
            other => {
                let message = format!("{of} wants a name in quotes, found {}", other.describe());
                Err(Fault::new(token.at, message))
            }
        }
    }

    /// The body of a template: it sees no variables but `$`, and no loops.
    fn define(&mut self, name: String, at: usize) -> Result<(), Fault> {
        self.deeper(at)?;
        let variables = std::mem::replace(&mut self.variables, vec![String::from("$")]);
        let loops = std::mem::take(&mut self.loops);
        let (body, stop) = self.nodes(false)?;
        self.variables = variables;
        self.loops = loops;
        self.depth -= 1;
        match stop {
            Stop::Word { word: "end", .. } => {}
            Stop::Word { at, word } => {
                return Err(Fault::new(at, format!("unexpected {word} in a template")));
            }
            Stop::End => return Err(Fault::new(at, "the template has no {{end}}")),
        }
        if self.named.insert(name.clone(), body).is_some() {
            return Err(Fault::new(at, format!("template {name:?} is defined twice")));
        }
        Ok(())
    }

    fn branch(&mut self, word: &'static str, at: usize) -> Result<Branch, Fault> {
        self.deeper(at)?;
        let visible = self.variables.len();
        let pipe = self.pipe(word, &[Kind::Right])?;
        if word == "range" {
            self.loops += 1;
        }
        let inner = self.variables.len();
        let (body, stop) = self.nodes(false)?;
        self.variables.truncate(inner);
        if word == "range" {
            self.loops -= 1;
        }
        let otherwise = match stop {
            Stop::End => return Err(Fault::new(at, format!("{{{{{word}}}}} has no {{{{end}}}}"))),
            Stop::Word { word: "end", .. } => Vec::new(),
            Stop::Word { at: place, .. } => self.otherwise(word, at, place)?,
        };
        self.variables.truncate(visible);
        self.depth -= 1;
        Ok(Branch { pipe, body, otherwise })
    }

    /// Behind `else`.
    fn otherwise(&mut self, word: &'static str, at: usize, place: usize) -> Result<Vec<Node>, Fault> {
        self.skip_space();
        let chained = match &self.peek().kind {
            Kind::Word(next) if next == word && word != "range" => true,
            Kind::Right => false,
            other => {
                let message = format!("unexpected {} behind else", other.describe());
                return Err(Fault::new(self.peek().at, message));
            }
        };
        self.next += 1;
        if chained {
            // One `end` closes the whole chain.
            let branch = self.branch(word, place)?;
            return Ok(vec![if word == "if" { Node::If(branch) } else { Node::With(branch) }]);
        }
        let inner = self.variables.len();
        let (nodes, stop) = self.nodes(false)?;
        self.variables.truncate(inner);
        match stop {
            Stop::Word { word: "end", .. } => Ok(nodes),
            Stop::Word { at, .. } => Err(Fault::new(at, "a second else")),
            Stop::End => Err(Fault::new(at, format!("{{{{{word}}}}} has no {{{{end}}}}"))),
        }
    }

    /// A pipeline and the token behind it, which is one of `ends`.
    fn pipe(&mut self, of: &str, ends: &[Kind]) -> Result<Pipe, Fault> {
        self.skip_space();
        let at = self.peek().at;
        let (names, assigns) = self.declaration(of)?;
        let mut commands = Vec::new();
        loop {
            let command = self.command(of)?;
            let piped = !commands.is_empty();
            if piped && !is_callable(&command.terms[0]) {
                let message = "what stands behind \"|\" takes the value before it: a function or method";
                return Err(Fault::new(command.terms[0].at, message));
            }
            commands.push(command);
            let token = self.take();
            match token.kind {
                Kind::Pipe => {}
                kind if ends.contains(&kind) => break,
                other => {
                    let message = format!("unexpected {} in {of}", other.describe());
                    return Err(Fault::new(token.at, message));
                }
            }
        }
        // Only now: the value cannot name the variables that it is given to.
        if !assigns {
            self.variables.extend(names.iter().cloned());
        }
        Ok(Pipe { at, names, assigns, commands })
    }

    /// `$x :=`, `$x =`, `$i, $x :=`.
    fn declaration(&mut self, of: &str) -> Result<(Vec<String>, bool), Fault> {
        let begin = self.next;
        let mut names = Vec::new();
        while let Kind::Variable(name) = &self.peek().kind {
            let (name, at) = (name.clone(), self.peek().at);
            self.next += 1;
            self.skip_space();
            names.push((name, at));
            match self.peek().kind {
                Kind::Declare | Kind::Assign => {
                    let assigns = self.peek().kind == Kind::Assign;
                    self.next += 1;
                    if names.len() > 2 || (names.len() == 2 && of != "range") {
                        return Err(Fault::new(at, format!("too many variables in {of}")));
                    }
                    for (name, at) in names.iter().filter(|_| assigns) {
                        self.visible(name, *at)?;
                    }
                    return Ok((names.into_iter().map(|(name, _)| name).collect(), assigns));
                }
                Kind::Comma => {
                    self.next += 1;
                    self.skip_space();
                }
                _ => break,
            }
        }
        self.next = begin;
        Ok((Vec::new(), false))
    }

    fn visible(&self, name: &str, at: usize) -> Result<(), Fault> {
        if self.variables.iter().any(|known| known == name) {
            return Ok(());
        }
        Err(Fault::new(at, format!("undefined variable {name:?}")))
    }

    fn command(&mut self, of: &str) -> Result<Command, Fault> {
        let mut terms = Vec::new();
        loop {
            self.skip_space();
            if matches!(self.peek().kind, Kind::Pipe | Kind::Right | Kind::CloseParen | Kind::End) {
                break;
            }
            terms.push(self.term(of)?);
            if !matches!(self.peek().kind, Kind::Space | Kind::Pipe | Kind::Right | Kind::CloseParen) {
                let token = self.peek();
                let message = format!("unexpected {} in {of}", token.kind.describe());
                return Err(Fault::new(token.at, message));
            }
        }
        if terms.is_empty() {
            let token = self.peek();
            let message = format!("{of} wants a value, found {}", token.kind.describe());
            return Err(Fault::new(token.at, message));
        }
        Ok(Command { terms })
    }

    fn term(&mut self, of: &str) -> Result<Term, Fault> {
        let token = self.take();
        let at = token.at;
        let mut fields = Vec::new();
        let kind = match token.kind {
            Kind::Dot => TermKind::Dot,
            Kind::Field(name) => {
                fields.push(name);
                TermKind::Dot
            }
            Kind::Variable(name) => {
                self.visible(&name, at)?;
                TermKind::Variable(name)
            }
            Kind::Constant(value) => TermKind::Constant(value),
            Kind::Word(word) if word == "nil" => TermKind::Nil,
            Kind::Word(word) => {
                if !builtins::NAMES.contains(&word.as_str()) {
                    (self.known)(&word).map_err(|message| Fault::new(at, message))?;
                }
                TermKind::Function(word)
            }
            Kind::OpenParen => {
                self.deeper(at)?;
                let pipe = self.pipe("parentheses", &[Kind::CloseParen])?;
                self.depth -= 1;
                if !pipe.names.is_empty() {
                    return Err(Fault::new(at, "variables cannot be set in parentheses"));
                }
                TermKind::Group(Box::new(pipe))
            }
            other => return Err(Fault::new(at, format!("unexpected {} in {of}", other.describe()))),
        };
        while let Kind::Field(name) = &self.peek().kind {
            if matches!(kind, TermKind::Constant(_) | TermKind::Nil) {
                return Err(Fault::new(self.peek().at, "a constant has no fields"));
            }
            fields.push(name.clone());
            self.next += 1;
        }
        Ok(Term { at, kind, fields })
    }
}

/// Whether a value can be passed to it.
fn is_callable(term: &Term) -> bool {
    match term.kind {
        TermKind::Function(_) => true,
        TermKind::Dot | TermKind::Variable(_) | TermKind::Group(_) => !term.fields.is_empty(),
        TermKind::Nil | TermKind::Constant(_) => false,
    }
}

//! Walks the tree.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    Fault, Functions, Limits, Value, builtins,
    print::{self, Sink, TooLong},
    tree::{Branch, Command, Node, Pipe, Term, TermKind},
    value::DEEPEST as DEEPEST_VALUE,
};

/// Blocks, templates and parentheses inside one another while rendering.
const DEEPEST: usize = 128;

/// Values of this size cost a step more.
const BYTES_PER_STEP: usize = 256;

type Result<T> = std::result::Result<T, Fault>;

pub(crate) fn render(
    main: &[Node],
    named: &BTreeMap<String, Vec<Node>>,
    data: &Value,
    functions: &mut dyn Functions,
    limits: &Limits,
) -> Result<String> {
    let mut machine = Machine {
        named,
        functions,
        limits,
        out: Sink::new(limits.bytes),
        variables: vec![(String::from("$"), data.clone())],
        steps: 0,
        depth: 0,
    };
    machine.walk(main, data)?;
    Ok(machine.out.text)
}

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq)]
enum Flow {
    Through,
    Break,
    Continue,
}

struct Machine<'a> {
    named: &'a BTreeMap<String, Vec<Node>>,
    functions: &'a mut dyn Functions,
    limits: &'a Limits,
    out: Sink,
    /// The newest last; inner ones hide outer ones.
    variables: Vec<(String, Value)>,
    steps: usize,
    depth: usize,
}

impl<'a> Machine<'a> {
    fn step(&mut self, at: usize) -> Result<()> {
        self.steps += 1;
        if self.steps > self.limits.steps {
            return Err(Fault::new(at, format!("the template takes more than {} steps", self.limits.steps)));
        }
        Ok(())
    }

    fn deeper(&mut self, at: usize) -> Result<()> {
        self.depth += 1;
        if self.depth > DEEPEST {
            let message = format!("more than {DEEPEST} templates and blocks inside one another");
            return Err(Fault::new(at, message));
        }
        Ok(())
    }

    fn too_long(&self, at: usize) -> Fault {
        Fault::new(at, TooLong::message(self.limits.bytes))
    }

    fn walk(&mut self, nodes: &'a [Node], dot: &Value) -> Result<Flow> {
        for node in nodes {
            let flow = match node {
                Node::Text(text) => {
                    self.out
                        .push(text)
                        .map_err(|TooLong| Fault::new(0, TooLong::message(self.limits.bytes)))?;
                    Flow::Through
                }
                Node::Action(pipe) => {
                    let value = self.pipe(pipe, dot)?;
                    if pipe.names.is_empty() {
                        print::value(&value, &mut self.out).map_err(|TooLong| self.too_long(pipe.at))?;
                    }
                    Flow::Through
                }
                Node::If(branch) => self.branch(branch, dot, false)?,
                Node::With(branch) => self.branch(branch, dot, true)?,
                Node::Range(branch) => self.range(branch, dot)?,
                Node::Call { at, name, data } => {
                    self.call_template(*at, name, data.as_ref(), dot)?;
                    Flow::Through
                }
                Node::Break { at } | Node::Continue { at } => {
                    self.step(*at)?;
                    if matches!(node, Node::Break { .. }) { Flow::Break } else { Flow::Continue }
                }
            };
            if flow != Flow::Through {
                return Ok(flow);
            }
        }
        Ok(Flow::Through)
    }

    fn branch(&mut self, branch: &'a Branch, dot: &Value, moves: bool) -> Result<Flow> {
        let mark = self.variables.len();
        self.deeper(branch.pipe.at)?;
        let value = self.pipe(&branch.pipe, dot)?;
        let flow = if value.is_true() {
            self.walk(&branch.body, if moves { &value } else { dot })?
        } else {
            self.walk(&branch.otherwise, dot)?
        };
        self.variables.truncate(mark);
        self.depth -= 1;
        Ok(flow)
    }

    fn range(&mut self, branch: &'a Branch, dot: &Value) -> Result<Flow> {
        let pipe = &branch.pipe;
        let mark = self.variables.len();
        self.deeper(pipe.at)?;
        // The variables are those of each turn, so the pipeline must not set them to the whole.
        let whole = self.commands(pipe, dot)?;
        let mut turns = 0usize;
        let flow = match &whole {
            Value::Null => Flow::Through,
            Value::List(items) => {
                let pairs = (0i64..).map(Value::Int).zip(items.iter().cloned());
                self.turns(branch, pairs, &mut turns)?
            }
            Value::Map(map) => {
                let pairs = map.iter().map(|(key, value)| (Value::text(key), value.clone()));
                self.turns(branch, pairs, &mut turns)?
            }
            Value::Int(count) => {
                let pairs = (0..*count).map(|number| (Value::Int(number), Value::Int(number)));
                self.turns(branch, pairs, &mut turns)?
            }
            other => {
                return Err(Fault::new(pipe.at, format!("range can't iterate over a {}", other.kind())));
            }
        };
        let flow = if turns == 0 { self.walk(&branch.otherwise, dot)? } else { flow };
        self.variables.truncate(mark);
        self.depth -= 1;
        Ok(flow)
    }

    fn turns(
        &mut self,
        branch: &'a Branch,
        pairs: impl Iterator<Item = (Value, Value)>,
        turns: &mut usize,
    ) -> Result<Flow> {
        let pipe = &branch.pipe;
        let mark = self.variables.len();
        for (key, value) in pairs {
            *turns += 1;
            self.step(pipe.at)?;
            match pipe.names.as_slice() {
                [] => {}
                [one] => self.set(one, value.clone(), pipe.assigns),
                [first, second, ..] => {
                    self.set(first, key, pipe.assigns);
                    self.set(second, value.clone(), pipe.assigns);
                }
            }
            let flow = self.walk(&branch.body, &value)?;
            self.variables.truncate(mark);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::Through)
    }

    fn call_template(&mut self, at: usize, name: &str, data: Option<&'a Pipe>, dot: &Value) -> Result<()> {
        self.step(at)?;
        let named = self.named;
        let Some(body) = named.get(name) else {
            return Err(Fault::new(at, format!("template {name:?} is not defined")));
        };
        let data = match data {
            Some(pipe) => self.pipe(pipe, dot)?,
            None => Value::Null,
        };
        self.deeper(at)?;
        let outer = std::mem::replace(&mut self.variables, vec![(String::from("$"), data.clone())]);
        self.walk(body, &data)?;
        self.variables = outer;
        self.depth -= 1;
        Ok(())
    }

    fn set(&mut self, name: &str, value: Value, assigns: bool) {
        if assigns && let Some((_, old)) = self.variables.iter_mut().rev().find(|(known, _)| known == name) {
            *old = value;
            return;
        }
        self.variables.push((name.to_owned(), value));
    }

    fn pipe(&mut self, pipe: &'a Pipe, dot: &Value) -> Result<Value> {
        let value = self.commands(pipe, dot)?;
        for name in &pipe.names {
            self.set(name, value.clone(), pipe.assigns);
        }
        Ok(value)
    }

    fn commands(&mut self, pipe: &'a Pipe, dot: &Value) -> Result<Value> {
        self.deeper(pipe.at)?;
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(command, dot, value.take())?);
        }
        self.depth -= 1;
        Ok(value.unwrap_or_default())
    }

    fn command(&mut self, command: &'a Command, dot: &Value, last: Option<Value>) -> Result<Value> {
        let first = &command.terms[0];
        self.step(first.at)?;
        let rest = &command.terms[1..];
        let called = !rest.is_empty() || last.is_some();
        if let TermKind::Function(name) = &first.kind
            && first.fields.is_empty()
        {
            return self.function(name, first.at, rest, dot, last);
        }
        let Some((method, path)) = first.fields.split_last() else {
            if called {
                let message = format!("can't give arguments to {}, which is no function", words(first));
                return Err(Fault::new(first.at, message));
            }
            if matches!(first.kind, TermKind::Nil) {
                return Err(Fault::new(first.at, "nil is not a command"));
            }
            return self.base(first, dot);
        };
        let mut value = self.base(first, dot)?;
        for name in path {
            value = self.field(&value, name, first.at)?;
        }
        if let Value::Object(object) = value {
            let arguments = self.arguments(rest, dot, last)?;
            return self.method(object, method, &arguments, first.at);
        }
        if called {
            let message = format!(".{method} has arguments but cannot be invoked as function");
            return Err(Fault::new(first.at, message));
        }
        self.field(&value, method, first.at)
    }

    fn arguments(&mut self, terms: &'a [Term], dot: &Value, last: Option<Value>) -> Result<Vec<Value>> {
        let mut arguments = Vec::with_capacity(terms.len() + 1);
        for term in terms {
            arguments.push(self.term(term, dot)?);
        }
        arguments.extend(last);
        Ok(arguments)
    }

    /// A term that is not called with arguments.
    fn term(&mut self, term: &'a Term, dot: &Value) -> Result<Value> {
        let mut value = self.base(term, dot)?;
        for name in &term.fields {
            value = self.field(&value, name, term.at)?;
        }
        Ok(value)
    }

    /// Without the fields behind it.
    fn base(&mut self, term: &'a Term, dot: &Value) -> Result<Value> {
        Ok(match &term.kind {
            TermKind::Dot => dot.clone(),
            TermKind::Nil => Value::Null,
            TermKind::Constant(value) => value.clone(),
            TermKind::Variable(name) => {
                let found = self.variables.iter().rev().find(|(known, _)| known == name);
                // The parser has seen that it is there; a loop that was left early may not have set it.
                found.map(|(_, value)| value.clone()).unwrap_or_default()
            }
            TermKind::Function(name) => {
                self.step(term.at)?;
                self.function(name, term.at, &[], dot, None)?
            }
            TermKind::Group(pipe) => self.pipe(pipe, dot)?,
        })
    }

    fn field(&mut self, value: &Value, name: &str, at: usize) -> Result<Value> {
        match value {
            Value::Map(map) => match map.get(name) {
                Some(value) => Ok(value.clone()),
                None if self.limits.missing_key_is_error => {
                    let known: Vec<&str> = map.keys().take(40).map(String::as_str).collect();
                    let message = format!("there is no field {name:?}; there are: {}", known.join(", "));
                    Err(Fault::new(at, message))
                }
                None => Ok(Value::Null),
            },
            Value::Null if self.limits.missing_key_is_error => {
                Err(Fault::new(at, format!("there is no field {name:?} in nothing")))
            }
            Value::Null => Ok(Value::Null),
            Value::Object(object) => self.method(object, name, &[], at),
            other => Err(Fault::new(at, format!("can't evaluate field {name} in a {}", other.kind()))),
        }
    }

    fn method(&mut self, object: &str, name: &str, arguments: &[Value], at: usize) -> Result<Value> {
        let value = self
            .functions
            .method(object, name, arguments)
            .map_err(|message| Fault::new(at, format!("{object}.{name}: {message}")))?;
        self.bounded(value, at)
    }

    fn function(
        &mut self,
        name: &str,
        at: usize,
        terms: &'a [Term],
        dot: &Value,
        last: Option<Value>,
    ) -> Result<Value> {
        if let "and" | "or" = name {
            return self.either(name == "or", at, terms, dot, last);
        }
        let arguments = self.arguments(terms, dot, last)?;
        let value = if builtins::NAMES.contains(&name) {
            builtins::call(name, &arguments, self.limits.bytes)
        } else {
            self.functions.call(name, &arguments)
        };
        let value = value.map_err(|message| Fault::new(at, format!("{name}: {message}")))?;
        let value = self.bounded(value, at)?;
        if !builtins::NAMES.contains(&name)
            && self.functions.changes_first(name)
            && let Some(first) = terms.first()
        {
            self.write_back(name, first, &value)?;
        }
        Ok(value)
    }

    /// What a function made of its first argument, for the variable that the argument names.
    fn write_back(&mut self, function: &str, term: &Term, value: &Value) -> Result<()> {
        let name = match &term.kind {
            TermKind::Variable(name) => name,
            TermKind::Dot => {
                let message = format!(
                    "{function}: changes maps that a variable names; write {{{{ $map := . }}}} first and change that"
                );
                return Err(Fault::new(term.at, message));
            }
            // Nobody sees what was made for this call alone.
            _ => return Ok(()),
        };
        let found = self.variables.iter_mut().rev().find(|(known, _)| known == name);
        let Some((_, mut place)) = found.map(|(name, value)| (name, value)) else { return Ok(()) };
        for field in &term.fields {
            let Value::Map(map) = place else { return Ok(()) };
            let Some(inner) = Arc::make_mut(map).get_mut(field) else { return Ok(()) };
            place = inner;
        }
        *place = value.clone();
        let name = name.clone();
        if !term.fields.is_empty() {
            // The value has become part of another, which is larger.
            let whole = self.variables.iter().rev().find(|(known, _)| *known == name);
            let most = self.most_weight();
            if whole.is_some_and(|(_, whole)| whole.weight(most).is_none()) {
                return Err(self.too_large(term.at));
            }
        }
        Ok(())
    }

    fn most_weight(&self) -> usize {
        self.limits.bytes.saturating_mul(4)
    }

    fn too_large(&self, at: usize) -> Fault {
        let message = format!(
            "the value grows beyond {} bytes, or beyond {DEEPEST_VALUE} lists and maps inside one another",
            self.most_weight()
        );
        Fault::new(at, message)
    }

    /// What was made just now costs steps by its size: so the memory that a template takes is bounded.
    fn bounded(&mut self, value: Value, at: usize) -> Result<Value> {
        if let Value::Text(text) = &value
            && text.len() > self.limits.bytes
        {
            return Err(self.too_long(at));
        }
        if value.is_fresh() {
            let weight = value.weight(self.most_weight()).ok_or_else(|| self.too_large(at))?;
            self.steps = self.steps.saturating_add(weight / BYTES_PER_STEP);
        }
        Ok(value)
    }

    /// `and` and `or` look at no more than they need.
    fn either(
        &mut self,
        until: bool,
        at: usize,
        terms: &'a [Term],
        dot: &Value,
        last: Option<Value>,
    ) -> Result<Value> {
        let mut value = None;
        for term in terms {
            let one = self.term(term, dot)?;
            if one.is_true() == until {
                return Ok(one);
            }
            value = Some(one);
        }
        last.or(value).ok_or_else(|| {
            let name = if until { "or" } else { "and" };
            Fault::new(at, format!("{name}: wants at least one argument"))
        })
    }
}

fn words(term: &Term) -> String {
    match &term.kind {
        TermKind::Dot => String::from("\".\""),
        TermKind::Nil => String::from("nil"),
        TermKind::Constant(value) => format!("a {}", value.kind()),
        TermKind::Variable(name) => name.clone(),
        TermKind::Function(name) => name.clone(),
        TermKind::Group(_) => String::from("a value in parentheses"),
    }
}

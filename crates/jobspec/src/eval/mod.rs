//! Works out the expressions of a file: text with variables, locals, functions and loops -> plain values.
//!
//! An evaluator of our own rather than that of hcl-rs: there, functions are bare pointers that cannot be given a
//! file system or a limit, `try` and `can` cannot be told apart from others, values forget where they stand, and
//! nothing bounds what an expression makes.

mod blocks; // bodies, and `dynamic` blocks
mod calls; // `join(..)`
mod inputs; // values from outside
mod limits; // how much may be made
mod locals; // named values
mod mentions; // what an expression speaks of
mod operators; // `+`, `==`, `? :`
mod settings; // files that are not job files
mod template; // text with values in it
mod traversal; // `var.x`, `list[0].name`
mod types; // `list(string)`
mod value; // what comes out, cheap to copy
mod variables; // `variable` blocks and their values

use std::{collections::BTreeMap, rc::Rc};

pub use inputs::{Disk, Inputs, VarFile};
pub(crate) use limits::{Exceeded, Growing, Limits, MAX_DEPTH, MAX_WEIGHT};
pub(crate) use settings::{object_settings, settings};
pub(crate) use value::{Val, read_number};
pub(crate) use variables::job_file;

use mentions::Mentions;

use crate::{
    codes,
    diagnostic::Finding,
    functions::Means,
    syntax::{Attribute, Expr, For, Key, Kind, Name, Node, Span, Value},
};

/// What is wrong is told this often; then evaluation stops.
const MAX_FINDINGS: usize = 100;

/// Why there is no value.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Reported already, where it came from.
    Known,
    Wrong(Box<Finding>),
    /// Not to be caught by `try`.
    Limit(Box<Finding>),
}

pub(crate) type Evaluated<T> = Result<T, Fault>;

/// Which names a file may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Job,
    /// Values of variables: functions and plain values.
    Values,
    /// No names at all; run-time values stay.
    Settings,
}

pub(crate) struct Evaluator<'a> {
    language: Language,
    /// `None`: what is wrong with it was reported.
    variables: BTreeMap<String, Option<Val>>,
    locals: BTreeMap<String, Option<Val>>,
    /// Names of loops, innermost last.
    scopes: Vec<(String, Val)>,
    limits: Limits,
    means: Means<'a>,
    findings: Vec<Finding>,
    /// Blocks are missing because what makes them is wrong.
    incomplete: bool,
    /// That nothing more can be worked out was reported.
    is_spent: bool,
}

fn wrong<T>(span: Span, message: impl Into<String>, help: impl Into<String>) -> Evaluated<T> {
    Err(Fault::Wrong(Box::new(Finding::new(codes::EXPRESSION, span, message, help))))
}

/// `bound`: what is too much at this place.
fn within<T>(span: Span, bound: Result<T, Exceeded>) -> Evaluated<T> {
    bound.map_err(|exceeded| {
        let help = "let the task make large data itself, for example from a file that it fetches";
        Fault::Limit(Box::new(Finding::new(codes::LIMIT, span, exceeded.message, help)))
    })
}

impl<'a> Evaluator<'a> {
    fn new(language: Language, means: Means<'a>) -> Self {
        Self {
            language,
            variables: BTreeMap::new(),
            locals: BTreeMap::new(),
            scopes: Vec::new(),
            limits: Limits::default(),
            means,
            findings: Vec::new(),
            incomplete: false,
            is_spent: false,
        }
    }

    fn report(&mut self, fault: Fault) {
        match fault {
            Fault::Known => {}
            // The first of them says it all.
            Fault::Limit(_) if self.is_spent => {}
            Fault::Limit(finding) if self.limits.is_spent() => {
                self.is_spent = true;
                self.findings.push(*finding);
            }
            Fault::Wrong(finding) | Fault::Limit(finding) => self.findings.push(*finding),
        }
    }

    fn gives_up(&self) -> bool {
        self.is_spent || self.findings.len() >= MAX_FINDINGS
    }

    /// The value as readers of the tree see it; items of lists and maps keep their own places.
    pub(crate) fn resolve(&mut self, expr: &Expr) -> Value {
        let span = expr.span;
        if self.gives_up() {
            return Value { kind: Kind::Invalid, span };
        }
        let kind = match &expr.node {
            Node::List(items) => Ok(Kind::List(items.iter().map(|item| self.resolve(item)).collect())),
            Node::Object(items) => self.resolve_object(items),
            _ => self.eval(expr).and_then(|value| self.plain(&value, span)),
        };
        let kind = kind.unwrap_or_else(|fault| {
            self.report(fault);
            Kind::Invalid
        });
        Value { kind, span }
    }

    fn resolve_object(&mut self, items: &[(Key, Expr)]) -> Evaluated<Kind> {
        let mut found: Vec<Attribute> = Vec::with_capacity(items.len());
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for (key, value) in items {
            let name = match key {
                Key::Name(name) => name.clone(),
                Key::Computed(key) => Name { text: self.key(key)?.to_string(), span: key.span },
            };
            let value = self.resolve(value);
            // The last one wins, as it does in JSON.
            match places.get(&name.text) {
                Some(place) => found[*place] = Attribute { name, value },
                None => {
                    places.insert(name.text.clone(), found.len());
                    found.push(Attribute { name, value });
                }
            }
        }
        Ok(Kind::Object(found))
    }

    /// Counts against what may end up in the job.
    fn plain(&mut self, value: &Val, span: Span) -> Evaluated<Kind> {
        within(span, self.limits.make(value.weight()))?;
        Ok(plain(value, span))
    }

    /// A new value, which counts.
    fn keep(&mut self, value: Val, span: Span) -> Evaluated<Val> {
        let new = match &value {
            Val::Text(text) => text.len(),
            Val::List(list) => list.items.len() * 32,
            Val::Object(object) => object.items.len() * 64,
            _ => 0,
        };
        within(span, self.limits.make(new.min(MAX_WEIGHT)))?;
        if value.weight() > MAX_WEIGHT || value.depth() > MAX_DEPTH {
            let message = if value.depth() > MAX_DEPTH {
                format!("lists and maps of the value are nested more than {MAX_DEPTH} deep")
            } else {
                format!("the value would have more than {} MiB", MAX_WEIGHT >> 20)
            };
            return within(span, Err(Exceeded { message }));
        }
        Ok(value)
    }

    pub(crate) fn eval(&mut self, expr: &Expr) -> Evaluated<Val> {
        let span = expr.span;
        within(span, self.limits.work(8))?;
        match &expr.node {
            Node::Null => Ok(Val::Null),
            Node::Bool(value) => Ok(Val::Bool(*value)),
            Node::Int(value) => Ok(Val::Int(*value)),
            Node::Float(value) => Ok(Val::Float(*value)),
            Node::Text(text) => self.keep(Val::text(text), span),
            Node::Template(parts) => self.template(parts, span),
            Node::List(items) => {
                let items = items.iter().map(|item| self.eval(item)).collect::<Evaluated<Vec<_>>>()?;
                self.keep(Val::list(items), span)
            }
            Node::Object(items) => self.object(items, span),
            Node::Name(_) | Node::Get(..) | Node::Index(..) => self.traversal(expr),
            Node::Splat(source, steps) => self.splat(source, steps, span),
            Node::Call { name, args, expand } => self.call(name, args, *expand, span),
            Node::Unary(operator, operand) => self.unary(*operator, operand),
            Node::Binary(operator, left, right) => self.binary(*operator, left, right, span),
            Node::Conditional(parts) => {
                let [condition, yes, no] = parts.as_ref();
                if self.truth(condition, "the condition")? { self.eval(yes) } else { self.eval(no) }
            }
            Node::For(parts) => self.for_loop(parts, span),
        }
    }

    fn object(&mut self, items: &[(Key, Expr)], span: Span) -> Evaluated<Val> {
        let mut found = BTreeMap::new();
        for (key, value) in items {
            let key = match key {
                Key::Name(name) => Rc::from(name.text.as_str()),
                Key::Computed(key) => self.key(key)?,
            };
            let value = self.eval(value)?;
            found.insert(key, value);
        }
        self.keep(Val::object(found), span)
    }

    /// A name of an entry.
    fn key(&mut self, expr: &Expr) -> Evaluated<Rc<str>> {
        let value = self.operand(expr)?;
        match value.to_text() {
            Some(text) => Ok(text),
            None => wrong(expr.span, format!("a name in a map must be text, found {}", value.describe()), ""),
        }
    }

    /// Keys and values of a list or map.
    fn entries(&mut self, source: &Expr) -> Evaluated<Vec<(Val, Val)>> {
        let value = self.operand(source)?;
        let entries: Vec<(Val, Val)> = match &value {
            Val::List(list) => {
                let numbered = list.items.iter().enumerate();
                numbered
                    .map(|(at, item)| (Val::Int(i64::try_from(at).unwrap_or(i64::MAX)), item.clone()))
                    .collect()
            }
            Val::Object(object) => {
                object.items.iter().map(|(name, item)| (Val::Text(name.clone()), item.clone())).collect()
            }
            _ => {
                let message = format!("expected a list or a map to go through, found {}", value.describe());
                return wrong(source.span, message, "write `[..]` around a single value");
            }
        };
        within(source.span, self.limits.work(entries.len() * 16))?;
        Ok(entries)
    }

    /// Runs `body` with the names of a loop.
    fn bind<T>(
        &mut self,
        names: (&Option<String>, &str),
        entry: (Val, Val),
        body: impl FnOnce(&mut Self) -> Evaluated<T>,
    ) -> Evaluated<T> {
        let outer = self.scopes.len();
        if let Some(key) = names.0 {
            self.scopes.push((key.clone(), entry.0));
        }
        self.scopes.push((names.1.to_owned(), entry.1));
        let result = body(self);
        self.scopes.truncate(outer);
        result
    }

    fn for_loop(&mut self, parts: &For, span: Span) -> Evaluated<Val> {
        let mut list = Vec::new();
        let mut map: BTreeMap<Rc<str>, Vec<Val>> = BTreeMap::new();
        for entry in self.entries(&parts.source)? {
            let made = self.bind((&parts.key, &parts.value), entry, |eval| {
                if let Some(condition) = &parts.condition
                    && !eval.truth(condition, "the condition")?
                {
                    return Ok(None);
                }
                let key = parts.result_key.as_ref().map(|key| eval.key(key)).transpose()?;
                Ok(Some((key, eval.eval(&parts.result)?)))
            })?;
            // What piles up counts before the whole exists.
            within(span, self.limits.make(if made.is_some() { 32 } else { 0 }))?;
            match made {
                None => {}
                Some((None, value)) => list.push(value),
                Some((Some(key), value)) => {
                    let values = map.entry(key.clone()).or_default();
                    if !values.is_empty() && !parts.grouped {
                        return wrong(
                            span,
                            format!("two entries of the map have the name \"{key}\""),
                            "write `...` behind the value to gather both in a list",
                        );
                    }
                    values.push(value);
                }
            }
        }
        let single = |mut values: Vec<Val>| values.pop().unwrap_or(Val::Null);
        let value = match (&parts.result_key, parts.grouped) {
            (None, _) => Val::list(list),
            (Some(_), true) => {
                Val::object(map.into_iter().map(|(key, values)| (key, Val::list(values))).collect())
            }
            (Some(_), false) => {
                Val::object(map.into_iter().map(|(key, values)| (key, single(values))).collect())
            }
        };
        self.keep(value, span)
    }
}

/// All parts stand where the expression stands.
fn plain(value: &Val, span: Span) -> Kind {
    match value {
        Val::Null => Kind::Null,
        Val::Bool(value) => Kind::Bool(*value),
        Val::Int(value) => Kind::Int(*value),
        Val::Float(value) => Kind::Float(*value),
        Val::Text(text) => Kind::Text(text.to_string()),
        Val::List(list) => {
            Kind::List(list.items.iter().map(|item| Value { kind: plain(item, span), span }).collect())
        }
        Val::Object(object) => Kind::Object(
            object
                .items
                .iter()
                .map(|(name, item)| Attribute {
                    name: Name { text: name.to_string(), span },
                    value: Value { kind: plain(item, span), span },
                })
                .collect(),
        ),
    }
}

/// The value of an expression in JSON, for tests of functions and operators.
#[cfg(test)]
pub(crate) fn in_json(text: &str, means: Means<'_>) -> Result<String, String> {
    let expr = crate::syntax::parse_value(text).map_err(|findings| findings[0].message.clone())?;
    let mut evaluator = Evaluator::new(Language::Job, means);
    let name = Name { text: String::from("jsonencode"), span: Span::default() };
    evaluator
        .call(&name, &[expr], false, Span::default())
        .map(|value| value.to_text().unwrap_or_default().to_string())
        .map_err(|fault| match fault {
            Fault::Known => String::from("known"),
            Fault::Wrong(finding) | Fault::Limit(finding) => finding.message,
        })
}

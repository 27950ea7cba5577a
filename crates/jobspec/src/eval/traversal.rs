//! `var.x`, `local.list[0].name`, `attr.kernel.name`: what names stand for, and what is in it.

use super::{Evaluated, Evaluator, Fault, Language, Val, within, wrong};
use crate::{
    codes,
    diagnostic::Finding,
    suggest::nearest,
    syntax::{Expr, Node, Span, Step},
};

/// Roots of what is known at run time: others without quotes are probably meant as text.
const RUNTIME: [&str; 6] = ["attr", "node", "meta", "env", "device", "NOMAD_"];

impl Evaluator<'_> {
    /// The names that stand for something here.
    pub(super) fn bound(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(|(name, _)| name.as_str())
    }

    pub(super) fn scoped(&self, name: &str) -> Option<&Val> {
        self.scopes.iter().rev().find(|(bound, _)| bound == name).map(|(_, value)| value)
    }

    /// The first name of `a.b[c].d` if it is of the run time.
    pub(super) fn runtime_root<'e>(&self, expr: &'e Expr) -> Option<&'e str> {
        match &expr.node {
            Node::Name(name) => {
                let ours = matches!(name.as_str(), "var" | "local") || self.scoped(name).is_some();
                (!ours).then_some(name)
            }
            Node::Get(source, _) | Node::Index(source, _) => self.runtime_root(source),
            _ => None,
        }
    }

    /// The value of something that is computed with.
    pub(super) fn operand(&mut self, expr: &Expr) -> Evaluated<Val> {
        if self.runtime_root(expr).is_some() {
            let name = self.render(expr)?;
            return wrong(
                expr.span,
                format!("`{name}` is known at run time only; nothing can be worked out from it here"),
                format!("use it as it is, as \"${{{name}}}\", or use a variable"),
            );
        }
        self.eval(expr)
    }

    pub(super) fn traversal(&mut self, expr: &Expr) -> Evaluated<Val> {
        if let Some(root) = self.runtime_root(expr) {
            return self.runtime(root, expr);
        }
        match &expr.node {
            Node::Name(name) => match self.scoped(name) {
                Some(value) => Ok(value.clone()),
                None => {
                    wrong(expr.span, format!("`{name}` alone is not a value"), format!("write `{name}.name`"))
                }
            },
            Node::Get(source, name) => match &source.node {
                Node::Name(root) if self.scoped(root).is_none() => self.named(root, &name.text, expr.span),
                _ => {
                    let value = self.eval(source)?;
                    self.get(&value, &name.text, expr.span)
                }
            },
            Node::Index(source, key) => {
                let key = self.operand(key)?;
                match &source.node {
                    Node::Name(root) if self.scoped(root).is_none() => {
                        let name = key.to_text().unwrap_or_default();
                        self.named(root, &name, expr.span)
                    }
                    _ => {
                        let value = self.eval(source)?;
                        self.index(&value, &key, expr.span)
                    }
                }
            }
            _ => self.eval(expr),
        }
    }

    /// `var.name`, `local.name`
    pub(super) fn named(&mut self, root: &str, name: &str, span: Span) -> Evaluated<Val> {
        if self.language != Language::Job {
            let what = if self.language == Language::Values { "values of variables" } else { "this file" };
            return wrong(span, format!("`{root}.{name}` means nothing in {what}"), "write the value itself");
        }
        let (known, what) =
            if root == "var" { (&self.variables, "variable") } else { (&self.locals, "local value") };
        match known.get(name) {
            Some(Some(value)) => Ok(value.clone()),
            Some(None) => Err(Fault::Known),
            None => {
                let names: Vec<&str> = known.keys().map(String::as_str).collect();
                let help = match (nearest(name, &names), root) {
                    (Some(near), _) => format!("did you mean `{root}.{near}`?"),
                    (None, "var") => format!("declare it: `variable \"{name}\" {{ }}` outside of the job"),
                    (None, _) => format!("set it: `locals {{ {name} = .. }}` outside of the job"),
                };
                let message = format!("there is no {what} `{name}`");
                Err(Fault::Wrong(Box::new(Finding::new(codes::VARIABLE, span, message, help))))
            }
        }
    }

    /// What is known at run time stays as it is.
    pub(super) fn runtime(&mut self, root: &str, expr: &Expr) -> Evaluated<Val> {
        let known =
            RUNTIME.iter().any(|known| root == *known || (known.ends_with('_') && root.starts_with(known)));
        let text = self.render(expr)?;
        if known && text != root || root.starts_with("NOMAD_") {
            return self.keep(Val::text(format!("${{{text}}}")), expr.span);
        }
        let help = if text.contains('.') || text.contains('[') {
            format!("write \"${{{text}}}\" for a value that is known at run time")
        } else {
            format!("put text between double quotes: \"{text}\"")
        };
        wrong(expr.span, format!("`{text}` is not a value"), help)
    }

    /// `attr.kernel.name`, as the run time reads it.
    pub(super) fn render(&mut self, expr: &Expr) -> Evaluated<String> {
        Ok(match &expr.node {
            Node::Name(name) => name.clone(),
            Node::Get(source, name) => format!("{}.{}", self.render(source)?, name.text),
            Node::Index(source, key) => {
                let key = self.operand(key)?;
                let source = self.render(source)?;
                match &key {
                    Val::Int(at) => format!("{source}[{at}]"),
                    _ => format!("{source}[\"{}\"]", key.to_text().unwrap_or_default()),
                }
            }
            _ => String::new(),
        })
    }

    pub(super) fn get(&mut self, value: &Val, name: &str, span: Span) -> Evaluated<Val> {
        match value {
            Val::Object(object) => match object.items.get(name) {
                Some(found) => Ok(found.clone()),
                None => {
                    let names: Vec<&str> = object.items.keys().map(AsRef::as_ref).take(50).collect();
                    let help = match nearest(name, &names) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None if names.is_empty() => String::from("the map is empty"),
                        None => format!("it has {}", crate::syntax::shorten(&names.join(", "))),
                    };
                    wrong(span, format!("the map has no `{name}`"), help)
                }
            },
            Val::List(_) => wrong(
                span,
                format!("a list has no `{name}`"),
                format!("write `[0].{name}` for one item, `[*].{name}` for all"),
            ),
            _ => wrong(span, format!("{} has no `{name}`", value.describe()), ""),
        }
    }

    pub(super) fn index(&mut self, value: &Val, key: &Val, span: Span) -> Evaluated<Val> {
        match value {
            Val::Object(_) => match key.to_text() {
                Some(name) => self.get(value, &name, span),
                None => wrong(span, format!("a name must be text, found {}", key.describe()), ""),
            },
            Val::List(list) => {
                let Some(at) = key.to_int() else {
                    let message =
                        format!("the index of a list must be a whole number, found {}", key.describe());
                    return wrong(span, message, "");
                };
                match usize::try_from(at).ok().and_then(|at| list.items.get(at)) {
                    Some(found) => Ok(found.clone()),
                    None => {
                        let message = format!("the list has {} items, and none at {at}", list.items.len());
                        wrong(span, message, "the first item is at 0")
                    }
                }
            }
            _ => wrong(span, format!("{} has no items", value.describe()), ""),
        }
    }

    pub(super) fn splat(&mut self, source: &Expr, steps: &[Step], span: Span) -> Evaluated<Val> {
        let items = match self.operand(source)? {
            Val::Null => Vec::new(),
            Val::List(list) => list.items.clone(),
            other => vec![other],
        };
        let mut found = Vec::with_capacity(items.len());
        for mut item in items {
            within(span, self.limits.work(8))?;
            for step in steps {
                item = match step {
                    Step::Get(name) => self.get(&item, &name.text, name.span)?,
                    Step::Index(key) => {
                        let key = self.operand(key)?;
                        self.index(&item, &key, span)?
                    }
                };
            }
            found.push(item);
        }
        self.keep(Val::list(found), span)
    }
}

//! What an expression speaks of, found without working it out.

use std::collections::BTreeSet;

use crate::syntax::{Expr, Key, Node, Part, Step};

/// What an expression speaks of.
#[derive(Debug, Default)]
pub(super) struct Mentions {
    /// Variables, local values, functions, loops: something that is worked out when the file is read.
    pub(super) ours: bool,
    /// Something that is known at run time only.
    pub(super) runtime: bool,
    /// Names of local values.
    pub(super) locals: BTreeSet<String>,
    /// Names that loops give to their items, where the walk is now.
    bound: Vec<String>,
}

impl Mentions {
    /// `bound`: names that stand for something already.
    pub(super) fn of<'a>(expr: &Expr, bound: impl IntoIterator<Item = &'a str>) -> Self {
        let mut found = Self { bound: bound.into_iter().map(str::to_owned).collect(), ..Self::default() };
        found.visit(expr);
        found
    }

    fn visit(&mut self, expr: &Expr) {
        match &expr.node {
            Node::Null | Node::Bool(_) | Node::Int(_) | Node::Float(_) | Node::Text(_) => {}
            Node::Name(name) => self.name(name),
            Node::Template(parts) => self.parts(parts),
            Node::List(items) => self.all(items),
            Node::Object(items) => {
                for (key, value) in items {
                    if let Key::Computed(key) = key {
                        self.visit(key);
                    }
                    self.visit(value);
                }
            }
            Node::Get(source, name) => {
                if matches!(&source.node, Node::Name(root) if root == "local") {
                    self.locals.insert(name.text.clone());
                }
                self.visit(source);
            }
            Node::Index(source, key) => {
                if let (Node::Name(root), Node::Text(name)) = (&source.node, &key.node)
                    && root == "local"
                {
                    self.locals.insert(name.clone());
                }
                self.visit(source);
                self.visit(key);
            }
            Node::Splat(source, steps) => {
                self.ours = true;
                self.visit(source);
                for step in steps {
                    if let Step::Index(key) = step {
                        self.visit(key);
                    }
                }
            }
            Node::Call { args, .. } => {
                self.ours = true;
                self.all(args);
            }
            Node::Unary(_, operand) => self.visit(operand),
            Node::Binary(_, left, right) => {
                self.visit(left);
                self.visit(right);
            }
            Node::Conditional(parts) => self.all(parts.as_ref()),
            Node::For(parts) => {
                self.ours = true;
                self.visit(&parts.source);
                let bound = self.bound.len();
                self.bound.extend(parts.key.clone());
                self.bound.push(parts.value.clone());
                self.visit(&parts.result);
                for inner in parts.result_key.iter().chain(&parts.condition) {
                    self.visit(inner);
                }
                self.bound.truncate(bound);
            }
        }
    }

    fn name(&mut self, name: &str) {
        if matches!(name, "var" | "local") || self.bound.iter().any(|bound| bound == name) {
            self.ours = true;
        } else {
            self.runtime = true;
        }
    }

    fn all(&mut self, exprs: &[Expr]) {
        for expr in exprs {
            self.visit(expr);
        }
    }

    /// Text with run-time values in it is made of them, not worked out from them.
    fn parts(&mut self, parts: &[Part]) {
        let runtime = self.runtime;
        for part in parts {
            match part {
                Part::Literal(_) => {}
                Part::Value { expr, .. } => self.visit(expr),
                Part::If { condition, yes, no } => {
                    self.ours = true;
                    self.visit(condition);
                    self.parts(yes);
                    self.parts(no);
                }
                Part::For { key, value, source, body } => {
                    self.ours = true;
                    self.visit(source);
                    let bound = self.bound.len();
                    self.bound.extend(key.clone());
                    self.bound.push(value.clone());
                    self.parts(body);
                    self.bound.truncate(bound);
                }
            }
        }
        self.runtime = runtime;
    }
}

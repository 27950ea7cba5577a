//! Expressions as they were written, each with its place. Evaluation is in `crate::eval`.

use super::tree::{Name, Span};

/// Operators, brackets and traversals inside each other. Whatever walks an expression recurses once per level.
const MAX_HEIGHT: u16 = 100;

/// An expression and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expr {
    pub(crate) node: Node,
    pub(crate) span: Span,
    height: u16,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// Text with something in it that is evaluated, or kept for run time.
    Template(Vec<Part>),
    List(Vec<Expr>),
    Object(Vec<(Key, Expr)>),
    /// `var`, `attr`, `NOMAD_PORT_http`, the name of a loop variable.
    Name(String),
    /// `a.name`
    Get(Box<Expr>, Name),
    /// `a[key]`
    Index(Box<Expr>, Box<Expr>),
    /// `a[*].b[0]`: the steps are taken for each element.
    Splat(Box<Expr>, Vec<Step>),
    /// `expand`: the last argument is a list of arguments (`...`).
    Call {
        name: Name,
        args: Vec<Expr>,
        expand: bool,
    },
    Unary(Unary, Box<Expr>),
    Binary(Binary, Box<Expr>, Box<Expr>),
    Conditional(Box<[Expr; 3]>),
    For(Box<For>),
}

/// A name on the left side in a map.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Key {
    Name(Name),
    Computed(Expr),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    Get(Name),
    Index(Expr),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unary {
    Not,
    Negate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// `[for key, value in source : result if condition]`, `{for .. : key => result...}`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct For {
    pub(crate) key: Option<String>,
    pub(crate) value: String,
    pub(crate) source: Expr,
    /// Of each entry, if a map is made.
    pub(crate) result_key: Option<Expr>,
    pub(crate) result: Expr,
    /// Results of the same key are gathered in a list.
    pub(crate) grouped: bool,
    pub(crate) condition: Option<Expr>,
}

/// A piece of text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Part {
    Literal(String),
    /// `${..}`; `raw` is how it was written.
    Value {
        expr: Expr,
        raw: String,
    },
    /// `%{ if a }..%{ else }..%{ endif }`
    If {
        condition: Expr,
        yes: Vec<Part>,
        no: Vec<Part>,
    },
    /// `%{ for key, value in source }..%{ endfor }`
    For {
        key: Option<String>,
        value: String,
        source: Expr,
        body: Vec<Part>,
    },
}

impl Expr {
    /// `None` if it is nested too deep.
    pub(crate) fn new(node: Node, span: Span) -> Option<Self> {
        let height = node.height().checked_add(1).filter(|height| *height <= MAX_HEIGHT)?;
        Some(Self { node, span, height })
    }

    /// What has no parts is not nested.
    pub(crate) fn leaf(node: Node, span: Span) -> Self {
        Self { node, span, height: 1 }
    }
}

/// Gives all parts of an expression the same place: that of the text that they were read from.
pub(super) fn move_to(expr: &mut Expr, span: Span) {
    expr.span = span;
    match &mut expr.node {
        Node::Null | Node::Bool(_) | Node::Int(_) | Node::Float(_) | Node::Text(_) | Node::Name(_) => {}
        Node::Template(parts) => move_parts_to(parts, span),
        Node::List(items) => items.iter_mut().for_each(|item| move_to(item, span)),
        Node::Object(items) => {
            for (key, value) in items {
                match key {
                    Key::Name(name) => name.span = span,
                    Key::Computed(key) => move_to(key, span),
                }
                move_to(value, span);
            }
        }
        Node::Get(source, name) => {
            name.span = span;
            move_to(source, span);
        }
        Node::Unary(_, source) => move_to(source, span),
        Node::Index(left, right) | Node::Binary(_, left, right) => {
            move_to(left, span);
            move_to(right, span);
        }
        Node::Splat(source, steps) => {
            move_to(source, span);
            for step in steps {
                match step {
                    Step::Get(name) => name.span = span,
                    Step::Index(key) => move_to(key, span),
                }
            }
        }
        Node::Call { name, args, .. } => {
            name.span = span;
            args.iter_mut().for_each(|arg| move_to(arg, span));
        }
        Node::Conditional(parts) => parts.iter_mut().for_each(|part| move_to(part, span)),
        Node::For(parts) => {
            let others = [&mut parts.source, &mut parts.result].into_iter();
            others
                .chain(&mut parts.result_key)
                .chain(&mut parts.condition)
                .for_each(|part| move_to(part, span));
        }
    }
}

pub(super) fn move_parts_to(parts: &mut [Part], span: Span) {
    for part in parts {
        match part {
            Part::Literal(_) => {}
            Part::Value { expr, .. } => move_to(expr, span),
            Part::If { condition, yes, no } => {
                move_to(condition, span);
                move_parts_to(yes, span);
                move_parts_to(no, span);
            }
            Part::For { source, body, .. } => {
                move_to(source, span);
                move_parts_to(body, span);
            }
        }
    }
}

fn highest<'a>(exprs: impl IntoIterator<Item = &'a Expr>) -> u16 {
    exprs.into_iter().map(|expr| expr.height).max().unwrap_or(0)
}

impl Node {
    fn height(&self) -> u16 {
        match self {
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) | Self::Text(_) | Self::Name(_) => 0,
            Self::Template(parts) => height_of_parts(parts),
            Self::List(items) => highest(items),
            Self::Object(items) => items
                .iter()
                .map(|(key, value)| match key {
                    Key::Name(_) => value.height,
                    Key::Computed(key) => key.height.max(value.height),
                })
                .max()
                .unwrap_or(0),
            Self::Get(source, _) | Self::Unary(_, source) => source.height,
            Self::Index(source, key) => source.height.max(key.height),
            Self::Splat(source, steps) => {
                let keys = steps.iter().filter_map(|step| match step {
                    Step::Get(_) => None,
                    Step::Index(key) => Some(key),
                });
                source.height.max(highest(keys))
            }
            Self::Call { args, .. } => highest(args),
            Self::Binary(_, left, right) => left.height.max(right.height),
            Self::Conditional(parts) => highest(parts.as_ref()),
            Self::For(parts) => {
                let others = [&parts.source, &parts.result].into_iter();
                highest(others.chain(&parts.result_key).chain(&parts.condition))
            }
        }
    }
}

fn height_of_parts(parts: &[Part]) -> u16 {
    let height = |part: &Part| match part {
        Part::Literal(_) => 0,
        Part::Value { expr, .. } => expr.height,
        Part::If { condition, yes, no } => {
            condition.height.max(height_of_parts(yes) + 1).max(height_of_parts(no) + 1)
        }
        Part::For { source, body, .. } => source.height.max(height_of_parts(body) + 1),
    };
    parts.iter().map(height).max().unwrap_or(0)
}

impl Binary {
    /// The operator at the start of a text, its length, and how tightly it binds.
    pub(crate) fn at(text: &str) -> Option<(Self, usize, u8)> {
        const OPERATORS: [(&str, Binary, u8); 13] = [
            ("||", Binary::Or, 1),
            ("&&", Binary::And, 2),
            ("==", Binary::Equal, 3),
            ("!=", Binary::NotEqual, 3),
            ("<=", Binary::LessOrEqual, 4),
            (">=", Binary::GreaterOrEqual, 4),
            ("<", Binary::Less, 4),
            (">", Binary::Greater, 4),
            ("+", Binary::Add, 5),
            ("-", Binary::Subtract, 5),
            ("*", Binary::Multiply, 6),
            ("/", Binary::Divide, 6),
            ("%", Binary::Modulo, 6),
        ];
        if ["<<", "//", "/*", "%{"].iter().any(|other| text.starts_with(other)) {
            return None;
        }
        let found = OPERATORS.iter().find(|(sign, ..)| text.starts_with(sign));
        found.map(|(sign, operator, binding)| (*operator, sign.len(), *binding))
    }

    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::And => "&&",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
        }
    }
}

impl Unary {
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Not => "!",
            Self::Negate => "-",
        }
    }
}

//! What a template consists of. Every part knows its offset in the text.

use crate::Value;

#[derive(Debug, Clone)]
pub(crate) enum Node {
    Text(String),
    /// Prints what the pipeline gives, unless it sets a variable.
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Call {
        at: usize,
        name: String,
        data: Option<Pipe>,
    },
    Break {
        at: usize,
    },
    Continue {
        at: usize,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct Branch {
    pub(crate) pipe: Pipe,
    pub(crate) body: Vec<Node>,
    pub(crate) otherwise: Vec<Node>,
}

/// Commands, each given the value of the one before as its last argument.
#[derive(Debug, Clone)]
pub(crate) struct Pipe {
    pub(crate) at: usize,
    /// Variables that take the value; two only for `range`.
    pub(crate) names: Vec<String>,
    /// They are there already (`=`), else they begin here (`:=`).
    pub(crate) assigns: bool,
    pub(crate) commands: Vec<Command>,
}

/// A term, and the arguments if it is called.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) terms: Vec<Term>,
}

#[derive(Debug, Clone)]
pub(crate) struct Term {
    pub(crate) at: usize,
    pub(crate) kind: TermKind,
    /// `.a.b` behind it.
    pub(crate) fields: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) enum TermKind {
    Dot,
    Nil,
    Constant(Value),
    Variable(String),
    Function(String),
    Group(Box<Pipe>),
}

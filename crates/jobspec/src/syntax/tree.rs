//! What a parsed file consists of.

/// A range of bytes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

/// A word and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub text: String,
    pub span: Span,
}

/// What stands between the braces of a block, or in the whole file. `V` is what stands behind an equals sign: a
/// value, or the expression that was written before it is evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct Body<V = Value> {
    pub attributes: Vec<Attribute<V>>,
    pub blocks: Vec<Block<V>>,
}

impl<V> Default for Body<V> {
    fn default() -> Self {
        Self { attributes: Vec::new(), blocks: Vec::new() }
    }
}

/// `name = value`
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute<V = Value> {
    pub name: Name,
    pub value: V,
}

/// `kind "label" { .. }`
#[derive(Debug, Clone, PartialEq)]
pub struct Block<V = Value> {
    pub kind: Name,
    pub labels: Vec<Name>,
    pub body: Body<V>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    pub kind: Kind,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Value>),
    Object(Vec<Attribute>),
    /// Something that was already reported; readers pass over it in silence.
    Invalid,
}

impl Kind {
    /// `500.0` counts as 500.
    pub(crate) fn number(value: f64) -> Self {
        if value.fract() == 0.0 && value.abs() < 9.0e15 {
            Self::Int(value as i64)
        } else {
            Self::Float(value)
        }
    }
}

impl Value {
    /// How a message calls it: `the number 5`, `a list`.
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Null => String::from("null"),
            Kind::Bool(value) => format!("{value}"),
            Kind::Int(value) => format!("the number {value}"),
            Kind::Float(value) => format!("the number {value}"),
            Kind::Text(value) => format!("\"{}\"", shorten(value)),
            Kind::List(_) => String::from("a list"),
            Kind::Object(_) => String::from("a map"),
            Kind::Invalid => String::from("an invalid value"),
        }
    }

    /// Strings, numbers and booleans convert silently, as they always did in job files.
    pub fn to_text(&self) -> Option<String> {
        match &self.kind {
            Kind::Bool(value) => Some(value.to_string()),
            Kind::Int(value) => Some(value.to_string()),
            Kind::Float(value) => Some(value.to_string()),
            Kind::Text(value) => Some(value.clone()),
            _ => None,
        }
    }
}

pub(crate) fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() > 60 || line.len() < text.trim_end().len() {
        format!("{}...", line.chars().take(57).collect::<String>())
    } else {
        line.to_string()
    }
}

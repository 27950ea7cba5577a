//! Values while they are worked out. Copies are cheap, and every value knows how large it is.

use std::{cmp::Ordering, collections::BTreeMap, rc::Rc};

use crate::syntax::{Kind, shorten};

#[derive(Debug, Clone)]
pub(crate) enum Val {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    List(Rc<List>),
    Object(Rc<Object>),
}

/// Made by [`Val::list`] only, so that size and depth are right.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) items: Vec<Val>,
    weight: usize,
    depth: usize,
}

/// Made by [`Val::object`] only. Entries are in the order of their names, as loops go through them.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) items: BTreeMap<Rc<str>, Val>,
    weight: usize,
    depth: usize,
}

/// What a value costs besides the text in it, in bytes, roughly.
const ENTRY: usize = 16;

impl Val {
    pub(crate) fn text(text: impl AsRef<str>) -> Self {
        Self::Text(Rc::from(text.as_ref()))
    }

    /// `500.0` counts as 500. What is not finite is nothing.
    pub(crate) fn number(value: f64) -> Option<Self> {
        value.is_finite().then(|| match Kind::number(value) {
            Kind::Int(whole) => Self::Int(whole),
            _ => Self::Float(value),
        })
    }

    pub(crate) fn list(items: Vec<Self>) -> Self {
        let weight = items.iter().map(Self::weight).fold(ENTRY, usize::saturating_add);
        let depth = 1 + items.iter().map(Self::depth).max().unwrap_or(0);
        Self::List(Rc::new(List { items, weight, depth }))
    }

    pub(crate) fn object(items: BTreeMap<Rc<str>, Self>) -> Self {
        let weight = items.iter().map(|(name, item)| ENTRY + name.len() + item.weight());
        let weight = weight.fold(ENTRY, usize::saturating_add);
        let depth = 1 + items.values().map(Self::depth).max().unwrap_or(0);
        Self::Object(Rc::new(Object { items, weight, depth }))
    }

    pub(crate) fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self::list(texts.into_iter().map(Self::text).collect())
    }

    /// Bytes when it is written out, roughly: what is contained twice counts twice.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Text(text) => ENTRY + text.len(),
            Self::List(list) => list.weight,
            Self::Object(object) => object.weight,
            _ => ENTRY,
        }
    }

    /// Lists and maps inside each other.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Self::List(list) => list.depth,
            Self::Object(object) => object.depth,
            _ => 0,
        }
    }

    /// How a message calls it.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Null => String::from("null"),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => format!("the number {value}"),
            Self::Float(value) => format!("the number {value}"),
            Self::Text(text) => format!("\"{}\"", shorten(text)),
            Self::List(_) => String::from("a list"),
            Self::Object(_) => String::from("a map"),
        }
    }

    /// Texts, numbers and truth values convert silently.
    pub(crate) fn to_text(&self) -> Option<Rc<str>> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Bool(value) => Some(Rc::from(value.to_string())),
            Self::Int(value) => Some(Rc::from(value.to_string())),
            Self::Float(value) => Some(Rc::from(value.to_string())),
            _ => None,
        }
    }

    pub(crate) fn to_number(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Text(text) => read_number(text)?.to_number(),
            _ => None,
        }
    }

    pub(crate) fn to_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Text(text) => match read_number(text)? {
                Self::Int(value) => Some(value),
                _ => None,
            },
            _ => None,
        }
    }

    pub(crate) fn to_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            Self::Text(text) => match text.as_ref() {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Int(_) | Self::Float(_) => 2,
            Self::Text(_) => 3,
            Self::List(_) => 4,
            Self::Object(_) => 5,
        }
    }
}

/// A number as text has it: `5`, `-1.5e3`.
pub(crate) fn read_number(text: &str) -> Option<Val> {
    if let Ok(whole) = text.parse::<i64>() {
        return Some(Val::Int(whole));
    }
    let plain = text.starts_with(|letter: char| letter.is_ascii_digit() || letter == '-')
        && text.chars().all(|letter| letter.is_ascii_digit() || ".eE+-".contains(letter));
    text.parse::<f64>().ok().filter(|_| plain).and_then(Val::number)
}

/// A total order, so that values can be sorted and put into sets.
impl Ord for Val {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(left), Self::Bool(right)) => left.cmp(right),
            (Self::Int(left), Self::Int(right)) => left.cmp(right),
            (Self::Int(left), Self::Float(right)) => (*left as f64).total_cmp(right),
            (Self::Float(left), Self::Int(right)) => left.total_cmp(&(*right as f64)),
            (Self::Float(left), Self::Float(right)) => left.total_cmp(right),
            (Self::Text(left), Self::Text(right)) => left.cmp(right),
            (Self::List(left), Self::List(right)) => left.items.cmp(&right.items),
            (Self::Object(left), Self::Object(right)) => left.items.cmp(&right.items),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Val {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Val {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Val {}

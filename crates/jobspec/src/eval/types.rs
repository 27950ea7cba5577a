//! Types of variables: `string`, `list(number)`, `object({ name = string })`.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use super::Val;
use crate::{
    codes,
    diagnostic::Finding,
    syntax::{Expr, Key, Node, parse_value},
};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    Any,
    Text,
    Number,
    Bool,
    List(Box<Type>),
    /// Kept as a sorted list without repetitions.
    Set(Box<Type>),
    Map(Box<Type>),
    Object(BTreeMap<String, Field>),
    Tuple(Vec<Type>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    kind: Type,
    /// It may be left out, and is this then.
    optional: Option<Val>,
}

const KNOWN: &str =
    "string, number, bool, any, list(..), set(..), map(..), object({ name = type }) and tuple([..])";

impl Type {
    /// Reads what stands behind `type =`; old files put it between quotes.
    pub(super) fn read(expr: &Expr) -> Result<Self, Box<Finding>> {
        let refuse = |message: &str| {
            let help = format!("known are {KNOWN}");
            Err(Box::new(Finding::new(codes::VARIABLE, expr.span, message, help)))
        };
        match &expr.node {
            Node::Name(name) => match name.as_str() {
                "any" => Ok(Self::Any),
                "string" => Ok(Self::Text),
                "number" => Ok(Self::Number),
                "bool" => Ok(Self::Bool),
                "list" => Ok(Self::List(Box::new(Self::Any))),
                "set" => Ok(Self::Set(Box::new(Self::Any))),
                "map" => Ok(Self::Map(Box::new(Self::Any))),
                other => refuse(&format!("there is no type `{other}`")),
            },
            Node::Text(text) => match parse_value(text) {
                // The place is that of the text: what stands in it has none in the file.
                Ok(inner) if !matches!(inner.node, Node::Text(_)) => {
                    Self::read(&inner).map_err(|mut finding| {
                        finding.span = expr.span;
                        finding
                    })
                }
                _ => refuse("this is not a type"),
            },
            Node::Call { name, args, expand: false } => match (name.text.as_str(), args.as_slice()) {
                ("list", [item]) => Ok(Self::List(Box::new(Self::read(item)?))),
                ("set", [item]) => Ok(Self::Set(Box::new(Self::read(item)?))),
                ("map", [item]) => Ok(Self::Map(Box::new(Self::read(item)?))),
                ("tuple", [items]) => match &items.node {
                    Node::List(items) => {
                        Ok(Self::Tuple(items.iter().map(Self::read).collect::<Result<_, _>>()?))
                    }
                    _ => refuse("`tuple` takes a list of types"),
                },
                ("object", [fields]) => match &fields.node {
                    Node::Object(fields) => {
                        let fields = fields.iter().map(|(key, kind)| field(key, kind));
                        Ok(Self::Object(fields.collect::<Result<_, _>>()?))
                    }
                    _ => refuse("`object` takes a map of names and types"),
                },
                _ => refuse("this is not a type"),
            },
            _ => refuse("this is not a type"),
        }
    }

    /// The type that a default stands for if none is written.
    pub(super) fn of_default(value: &Val) -> Self {
        match value {
            Val::Bool(_) => Self::Bool,
            Val::Int(_) | Val::Float(_) => Self::Number,
            Val::Text(_) => Self::Text,
            Val::List(_) => Self::List(Box::new(Self::Any)),
            Val::Object(_) => Self::Map(Box::new(Self::Any)),
            Val::Null => Self::Any,
        }
    }

    /// Whether text from outside is the value itself, and not an expression that gives it.
    pub(super) fn is_literal(&self) -> bool {
        matches!(self, Self::Any | Self::Text | Self::Number)
    }

    /// The value in this type, or why it does not fit.
    pub(super) fn convert(&self, value: &Val) -> Result<Val, String> {
        let misfit = || Err(format!("expected {}, found {}", self.name(), value.describe()));
        if matches!(value, Val::Null) {
            return Ok(Val::Null);
        }
        match (self, value) {
            (Self::Any, _) => Ok(value.clone()),
            (Self::Text, _) => value.to_text().map_or_else(misfit, |text| Ok(Val::Text(text))),
            (Self::Number, Val::Text(text)) => super::read_number(text).map_or_else(misfit, Ok),
            (Self::Number, Val::Int(_) | Val::Float(_)) => Ok(value.clone()),
            (Self::Bool, _) => value.to_bool().map_or_else(misfit, |truth| Ok(Val::Bool(truth))),
            (Self::List(kind), Val::List(list)) => Ok(Val::list(convert_each(kind, &list.items)?)),
            (Self::Set(kind), Val::List(list)) => {
                let set: BTreeSet<Val> = convert_each(kind, &list.items)?.into_iter().collect();
                Ok(Val::list(set.into_iter().collect()))
            }
            (Self::Map(kind), Val::Object(object)) => {
                let mut found = BTreeMap::new();
                for (name, item) in &object.items {
                    let item = kind.convert(item).map_err(|reason| at(&format!("`{name}`"), &reason))?;
                    found.insert(name.clone(), item);
                }
                Ok(Val::object(found))
            }
            (Self::Object(fields), Val::Object(object)) => {
                let mut found = BTreeMap::new();
                for (name, field) in fields {
                    let item = match (object.items.get(name.as_str()), &field.optional) {
                        (Some(item), _) => item,
                        (None, Some(default)) => default,
                        (None, None) => return Err(format!("`{name}` is missing in the map")),
                    };
                    let item =
                        field.kind.convert(item).map_err(|reason| at(&format!("`{name}`"), &reason))?;
                    found.insert(Rc::from(name.as_str()), item);
                }
                Ok(Val::object(found))
            }
            (Self::Tuple(kinds), Val::List(list)) if kinds.len() == list.items.len() => {
                let items = kinds.iter().zip(&list.items).map(|(kind, item)| kind.convert(item));
                Ok(Val::list(items.collect::<Result<_, _>>()?))
            }
            _ => misfit(),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Any => String::from("any value"),
            Self::Text => String::from("text"),
            Self::Number => String::from("a number"),
            Self::Bool => String::from("true or false"),
            Self::List(_) | Self::Set(_) => String::from("a list"),
            Self::Map(_) | Self::Object(_) => String::from("a map"),
            Self::Tuple(kinds) => format!("a list of {} values", kinds.len()),
        }
    }
}

fn convert_each(kind: &Type, items: &[Val]) -> Result<Vec<Val>, String> {
    let each = items.iter().enumerate();
    each.map(|(number, item)| kind.convert(item).map_err(|reason| at(&format!("item {number}"), &reason)))
        .collect()
}

fn at(place: &str, reason: &str) -> String {
    format!("{place}: {reason}")
}

/// `name = string`, `name = optional(number, 5)`
fn field(key: &Key, expr: &Expr) -> Result<(String, Field), Box<Finding>> {
    let name = match key {
        Key::Name(name) => name.text.clone(),
        Key::Computed(key) => {
            let message = "the names of an object type are plain words";
            return Err(Box::new(Finding::new(codes::VARIABLE, key.span, message, "")));
        }
    };
    let field = match &expr.node {
        Node::Call { name, args, expand: false } if name.text == "optional" => match args.as_slice() {
            [kind] => Field { kind: Type::read(kind)?, optional: Some(Val::Null) },
            [kind, default] => Field { kind: Type::read(kind)?, optional: Some(literal(default)?) },
            _ => {
                let message = "`optional` takes a type and what stands for it if it is left out";
                return Err(Box::new(Finding::new(codes::VARIABLE, expr.span, message, "")));
            }
        },
        _ => Field { kind: Type::read(expr)?, optional: None },
    };
    Ok((name, field))
}

/// A default inside of a type: a plain value.
fn literal(expr: &Expr) -> Result<Val, Box<Finding>> {
    Ok(match &expr.node {
        Node::Null => Val::Null,
        Node::Bool(value) => Val::Bool(*value),
        Node::Int(value) => Val::Int(*value),
        Node::Float(value) => Val::Float(*value),
        Node::Text(text) => Val::text(text),
        Node::List(items) => Val::list(items.iter().map(literal).collect::<Result<_, _>>()?),
        Node::Object(items) => {
            let mut found = BTreeMap::new();
            for (key, value) in items {
                if let Key::Name(name) = key {
                    found.insert(Rc::from(name.text.as_str()), literal(value)?);
                }
            }
            Val::object(found)
        }
        _ => {
            let message = "what stands for a value that is left out must be a plain value";
            return Err(Box::new(Finding::new(codes::VARIABLE, expr.span, message, "")));
        }
    })
}

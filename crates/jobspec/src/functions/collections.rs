//! Lists and maps: what is in them.

use std::{collections::BTreeMap, rc::Rc};

use super::arguments::{Answer, Call, Refusal};
use crate::eval::Val;

/// The first that is neither null nor an empty text.
pub(super) fn coalesce(call: &mut Call<'_, '_>) -> Answer {
    let empty = |value: &&Val| match value {
        Val::Null => true,
        Val::Text(text) => text.is_empty(),
        _ => false,
    };
    match call.args.iter().find(|value| !empty(value)) {
        Some(found) => Ok(found.clone()),
        None => Err(Refusal::new("every argument is null or empty")),
    }
}

/// The first list that is not empty.
pub(super) fn coalescelist(call: &mut Call<'_, '_>) -> Answer {
    for at in 0..call.args.len() {
        if !matches!(call.args[at], Val::Null) && !call.list(at)?.is_empty() {
            return Ok(call.args[at].clone());
        }
    }
    Err(Refusal::new("every list is empty"))
}

pub(super) fn contains(call: &mut Call<'_, '_>) -> Answer {
    Ok(Val::Bool(call.list(0)?.contains(&call.args[1])))
}

/// The position of a value in a list.
pub(super) fn index(call: &mut Call<'_, '_>) -> Answer {
    match call.list(0)?.iter().position(|item| *item == call.args[1]) {
        Some(at) => Ok(Val::Int(i64::try_from(at).unwrap_or(i64::MAX))),
        None => Err(Refusal::new(format!("the list does not contain {}", call.args[1].describe()))),
    }
}

pub(super) fn keys(call: &mut Call<'_, '_>) -> Answer {
    Ok(Val::list(call.map(0)?.keys().cloned().map(Val::Text).collect()))
}

/// Items of a list or map, characters of a text.
pub(super) fn length(call: &mut Call<'_, '_>) -> Answer {
    let length = match &call.args[0] {
        Val::Text(text) => text.chars().count(),
        Val::List(list) => list.items.len(),
        Val::Object(object) => object.items.len(),
        other => {
            let message = format!("argument 1 must be a list, a map or text, found {}", other.describe());
            return Err(Refusal::of(0, message));
        }
    };
    Ok(Val::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

pub(super) fn lookup(call: &mut Call<'_, '_>) -> Answer {
    let name = call.text(1)?;
    match (call.map(0)?.get(&name), call.args.get(2)) {
        (Some(found), _) | (None, Some(found)) => Ok(found.clone()),
        (None, None) => Err(Refusal::of(1, format!("the map has no \"{name}\""))
            .help("give a third argument, which stands for what is missing")),
    }
}

/// Later maps win.
pub(super) fn merge(call: &mut Call<'_, '_>) -> Answer {
    let mut all = BTreeMap::new();
    for at in 0..call.args.len() {
        if !matches!(call.args[at], Val::Null) {
            all.extend(call.map(at)?.iter().map(|(name, item)| (name.clone(), item.clone())));
        }
    }
    Ok(Val::object(all))
}

/// In the order of their names.
pub(super) fn values(call: &mut Call<'_, '_>) -> Answer {
    Ok(Val::list(call.map(0)?.values().cloned().collect()))
}

pub(super) fn zipmap(call: &mut Call<'_, '_>) -> Answer {
    let names: Vec<Rc<str>> = call.texts(0)?;
    let items = call.list(1)?;
    if names.len() != items.len() {
        return Err(Refusal::new(format!("{} names and {} values do not fit", names.len(), items.len())));
    }
    Ok(Val::object(names.into_iter().zip(items.iter().cloned()).collect()))
}

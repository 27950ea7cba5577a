//! Cutting and joining lists.

use super::arguments::{Answer, Call, Refusal};
use crate::eval::Val;

/// Items of a list that `range` makes.
const MAX_RANGE: usize = 65_536;

pub(super) fn chunklist(call: &mut Call<'_, '_>) -> Answer {
    let size = call.int(1)?;
    let Ok(size) = usize::try_from(size) else {
        return Err(Refusal::of(1, format!("the size of a piece cannot be negative, found {size}")));
    };
    let list = call.list(0)?;
    let size = if size == 0 { list.len().max(1) } else { size };
    Ok(Val::list(list.chunks(size).map(|chunk| Val::list(chunk.to_vec())).collect()))
}

/// Without empty texts and nulls.
pub(super) fn compact(call: &mut Call<'_, '_>) -> Answer {
    let list = call.list(0)?.iter().filter(|item| !matches!(item, Val::Null));
    let list = list.filter(|item| !matches!(item, Val::Text(text) if text.is_empty()));
    Ok(Val::list(list.cloned().collect()))
}

pub(super) fn concat(call: &mut Call<'_, '_>) -> Answer {
    let mut all = Vec::new();
    for at in 0..call.args.len() {
        all.extend_from_slice(call.list(at)?);
    }
    Ok(Val::list(all))
}

/// Begins again behind the last one.
pub(super) fn element(call: &mut Call<'_, '_>) -> Answer {
    let at = call.int(1)?;
    let list = call.list(0)?;
    let length = i64::try_from(list.len()).unwrap_or(i64::MAX);
    if length == 0 {
        return Err(Refusal::of(0, "the list is empty"));
    }
    let Ok(at) = usize::try_from(at.rem_euclid(length)) else {
        return Err(Refusal::of(1, "there is no such item"));
    };
    Ok(list[at].clone())
}

pub(super) fn flatten(call: &mut Call<'_, '_>) -> Answer {
    fn into(items: &[Val], out: &mut Vec<Val>) {
        for item in items {
            match item {
                Val::List(list) => into(&list.items, out),
                other => out.push(other.clone()),
            }
        }
    }
    let mut out = Vec::new();
    into(call.list(0)?, &mut out);
    Ok(Val::list(out))
}

/// `range(end)`, `range(start, end)`, `range(start, end, step)`; without the end.
pub(super) fn range(call: &mut Call<'_, '_>) -> Answer {
    let (start, end) = match call.args.len() {
        1 => (0.0, call.number(0)?),
        _ => (call.number(0)?, call.number(1)?),
    };
    let step = match call.args.len() {
        3 => call.number(2)?,
        _ if end < start => -1.0,
        _ => 1.0,
    };
    if step == 0.0 || (start != end && (end > start) != (step > 0.0)) {
        return Err(Refusal::new(format!("steps of {step} do not lead from {start} to {end}")));
    }
    let count = ((end - start) / step).ceil();
    if count > MAX_RANGE as f64 {
        return Err(Refusal {
            is_limit: true,
            ..Refusal::new(format!("the list would have {count} items; at most {MAX_RANGE} are made"))
        });
    }
    call.limits.make(count.max(0.0) as usize * 32)?;
    let items = (0..count.max(0.0) as usize).map(|at| Val::number(start + step * at as f64));
    items.collect::<Option<Vec<_>>>().map(Val::list).ok_or_else(|| Refusal::new("the number is too large"))
}

/// A list, or the characters of a text.
pub(super) fn reverse(call: &mut Call<'_, '_>) -> Answer {
    Ok(Val::list(call.list(0)?.iter().rev().cloned().collect()))
}

/// From one position up to another, which does not belong to it.
pub(super) fn slice(call: &mut Call<'_, '_>) -> Answer {
    let (start, end) = (call.int(1)?, call.int(2)?);
    let list = call.list(0)?;
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    match range.and_then(|(start, end)| list.get(start..end)) {
        Some(items) => Ok(Val::list(items.to_vec())),
        None => {
            Err(Refusal::new(format!("a list of {} items has no part from {start} to {end}", list.len())))
        }
    }
}

/// As texts.
pub(super) fn sort(call: &mut Call<'_, '_>) -> Answer {
    let mut texts = call.texts(0)?;
    call.limits.work(call.args[0].weight().saturating_mul(16))?;
    texts.sort();
    Ok(Val::list(texts.into_iter().map(Val::Text).collect()))
}

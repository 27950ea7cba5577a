//! Lists as sets.

use std::collections::BTreeSet;

use super::arguments::{Answer, Call};
use crate::eval::Val;

/// Comparing costs as much as what is compared, and sorting compares often.
fn allow(call: &mut Call<'_, '_>) -> Result<(), super::Refusal> {
    let weight = call.args.iter().map(Val::weight).fold(0, usize::saturating_add);
    Ok(call.limits.work(weight.saturating_mul(16))?)
}

/// The first of each stays.
pub(super) fn distinct(call: &mut Call<'_, '_>) -> Answer {
    allow(call)?;
    let mut seen = BTreeSet::new();
    let list = call.list(0)?.iter().filter(|item| seen.insert(*item));
    Ok(Val::list(list.cloned().collect()))
}

pub(super) fn setintersection(call: &mut Call<'_, '_>) -> Answer {
    allow(call)?;
    let mut common: BTreeSet<&Val> = call.list(0)?.iter().collect();
    for at in 1..call.args.len() {
        let other: BTreeSet<&Val> = call.list(at)?.iter().collect();
        common.retain(|item| other.contains(item));
    }
    Ok(Val::list(common.into_iter().cloned().collect()))
}

pub(super) fn setunion(call: &mut Call<'_, '_>) -> Answer {
    allow(call)?;
    let mut all = BTreeSet::new();
    for at in 0..call.args.len() {
        all.extend(call.list(at)?);
    }
    Ok(Val::list(all.into_iter().cloned().collect()))
}

/// All ways to take one item of each list.
pub(super) fn setproduct(call: &mut Call<'_, '_>) -> Answer {
    let mut count = 1_usize;
    for at in 0..call.args.len() {
        count = count.saturating_mul(call.list(at)?.len());
    }
    call.limits.make(count.saturating_mul(call.args.len()).saturating_mul(32))?;
    let mut rows: Vec<Vec<Val>> = vec![Vec::new()];
    for at in 0..call.args.len() {
        let items = call.list(at)?;
        let longer = |row: &Vec<Val>| {
            let row = row.clone();
            items.iter().map(move |item| row.iter().chain([item]).cloned().collect::<Vec<_>>())
        };
        rows = rows.iter().flat_map(longer).collect();
    }
    Ok(Val::list(rows.into_iter().map(Val::list).collect()))
}

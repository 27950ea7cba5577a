//! Bounds of a group's count.

use std::collections::BTreeMap;

use model::{Scaling, TaskGroup, Value};

use super::{
    Decoder,
    fields::{Fields, Noop, Section},
    task,
};
use crate::{codes, syntax::Body};

/// The bounds, and whether the least count was given. Otherwise it is the group's.
pub(super) fn scaling(section: &Section<'_>, d: &mut Decoder) -> (Scaling, bool) {
    d.enter("scaling", 0, "", section.span);
    if let Some(label) = section.labels.first().filter(|label| label.text != "horizontal") {
        d.report(
            codes::UNSUPPORTED,
            label.span,
            format!("scaling of type \"{}\" is not supported", label.text),
            "write `scaling { .. }` for the group's count",
        );
    }
    let mut fields = Fields::new(&section.body, "scaling");
    let min = fields.number(d, "min", 0, TaskGroup::MAX_COUNT);
    let max = fields.number(d, "max", 0, TaskGroup::MAX_COUNT);
    fields.require(d, "max", section.span, "write how many there may be at most: `max = 10`");
    let number = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
    let scaling = Scaling {
        min: number(min),
        max: number(max),
        enabled: fields.bool(d, "enabled").unwrap_or(true),
        policy: fields.block(d, "policy").map(|section| policy(&section.body)).unwrap_or_default(),
    };
    fields.refuse(d, "type", Noop::Text(&["", "horizontal"]), "leave it out");
    fields.finish(d);
    d.leave();
    (scaling, min.is_some())
}

/// Free words for whoever scales: blocks become lists of maps, below their labels if they have some.
fn policy(body: &Body) -> BTreeMap<String, Value> {
    let mut map = BTreeMap::new();
    for attribute in &body.attributes {
        map.insert(attribute.name.text.clone(), task::value(&attribute.value));
    }
    for block in &body.blocks {
        let wrap = |inner: Value, label: &crate::syntax::Name| {
            Value::Map([(label.text.clone(), Value::List(vec![inner]))].into())
        };
        let item = block.labels.iter().rev().fold(Value::Map(policy(&block.body)), wrap);
        match map.entry(block.kind.text.clone()).or_insert_with(|| Value::List(Vec::new())) {
            Value::List(items) => items.push(item),
            other => *other = Value::List(vec![other.clone(), item]),
        }
    }
    map
}

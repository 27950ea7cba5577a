//! Empty values and what stands in for them, kinds of values, JSON.

use super::Call;
use crate::{
    Value,
    helpers::{encodings, text},
};

pub(super) const NAMES: &[&str] = &[
    "all",
    "any",
    "coalesce",
    "deepCopy",
    "deepEqual",
    "default",
    "empty",
    "fromJson",
    "kindIs",
    "kindOf",
    "ternary",
    "toJson",
    "toPrettyJson",
    "toRawJson",
    "typeIs",
    "typeIsLike",
    "typeOf",
];

pub(super) fn call(call: &Call<'_>) -> Result<Value, String> {
    let values = call.all();
    match call.name {
        "all" => Ok(Value::Bool(values.iter().all(Value::is_true))),
        "any" => Ok(Value::Bool(values.iter().any(Value::is_true))),
        "coalesce" => Ok(values.iter().find(|value| value.is_true()).cloned().unwrap_or_default()),
        "default" => {
            let (default, given) = call.first("a default, and a value")?;
            Ok(given.first().filter(|given| given.is_true()).unwrap_or(default).clone())
        }
        "ternary" => {
            let [yes, no, which] = call.exactly()?;
            match which {
                Value::Bool(which) => Ok(if *which { yes } else { no }.clone()),
                other => Err(format!("wants a bool last, found a {}", other.kind())),
            }
        }
        "deepEqual" => {
            let [first, second] = call.exactly()?;
            call.bounded(values)?;
            Ok(Value::Bool(first == second))
        }
        "typeIs" | "typeIsLike" | "kindIs" => {
            let [name, value] = call.exactly()?;
            let found = if call.name == "kindIs" { kind_of(value) } else { type_of(value) };
            Ok(Value::Bool(text(name)? == found))
        }
        _ => {
            let [value] = call.exactly()?;
            of_one(call, value)
        }
    }
}

fn of_one(call: &Call<'_>, value: &Value) -> Result<Value, String> {
    Ok(match call.name {
        "empty" => Value::Bool(!value.is_true()),
        // Values do not change, so the value itself is as good as a copy.
        "deepCopy" => value.clone(),
        "kindOf" => Value::text(kind_of(value)),
        "typeOf" => Value::text(type_of(value)),
        "fromJson" => match serde_json::from_str::<serde_json::Value>(text(value)?) {
            Ok(json) => Value::from(json),
            Err(error) if call.must => return Err(format!("not JSON: {error}")),
            Err(_) => Value::Null,
        },
        name => encodings::json(value, name == "toPrettyJson", name != "toRawJson", call.setting)?,
    })
}

/// As Go's `reflect.Kind`.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "invalid",
        Value::List(_) => "slice",
        Value::Object(_) => "ptr",
        other => other.kind(),
    }
}

/// As Go's `%T`.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::List(_) => "[]interface {}",
        Value::Map(_) => "map[string]interface {}",
        other => other.kind(),
    }
}

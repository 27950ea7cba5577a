//! Sums, of whole numbers and of others, and ranges.

use super::Setting;
use crate::Value;

pub(super) fn arithmetic(name: &str, first: &Value, second: &Value) -> Result<Value, String> {
    if let (Value::Int(first), Value::Int(second)) = (first, second) {
        let number = match name {
            "add" => first.checked_add(*second),
            "subtract" => first.checked_sub(*second),
            "multiply" => first.checked_mul(*second),
            "minimum" => Some(*first.min(second)),
            "maximum" => Some(*first.max(second)),
            _ if *second == 0 => return Err(String::from("division by zero")),
            "divide" => first.checked_div(*second),
            _ => first.checked_rem(*second),
        };
        return number.map(Value::Int).ok_or_else(|| String::from("the number does not fit into 64 bits"));
    }
    let number = |value: &Value| match value {
        Value::Int(number) => Ok(*number as f64),
        Value::Float(number) => Ok(*number),
        other => Err(format!("wants numbers, found a {}", other.kind())),
    };
    let (first, second) = (number(first)?, number(second)?);
    Ok(Value::Float(match name {
        "add" => first + second,
        "subtract" => first - second,
        "multiply" => first * second,
        "divide" => first / second,
        "minimum" => first.min(second),
        "maximum" => first.max(second),
        _ => return Err(String::from("wants whole numbers")),
    }))
}

/// `loop 3`: 0, 1, 2; `loop 3 5`: 3, 4.
pub(super) fn range(arguments: &[Value], setting: &Setting) -> Result<Value, String> {
    let number = |value: &Value| match value {
        Value::Int(number) => Ok(*number),
        Value::Text(text) => text.parse().map_err(|_| format!("{text:?} is not a whole number")),
        other => Err(format!("wants whole numbers, found a {}", other.kind())),
    };
    let (start, stop) = match arguments {
        [stop] => (0, number(stop)?),
        [start, stop] => (number(start)?, number(stop)?),
        _ => return Err(format!("wrong number of arguments: want 1 or 2, got {}", arguments.len())),
    };
    let length = i128::from(stop) - i128::from(start);
    setting.holds(usize::try_from(length.max(0)).unwrap_or(usize::MAX))?;
    Ok(Value::list((start..stop).map(Value::Int)))
}

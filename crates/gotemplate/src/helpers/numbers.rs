//! Sums, of whole numbers and of others.

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

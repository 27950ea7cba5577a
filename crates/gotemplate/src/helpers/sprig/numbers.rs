//! Whole numbers and others, ranges. Texts and booleans count as the numbers that they say; what says none is zero.

use super::{Call, decimal, size, whole};
use crate::{Value, print::TooLong};

pub(super) const NAMES: &[&str] = &[
    "add",
    "add1",
    "add1f",
    "addf",
    "atoi",
    "biggest",
    "ceil",
    "div",
    "divf",
    "float64",
    "floor",
    "int",
    "int64",
    "max",
    "maxf",
    "min",
    "minf",
    "mod",
    "mul",
    "mulf",
    "round",
    "seq",
    "sub",
    "subf",
    "toDecimal",
    "until",
    "untilStep",
];

pub(super) fn call(call: &Call<'_>) -> Result<Value, String> {
    match call.name {
        "add" | "add1" | "sub" | "div" | "mod" | "mul" | "max" | "biggest" | "min" => of_whole(call),
        "add1f" | "addf" | "subf" | "divf" | "mulf" | "maxf" | "minf" => of_fractions(call),
        "until" | "untilStep" | "seq" => range(call),
        "round" => rounded(call),
        _ => {
            let [value] = call.exactly()?;
            Ok(match call.name {
                "atoi" => Value::Int(super::super::text(value)?.parse().unwrap_or(0)),
                "toDecimal" => {
                    let shown = call.shown(value)?;
                    Value::Int(i64::from_str_radix(&shown, 8).unwrap_or(0))
                }
                "float64" => Value::Float(fraction_of(value)),
                "ceil" => Value::Float(fraction_of(value).ceil()),
                "floor" => Value::Float(fraction_of(value).floor()),
                _ => Value::Int(whole_of(value)),
            })
        }
    }
}

/// Without what is behind the point.
pub(super) fn whole_of(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        // Goes to the nearest number that there is.
        Value::Float(number) => *number as i64,
        Value::Bool(value) => i64::from(*value),
        Value::Text(text) => {
            let text = text
                .split_once('.')
                .filter(|(_, zeros)| zeros.bytes().all(|c| c == b'0'))
                .map_or(text.as_ref(), |(text, _)| text);
            match crate::number::literal(text) {
                Some(Value::Int(number)) => number,
                _ => 0,
            }
        }
        _ => 0,
    }
}

fn fraction_of(value: &Value) -> f64 {
    match value {
        Value::Int(number) => *number as f64,
        Value::Float(number) => *number,
        Value::Bool(value) => f64::from(u8::from(*value)),
        Value::Text(text) => text.parse().unwrap_or(0.0),
        _ => 0.0,
    }
}

fn of_whole(call: &Call<'_>) -> Result<Value, String> {
    let mut numbers = call.all().iter().map(whole_of);
    let counts = match call.name {
        "add1" => 1..=1,
        "sub" | "div" | "mod" => 2..=2,
        "add" => 0..=usize::MAX,
        _ => 1..=usize::MAX,
    };
    let found = call.all().len();
    if !counts.contains(&found) {
        return Err(format!("wrong number of arguments: want {}, got {found}", counts.start()));
    }
    let first = numbers.next().unwrap_or(0);
    let result = match call.name {
        "add1" => first.checked_add(1),
        "add" => numbers.try_fold(first, i64::checked_add),
        "sub" => numbers.try_fold(first, i64::checked_sub),
        "mul" => numbers.try_fold(first, i64::checked_mul),
        "min" => Some(numbers.fold(first, i64::min)),
        "max" | "biggest" => Some(numbers.fold(first, i64::max)),
        _ => {
            let second = numbers.next().unwrap_or(0);
            if second == 0 {
                return Err(String::from("division by zero"));
            }
            if call.name == "div" { first.checked_div(second) } else { first.checked_rem(second) }
        }
    };
    result.map(Value::Int).ok_or_else(|| String::from("the number does not fit into 64 bits"))
}

fn of_fractions(call: &Call<'_>) -> Result<Value, String> {
    let mut numbers = call.all().iter().map(fraction_of);
    if call.name == "add1f" {
        let [value] = call.exactly()?;
        return Ok(Value::Float(decimal::add(fraction_of(value), 1.0)));
    }
    let first = match numbers.next() {
        Some(first) => first,
        None if call.name == "addf" => 0.0,
        None => return Err(String::from("wrong number of arguments: want 1, got 0")),
    };
    let mut result = first;
    for number in numbers {
        result = match call.name {
            "addf" => decimal::add(result, number),
            "subf" => decimal::add(result, -number),
            "mulf" => decimal::multiply(result, number),
            "maxf" => result.max(number),
            "minf" => result.min(number),
            _ if number == 0.0 => return Err(String::from("division by zero")),
            _ => result / number,
        };
    }
    Ok(Value::Float(result))
}

/// `round 123.555 2`, and with a third argument the fraction from which on it is rounded up.
fn rounded(call: &Call<'_>) -> Result<Value, String> {
    let (number, places, up_from) = match call.all() {
        [number, places] => (number, places, 0.5),
        [number, places, up_from] => (number, places, fraction_of(up_from)),
        found => return Err(format!("wrong number of arguments: want 2, got {}", found.len())),
    };
    let places = i32::try_from(whole(places)?).map_err(|_| String::from("wants fewer digits"))?;
    let power = 10_f64.powi(places);
    let moved = fraction_of(number) * power;
    // Of negative numbers the fraction is negative, so they always go down: as sprig has it.
    let result = if moved.fract() >= up_from { moved.ceil() } else { moved.floor() } / power;
    Ok(Value::Float(if result.is_finite() { result } else { fraction_of(number) }))
}

/// `until`, `untilStep` as lists; `seq` as a text, its end included.
fn range(call: &Call<'_>) -> Result<Value, String> {
    let numbers = call.all().iter().map(whole).collect::<Result<Vec<i64>, String>>()?;
    if call.name != "seq" {
        let (start, stop, step) = match (call.name, numbers.as_slice()) {
            ("until", [stop]) => (0, *stop, if *stop < 0 { -1 } else { 1 }),
            ("untilStep", [start, stop, step]) => (*start, *stop, *step),
            ("until", found) => {
                return Err(format!("wrong number of arguments: want 1, got {}", found.len()));
            }
            (_, found) => return Err(format!("wrong number of arguments: want 3, got {}", found.len())),
        };
        return call.list(steps(start, stop, step).map(Value::Int));
    }
    let (start, end, step) = match *numbers.as_slice() {
        [end] => (1, end, if end < 1 { -1 } else { 1 }),
        [start, end] => (start, end, if end < start { -1 } else { 1 }),
        [start, step, end] if end >= start || step <= 0 => (start, end, step),
        _ => return Ok(Value::text("")),
    };
    let beyond = end.saturating_add(if end < start { -1 } else { 1 });
    let mut sink = call.sink();
    for number in steps(start, beyond, step) {
        let between = if sink.text.is_empty() { "" } else { " " };
        sink.push(&format!("{between}{number}")).map_err(|TooLong| call.too_long())?;
    }
    Ok(Value::text(sink.text))
}

/// From `start` up or down to `stop`, which is not among them. A step that leads away from it gives none.
fn steps(start: i64, stop: i64, step: i64) -> impl Iterator<Item = i64> {
    let up = stop >= start;
    let leads = if up { step > 0 } else { step < 0 };
    let numbers = std::iter::successors(leads.then_some(start), move |number| number.checked_add(step));
    numbers.take_while(move |number| if up { *number < stop } else { *number > stop })
}

/// The end of a range in a list, at most its length.
pub(super) fn index(value: &Value, length: usize) -> Result<usize, String> {
    let index = size(&Value::Int(whole_of(value)))?;
    if index > length {
        return Err(format!("index out of range: {index}, and there are {length}"));
    }
    Ok(index)
}

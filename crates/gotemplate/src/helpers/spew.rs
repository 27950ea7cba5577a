//! Values with their kinds, for people who look for a mistake, as go-spew shows them.

use super::Setting;
use crate::{
    Value, number,
    print::{Sink, TooLong},
    printf,
};

/// `spew_sdump`, `spew_sprintf`; `spew_dump` and `spew_printf` write to the standard output of the program elsewhere and
/// give an empty text, and here they give the empty text alone.
pub(super) fn call(name: &str, arguments: &[Value], setting: &Setting) -> Result<Value, String> {
    let mut sink = Sink::new(setting.bytes);
    let done = if name.ends_with("dump") {
        arguments.iter().try_for_each(|value| dump(value, 0, &mut sink).and_then(|()| sink.push("\n")))
    } else {
        let Some((Value::Text(format), rest)) = arguments.split_first() else {
            return Err(String::from("wants a format first, a string"));
        };
        printf::format(format, rest, &mut sink)
    };
    done.map_err(|TooLong| TooLong::message(setting.bytes))?;
    Ok(Value::text(if name.starts_with("spew_s") { sink.text.as_str() } else { "" }))
}

/// `(string) (len=2) "ab"`; what is in lists and maps is indented by one blank for each of them.
fn dump(value: &Value, depth: usize, out: &mut Sink) -> Result<(), TooLong> {
    let inner = " ".repeat(depth + 1);
    let end =
        |out: &mut Sink, index: usize, length: usize| out.push(if index + 1 < length { ",\n" } else { "\n" });
    match value {
        Value::Null => out.push("(interface {}) <nil>"),
        Value::Bool(value) => out.push(&format!("(bool) {value}")),
        Value::Int(value) => out.push(&format!("(int) {value}")),
        Value::Float(value) => out.push(&format!("(float64) {}", number::general(*value, None))),
        Value::Text(text) => {
            let length = if text.is_empty() { String::new() } else { format!("(len={}) ", text.len()) };
            out.push(&format!("(string) {length}"))?;
            out.push(&printf::quoted(text))
        }
        Value::Object(name) => out.push(&format!("({name})")),
        Value::List(items) => {
            let length = items.len();
            let sizes = if length > 0 { format!("(len={length} cap={length}) ") } else { String::new() };
            out.push(&format!("([]interface {{}}) {sizes}{{\n"))?;
            for (index, item) in items.iter().enumerate() {
                out.push(&inner)?;
                dump(item, depth + 1, out)?;
                end(out, index, length)?;
            }
            out.push(&format!("{}}}", &inner[1..]))
        }
        Value::Map(map) => {
            let length = map.len();
            let sizes = if length > 0 { format!("(len={length}) ") } else { String::new() };
            out.push(&format!("(map[string]interface {{}}) {sizes}{{\n"))?;
            for (index, (key, item)) in map.iter().enumerate() {
                out.push(&inner)?;
                dump(&Value::text(key), depth + 1, out)?;
                out.push(": ")?;
                dump(item, depth + 1, out)?;
                end(out, index, length)?;
            }
            out.push(&format!("{}}}", &inner[1..]))
        }
    }
}

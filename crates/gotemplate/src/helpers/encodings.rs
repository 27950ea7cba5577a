//! Values as JSON, bytes as digits.

use crate::Value;

pub(super) fn json(value: &Value, pretty: bool, escaped: bool) -> Result<Value, String> {
    let json = value.to_json();
    let text = if pretty { serde_json::to_string_pretty(&json) } else { serde_json::to_string(&json) };
    let mut text = text.map_err(|error| error.to_string())?;
    if escaped {
        text = text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    }
    Ok(Value::text(text))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

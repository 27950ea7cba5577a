//! Parts of paths, with `/` between them. Those of the machine (`os..`) are the same: there are no others here.

use super::Call;
use crate::Value;

pub(super) const NAMES: &[&str] =
    &["base", "clean", "dir", "ext", "isAbs", "osBase", "osClean", "osDir", "osExt", "osIsAbs"];

pub(super) fn call(call: &Call<'_>) -> Result<Value, String> {
    let path = call.text()?;
    Ok(match call.name {
        "base" | "osBase" => Value::text(base(path)),
        "clean" | "osClean" => Value::text(clean(path)),
        "dir" | "osDir" => Value::text(clean(&path[..path.rfind('/').map_or(0, |at| at + 1)])),
        "ext" | "osExt" => {
            let name = path.rsplit('/').next().unwrap_or_default();
            Value::text(name.rfind('.').map_or("", |at| &name[at..]))
        }
        _ => Value::Bool(path.starts_with('/')),
    })
}

/// The last part: `.` of nothing, `/` of slashes alone.
fn base(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() { "/" } else { trimmed.rsplit('/').next().unwrap_or(trimmed) }
}

/// The shortest path that leads to the same place, without a look at the disk.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => String::from("."),
        (false, false) => joined,
    }
}

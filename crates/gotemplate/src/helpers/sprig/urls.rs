//! Parts of URLs. (RFC 3986, as Go's net/url reads it)

use std::collections::BTreeMap;

use super::Call;
use crate::{
    Value,
    helpers::{map, text},
};

pub(super) const NAMES: &[&str] = &["urlJoin", "urlParse"];

pub(super) fn call(call: &Call<'_>) -> Result<Value, String> {
    if call.name == "urlJoin" {
        let [parts] = call.exactly()?;
        return joined(map(parts)?).map(Value::from);
    }
    let url = call.text()?;
    parsed(url).map_err(|reason| format!("{url:?} is not a URL: {reason}"))
}

fn parsed(url: &str) -> Result<Value, String> {
    if url.chars().any(|c| c.is_ascii_control()) {
        return Err(String::from("there is a control character in it"));
    }
    let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
    let (scheme, rest) = scheme(rest)?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut parts = BTreeMap::from([
        ("scheme", scheme.to_lowercase()),
        ("query", query.to_owned()),
        ("fragment", decoded(fragment)?),
    ]);
    let mut path = rest;
    if !scheme.is_empty() && !rest.starts_with('/') {
        parts.insert("opaque", rest.to_owned());
        path = "";
    } else if let Some(behind) = rest.strip_prefix("//") {
        let (authority, behind) = behind.split_at(behind.find('/').unwrap_or(behind.len()));
        let (userinfo, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        parts.insert("userinfo", userinfo.to_owned());
        parts.insert("host", decoded(host)?);
        parts.insert("hostname", hostname(host)?.to_owned());
        path = behind;
    }
    if scheme.is_empty() && path.split('/').next().is_some_and(|first| first.contains(':')) {
        return Err(String::from("the first part of the path has a colon, and no scheme is before it"));
    }
    parts.insert("path", decoded(path)?);
    for name in ["host", "hostname", "opaque", "userinfo"] {
        parts.entry(name).or_default();
    }
    Ok(Value::map(parts.into_iter().map(|(name, part)| (name, Value::from(part)))))
}

/// Letters, digits, `+`, `-` and `.` before a colon.
fn scheme(url: &str) -> Result<(&str, &str), String> {
    match url.split_once(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c))) {
        Some(("", _)) if url.starts_with(':') => Err(String::from("the scheme is missing")),
        Some((scheme, behind))
            if scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && url[scheme.len()..].starts_with(':') =>
        {
            Ok((scheme, behind))
        }
        _ => Ok(("", url)),
    }
}

/// Without the port, and without the brackets of IPv6 addresses.
fn hostname(host: &str) -> Result<&str, String> {
    if host.contains(' ') {
        return Err(String::from("there is a blank in the host"));
    }
    let (name, port) = match host.strip_prefix('[') {
        Some(inner) => inner.split_once(']').ok_or("the bracket of the address is not closed")?,
        None => host.split_at(host.rfind(':').unwrap_or(host.len())),
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    if (!port.is_empty() && !port.starts_with(':')) || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return Err(format!("{digits:?} is not a port"));
    }
    Ok(name)
}

/// With the bytes that `%41` and the like stand for.
fn decoded(text: &str) -> Result<String, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, behind @ ..] = rest {
        rest = behind;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let wrong = || String::from("behind % stand two hexadecimal digits");
        let digits = behind.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok()).ok_or_else(wrong)?;
        out.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        rest = &behind[2..];
    }
    String::from_utf8(out).map_err(|_| String::from("what was encoded is not text"))
}

/// With `%` for what does not stand for itself in a path or fragment.
fn encoded(text: &str, allowed: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric()
            || b"-_.~$&+,/:;=@".contains(&byte)
            || allowed.as_bytes().contains(&byte)
        {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn joined(parts: &BTreeMap<String, Value>) -> Result<String, String> {
    let part = |name: &str| match parts.get(name) {
        Some(value) => text(value).map_err(|reason| format!("{name}: {reason}")),
        None => Ok(""),
    };
    let (scheme, userinfo, host, path) = (part("scheme")?, part("userinfo")?, part("host")?, part("path")?);
    let (opaque, query, fragment) = (part("opaque")?, part("query")?, part("fragment")?);
    let mut out = String::new();
    if !scheme.is_empty() {
        out.push_str(scheme);
        out.push(':');
    }
    if opaque.is_empty() {
        let has_authority = !host.is_empty() || !userinfo.is_empty();
        if has_authority || (!scheme.is_empty() && !path.is_empty()) {
            out.push_str("//");
        }
        if !userinfo.is_empty() {
            out.push_str(userinfo);
            out.push('@');
        }
        out.push_str(host);
        if !path.is_empty() && !path.starts_with('/') && !host.is_empty() {
            out.push('/');
        }
        out.push_str(&encoded(path, ""));
    } else {
        out.push_str(opaque);
    }
    if !query.is_empty() {
        out.push('?');
        out.push_str(query);
    }
    if !fragment.is_empty() {
        out.push('#');
        out.push_str(&encoded(fragment, "!()*?"));
    }
    Ok(out)
}

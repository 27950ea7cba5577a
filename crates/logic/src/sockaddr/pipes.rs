//! What stands behind a `|`.

use std::{cmp::Ordering, net::IpAddr};

use regex::Regex;

use super::{
    interface::{Interface, bits, from_bits, host_mask},
    parse::Call,
    ranges,
};

/// What flows from one function to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stream {
    Interfaces(Vec<Interface>),
    Text(String),
}

type Interfaces = Result<Vec<Interface>, String>;

pub(super) fn apply(call: &Call, stream: Stream) -> Result<Stream, String> {
    let Stream::Interfaces(list) = stream else {
        return Err(format!("`{}` comes after a function that gives a text; it takes interfaces", call.name));
    };
    let args: Vec<&str> = call.args.iter().map(String::as_str).collect();
    let interfaces = |list: Interfaces| list.map(Stream::Interfaces);
    match (call.name.as_str(), args.as_slice()) {
        ("include", [by, value]) => interfaces(filter(list, by, value, true)),
        ("exclude", [by, value]) => interfaces(filter(list, by, value, false)),
        ("sort", [by]) => interfaces(sorted(list, by)),
        ("unique", [by]) => interfaces(unique(list, by)),
        ("limit", [count]) => {
            let count = number(call, count)?;
            Ok(Stream::Interfaces(list.into_iter().take(usize::try_from(count).unwrap_or(0)).collect()))
        }
        ("offset", [count]) => {
            let count = number(call, count)?;
            let length = i64::try_from(list.len()).unwrap_or(i64::MAX);
            let skip = if count < 0 { (length + count).max(0) } else { count };
            Ok(Stream::Interfaces(list.into_iter().skip(usize::try_from(skip).unwrap_or(0)).collect()))
        }
        ("math", [operation, value]) => {
            interfaces(list.into_iter().map(|interface| math(interface, operation, value)).collect())
        }
        ("attr", [name]) => {
            Ok(Stream::Text(list.first().map_or(Ok(String::new()), |first| attribute(first, name))?))
        }
        ("join", [name, between]) => {
            let values: Result<Vec<String>, String> =
                list.iter().map(|interface| attribute(interface, name)).collect();
            Ok(Stream::Text(values?.join(between)))
        }
        ("include" | "exclude" | "join" | "math", _) => wrong(call, "two texts"),
        ("sort" | "unique" | "attr", _) => wrong(call, "one text"),
        ("limit" | "offset", _) => wrong(call, "one number"),
        (name, _) => Err(format!(
            "`{name}` is not a function; behind a `|` stand include, exclude, sort, unique, limit, offset, math, attr or join"
        )),
    }
}

fn wrong<T>(call: &Call, wanted: &str) -> Result<T, String> {
    Err(format!("`{}` takes {wanted}, found {}", call.name, call.args.len()))
}

fn number(call: &Call, text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| format!("`{}` takes one number, found {text:?}", call.name))
}

fn attribute(interface: &Interface, name: &str) -> Result<String, String> {
    interface.attribute(name).ok_or_else(|| {
        format!(
            "an {} address has no attribute {name:?}; usual ones are address, name, network, type and flags",
            interface.kind()
        )
    })
}

/// Keeps (or drops) what matches. Several values stand between `|`: all of the flags, any of the others.
fn filter(list: Vec<Interface>, by: &str, value: &str, keep: bool) -> Interfaces {
    let by = by.to_lowercase();
    let values: Vec<&str> = value.split('|').collect();
    let pattern = match by.as_str() {
        "address" | "name" | "port" => {
            Some(Regex::new(value).map_err(|_| format!("{value:?} is not a regular expression"))?)
        }
        _ => None,
    };
    let mut kept = Vec::new();
    for interface in list {
        let any = |test: &dyn Fn(&str) -> Result<bool, String>| {
            values.iter().try_fold(false, |found, value| Ok::<bool, String>(test(value)? || found))
        };
        let matches = match by.as_str() {
            "address" | "name" | "port" => {
                let text = interface.attribute(&by).unwrap_or_default();
                pattern.as_ref().is_some_and(|pattern| pattern.is_match(&text))
            }
            "flag" | "flags" => values.iter().try_fold(true, |all, value| {
                let flag = interface
                    .flag(value.trim())
                    .ok_or_else(|| format!("{value:?} is not a flag of an interface"))?;
                Ok::<bool, String>(all && flag)
            })?,
            "network" => any(&|value| ranges::contains(value, interface.address))?,
            "rfc" | "rfcs" => any(&|value| ranges::within(value, interface.address))?,
            "type" => any(&|value| match value.trim().to_lowercase().as_str() {
                "ip" => Ok(true),
                "ipv4" => Ok(interface.address.is_ipv4()),
                "ipv6" => Ok(interface.address.is_ipv6()),
                "unix" => Ok(false),
                _ => Err(format!("{value:?} is not a type of address; known are ip, ipv4, ipv6 and unix")),
            })?,
            "size" => any(&|value| {
                let prefix = value.trim().trim_start_matches('/').parse::<u8>();
                prefix
                    .map(|prefix| prefix == interface.prefix)
                    .map_err(|_| format!("{value:?} is not a size such as \"/24\""))
            })?,
            other => {
                return Err(format!(
                    "interfaces cannot be chosen by {other:?}; known are address, flags, name, network, port, rfc, size and type"
                ));
            }
        };
        if matches == keep {
            kept.push(interface);
        }
    }
    Ok(kept)
}

/// Sorts by several attributes, the first one being the most important; `-` in front turns one round.
pub(super) fn sorted(mut list: Vec<Interface>, by: &str) -> Interfaces {
    const KNOWN: [&str; 7] = ["address", "default", "name", "port", "private", "size", "type"];
    let keys: Vec<(&str, bool)> = by
        .split(',')
        .map(str::trim)
        .map(|key| key.strip_prefix('-').map_or((key.trim_start_matches('+'), false), |key| (key, true)))
        .collect();
    if let Some((key, _)) = keys.iter().find(|(key, _)| !KNOWN.contains(key)) {
        return Err(format!("interfaces cannot be sorted by {key:?}; known are {}", KNOWN.join(", ")));
    }
    list.sort_by(|a, b| {
        keys.iter().fold(Ordering::Equal, |order, (key, turned)| {
            let next = compare(key, a, b);
            order.then(if *turned { next.reverse() } else { next })
        })
    });
    Ok(list)
}

fn compare(key: &str, a: &Interface, b: &Interface) -> Ordering {
    let private = |interface: &Interface| ranges::within("6890", interface.address) == Ok(true);
    let number = |interface: &Interface| (interface.address.is_ipv6(), bits(interface.address).0);
    match key {
        "address" => number(a).cmp(&number(b)),
        // What has it comes first.
        "default" => b.default_route.cmp(&a.default_route),
        "private" => private(b).cmp(&private(a)),
        "name" => a.name.cmp(&b.name),
        // Larger networks first.
        "size" => b.size().cmp(&a.size()),
        "type" => a.address.is_ipv6().cmp(&b.address.is_ipv6()),
        _ => Ordering::Equal,
    }
}

fn unique(list: Vec<Interface>, by: &str) -> Interfaces {
    if !matches!(by, "address" | "name") {
        return Err(format!("interfaces cannot be unique by {by:?}; known are address and name"));
    }
    let mut seen = std::collections::BTreeSet::new();
    Ok(list.into_iter().filter(|interface| seen.insert(interface.attribute(by))).collect())
}

/// `math "address" "+5"`: counts from the address. `math "network" "+5"`: counts from the start of its network (or
/// with `-` from the end). `math "mask" "24"`: the network's address with that mask.
fn math(interface: Interface, operation: &str, value: &str) -> Result<Interface, String> {
    let bad = || format!("`math {operation:?}` takes a number such as \"+5\", found {value:?}");
    let (start, width) = bits(interface.address);
    let mask = host_mask(width, interface.prefix);
    let moved = |from: u128, by: i128| {
        let by_bits = by.unsigned_abs();
        if by < 0 { from.wrapping_sub(by_bits) } else { from.wrapping_add(by_bits) }
    };
    let (number, prefix) = match operation {
        "address" => (moved(start, value.parse().map_err(|_| bad())?), interface.prefix),
        "network" => {
            let by: i128 = value.parse().map_err(|_| bad())?;
            let from = if by < 0 { (start | mask).wrapping_add(1) } else { start & !mask };
            // Never out of its network.
            ((start & !mask) | (moved(from, by) & mask), interface.prefix)
        }
        "mask" => {
            let prefix: u8 = value.trim_start_matches('/').parse().map_err(|_| bad())?;
            if prefix > width {
                return Err(bad());
            }
            (start & !host_mask(width, prefix), prefix)
        }
        other => return Err(format!("`math` knows address, network and mask, found {other:?}")),
    };
    let address: IpAddr = from_bits(number, interface.address);
    Ok(Interface { address, prefix, ..interface })
}

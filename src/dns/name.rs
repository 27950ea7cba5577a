//! What a name asks for: `[tag.]web.service.dc1`, read from right to left.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::Name;

/// A name under our domain, understood. All text is in lower case; `dc` is empty where the name has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// The domain itself.
    Apex,
    Service {
        name: String,
        tag: Option<String>,
        dc: String,
    },
    Node {
        name: String,
        dc: String,
    },
    /// The address is in the name.
    Addr(IpAddr),
}

/// Understands the labels in front of the domain. `None`: no such name can exist.
///
/// `srv`: the question is for SRV records, in which case `_web._tcp` needs no `service` label.
pub(super) fn parse<'a>(labels: impl IntoIterator<Item = &'a [u8]>, srv: bool) -> Option<Target> {
    let labels: Vec<String> = labels
        .into_iter()
        .map(|label| String::from_utf8(label.to_ascii_lowercase()).ok())
        .collect::<Option<_>>()?;
    if labels.is_empty() {
        return Some(Target::Apex);
    }
    for (at, label) in labels.iter().enumerate().rev() {
        let (parts, suffix) = (&labels[..at], &labels[at + 1..]);
        match label.as_str() {
            "service" => return service(parts, datacenter(suffix)?),
            "node" if parts.is_empty() => return None,
            "node" => return Some(Target::Node { name: parts.join("."), dc: datacenter(suffix)? }),
            "addr" => return addr(parts, suffix),
            // Prepared queries and meshes: nothing of the kind can be registered.
            "query" | "connect" | "virtual" | "ingress" => return None,
            _ if srv && label.starts_with('_') => return service(&labels[..=at], datacenter(suffix)?),
            _ => {}
        }
    }
    None
}

fn service(parts: &[String], dc: String) -> Option<Target> {
    if let [service, tag] = parts
        && let (Some(name), Some(tag)) = (service.strip_prefix('_'), tag.strip_prefix('_'))
    {
        // RFC 2782; the protocol is taken for a tag, except the usual one.
        let tag = (tag != "tcp").then(|| tag.to_owned());
        return Some(Target::Service { name: name.to_owned(), tag, dc });
    }
    let (name, tags) = parts.split_last()?;
    let tag = (!tags.is_empty()).then(|| tags.join("."));
    Some(Target::Service { name: name.clone(), tag, dc })
}

/// `dc1`, or pairs of value and kind as in `default.ns.dc1.dc`, of which only `default` is there.
fn datacenter(suffix: &[String]) -> Option<String> {
    if let [] | [_] = suffix {
        return Some(suffix.first().cloned().unwrap_or_default());
    }
    let mut dc = String::new();
    let pairs = suffix.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    for pair in pairs {
        match (pair[0].as_str(), pair[1].as_str()) {
            ("default", "ns" | "ap") => {}
            (value, "dc") if dc.is_empty() => dc = value.to_owned(),
            _ => return None,
        }
    }
    Some(dc)
}

fn addr(parts: &[String], suffix: &[String]) -> Option<Target> {
    let ([hex], [] | [_]) = (parts, suffix) else { return None };
    if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let ip = match hex.len() {
        8 => IpAddr::V4(Ipv4Addr::from(u32::from_str_radix(hex, 16).ok()?)),
        32 => IpAddr::V6(Ipv6Addr::from(u128::from_str_radix(hex, 16).ok()?)),
        _ => return None,
    };
    Some(Target::Addr(ip))
}

/// Whether the name is in the tree of reverse names, and the address if it names a whole one.
pub(super) fn reverse(name: &Name) -> Option<Option<IpAddr>> {
    let mut labels = name.iter().rev();
    if !labels.next().is_some_and(|label| label.eq_ignore_ascii_case(b"arpa")) {
        return None;
    }
    let family = labels.next().unwrap_or_default();
    let rest: Vec<&[u8]> = labels.collect();
    let address = if family.eq_ignore_ascii_case(b"in-addr") {
        reverse_v4(&rest).map(IpAddr::V4)
    } else if family.eq_ignore_ascii_case(b"ip6") {
        reverse_v6(&rest).map(IpAddr::V6)
    } else {
        None
    };
    Some(address)
}

fn reverse_v4(labels: &[&[u8]]) -> Option<Ipv4Addr> {
    let labels: [&[u8]; 4] = labels.try_into().ok()?;
    let mut octets = [0; 4];
    for (octet, label) in octets.iter_mut().zip(labels) {
        if !label.iter().all(u8::is_ascii_digit) {
            return None;
        }
        *octet = std::str::from_utf8(label).ok()?.parse().ok()?;
    }
    Some(Ipv4Addr::from(octets))
}

fn reverse_v6(labels: &[&[u8]]) -> Option<Ipv6Addr> {
    let labels: [&[u8]; 32] = labels.try_into().ok()?;
    let mut bits: u128 = 0;
    for label in labels {
        let [digit] = label else { return None };
        bits = bits << 4 | u128::from(char::from(*digit).to_digit(16)?);
    }
    Some(Ipv6Addr::from(bits))
}

//! How nodes, instances and addresses look as DNS records.

use std::{
    fmt::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use hickory_proto::rr::{
    Name, RData, Record, RecordType,
    rdata::{A, AAAA, CNAME, SOA, TXT},
};
use state::CatalogNode;

use super::config::SoaTimes;

/// Node metadata that every Consul node has, and that clients have come to expect.
const NETWORK_SEGMENT: &str = "consul-network-segment";

/// Puts labels in front of a name. `None`: a label is empty or longer than 63 bytes, or the whole beyond 255.
pub(super) fn name_under<'a>(labels: impl IntoIterator<Item = &'a str>, base: &Name) -> Option<Name> {
    let mut name = Name::new();
    for label in labels {
        if label.is_empty() || label.len() > 63 {
            return None;
        }
        name = name.append_label(label.as_bytes()).ok()?;
    }
    let name = name.append_domain(base).ok()?;
    (name.len() <= 254).then_some(name)
}

/// `n1.node.dc1.consul.` A node name with dots makes several labels. `None`: the name does not fit into DNS.
pub(super) fn node_name(node: &str, dc: &str, domain: &Name) -> Option<Name> {
    name_under(node.split('.').chain(["node", dc]), domain)
}

/// `0a000001.addr.dc1.consul.`: answerable for ever, whatever becomes of the node.
pub(super) fn addr_name(ip: IpAddr, dc: &str, domain: &Name) -> Option<Name> {
    let mut hex = String::with_capacity(32);
    // Writing into a string cannot fail.
    let _ = match ip {
        IpAddr::V4(ip) => write!(hex, "{:08x}", ip.to_bits()),
        IpAddr::V6(ip) => write!(hex, "{:032x}", ip.to_bits()),
    };
    name_under([hex.as_str(), "addr", dc], domain)
}

/// A or AAAA.
pub(super) fn address(owner: Name, ttl: u32, ip: IpAddr) -> Record {
    let data = match ip {
        IpAddr::V4(ip) => RData::A(A(ip)),
        IpAddr::V6(ip) => RData::AAAA(AAAA(ip)),
    };
    Record::from_rdata(owner, ttl, data)
}

pub(super) fn cname(owner: Name, ttl: u32, target: Name) -> Record {
    Record::from_rdata(owner, ttl, RData::CNAME(CNAME(target)))
}

/// Whether an address record of this family answers the question.
pub(super) fn wants(kind: RecordType, ip: IpAddr) -> bool {
    match kind {
        RecordType::A => ip.is_ipv4(),
        RecordType::AAAA => ip.is_ipv6(),
        RecordType::ANY => true,
        _ => false,
    }
}

/// An address as it is registered: mostly numbers, sometimes a host name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Ip(IpAddr),
    Host(Name),
}

impl Address {
    /// `None`: neither an address nor a name.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Ok(ip) = text.parse::<Ipv4Addr>() {
            return Some(Self::Ip(ip.into()));
        }
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if let Ok(ip) = bare.parse::<Ipv6Addr>() {
            return Some(Self::Ip(ip.into()));
        }
        let text = text.strip_suffix('.').unwrap_or(text);
        name_under(text.split('.'), &Name::root()).map(Self::Host)
    }
}

/// One TXT record for each pair of a node's metadata (RFC 1464), sorted by key.
pub(super) fn node_meta(owner: &Name, ttl: u32, node: CatalogNode<'_>) -> Vec<Record> {
    let pairs = || node.meta().into_iter().flatten();
    let mut texts: Vec<String> = pairs().map(|(key, value)| meta_text(key, value)).collect();
    if pairs().all(|(key, _)| key != NETWORK_SEGMENT) {
        texts.push(format!("{NETWORK_SEGMENT}="));
    }
    texts
        .iter()
        .map(|text| {
            // One string holds at most 255 bytes; a record holds several.
            let mut strings: Vec<&[u8]> = text.as_bytes().chunks(255).take(250).collect();
            if strings.is_empty() {
                strings.push(b"");
            }
            Record::from_rdata(owner.clone(), ttl, RData::TXT(TXT::from_bytes(strings)))
        })
        .collect()
}

fn meta_text(key: &str, value: &str) -> String {
    // Consul's way to publish a text without a key.
    if key.starts_with("rfc1035-") {
        return value.to_owned();
    }
    let blanks = |c: char| c == ' ' || c == '\t';
    let lead = key.len() - key.trim_start_matches(blanks).len();
    let trail = key.trim_end_matches(blanks).len();
    let mut text = String::with_capacity(key.len() + value.len() + 1);
    for (at, c) in key.char_indices() {
        if c == '=' || c == '`' || (blanks(c) && (at < lead || at >= trail)) {
            text.push('`');
        }
        text.push(c);
    }
    text.push('=');
    text.push_str(value);
    text
}

/// The zone's SOA; `now_unix` is its serial number.
pub(super) fn soa(domain: &Name, times: SoaTimes, now_unix: u64) -> Record {
    let signed = |secs: u32| i32::try_from(secs).unwrap_or(i32::MAX);
    let under = |label: &str| name_under([label], domain).unwrap_or_else(|| domain.clone());
    let data = SOA::new(
        under("ns"),
        under("hostmaster"),
        // Serial numbers wrap (RFC 1982).
        now_unix as u32,
        signed(times.refresh),
        signed(times.retry),
        signed(times.expire),
        times.min_ttl,
    );
    Record::from_rdata(domain.clone(), times.min_ttl.min(i32::MAX as u32), RData::SOA(data))
}

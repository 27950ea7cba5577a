//! Special address ranges, by the number of the RFC that sets them apart.

use std::net::IpAddr;

use super::interface::{bits, host_mask};

/// RFC and its blocks. (The IANA registries of special-purpose addresses.)
const RANGES: &[(&str, &[&str])] = &[
    ("919", &["255.255.255.255/32"]),
    ("1112", &["224.0.0.0/4"]),
    ("1122", &["0.0.0.0/8", "127.0.0.0/8"]),
    ("1918", &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]),
    ("2544", &["198.18.0.0/15"]),
    ("2765", &["::ffff:0:0/96"]),
    ("3068", &["192.88.99.0/24"]),
    ("3849", &["2001:db8::/32"]),
    ("3927", &["169.254.0.0/16"]),
    ("4193", &["fc00::/7"]),
    ("4291", &["::/128", "::1/128", "fe80::/10", "ff00::/8"]),
    ("4380", &["2001::/32"]),
    ("4843", &["2001:10::/28"]),
    ("5180", &["2001:2::/48"]),
    ("5737", &["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"]),
    ("6052", &["64:ff9b::/96"]),
    ("6333", &["192.0.0.0/29"]),
    ("6598", &["100.64.0.0/10"]),
    ("6666", &["100::/64"]),
    (
        "6890",
        &[
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "240.0.0.0/4",
            "255.255.255.255/32",
            "::1/128",
            "::/128",
            "64:ff9b::/96",
            "::ffff:0:0/96",
            "100::/64",
            "2001::/23",
            "2001:db8::/32",
            "2002::/16",
            "fc00::/7",
            "fe80::/10",
        ],
    ),
];

/// Whether the address is set apart by the RFC (`1918` or `RFC1918`).
pub(super) fn within(rfc: &str, address: IpAddr) -> Result<bool, String> {
    let number = rfc.trim().trim_start_matches(|letter: char| letter.is_alphabetic()).trim();
    let Some((_, blocks)) = RANGES.iter().find(|(known, _)| *known == number) else {
        let known: Vec<&str> = RANGES.iter().map(|(rfc, _)| *rfc).collect();
        return Err(format!("no addresses are known for RFC {rfc:?}; known are {}", known.join(", ")));
    };
    Ok(blocks.iter().any(|block| contains(block, address).unwrap_or(false)))
}

/// Whether `10.0.0.0/8` contains the address.
pub(super) fn contains(network: &str, address: IpAddr) -> Result<bool, String> {
    let bad = || format!("{network:?} is not a network such as \"10.0.0.0/8\"");
    let (base, prefix) = network.split_once('/').unwrap_or((network, ""));
    let base: IpAddr = base.trim().parse().map_err(|_| bad())?;
    let (value, width) = bits(base);
    let prefix = if prefix.is_empty() { width } else { prefix.trim().parse().map_err(|_| bad())? };
    if prefix > width {
        return Err(bad());
    }
    let (other, other_width) = bits(address);
    let mask = host_mask(width, prefix);
    Ok(width == other_width && value | mask == other | mask)
}

//! One address of one interface, and what can be asked of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One address of an interface of the machine. An interface with two addresses is there twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    pub address: IpAddr,
    /// Length of the network's prefix: 24 in `10.0.0.1/24`.
    pub prefix: u8,
    /// Whether packets to anywhere leave by this interface.
    pub default_route: bool,
    pub up: bool,
    pub loopback: bool,
    pub broadcast: bool,
    pub multicast: bool,
    pub point_to_point: bool,
}

/// Bits of an address, v4 or v6.
pub(super) fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

/// The address of the same kind with these bits.
pub(super) fn from_bits(bits: u128, like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits((bits & 0xffff_ffff) as u32)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(bits)),
    }
}

/// Ones in the part of the host.
pub(super) fn host_mask(width: u8, prefix: u8) -> u128 {
    let host = u32::from(width.saturating_sub(prefix));
    if host >= 128 { u128::MAX } else { (1_u128 << host) - 1 }
}

impl Interface {
    /// Packets to it are passed on by routers: not loopback, not of the link alone, not of a group.
    pub fn is_forwardable(&self) -> bool {
        match self.address {
            IpAddr::V4(address) => {
                !(address.is_loopback()
                    || address.is_link_local()
                    || address.is_multicast()
                    || address.is_unspecified())
            }
            IpAddr::V6(address) => {
                !(address.is_loopback()
                    || address.is_unicast_link_local()
                    || address.is_multicast()
                    || address.is_unspecified())
            }
        }
    }

    /// Whether it has the flag; `None`: there is no such flag.
    pub(super) fn flag(&self, flag: &str) -> Option<bool> {
        let link_local = match self.address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        Some(match flag.to_lowercase().as_str() {
            "up" => self.up,
            "broadcast" => self.broadcast,
            "loopback" => self.loopback || self.address.is_loopback(),
            "pointtopoint" => self.point_to_point,
            "multicast" => self.multicast,
            "forwardable" => self.is_forwardable(),
            "global unicast" => {
                !(self.address.is_loopback()
                    || link_local
                    || self.address.is_multicast()
                    || self.address.is_unspecified())
            }
            "link-local unicast" => link_local,
            "link-local multicast" | "interface-local multicast" => false,
            "unspecified" => self.address.is_unspecified(),
            _ => return None,
        })
    }

    fn flags(&self) -> String {
        let all = ["up", "broadcast", "loopback", "pointtopoint", "multicast"];
        let set: Vec<&str> = all.into_iter().filter(|flag| self.flag(flag) == Some(true)).collect();
        set.join("|")
    }

    /// `10.0.0.0/24`
    fn network(&self) -> (IpAddr, String) {
        let (value, width) = bits(self.address);
        let network = from_bits(value & !host_mask(width, self.prefix), self.address);
        (network, format!("{network}/{}", self.prefix))
    }

    /// Number of addresses in its network.
    pub(super) fn size(&self) -> u128 {
        let (_, width) = bits(self.address);
        host_mask(width, self.prefix).saturating_add(1)
    }

    pub(super) fn kind(&self) -> &'static str {
        if self.address.is_ipv4() { "IPv4" } else { "IPv6" }
    }

    /// What `attr` and `join` can ask for; `None`: no such attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        let (value, width) = bits(self.address);
        let mask = host_mask(width, self.prefix);
        let at = |value: u128| from_bits(value, self.address).to_string();
        let (network, with_prefix) = self.network();
        let (first, _) = bits(network);
        // Networks of one or two addresses have neither a name nor a broadcast of their own.
        let inner = u128::from(mask > 1);
        Some(match name.to_lowercase().as_str() {
            "name" => self.name.clone(),
            "address" | "host" => self.address.to_string(),
            "string" => format!("{}/{}", self.address, self.prefix),
            "port" => String::from("0"),
            "flags" => self.flags(),
            "type" => self.kind().to_owned(),
            "network" => with_prefix,
            "netmask" => at(!mask),
            "mask_bits" => self.prefix.to_string(),
            "size" => self.size().to_string(),
            "first_usable" => at(first + inner),
            "last_usable" => at((first | mask) - if self.address.is_ipv4() { inner } else { 0 }),
            "broadcast" if width == 32 => at(first | mask),
            "octets" => octets(self.address).iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            "binary" => format!("{value:0width$b}", width = usize::from(width)),
            "hex" => format!("{value:0width$x}", width = usize::from(width / 4)),
            "uint32" if width == 32 => value.to_string(),
            "uint128" if width == 128 => value.to_string(),
            _ => return None,
        })
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

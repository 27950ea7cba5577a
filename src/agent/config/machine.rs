//! What the configuration asks of the machine: its interfaces, names, environment. A value, so that tests make it up.

use std::{
    net::{IpAddr, ToSocketAddrs},
    sync::Arc,
};

use nix::{
    ifaddrs::getifaddrs,
    net::if_::InterfaceFlags,
    sys::socket::{SockaddrLike, SockaddrStorage},
};

use super::sockaddr::Interface;
use crate::driver::host::default_route_interface;

/// A name to its addresses, or why there are none.
pub(super) type Lookup = Arc<dyn Fn(&str) -> Result<Vec<IpAddr>, String> + Send + Sync>;

/// The machine as configuration sees it.
#[derive(Clone)]
pub(super) struct Machine {
    pub interfaces: Vec<Interface>,
    pub lookup: Lookup,
    /// `CONSUL_HTTP_ADDR`
    pub consul_address: Option<String>,
    /// `CONSUL_HTTP_TOKEN`
    pub consul_token: Option<String>,
}

impl Machine {
    /// Looks at the machine this runs on.
    pub(super) fn this() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            interfaces: interfaces(),
            lookup: Arc::new(|name| {
                let found = (name, 0).to_socket_addrs().map_err(|error| error.to_string())?;
                Ok(found.map(|address| address.ip()).collect())
            }),
            consul_address: variable("CONSUL_HTTP_ADDR"),
            consul_token: variable("CONSUL_HTTP_TOKEN"),
        }
    }

    /// No machine in particular.
    pub(super) fn none() -> Self {
        let lookup: Lookup = Arc::new(|_| Ok(Vec::new()));
        Self { interfaces: Vec::new(), lookup, consul_address: None, consul_token: None }
    }
}

fn interfaces() -> Vec<Interface> {
    let default = default_route_interface();
    let Ok(list) = getifaddrs() else { return Vec::new() };
    let address = |storage: &SockaddrStorage| {
        let v4 = storage.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| storage.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    };
    list.filter_map(|entry| {
        let ip = address(entry.address.as_ref()?)?;
        let mask = entry.netmask.as_ref().filter(|mask| mask.family().is_some()).and_then(address);
        let prefix = match mask {
            Some(IpAddr::V4(mask)) => mask.to_bits().count_ones(),
            Some(IpAddr::V6(mask)) => mask.to_bits().count_ones(),
            None if ip.is_ipv4() => 32,
            None => 128,
        };
        let has = |flag| entry.flags.contains(flag);
        Some(Interface {
            default_route: Some(&entry.interface_name) == default.as_ref(),
            address: ip,
            prefix: u8::try_from(prefix).unwrap_or(128),
            up: has(InterfaceFlags::IFF_UP),
            loopback: has(InterfaceFlags::IFF_LOOPBACK),
            broadcast: has(InterfaceFlags::IFF_BROADCAST),
            multicast: has(InterfaceFlags::IFF_MULTICAST),
            point_to_point: has(InterfaceFlags::IFF_POINTOPOINT),
            name: entry.interface_name,
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_this_machine() {
        let machine = Machine::this();
        let lo =
            machine.interfaces.iter().find(|interface| interface.address.is_loopback()).expect("loopback");
        assert!(lo.loopback && lo.up, "{lo:?}");
        assert_eq!(lo.prefix, if lo.address.is_ipv4() { 8 } else { 128 });
        assert!((machine.lookup)("localhost").unwrap().iter().all(IpAddr::is_loopback));
    }
}

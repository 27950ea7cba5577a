//! What the configuration asks of the machine: its interfaces, names, environment. A value, so that tests make it up.

use std::{
    net::{IpAddr, ToSocketAddrs},
    sync::Arc,
};

use logic::sockaddr::Interface;

use crate::driver::host::interfaces;

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

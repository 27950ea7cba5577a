//! The agent's ports, all of them taken before anything else is touched.

use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
};

use tokio::net::TcpSocket;
use tracing::info;

use super::{
    config::{Config, Face},
    consul_join,
    start::StartError,
};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// What the agent listens on over TCP. DNS and gossip open their own.
pub(super) struct Sockets {
    pub http: Vec<TcpListener>,
    /// Empty: another agent of this machine has the port.
    pub consul: Vec<TcpListener>,
    pub rpc: TcpListener,
}

impl Sockets {
    /// Shuts the doors of Consul API and DNS in `config` when a Consul that the agent shall use has them.
    ///
    /// # Errors
    /// A port is taken or an address is not of this machine.
    pub(super) fn open(config: &mut Config) -> Result<Self, StartError> {
        let all = |what, addresses: &[SocketAddr], flag| {
            addresses.iter().map(|address| listen(what, *address, flag)).collect::<Result<Vec<_>, _>>()
        };
        let http = all("the HTTP API", &config.listen.http, "-http-port")?;
        let consul = match all("the Consul API", &config.listen.consul, "-consul-port") {
            Err(StartError::Listen { source, .. })
                if source.kind() == io::ErrorKind::AddrInUse && is_meant_to_be_another(config) =>
            {
                info!(
                    consul = config.consul.address,
                    "consul runs on this machine: its API and DNS are used, ours stay shut"
                );
                config.listen.consul.clear();
                config.listen.dns.clear();
                Vec::new()
            }
            opened => opened?,
        };
        let rpc = listen("RPC", config.listen.rpc, "-rpc-port")?;
        for address in &config.listen.dns {
            drop(listen("DNS", *address, "-dns-port")?);
            udp_is_free("DNS", *address, "-dns-port")?;
        }
        drop(listen("gossip", config.listen.gossip, "-gossip-port")?);
        udp_is_free("gossip", config.listen.gossip, "-gossip-port")?;
        let sockets = Self { http, consul, rpc };
        sockets
            .tell(config)
            .map_err(|error| StartError::Other(format!("a socket has no address: {error}")))?;
        Ok(sockets)
    }
}

impl Sockets {
    /// A port of 0 stands for the one that was given: the others are told that one.
    fn tell(&self, config: &mut Config) -> io::Result<()> {
        let addresses = |listeners: &[TcpListener]| {
            listeners.iter().map(TcpListener::local_addr).collect::<io::Result<Vec<_>>>()
        };
        config.listen.http = addresses(&self.http)?;
        config.listen.consul = addresses(&self.consul)?;
        config.listen.rpc = self.rpc.local_addr()?;
        let (advertise, listen) = (&mut config.advertise, &config.listen);
        for (reach, door) in
            [(&mut advertise.http, listen.http.first()), (&mut advertise.rpc, Some(&listen.rpc))]
        {
            if let Some(door) = door.filter(|_| reach.address.port() == 0) {
                reach.address.set_port(door.port());
            }
        }
        Ok(())
    }
}

/// Whether `consul { address }` names the door that cannot be opened: then what has it is the Consul to use.
fn is_meant_to_be_another(config: &Config) -> bool {
    let own = [config.advertise.rpc.address.ip(), config.advertise.http.address.ip()];
    // At start only, and only when something has the port: waiting for a name server holds up nobody.
    let asked: Vec<SocketAddr> =
        config.consul.address.to_socket_addrs().map(Iterator::collect).unwrap_or_default();
    config.face == Face::Nomad
        && consul_join::whose(&asked, &config.listen.consul, &own) == consul_join::Whose::Ours
}

fn listen(what: &'static str, address: SocketAddr, flag: &'static str) -> Result<TcpListener, StartError> {
    let open = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)?.into_std()
    };
    open().map_err(|source| StartError::Listen { what, address, flag, source })
}

/// Whether a UDP port can be had; the socket itself is opened by its owner later.
fn udp_is_free(what: &'static str, address: SocketAddr, flag: &'static str) -> Result<(), StartError> {
    std::net::UdpSocket::bind(address).map(drop).map_err(|source| StartError::Listen {
        what,
        address,
        flag,
        source,
    })
}

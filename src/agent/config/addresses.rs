//! From addresses as they were written to addresses to listen on and to tell others: templates, names, defaults.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use logic::sockaddr;

use super::{
    draft::{Door, Draft},
    keys_server::split,
    machine::Machine,
    parts::{Advertise, Face, Listen, Reach},
};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Fills in where the agent listens and what it tells others. Returns what is wrong, each with its place.
pub(super) fn resolve(draft: &mut Draft, machine: &Machine) -> Vec<String> {
    let mut problems = Vec::new();
    let resolver = Resolver { draft, machine };
    let resolved = resolver.all(&mut problems);
    let node_address = resolver.node_address().unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    if let Some((bind, listen, advertise)) = resolved {
        draft.config.bind = bind;
        draft.config.listen = listen;
        draft.config.advertise = advertise;
    }
    if node_address.is_some() {
        draft.config.node_address = node_address;
    }
    problems
}

/// What is wrong with the form of addresses, on whatever machine the file is meant for.
pub(super) fn check_form(draft: &Draft) -> Vec<String> {
    let written = &draft.written;
    let texts = [
        ("bind_addr", &written.bind),
        ("addresses.http", &written.http.bind),
        ("addresses.rpc", &written.rpc.bind),
        ("addresses.serf", &written.gossip.bind),
        ("addresses.consul", &written.consul.bind),
        ("addresses.dns", &written.dns.bind),
        ("advertise.http", &written.http.advertise),
        ("advertise.rpc", &written.rpc.advertise),
        ("advertise.serf", &written.gossip.advertise),
        ("client.network_interface", &written.interface),
    ];
    let problem = |(path, text): &(&str, &String)| {
        let reason = sockaddr::check(text).err()?;
        Some(format!("{}`{path}`: {reason}", draft.place(path)))
    };
    texts.iter().filter_map(problem).collect()
}

struct Resolver<'a> {
    draft: &'a Draft,
    machine: &'a Machine,
}

impl Resolver<'_> {
    fn all(&self, problems: &mut Vec<String>) -> Option<(IpAddr, Listen, Advertise)> {
        let (written, config) = (&self.draft.written, &self.draft.config);
        let bind = match self.one("bind_addr", &written.bind) {
            Ok(found) => found.unwrap_or(if config.dev { LOCALHOST } else { Ipv4Addr::UNSPECIFIED.into() }),
            Err(problem) => {
                problems.push(problem);
                return None;
            }
        };
        // Everything else falls back to `bind_addr`; the doors of a `consul agent` for programs to this machine.
        let inner = if config.face == Face::Consul { LOCALHOST } else { bind };
        let mut several = |path: &str, over: &str, text: &str, port: u16, otherwise: IpAddr| {
            let text = if over.is_empty() { text } else { over };
            let found = self.ips(path, text).unwrap_or_else(|problem| {
                problems.push(problem);
                Vec::new()
            });
            let found = if found.is_empty() { vec![otherwise] } else { found };
            found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect::<Vec<_>>()
        };
        let http = several("addresses.http", "", &written.http.bind, config.http_port, bind);
        let consul = several(
            "addresses.consul",
            &written.consul_over,
            &written.consul.bind,
            config.consul_port,
            inner,
        );
        let dns = several("addresses.dns", &written.dns_over, &written.dns.bind, config.dns_port, inner);
        let mut single = |path: &str, text: &str, port: u16| {
            let found = self.one(path, text).unwrap_or_else(|problem| {
                problems.push(problem);
                None
            });
            SocketAddr::new(found.unwrap_or(bind), port)
        };
        let rpc = single("addresses.rpc", &written.rpc.bind, config.rpc_port);
        let gossip = single("addresses.serf", &written.gossip.bind, config.gossip_port);

        let doors = [
            ("http", &written.http, http[0], config.http_port),
            ("rpc", &written.rpc, rpc, config.rpc_port),
            ("serf", &written.gossip, gossip, config.gossip_port),
        ];
        // A lab on one machine has all its doors on loopback; one alone would be told to agents that cannot use it.
        let lab = doors.iter().all(|(_, _, listen, _)| listen.ip().is_loopback());
        let loopback = lab || config.dev;
        // An address of this machine that was written for one door counts for those that have none: on a machine with
        // several networks it is the one where the others are.
        let named = doors.iter().find_map(|(name, door, listen, port)| {
            let written = !door.advertise.trim().is_empty();
            let reach =
                written.then(|| self.reach(name, door, *listen, *port, loopback, None).ok()).flatten()?;
            let ip = reach.address.ip();
            let ours = self.machine.interfaces.iter().any(|one| one.address == ip);
            (ours && !ip.is_loopback()).then_some(ip)
        });
        let mut reach = Vec::new();
        for (name, door, listen, port) in doors {
            if config.face == Face::Consul && name == "http" {
                reach.push(Reach::new(listen));
                continue;
            }
            match self.reach(name, door, listen, port, loopback, named) {
                Ok(found) => reach.push(found),
                Err(problem) => {
                    problems.push(problem);
                    // A missing network is one problem, however many doors it concerns.
                    if door.advertise.is_empty() {
                        break;
                    }
                }
            }
        }
        let [http_reach, rpc_reach, gossip_reach] = <[Reach; 3]>::try_from(reach).ok()?;
        let shut = |shut: bool, doors: Vec<SocketAddr>| if shut { Vec::new() } else { doors };
        let listen = Listen {
            http: shut(config.face == Face::Consul, http),
            rpc,
            gossip,
            consul: shut(written.no_consul, consul),
            dns: shut(written.no_dns, dns),
        };
        Some((bind, listen, Advertise { http: http_reach, rpc: rpc_reach, gossip: gossip_reach }))
    }

    /// What others are told of a door. `named`: the address if none was written and it listens on all.
    fn reach(
        &self,
        name: &str,
        door: &Door,
        listen: SocketAddr,
        port: u16,
        loopback: bool,
        named: Option<IpAddr>,
    ) -> Result<Reach, String> {
        let path = format!("advertise.{name}");
        if !door.advertise.trim().is_empty() {
            let text = self.single(&path, &door.advertise)?;
            let (host, given) = split(&text);
            let port = match given {
                None | Some("") => port,
                Some(given) => given.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
                    self.at(
                        &path,
                        &format!("must be \"host\", \"host:port\" or \"[v6]:port\", found {text:?}"),
                    )
                })?,
            };
            let ip = self.look_up(&path, host)?;
            if ip.is_unspecified() {
                return Err(self.at(
                    &path,
                    &format!("{ip} is no address that others can reach: write the one they use"),
                ));
            }
            return Ok(Reach { host: host.to_owned(), address: SocketAddr::new(ip, port) });
        }
        let ip = listen.ip();
        if ip.is_unspecified() {
            let guess = || sockaddr::private_address(&self.machine.interfaces);
            let found = named.or_else(guess).ok_or_else(|| {
                format!(
                    "No private IPv4 address found for `{path}`: set `bind_addr` to the address of this machine, or \
                     `advertise {{ http = .. rpc = .. serf = .. }}`"
                )
            })?;
            return Ok(Reach::new(SocketAddr::new(found, port)));
        }
        if ip.is_loopback() && !loopback {
            return Err(format!(
                "Defaulting advertise to localhost is unsafe, please set advertise manually: `{path}` would be {ip}, \
                 which other machines cannot reach"
            ));
        }
        Ok(Reach::new(SocketAddr::new(ip, port)))
    }

    /// The address of the interface that tasks' ports are published on.
    fn node_address(&self) -> Result<Option<String>, String> {
        let path = "client.network_interface";
        let text = &self.draft.written.interface;
        if text.is_empty() {
            return Ok(None);
        }
        let name = self.single(path, text)?;
        let mut of_it: Vec<IpAddr> =
            self.machine.interfaces.iter().filter(|one| one.name == name).map(|one| one.address).collect();
        of_it.sort_by_key(IpAddr::is_ipv6);
        let Some(address) = of_it.first() else {
            let mut known: Vec<&str> = self.machine.interfaces.iter().map(|one| one.name.as_str()).collect();
            known.dedup();
            let known = known.join(", ");
            return Err(
                self.at(path, &format!("no interface with an address is called {name:?}; there are {known}"))
            );
        };
        Ok(Some(address.to_string()))
    }

    fn at(&self, path: &str, words: &str) -> String {
        format!("{}`{path}`: {words}", self.draft.place(path))
    }

    /// The words that a text gives, its templates evaluated.
    fn words(&self, path: &str, text: &str) -> Result<Vec<String>, String> {
        let text =
            sockaddr::evaluate(text, &self.machine.interfaces).map_err(|reason| self.at(path, &reason))?;
        Ok(text.split_whitespace().map(str::to_owned).collect())
    }

    /// Exactly one word.
    fn single(&self, path: &str, text: &str) -> Result<String, String> {
        let mut words = self.words(path, text)?;
        match words.len() {
            1 => Ok(words.remove(0)),
            0 => Err(self.at(
                path,
                &format!("No addresses found, please configure one ({text:?} gives nothing here)"),
            )),
            _ => Err(self.at(
                path,
                &format!("Multiple addresses found ({:?}), please configure one", words.join(" ")),
            )),
        }
    }

    /// One address, or none when nothing was written.
    fn one(&self, path: &str, text: &str) -> Result<Option<IpAddr>, String> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        let word = self.single(path, text)?;
        self.look_up(path, &word).map(Some)
    }

    fn ips(&self, path: &str, text: &str) -> Result<Vec<IpAddr>, String> {
        let words = self.words(path, text)?;
        if words.is_empty() && !text.trim().is_empty() {
            return Err(self.at(
                path,
                &format!("No addresses found, please configure one ({text:?} gives nothing here)"),
            ));
        }
        words.iter().map(|word| self.look_up(path, word)).collect()
    }

    /// An address, or a name that has one; v4 before v6.
    fn look_up(&self, path: &str, host: &str) -> Result<IpAddr, String> {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(ip) = bare.parse() {
            return Ok(ip);
        }
        // `10.0.0.256` is a mistake and no name.
        let digits = bare.chars().all(|letter| letter.is_ascii_digit() || letter == '.');
        if digits || bare.contains([':', '/', '<', '>']) {
            return Err(self.at(path, &format!("{host:?} is not an address; write an IP address, a name, or a template such as `{{{{ GetInterfaceIP \"eth0\" }}}}`")));
        }
        let mut found = (self.machine.lookup)(bare).map_err(|reason| {
            self.at(path, &format!("the name {bare:?} has no address ({reason}); write an IP address, or add the name to /etc/hosts"))
        })?;
        found.sort_by_key(IpAddr::is_ipv6);
        found.first().copied().ok_or_else(|| self.at(path, &format!("the name {bare:?} has no address")))
    }
}

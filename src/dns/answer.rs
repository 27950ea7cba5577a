//! What a question gets: the records and the response code, from a view of the catalog alone.

use std::{collections::HashSet, net::IpAddr, sync::Arc};

use hickory_proto::{
    op::ResponseCode,
    rr::{
        DNSClass, Name, RData, Record, RecordType,
        rdata::{NS, PTR, SRV},
    },
};
use state::ServiceInstance;

use super::{
    config::{ConfigError, DnsConfig},
    name::{self, Target},
    records::{self, Address},
    view::CatalogView,
};

/// More answers than these are never sent, not even over TCP.
const MAX_ANSWERS: usize = 4096;
const MAX_SRV: usize = 1024;
/// How many aliases in a row are followed within our own domain.
const MAX_ALIASES: u8 = 3;
/// Name servers given for the domain.
const NAME_SERVERS: usize = 3;

/// A question, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub name: Name,
    pub kind: RecordType,
    pub class: DNSClass,
}

/// What the question gets, before it is cut to size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub code: ResponseCode,
    pub authoritative: bool,
    /// Somebody else may know: ask the recursors, and send this only when there are none.
    pub forward: bool,
    pub answers: Vec<Record>,
    pub authority: Vec<Record>,
    /// Addresses and metadata of the names in `answers`, found again by their owner.
    pub additional: Vec<Record>,
}

impl Reply {
    /// An authoritative reply that has nothing in it yet.
    fn ours(code: ResponseCode) -> Self {
        Self { authoritative: true, ..Self::bare(code) }
    }

    /// Nothing but a code.
    pub(super) fn bare(code: ResponseCode) -> Self {
        Self {
            code,
            authoritative: false,
            forward: false,
            answers: Vec::new(),
            authority: Vec::new(),
            additional: Vec::new(),
        }
    }
}

/// Answers questions by its settings.
#[derive(Debug)]
pub struct Resolver {
    config: DnsConfig,
    /// The main one first.
    domains: Vec<Name>,
    /// In lower case.
    datacenter: String,
}

/// One question on its way through the rules.
struct Ask<'a> {
    question: &'a Question,
    domain: &'a Name,
    view: &'a CatalogView,
    dice: Dice,
    now_unix: u64,
    aliases_left: u8,
}

impl Resolver {
    /// # Errors
    /// A domain or the datacenter is not usable as a name.
    pub fn new(config: DnsConfig) -> Result<Self, ConfigError> {
        let domains = config.domains()?;
        let datacenter = config.datacenter.to_ascii_lowercase();
        Ok(Self { config, domains, datacenter })
    }

    pub fn config(&self) -> &DnsConfig {
        &self.config
    }

    /// `seed` decides the order of instances: same seed, same order. `now_unix` becomes the zone's serial.
    pub fn answer(&self, question: &Question, view: &CatalogView, seed: u64, now_unix: u64) -> Reply {
        self.answer_aliased(question, view, Dice(seed), now_unix, MAX_ALIASES)
    }

    fn answer_aliased(
        &self,
        question: &Question,
        view: &CatalogView,
        dice: Dice,
        now_unix: u64,
        aliases_left: u8,
    ) -> Reply {
        if !matches!(question.class, DNSClass::IN | DNSClass::ANY) {
            return Reply::bare(ResponseCode::Refused);
        }
        let domain = self.domain_of(&question.name);
        let mut ask =
            Ask { question, domain: domain.unwrap_or(&self.domains[0]), view, dice, now_unix, aliases_left };
        if let Some(domain) = domain {
            return self.own(&mut ask, domain);
        }
        match name::reverse(&question.name) {
            Some(address) => self.reverse(&ask, address),
            None => Reply { forward: true, ..Reply::bare(ResponseCode::Refused) },
        }
    }

    /// The domain that the name is in; of nested ones the inner.
    fn domain_of(&self, name: &Name) -> Option<&Name> {
        self.domains.iter().filter(|domain| domain.zone_of(name)).max_by_key(|domain| domain.iter().count())
    }

    fn own(&self, ask: &mut Ask<'_>, domain: &Name) -> Reply {
        let Question { name, kind, .. } = ask.question;
        if matches!(kind, RecordType::AXFR | RecordType::IXFR) {
            return Reply::bare(ResponseCode::NotImp);
        }
        let depth = name.iter().count().saturating_sub(domain.iter().count());
        match name::parse(name.iter().take(depth), *kind == RecordType::SRV) {
            None => self.nothing(ask, ResponseCode::NXDomain),
            Some(Target::Apex) => self.apex(ask),
            Some(Target::Addr(ip)) => self.addr(ask, ip),
            Some(Target::Node { name, dc }) => self.node(ask, &name, self.or_own(dc)),
            Some(Target::Service { name, tag, dc }) => {
                self.service(ask, &name, tag.as_deref(), self.or_own(dc))
            }
        }
    }

    fn or_own(&self, dc: String) -> String {
        if dc.is_empty() { self.datacenter.clone() } else { dc }
    }

    /// No such name, or no record of the type: with the SOA that says for how long to remember it.
    fn nothing(&self, ask: &Ask<'_>, code: ResponseCode) -> Reply {
        let soa = records::soa(ask.domain, self.config.soa, ask.now_unix);
        Reply { authority: vec![soa], ..Reply::ours(code) }
    }

    fn no_data(&self, ask: &Ask<'_>) -> Reply {
        self.nothing(ask, ResponseCode::NoError)
    }

    // ------------------------------------------------------------------------------------------ services

    fn service(&self, ask: &mut Ask<'_>, name: &str, tag: Option<&str>, dc: String) -> Reply {
        let view = ask.view;
        let mut rows = view.service(name, &dc);
        rows.retain(|row| {
            tag.is_none_or(|tag| row.tags.iter().any(|has| has.eq_ignore_ascii_case(tag)))
                && view.is_healthy(row, self.config.only_passing)
        });
        if rows.is_empty() {
            return self.nothing(ask, ResponseCode::NXDomain);
        }
        ask.dice.shuffle(&mut rows);
        let ttl = self.config.ttl_of(name);
        match ask.question.kind {
            RecordType::SRV => self.srv(ask, &rows, ttl),
            RecordType::A | RecordType::AAAA | RecordType::ANY => self.addresses(ask, &rows, ttl),
            _ => self.no_data(ask),
        }
    }

    fn addresses(&self, ask: &Ask<'_>, rows: &[&Arc<ServiceInstance>], ttl: u32) -> Reply {
        let Question { name, kind, .. } = ask.question;
        let limit = match self.config.a_record_limit {
            0 => MAX_ANSWERS,
            limit => limit.min(MAX_ANSWERS),
        };
        let mut seen = HashSet::new();
        let mut host = None;
        let mut reply = Reply::ours(ResponseCode::NoError);
        for row in rows {
            if reply.answers.len() == limit {
                break;
            }
            match reachable_at(row, name) {
                Some(Address::Ip(ip)) if records::wants(*kind, ip) && seen.insert(ip) => {
                    reply.answers.push(records::address(name.clone(), ttl, ip));
                }
                Some(Address::Host(name)) => host = host.or(Some(name)),
                _ => {}
            }
        }
        match host {
            // An alias allows no other record beside it, so it is used only where there is no address.
            Some(host) if reply.answers.is_empty() => reply.answers = self.alias(ask, ttl, host),
            _ => {}
        }
        if reply.answers.is_empty() { self.no_data(ask) } else { reply }
    }

    /// A CNAME, and what it leads to where that is known here. Whoever asked follows it elsewhere.
    fn alias(&self, ask: &Ask<'_>, ttl: u32, host: Name) -> Vec<Record> {
        let Question { name, kind, class } = ask.question;
        let mut chain = vec![records::cname(name.clone(), ttl, host.clone())];
        if let Some(aliases_left) = ask.aliases_left.checked_sub(1)
            && self.domain_of(&host).is_some()
        {
            let question = Question { name: host, kind: *kind, class: *class };
            let reply =
                self.answer_aliased(&question, ask.view, Dice(ask.dice.0), ask.now_unix, aliases_left);
            chain.extend(reply.answers);
        }
        chain
    }

    fn srv(&self, ask: &Ask<'_>, rows: &[&Arc<ServiceInstance>], ttl: u32) -> Reply {
        let mut reply = Reply::ours(ResponseCode::NoError);
        let mut seen = HashSet::new();
        let mut targets = HashSet::new();
        for row in rows {
            if reply.answers.len() == MAX_SRV {
                break;
            }
            if !seen.insert((row.node, row.address.as_str(), row.port)) {
                continue;
            }
            let Some((target, address)) = srv_target(row, ask.domain) else { continue };
            let data = SRV::new(1, row.weight(), row.port, target.clone());
            reply.answers.push(Record::from_rdata(ask.question.name.clone(), ttl, RData::SRV(data)));
            if targets.insert(target.clone()) {
                let Address::Ip(ip) = address else { continue };
                if self.config.enable_additional_node_meta_txt
                    && let Some(node) = ask.view.node(row.node)
                {
                    reply.additional.push(records::address(target.clone(), ttl, ip));
                    reply.additional.extend(records::node_meta(&target, ttl, node));
                } else {
                    reply.additional.push(records::address(target, ttl, ip));
                }
            }
        }
        if reply.answers.is_empty() { self.no_data(ask) } else { reply }
    }

    // ------------------------------------------------------------------------------------------ nodes, addresses

    fn node(&self, ask: &Ask<'_>, name: &str, dc: String) -> Reply {
        let Some(node) = ask.view.node_by_name(name, &dc) else {
            return self.nothing(ask, ResponseCode::NXDomain);
        };
        let Question { name: owner, kind, .. } = ask.question;
        let ttl = self.config.node_ttl_secs();
        let mut reply = Reply::ours(ResponseCode::NoError);
        match (*kind, Address::parse(node.address())) {
            (RecordType::TXT, _) => {}
            (kind, Some(Address::Ip(ip))) if records::wants(kind, ip) => {
                reply.answers.push(records::address(owner.clone(), ttl, ip));
            }
            (RecordType::A | RecordType::AAAA | RecordType::ANY | RecordType::CNAME, Some(Address::Host(host)))
                // A node whose address is its own name leads nowhere.
                if host != *owner =>
            {
                reply.answers = self.alias(ask, ttl, host);
            }
            _ if *kind != RecordType::ANY => return self.no_data(ask),
            _ => {}
        }
        match kind {
            RecordType::TXT | RecordType::ANY => {
                reply.answers.extend(records::node_meta(owner, ttl, node));
            }
            RecordType::A | RecordType::AAAA if self.config.enable_additional_node_meta_txt => {
                reply.additional = records::node_meta(owner, ttl, node);
            }
            _ => {}
        }
        reply
    }

    fn addr(&self, ask: &Ask<'_>, ip: IpAddr) -> Reply {
        let Question { name, kind, .. } = ask.question;
        let record = records::address(name.clone(), self.config.node_ttl_secs(), ip);
        let mut reply = Reply::ours(ResponseCode::NoError);
        if records::wants(*kind, ip) {
            reply.answers.push(record);
        } else {
            reply.additional.push(record);
        }
        reply
    }

    fn reverse(&self, ask: &Ask<'_>, address: Option<IpAddr>) -> Reply {
        let elsewhere = || Reply { forward: true, ..self.nothing(ask, ResponseCode::NXDomain) };
        let Some(ip) = address else { return elsewhere() };
        let Question { name, kind, .. } = ask.question;
        let mut targets: Vec<Name> = ask
            .view
            .nodes_at(ip, &self.datacenter)
            .into_iter()
            .filter_map(|node| records::node_name(node.name(), node.datacenter(), ask.domain))
            .collect();
        if targets.is_empty() {
            targets = ask
                .view
                .services_at(ip, &self.datacenter)
                .iter()
                .filter_map(|service| {
                    records::name_under([&**service, "service", &self.config.datacenter], ask.domain)
                })
                .collect();
        }
        if targets.is_empty() {
            return elsewhere();
        }
        if !matches!(kind, RecordType::PTR | RecordType::ANY) {
            return self.no_data(ask);
        }
        let answers = targets
            .into_iter()
            .take(MAX_ANSWERS)
            .map(|target| Record::from_rdata(name.clone(), 0, RData::PTR(PTR(target))))
            .collect();
        Reply { answers, ..Reply::ours(ResponseCode::NoError) }
    }

    // ------------------------------------------------------------------------------------------ the domain itself

    fn apex(&self, ask: &mut Ask<'_>) -> Reply {
        let kind = ask.question.kind;
        if !matches!(kind, RecordType::SOA | RecordType::NS | RecordType::ANY) {
            // Not NXDOMAIN as Consul says: that would deny every name below (RFC 8020).
            return self.no_data(ask);
        }
        let mut reply = Reply::ours(ResponseCode::NoError);
        let servers = self.name_servers(ask, &mut reply.additional);
        if kind != RecordType::NS {
            reply.answers.push(records::soa(ask.domain, self.config.soa, ask.now_unix));
        }
        if kind == RecordType::SOA {
            reply.authority = servers;
        } else {
            reply.answers.extend(servers);
        }
        if reply.answers.is_empty() { self.no_data(ask) } else { reply }
    }

    /// Any node will do: every agent answers DNS.
    fn name_servers(&self, ask: &mut Ask<'_>, glue: &mut Vec<Record>) -> Vec<Record> {
        let mut nodes = ask.view.live_nodes(&self.datacenter);
        nodes.retain(|node| is_host_name(node.name()));
        ask.dice.shuffle(&mut nodes);
        let ttl = self.config.node_ttl_secs();
        let mut servers = Vec::new();
        for node in nodes {
            let (Some(Address::Ip(ip)), Some(name)) = (
                Address::parse(node.address()),
                records::node_name(node.name(), node.datacenter(), ask.domain),
            ) else {
                continue;
            };
            glue.push(records::address(name.clone(), ttl, ip));
            servers.push(Record::from_rdata(ask.domain.clone(), ttl, RData::NS(NS(name))));
            if servers.len() == NAME_SERVERS {
                break;
            }
        }
        servers
    }
}

/// Resolvers are strict about names of name servers.
fn is_host_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Where an instance is reached: at its own address, else its node's.
fn reachable_at(row: &ServiceInstance, asked: &Name) -> Option<Address> {
    let own = if row.address.is_empty() { None } else { Address::parse(&row.address) };
    match own {
        Some(Address::Host(host)) if host == *asked => Address::parse(&row.node_address),
        Some(address) => Some(address),
        None => Address::parse(&row.node_address),
    }
}

/// The name that an SRV record points at, and what it stands for: the node's where the instance has the node's
/// address, else a name that holds the address itself.
fn srv_target(row: &ServiceInstance, domain: &Name) -> Option<(Name, Address)> {
    let node = Address::parse(&row.node_address);
    let own = if row.address.is_empty() { None } else { Address::parse(&row.address) };
    let dc = &row.datacenter;
    if own.is_none() || own == node {
        let address = node?;
        if let Some(name) = records::node_name(&row.node_name, dc, domain) {
            return Some((name, address));
        }
        return by_address(address, dc, domain);
    }
    by_address(own?, dc, domain)
}

fn by_address(address: Address, dc: &str, domain: &Name) -> Option<(Name, Address)> {
    match address {
        Address::Ip(ip) => Some((records::addr_name(ip, dc, domain)?, Address::Ip(ip))),
        Address::Host(host) => Some((host.clone(), Address::Host(host))),
    }
}

/// A small generator (SplitMix64): its numbers choose among equals and guard nothing.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Every order equally likely, up to a bias of 2^-32 per step.
    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            let other = ((self.next() >> 32) * (at as u64 + 1)) >> 32;
            items.swap(at, other as usize);
        }
    }
}

//! The commands known from Consul: members, catalog, info.

use std::collections::BTreeMap;

use api::consul::{CatalogService, Node};
use regex::Regex;
use serde::Deserialize;

use super::{
    Context, Tool,
    client::{Client, element},
    flags::{Flag, Flags, absent_text, switch, text},
    output::{Failure, Outcome},
    table::Table,
};

pub(super) const MEMBERS_FLAGS: &[Flag] = &[
    switch("detailed", "Show all tags."),
    text("status", "regex", "Members whose whole status matches."),
    switch("wan", "The servers of all regions."),
    absent_text("segment"),
    absent_text("filter"),
];

pub(super) const NODES_FLAGS: &[Flag] = &[
    switch("detailed", "Full ids, addresses and metadata."),
    text("service", "name", "Nodes that have an instance of that service."),
    absent_text("near"),
    text("node-meta", "key=value", "Nodes with that metadata. May be given several times."),
    absent_text("filter"),
];

pub(super) const SERVICES_FLAGS: &[Flag] = &[
    switch("tags", "Show the tags of each service."),
    text("node", "name", "Services of that node alone."),
    text("node-meta", "key=value", "Services of nodes with that metadata. May be given several times."),
];

/// Exit code when no member has the status asked for.
const NO_MEMBER: u8 = 2;

/// A member as Consul's API shows it: status as a number.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Member {
    name: String,
    addr: String,
    port: u16,
    tags: BTreeMap<String, String>,
    status: u8,
}

impl Member {
    fn tag(&self, name: &str) -> &str {
        self.tags.get(name).map_or("", String::as_str)
    }

    fn status(&self) -> &'static str {
        match self.status {
            1 => "alive",
            2 => "leaving",
            3 => "left",
            4 => "failed",
            _ => "none",
        }
    }

    fn kind(&self) -> &'static str {
        match self.tag("role") {
            "consul" => "server",
            "node" => "client",
            _ => "unknown",
        }
    }

    fn segment(&self) -> &str {
        match (self.kind(), self.tag("segment")) {
            ("server", _) => "<all>",
            (_, "") => "<default>",
            (_, segment) => segment,
        }
    }
}

pub(super) fn members(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    no_arguments(flags)?;
    let client = Client::new(ctx, flags, Tool::Consul)?;
    let scope = if flags.on("wan") { ("wan", "1") } else { ("segment", "_all") };
    let status = flags.text("status").unwrap_or(".*");
    let status = Regex::new(&format!("^(?:{status})$"))
        .map_err(|error| Failure::message(format!("Failed to compile status regexp: {error}")))?;
    let mut members: Vec<Member> =
        client.get("/v1/agent/members", &[scope]).map_err(|error| error.while_doing("retrieving members"))?;
    members.retain(|member| status.is_match(member.status()));
    if members.is_empty() {
        return Ok(NO_MEMBER);
    }
    members.sort_by(|a, b| {
        let key =
            |member: &Member| (member.kind() != "server", member.segment().to_owned(), member.name.clone());
        key(a).cmp(&key(b))
    });
    let table = if flags.on("detailed") { detailed_members(&members) } else { members_table(&members) };
    ctx.output.line(table)?;
    Ok(0)
}

fn members_table(members: &[Member]) -> Table {
    let mut table = Table::new(&["Node", "Address", "Status", "Type", "Build", "Protocol", "DC", "Segment"])
        .with_blanks();
    for member in members {
        let build = member.tag("build");
        table.row([
            member.name.as_str(),
            &format!("{}:{}", member.addr, member.port),
            member.status(),
            member.kind(),
            build.split(':').next().unwrap_or(build),
            member.tag("vsn"),
            member.tag("dc"),
            member.segment(),
        ]);
    }
    table
}

fn detailed_members(members: &[Member]) -> Table {
    let mut table = Table::new(&["Node", "Address", "Status", "Tags"]).with_blanks();
    for member in members {
        table.row([
            member.name.as_str(),
            &format!("{}:{}", member.addr, member.port),
            member.status(),
            &pairs(&member.tags, ","),
        ]);
    }
    table
}

pub(super) fn datacenters(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    no_arguments(flags)?;
    let client = Client::new(ctx, flags, Tool::Consul)?;
    let names: Vec<String> = client
        .get("/v1/catalog/datacenters", &[])
        .map_err(|error| error.while_doing("listing datacenters"))?;
    for name in names {
        ctx.output.line(name)?;
    }
    Ok(0)
}

pub(super) fn nodes(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    no_arguments(flags)?;
    let client = Client::new(ctx, flags, Tool::Consul)?;
    let failed = |error: super::client::ClientError| error.while_doing("listing nodes");
    let meta = meta(flags)?;
    let nodes: Vec<Node> = match flags.text("service") {
        None => client.get("/v1/catalog/nodes", &by_meta(&meta)).map_err(failed)?,
        Some(service) => {
            let path = format!("/v1/catalog/service/{}", element(service));
            let instances: Vec<CatalogService> = client.get(&path, &by_meta(&meta)).map_err(failed)?;
            let mut nodes: Vec<Node> = instances.into_iter().map(node_of).collect();
            nodes.sort_by(|a, b| a.node.cmp(&b.node));
            nodes.dedup_by(|a, b| a.node == b.node);
            nodes
        }
    };
    if nodes.is_empty() {
        ctx.output.line("No nodes match the given query - try expanding your search.")?;
        return Ok(0);
    }
    let detailed = flags.on("detailed");
    let mut table = Table::new(if detailed {
        &["Node", "ID", "Address", "DC", "TaggedAddresses", "Meta"]
    } else {
        &["Node", "ID", "Address", "DC"]
    })
    .with_blanks();
    for node in nodes {
        let id = if detailed { node.id.as_str() } else { node.id.split('-').next().unwrap_or_default() };
        let mut row = vec![node.node.clone(), id.to_owned(), node.address.clone(), node.datacenter.clone()];
        if detailed {
            row.extend([pairs(&node.tagged_addresses, ", "), pairs(&node.meta, ", ")]);
        }
        table.row(row);
    }
    ctx.output.line(table)?;
    Ok(0)
}

fn node_of(instance: CatalogService) -> Node {
    Node {
        id: instance.id,
        node: instance.node,
        address: instance.address,
        datacenter: instance.datacenter,
        tagged_addresses: instance.tagged_addresses,
        meta: instance.node_meta,
        ..Node::default()
    }
}

/// Services of one node, as far as names and tags go.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NodeServices {
    services: BTreeMap<String, NodeService>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NodeService {
    service: String,
    tags: Option<Vec<String>>,
}

pub(super) fn services(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    no_arguments(flags)?;
    let client = Client::new(ctx, flags, Tool::Consul)?;
    let failed = |error: super::client::ClientError| error.while_doing("listing services");
    let meta = meta(flags)?;
    let services: BTreeMap<String, Vec<String>> = match flags.text("node") {
        None => client.get("/v1/catalog/services", &by_meta(&meta)).map_err(failed)?,
        Some(node) => {
            let answer: Option<NodeServices> =
                client.get(&format!("/v1/catalog/node/{}", element(node)), &[]).map_err(failed)?;
            let mut services: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for service in answer.unwrap_or_default().services.into_values() {
                services.entry(service.service).or_default().extend(service.tags.unwrap_or_default());
            }
            services
        }
    };
    let mut table = Table::bare().with_blanks();
    for (name, mut tags) in services {
        if flags.on("tags") {
            tags.sort_unstable();
            tags.dedup();
            table.row([name, tags.join(",")]);
        } else {
            ctx.output.line(name)?;
        }
    }
    let table = table.to_string();
    if !table.is_empty() {
        ctx.output.line(table)?;
    }
    Ok(0)
}

pub(super) fn info(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    no_arguments(flags)?;
    let client = Client::new(ctx, flags, Tool::Consul)?;
    let agent: ConsulSelf =
        client.get("/v1/agent/self", &[]).map_err(|error| error.while_doing("querying agent"))?;
    for (group, facts) in &agent.stats {
        ctx.output.line(format_args!("{group}:"))?;
        for (name, value) in facts {
            ctx.output.line(format_args!("\t{name} = {value}"))?;
        }
    }
    Ok(0)
}

/// The part of `/v1/agent/self` that `info` prints.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ConsulSelf {
    stats: BTreeMap<String, BTreeMap<String, String>>,
}

/// `-node-meta key=value` as the API wants it: `key:value`.
fn meta(flags: &Flags) -> Result<Vec<String>, Failure> {
    let pair = |text: &String| match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok(format!("{key}:{value}")),
        _ => Err(Failure::usage(format!("-node-meta needs key=value, not {text:?}"))),
    };
    flags.all("node-meta").iter().map(pair).collect()
}

fn by_meta(pairs: &[String]) -> Vec<(&str, &str)> {
    pairs.iter().map(|pair| ("node-meta", pair.as_str())).collect()
}

fn no_arguments(flags: &Flags) -> Result<(), Failure> {
    if flags.args.is_empty() { Ok(()) } else { Err(Failure::usage("This command takes no arguments")) }
}

fn pairs(map: &BTreeMap<String, String>, between: &str) -> String {
    map.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(between)
}

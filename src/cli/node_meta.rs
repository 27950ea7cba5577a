//! `node meta`: metadata of a node, read and changed while it runs.

use std::collections::BTreeMap;

use api::{NodeMetaApplyRequest, NodeMetaResponse};

use super::{
    Context, Tool,
    client::Client,
    flags::{Flag, Flags, switch, text},
    format::json,
    lookup::{self, Kind, Match},
    node_status,
    output::{Failure, Outcome},
    table::Block,
    template::TEMPLATE,
};

const NODE: Flag = text("node-id", "node", "Which node. Default: that of the agent that is asked.");

pub(super) const READ_FLAGS: &[Flag] = &[NODE, switch("json", "Print JSON."), TEMPLATE];

pub(super) const APPLY_FLAGS: &[Flag] =
    &[NODE, text("unset", "key,key", "Take these keys away. May be given again.")];

const PATH: &str = "/v1/client/metadata";

/// The node that the flag names; empty: it names none.
fn node(client: &Client, flags: &Flags) -> Result<String, Failure> {
    let Some(prefix) = flags.text("node-id").filter(|prefix| !prefix.is_empty()) else {
        return Ok(String::new());
    };
    match lookup::find(client, Kind::Node, prefix)? {
        Match::One(id) => Ok(id),
        Match::Many(_) => Err(node_status::ambiguous(client, prefix, false)?),
    }
}

pub(super) fn read(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    super::operator::no_arguments(flags)?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let node = node(&client, flags)?;
    let query: &[(&str, &str)] = if node.is_empty() { &[] } else { &[("node_id", &node)] };
    let meta: NodeMetaResponse =
        client.get(PATH, query).map_err(|error| error.while_doing("reading dynamic node metadata"))?;
    if flags.on("json") {
        ctx.output.line(json(&meta))?;
        return Ok(0);
    }
    let shown = |map: &BTreeMap<String, String>| {
        map.iter().map(|(key, value)| (key.clone(), value.clone())).collect::<Vec<_>>()
    };
    let dynamic = meta
        .dynamic
        .iter()
        .map(|(key, value)| (key.clone(), value.clone().unwrap_or_else(|| String::from("<unset>"))));
    let parts = [
        ("All Meta", shown(&meta.meta)),
        ("Dynamic Meta", dynamic.collect()),
        ("Static Meta", shown(&meta.fixed)),
    ];
    for (at, (title, rows)) in parts.into_iter().enumerate() {
        if at == 0 {
            ctx.output.heading(title)?
        } else {
            ctx.output.section(title)?
        }
        if rows.is_empty() {
            ctx.output.line("<none>")?;
            continue;
        }
        let mut block = Block::new();
        for (key, value) in rows {
            block.row(&key, value);
        }
        ctx.output.line(block)?;
    }
    Ok(0)
}

pub(super) fn apply(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let mut meta: BTreeMap<String, Option<String>> = BTreeMap::new();
    for pair in &flags.args {
        match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                drop(meta.insert(key.to_owned(), Some(value.to_owned())))
            }
            _ => return Err(Failure::usage(format!("Metadata must be key=value, found {pair:?}"))),
        }
    }
    let unset = flags.all("unset").iter().flat_map(|list| list.split(','));
    for key in unset.map(str::trim).filter(|key| !key.is_empty()) {
        if meta.insert(key.to_owned(), None).is_some() {
            return Err(Failure::usage(format!("{key:?} cannot be set and unset at once")));
        }
    }
    if meta.is_empty() {
        return Err(Failure::usage("Must specify at least one key=value, or -unset with at least one key"));
    }
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let request = NodeMetaApplyRequest { node_id: node(&client, flags)?, meta };
    let _: NodeMetaResponse = client
        .post_with(PATH, &request)
        .map_err(|error| error.while_doing("applying dynamic node metadata"))?;
    ctx.output.line("Node metadata updated")?;
    Ok(0)
}

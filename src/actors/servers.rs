//! The servers of a region among the members of gossip, by their ids in the log.

use logic::{autopilot::Presence, founding::server_id};
use model::NodeId;

use super::ports::{Member, Members};

/// Tag with the id in the log, for servers whose id does not follow from the UUID of their agent.
pub const RAFT_ID: &str = "raft_id";

pub(super) struct KnownServer {
    pub(super) id: u64,
    pub(super) address: String,
    pub(super) presence: Presence,
    pub(super) expect: u32,
    pub(super) never_votes: bool,
}

/// Those whose tags have arrived.
pub(super) fn servers_of(members: &dyn Members, region: &str) -> Vec<KnownServer> {
    let mut servers: Vec<_> = members.members().iter().filter_map(|member| server(member, region)).collect();
    // A server that returned may be known twice for a while: what is alive counts.
    servers.sort_by_key(|server| (server.id, server.presence != Presence::Alive));
    servers.dedup_by_key(|server| server.id);
    servers
}

fn server(member: &Member, region: &str) -> Option<KnownServer> {
    if !member.is_server() || member.region() != region {
        return None;
    }
    let tag = |name: &str| member.tags.get(name).map(String::as_str);
    let id = match tag(RAFT_ID) {
        Some(id) => id.parse().ok()?,
        None => server_id(tag("id")?.parse::<NodeId>().ok()?.0),
    };
    let (ip, port) = (tag("rpc_addr")?, tag("port")?);
    let address = if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") };
    let presence = match member.status.as_str() {
        "alive" => Presence::Alive,
        // It says itself that it goes.
        "left" | "leaving" => Presence::Left,
        _ => Presence::Failed,
    };
    let expect = tag("expect").and_then(|expect| expect.parse().ok()).unwrap_or(0);
    Some(KnownServer { id, address, presence, expect, never_votes: tag("nonvoter").is_some() })
}

//! Servers in the log, for operators.

use actix_web::{HttpResponse, http::Method};
use api::{LeadershipTransfer, RaftConfiguration, RaftPeer, RaftServer};

use super::{
    Context,
    call::Call,
    failure::Failure,
    read::{Answer, json},
};
use crate::actors::ports::{Peer, PeerRef};

/// Of the protocol that is answered for; troupe's own has no other.
const RAFT_PROTOCOL: &str = "3";

pub(super) fn configuration(ctx: &Context, call: &Call) -> Answer {
    call.only_get()?;
    let (index, mut peers) = ctx.consensus.peers();
    peers.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    Ok(json(call, &RaftConfiguration { servers: peers.into_iter().map(server).collect(), index }))
}

fn server(peer: Peer) -> RaftServer {
    RaftServer {
        node: if peer.name.is_empty() { String::from("(unknown)") } else { peer.name },
        id: peer.id,
        address: peer.address,
        leader: peer.leader,
        voter: peer.voter,
        raft_protocol: String::from(RAFT_PROTOCOL),
        last_index: peer.last_index,
    }
}

/// The server that `id` or `address` names.
fn named(call: &Call) -> Result<Option<PeerRef>, Failure> {
    match (call.text("id"), call.text("address")) {
        (Some(_), Some(_)) => Err(Failure::bad("must specify only one of id and address")),
        (Some(id), None) => Ok(Some(PeerRef::Id(id.to_owned()))),
        (None, Some(address)) => Ok(Some(PeerRef::Address(address.to_owned()))),
        (None, None) => Ok(None),
    }
}

fn find(peers: &[Peer], wanted: &PeerRef) -> Result<Peer, Failure> {
    let is_it = |peer: &&Peer| match wanted {
        PeerRef::Id(id) => peer.id == *id,
        PeerRef::Address(address) => peer.address == *address,
    };
    peers.iter().find(is_it).cloned().ok_or_else(|| {
        Failure::server(match wanted {
            PeerRef::Id(id) => format!("id {id:?} was not found in the Raft configuration"),
            PeerRef::Address(address) => {
                format!("address {address:?} was not found in the Raft configuration")
            }
        })
    })
}

pub(super) async fn remove_peer(ctx: &Context, call: &Call) -> Answer {
    if call.method != Method::DELETE {
        return Err(Failure::method());
    }
    let wanted = named(call)?.ok_or_else(|| Failure::bad("missing peer id"))?;
    find(&ctx.consensus.peers().1, &wanted)?;
    ctx.consensus.remove_peer(wanted).await?;
    Ok(HttpResponse::Ok().finish())
}

/// Without `id` and `address`, the server that is furthest along leads next.
pub(super) async fn transfer_leadership(ctx: &Context, call: &Call) -> Answer {
    call.only_write()?;
    let wanted = named(call)?;
    let (_, peers) = ctx.consensus.peers();
    let from = peers.iter().find(|peer| peer.leader).map(named_by_both).unwrap_or_default();
    let to = match &wanted {
        Some(wanted) => {
            let peer = find(&peers, wanted)?;
            if !peer.voter {
                return Err(Failure::bad(format!("server {:?} has no vote and cannot lead", peer.id)));
            }
            named_by_both(&peer)
        }
        None => RaftPeer::default(),
    };
    let noop = wanted.is_some() && from == to;
    if !noop {
        ctx.consensus.transfer_leadership(wanted).await?;
    }
    Ok(json(call, &LeadershipTransfer { from, to, noop, err: None }))
}

fn named_by_both(peer: &Peer) -> RaftPeer {
    RaftPeer { id: peer.id.clone(), address: peer.address.clone() }
}

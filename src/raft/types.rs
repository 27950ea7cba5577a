//! The types openraft is filled with, and their form on disk.
//!
//! What lies on disk is a record of our own, so that another release of openraft cannot make a log unreadable. Every
//! record is sealed with a checksum: a damaged one is an error and never a shorter log.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    sync::Arc,
};

use bytes::Bytes;
use openraft::{EntryPayload, impls::leader_id_std, type_config::alias};
use serde::{Deserialize, Serialize};
use state::Outcome;

pub(super) use state::records::{damaged, seal, unseal};

openraft::declare_raft_types!(
    /// What openraft is generic over.
    pub(super) Types:
        D = Commands,
        R = Vec<Outcome>,
        NodeId = u64,
        Node = Peer,
        Term = u64,
        LeaderId = leader_id_std::LeaderId<Self::Term, Self::NodeId>,
        AsyncRuntime = openraft::TokioRuntime,
);

pub(super) type Entry = alias::EntryOf<Types>;
pub(super) type LogId = alias::LogIdOf<Types>;
pub(super) type Vote = alias::VoteOf<Types>;
pub(super) type StoredMembership = alias::StoredMembershipOf<Types>;
pub(super) type SnapshotMeta = alias::SnapshotMetaOf<Types>;

/// One log entry's worth of encoded commands. Cloning it copies a pointer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Commands(pub(super) Arc<[Bytes]>);

impl fmt::Display for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} commands", self.0.len())
    }
}

/// What the cluster knows of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Peer {
    /// RPC address, `ip:port`.
    pub(super) address: String,
    /// Number of the cluster, the same for all its servers. 0: founded by a version that drew none.
    #[serde(default)]
    pub(super) cluster: u64,
}

// ---------------------------------------------------------------------------------------------- records

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LogIdRecord {
    term: u64,
    pub(super) index: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct MembershipRecord {
    /// More than one set while a change is under way.
    voters: Vec<BTreeSet<u64>>,
    addresses: BTreeMap<u64, String>,
    #[serde(default)]
    cluster: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct EntryRecord {
    id: LogIdRecord,
    body: BodyRecord,
}

#[derive(Debug, Serialize, Deserialize)]
enum BodyRecord {
    /// Written by a new leader.
    Blank,
    Commands(Arc<[Bytes]>),
    Membership(MembershipRecord),
}

#[derive(Debug, Serialize, Deserialize)]
struct VoteRecord {
    term: u64,
    node: u64,
    committed: bool,
}

impl From<&LogId> for LogIdRecord {
    fn from(id: &LogId) -> Self {
        Self { term: **id.committed_leader_id(), index: id.index() }
    }
}

impl From<LogIdRecord> for LogId {
    fn from(record: LogIdRecord) -> Self {
        LogId::new_term_index(record.term, record.index)
    }
}

impl From<&openraft::Membership<u64, Peer>> for MembershipRecord {
    fn from(membership: &openraft::Membership<u64, Peer>) -> Self {
        Self {
            voters: membership.get_joint_config().clone(),
            addresses: membership.nodes().map(|(&id, peer)| (id, peer.address.clone())).collect(),
            cluster: cluster_of(membership),
        }
    }
}

impl TryFrom<MembershipRecord> for openraft::Membership<u64, Peer> {
    type Error = io::Error;

    fn try_from(record: MembershipRecord) -> io::Result<Self> {
        if record.voters.is_empty() && record.addresses.is_empty() {
            return Ok(Self::default());
        }
        let cluster = record.cluster;
        let peers: BTreeMap<_, _> =
            record.addresses.into_iter().map(|(id, address)| (id, Peer { address, cluster })).collect();
        Self::new(record.voters, peers).map_err(|error| damaged(format!("a stored membership: {error}")))
    }
}

/// Number of the cluster; 0: unknown.
pub(super) fn cluster_of(membership: &openraft::Membership<u64, Peer>) -> u64 {
    membership.nodes().map(|(_, peer)| peer.cluster).max().unwrap_or(0)
}

pub(super) fn encode_entry(entry: &Entry) -> Vec<u8> {
    let body = match &entry.payload {
        EntryPayload::Blank => BodyRecord::Blank,
        EntryPayload::Normal(commands) => BodyRecord::Commands(commands.0.clone()),
        EntryPayload::Membership(membership) => BodyRecord::Membership(membership.into()),
    };
    seal(&EntryRecord { id: (&entry.log_id).into(), body })
}

/// Reads the entry that was stored at `index`.
pub(super) fn decode_entry(index: u64, bytes: &[u8]) -> io::Result<Entry> {
    let record: EntryRecord =
        unseal(bytes).map_err(|error| damaged(format!("log entry {index}: {error}")))?;
    if record.id.index != index {
        return Err(damaged(format!("log entry {index} says it is entry {}", record.id.index)));
    }
    let payload = match record.body {
        BodyRecord::Blank => EntryPayload::Blank,
        BodyRecord::Commands(commands) => EntryPayload::Normal(Commands(commands)),
        BodyRecord::Membership(membership) => EntryPayload::Membership(membership.try_into()?),
    };
    Ok(Entry { log_id: record.id.into(), payload })
}

pub(super) fn encode_vote(vote: &Vote) -> Vec<u8> {
    seal(&VoteRecord { term: vote.leader_id.term, node: vote.leader_id.voted_for, committed: vote.committed })
}

pub(super) fn decode_vote(bytes: &[u8]) -> io::Result<Vote> {
    let record: VoteRecord = unseal(bytes)?;
    Ok(if record.committed {
        Vote::new_committed(record.term, record.node)
    } else {
        Vote::new(record.term, record.node)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64, payload: EntryPayload<Commands, u64, Peer>) -> Entry {
        Entry { log_id: LogIdRecord { term: 3, index }.into(), payload }
    }

    #[test]
    fn entries_and_votes_round_trip() {
        let membership = openraft::Membership::new(
            vec![BTreeSet::from([1, 2])],
            BTreeMap::from([
                (1, Peer { address: "127.0.0.1:4647".into(), cluster: 7 }),
                (2, Peer { address: "[::1]:4647".into(), cluster: 7 }),
            ]),
        )
        .unwrap();
        for payload in [
            EntryPayload::Blank,
            EntryPayload::Normal(Commands(vec![Bytes::from_static(b"a"), Bytes::new()].into())),
            EntryPayload::Membership(membership),
        ] {
            let entry = entry(7, payload);
            assert_eq!(decode_entry(7, &encode_entry(&entry)).unwrap(), entry);
        }
        for vote in [Vote::new(4, 9), Vote::new_committed(5, 1)] {
            assert_eq!(decode_vote(&encode_vote(&vote)).unwrap(), vote);
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes =
            encode_entry(&entry(1, EntryPayload::Normal(Commands([Bytes::from_static(b"abc")].into()))));
        for position in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[position] ^= 1;
            assert!(decode_entry(1, &bad).is_err(), "byte {position}");
        }
        assert!(decode_entry(2, &bytes).is_err(), "an entry in another's place");
    }
}

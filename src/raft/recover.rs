//! A cluster that lost its majority for good, begun again with the servers that are left. Works on the files of a
//! stopped server.

use std::{collections::BTreeMap, io, path::Path};

use logic::autopilot::Membership;
use openraft::EntryPayload;
use serde::Deserialize;
use state::Command;

use super::{
    Error, LOG, SNAPSHOTS,
    log_disk::OfflineLog,
    snapshot::SnapshotDir,
    types::{LogId, Peer, SnapshotMeta, StoredMembership, cluster_of, damaged},
};

/// The servers that go on. The same plan has to be carried out on each of them before one is started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoverPlan {
    /// Ids and RPC addresses.
    pub voters: BTreeMap<u64, String>,
    pub learners: BTreeMap<u64, String>,
}

/// What the recovery does, or would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoverReport {
    /// The server whose files they are.
    pub own: u64,
    pub last_index: u64,
    pub last_term: u64,
    /// Of the newest snapshot before; 0: none.
    pub snapshot_index: u64,
    /// Entries after it. All of them count from now on, also those that no majority had.
    pub entries: u64,
    pub before: Membership,
    pub after: Membership,
    /// `false`: only looked.
    pub done: bool,
}

#[derive(Deserialize)]
struct PeerRow {
    id: String,
    address: String,
    #[serde(default)]
    non_voter: bool,
}

impl RecoverPlan {
    /// Reads Nomad's `peers.json`: a list of `id`, `address`, `non_voter`. `id_of` finds the id in the log for one that
    /// is not a number (the UUID of the server's agent).
    ///
    /// # Errors
    /// What is wrong with the text, in words.
    pub fn from_peers_json(text: &str, id_of: impl Fn(&str) -> Option<u64>) -> Result<Self, String> {
        let rows: Vec<PeerRow> = serde_json::from_str(text)
            .map_err(|error| format!("not a list of {{\"id\", \"address\", \"non_voter\"}}: {error}"))?;
        let mut plan = Self::default();
        for row in rows {
            let id =
                row.id.parse().ok().or_else(|| id_of(&row.id)).ok_or_else(|| {
                    format!("`id` {:?} is neither a number nor the UUID of an agent", row.id)
                })?;
            let servers = if row.non_voter { &mut plan.learners } else { &mut plan.voters };
            if servers.insert(id, row.address).is_some() {
                return Err(format!("`id` {:?} is there twice", row.id));
            }
        }
        Ok(plan)
    }
}

/// Makes the servers of the plan the cluster of the log in `dir`. Everything in the log is taken for committed and goes
/// into a snapshot that names them; nothing else is lost or changed. Blocks.
///
/// # Errors
/// The plan is wrong, a server uses the directory, or the log is damaged. Nothing was changed.
pub fn recover(dir: &Path, plan: &RecoverPlan, dry_run: bool) -> Result<RecoverReport, Error> {
    let storage = |error: io::Error| Error::storage(dir, &error.to_string());
    if plan.voters.is_empty() {
        return Err(Error::Config("a cluster needs at least one voter; name those that are left".into()));
    }
    if let Some(id) = plan.learners.keys().find(|id| plan.voters.contains_key(id)) {
        return Err(Error::Config(format!("server {id} cannot be both a voter and not")));
    }
    let log = OfflineLog::open(&dir.join(LOG)).map_err(storage)?;
    if !plan.voters.contains_key(&log.node_id) && !plan.learners.contains_key(&log.node_id) {
        return Err(Error::Config(format!(
            "these are the files of server {}, which the plan does not name",
            log.node_id
        )));
    }
    look_and_write(dir, &log, plan, dry_run).map_err(storage)
}

fn look_and_write(
    dir: &Path,
    log: &OfflineLog,
    plan: &RecoverPlan,
    dry_run: bool,
) -> io::Result<RecoverReport> {
    let (snapshots, found) = SnapshotDir::open(&dir.join(SNAPSHOTS))?;
    let (meta, mut root) = found.unwrap_or_default();
    let mut last = meta.last_log_id;
    let mut membership = meta.last_membership.clone();
    let from = last.as_ref().map_or(0, |id| id.index() + 1);
    if log.purged.as_ref().is_some_and(|purged| purged.index() >= from) {
        return Err(damaged("the log does not reach back to the newest whole snapshot"));
    }
    let mut entries = 0;
    log.each_from(from, |entry| {
        let index = entry.log_id.index();
        match &entry.payload {
            EntryPayload::Blank => {}
            EntryPayload::Normal(commands) => {
                for command in commands.0.iter() {
                    let command = Command::decode(command)
                        .map_err(|error| damaged(format!("log entry {index}: {error}")))?;
                    root.apply(index, command);
                }
            }
            EntryPayload::Membership(new) => {
                membership = StoredMembership::new(Some(entry.log_id), new.clone());
            }
        }
        root.index = index;
        last = Some(entry.log_id);
        entries += 1;
        Ok(())
    })?;
    let Some(last) = last else { return Err(damaged("the log is empty: there is nothing to recover")) };
    let cluster = cluster_of(membership.membership());
    let peer = |(id, address): (&u64, &String)| (*id, Peer { address: address.clone(), cluster });
    let peers: BTreeMap<u64, Peer> = plan.voters.iter().chain(&plan.learners).map(peer).collect();
    let after = openraft::Membership::new(vec![plan.voters.keys().copied().collect()], peers)
        .map_err(|error| damaged(error.to_string()))?;
    let after = StoredMembership::new(Some(last), after);
    let report = RecoverReport {
        own: log.node_id,
        last_index: last.index(),
        last_term: **last.committed_leader_id(),
        snapshot_index: meta.last_log_id.as_ref().map_or(0, LogId::index),
        entries,
        before: super::membership::shown(&membership),
        after: super::membership::shown(&after),
        done: !dry_run,
    };
    if !dry_run {
        let meta = SnapshotMeta { last_log_id: Some(last), last_membership: after };
        // Others may have seen entries that are not here: the leader gives the log a new name, and they begin again.
        root.epoch = Default::default();
        snapshots.write(&meta, &root)?;
        log.forget_up_to(&last)?;
    }
    Ok(report)
}

//! The replicated log: proposals go in, everybody's state comes out in the same order.
//!
//! Nothing of openraft is seen outside of this module. What others use are [`Server`] and, through it, the ports
//! [`Proposer`] and [`StateReader`].
//!
//! On disk, below one directory: `log.redb` (log, vote) and `snapshots/`. The state itself is in memory: the newest
//! whole snapshot plus the log after it.

mod config; // how a server takes part
mod log_disk; // the log file and its thread
mod memory; // a simulated disk
mod log_store; // the log as openraft wants it
mod machine; // applies entries, publishes the state
mod transport; // connections, over TCP or simulated
mod network; // what servers ask each other
mod contact; // when the leader was last heard
mod suspicion; // a leader whose process died is replaced at once
mod membership; // founding, and changing who takes part
mod meeting; // servers that are not in one log yet
mod reads; // how fresh the state is
mod remedy; // what to do about a broken disk
mod recover; // a cluster that lost its majority
mod proposals; // many callers, few entries
mod snapshot; // snapshot files
mod types; // openraft's type parameters, and records on disk

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use openraft::{RaftMetrics, ServerState, errors::Fatal};
use state::{Command, Root};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot, watch},
    task::AbortHandle,
};

pub use self::{
    config::{Addresses, Config, Pace, Storage},
    memory::MemoryDisk,
    reads::ReadError,
    recover::{RecoverPlan, RecoverReport, recover},
    transport::{Tcp, Transport, Wire},
};
use self::{
    contact::Contact,
    log_store::LogStore,
    machine::{Machine, Published},
    meeting::Claims,
    network::Peers,
    proposals::Proposal,
    reads::Reads,
    snapshot::SnapshotDir,
    suspicion::Suspicion,
    types::Types,
};
use crate::actors::ports::{Committed, Leadership, ProposeError, Proposer, StateReader};
use crate::net::rpc::Router;

const LOG: &str = "log.redb";
const SNAPSHOTS: &str = "snapshots";
/// One part in so many of the queue of proposals is kept free of new jobs: reports of nodes, plans and stops find room
/// when registrations come faster than they can be written.
const RESERVED: usize = 4;

/// The log does not work (any more). The text names the path.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("raft cannot use its storage in {}: {reason}", dir.display())]
    Storage { dir: PathBuf, reason: String },
    #[error("raft cannot be configured: {0}")]
    Config(String),
    #[error("raft stopped: {0}")]
    Stopped(String),
}

/// Numbers for people and for `operator` commands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    pub term: u64,
    pub last_log_index: u64,
    pub applied_index: u64,
    /// Index of the newest snapshot; 0: none.
    pub snapshot_index: u64,
    /// Entries up to here are no longer in the log.
    pub purged_index: u64,
    /// Elections that did not wait for the lease of a leader whose process was gone.
    pub quick_elections: u64,
    /// Ids and addresses of the voters.
    pub voters: Vec<(u64, String)>,
}

/// This server's part in the replicated log. Clones share it.
#[derive(Clone)]
pub struct Server {
    inner: Arc<Inner>,
}

struct Inner {
    raft: openraft::Raft<Types, Machine>,
    log: LogStore,
    published: Arc<Published>,
    waiting: mpsc::Sender<Proposal>,
    leadership: watch::Receiver<Leadership>,
    fatal: watch::Receiver<Option<Error>>,
    config: Config,
    contact: Arc<Contact>,
    reads: Reads,
    suspicion: Suspicion,
    peers: Peers,
    claims: Claims,
    /// End with the server.
    tasks: Vec<AbortHandle>,
    /// Where snapshots of other servers are received.
    incoming: PathBuf,
}

impl Drop for Inner {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("leadership", &*self.inner.leadership.borrow()).finish_non_exhaustive()
    }
}

impl Server {
    /// Reads what is on disk and begins to take part, on the given runtime. A server with an empty directory waits for
    /// [`Server::found`], or for a leader that adds it. One that works alone leads some milliseconds later: see
    /// [`Server::leadership`].
    ///
    /// # Errors
    /// The directory cannot be used, is damaged or belongs to another server.
    pub async fn start(config: Config, runtime: Handle) -> Result<Self, Error> {
        runtime
            .spawn(Self::start_here(config))
            .await
            .unwrap_or_else(|error| Err(Error::Stopped(error.to_string())))
    }

    async fn start_here(config: Config) -> Result<Self, Error> {
        let storage = |error: io::Error| Error::storage(&config.dir, &error.to_string());
        let settings = config.settings()?;
        let (dir, node_id, kind) = (config.dir.clone(), config.node_id, config.storage.clone());
        let (log, snapshots, found) = tokio::task::spawn_blocking(move || open(&kind, &dir, node_id))
            .await
            .map_err(io::Error::other)
            .flatten()
            .map_err(storage)?;
        let (meta, root) = found.unzip();
        let published = Arc::new(Published::new(root.unwrap_or_default()));
        let machine = Machine::new(published.clone(), snapshots, meta);
        let stopped = |fatal: &Fatal<Types>| Error::of(&config.dir, fatal);
        let cluster = Arc::new(AtomicU64::new(0));
        let peers = Peers {
            own: node_id,
            cluster: cluster.clone(),
            addresses: config.addresses.clone(),
            transport: config.transport.clone(),
            patience: config.pace.election.0,
        };
        let contact = Arc::new(Contact::new(config.pace.suspect_after));
        let raft = openraft::Raft::new(node_id, Arc::new(settings), peers.clone(), log.clone(), machine)
            .await
            .map_err(|fatal| stopped(&fatal))?;
        if raft.voter_ids().eq([node_id]) {
            // Nobody else could win: no reason to wait for a silence.
            raft.trigger().elect(false).await.map_err(|fatal| stopped(&fatal))?;
        }

        let (waiting, proposals) = mpsc::channel(config.max_waiting);
        tokio::spawn(proposals::batch(raft.clone(), proposals, config.propose_timeout));
        let (tell_leadership, leadership) = watch::channel(Leadership::default());
        let (tell_leader, leader) = watch::channel(None);
        let (tell_fatal, fatal) = watch::channel(None);
        let tell = Tell { leadership: tell_leadership, leader: tell_leader, fatal: tell_fatal, cluster };
        tokio::spawn(follow(raft.metrics(), contact.clone(), config.clone(), tell));
        let saving = tokio::spawn(save_often(raft.clone(), published.clone(), config.snapshot_after));
        let suspicion = Suspicion::new(&raft, &contact, &peers, config.pace);
        let watching = tokio::spawn(suspicion.clone().watch());
        let inner = Inner {
            reads: Reads::new(&raft, config.pace, &peers, &leader),
            raft,
            log,
            published,
            waiting,
            leadership,
            fatal,
            contact,
            suspicion,
            peers,
            claims: Claims::default(),
            tasks: vec![saving.abort_handle(), watching.abort_handle()],
            incoming: config.dir.join(SNAPSHOTS),
            config,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Tells that somebody else counts the leader as dead. It is replaced before its lease is over if it is silent and
    /// a majority of the voters find nobody at its address or were told the same.
    pub fn leader_suspected(&self) {
        self.inner.suspicion.told();
    }

    /// Who leads. This server counts as leader once everything that was committed before is in its state.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.inner.leadership.clone()
    }

    /// Answers the other servers through `router`, which must be reachable at the address in [`Config`].
    pub fn register_methods(&self, router: &mut Router) {
        let inner = &self.inner;
        network::register(&inner.raft, &inner.contact, &inner.peers, inner.incoming.clone(), router);
        inner.reads.register(&inner.peers, router);
        inner.suspicion.register(router);
        inner.claims.register(&inner.raft, &inner.peers, router);
    }

    /// Waits until the log cannot go on, which is for ever: the process should exit with this error.
    /// Never returns after [`Server::shutdown`].
    pub async fn fatal(&self) -> Error {
        let mut fatal = self.inner.fatal.clone();
        loop {
            if let Some(error) = fatal.borrow_and_update().clone() {
                return error;
            }
            if fatal.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    pub fn stats(&self) -> Stats {
        let metrics = self.inner.raft.metrics();
        let metrics = openraft::async_runtime::watch::WatchReceiver::borrow_watched(&metrics);
        let index = |id: &Option<types::LogId>| id.as_ref().map_or(0, types::LogId::index);
        let membership = metrics.membership_config.membership();
        Stats {
            term: metrics.current_term,
            last_log_index: metrics.last_log_index.unwrap_or(0),
            applied_index: index(&metrics.last_applied),
            snapshot_index: index(&metrics.snapshot),
            purged_index: index(&metrics.purged),
            quick_elections: self.inner.suspicion.elections(),
            voters: membership
                .voter_ids()
                .map(|id| (id, membership.get_node(&id).map(|peer| peer.address.clone()).unwrap_or_default()))
                .collect(),
        }
    }

    /// Takes a snapshot now, whatever the number of entries since the last. Returns before it is done.
    pub async fn snapshot(&self) -> Result<(), Error> {
        self.inner.raft.trigger().snapshot().await.map_err(|fatal| Error::Stopped(fatal.to_string()))
    }

    /// Stops taking part and closes the files. Proposals on their way end as unknown, later ones as closed.
    pub async fn shutdown(&self) {
        if let Err(error) = self.inner.raft.shutdown().await {
            tracing::warn!(%error, "raft did not stop in order");
        }
        if let Err(error) = self.inner.log.close().await {
            tracing::warn!(%error, "the raft log was not closed in order");
        }
    }
}

#[async_trait]
impl Proposer for Server {
    async fn propose(&self, commands: Vec<Command>) -> Result<Committed, ProposeError> {
        if let Some(error) = &*self.inner.fatal.borrow() {
            return Err(ProposeError::Closed(error.to_string()));
        }
        let waiting = &self.inner.waiting;
        let reserved = self.inner.config.max_waiting / RESERVED;
        if waiting.capacity() <= reserved && commands.iter().any(Command::is_new_work) {
            return Err(ProposeError::Overloaded);
        }
        let commands = commands.iter().map(|command| command.encode().into()).collect();
        let (answer, answered) = oneshot::channel();
        waiting.try_send(Proposal { commands, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ProposeError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => ProposeError::Closed("this server is stopping".into()),
        })?;
        answered.await.unwrap_or_else(|_| Err(ProposeError::Unknown("this server is stopping".into())))
    }
}

impl StateReader for Server {
    fn root(&self) -> Arc<Root> {
        self.inner.published.root.load_full()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.inner.published.changes.subscribe()
    }
}

impl Error {
    fn storage(dir: &Path, reason: &str) -> Self {
        Self::Storage { dir: dir.to_owned(), reason: remedy::with_remedy(reason) }
    }

    fn of(dir: &Path, fatal: &Fatal<Types>) -> Self {
        match fatal {
            Fatal::StorageError(error) => Self::storage(dir, &error.to_string()),
            Fatal::Panicked | Fatal::Stopped => Self::Stopped(fatal.to_string()),
        }
    }
}

/// The id of the server whose log is in the directory, `None` when there is no log: an agent that derives ids in
/// another way than the one before it must keep the id. Not while a server uses the directory. Blocks.
///
/// # Errors
/// The log cannot be read.
pub fn stored_id(dir: &Path) -> Result<Option<u64>, Error> {
    log_disk::owner(&dir.join(LOG)).map_err(|error| Error::storage(dir, &error.to_string()))
}

/// A number that is the same for equal states: two servers that applied the same entries have the same.
pub fn state_hash(root: &Root) -> u64 {
    // FNV-1a: it has to be equal on all machines, and nothing else.
    root.rows().fold(0xcbf2_9ce4_8422_2325, |hash, row| {
        types::seal(&row)
            .iter()
            .fold(hash, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
    })
}

type Found = Option<(types::SnapshotMeta, Root)>;

fn open(storage: &Storage, dir: &Path, node_id: u64) -> io::Result<(LogStore, Arc<SnapshotDir>, Found)> {
    std::fs::create_dir_all(dir)?;
    let mut log = LogStore::open(storage, &dir.join(LOG), node_id)?;
    let (snapshots, found) = SnapshotDir::open(&dir.join(SNAPSHOTS))?;
    let snapshots = Arc::new(snapshots);
    log.keep_for(snapshots.clone());
    Ok((log, snapshots, found))
}

/// What others are told of raft's changes.
struct Tell {
    leadership: watch::Sender<Leadership>,
    /// Id of the leader and its address in the log, unless it is this server.
    leader: watch::Sender<Option<(u64, String)>>,
    fatal: watch::Sender<Option<Error>>,
    cluster: Arc<AtomicU64>,
}

/// Translates openraft's metrics until raft stops.
///
/// A leader that has been silent for some elections is none: openraft would name it until another one is found, which
/// without a majority is never.
async fn follow(
    mut metrics: openraft::type_config::alias::WatchReceiverOf<Types, RaftMetrics<Types>>,
    contact: Arc<Contact>,
    config: Config,
    tell: Tell,
) {
    use openraft::async_runtime::watch::WatchReceiver;
    loop {
        let (now, leader, failure) = {
            let metrics = metrics.borrow_watched();
            let leader = leader_in(&metrics, &config);
            let cluster = types::cluster_of(metrics.membership_config.membership());
            tell.cluster.store(cluster, Ordering::Relaxed);
            let heard = leader.as_ref().filter(|_| !contact.is_lost(3 * config.pace.election.1));
            (leadership_in(&metrics, &config, heard), leader, metrics.running_state.clone().err())
        };
        tell.leader.send_if_modified(|known| replace_if_new(known, leader));
        tell.leadership.send_if_modified(|known| replace_if_new(known, now));
        match failure {
            None => {}
            Some(Fatal::Stopped) => return,
            Some(error) => {
                tell.leadership.send_replace(Leadership::default());
                let error = Error::of(&config.dir, &error);
                tracing::error!(%error, "raft cannot go on");
                tell.fatal.send_replace(Some(error));
                return;
            }
        }
        if metrics.changed().await.is_err() {
            return;
        }
    }
}

fn replace_if_new<T: PartialEq>(known: &mut T, now: T) -> bool {
    let changed = *known != now;
    *known = now;
    changed
}

/// Asks for a snapshot when a restart would have to repeat many commands. Holds raft, so it is aborted
/// when the server goes.
async fn save_often(raft: openraft::Raft<Types, Machine>, published: Arc<Published>, snapshot_after: u64) {
    let mut changes = published.changes.subscribe();
    while changes.changed().await.is_ok() {
        let root = published.root.load();
        let rows = root.allocs.len() + root.evals.len() + root.job_versions.len() + root.nodes.len();
        let worth_it = snapshot_after.saturating_mul(4).max(rows as u64);
        if published.unsaved.load(Ordering::Relaxed) >= worth_it {
            published.unsaved.store(0, Ordering::Relaxed);
            if raft.trigger().snapshot().await.is_err() {
                return;
            }
        }
    }
}

fn leader_in(metrics: &RaftMetrics<Types>, config: &Config) -> Option<(u64, String)> {
    let leader = metrics.current_leader.filter(|leader| *leader != config.node_id)?;
    let written = metrics.membership_config.membership().get_node(&leader).map(|peer| peer.address.clone());
    config.addresses.address_of(leader).or(written).map(|address| (leader, address))
}

fn leadership_in(metrics: &RaftMetrics<Types>, config: &Config, other: Option<&(u64, String)>) -> Leadership {
    // The first entry of a leader's own term commits all that came before.
    let caught_up = metrics
        .last_applied
        .as_ref()
        .is_some_and(|applied| **applied.committed_leader_id() == metrics.current_term);
    let own = metrics.current_leader.filter(|leader| *leader == config.node_id);
    Leadership {
        is_leader: metrics.state == ServerState::Leader && caught_up,
        term: metrics.current_term,
        leader_address: own
            .map(|_| config.address.clone())
            .or_else(|| other.map(|(_, address)| address.clone())),
    }
}

#[cfg(test)]
mod tests;

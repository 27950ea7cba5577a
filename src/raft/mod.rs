//! The replicated log: proposals go in, everybody's state comes out in the same order.
//!
//! Nothing of openraft is seen outside of this module. What others use are [`Server`] and, through it, the ports
//! [`Proposer`] and [`StateReader`].
//!
//! On disk, below one directory: `log.redb` (log, vote) and `snapshots/`. The state itself is in memory: the newest
//! whole snapshot plus the log after it.

mod log_disk; // the log file and its thread
mod log_store; // the log as openraft wants it
mod machine; // applies entries, publishes the state
mod network; // the way to other servers
mod proposals; // many callers, few entries
mod snapshot; // snapshot files
mod types; // openraft's type parameters, and records on disk

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use openraft::{
    RaftMetrics, ServerState, SnapshotPolicy,
    errors::{Fatal, InitializeError, RaftError},
};
use state::{Command, Root};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot, watch},
    task::AbortHandle,
};

use self::{
    log_store::LogStore,
    machine::{Machine, Published},
    proposals::Proposal,
    snapshot::SnapshotDir,
    types::{Peer, Types},
};
use crate::actors::ports::{Committed, Leadership, ProposeError, Proposer, StateReader};
use crate::net::rpc::Router;

const SNAPSHOTS: &str = "snapshots";

/// How a server takes part.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where log and snapshots are kept. Made when it does not exist.
    pub dir: PathBuf,
    /// Never given to a server with another log.
    pub node_id: u64,
    /// RPC address (`ip:port`) at which other servers reach this one.
    pub address: String,
    /// How often the leader is heard.
    pub heartbeat: Duration,
    /// A server that heard no leader for a random time between these two asks for votes.
    pub election_timeout: (Duration, Duration),
    /// Log entries between two snapshots; four times as many commands lead to one, too, unless the state is larger
    /// than that. Twice as many entries stay in the log behind the newest one, for slow servers, and all after the
    /// snapshot before it, so that it is of use.
    pub snapshot_after: u64,
    /// How long a write may take before its outcome counts as unknown.
    pub propose_timeout: Duration,
    /// Writes that may wait for their turn; more are refused.
    pub max_waiting: usize,
    /// Whether to found a cluster when the directory is empty: of this server alone, or with `founders`.
    pub bootstrap: bool,
    /// Ids and RPC addresses of the other servers that found the cluster. The same on all of them.
    pub founders: Vec<(u64, String)>,
}

impl Config {
    /// For a server that works alone.
    pub fn new(dir: impl Into<PathBuf>, node_id: u64, address: impl Into<String>) -> Self {
        Self {
            dir: dir.into(),
            node_id,
            address: address.into(),
            heartbeat: Duration::from_millis(250),
            election_timeout: (Duration::from_millis(1000), Duration::from_millis(2000)),
            snapshot_after: 8192,
            propose_timeout: Duration::from_secs(10),
            max_waiting: 4096,
            bootstrap: true,
            founders: Vec::new(),
        }
    }
}

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
    saving: AbortHandle,
    /// Where snapshots of other servers are received.
    incoming: PathBuf,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.saving.abort();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("leadership", &*self.inner.leadership.borrow()).finish_non_exhaustive()
    }
}

impl Server {
    /// Reads what is on disk and begins to take part, on the given runtime. A server that works alone leads some
    /// milliseconds later: see [`Server::leadership`].
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
        let storage =
            |error: io::Error| Error::Storage { dir: config.dir.clone(), reason: error.to_string() };
        let settings = settings(&config)?;
        let (dir, node_id) = (config.dir.clone(), config.node_id);
        let (log, snapshots, found) = tokio::task::spawn_blocking(move || open(&dir, node_id))
            .await
            .map_err(io::Error::other)
            .flatten()
            .map_err(storage)?;
        let (meta, root) = found.unzip();
        let published = Arc::new(Published::new(root.unwrap_or_default()));
        let machine = Machine::new(published.clone(), snapshots, meta);
        let stopped = |fatal: &Fatal<Types>| Error::of(&config.dir, fatal);
        let peers = network::Peers { own: node_id, max_backoff: config.election_timeout.0 };
        let raft = openraft::Raft::new(node_id, Arc::new(settings), peers, log.clone(), machine)
            .await
            .map_err(|fatal| stopped(&fatal))?;

        let empty = !raft.is_initialized().await.map_err(|fatal| stopped(&fatal))?;
        if empty && config.bootstrap {
            let own = (node_id, config.address.clone());
            let founders = config.founders.iter().cloned().chain([own]);
            let members: BTreeMap<_, _> = founders.map(|(id, address)| (id, Peer { address })).collect();
            match raft.initialize(members).await {
                // Somebody else may have made us a member between the two calls.
                Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {}
                Err(RaftError::APIError(error)) => return Err(Error::Config(error.to_string())),
                Err(RaftError::Fatal(fatal)) => return Err(stopped(&fatal)),
            }
        } else if raft.voter_ids().eq([node_id]) {
            // Nobody else could win: no reason to wait for a silence.
            raft.trigger().elect(false).await.map_err(|fatal| stopped(&fatal))?;
        }

        let (waiting, proposals) = mpsc::channel(config.max_waiting);
        tokio::spawn(proposals::batch(raft.clone(), proposals, config.propose_timeout));
        let (tell_leadership, leadership) = watch::channel(Leadership::default());
        let (tell_fatal, fatal) = watch::channel(None);
        tokio::spawn(follow(raft.metrics(), config.clone(), tell_leadership, tell_fatal));
        let saving = tokio::spawn(save_often(raft.clone(), published.clone(), config.snapshot_after));
        let saving = saving.abort_handle();
        let incoming = config.dir.join(SNAPSHOTS);
        let inner = Inner { raft, log, published, waiting, leadership, fatal, saving, incoming };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Who leads. This server counts as leader once everything that was committed before is in its state.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.inner.leadership.clone()
    }

    /// Answers the other servers through `router`, which must be reachable at the address in [`Config`].
    pub fn register_methods(&self, router: &mut Router) {
        network::register(&self.inner.raft, self.inner.incoming.clone(), router);
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
        let commands = commands.iter().map(|command| command.encode().into()).collect();
        let (answer, answered) = oneshot::channel();
        self.inner.waiting.try_send(Proposal { commands, answer }).map_err(|error| match error {
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
    fn of(dir: &Path, fatal: &Fatal<Types>) -> Self {
        match fatal {
            Fatal::StorageError(error) => Self::Storage { dir: dir.to_owned(), reason: error.to_string() },
            Fatal::Panicked | Fatal::Stopped => Self::Stopped(fatal.to_string()),
        }
    }
}

type Found = Option<(types::SnapshotMeta, Root)>;

fn open(dir: &Path, node_id: u64) -> io::Result<(LogStore, Arc<SnapshotDir>, Found)> {
    std::fs::create_dir_all(dir)?;
    let mut log = LogStore::open(&dir.join("log.redb"), node_id)?;
    let (snapshots, found) = SnapshotDir::open(&dir.join(SNAPSHOTS))?;
    let snapshots = Arc::new(snapshots);
    log.keep_for(snapshots.clone());
    Ok((log, snapshots, found))
}

fn settings(config: &Config) -> Result<openraft::Config, Error> {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    openraft::Config {
        cluster_name: "troupe".into(),
        heartbeat_interval: millis(config.heartbeat),
        election_timeout_min: millis(config.election_timeout.0),
        election_timeout_max: millis(config.election_timeout.1),
        snapshot_policy: SnapshotPolicy::LogsSinceLast(config.snapshot_after),
        max_in_snapshot_log_to_keep: config.snapshot_after.saturating_mul(2),
        // Removing entries one by one would be one fsync each.
        purge_batch_size: (config.snapshot_after / 4).max(1),
        replication_lag_threshold: config.snapshot_after.saturating_mul(2),
        install_snapshot_timeout: 60_000,
        enable_pre_vote: Some(true),
        // What was committed is only known again after an election: a restarted leader does not lead without one.
        enable_leader_restore: Some(false),
        ..openraft::Config::default()
    }
    .validate()
    .map_err(|error| Error::Config(error.to_string()))
}

/// Translates openraft's metrics until raft stops.
async fn follow(
    mut metrics: openraft::type_config::alias::WatchReceiverOf<Types, RaftMetrics<Types>>,
    config: Config,
    leadership: watch::Sender<Leadership>,
    fatal: watch::Sender<Option<Error>>,
) {
    use openraft::async_runtime::watch::WatchReceiver;
    loop {
        let (now, failure) = {
            let metrics = metrics.borrow_watched();
            (leadership_in(&metrics, &config), metrics.running_state.clone().err())
        };
        leadership.send_if_modified(|known| {
            let changed = *known != now;
            *known = now;
            changed
        });
        match failure {
            None => {}
            Some(Fatal::Stopped) => return,
            Some(error) => {
                leadership.send_replace(Leadership::default());
                let error = Error::of(&config.dir, &error);
                tracing::error!(%error, "raft cannot go on");
                fatal.send_replace(Some(error));
                return;
            }
        }
        if metrics.changed().await.is_err() {
            return;
        }
    }
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

fn leadership_in(metrics: &RaftMetrics<Types>, config: &Config) -> Leadership {
    // The first entry of a leader's own term commits all that came before.
    let caught_up = metrics
        .last_applied
        .as_ref()
        .is_some_and(|applied| **applied.committed_leader_id() == metrics.current_term);
    let leader_address = metrics.current_leader.and_then(|leader| {
        if leader == config.node_id {
            return Some(config.address.clone());
        }
        metrics.membership_config.membership().get_node(&leader).map(|peer| peer.address.clone())
    });
    Leadership {
        is_leader: metrics.state == ServerState::Leader && caught_up,
        term: metrics.current_term,
        leader_address,
    }
}

#[cfg(test)]
mod tests;

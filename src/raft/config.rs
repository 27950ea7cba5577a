//! How a server takes part, and where it finds the others.

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, time::Duration};

use openraft::SnapshotPolicy;

use super::{
    Error,
    memory::MemoryDisk,
    transport::{Tcp, Transport},
};

/// Where servers are now. Asked before each call, so that one that came back elsewhere is reached at once; the address
/// in the log serves for those it does not know.
pub trait Addresses: Send + Sync + 'static {
    /// RPC, `ip:port`.
    fn address_of(&self, id: u64) -> Option<String>;
}

/// Fixed addresses; an empty map knows nothing more than the log.
impl Addresses for BTreeMap<u64, String> {
    fn address_of(&self, id: u64) -> Option<String> {
        self.get(&id).cloned()
    }
}

/// How a server takes part.
#[derive(Clone)]
pub struct Config {
    /// Where log and snapshots are kept. Made when it does not exist.
    pub dir: PathBuf,
    /// Never given to a server with another log, and never 0.
    pub node_id: u64,
    /// RPC address (`ip:port`) at which other servers reach this one.
    pub address: String,
    pub addresses: Arc<dyn Addresses>,
    pub transport: Arc<dyn Transport>,
    pub storage: Storage,
    pub pace: Pace,
    /// Log entries between two snapshots; four times as many commands lead to one, too, unless the state is larger
    /// than that. Twice as many entries stay in the log behind the newest one, for slow servers, and all after the
    /// snapshot before it, so that it is of use.
    pub snapshot_after: u64,
    /// How long a write may take before its outcome counts as unknown.
    pub propose_timeout: Duration,
    /// Writes that may wait for their turn; more are refused.
    pub max_waiting: usize,
    /// How long a read waits for a leader before it is refused. (Nomad's `rpc_hold_timeout`)
    pub hold: Duration,
}

/// Where the log is kept.
#[derive(Debug, Clone, Default)]
pub enum Storage {
    /// `log.redb`, durable before anything is answered.
    #[default]
    File,
    /// A simulated disk; snapshots are files all the same.
    Memory(MemoryDisk),
}

/// The times of heartbeats and elections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How often the leader is heard.
    pub heartbeat: Duration,
    /// A leader's lease is the larger one: a server that heard it grants nobody else a vote for so long. After it, a
    /// server waits for a random time between the two before it asks for votes.
    pub election: (Duration, Duration),
    /// A leader answers default reads alone while a majority heard it within this time.
    pub lease_read: Duration,
    /// A leader that was silent for so long *and* at whose address nobody listens gives up its lease. Must be longer
    /// than `lease_read`, so that a leader that is wrongly taken for dead has stopped answering reads alone.
    pub suspect_after: Duration,
}

impl Pace {
    /// `multiplier` is `raft_multiplier`: 1 (default) to 10, for slow machines and networks; others are taken as the
    /// nearest of these.
    ///
    /// With 1, a server whose process died is replaced after about 0.3 s, one whose machine is gone after 0.9 to
    /// 1.2 s. A leader that is stalled for less than that leads on.
    pub fn new(multiplier: u32) -> Self {
        let times = |millis: u64| Duration::from_millis(millis) * multiplier.clamp(1, 10);
        Self {
            heartbeat: times(100),
            election: (times(300), times(600)),
            lease_read: times(200),
            suspect_after: times(250),
        }
    }
}

impl Config {
    pub fn new(dir: impl Into<PathBuf>, node_id: u64, address: impl Into<String>) -> Self {
        Self {
            dir: dir.into(),
            node_id,
            address: address.into(),
            addresses: Arc::new(BTreeMap::new()),
            transport: Arc::new(Tcp::default()),
            storage: Storage::File,
            pace: Pace::new(1),
            snapshot_after: 8192,
            propose_timeout: Duration::from_secs(10),
            max_waiting: 4096,
            hold: Duration::from_secs(5),
        }
    }

    pub(super) fn settings(&self) -> Result<openraft::Config, Error> {
        let Pace { heartbeat, election, lease_read, suspect_after } = self.pace;
        if suspect_after <= lease_read || lease_read > election.1 {
            return Err(Error::Config(
                "`lease_read` must be shorter than `suspect_after` and the lease".into(),
            ));
        }
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        openraft::Config {
            cluster_name: "troupe".into(),
            heartbeat_interval: millis(heartbeat),
            election_timeout_min: millis(election.0),
            election_timeout_max: millis(election.1),
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.snapshot_after),
            max_in_snapshot_log_to_keep: self.snapshot_after.saturating_mul(2),
            // Removing entries one by one would be one fsync each.
            purge_batch_size: (self.snapshot_after / 4).max(1),
            replication_lag_threshold: self.snapshot_after.saturating_mul(2),
            install_snapshot_timeout: 60_000,
            enable_pre_vote: Some(true),
            // What was committed is only known again after an election: a restarted leader does not lead without one.
            enable_leader_restore: Some(false),
            ..openraft::Config::default()
        }
        .validate()
        .map_err(|error| Error::Config(error.to_string()))
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("dir", &self.dir)
            .field("node_id", &self.node_id)
            .field("address", &self.address)
            .field("pace", &self.pace)
            .finish_non_exhaustive()
    }
}

//! The doors of the actors: everything they ask of the outside, as traits that the edges implement.
//!
//! `agent` connects the two. Nothing here names a library: no bollard, hickory, redb or actix-web.

mod agent; // the agent itself
mod cluster; // the rest of the cluster
mod heritage; // what allocations leave behind
mod probes; // checks of the network
mod nodes; // servers and nodes, as they see each other
mod sessions; // commands inside tasks, with somebody at their ends

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use logic::{
    node_meta::{Changes, NodeMeta},
    sockaddr::Interface,
};
use model::{AllocId, DriverInfo, NodeId, Resources, Task, TaskState, Timestamp};
use serde::{Deserialize, Serialize};
use state::{Command, Outcome, Root};

pub use self::{agent::*, cluster::*, heritage::*, nodes::*, probes::*, sessions::*};

// ---------------------------------------------------------------------------------------------- time

/// Where stored times come from. Timers use tokio's clock instead, so that tests can pause it.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;
}

/// Where new ids come from.
pub trait IdSource: Send + Sync + 'static {
    /// A random UUID.
    fn uuid(&self) -> u128;
}

// ---------------------------------------------------------------------------------------------- state

/// Why a proposal did not lead to an answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProposeError {
    /// Nothing was written; another server leads.
    #[error("this server is not the leader")]
    NotLeader { leader: Option<String> },
    /// Nothing was written; the queue of proposals is full.
    #[error("too many writes are waiting")]
    Overloaded,
    /// The write may or may not be in the log: look at the state before trying again.
    #[error("the outcome of the write is unknown: {0}")]
    Unknown(String),
    /// The log is closed; nothing was written.
    #[error("the log is closed: {0}")]
    Closed(String),
}

/// Writes to the replicated log.
#[async_trait]
pub trait Proposer: Send + Sync + 'static {
    /// Commits the commands together, in this order and in one entry, and returns one outcome each, and the log
    /// index at which they were applied.
    async fn propose(&self, commands: Vec<Command>) -> Result<Committed, ProposeError>;
}

/// Answer to a proposal.
#[derive(Debug, Clone)]
pub struct Committed {
    pub index: u64,
    pub outcomes: Vec<Outcome>,
}

/// Reads the replicated state without asking anybody.
pub trait StateReader: Send + Sync + 'static {
    /// The newest applied state. Cheap: loads a pointer.
    fn root(&self) -> Arc<Root>;
    /// Fires after each applied entry, with its index.
    fn changes(&self) -> tokio::sync::watch::Receiver<u64>;
}

// ---------------------------------------------------------------------------------------------- nodes, seen by the HTTP API

/// Why a node could not be asked.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum AccessError {
    /// This agent runs no tasks, and no node was named.
    #[error("this agent is not a client")]
    NoClient,
    /// The node, or the allocation on this node, is not there (any more).
    #[error("not found")]
    NotFound,
    /// It is on another node, which this agent cannot ask.
    #[error("it is on another node")]
    Elsewhere,
    #[error("{0}")]
    Failed(String),
}

/// A check of an allocation's service, as it was last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckSeen {
    /// Of the service; empty: the group's.
    pub task: String,
    pub service: String,
    pub state: model::CheckState,
}

/// What people do to a task that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskAct {
    Restart,
    /// All tasks of the allocation anew, in their order; also those that have ended.
    StartOver,
    /// By name, such as `SIGHUP`.
    Signal(String),
}

/// What only the node itself knows: use of resources and files of allocations.
#[async_trait]
pub trait NodeAccess: Send + Sync + 'static {
    /// `None`: the node of this agent.
    async fn host_usage(&self, node: Option<NodeId>) -> Result<HostUsage, AccessError>;
    /// Per running task.
    async fn alloc_usage(&self, alloc: AllocId) -> Result<BTreeMap<String, TaskUsage>, AccessError>;
    /// Where the allocation's logs are on this machine (`alloc/logs`; files `<task>.<stdout|stderr>.<n>`).
    async fn log_dir(&self, alloc: AllocId) -> Result<PathBuf, AccessError>;
    /// The allocation's own directory on this machine, whose sub-directories are `alloc` and one per task.
    async fn alloc_dir(&self, alloc: AllocId) -> Result<PathBuf, AccessError>;
    /// The allocation's data, as [`AllocData::pack`] makes them.
    async fn data(&self, alloc: AllocId) -> Result<DataStream, AccessError>;
    /// Does something to a task that runs; `None`: to all that run.
    async fn act(&self, alloc: AllocId, task: Option<String>, act: TaskAct) -> Result<(), AccessError>;
    /// What the node knows of each task: newer than the state, and there without it.
    async fn task_states(&self, alloc: AllocId) -> Result<BTreeMap<String, TaskState>, AccessError>;
    /// The checks of an allocation's services, with their newest output.
    async fn checks(&self, alloc: AllocId) -> Result<Vec<CheckSeen>, AccessError>;
    /// Removes the files of an allocation that is over, or (`None`) of all that are.
    async fn collect(&self, alloc: Option<AllocId>) -> Result<(), AccessError>;
    /// The words of a command that the job has given a name, as they are meant for this allocation.
    async fn action(&self, alloc: AllocId, task: &str, action: &str) -> Result<Vec<String>, AccessError>;
    /// Metadata of the node of this agent.
    async fn metadata(&self) -> Result<NodeMeta, AccessError> {
        Err(AccessError::NoClient)
    }
    /// Changes it; what cannot be says so in words.
    async fn change_metadata(&self, _: Changes) -> Result<NodeMeta, AccessError> {
        Err(AccessError::NoClient)
    }
    /// Runs a command inside a task that runs.
    async fn exec(&self, alloc: AllocId, task: &str, spec: ExecSpec) -> Result<ExecSession, AccessError>;
}

// ---------------------------------------------------------------------------------------------- the agent's own log

// ---------------------------------------------------------------------------------------------- task drivers

/// Directories of one task, all of them existing when a driver sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskDirs {
    /// Shared by the tasks of the allocation (`NOMAD_ALLOC_DIR`).
    pub alloc: PathBuf,
    /// Of the task alone: holds `local` and `secrets`.
    pub task: PathBuf,
    pub local: PathBuf,
    pub secrets: PathBuf,
    /// `alloc/logs`: output goes to `<task>.stdout.<n>` and `<task>.stderr.<n>`, n from 0.
    pub logs: PathBuf,
}

/// A port of the task, as given by the scheduler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskPort {
    pub label: String,
    pub host_ip: String,
    pub host_port: u16,
    /// Inside the container; 0: what `port_map` says, else the host port.
    pub to: u16,
}

/// All that a driver needs to start one task. Every string is already interpolated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskSpec {
    pub alloc: AllocId,
    pub job: String,
    pub namespace: String,
    pub group: String,
    /// `config`, `user`, `resources`, `kill_signal`, `logs` are read by drivers.
    pub task: Task,
    /// The whole environment, `NOMAD_*` included (directories are added by the driver: it knows where they are).
    pub env: Arc<BTreeMap<String, String>>,
    pub ports: Vec<TaskPort>,
    pub dirs: TaskDirs,
    /// With `memory_max` only where the allocation may have it, and with what its cores count.
    pub resources: Resources,
    /// Cores that are the task's alone: it shall run on no others. Empty: wherever there is time.
    #[serde(default)]
    pub cores: Vec<u16>,
    #[serde(default)]
    pub devices: Vec<model::ClaimedDevices>,
}

/// What a driver needs to find a task again after the agent was restarted. Kept on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskHandle {
    pub driver: String,
    pub alloc: AllocId,
    pub task: String,
    pub started_at: Timestamp,
    /// JSON of the driver's own making (container id, process id, ...), with whatever `wait`, `stop`, `stats` and the
    /// collection of logs need.
    pub state: String,
    /// Where the task is reached by its own ports: the address of a container. `None` where it has the node's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// How a task ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskExit {
    pub exit_code: i32,
    /// 0: none.
    pub signal: i32,
    pub oom_killed: bool,
    /// Why, where the driver knows more than a code.
    pub message: String,
}

impl TaskExit {
    pub fn is_success(&self) -> bool {
        self.exit_code == 0 && self.signal == 0 && !self.oom_killed
    }
}

/// Why a driver could not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DriverError {
    /// Trying again may help: the restart policy decides (engine down, image not found, port in use).
    #[error("{0}")]
    Recoverable(String),
    /// Trying again is pointless (bad configuration).
    #[error("{0}")]
    Fatal(String),
    /// The task does not exist (any more).
    #[error("task not found: {0}")]
    NotFound(String),
}

/// What a task uses now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskUsage {
    pub time: Timestamp,
    /// Percent of one core.
    pub cpu_percent: f64,
    pub cpu_user_percent: f64,
    pub cpu_system_percent: f64,
    /// MHz.
    pub cpu_ticks: f64,
    pub throttled_periods: u64,
    pub throttled_time_ns: u64,
    pub memory_rss: u64,
    pub memory_cache: u64,
    pub memory_swap: u64,
    pub memory_usage: u64,
    pub memory_max_usage: u64,
    /// Names of the fields above that were really measured, as the HTTP API lists them (`RSS`, `Cache`, `Percent` ...).
    pub measured_memory: Vec<String>,
    pub measured_cpu: Vec<String>,
}

/// Result of a command run inside a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecResult {
    pub exit_code: i32,
    /// stdout and stderr, at most 4 KiB.
    pub output: String,
}

/// Tells the task's runner what the driver is about to do (`Downloading image redis:3.2`): becomes an event `Driver`.
pub type DriverNotes = tokio::sync::mpsc::UnboundedSender<String>;

/// Runs tasks of one kind. Tasks outlive the agent.
#[async_trait]
pub trait TaskDriver: Send + Sync + 'static {
    /// As in job files: `docker`, `raw_exec`, `mock_driver`.
    fn name(&self) -> &'static str;

    /// Looks whether tasks can be started now, and why not.
    async fn fingerprint(&self) -> DriverInfo;

    /// Gets what the start of the task will need from far away (an image), while something else still runs in its place.
    async fn prepare(&self, _: &TaskSpec) -> Result<(), DriverError> {
        Ok(())
    }

    /// Starts the task and its log collection. On an error nothing is left running.
    async fn start(&self, spec: &TaskSpec, notes: DriverNotes) -> Result<TaskHandle, DriverError>;

    /// Finds a task again after a restart of the agent and resumes its log collection without losing a byte.
    /// `NotFound` when it is gone without a trace.
    async fn recover(&self, handle: &TaskHandle, spec: &TaskSpec) -> Result<(), DriverError>;

    /// Waits until the task ended. May be called again, and answers at once for an ended task until `destroy`.
    async fn wait(&self, handle: &TaskHandle) -> Result<TaskExit, DriverError>;

    /// Sends the kill signal (empty: the driver's default), then SIGKILL after `timeout`. Returns when it ended.
    async fn stop(&self, handle: &TaskHandle, signal: &str, timeout: Duration) -> Result<(), DriverError>;

    /// Sends a signal to the task's main process; what comes of it is the task's business.
    async fn signal(&self, handle: &TaskHandle, signal: &str) -> Result<(), DriverError>;

    /// Removes what is left of an ended task (container, exit status). Logs stay.
    async fn destroy(&self, handle: &TaskHandle) -> Result<(), DriverError>;

    async fn usage(&self, handle: &TaskHandle) -> Result<TaskUsage, DriverError>;

    /// Runs a command inside the task (script checks).
    async fn exec(
        &self,
        handle: &TaskHandle,
        command: &[String],
        timeout: Duration,
    ) -> Result<ExecResult, DriverError>;

    /// Runs a command inside the task, with somebody at its ends. It ends with the session.
    async fn attach(&self, handle: &TaskHandle, spec: &ExecSpec) -> Result<ExecSession, DriverError>;
}

// ---------------------------------------------------------------------------------------------- node-local things

/// A file for a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePut {
    /// The parts of its path, from the allocation's directory on.
    pub path: Vec<String>,
    pub bytes: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// `None`: whoever runs the agent.
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

/// Directories of allocations on this node's disk.
#[async_trait]
pub trait AllocDisk: Send + Sync + 'static {
    /// Makes the allocation's shared directories and those of its tasks. Repeating it changes nothing.
    async fn create(&self, alloc: AllocId, tasks: &[String]) -> std::io::Result<()>;
    /// Writes a file below the task's `local` directory.
    async fn write(&self, alloc: AllocId, task: &str, path: &str, bytes: Vec<u8>) -> std::io::Result<()>;
    /// Puts a file into the allocation's directory in one step, with the directories above it. Links are not followed.
    /// `false`: it was there, the same in all.
    async fn put(&self, alloc: AllocId, file: FilePut) -> std::io::Result<bool>;
    /// Reads a file of the allocation, of at most `limit` bytes. Links are not followed. `None`: it is not there.
    async fn read(&self, alloc: AllocId, path: Vec<String>, limit: usize)
    -> std::io::Result<Option<Vec<u8>>>;
    /// Where the task's directories are, existing or not.
    fn dirs(&self, alloc: AllocId, task: &str) -> TaskDirs;
    async fn destroy(&self, alloc: AllocId) -> std::io::Result<()>;
}

/// An artifact, with everything interpolated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchOrder {
    pub alloc: AllocId,
    pub source: String,
    pub options: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
    pub mode: model::ArtifactMode,
    /// The parts of its path, from the allocation's directory on.
    pub destination: Vec<String>,
    /// Whose the files are. `None`: of whoever runs the agent.
    pub owner: Option<String>,
}

/// An artifact is not there. Parts of it may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FetchError {
    pub message: String,
    /// Trying again may help: the restart policy decides.
    pub recoverable: bool,
}

/// Fetches artifacts.
#[async_trait]
pub trait Fetcher: Send + Sync + 'static {
    /// Fetches and unpacks it. Repeating it brings the same again.
    async fn fetch(&self, order: FetchOrder) -> Result<(), FetchError>;
}

/// What is remembered of an allocation has two parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What the servers said of it, its job included: large, and seldom another.
    Row,
    /// How far it has come.
    Progress,
}

/// What was remembered of an allocation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remembered {
    pub row: Vec<u8>,
    /// `None`: it has not begun, or an agent wrote it whose rows held all.
    pub progress: Option<Vec<u8>>,
}

/// What a node remembers across restarts, as bytes.
#[async_trait]
pub trait NodeStore: Send + Sync + 'static {
    /// On disk when it returns.
    async fn put(&self, alloc: AllocId, part: Part, bytes: Vec<u8>) -> std::io::Result<()>;
    /// Both parts.
    async fn remove(&self, alloc: AllocId) -> std::io::Result<()>;
    /// All that is readable. Damaged allocations are set aside and logged.
    async fn load(&self) -> std::io::Result<Vec<(AllocId, Remembered)>>;
    /// Metadata that people changed. On disk when it returns.
    async fn put_meta(&self, bytes: Vec<u8>) -> std::io::Result<()>;
    /// What was put last, if it is readable; damage is logged.
    async fn load_meta(&self) -> std::io::Result<Option<Vec<u8>>>;
}

/// Looks at the machine: cpu, memory, disk, network, kernel.
#[async_trait]
pub trait HostProbe: Send + Sync + 'static {
    /// Attributes and capacity of the machine; no drivers.
    async fn fingerprint(&self) -> HostFacts;
    /// Its addresses now, for templates that ask.
    async fn interfaces(&self) -> Vec<Interface>;
    async fn usage(&self) -> HostUsage;
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct HostFacts {
    pub attributes: BTreeMap<String, String>,
    pub capacity: model::Capacity,
    pub core_count: u32,
    /// Ids of the cores that the agent and its tasks may run on, ascending.
    pub cores: Vec<u16>,
    pub devices: Vec<model::DeviceGroup>,
    pub address: String,
}

/// What the machine uses now (`node status -stats`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HostUsage {
    pub time: Timestamp,
    pub uptime_secs: u64,
    pub memory_total: u64,
    pub memory_available: u64,
    pub memory_used: u64,
    pub memory_free: u64,
    /// MHz used over all cores.
    pub cpu_ticks: f64,
    pub cores: Vec<CoreUsage>,
    pub disks: Vec<DiskUsage>,
    /// The file system that holds the allocation directories.
    pub alloc_disk: DiskUsage,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CoreUsage {
    /// `cpu0`, ...
    pub name: String,
    /// Percent.
    pub user: f64,
    pub system: f64,
    pub idle: f64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DiskUsage {
    pub device: String,
    pub mount_point: String,
    /// Bytes.
    pub size: u64,
    pub used: u64,
    pub available: u64,
    pub inodes_used_percent: f64,
}

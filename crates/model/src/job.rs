//! A job: what somebody wants to run, and by which rules.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    files::{Artifact, Template},
    ids::JobKey,
    launch::{Launched, Parameterized, Periodic},
    location::{Affinity, Constraint, Spread},
    node_pool::PoolName,
    policy::{Disconnect, MigratePolicy, ReschedulePolicy, RestartPolicy, UpdateStrategy},
    resources::{Capacity, NetworkAsk, Port, Resources},
    scaling::Scaling,
    service::Service,
    time::Timestamp,
    ui::JobUi,
    version::VersionTag,
};

/// How a job is scheduled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobType {
    /// Runs until stopped; every exit is a failure.
    #[default]
    Service,
    /// Runs to completion; exit code 0 is success and is not repeated.
    Batch,
    /// A service on each node that may run it.
    System,
    /// A batch on each node that may run it.
    Sysbatch,
}

impl JobType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Batch => "batch",
            Self::System => "system",
            Self::Sysbatch => "sysbatch",
        }
    }

    pub const ALL: [Self; 4] = [Self::Service, Self::Batch, Self::System, Self::Sysbatch];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    /// Each group has one allocation on every node that may run it, all of the same name; none moves to another node.
    pub fn is_per_node(self) -> bool {
        matches!(self, Self::System | Self::Sysbatch)
    }

    /// Exit code 0 ends the work.
    pub fn completes(self) -> bool {
        matches!(self, Self::Batch | Self::Sysbatch)
    }

    /// New versions are rolled out with deployments.
    pub fn rolls_out(self) -> bool {
        matches!(self, Self::Service | Self::System)
    }
}

/// What the log says of a job as a whole; derived in `state`, stored for readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    #[default]
    Pending,
    Running,
    Dead,
}

impl JobStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Dead => "dead",
        }
    }
}

/// One version of a job. Immutable once stored: a change makes a new version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Job {
    pub region: String,
    pub namespace: String,
    pub id: String,
    /// Default: the id.
    pub name: String,
    pub kind: JobType,
    /// 1 to 100, higher first. Default: 50.
    pub priority: u16,
    /// Glob patterns. Default: `["*"]`.
    pub datacenters: Vec<String>,
    /// Whose nodes it may use.
    pub pool: PoolName,
    /// A plan of this job commits whole or not at all.
    pub all_at_once: bool,
    pub meta: BTreeMap<String, String>,
    pub constraints: Vec<Constraint>,
    pub affinities: Vec<Affinity>,
    pub spreads: Vec<Spread>,
    pub groups: Vec<TaskGroup>,
    /// For those who look at it in a browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ui: Option<JobUi>,
    /// It launches copies of itself by the calendar, and runs nothing itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub periodic: Option<Periodic>,
    /// It launches copies of itself when asked, and runs nothing itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameterized: Option<Parameterized>,
    /// Which job it is a copy of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launched: Option<Launched>,

    /// What somebody called this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_tag: Option<VersionTag>,
    /// Set by `stop`: nothing of this job shall run.
    pub stop: bool,
    /// A version of which a deployment succeeded.
    pub stable: bool,
    /// Counts the changes of the specification, from 0.
    pub version: u64,
    pub submit_time: Timestamp,
    pub status: JobStatus,
    /// Log index of the first registration.
    pub create_index: u64,
    /// Log index of the last change of this row, its status included.
    pub modify_index: u64,
    /// Log index at which this version was registered. Unique: an allocation refers to its version by it.
    pub job_modify_index: u64,
}

impl Default for Job {
    fn default() -> Self {
        Self {
            region: String::from("global"),
            namespace: String::from("default"),
            id: String::new(),
            name: String::new(),
            kind: JobType::Service,
            priority: 50,
            datacenters: vec![String::from("*")],
            pool: PoolName::default(),
            all_at_once: false,
            meta: BTreeMap::new(),
            constraints: Vec::new(),
            affinities: Vec::new(),
            spreads: Vec::new(),
            groups: Vec::new(),
            ui: None,
            periodic: None,
            parameterized: None,
            launched: None,
            version_tag: None,
            stop: false,
            stable: false,
            version: 0,
            submit_time: Timestamp::ZERO,
            status: JobStatus::Pending,
            create_index: 0,
            modify_index: 0,
            job_modify_index: 0,
        }
    }
}

impl Job {
    pub fn key(&self) -> JobKey {
        JobKey::new(self.namespace.as_str(), self.id.as_str())
    }

    /// The job that launched this one.
    pub fn parent(&self) -> Option<JobKey> {
        let launched = self.launched.as_ref()?;
        Some(JobKey::new(self.namespace.as_str(), launched.parent.as_str()))
    }

    /// Its copies run, it does not.
    pub fn only_launches(&self) -> bool {
        // What a parameterized one launches goes by the calendar if there is one.
        self.is_parameterized() || self.periodic.is_some()
    }

    /// Waits for dispatches; what was dispatched does not.
    pub fn is_parameterized(&self) -> bool {
        self.parameterized.is_some() && !self.launched.as_ref().is_some_and(|launched| launched.dispatched)
    }

    /// Launched by the calendar, now or when it is enabled.
    pub fn is_periodic(&self) -> bool {
        self.periodic.is_some() && !self.is_parameterized()
    }

    pub fn group(&self, name: &str) -> Option<&TaskGroup> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// Whether the two differ only in what the server keeps about a job, not in what the user wrote.
    pub fn same_spec(&self, other: &Self) -> bool {
        let strip = |job: &Self| Self {
            version_tag: None,
            stop: false,
            stable: false,
            version: 0,
            submit_time: Timestamp::ZERO,
            status: JobStatus::Pending,
            create_index: 0,
            modify_index: 0,
            job_modify_index: 0,
            ..job.clone()
        };
        strip(self) == strip(other)
    }
}

/// Tasks that run together on one node.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskGroup {
    pub name: String,
    /// Default: 1. Per node for `system` and `sysbatch` jobs, where it is 0 or 1.
    pub count: u32,
    pub meta: BTreeMap<String, String>,
    /// Absent: whoever scales it may choose any count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
    pub constraints: Vec<Constraint>,
    pub affinities: Vec<Affinity>,
    pub spreads: Vec<Spread>,
    pub restart: RestartPolicy,
    /// Absent when the job file disabled it, and for jobs that run on every node: there is no other place.
    pub reschedule: Option<ReschedulePolicy>,
    /// Present for service and system jobs unless `max_parallel = 0`.
    pub update: Option<UpdateStrategy>,
    pub migrate: Option<MigratePolicy>,
    /// What happens while the node cannot be reached. Absent: its allocations are lost and replaced at once.
    pub disconnect: Option<Disconnect>,
    pub ephemeral_disk: EphemeralDisk,
    /// Ports shared by the group's tasks (`network` in the group).
    pub network: Option<NetworkAsk>,
    pub services: Vec<Service>,
    /// Time between deregistration of the services and the kill signal. Default: 0.
    pub shutdown_delay: Duration,
    /// Its allocations are stopped when they have run for so long; only of jobs that complete. Absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_run_duration: Option<Duration>,
    pub tasks: Vec<Task>,
}

impl TaskGroup {
    /// More allocations than that in one job are a slip of the keyboard. (Nomad's `job_max_count`.)
    pub const MAX_COUNT: u32 = 50_000;

    /// What one instance takes away from its node. What its whole cores count is not in it: that depends on the node.
    /// Tasks that never run at the same time share the room of the larger ones.
    pub fn capacity(&self) -> Capacity {
        let of = |belongs: &dyn Fn(Option<Lifecycle>) -> bool| {
            let tasks = self.tasks.iter().filter(|task| belongs(task.lifecycle));
            tasks.fold(Capacity::default(), |sum, task| sum.plus(task.capacity()))
        };
        let before = of(&|lifecycle| lifecycle.is_some_and(|it| it.hook == Hook::Prestart && !it.sidecar));
        let after = of(&|lifecycle| lifecycle.is_some_and(|it| it.hook == Hook::Poststop));
        let meanwhile = of(&|lifecycle| lifecycle.is_none_or(|it| it.hook == Hook::Poststart && !it.sidecar));
        let always = of(&|lifecycle| lifecycle.is_some_and(|it| it.hook != Hook::Poststop && it.sidecar));
        let most = before.most(after).most(meanwhile);
        let disk = Capacity { disk_mb: self.ephemeral_disk.size_mb, ..Capacity::default() };
        disk.plus(always).plus(most)
    }

    /// How many whole cores one instance takes.
    pub fn cores(&self) -> u32 {
        self.tasks.iter().fold(0, |sum, task| sum.saturating_add(task.resources.cores))
    }

    /// All port asks: the group's (no task name), then each task's.
    pub fn ports(&self) -> impl Iterator<Item = (Option<&str>, &Port)> {
        let own = self.network.iter().flat_map(|network| network.ports.iter().map(|port| (None, port)));
        let tasks = self.tasks.iter().flat_map(|task| {
            task.resources.network.iter().flat_map(move |network| {
                network.ports.iter().map(move |port| (Some(task.name.as_str()), port))
            })
        });
        own.chain(tasks)
    }

    pub fn task(&self, name: &str) -> Option<&Task> {
        self.tasks.iter().find(|task| task.name == name)
    }
}

/// One process, container or the like, run by a driver.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Task {
    pub name: String,
    /// `docker`, `raw_exec` or `mock_driver`.
    pub driver: String,
    /// Empty: the driver's default.
    pub user: String,
    /// The driver's own settings; checked by the driver's schema in `jobspec`.
    pub config: BTreeMap<String, Value>,
    pub env: BTreeMap<String, String>,
    pub meta: BTreeMap<String, String>,
    pub constraints: Vec<Constraint>,
    pub affinities: Vec<Affinity>,
    pub services: Vec<Service>,
    pub resources: Resources,
    /// The group's policy with the task's own settings over it.
    pub restart: RestartPolicy,
    pub logs: LogConfig,
    /// When it exits its siblings are stopped.
    pub leader: bool,
    /// From the kill signal to SIGKILL. Default: 5 s.
    pub kill_timeout: Duration,
    /// Empty: the driver's default (raw_exec: SIGINT, docker: the image's stop signal).
    pub kill_signal: String,
    /// Time between deregistration of the services and the kill signal. Default: 0.
    pub shutdown_delay: Duration,
    /// Absent: it is one of the group's main tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,
    /// Where the payload of a dispatch is put, below the task's `local` directory. Empty: nowhere.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub payload_file: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<Template>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Artifact>,
    /// Commands that people run in it, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
}

/// A command with a name, to be run inside the task when somebody asks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Action {
    /// Unique in its task.
    pub name: String,
    pub command: String,
    pub args: Vec<String>,
}

impl Task {
    pub fn action(&self, name: &str) -> Option<&Action> {
        self.actions.iter().find(|action| action.name == name)
    }

    fn capacity(&self) -> Capacity {
        Capacity { cpu_mhz: self.resources.cpu_mhz, memory_mb: self.resources.memory_mb, disk_mb: 0 }
    }

    /// How its exits are understood: helpers run to their end, those beside the main tasks as long as these do.
    pub fn kind(&self, job: JobType) -> JobType {
        match self.lifecycle {
            None => job,
            Some(lifecycle) if lifecycle.sidecar => JobType::Service,
            Some(_) => JobType::Batch,
        }
    }

    pub fn has_hook(&self, hook: Hook) -> bool {
        self.lifecycle.is_some_and(|lifecycle| lifecycle.hook == hook)
    }

    pub fn is_sidecar(&self) -> bool {
        self.lifecycle.is_some_and(|lifecycle| lifecycle.sidecar)
    }
}

/// When a task runs that helps the main ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// Before them, to its end; a sidecar only begins before them.
    Prestart,
    /// Once they run.
    Poststart,
    /// After they have ended.
    Poststop,
}

impl Hook {
    pub const ALL: [Self; 3] = [Self::Prestart, Self::Poststart, Self::Poststop];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prestart => "prestart",
            Self::Poststart => "poststart",
            Self::Poststop => "poststop",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hook| hook.as_str() == text)
    }
}

/// `lifecycle` of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lifecycle {
    pub hook: Hook,
    /// It runs as long as the main tasks do, and is restarted as they are.
    pub sidecar: bool,
}

/// A value of a driver's `config`: the same shapes as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
}

impl Value {
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// The allocation's own directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EphemeralDisk {
    /// Default: 300.
    pub size_mb: u32,
    /// What takes the place of an allocation goes to its node, if it can, and takes over its data. Default: no.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sticky: bool,
    /// As `sticky`; and where the place is on another node, the data move there. Default: no.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub migrate: bool,
}

impl Default for EphemeralDisk {
    fn default() -> Self {
        Self { size_mb: 300, sticky: false, migrate: false }
    }
}

impl EphemeralDisk {
    /// Data outlive their allocation: `migrate` means `sticky`, too.
    pub fn is_sticky(&self) -> bool {
        self.sticky || self.migrate
    }
}

/// Rotation of a task's output, per stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogConfig {
    /// Default: 10.
    pub max_files: u32,
    /// Default: 10.
    pub max_file_size_mb: u32,
    /// Nothing is kept of what the task writes. Default: no.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { max_files: 10, max_file_size_mb: 10, disabled: false }
    }
}

//! The one enum that goes through the log, its outcomes, and its form on disk.

use std::collections::BTreeMap;

use model::{
    Agent, AllocId, AllocUpdate, AutopilotSettings, Deployment, DeploymentId, DeploymentStatus, Drain,
    Eligibility, EvalId, Evaluation, Job, JobKey, Node, NodeEvent, NodeId, NodePool, NodeStatus, Plan,
    PoolName, ScalingEvent, SchedulerSettings, Submission, Timestamp,
};
use serde::{Deserialize, Serialize};

/// A random name, as bytes: numbers of 128 bits are not everywhere readable.
pub type Epoch = [u8; 16];

/// A change of the state. Everything that is not derivable (ids, times, choices) is inside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Adds a node or replaces what it says of itself; what servers noted about it stays.
    RegisterNode {
        node: Node,
        evals: Vec<Evaluation>,
        now: Timestamp,
    },
    /// Changes the status the servers see.
    SetNodeStatus {
        node: NodeId,
        status: NodeStatus,
        event: Option<NodeEvent>,
        evals: Vec<Evaluation>,
        now: Timestamp,
    },
    SetNodeEligibility {
        node: NodeId,
        eligibility: Eligibility,
        evals: Vec<Evaluation>,
        now: Timestamp,
    },
    /// Registers a job; the same specification again makes no new version.
    RegisterJob {
        job: Box<Job>,
        /// `Some(0)`: the job must not exist; `Some(n)`: its `job_modify_index` must be n.
        enforce_index: Option<u64>,
        eval: Option<Evaluation>,
        now: Timestamp,
    },
    /// Stops a job, or forgets it (`purge`).
    DeregisterJob {
        job: JobKey,
        purge: bool,
        eval: Option<Evaluation>,
        now: Timestamp,
    },
    /// Registers a copy of a job that launches others.
    LaunchJob {
        parent: JobKey,
        /// Id of the copy.
        child: String,
        launch: Launch,
        /// Of the copy.
        eval: Evaluation,
        now: Timestamp,
    },
    /// Adds or replaces evaluations.
    UpdateEvals {
        evals: Vec<Evaluation>,
    },
    /// Makes a verified plan true, together with the evaluations it settles or creates.
    ApplyPlan {
        plan: Box<Plan>,
        evals: Vec<Evaluation>,
    },
    /// What a node reported.
    UpdateAllocs {
        updates: Vec<AllocUpdate>,
        evals: Vec<Evaluation>,
        /// The node told of everything it still has: if it waited for that (`initializing`) it is ready now.
        #[serde(default)]
        synced: Option<NodeId>,
        #[serde(default)]
        now: Timestamp,
    },
    UpdateDeployment {
        deployment: DeploymentId,
        status: DeploymentStatus,
        description: String,
        /// The job version that the deployment proved good.
        stable: bool,
        evals: Vec<Evaluation>,
        now: Timestamp,
    },
    /// Forgets terminal evaluations and their allocations, and dead jobs, that were last changed before `before`.
    Collect {
        before: Timestamp,
    },
    /// Adds a deployment (kept apart from plans for deployments without placements).
    AddDeployment {
        deployment: Deployment,
    },
    /// Starts a drain, changes the running one, or (`None`) ends it before its time.
    SetNodeDrain {
        node: NodeId,
        drain: Option<Drain>,
        /// Only without a drain: the node takes new allocations again.
        mark_eligible: bool,
        evals: Vec<Evaluation>,
        now: Timestamp,
    },
    /// Nothing that had to move is left on the node. It stays ineligible. Does nothing if the node is not draining.
    FinishDrain {
        node: NodeId,
        /// Its deadline had passed.
        forced: bool,
        now: Timestamp,
    },
    /// These shall move: the next evaluation of their jobs replaces them.
    MarkMigrate {
        allocs: Vec<AllocId>,
        evals: Vec<Evaluation>,
        now: Timestamp,
    },
    /// When these are stopped, their tasks are not given their `shutdown_delay`.
    SkipShutdownDelay {
        allocs: Vec<AllocId>,
        /// And all of this job that are not over.
        #[serde(default)]
        job: Option<JobKey>,
    },
    /// Forgets a node. Its allocations are lost with the next evaluation of their jobs.
    PurgeNode {
        node: NodeId,
        evals: Vec<Evaluation>,
        now: Timestamp,
    },
    /// Replaces what operators decided about the servers in the log. The indexes inside do not count.
    SetAutopilot {
        settings: AutopilotSettings,
        /// The `modify_index` that the settings must have; 0: they must never have been set.
        enforce_index: Option<u64>,
    },
    /// What gossip says of the agents, where it differs from the table.
    UpdateAgents {
        put: Vec<Agent>,
        /// They left.
        gone: Vec<NodeId>,
        /// Names this log: set once, when it has no name yet, or anew when entries were given up (recovery). Whoever
        /// follows the catalog begins again then.
        epoch: Option<Epoch>,
        now: Timestamp,
    },
    /// Says of one version of a job whether it is known to be good.
    SetJobStability {
        job: JobKey,
        /// Counts from 0.
        version: u64,
        stable: bool,
    },
    /// What somebody decides about a deployment that has not ended.
    SteerDeployment {
        deployment: DeploymentId,
        steering: Steering,
        evals: Vec<Evaluation>,
        now: Timestamp,
    },
    /// Replaces what operators decided about the scheduler. The indexes inside do not count.
    SetScheduler {
        settings: SchedulerSettings,
        /// The `modify_index` that the settings must have; 0: they must never have been set.
        enforce_index: Option<u64>,
    },
    /// Keeps the text of the version that the same entry has registered; otherwise does nothing.
    KeepSubmission {
        job: JobKey,
        submission: Box<Submission>,
    },
    /// Gives a version of a job a name, or (`None`) takes it away.
    TagVersion {
        job: JobKey,
        name: String,
        tagging: Option<Tagging>,
        now: Timestamp,
    },
    /// Notes a change of a group's count that the same entry has made, or something else about it.
    NoteScaling {
        job: JobKey,
        group: String,
        event: Box<ScalingEvent>,
    },
    /// Forgets evaluations, but for those because of which something runs.
    DeleteEvals {
        evals: Vec<EvalId>,
    },
    /// Makes pools of nodes or replaces what is known of them, all or none. The indexes inside do not count.
    PutPools {
        pools: Vec<NodePool>,
    },
    /// Forgets a pool in which there is no node and that no job asks for.
    DeletePool {
        name: PoolName,
    },
}

/// Which version gets a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tagging {
    /// Counts from 0.
    pub version: u64,
    pub description: String,
}

/// What a job is launched for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Launch {
    /// A slot of its calendar has come. Each is launched once, however many say so.
    Slot(Timestamp),
    /// Somebody does not want to wait for the next slot.
    ByHand,
    Dispatch {
        payload: Vec<u8>,
        meta: BTreeMap<String, String>,
        /// Empty: none.
        idempotency_token: String,
        /// Default: that of the parent.
        priority: Option<u16>,
    },
}

/// A decision about a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Steering {
    Fail,
    Pause,
    /// Its deadlines begin anew.
    Resume,
    /// The canaries of these groups are good, or those of all groups: the rest follows.
    Promote {
        groups: Option<Vec<String>>,
    },
    /// These allocations of it are healthy or not, whatever their nodes have said so far.
    Health {
        healthy: Vec<AllocId>,
        unhealthy: Vec<AllocId>,
    },
}

impl Steering {
    /// `can't <what> terminal deployment`
    fn name(&self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Promote { .. } => "promote",
            Self::Health { .. } => "set health of allocations for a",
        }
    }
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Done,
    JobRegistered {
        job_modify_index: u64,
        version: u64,
        new_version: bool,
    },
    JobDeregistered {
        job_modify_index: u64,
        existed: bool,
    },
    JobLaunched {
        child: String,
        job_modify_index: u64,
        /// By an earlier dispatch with the same token; nothing was launched now.
        existed: bool,
    },
    /// By hand.
    DeploymentFailed {
        /// The job version that is back.
        reverted: Option<u64>,
    },
    Collected {
        evals: u32,
        allocs: u32,
        jobs: u32,
    },
    /// Nothing was changed.
    Refused(Refusal),
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    #[error("Enforcing job modify index {wanted}: job exists with conflicting job modify index: {found}")]
    IndexConflict { wanted: u64, found: u64 },
    #[error("Enforcing job modify index 0: job already exists")]
    JobExists,
    #[error("Enforcing job modify index {wanted}: job does not exist")]
    JobMissing { wanted: u64 },
    #[error("job not found: {0}")]
    UnknownJob(String),
    #[error("job {0} is stopped: register it again first")]
    Stopped(String),
    #[error("job {0} is not a periodic job")]
    NotPeriodic(String),
    #[error("Specified job \"{0}\" is not a parameterized job")]
    NotParameterized(String),
    #[error("{0} was launched already, or an earlier launch still runs and prohibit_overlap is set")]
    SlotTaken(String),
    #[error("{0}")]
    Dispatch(String),
    #[error("cannot update {}{word} job to being {}{word}: stop it first, or use another id",
        if *becomes { "non-" } else { "" }, if *becomes { "" } else { "non-" })]
    AnotherKind { becomes: bool, word: String },
    #[error("node {0} is not registered")]
    UnknownNode(NodeId),
    #[error("can not set node's scheduling eligibility to eligible while it is draining")]
    Draining(NodeId),
    #[error("deployment {0} does not exist")]
    UnknownDeployment(DeploymentId),
    #[error("job {:?} in namespace {:?} at version {version} not found", .job.id, .job.namespace)]
    UnknownVersion { job: JobKey, version: u64 },
    #[error("can't {} terminal deployment", .0.name())]
    DeploymentEnded(Steering),
    #[error("no canaries to promote")]
    NoCanaries,
    #[error("Task group {group:?} has {healthy}/{desired} healthy allocations")]
    CanariesNotHealthy { group: String, healthy: u32, desired: u32 },
    #[error("allocation {alloc} is not part of deployment {deployment}")]
    NotOfDeployment { alloc: AllocId, deployment: DeploymentId },
    #[error("{0}")]
    Tag(String),
    #[error("evaluation {0} does not exist")]
    UnknownEval(EvalId),
    #[error("the autopilot settings were changed meanwhile: their index is {found}, not {wanted}")]
    AutopilotChanged { wanted: u64, found: u64 },
    #[error("modifying node pool {:?} is not allowed: it is built in", .0.as_str())]
    BuiltInPool(PoolName),
    #[error("node pool not found: {0}")]
    UnknownPool(PoolName),
    #[error("node pool {:?} has nodes: move them to other pools or purge them first", .0.as_str())]
    PoolHasNodes(PoolName),
    #[error("node pool {:?} has non-terminal jobs: stop them first", .0.as_str())]
    PoolHasJobs(PoolName),
    #[error("job {job:?} is in nonexistent node pool {:?}", .pool.as_str())]
    JobInUnknownPool { job: String, pool: PoolName },
    #[error("the scheduler settings were changed meanwhile: their index is {found}, not {wanted}")]
    SchedulerChanged { wanted: u64, found: u64 },
}

/// The bytes are not a command of this version.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("the log holds a command of type {0} that this version does not know; a newer troupe is needed")]
    UnknownType(u16),
    #[error("a command in the log is damaged")]
    Damaged(#[source] rmp_serde::decode::Error),
}

/// On disk and on the wire: a type number that any version can read, then the body as named fields.
#[derive(Serialize, Deserialize)]
struct Envelope {
    kind: u16,
    #[serde(with = "serde_bytes_compat")]
    body: Vec<u8>,
}

/// `Vec<u8>` as bytes rather than as a list of numbers.
mod serde_bytes_compat {
    use serde::{Deserializer, Serializer, de::Visitor};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }

            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }
        }
        deserializer.deserialize_byte_buf(Bytes)
    }
}

impl Command {
    /// Work that somebody wants to have done, and can ask for again later: it waits where the cluster's own business and
    /// stops do not.
    pub fn is_new_work(&self) -> bool {
        matches!(self, Self::RegisterJob { .. } | Self::LaunchJob { .. })
    }

    /// Never reused, never renumbered.
    pub fn type_number(&self) -> u16 {
        match self {
            Self::RegisterNode { .. } => 1,
            Self::SetNodeStatus { .. } => 2,
            Self::SetNodeEligibility { .. } => 3,
            Self::RegisterJob { .. } => 4,
            Self::DeregisterJob { .. } => 5,
            Self::UpdateEvals { .. } => 6,
            Self::ApplyPlan { .. } => 7,
            Self::UpdateAllocs { .. } => 8,
            Self::UpdateDeployment { .. } => 9,
            Self::Collect { .. } => 10,
            Self::AddDeployment { .. } => 11,
            Self::SetNodeDrain { .. } => 12,
            Self::FinishDrain { .. } => 13,
            Self::MarkMigrate { .. } => 14,
            Self::PurgeNode { .. } => 15,
            Self::SetAutopilot { .. } => 16,
            Self::UpdateAgents { .. } => 20,
            Self::SetScheduler { .. } => 21,
            Self::LaunchJob { .. } => 22,
            Self::SetJobStability { .. } => 30,
            Self::SteerDeployment { .. } => 31,
            Self::SkipShutdownDelay { .. } => 40,
            Self::KeepSubmission { .. } => 50,
            Self::TagVersion { .. } => 51,
            Self::NoteScaling { .. } => 52,
            Self::DeleteEvals { .. } => 53,
            Self::PutPools { .. } => 70,
            Self::DeletePool { .. } => 71,
        }
    }

    /// The highest type number this version knows.
    pub const NEWEST_TYPE: u16 = 71;

    pub fn encode(&self) -> Vec<u8> {
        debug_assert!(
            self.type_number() <= Self::NEWEST_TYPE,
            "raise NEWEST_TYPE: no server would read this"
        );
        let body =
            rmp_serde::to_vec_named(self).expect("commands hold no type that MessagePack cannot encode");
        rmp_serde::to_vec(&Envelope { kind: self.type_number(), body })
            .expect("an envelope holds a number and bytes")
    }

    /// # Errors
    /// For an unknown type the server must stop: going on would give it another state than its peers.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let envelope: Envelope = rmp_serde::from_slice(bytes).map_err(DecodeError::Damaged)?;
        if envelope.kind == 0 || envelope.kind > Self::NEWEST_TYPE {
            return Err(DecodeError::UnknownType(envelope.kind));
        }
        rmp_serde::from_slice(&envelope.body).map_err(DecodeError::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_round_trip() {
        let command = Command::RegisterJob {
            job: Box::new(Job { id: "redis".into(), ..Job::default() }),
            enforce_index: Some(3),
            eval: None,
            now: Timestamp(7),
        };
        assert_eq!(Command::decode(&command.encode()).unwrap(), command);
    }

    #[test]
    fn a_command_of_a_newer_version_is_refused_by_number() {
        let bytes = rmp_serde::to_vec(&Envelope { kind: 999, body: vec![1, 2, 3] }).unwrap();
        assert!(matches!(Command::decode(&bytes), Err(DecodeError::UnknownType(999))));
    }

    #[test]
    fn damaged_bytes_are_an_error() {
        assert!(Command::decode(&[0xc1, 0, 1]).is_err());
    }
}

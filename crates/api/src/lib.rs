//! What HTTP and the CLI exchange: twins of the nouns under the names that Nomad's and Consul's clients know.
//!
//! A twin has every key that existing clients look for; what troupe does not have is there with its zero value.
//! Renaming a field inside `model` cannot break a client: the conversions live here, and `tests/keys.rs` walks the
//! names.
//!
//! Reading is lenient as clients expect (keys in any case, `null` for "not set", unknown keys skipped), except in one
//! thing: a *known* field that troupe would not obey is refused by name (see [`Job::into_model`]).

mod wire; // the shape all twins share: PascalCase, null for empty, durations as nanoseconds

pub mod filter; // expressions that choose rows of a list
pub mod decode; // lenient reading of JSON bodies
pub mod time; // timestamps as RFC 3339 text

pub mod job; // Job and all below it
mod job_list; // jobs in lists
mod job_from_model; // model -> wire
mod job_to_model; // wire -> model, with defaults and refusals

pub mod agent; // members, agent/self, search
pub mod alloc; // Allocation, its stub, resources
pub mod deployment; // Deployment and its groups
pub mod diff; // what is different between two versions of a job
pub mod eval; // Evaluation
pub mod metric; // AllocMetric
pub mod node; // Node, its stub, drivers and events
mod node_resources; // what a node has
pub mod files; // templates, artifacts
pub mod launch; // periodic, parameterized, dispatch, lifecycle
pub mod built_in; // namespaces
pub mod node_pool; // pools of nodes
pub mod node_meta; // metadata that people change while the node runs
pub mod scale; // counts of groups
pub mod checks; // checks of one allocation
pub mod service; // services of allocations
pub mod statuses; // all about several jobs
pub mod submission; // what a version was made from, and its name
pub mod action; // commands with names
pub mod alloc_act; // stop, restart, signal, files
pub mod location; // constraints, affinities, spreads
pub mod operator; // servers in the log, autopilot, scheduler settings
pub mod request; // register, deregister, parse, validate, plan
pub mod task_state; // task states and events
pub mod stats; // what allocations and hosts use

pub mod consul; // Consul's catalog and health objects

pub use action::{Action, JobAction};
pub use agent::{
    AgentHealth, AgentMembers, AgentSelf, FuzzyMatch, FuzzySearchRequest, FuzzySearchResponse, HealthNote,
    JoinResponse, Member, SearchRequest, SearchResponse,
};
pub use alloc::{AllocDeploymentStatus, AllocListStub, AllocatedResources, Allocation, RescheduleTracker};
pub use alloc_act::{AllocFileInfo, AllocRestartRequest, AllocSignalRequest, AllocStopResponse, NodeAnswer};
pub use built_in::Namespace;
pub use checks::CheckResult;
pub use decode::{DecodeError, decode, decode_value};
pub use deployment::{
    Deployment, DeploymentHealthRequest, DeploymentPauseRequest, DeploymentPromoteRequest, DeploymentState,
    DeploymentUpdateResponse,
};
pub use diff::{DiffType, FieldDiff, JobDiff, ObjectDiff, TaskDiff, TaskGroupDiff};
pub use eval::Evaluation;
pub use filter::{Filter, FilterError};
pub use job::{
    Affinity, Constraint, DisconnectStrategy, EphemeralDisk, Job, JobVersionTag, LogConfig, MigrateStrategy,
    NetworkResource, Port, ReschedulePolicy, Resources, RestartPolicy, Service, ServiceCheck, Spread,
    SpreadTarget, Task, TaskGroup, UpdateStrategy,
};
pub use job_from_model::{config_from_json, config_to_json};
pub use job_list::{JobChildren, JobListStub, JobSummary, TaskGroupSummary};
pub use job_to_model::Refused;
pub use launch::{JobDispatchRequest, JobDispatchResponse, PeriodicForceResponse};
pub use metric::AllocMetric;
pub use node::{
    DrainSpec, DriverInfo, Node, NodeDrainRequest, NodeEligibilityRequest, NodeEvent, NodeListStub,
    NodeModifyResponse, NodeUpdateResponse,
};
pub use node_meta::{NodeMetaApplyRequest, NodeMetaResponse};
pub use node_pool::NodePool;
pub use operator::{
    AutopilotConfiguration, AutopilotHealth, LeadershipTransfer, RaftConfiguration, RaftPeer, RaftServer,
    SchedulerConfiguration, SchedulerConfigurationResponse, SchedulerConfigurationUpdate, ServerHealth,
};
pub use request::{
    JobDeregisterResponse, JobEvaluateRequest, JobPlanRequest, JobPlanResponse, JobRegisterRequest,
    JobRegisterResponse, JobRevertRequest, JobStabilityRequest, JobStabilityResponse, JobValidateRequest,
    JobValidateResponse, JobVersionsResponse, JobsParseRequest, QueryMeta,
};
pub use scale::{
    JobScaleRequest, JobScaleStatus, ScalingEvent, ScalingPolicy, ScalingPolicyListStub, TaskGroupScaleStatus,
};
pub use service::{ServiceList, ServiceRegistration, ServiceStub};
pub use stats::{AllocResourceUsage, CpuStats, HostStats, MemoryStats, ResourceUsage, TaskResourceUsage};
pub use statuses::{
    JobStatusesAlloc, JobStatusesDeployment, JobStatusesHealth, JobStatusesJob, JobStatusesKey,
    JobStatusesRequest,
};
pub use submission::{JobSubmission, JobTagRequest, JobTagResponse};
pub use task_state::{TaskEvent, TaskState};
pub use time::Time;

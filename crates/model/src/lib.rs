//! The nouns of troupe: what the log stores, the scheduler decides about and the actors talk of.
//!
//! No behaviour that needs a clock, a socket or a random source lives here: ids, times and choices
//! come in as values.

pub mod ids; // typed identifiers
pub mod small_map; // a map of few keys
mod glob; // patterns of names
mod words; // texts that are not kept twice
pub mod civil; // days and dates
pub mod time; // Timestamp: nanoseconds since the epoch, always passed in
pub mod resources; // what tasks ask for and nodes offer
pub mod claims; // whole cores and devices
pub mod service; // services and their checks
pub mod job; // job, task group, task
mod ui; // what pages about a job say besides
pub mod fetch; // what the source of an artifact says
pub mod files; // what a task finds when it starts: templates, artifacts
pub mod scaling; // bounds of counts
pub mod version; // what is kept with a version of a job
pub mod location; // where it may run and where it would rather
pub mod launch; // jobs that launch jobs: calendar, dispatch
pub mod policy; // restart, reschedule, update, migrate
pub mod node_pool; // nodes that a job can ask for by one name
pub mod node; // a machine and its drivers
pub mod agent; // a member of the cluster, as the catalog shows it
pub mod alloc; // an instance of a task group on a node
pub mod eval; // a reason to look at a job
pub mod deployment; // the roll-out of a job version
pub mod metric; // why a placement went as it did
pub mod autopilot; // what operators decide about the servers
pub mod scheduling; // what operators decide about the scheduler
pub mod plan; // what the scheduler decided

pub use agent::{Agent, AgentStatus, Endpoint};
pub use alloc::{
    AllocHealth, AllocUpdate, Allocation, AssignedPort, CheckState, CheckStatus, ClientStatus, DesiredStatus,
    RescheduleEvent, ServiceState, TaskEvent, TaskPhase, TaskState, event_type,
};
pub use autopilot::AutopilotSettings;
pub use claims::{ClaimedDevices, Claims, Device, DeviceAsk, DeviceGroup, DeviceName, TaskClaims};
pub use deployment::{Deployment, DeploymentStatus, GroupRollout};
pub use eval::{EvalStatus, Evaluation, Trigger};
pub use files::{Artifact, ArtifactMode, ChangeMode, ChangeScript, Template, Wait};
pub use glob::glob;
pub use ids::{AllocId, DeploymentId, EvalId, JobKey, NodeId};
pub use job::{
    Action, EphemeralDisk, Hook, Job, JobStatus, JobType, Lifecycle, LogConfig, Task, TaskGroup, Value,
};
pub use launch::{Launched, Parameterized, PayloadRule, Periodic};
pub use location::{Affinity, Constraint, Operand, Spread, SpreadTarget};
pub use metric::AllocMetric;
pub use node::{
    Drain, DrainDeadline, DrainStatus, DriverInfo, Eligibility, LastDrain, Node, NodeEvent, NodeStatus,
};
pub use node_pool::{NodePool, PoolName};
pub use plan::{AllocStop, Eviction, GroupAnnotation, Placement, Plan};
pub use policy::{
    DelayFunction, Disconnect, HealthCheck, MigratePolicy, Reconcile, ReschedulePolicy, RestartMode,
    RestartPolicy, UpdateStrategy,
};
pub use resources::{Capacity, MemoryMax, NetworkAsk, Port, Resources};
pub use scaling::{Scaling, ScalingEvent};
pub use scheduling::{Algorithm, Preemption, SchedulerSettings};
pub use service::{
    AddressMode, Check, CheckKind, CheckRestart, OnUpdate, Provider, Service, TaggedAddress, Weights,
};
pub use small_map::SmallMap;
pub use time::Timestamp;
pub use ui::{JobLink, JobUi};
pub use version::{Submission, VersionTag};

//! Policies of a task group: restart, reschedule, update, migrate, disconnect.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::job::JobType;

/// What happens when the restart attempts of an interval are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartMode {
    /// The task is dead and failed; rescheduling may move the allocation.
    #[default]
    Fail,
    /// Waits for the end of the interval, then tries again.
    Delay,
}

/// Restarts on the same node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RestartPolicy {
    /// Restarts allowed within `interval`. Default: service and system 2, batch and sysbatch 3.
    pub attempts: u32,
    /// Default: service and system 30 min, batch and sysbatch 24 h.
    pub interval: Duration,
    /// Time before a restart; up to a quarter more is added at random. Default: 15 s.
    pub delay: Duration,
    pub mode: RestartMode,
    /// Each restart renders the task's templates again, instead of only what changed. Default: no.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub render_templates: bool,
}

impl RestartPolicy {
    pub fn for_type(kind: JobType) -> Self {
        let (attempts, interval) = match kind {
            JobType::Service | JobType::System => (2, Duration::from_secs(30 * 60)),
            JobType::Batch | JobType::Sysbatch => (3, Duration::from_secs(24 * 3600)),
        };
        let delay = Duration::from_secs(15);
        Self { attempts, interval, delay, mode: RestartMode::Fail, render_templates: false }
    }
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self::for_type(JobType::Service)
    }
}

/// How the waiting time grows from one reschedule to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DelayFunction {
    Constant,
    #[default]
    Exponential,
    Fibonacci,
}

/// Replacement of a failed allocation, possibly on another node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReschedulePolicy {
    pub attempts: u32,
    pub interval: Duration,
    pub delay: Duration,
    pub delay_function: DelayFunction,
    pub max_delay: Duration,
    pub unlimited: bool,
}

impl ReschedulePolicy {
    /// The default; of no use to jobs that run on every node, which have no other place.
    pub fn for_type(kind: JobType) -> Self {
        match kind {
            JobType::Service | JobType::System => Self {
                attempts: 0,
                interval: Duration::ZERO,
                delay: Duration::from_secs(30),
                delay_function: DelayFunction::Exponential,
                max_delay: Duration::from_secs(3600),
                unlimited: true,
            },
            JobType::Batch | JobType::Sysbatch => Self {
                attempts: 1,
                interval: Duration::from_secs(24 * 3600),
                delay: Duration::from_secs(5),
                delay_function: DelayFunction::Constant,
                max_delay: Duration::ZERO,
                unlimited: false,
            },
        }
    }
}

impl Default for ReschedulePolicy {
    fn default() -> Self {
        Self::for_type(JobType::Service)
    }
}

/// What makes an allocation of a deployment healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthCheck {
    /// All tasks run and all checks pass.
    #[default]
    Checks,
    /// All tasks run.
    TaskStates,
    /// Only what people say through the API counts.
    Manual,
}

/// How a new version replaces an old one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpdateStrategy {
    /// Allocations replaced at a time; at least 1 here (0 in a job file means no update strategy).
    pub max_parallel: u32,
    pub stagger: Duration,
    pub health_check: HealthCheck,
    /// An allocation counts as healthy after being so for this long. Default: 10 s.
    pub min_healthy_time: Duration,
    /// Unhealthy when not healthy by then. Default: 5 min.
    pub healthy_deadline: Duration,
    /// The deployment fails without progress for this long; 0: with the first unhealthy allocation. Default: 10 min.
    pub progress_deadline: Duration,
    /// A roll-out that fails brings the newest stable version back, as a new version. Default: no.
    pub auto_revert: bool,
    /// Canaries are promoted as soon as all of them are healthy. Default: no, somebody promotes them.
    pub auto_promote: bool,
    /// Allocations of the new version that run beside the old ones until they are promoted; for a job that runs on every
    /// node, the percentage of nodes that get the new version before the others. Default: 0.
    pub canary: u32,
}

impl UpdateStrategy {
    /// The deadline of progress where none is written: 10 min, or 5 min after `healthy_deadline` where that is as long. Job
    /// files of before 2018 know only the latter.
    pub fn default_progress_deadline(healthy_deadline: Duration) -> Duration {
        let default = Self::default();
        if healthy_deadline < default.progress_deadline {
            return default.progress_deadline;
        }
        healthy_deadline.saturating_add(default.progress_deadline - default.healthy_deadline)
    }
}

impl Default for UpdateStrategy {
    fn default() -> Self {
        Self {
            max_parallel: 1,
            stagger: Duration::from_secs(30),
            health_check: HealthCheck::Checks,
            min_healthy_time: Duration::from_secs(10),
            healthy_deadline: Duration::from_secs(300),
            progress_deadline: Duration::from_secs(600),
            auto_revert: false,
            auto_promote: false,
            canary: 0,
        }
    }
}

/// How allocations leave a draining node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MigratePolicy {
    pub max_parallel: u32,
    pub health_check: HealthCheck,
    pub min_healthy_time: Duration,
    pub healthy_deadline: Duration,
}

impl Default for MigratePolicy {
    fn default() -> Self {
        Self {
            max_parallel: 1,
            health_check: HealthCheck::Checks,
            min_healthy_time: Duration::from_secs(10),
            healthy_deadline: Duration::from_secs(300),
        }
    }
}

/// Which of two stays when a node comes back and a replacement runs already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reconcile {
    /// The one on the node that suits the job better.
    #[default]
    BestScore,
    LongestRunning,
    KeepOriginal,
    KeepReplacement,
}

impl Reconcile {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BestScore => "best_score",
            Self::LongestRunning => "longest_running",
            Self::KeepOriginal => "keep_original",
            Self::KeepReplacement => "keep_replacement",
        }
    }

    pub const ALL: [Self; 4] =
        [Self::BestScore, Self::LongestRunning, Self::KeepOriginal, Self::KeepReplacement];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// What happens to allocations whose node cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Disconnect {
    /// How long they are `unknown` before they count as lost. Zero: lost at once, or never where nothing replaces them.
    pub lost_after: Duration,
    /// A replacement runs meanwhile. Default: true.
    pub replace: bool,
    /// The node itself stops them after being without servers for this long.
    pub stop_on_client_after: Option<Duration>,
    pub reconcile: Reconcile,
}

impl Disconnect {
    /// A hundred years: whoever is not replaced is not given up either, unless it is said when.
    pub const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

    /// How long allocations on a node that cannot be reached stay `unknown`; `None`: they are lost at once.
    pub fn patience(&self) -> Option<Duration> {
        match (self.lost_after.is_zero(), self.replace) {
            (false, _) => Some(self.lost_after),
            (true, true) => None,
            (true, false) => Some(Self::FOR_EVER),
        }
    }
}

impl Default for Disconnect {
    fn default() -> Self {
        Self {
            lost_after: Duration::ZERO,
            replace: true,
            stop_on_client_after: None,
            reconcile: Reconcile::BestScore,
        }
    }
}

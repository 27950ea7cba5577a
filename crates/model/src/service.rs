//! Services: names under which tasks are found, and the checks that decide who is healthy.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::CheckStatus;

/// A name in the catalog, pointing at a port of a task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    /// `${JOB}`, `${TASKGROUP}`, `${TASK}` and `${BASE}` are replaced at registration; everything else that is
    /// interpolated, on the node. Default: `<job>-<group>-<task>`.
    pub name: String,
    pub tags: Vec<String>,
    pub meta: BTreeMap<String, String>,
    /// Instead of `tags` while the allocation is a canary; empty: the same.
    pub canary_tags: Vec<String>,
    /// Instead of `meta` while the allocation is a canary; empty: the same.
    pub canary_meta: BTreeMap<String, String>,
    /// Label of the port that clients connect to; empty for a service without a port.
    pub port_label: String,
    /// Where clients connect to, instead of the node's address; interpolated on the node. Empty: the node's address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub address: String,
    pub checks: Vec<Check>,
    /// What the checks mean for a roll-out, where they do not say.
    #[serde(skip_serializing_if = "OnUpdate::is_default")]
    pub on_update: OnUpdate,
    /// Where the job file wants it to be found. It is in the one catalog in any case.
    #[serde(skip_serializing_if = "Provider::is_default")]
    pub provider: Provider,
    /// Tasks of a group service that script checks run in; empty: the task that holds the service.
    pub task: String,
}

/// `provider` of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    #[default]
    Consul,
    Nomad,
}

impl Provider {
    pub const ALL: [Self; 2] = [Self::Consul, Self::Nomad];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Consul => "consul",
            Self::Nomad => "nomad",
        }
    }

    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// `on_update`: what a check has to say before a roll-out counts on the allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUpdate {
    #[default]
    RequireHealthy,
    /// Warnings are good enough.
    IgnoreWarnings,
    /// Anything is.
    Ignore,
}

impl OnUpdate {
    pub const ALL: [Self; 3] = [Self::RequireHealthy, Self::IgnoreWarnings, Self::Ignore];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::RequireHealthy => "require_healthy",
            Self::IgnoreWarnings => "ignore_warnings",
            Self::Ignore => "ignore",
        }
    }

    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a roll-out may count on a check that says this.
    pub fn accepts(self, status: CheckStatus) -> bool {
        match self {
            Self::RequireHealthy => status == CheckStatus::Passing,
            Self::IgnoreWarnings => status != CheckStatus::Critical,
            Self::Ignore => true,
        }
    }
}

/// What a check does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    Tcp,
    Http,
    Script,
    /// Asks `grpc.health.v1.Health`.
    Grpc,
}

impl CheckKind {
    pub const ALL: [Self; 4] = [Self::Tcp, Self::Http, Self::Script, Self::Grpc];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Http => "http",
            Self::Script => "script",
            Self::Grpc => "grpc",
        }
    }
}

/// A periodic probe of one service instance, run on the node that runs the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Check {
    /// Default: `service: "<name>" check`.
    pub name: String,
    pub kind: CheckKind,
    /// At least 1 s.
    pub interval: Duration,
    /// At least 1 s.
    pub timeout: Duration,
    /// Label of the port probed; empty: the service's.
    pub port_label: String,
    /// HTTP: path and query, starting with `/`.
    pub path: String,
    /// HTTP method. Default: GET.
    pub method: String,
    pub headers: BTreeMap<String, Vec<String>>,
    pub body: String,
    /// Script: what runs inside the task.
    pub command: String,
    pub args: Vec<String>,
    /// Status before the first result: `passing`, `warning` or `critical`. Default: critical.
    pub initial_status: String,
    /// Consecutive successes before critical turns passing; 0 is 1.
    pub success_before_passing: u32,
    /// Consecutive failures beyond the first before passing turns critical.
    pub failures_before_critical: u32,
    /// Consecutive failures beyond the first before passing turns to a warning, if it is not critical by then. 0: as many
    /// as make it critical.
    #[serde(skip_serializing_if = "is_zero")]
    pub failures_before_warning: u32,
    pub restart: Option<CheckRestart>,
    /// HTTP: over TLS.
    #[serde(skip_serializing_if = "is_false")]
    pub https: bool,
    /// gRPC: over TLS.
    #[serde(skip_serializing_if = "is_false")]
    pub grpc_use_tls: bool,
    /// gRPC: whose health is asked for. Empty: the server's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub grpc_service: String,
    /// Over TLS: any certificate will do.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_skip_verify: bool,
    /// Over TLS: the name that the certificate has to be for. Empty: the address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tls_server_name: String,
    /// For people, at most 255 bytes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub notes: String,
    #[serde(skip_serializing_if = "OnUpdate::is_default")]
    pub on_update: OnUpdate,
}

impl Default for Check {
    fn default() -> Self {
        Self {
            name: String::new(),
            kind: CheckKind::Tcp,
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            port_label: String::new(),
            path: String::new(),
            method: String::from("GET"),
            headers: BTreeMap::new(),
            body: String::new(),
            command: String::new(),
            args: Vec::new(),
            initial_status: String::new(),
            success_before_passing: 0,
            failures_before_critical: 0,
            failures_before_warning: 0,
            restart: None,
            https: false,
            grpc_use_tls: false,
            grpc_service: String::new(),
            tls_skip_verify: false,
            tls_server_name: String::new(),
            notes: String::new(),
            on_update: OnUpdate::default(),
        }
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// Restarts the task after `limit` consecutive failures.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckRestart {
    /// 0: never.
    pub limit: u32,
    /// Time after a (re)start in which failures do not count. Default: 1 s.
    pub grace: Duration,
    pub ignore_warnings: bool,
}

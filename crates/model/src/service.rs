//! Services: names under which tasks are found, and the checks that decide who is healthy.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

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
    /// Label of the port that clients connect to; empty for a service without a port. A number where `address_mode` is
    /// `driver`.
    pub port_label: String,
    /// Where clients connect to, instead of the node's address; interpolated on the node. Empty: the node's address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// Whose address and port clients get.
    #[serde(skip_serializing_if = "AddressMode::is_default")]
    pub address_mode: AddressMode,
    /// More addresses under names of the user's own, each `address` or `address:port`; interpolated on the node. Without
    /// a port: the service's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tagged_addresses: BTreeMap<String, String>,
    /// Shown, and without effect: nobody but the job changes the tags.
    #[serde(skip_serializing_if = "is_false")]
    pub enable_tag_override: bool,
    #[serde(skip_serializing_if = "Weights::is_default")]
    pub weights: Weights,
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

/// Whose address a service or a check has. Networks of allocations are not here, so `alloc` is not either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressMode {
    /// The node's, or what `address` says.
    #[default]
    Auto,
    /// The node's, and the host port.
    Host,
    /// The one that the driver gave the task (a container's own), and the port as the task sees it.
    Driver,
}

impl AddressMode {
    pub const ALL: [Self; 3] = [Self::Auto, Self::Host, Self::Driver];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Host => "host",
            Self::Driver => "driver",
        }
    }

    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How much of the traffic an instance takes beside the others, by the worst of its checks. Shown in Consul's API, and
/// in SRV records the one of the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Weights {
    /// 1 to 65535. Default: 1.
    pub passing: u16,
    /// 1 to 65535. Default: 1.
    pub warning: u16,
}

impl Default for Weights {
    fn default() -> Self {
        Self { passing: 1, warning: 1 }
    }
}

impl Weights {
    /// 0 counts as 1, as in Nomad.
    pub fn new(passing: u16, warning: u16) -> Self {
        Self { passing: passing.max(1), warning: warning.max(1) }
    }

    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The one that counts while the checks say `status`; 0 when nothing shall go there.
    pub fn of(self, status: CheckStatus) -> u16 {
        match status {
            CheckStatus::Passing => self.passing,
            CheckStatus::Warning => self.warning,
            CheckStatus::Critical => 0,
        }
    }
}

/// One of the addresses under which an instance is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaggedAddress {
    /// An IP address or the name of a host.
    pub address: String,
    pub port: u16,
}

impl TaggedAddress {
    /// Reads `10.0.0.1:80`, `10.0.0.1`, `[fd00::1]:80`, `fd00::1` or the same with the name of a host; without a port it
    /// is `port`.
    ///
    /// # Errors
    /// The words say what is wrong with the text.
    pub fn parse(text: &str, port: u16) -> Result<Self, String> {
        let text = text.trim();
        let bare = |text: &str| text.trim_start_matches('[').trim_end_matches(']').to_owned();
        let (address, port) = match text.rsplit_once(':') {
            // The colons of an address without a port.
            _ if text.parse::<Ipv6Addr>().is_ok() || text.ends_with(']') => (bare(text), port),
            Some((address, number)) => match number.parse::<u16>() {
                Ok(port) if port > 0 => (bare(address), port),
                _ => return Err(format!("the port must be between 1 and 65535, found \"{number}\"")),
            },
            None => (text.to_owned(), port),
        };
        let is_name = |address: &str| {
            address.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_'))
        };
        if address.is_empty() {
            return Err(String::from("there is no address"));
        }
        if address.parse::<IpAddr>().is_err() && !is_name(&address) {
            return Err(format!("\"{address}\" is neither an IP address nor the name of a host"));
        }
        Ok(Self { address, port })
    }
}

/// `10.0.0.1:80`, `[fd00::1]:80`
impl fmt::Display for TaggedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, port } = self;
        if address.contains(':') { write!(f, "[{address}]:{port}") } else { write!(f, "{address}:{port}") }
    }
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
    /// Label of the port probed; empty: the service's. A number where `address_mode` is `driver`.
    pub port_label: String,
    /// What is probed: the node's address and host port, or the task's own.
    #[serde(skip_serializing_if = "AddressMode::is_default")]
    pub address_mode: AddressMode,
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
            address_mode: AddressMode::default(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tagged_addresses_are_read_with_and_without_a_port() {
        for (text, address, port) in [
            ("10.0.0.1:8080", "10.0.0.1", 8080),
            ("10.0.0.1", "10.0.0.1", 80),
            ("fd00::1", "fd00::1", 80),
            ("[fd00::1]:8080", "fd00::1", 8080),
            ("[fd00::1]", "fd00::1", 80),
            ("edge.example:443", "edge.example", 443),
            (" edge ", "edge", 80),
        ] {
            let expected = TaggedAddress { address: address.into(), port };
            assert_eq!(TaggedAddress::parse(text, 80), Ok(expected), "{text}");
        }
        for text in ["", ":80", "10.0.0.1:http", "10.0.0.1:0", "10.0.0.1:70000", "a b", "http://x:1", "x:"] {
            assert!(TaggedAddress::parse(text, 80).is_err(), "{text}");
        }
    }

    #[test]
    fn a_weight_is_that_of_the_state() {
        let weights = Weights::new(10, 0);
        assert_eq!(weights, Weights { passing: 10, warning: 1 });
        let of = [CheckStatus::Passing, CheckStatus::Warning, CheckStatus::Critical].map(|it| weights.of(it));
        assert_eq!(of, [10, 1, 0]);
    }
}

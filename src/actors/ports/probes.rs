//! The door through which checks look at the network.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use model::CheckStatus;

/// One probe of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    Tcp {
        /// `ip:port`, here and below.
        address: String,
    },
    Http {
        address: String,
        /// With the query.
        path: String,
        method: String,
        headers: BTreeMap<String, Vec<String>>,
        body: String,
        tls: Option<ProbeTls>,
    },
    /// `grpc.health.v1.Health/Check`.
    Grpc {
        address: String,
        /// Empty: the server itself.
        service: String,
        tls: Option<ProbeTls>,
    },
}

/// How a probe speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeTls {
    /// Whose certificate it has to be. Empty: the address's.
    pub server_name: String,
    /// Anybody's certificate will do.
    pub skip_verify: bool,
}

/// Probes the network (checks).
#[async_trait]
pub trait Prober: Send + Sync + 'static {
    /// Never fails: whatever goes wrong is a critical result with words.
    async fn probe(&self, probe: &Probe, timeout: Duration) -> (CheckStatus, String);
}

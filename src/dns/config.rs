//! What can be set, and what is derived from it once.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use hickory_proto::rr::Name;

use super::records::name_under;

/// Settings of the DNS interface. Field names are those of Consul's `dns_config`.
#[derive(Debug, Clone)]
pub struct DnsConfig {
    /// Where to listen, UDP and TCP each. Default: 127.0.0.1:8600. Port 0 takes a free one, the same for both.
    pub listen: Vec<SocketAddr>,
    /// Default: `consul`.
    pub domain: String,
    /// A second domain that answers alike.
    pub alt_domain: Option<String>,
    /// Of this agent: what a name without a datacenter label means.
    pub datacenter: String,
    /// Servers that are asked about names that are not ours. Empty: such questions are refused.
    pub recursors: Vec<SocketAddr>,
    pub recursor_strategy: RecursorStrategy,
    /// Per recursor tried. Default: 2 s.
    pub recursor_timeout: Duration,
    /// Default: 0.
    pub node_ttl: Duration,
    /// By service name, `prefix*` or `*`; the most exact wins. Services that none of them names: 0.
    pub service_ttl: BTreeMap<String, Duration>,
    /// Leaves out instances in warning state too.
    pub only_passing: bool,
    /// Sets the TC bit when answers were cut. Default: false, as Consul: every reply holds a random few.
    pub enable_truncate: bool,
    /// Answers to a client without EDNS0 over UDP, at most 8. Default: 3.
    pub udp_answer_limit: usize,
    /// Addresses per answer over any transport; 0: no limit.
    pub a_record_limit: usize,
    /// Sends a node's metadata along with its address. Default: true.
    pub enable_additional_node_meta_txt: bool,
    pub disable_compression: bool,
    pub soa: SoaTimes,
}

/// In which order recursors are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RecursorStrategy {
    #[default]
    Sequential,
    Random,
}

/// Times of the zone, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoaTimes {
    pub refresh: u32,
    pub retry: u32,
    pub expire: u32,
    /// Also how long resolvers remember that a name does not exist.
    pub min_ttl: u32,
}

impl Default for SoaTimes {
    fn default() -> Self {
        Self { refresh: 3600, retry: 600, expire: 86400, min_ttl: 0 }
    }
}

impl Default for DnsConfig {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 8600))],
            domain: "consul".into(),
            alt_domain: None,
            datacenter: "dc1".into(),
            recursors: Vec::new(),
            recursor_strategy: RecursorStrategy::default(),
            recursor_timeout: Duration::from_secs(2),
            node_ttl: Duration::ZERO,
            service_ttl: BTreeMap::new(),
            only_passing: false,
            enable_truncate: false,
            udp_answer_limit: 3,
            a_record_limit: 0,
            enable_additional_node_meta_txt: true,
            disable_compression: false,
            soa: SoaTimes::default(),
        }
    }
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "`{0}` cannot be a DNS domain: use labels of 1 to 63 bytes, separated by dots, 200 bytes at most"
    )]
    Domain(String),
    #[error("`{0}` cannot be a datacenter name: use 1 to 63 bytes")]
    Datacenter(String),
    #[error("recursor {0} is this server itself; name another resolver")]
    OwnRecursor(SocketAddr),
}

impl DnsConfig {
    /// The domains as names, the main one first.
    pub(super) fn domains(&self) -> Result<Vec<Name>, ConfigError> {
        if self.datacenter.is_empty() || self.datacenter.len() > 63 {
            return Err(ConfigError::Datacenter(self.datacenter.clone()));
        }
        let alt = self.alt_domain.as_deref().filter(|alt| !alt.is_empty());
        std::iter::once(self.domain.as_str())
            .chain(alt)
            .map(|domain| {
                let bad = || ConfigError::Domain(domain.to_owned());
                let text = domain.strip_suffix('.').unwrap_or(domain);
                if text.is_empty() || text.len() > 200 {
                    return Err(bad());
                }
                name_under(text.split('.'), &Name::root()).ok_or_else(bad)
            })
            .collect()
    }

    /// How long an answer about the (lower-case) service may be kept.
    pub(super) fn ttl_of(&self, service: &str) -> u32 {
        let exact = self.service_ttl.get(service);
        let prefix = || {
            self.service_ttl
                .iter()
                .filter_map(|(key, ttl)| Some((key.strip_suffix('*')?, ttl)))
                .filter(|(prefix, _)| service.starts_with(prefix))
                .max_by_key(|(prefix, _)| prefix.len())
                .map(|(_, ttl)| ttl)
        };
        exact.or_else(prefix).map_or(0, |ttl| seconds(*ttl))
    }

    pub(super) fn node_ttl_secs(&self) -> u32 {
        seconds(self.node_ttl)
    }
}

/// TTLs are at most 2^31 - 1 (RFC 2181, section 8).
fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX).min(i32::MAX as u32)
}

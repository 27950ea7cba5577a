//! A configuration while it is put together: what was said so far, and where.

use std::collections::BTreeMap;

use super::{
    Config, absent, consul_agent, consul_keys, keys_client, keys_server, keys_top,
    parts::Face,
    settings::{self, Setting},
    typed::Typed,
};

/// What files and flags said, before addresses are resolved and rules are checked.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub config: Config,
    pub written: Written,
    /// Setting, and where it was given last: `server.hcl:3:5`, `flag -bind`.
    pub places: BTreeMap<String, String>,
}

/// Addresses as they were written: names, templates, empty for "not said".
#[derive(Debug, Clone, Default)]
pub(super) struct Written {
    pub bind: String,
    pub http: Door,
    pub rpc: Door,
    pub gossip: Door,
    /// Only `bind` is used of these two.
    pub consul: Door,
    pub dns: Door,
    /// Listen on no port at all (`ports { dns = -1 }`).
    pub no_consul: bool,
    pub no_dns: bool,
    /// `addresses` of a `consul agent`, which beats its `client_addr`.
    pub consul_over: String,
    pub dns_over: String,
    /// Interface whose address tasks' ports are published on: a name or a template.
    pub interface: String,
    /// Drivers that a client may have; empty: all.
    pub drivers_allowed: Vec<String>,
    pub drivers_denied: Vec<String>,
    /// Of a `consul agent`, where the default depends on whether it is a server.
    pub leave_on_terminate: Option<bool>,
    pub leave_on_interrupt: Option<bool>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Door {
    pub bind: String,
    pub advertise: String,
}

/// What came of one setting.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Obeyed, or true anyway.
    Yes,
    /// Has no effect, and that is worth a line.
    Warn(String),
    /// No such setting in this table.
    Unknown,
}

/// `Err`: refused, with the remedy.
pub(super) type Outcome = Result<Taken, String>;

impl Draft {
    pub(super) fn new(config: Config) -> Self {
        Self { config, written: Written::default(), places: BTreeMap::new() }
    }

    /// Puts a file over what was said before and returns what is wrong with it.
    pub(super) fn add_file(&mut self, file: &str, text: &str) -> Vec<String> {
        let settings = match settings::read(file, text) {
            Ok(settings) => settings,
            Err(problems) => return problems,
        };
        let off = absent::switched_off(&settings);
        let mut problems = Vec::new();
        for Setting { path, value, place } in &settings {
            if off.iter().any(|block| absent::is_under(path, block)) {
                continue;
            }
            match self.set(&Typed { path, value }) {
                Ok(Taken::Yes) => {
                    self.places.insert(path.clone(), place.clone());
                }
                Ok(Taken::Warn(words)) => self.config.warnings.push(format!("{place}: {words}")),
                Ok(Taken::Unknown) => {
                    problems.push(format!("{place}: {}", absent::unknown(path, self.config.face)))
                }
                Err(problem) => problems.push(format!("{place}: {problem}")),
            }
        }
        problems
    }

    fn set(&mut self, setting: &Typed<'_>) -> Outcome {
        let tables: &[fn(&mut Self, &Typed<'_>) -> Outcome] = match self.config.face {
            Face::Nomad => {
                &[keys_top::set, keys_server::set, keys_client::set, consul_keys::set, absent::set]
            }
            Face::Consul => &[consul_agent::set, consul_agent::absent],
        };
        for table in tables {
            let outcome = table(self, setting)?;
            if outcome != Taken::Unknown {
                return Ok(outcome);
            }
        }
        Ok(Taken::Unknown)
    }

    /// Where the setting was given, followed by a colon, or nothing.
    pub(super) fn place(&self, path: &str) -> String {
        self.places.get(path).map_or_else(String::new, |place| format!("{place}: "))
    }
}

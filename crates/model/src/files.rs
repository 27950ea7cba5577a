//! Files that a task finds when it starts: rendered (`template`) and fetched (`artifact`).

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

/// What happens to the task when a file was rendered again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeMode {
    /// The task looks at the file by itself.
    Noop,
    #[default]
    Restart,
    Signal,
    Script,
}

impl ChangeMode {
    pub const ALL: [Self; 4] = [Self::Noop, Self::Restart, Self::Signal, Self::Script];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Noop => "noop",
            Self::Restart => "restart",
            Self::Signal => "signal",
            Self::Script => "script",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}

/// `template` of a task: a file made from a Go template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Template {
    /// A file in the task's directory that holds the template. Empty: `data` does.
    pub source: String,
    pub data: String,
    /// Where it goes, in the directory of the allocation: relative to the task's own.
    pub destination: String,
    pub change: ChangeMode,
    /// Upper case. Sent if `change` is `Signal`. Default: `SIGHUP`.
    pub signal: String,
    /// Run if `change` is `Script`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<ChangeScript>,
    /// Rendered before the task starts and never again.
    pub once: bool,
    /// A random part of it passes between the file and what follows from its change. Default: 5 s.
    pub splay: Duration,
    /// Octal. Default: `0644`.
    pub perms: String,
    /// Absent: whoever runs the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// Default: `{{`.
    pub left: String,
    /// Default: `}}`.
    pub right: String,
    /// Its lines `KEY=value` become part of the environment.
    pub env: bool,
    /// A map without the key is an error. Default: no; it has no value.
    pub missing_key_is_error: bool,
    /// How long changes are gathered before the file is rendered again. Absent: 5 s without one, at most 4 min.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
}

impl Default for Template {
    fn default() -> Self {
        Self {
            source: String::new(),
            data: String::new(),
            destination: String::new(),
            change: ChangeMode::Restart,
            signal: String::new(),
            script: None,
            once: false,
            splay: Self::SPLAY,
            perms: String::from(Self::PERMS),
            uid: None,
            gid: None,
            left: String::from("{{"),
            right: String::from("}}"),
            env: false,
            missing_key_is_error: false,
            wait: None,
        }
    }
}

impl Template {
    pub const SPLAY: Duration = Duration::from_secs(5);
    pub const PERMS: &str = "0644";
    pub const SIGNAL: &str = "SIGHUP";

    /// The bits of `perms`; `None`: it is not an octal number of three or four digits.
    pub fn mode(&self) -> Option<u32> {
        let digits = (3..=4).contains(&self.perms.len()) && self.perms.bytes().all(|c| c.is_ascii_digit());
        u32::from_str_radix(&self.perms, 8).ok().filter(|_| digits)
    }
}

/// `wait` of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// So long nothing has to change.
    pub min: Duration,
    /// Rendered after that in any case.
    pub max: Duration,
}

impl Default for Wait {
    fn default() -> Self {
        Self { min: Duration::from_secs(5), max: Duration::from_secs(240) }
    }
}

/// `change_script` of a template: run inside the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChangeScript {
    pub command: String,
    pub args: Vec<String>,
    /// Default: 5 s.
    pub timeout: Duration,
    /// The task is killed when the script fails.
    pub fail_on_error: bool,
    /// Also once the task has started.
    pub run_on_first_render: bool,
}

impl Default for ChangeScript {
    fn default() -> Self {
        Self {
            command: String::new(),
            args: Vec::new(),
            timeout: Duration::from_secs(5),
            fail_on_error: false,
            run_on_first_render: false,
        }
    }
}

/// What `artifact` brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactMode {
    /// Archives are unpacked into the destination, other files put there.
    #[default]
    Any,
    /// The destination is the file itself; nothing is unpacked.
    File,
    /// Only what becomes a directory: archives and repositories.
    Dir,
}

impl ArtifactMode {
    pub const ALL: [Self; 3] = [Self::Any, Self::File, Self::Dir];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::File => "file",
            Self::Dir => "dir",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}

/// `artifact` of a task: fetched before it starts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Artifact {
    pub source: String,
    /// In the directory of the allocation: relative to the task's own. Default: `local/`, or below it the name of the
    /// file if `mode` is `File`.
    pub destination: String,
    pub mode: ArtifactMode,
    pub options: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
    /// Without a look at certificates.
    pub insecure: bool,
    /// Files belong to the user of the task.
    pub chown: bool,
}

/// Functions of templates that see the world of the task; helpers are those of `gotemplate`.
pub const TEMPLATE_FUNCTIONS: &[&str] = &[
    "datacenters",
    "env",
    "envOrDefault",
    "file",
    "mustEnv",
    "node",
    "nodes",
    "nomadService",
    "nomadServices",
    "scratch",
    "service",
    "services",
    "sockaddr",
    "timestamp",
];

/// Why a function that templates have elsewhere cannot be called here; `None`: there is no such function anywhere.
pub fn absent_template_function(name: &str) -> Option<&'static str> {
    Some(match name {
        "key" | "keyExists" | "keyOrDefault" | "ls" | "safeLs" | "tree" | "safeTree" => {
            "there is no key-value store"
        }
        "secret" | "secrets" | "pkiCert" => "there is no Vault",
        "nomadVar" | "nomadVarExists" | "nomadVarList" | "nomadVarListSafe" => "there are no variables",
        "connect" | "caRoots" | "caLeaf" => "there is no service mesh",
        "partitions" | "peerings" | "exportedServices" => "there are no partitions and peers",
        "plugin" | "executeTemplate" | "writeToFile" => "it is not allowed in job files",
        "sprig_randAlpha" | "sprig_randAlphaNum" | "sprig_randAscii" | "sprig_randBytes"
        | "sprig_randInt" | "sprig_randNumeric" | "sprig_shuffle" | "sprig_uuidv4" => {
            "it is random, so the file would be another whenever it is rendered"
        }
        "sprig_bcrypt"
        | "sprig_buildCustomCert"
        | "sprig_decryptAES"
        | "sprig_derivePassword"
        | "sprig_encryptAES"
        | "sprig_genCA"
        | "sprig_genCAWithKey"
        | "sprig_genPrivateKey"
        | "sprig_genSelfSignedCert"
        | "sprig_genSelfSignedCertWithKey"
        | "sprig_genSignedCert"
        | "sprig_genSignedCertWithKey"
        | "sprig_htpasswd" => "it is about keys and passwords, which are not made in templates here",
        "sprig_getHostByName" => "it asks the network",
        "sprig_env" | "sprig_expandenv" => {
            "it reads the environment of the agent; `env` reads the environment of the task"
        }
        "byKey" | "explode" => "there is no key-value store",
        _ => return None,
    })
}

/// A path in the directory of an allocation, taken from the one of a task: its parts from the allocation's directory
/// on. `None`: it leads out.
///
/// `local/a` is in the task's directory, `../alloc/data` and `${NOMAD_ALLOC_DIR}/data` beside it.
pub fn path_in_alloc(task: &str, path: &str) -> Option<Vec<String>> {
    let known = [
        ("${NOMAD_ALLOC_DIR}", "alloc".to_owned()),
        ("${NOMAD_TASK_DIR}", format!("{task}/local")),
        ("${NOMAD_SECRETS_DIR}", format!("{task}/secrets")),
    ];
    let mut parts: Vec<String> = vec![task.to_owned()];
    let mut rest = path;
    for (name, place) in &known {
        if let Some(after) = path.strip_prefix(name) {
            parts = place.split('/').map(str::to_owned).collect();
            rest = after.strip_prefix('/').unwrap_or(after);
        }
    }
    // From the root of the task's own view.
    for part in rest.trim_start_matches('/').split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part if part.contains('\0') => return None,
            part => parts.push(part.to_owned()),
        }
    }
    (!parts.is_empty()).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_the_allocation() {
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(
                path_in_alloc("web", path).map(|parts| parts.join("/")).as_deref(),
                expected,
                "{path}"
            );
        };
        check("local/a.conf", Some("web/local/a.conf"));
        check("/local//./a", Some("web/local/a"));
        check("../alloc/data/x", Some("alloc/data/x"));
        check("local/../secrets/x", Some("web/secrets/x"));
        check("${NOMAD_ALLOC_DIR}/x", Some("alloc/x"));
        check("${NOMAD_SECRETS_DIR}/x", Some("web/secrets/x"));
        check("../../x", None);
        check("..", None);
        check("../..", None);
        check("local/../../../x", None);
    }

    #[test]
    fn perms_are_octal() {
        let mode = |perms: &str| Template { perms: perms.into(), ..Template::default() }.mode();
        assert_eq!(mode("0644"), Some(0o644));
        assert_eq!(mode("600"), Some(0o600));
        for wrong in ["", "8", "0999", "rw-", "64", "00644", "+644"] {
            assert_eq!(mode(wrong), None, "{wrong}");
        }
    }
}

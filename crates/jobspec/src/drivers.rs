//! What each driver takes in its `config`: names, types, and what this release refuses.

use std::collections::BTreeMap;

use model::Value;

use crate::{codes, duration, suggest::nearest};

/// The type of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Texts,
    Int {
        min: i64,
        max: i64,
    },
    Bool,
    /// Only `false` is taken.
    OnlyFalse(&'static str),
    /// Text in the form of a duration.
    Duration,
    TextMap,
    /// Label of a port -> port inside the container.
    PortMap,
    /// A block of texts with these names.
    Block(&'static [&'static str]),
    /// Known to Nomad and not to this release; with what to do instead.
    Refused(&'static str),
}

struct Setting {
    name: &'static str,
    form: Form,
}

struct Driver {
    name: &'static str,
    required: &'static str,
    settings: &'static [Setting],
}

const fn setting(name: &'static str, form: Form) -> Setting {
    Setting { name, form }
}

const ANY_INT: Form = Form::Int { min: i64::MIN, max: i64::MAX };
const AT_LEAST_0: Form = Form::Int { min: 0, max: i64::MAX };
const LEAVE_OUT: Form = Form::Refused("leave it out");
const USE_VOLUMES: Form = Form::Refused("write `volumes = [\"/on/the/host:/in/the/container\"]`");

const DRIVERS: [Driver; 3] = [
    Driver {
        name: "docker",
        required: "image",
        settings: &[
            setting("image", Form::Text),
            setting("command", Form::Text),
            setting("args", Form::Texts),
            setting("entrypoint", Form::Texts),
            setting("ports", Form::Texts),
            setting("port_map", Form::PortMap),
            setting("network_mode", Form::Text),
            setting("hostname", Form::Text),
            setting("volumes", Form::Texts),
            setting("labels", Form::TextMap),
            setting("work_dir", Form::Text),
            setting("extra_hosts", Form::Texts),
            setting("dns_servers", Form::Texts),
            setting("dns_search_domains", Form::Texts),
            setting("privileged", Form::OnlyFalse("name the capabilities that are needed in `cap_add`")),
            setting("cap_add", Form::Texts),
            setting("cap_drop", Form::Texts),
            setting("readonly_rootfs", Form::Bool),
            setting("init", Form::Bool),
            setting("tty", Form::Bool),
            setting("interactive", Form::Bool),
            setting("shm_size", AT_LEAST_0),
            setting("ulimit", Form::TextMap),
            setting("sysctl", Form::TextMap),
            setting("auth", Form::Block(&["username", "password", "server_address"])),
            setting("force_pull", Form::Bool),
            setting("image_pull_timeout", Form::Duration),
            setting("ipc_mode", Form::Text),
            setting("pid_mode", Form::Text),
            setting("uts_mode", Form::Text),
            setting("group_add", Form::Texts),
            setting("security_opt", Form::Texts),
            setting("memory_hard_limit", AT_LEAST_0),
            setting("cpu_hard_limit", Form::Bool),
            setting("pids_limit", AT_LEAST_0),
            setting("logging", Form::Refused("leave it out: output is kept by troupe, see `logs`")),
            setting("mount", USE_VOLUMES),
            setting("mounts", USE_VOLUMES),
            setting("volume_driver", USE_VOLUMES),
            setting("network_aliases", LEAVE_OUT),
            setting("ipv4_address", LEAVE_OUT),
            setting("ipv6_address", LEAVE_OUT),
            setting("mac_address", LEAVE_OUT),
            setting("dns_options", LEAVE_OUT),
            setting("advertise_ipv6_address", LEAVE_OUT),
            setting("devices", LEAVE_OUT),
            setting("auth_soft_fail", LEAVE_OUT),
            setting("load", Form::Refused("load the image on the nodes beforehand, with `docker load`")),
            setting("runtime", LEAVE_OUT),
            setting("userns_mode", LEAVE_OUT),
            setting("cgroupns", LEAVE_OUT),
            setting("isolation", LEAVE_OUT),
            setting("storage_opt", LEAVE_OUT),
            setting("oom_score_adj", LEAVE_OUT),
            setting("cpu_cfs_period", Form::Refused("use `cpu_hard_limit = true`")),
            setting("cpuset_cpus", LEAVE_OUT),
            setting("healthchecks", Form::Refused("use a `check` in the task's `service`")),
            setting("container_exists_attempts", LEAVE_OUT),
        ],
    },
    Driver {
        name: "raw_exec",
        required: "command",
        settings: &[
            setting("command", Form::Text),
            setting("args", Form::Texts),
            setting("work_dir", Form::Text),
            setting("cgroup_v1_override", LEAVE_OUT),
            setting("cgroup_v2_override", LEAVE_OUT),
            setting("oom_score_adj", LEAVE_OUT),
            setting(
                "denied_envvars",
                Form::Refused("unset them in the command, for example with `env -u NAME`"),
            ),
        ],
    },
    Driver {
        name: "mock_driver",
        required: "",
        settings: &[
            setting("run_for", Form::Duration),
            setting("exit_code", ANY_INT),
            setting("exit_signal", ANY_INT),
            setting("exit_err_msg", Form::Text),
            setting("start_error", Form::Text),
            setting("start_error_recoverable", Form::Bool),
            setting("start_block_for", Form::Duration),
            setting("stdout_string", Form::Text),
            setting("kill_after", Form::Duration),
        ],
    },
];

/// Drivers that other releases or other schedulers have.
const OTHERS: [&str; 7] = ["exec", "java", "qemu", "podman", "rkt", "lxc", "containerd-driver"];

/// Something wrong with a task's driver or its settings.
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    /// Name of the setting; empty for the `config` as a whole, `None` for the driver's name.
    pub(crate) setting: Option<String>,
    pub(crate) message: String,
    pub(crate) help: String,
}

impl Fault {
    fn config(name: &str, message: String, help: impl Into<String>) -> Self {
        Self { code: codes::CONFIG, setting: Some(name.to_string()), message, help: help.into() }
    }
}

/// Brings the old spellings of settings into the one form that drivers read. What does not fit stays as it is.
pub(crate) fn normalize(driver: &str, config: &mut BTreeMap<String, Value>) {
    let Some(driver) = DRIVERS.iter().find(|known| known.name == driver) else { return };
    for setting in driver.settings {
        if let Some(value) = config.get_mut(setting.name) {
            let old = std::mem::replace(value, Value::Null);
            *value = setting.form.normal(old);
        }
    }
    config.retain(|_, value| *value != Value::Null);
}

pub(crate) fn check(driver: &str, config: &BTreeMap<String, Value>) -> Vec<Fault> {
    let Some(known) = DRIVERS.iter().find(|known| known.name == driver) else {
        return vec![unknown(driver)];
    };
    let mut faults = Vec::new();
    if !known.required.is_empty() && !config.contains_key(known.required) {
        let message = format!("driver {driver} needs `{}` in its `config`", known.required);
        let help = match driver {
            "docker" => "write `config { image = \"redis:3.2\" }`",
            _ => "write `config { command = \"/bin/sleep\" args = [\"60\"] }`",
        };
        faults.push(Fault::config("", message, help));
    }
    // Whoever has more wrong settings than that has another problem.
    for (name, value) in config {
        if faults.len() >= 20 {
            break;
        }
        match known.settings.iter().find(|setting| setting.name == name) {
            Some(setting) => {
                if let Some((message, help)) = setting.form.fault(name, value) {
                    let mut fault = Fault::config(name, message, help);
                    if matches!(setting.form, Form::Refused(_) | Form::OnlyFalse(_)) {
                        fault.code = codes::UNSUPPORTED;
                    }
                    faults.push(fault);
                }
            }
            None => {
                let supported =
                    known.settings.iter().filter(|setting| !matches!(setting.form, Form::Refused(_)));
                let names: Vec<&str> = supported.map(|setting| setting.name).collect();
                let help = match nearest(name, &names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known are {}", names.join(", ")),
                };
                let message = format!("driver {driver} has no setting `{name}`");
                faults.push(Fault { code: codes::UNKNOWN_NAME, setting: Some(name.clone()), message, help });
            }
        }
    }
    faults
}

fn unknown(driver: &str) -> Fault {
    let names = DRIVERS.map(|known| known.name);
    let (message, help) = match (driver, nearest(driver, &names)) {
        ("", _) => (
            String::from("the task has no driver"),
            String::from("write `driver = \"docker\"` or \"raw_exec\""),
        ),
        (other, _) if OTHERS.contains(&other) => (
            format!("driver \"{other}\" is not supported yet"),
            String::from("use \"docker\", or \"raw_exec\" to run a command without isolation"),
        ),
        (other, Some(near)) => (format!("unknown driver \"{other}\""), format!("did you mean \"{near}\"?")),
        (other, None) => (
            format!("unknown driver \"{other}\""),
            String::from("known are \"docker\", \"raw_exec\" and \"mock_driver\""),
        ),
    };
    let code = if driver.is_empty() { codes::MISSING } else { codes::DRIVER };
    Fault { code, setting: None, message, help }
}

impl Form {
    fn normal(self, value: Value) -> Value {
        match (self, value) {
            (_, Value::Null) => Value::Null,
            (Self::Text | Self::Duration, value) => as_text(&value).map_or(value, Value::Text),
            (Self::Texts, Value::List(items)) => {
                Value::List(items.into_iter().map(|item| as_text(&item).map_or(item, Value::Text)).collect())
            }
            (Self::Int { .. }, Value::Text(text)) => {
                text.trim().parse().map(Value::Int).unwrap_or(Value::Text(text))
            }
            (Self::Bool | Self::OnlyFalse(_), value) => match as_text(&value).as_deref() {
                Some("true" | "1") => Value::Bool(true),
                Some("false" | "0") => Value::Bool(false),
                _ => value,
            },
            (Self::TextMap | Self::PortMap | Self::Block(_), value) => {
                let item = if self == Self::PortMap { Self::Int { min: 1, max: 65535 } } else { Self::Text };
                match merged(value) {
                    Value::Map(map) => {
                        Value::Map(map.into_iter().map(|(key, value)| (key, item.normal(value))).collect())
                    }
                    other => other,
                }
            }
            (_, value) => value,
        }
    }

    /// What is wrong with a normal value, and what to write.
    fn fault(self, name: &str, value: &Value) -> Option<(String, String)> {
        let wrong = |wanted: &str, example: &str| {
            Some((
                format!("`{name}` must be {wanted}, found {}", describe(value)),
                format!("write `{name} {example}`"),
            ))
        };
        match (self, value) {
            (Self::Refused(help), _) => Some((format!("`{name}` is not supported yet"), help.to_string())),
            (Self::OnlyFalse(help), Value::Bool(true)) => {
                Some((format!("`{name} = true` is not supported yet"), help.to_string()))
            }
            (Self::OnlyFalse(_) | Self::Bool, Value::Bool(_)) | (Self::Text, Value::Text(_)) => None,
            (Self::OnlyFalse(_) | Self::Bool, _) => wrong("true or false", "= true"),
            (Self::Text, _) => wrong("text", "= \"..\""),
            (Self::Texts, Value::List(items)) if items.iter().all(|item| matches!(item, Value::Text(_))) => {
                None
            }
            (Self::Texts, Value::Text(text)) => wrong("a list", &format!("= [\"{text}\"]")),
            (Self::Texts, _) => wrong("a list of texts", "= [\"..\"]"),
            (Self::Int { min, max }, Value::Int(number)) => (*number < min || *number > max).then(|| {
                let bounds = if max == i64::MAX {
                    format!("at least {min}")
                } else {
                    format!("between {min} and {max}")
                };
                (format!("`{name}` must be {bounds}, found {number}"), String::new())
            }),
            (Self::Int { .. }, _) => wrong("a number", "= 1"),
            (Self::Duration, Value::Text(text)) => duration::parse(text)
                .err()
                .map(|reason| (format!("`{name}`: {reason}"), format!("write `{name} = \"30s\"`"))),
            (Self::Duration, _) => wrong("a duration", "= \"30s\""),
            (Self::TextMap, Value::Map(map)) => {
                map.iter().find_map(|(key, value)| Self::Text.fault(&format!("{name}.{key}"), value))
            }
            (Self::TextMap, _) => wrong("a map", "{ name = \"..\" }"),
            (Self::PortMap, Value::Map(map)) => map.iter().find_map(|(key, value)| {
                Self::Int { min: 1, max: 65535 }.fault(&format!("{name}.{key}"), value)
            }),
            (Self::PortMap, _) => wrong("a map of port labels", "{ http = 8080 }"),
            (Self::Block(names), Value::Map(map)) => map.iter().find_map(|(key, value)| {
                if names.contains(&key.as_str()) {
                    return Self::Text.fault(&format!("{name}.{key}"), value);
                }
                Some((format!("`{name}` has no setting `{key}`"), format!("known are {}", names.join(", "))))
            }),
            (Self::Block(_), _) => wrong("a block", "{ .. }"),
        }
    }
}

/// `[{a = 1}, {b = 2}]`, as repeated blocks give it, is the map `{a = 1, b = 2}`.
fn merged(value: Value) -> Value {
    let Value::List(items) = value else { return value };
    let mut map = BTreeMap::new();
    if !items.iter().all(|item| matches!(item, Value::Map(_))) {
        return Value::List(items);
    }
    for item in items {
        if let Value::Map(item) = item {
            map.extend(item);
        }
    }
    Value::Map(map)
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Bool(value) => Some(value.to_string()),
        Value::Int(value) => Some(value.to_string()),
        Value::Float(value) => Some(value.to_string()),
        Value::Text(value) => Some(value.clone()),
        _ => None,
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::List(_) => String::from("a list"),
        Value::Map(_) => String::from("a map"),
        Value::Null => String::from("null"),
        Value::Text(text) => format!("\"{}\"", crate::syntax::shorten(text)),
        Value::Int(number) => format!("the number {number}"),
        Value::Float(number) => format!("the number {number}"),
        Value::Bool(value) => value.to_string(),
    }
}

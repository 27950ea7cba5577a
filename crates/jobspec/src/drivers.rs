//! What each driver takes in its `config`: names, types, and what this release refuses.

use std::collections::BTreeMap;

use model::Value;

use crate::{codes, suggest::nearest};

mod docker; // the settings of docker
mod form; // types of settings

use form::{ANY_INT, Form, Setting, setting};

struct Driver {
    name: &'static str,
    required: &'static str,
    settings: &'static [Setting],
}

const DRIVERS: [Driver; 3] = [
    Driver { name: "docker", required: "image", settings: docker::SETTINGS },
    Driver {
        name: "raw_exec",
        required: "command",
        settings: &[
            setting("command", Form::Text),
            setting("args", Form::Texts),
            setting("work_dir", Form::Text),
            setting("cgroup_v1_override", Form::TextMap),
            setting("cgroup_v2_override", Form::Text),
            setting("oom_score_adj", Form::Int { min: 0, max: 1000 }),
            setting("denied_envvars", Form::Texts),
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
                    if matches!(setting.form, Form::OnlyFalse(_)) {
                        fault.code = codes::UNSUPPORTED;
                    }
                    faults.push(fault);
                }
            }
            None => {
                let names: Vec<&str> = known.settings.iter().map(|setting| setting.name).collect();
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

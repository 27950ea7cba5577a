//! The rules a job must keep, whether it came as a file or over HTTP.

mod location; // constraints, affinities, spreads
mod pattern; // regular expressions
mod actions; // commands with names
mod launch; // periodic, parameterized, lifecycle
mod files; // templates, artifacts
mod every_node; // what system and sysbatch jobs may not say
mod policies; // restart, reschedule, update, migrate
pub(crate) mod resources; // amounts, cores, devices
mod scaling; // bounds of counts
mod services; // services, checks

use std::collections::{BTreeMap, BTreeSet};

use model::{Job, JobUi, PoolName, Task, TaskGroup};

use self::pattern::Patterns;
use crate::{
    codes, drivers,
    problem::{Place, Problem},
};

/// Signals that may be named in `kill_signal`.
const SIGNALS: [&str; 27] = [
    "SIGABRT", "SIGALRM", "SIGBUS", "SIGCHLD", "SIGCONT", "SIGFPE", "SIGHUP", "SIGILL", "SIGINT", "SIGIO",
    "SIGKILL", "SIGPIPE", "SIGPROF", "SIGQUIT", "SIGSEGV", "SIGSTOP", "SIGSYS", "SIGTERM", "SIGTRAP",
    "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGXCPU",
];

/// All rules that the job breaks; empty for a job that may be registered. Expects the form that
/// [`crate::canonicalize`] makes.
pub fn validate(job: &Job) -> Vec<Problem> {
    let mut checker = Checker::default();
    checker.enter("job", 0, "");
    checker.job(job);
    checker.problems
}

#[derive(Default)]
struct Checker {
    place: Place,
    problems: Vec<Problem>,
    patterns: Patterns,
}

impl Checker {
    fn enter(&mut self, kind: &'static str, index: usize, name: &str) {
        self.place.enter(kind, index, name);
    }

    fn leave(&mut self) {
        self.place.leave();
    }

    /// A broken rule of the argument `field` here; of the block itself if `field` is empty.
    fn report(
        &mut self,
        code: &'static str,
        field: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let place = self.place.field(field);
        self.problems.push(Problem {
            code,
            path: place.path(),
            message: message.into(),
            help: help.into(),
            place,
        });
    }

    fn job(&mut self, job: &Job) {
        if job.id.is_empty() {
            self.report(codes::NAME, "id", "missing job ID", "write `job \"name\" { .. }`");
        }
        if job.id.contains(' ') {
            let help = format!("write `job \"{}\" {{ .. }}`", job.id.replace(' ', "-"));
            self.report(codes::NAME, "id", format!("job ID contains a space: \"{}\"", job.id), help);
        }
        for (field, text) in [("id", &job.id), ("name", &job.name), ("namespace", &job.namespace)] {
            if text.contains(char::is_control) {
                let message = format!("the job's {field} contains a control character");
                self.report(codes::NAME, field, message, "use letters, digits, `-`, `_` and `.`");
            }
        }
        if let Some(ui) = &job.ui {
            self.enter("ui", 0, "");
            let found = ui.description.chars().count();
            if found > JobUi::LONGEST {
                let message = format!("`description` may have {} characters, found {found}", JobUi::LONGEST);
                self.report(
                    codes::OUT_OF_RANGE,
                    "description",
                    message,
                    "write less, and a link to the rest",
                );
            }
            for (index, link) in ui.links.iter().enumerate() {
                self.enter("link", index, "");
                if link.label.is_empty() || link.url.is_empty() {
                    let message = "a link needs a `label` and a `url`";
                    self.report(
                        codes::MISSING,
                        "",
                        message,
                        "write `label = \"Runbook\"` and `url = \"https://..\"`",
                    );
                }
                self.leave();
            }
            self.leave();
        }
        if job.region.is_empty() {
            self.report(codes::NAME, "region", "missing job region", "write `region = \"global\"`");
        }
        if !(1..=100).contains(&job.priority) {
            let message = format!("job priority must be between [1, 100], found {}", job.priority);
            self.report(codes::OUT_OF_RANGE, "priority", message, "the default is 50; higher goes first");
        }
        if job.datacenters.iter().any(String::is_empty) {
            self.report(
                codes::EMPTY,
                "datacenters",
                "job datacenter must be non-empty string",
                "write `datacenters = [\"dc1\"]`, or leave it out for all of them",
            );
        }
        if !job.pool.is_valid() {
            let message = format!(
                "`node_pool` must be 1 to {} letters, digits, `-` and `_`, found \"{}\"",
                PoolName::LONGEST,
                job.pool
            );
            let help =
                "write the name of a pool that `node pool list` shows, or leave it out for \"default\"";
            self.report(codes::NAME, "node_pool", message, help);
        }
        self.constraints(&job.constraints);
        self.affinities(&job.affinities);
        self.spreads(&job.spreads);
        if job.kind.is_per_node() {
            self.no_preferences(job.kind, &job.affinities, &job.spreads);
        }
        if job.groups.is_empty() {
            let help = "write `group \"name\" { task \"name\" { .. } }` into the job";
            self.report(codes::EMPTY, "", "missing job task groups", help);
        }
        let total: u64 = job.groups.iter().map(|group| u64::from(group.count)).sum();
        let most = TaskGroup::MAX_COUNT;
        // A group that is too large by itself is named instead.
        if total > u64::from(most) && job.groups.iter().all(|group| group.count <= most) {
            let message = format!("total count was greater than configured job_max_count: {total} > {most}");
            self.report(codes::OUT_OF_RANGE, "", message, "lower `count`, or split the job");
        }
        self.launches(job);
        let mut names = BTreeSet::new();
        for (index, group) in job.groups.iter().enumerate() {
            self.enter("group", index, &group.name);
            self.object_name("group", &group.name);
            if !names.insert(group.name.as_str()) {
                self.report(
                    codes::DUPLICATE,
                    "",
                    format!("the job has two groups named \"{}\"", group.name),
                    "give each group a name of its own",
                );
            }
            self.group(job, group);
            self.leave();
        }
    }

    /// Names become parts of paths and of allocation names.
    fn object_name(&mut self, kind: &str, name: &str) {
        if name.is_empty() {
            self.report(
                codes::NAME,
                "",
                format!("the {kind} has no name"),
                format!("write `{kind} \"name\" {{ .. }}`"),
            );
        } else if name.contains(['/', '\\']) || name.contains(char::is_control) {
            let message = format!("the name of {kind} \"{name}\" contains a slash or a control character");
            self.report(codes::NAME, "", message, "use letters, digits, `-`, `_` and `.`");
        }
    }

    fn group(&mut self, job: &Job, group: &TaskGroup) {
        if group.count > TaskGroup::MAX_COUNT {
            let message =
                format!("`count` must be between 0 and {}, found {}", TaskGroup::MAX_COUNT, group.count);
            self.report(codes::OUT_OF_RANGE, "count", message, "lower `count`, or split the job");
        }
        if let Some(scaling) = &group.scaling {
            self.scaling(job.kind, group.count, scaling);
        }
        self.constraints(&group.constraints);
        self.affinities(&group.affinities);
        self.spreads(&group.spreads);
        self.restart(&group.restart);
        if let Some(policy) = &group.reschedule {
            self.reschedule(policy);
        }
        if job.kind.is_per_node() {
            self.group_on_every_node(job.kind, group);
        }
        match &group.update {
            Some(update) if job.kind.rolls_out() => self.update(update),
            Some(_) => {
                let message = format!("job type \"{}\" does not allow update block", job.kind.as_str());
                self.report(codes::NOT_FOR_TYPE, "update", message, "remove `update`");
            }
            None => {}
        }
        if let Some(migrate) = &group.migrate {
            self.migrate(migrate);
        }
        if let Some(disconnect) = &group.disconnect {
            self.disconnect(disconnect);
        }
        if let Some(longest) = group.max_run_duration {
            if !job.kind.completes() {
                let message = format!("job type \"{}\" does not allow max_run_duration", job.kind.as_str());
                self.report(codes::NOT_FOR_TYPE, "max_run_duration", message, "remove `max_run_duration`");
            } else if longest.is_zero() {
                let message = "`max_run_duration` must be longer than nothing";
                self.report(codes::OUT_OF_RANGE, "max_run_duration", message, "leave it out for no limit");
            }
        }
        if group.tasks.is_empty() {
            self.report(
                codes::EMPTY,
                "",
                "missing tasks for task group",
                "write `task \"name\" { .. }` into the group",
            );
        }
        let disk = group.ephemeral_disk.size_mb;
        if disk < 10 {
            self.enter("ephemeral_disk", 0, "");
            let message = format!("minimum DiskMB value is 10; got {disk}");
            self.report(codes::OUT_OF_RANGE, "size", message, "`size` is in MB; the default is 300");
            self.leave();
        }
        let leaders: Vec<&Task> = group.tasks.iter().filter(|task| task.leader).collect();
        if let [_, second, ..] = leaders.as_slice() {
            let message =
                format!("only one task of a group may be its leader; \"{}\" is the second", second.name);
            self.report(codes::LEADER, "", message, "set `leader = true` in one task only");
        }
        self.main_tasks(group);
        self.ports(group);
        let group_ports: Vec<&str> = labels(group.network.as_ref());
        self.services(&group.services, &group_ports, group, None);
        let mut names = BTreeSet::new();
        for (index, task) in group.tasks.iter().enumerate() {
            self.enter("task", index, &task.name);
            if !names.insert(task.name.as_str()) {
                self.report(
                    codes::DUPLICATE,
                    "",
                    format!("the group has two tasks named \"{}\"", task.name),
                    "give each task a name of its own",
                );
            }
            self.task(group, task);
            self.leave();
        }
        self.log_budget(group);
    }

    /// Logs of all tasks live on the disk that the group asks for.
    fn log_budget(&mut self, group: &TaskGroup) {
        let budget = |task: &Task| match task.logs.disabled {
            true => 0,
            false => u64::from(task.logs.max_files) * u64::from(task.logs.max_file_size_mb),
        };
        for (index, task) in group.tasks.iter().enumerate() {
            if budget(task) >= u64::from(group.ephemeral_disk.size_mb) {
                self.enter("task", index, &task.name);
                self.enter("logs", 0, "");
                let message = format!(
                    "log storage ({} MB) must be less than requested disk capacity ({} MB)",
                    budget(task),
                    group.ephemeral_disk.size_mb
                );
                let help = "lower `max_files` or `max_file_size` in `logs`, or raise `size` in the group's `ephemeral_disk`";
                self.report(codes::DISK, "", message, help);
                self.leave();
                self.leave();
            }
        }
    }

    fn ports(&mut self, group: &TaskGroup) {
        let mut labels: BTreeMap<&str, String> = BTreeMap::new();
        let mut fixed: BTreeMap<u16, String> = BTreeMap::new();
        let group_network = group.network.iter().map(|network| (None, network));
        let task_networks = group.tasks.iter().enumerate().filter_map(|(index, task)| {
            task.resources.network.as_ref().map(|network| (Some((index, task)), network))
        });
        for (owner, network) in group_network.chain(task_networks) {
            if let Some((index, task)) = owner {
                self.enter("task", index, &task.name);
                self.enter("resources", 0, "");
            }
            self.enter("network", 0, "");
            for (index, port) in network.ports.iter().enumerate() {
                self.enter("port", index, &port.label);
                let user = match owner {
                    Some((_, task)) => format!("port \"{}\" of task \"{}\"", port.label, task.name),
                    None => format!("port \"{}\" of the group", port.label),
                };
                let odd =
                    |letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.'));
                if !port.label.is_empty() && port.label.contains(odd) {
                    let message =
                        format!("port label \"{}\" may hold letters, digits, `_` and `-` only", port.label);
                    self.report(codes::PORT, "", message, "the label becomes part of NOMAD_PORT_<label>");
                }
                if port.label.is_empty() {
                    self.report(codes::PORT, "", "the port has no label", "write `port \"http\" {}`");
                } else if let Some(other) = labels.insert(&port.label, user.clone()) {
                    let message = format!("port label \"{}\" is already in use by {other}", port.label);
                    self.report(codes::PORT, "", message, "labels are unique in a group, across its tasks");
                }
                if port.fixed == Some(0) || port.to == Some(0) {
                    let message = format!("port \"{}\" must be between 1 and 65535, found 0", port.label);
                    self.report(
                        codes::OUT_OF_RANGE,
                        "",
                        message,
                        "leave the number out to have a port chosen",
                    );
                }
                if let Some(number) = port.fixed
                    && let Some(other) = fixed.insert(number, user)
                {
                    let message = format!("static port {number} is already reserved by {other}");
                    self.report(codes::PORT, "static", message, "use another port, or leave `static` out");
                }
                self.leave();
            }
            self.leave();
            if owner.is_some() {
                self.leave();
                self.leave();
            }
        }
    }

    fn task(&mut self, group: &TaskGroup, task: &Task) {
        self.object_name("task", &task.name);
        if task.name == "alloc" {
            let help = "use another name: the shared directory of the allocation is called so";
            self.report(codes::NAME, "", "task cannot be named \"alloc\"", help);
        }
        self.payload_file(task);
        self.files(task);
        self.actions(task);
        self.constraints(&task.constraints);
        if let Some(index) = task.constraints.iter().position(|constraint| !constraint.operand.compares()) {
            self.enter("constraint", index, "");
            let operand = task.constraints[index].operand.as_str();
            let help = "put the constraint into the group or the job: tasks of a group always share a node";
            self.report(codes::CONSTRAINT, "", format!("`{operand}` is not allowed in a task"), help);
            self.leave();
        }
        self.affinities(&task.affinities);
        if task.restart != group.restart {
            self.restart(&task.restart);
        }
        self.resources(task);
        self.enter("logs", 0, "");
        for (field, value) in
            [("max_files", task.logs.max_files), ("max_file_size", task.logs.max_file_size_mb)]
        {
            if value < 1 {
                self.report(
                    codes::OUT_OF_RANGE,
                    field,
                    format!("`{field}` must be at least 1, found {value}"),
                    "",
                );
            }
        }
        self.leave();
        if !task.kill_signal.is_empty() && !SIGNALS.contains(&task.kill_signal.as_str()) {
            let message = format!("unknown signal \"{}\"", task.kill_signal);
            self.report(codes::CHOICE, "kill_signal", message, "write it as \"SIGTERM\"");
        }
        for fault in drivers::check(&task.driver, &task.config) {
            match fault.setting {
                None => self.report(fault.code, "driver", fault.message, fault.help),
                Some(setting) => {
                    self.enter("config", 0, "");
                    self.report(fault.code, &setting, fault.message, fault.help);
                    self.leave();
                }
            }
        }
        let own = labels(task.resources.network.as_ref());
        let shared = labels(group.network.as_ref());
        let ports: Vec<&str> = own.into_iter().chain(shared).collect();
        self.config_ports(task, &ports);
        self.services(&task.services, &ports, group, Some(task));
    }

    /// Labels in `ports` and `port_map` must be ports of the task or its group.
    fn config_ports(&mut self, task: &Task, ports: &[&str]) {
        let mut named = Vec::new();
        if let Some(model::Value::Map(map)) = task.config.get("port_map") {
            named.extend(map.keys().map(|label| ("port_map", label.as_str())));
        }
        if let Some(model::Value::List(list)) = task.config.get("ports") {
            named.extend(list.iter().filter_map(|item| item.as_text()).map(|label| ("ports", label)));
        }
        for (setting, label) in named {
            if task.driver == "docker" && !ports.contains(&label) {
                self.enter("config", 0, "");
                let message = format!("port label \"{label}\" in `{setting}` does not exist");
                self.report(codes::PORT, setting, message, known_labels(ports, label));
                self.leave();
            }
        }
    }
}

fn labels(network: Option<&model::NetworkAsk>) -> Vec<&str> {
    network.map(|network| network.ports.iter().map(|port| port.label.as_str()).collect()).unwrap_or_default()
}

/// What to do about a label that does not exist.
fn known_labels(ports: &[&str], label: &str) -> String {
    if label.parse::<u16>().is_ok() {
        return format!(
            "`port` names a label: write `port \"http\" {{ static = {label} }}` in `network`, and `port = \"http\"` here"
        );
    }
    match ports {
        [] => format!(
            "write `network {{ port \"{label}\" {{}} }}` in the group, or in the `resources` of the task"
        ),
        _ => {
            let list: Vec<String> = ports.iter().map(|port| format!("\"{port}\"")).collect();
            format!("ports of this task are {}", list.join(", "))
        }
    }
}

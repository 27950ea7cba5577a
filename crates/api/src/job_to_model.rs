//! Jobs on their way in: fills in defaults and refuses, by name, what would not be obeyed.
//!
//! Only what the wire form alone can say is judged here; whether a job makes sense (port labels, names, ranges) is
//! `jobspec`'s to say.

use std::{fmt, time::Duration};

use model::JobType;

use crate::{
    job::{
        EphemeralDisk, Job, LogConfig, NetworkResource, Port, RequestedDevice, Resources, Task, TaskGroup,
    },
    job_from_model::config_from_json,
    wire::{Absent, says_nothing},
};

mod launch; // periodic, parameterized, lifecycle
mod location; // constraints, affinities, spreads
mod policies; // update, restart, reschedule, migrate
mod scaling; // bounds of counts
mod services; // services and checks

/// What is wrong with a job, all of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refused {
    pub problems: Vec<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("; "))
    }
}

impl TryFrom<Job> for model::Job {
    type Error = Refused;

    fn try_from(job: Job) -> Result<Self, Refused> {
        job.into_model()
    }
}

impl Job {
    /// The job in the model's words, with defaults filled in.
    ///
    /// # Errors
    /// Names every field that is known but not supported and set to something, and every value that cannot be.
    pub fn into_model(self) -> Result<model::Job, Refused> {
        let mut reader = Reader::default();
        let job = reader.job(self);
        if reader.problems.is_empty() { Ok(job) } else { Err(Refused { problems: reader.problems }) }
    }
}

/// Collects problems while it converts; what it returns is of use only when there are none.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// Where in the job: `group "web"`, `task "nginx"`.
    place: Vec<String>,
    problems: Vec<String>,
}

impl Reader {
    pub(crate) fn problem(&mut self, what: impl fmt::Display) {
        let place = self.place.join(", ");
        self.problems.push(if place.is_empty() { what.to_string() } else { format!("{place}: {what}") });
    }

    pub(crate) fn inside<T>(&mut self, place: String, read: impl FnOnce(&mut Self) -> T) -> T {
        self.place.push(place);
        let value = read(self);
        self.place.pop();
        value
    }

    fn unsupported(&mut self, field: &str) {
        self.problem(format_args!("{field} is not supported; remove it from the job"));
    }

    fn absent(&mut self, field: &str, value: &Absent) {
        if value.as_ref().is_some_and(|value| !says_nothing(value)) {
            self.unsupported(field);
        }
    }

    fn never(&mut self, field: &str, is_set: bool) {
        if is_set {
            self.unsupported(field);
        }
    }

    /// A text of which only some values (and none) are supported.
    fn only(&mut self, field: &str, value: &str, supported: &[&str]) {
        if !value.is_empty() && !supported.contains(&value) {
            let list = supported.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>().join(" or ");
            let remedy =
                if list.is_empty() { String::from("remove it from the job") } else { format!("use {list}") };
            self.problem(format_args!("{field} {value:?} is not supported; {remedy}"));
        }
    }

    fn duration(&mut self, field: &str, nanos: i64) -> Duration {
        match u64::try_from(nanos) {
            Ok(nanos) => Duration::from_nanos(nanos),
            Err(_) => {
                self.problem(format_args!("{field} must not be negative, found {nanos} ns"));
                Duration::ZERO
            }
        }
    }

    pub(crate) fn duration_or(&mut self, field: &str, nanos: Option<i64>, default: Duration) -> Duration {
        nanos.map_or(default, |nanos| self.duration(field, nanos))
    }

    /// A policy that jobs of this type cannot have.
    fn not_for(&mut self, field: &str, kind: JobType, what: &str) {
        self.problem(format_args!("{field}: jobs of type {:?} do not allow {what}", kind.as_str()));
    }

    pub(crate) fn number<T: TryFrom<i64> + Default>(&mut self, field: &str, number: i64) -> T {
        T::try_from(number).unwrap_or_else(|_| {
            self.problem(format_args!("{field} is out of range: {number}"));
            T::default()
        })
    }

    fn number_or<T: TryFrom<i64> + Default>(&mut self, field: &str, number: Option<i64>, default: T) -> T {
        match number {
            Some(number) => self.number(field, number),
            None => default,
        }
    }

    /// As [`Reader::number_or`], for what has limits of its own.
    fn within<T: TryFrom<i64> + Default>(
        &mut self,
        field: &str,
        number: Option<i64>,
        default: T,
        (least, most): (i64, i64),
    ) -> T {
        let Some(number) = number else { return default };
        match T::try_from(number) {
            Ok(value) if (least..=most).contains(&number) => value,
            _ => {
                self.problem(format_args!("{field} must be between {least} and {most}, found {number}"));
                T::default()
            }
        }
    }

    fn job(&mut self, job: Job) -> model::Job {
        let kind = match job.kind.as_str() {
            "" => JobType::Service,
            text => JobType::parse(text).unwrap_or_else(|| {
                self.problem(format_args!(
                    "Type {text:?} is not supported; use \"service\", \"batch\", \"system\" or \"sysbatch\""
                ));
                JobType::Service
            }),
        };
        self.absent("Multiregion", &job.multiregion);
        self.only("ConsulNamespace", &job.consul_namespace, &[]);
        self.only("VaultNamespace", &job.vault_namespace, &[]);
        if !kind.rolls_out() && job.update.as_ref().is_some_and(|update| !update.says_nothing()) {
            self.not_for("Update", kind, "an update strategy");
        }
        if kind.is_per_node() && job.reschedule.as_ref().is_some_and(|policy| !policy.says_nothing()) {
            self.not_for("Reschedule", kind, "a reschedule policy");
        }

        let defaults = model::Job::default();
        let ui = job.ui.map(|ui| model::JobUi {
            description: ui.description,
            links: ui
                .links
                .into_iter()
                .map(|link| model::JobLink { label: link.label, url: link.url })
                .collect(),
        });
        let periodic = job.periodic.map(Into::into);
        let parameterized = job.parameterized_job.map(|config| self.parameterized(config));
        let launched = (!job.parent_id.is_empty()).then_some(model::Launched {
            parent: job.parent_id,
            dispatched: job.dispatched,
            payload: job.payload,
            idempotency_token: job.dispatch_idempotency_token,
        });
        let constraints = self.constraints(job.constraints);
        let affinities = self.affinities(job.affinities);
        let spreads = self.spreads(job.spreads);
        // The groups take their defaults from the job: read them while the job is still whole.
        let upper =
            policies::FromJob { kind, update: job.update, reschedule: job.reschedule, migrate: job.migrate };
        let groups = job.task_groups.into_iter().map(|group| self.group(group, &upper)).collect();
        model::Job {
            region: or_default(job.region, defaults.region),
            namespace: or_default(job.namespace, defaults.namespace),
            name: or_default(job.name, job.id.clone()),
            id: job.id,
            kind,
            priority: self.number_or("Priority", job.priority, defaults.priority),
            datacenters: if job.datacenters.is_empty() { defaults.datacenters } else { job.datacenters },
            pool: model::PoolName::new(job.node_pool),
            all_at_once: job.all_at_once,
            ui,
            meta: job.meta,
            constraints,
            affinities,
            spreads,
            groups,
            periodic,
            parameterized,
            launched,
            version_tag: job.version_tag.map(|tag| model::VersionTag {
                name: tag.name,
                description: tag.description,
                tagged_at: model::Timestamp(tag.tagged_time),
            }),
            stop: job.stop,
            stable: job.stable,
            version: job.version,
            submit_time: model::Timestamp(job.submit_time),
            status: match job.status.as_str() {
                "running" => model::JobStatus::Running,
                "dead" => model::JobStatus::Dead,
                _ => model::JobStatus::Pending,
            },
            create_index: job.create_index,
            modify_index: job.modify_index,
            job_modify_index: job.job_modify_index,
        }
    }

    fn group(&mut self, group: TaskGroup, upper: &policies::FromJob) -> model::TaskGroup {
        self.inside(format!("group {:?}", group.name), |reader| reader.group_inside(group, upper))
    }

    fn group_inside(&mut self, group: TaskGroup, upper: &policies::FromJob) -> model::TaskGroup {
        self.absent("Consul", &group.consul);
        self.absent("Volumes", &group.volumes);

        let restart = self.restart(group.restart_policy, model::RestartPolicy::for_type(upper.kind));
        let most = (0, i64::from(model::TaskGroup::MAX_COUNT));
        // Left out, the count is the least that may be.
        let least = group.scaling.as_ref().and_then(|scaling| scaling.min);
        let count = self.within("Count", group.count.or(least), 1, most);
        let scaling = group.scaling.map(|scaling| self.scaling(scaling, count));
        let services = group.services.into_iter().map(|service| self.service(service, None)).collect();
        let tasks = group.tasks.into_iter().map(|task| self.task(task, &restart)).collect();
        model::TaskGroup {
            count,
            scaling,
            meta: group.meta,
            constraints: self.constraints(group.constraints),
            affinities: self.affinities(group.affinities),
            spreads: self.spreads(group.spreads),
            restart,
            reschedule: self.reschedule(group.reschedule_policy, upper),
            update: self.update(group.update, upper),
            migrate: self.migrate(group.migrate, upper),
            disconnect: self.disconnect(
                group.disconnect,
                group.max_client_disconnect,
                group.stop_after_client_disconnect,
                group.prevent_reschedule_on_lost,
            ),
            ephemeral_disk: self.ephemeral_disk(group.ephemeral_disk),
            network: self.networks(group.networks),
            services,
            shutdown_delay: self.duration_or("ShutdownDelay", group.shutdown_delay, Duration::ZERO),
            max_run_duration: group
                .max_run_duration
                .filter(|nanos| *nanos != 0)
                .map(|nanos| self.duration("MaxRunDuration", nanos)),
            tasks,
            name: group.name,
        }
    }

    fn task(&mut self, task: Task, restart: &model::RestartPolicy) -> model::Task {
        self.inside(format!("task {:?}", task.name), |reader| reader.task_inside(task, restart))
    }

    fn task_inside(&mut self, task: Task, restart: &model::RestartPolicy) -> model::Task {
        for (field, value) in [
            ("Vault", &task.vault),
            ("Secrets", &task.secrets),
            ("Consul", &task.consul),
            ("VolumeMounts", &task.volume_mounts),
            ("ScalingPolicies", &task.scaling_policies),
            ("CSIPluginConfig", &task.csi_plugin_config),
            ("Identity", &task.identity),
            ("Identities", &task.identities),
            ("Schedule", &task.schedule),
        ] {
            self.absent(field, value);
        }
        self.only("Kind", &task.kind, &[]);
        let services =
            task.services.into_iter().map(|service| self.service(service, Some(&task.name))).collect();
        model::Task {
            driver: task.driver,
            user: task.user,
            config: task.config.iter().map(|(key, value)| (key.clone(), config_from_json(value))).collect(),
            env: task.env,
            meta: task.meta,
            constraints: self.constraints(task.constraints),
            affinities: self.affinities(task.affinities),
            services,
            resources: self.resources(task.resources.unwrap_or_default()),
            restart: self.restart(task.restart_policy, restart.clone()),
            logs: self.logs(task.log_config.unwrap_or_default()),
            leader: task.leader,
            kill_timeout: self.duration_or("KillTimeout", task.kill_timeout, Duration::from_secs(5)),
            kill_signal: task.kill_signal,
            shutdown_delay: self.duration("ShutdownDelay", task.shutdown_delay),
            lifecycle: task.lifecycle.and_then(|lifecycle| self.lifecycle(lifecycle)),
            payload_file: task.dispatch_payload.map(|payload| payload.file).unwrap_or_default(),
            templates: task.templates.into_iter().map(|template| self.template(template)).collect(),
            artifacts: task.artifacts.into_iter().map(|artifact| self.artifact(artifact)).collect(),
            actions: task
                .actions
                .into_iter()
                .map(|action| model::Action { name: action.name, command: action.command, args: action.args })
                .collect(),
            name: task.name,
        }
    }

    fn resources(&mut self, resources: Resources) -> model::Resources {
        let defaults = model::Resources::default();
        let cores: u32 = self.number("Resources.Cores", resources.cores);
        // A share of nothing is what jobs with cores have when they come back from a server.
        if cores > 0 && resources.cpu.is_some_and(|cpu| cpu != 0) {
            self.problem("Resources: a task asks for CPU or for Cores, not for both; remove one of them");
        }
        let default_mhz = if cores > 0 { 0 } else { defaults.cpu_mhz };
        let memory_max = model::MemoryMax::from_number(resources.memory_max_mb);
        if memory_max.is_none() && resources.memory_max_mb != 0 {
            self.problem(format_args!("Resources.MemoryMaxMB is out of range: {}", resources.memory_max_mb));
        }
        self.never("Resources.SecretsMB", resources.secrets_mb != 0);
        // `IOPS` has had no effect since 2018: there is nothing to obey.
        if resources.disk_mb != 0 {
            self.problem("Resources.DiskMB is not supported; set the group's EphemeralDisk.SizeMB instead");
        }
        let devices = resources.devices.into_iter().map(|device| self.device(device)).collect();
        let numa =
            resources.numa.filter(|numa| numa.get("Affinity").and_then(|it| it.as_str()) != Some("none"));
        if numa.as_ref().is_some_and(|numa| !says_nothing(numa)) {
            self.problem(
                "Resources.NUMA: only Affinity \"none\" is supported; remove it, or set Cores for cores of the \
                 task's own",
            );
        }
        model::Resources {
            cpu_mhz: self.number_or("Resources.CPU", resources.cpu, default_mhz),
            cores,
            memory_mb: self.number_or("Resources.MemoryMB", resources.memory_mb, defaults.memory_mb),
            memory_max,
            network: self.networks(resources.networks),
            devices,
        }
    }

    fn device(&mut self, device: RequestedDevice) -> model::DeviceAsk {
        let place = format!("device {:?}", device.name);
        self.inside(place, |reader| model::DeviceAsk {
            count: reader.number_or("Count", device.count, 1),
            constraints: reader.constraints(device.constraints),
            affinities: reader.affinities(device.affinities),
            name: device.name,
        })
    }

    fn networks(&mut self, mut networks: Vec<NetworkResource>) -> Option<model::NetworkAsk> {
        if networks.len() > 1 {
            self.problem(format_args!("Networks: only one network is supported, found {}", networks.len()));
        }
        let network = networks.pop()?;
        self.only("Networks.Mode", &network.mode, &["host"]);
        // `Device`, `CIDR` and `IP` are what servers answered; jobs taken from an answer carry them.
        self.only("Networks.Hostname", &network.hostname, &[]);
        self.absent("Networks.DNS", &network.dns);
        self.absent("Networks.CNI", &network.cni);
        let mut ports: Vec<model::Port> = Vec::new();
        for port in &network.reserved_ports {
            let fixed = self.number("Networks.ReservedPorts.Value", port.value);
            if port.value == 0 {
                self.problem(format_args!("Networks.ReservedPorts: port {:?} has no Value", port.label));
            }
            ports.push(self.port(port, Some(fixed)));
        }
        for port in &network.dynamic_ports {
            ports.push(self.port(port, None));
        }
        Some(model::NetworkAsk { mbits: self.number("Networks.MBits", network.mbits), ports })
    }

    fn port(&mut self, port: &Port, fixed: Option<u16>) -> model::Port {
        self.only("Networks port HostNetwork", &port.host_network, &["default"]);
        let to =
            if matches!(port.to, 0 | -1) { None } else { Some(self.number("Networks port To", port.to)) };
        model::Port { label: port.label.clone(), fixed, to, ignore_collision: port.ignore_collision }
    }

    fn ephemeral_disk(&mut self, disk: Option<EphemeralDisk>) -> model::EphemeralDisk {
        let disk = disk.unwrap_or_default();
        let default = model::EphemeralDisk::default().size_mb;
        model::EphemeralDisk {
            size_mb: self.number_or("EphemeralDisk.SizeMB", disk.size_mb, default),
            sticky: disk.sticky,
            migrate: disk.migrate,
        }
    }

    fn logs(&mut self, logs: LogConfig) -> model::LogConfig {
        let defaults = model::LogConfig::default();
        model::LogConfig {
            max_files: self.number_or("LogConfig.MaxFiles", logs.max_files, defaults.max_files),
            max_file_size_mb: self.number_or(
                "LogConfig.MaxFileSizeMB",
                logs.max_file_size_mb,
                defaults.max_file_size_mb,
            ),
            disabled: logs.disabled,
        }
    }
}

fn or_default(text: String, default: String) -> String {
    if text.is_empty() { default } else { text }
}

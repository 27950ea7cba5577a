//! Jobs on their way out: the model's nouns under the names that clients know.

use serde_json::Value as Json;

use crate::{
    job::{
        Action, Affinity, CheckRestart, Constraint, DisconnectStrategy, DispatchPayloadConfig, EphemeralDisk,
        Job, JobUIConfig, JobUILink, JobVersionTag, LogConfig, MigrateStrategy, NetworkResource,
        ParameterizedJobConfig, PeriodicConfig, Port, RequestedDevice, ReschedulePolicy, Resources,
        RestartPolicy, Service, ServiceCheck, ServiceWeights, Spread, SpreadTarget, Task, TaskGroup,
        UpdateStrategy,
    },
    scale::ScalingPolicy,
    wire::nanos,
};

impl From<&model::Job> for Job {
    fn from(job: &model::Job) -> Self {
        Self {
            id: job.id.clone(),
            name: job.name.clone(),
            namespace: job.namespace.clone(),
            region: job.region.clone(),
            kind: job.kind.as_str().to_owned(),
            priority: Some(i64::from(job.priority)),
            all_at_once: job.all_at_once,
            datacenters: job.datacenters.clone(),
            node_pool: job.pool.to_string(),
            constraints: constraints(&job.constraints),
            affinities: job.affinities.iter().map(Into::into).collect(),
            spreads: job.spreads.iter().map(Into::into).collect(),
            task_groups: job.groups.iter().map(|group| task_group(group, job)).collect(),
            meta: job.meta.clone(),
            ui: job.ui.as_ref().map(|ui| JobUIConfig {
                description: ui.description.clone(),
                links: ui
                    .links
                    .iter()
                    .map(|link| JobUILink { label: link.label.clone(), url: link.url.clone() })
                    .collect(),
            }),
            periodic: job.periodic.as_ref().map(Into::into),
            parameterized_job: job.parameterized.as_ref().map(Into::into),
            version_tag: job.version_tag.as_ref().map(Into::into),
            ..launched(job.launched.as_ref())
        }
        .with_history(job)
    }
}

/// Whose copy a job is.
fn launched(launched: Option<&model::Launched>) -> Job {
    let Some(launched) = launched else { return Job::default() };
    Job {
        parent_id: launched.parent.clone(),
        dispatched: launched.dispatched,
        dispatch_idempotency_token: launched.idempotency_token.clone(),
        payload: launched.payload.clone(),
        ..Job::default()
    }
}

impl Job {
    /// With what the server keeps of a job.
    fn with_history(self, job: &model::Job) -> Self {
        Self {
            stop: job.stop,
            status: job.status.as_str().to_owned(),
            stable: job.stable,
            version: job.version,
            submit_time: job.submit_time.as_nanos(),
            create_index: job.create_index,
            modify_index: job.modify_index,
            job_modify_index: job.job_modify_index,
            ..self
        }
    }
}

impl From<&model::Periodic> for PeriodicConfig {
    fn from(periodic: &model::Periodic) -> Self {
        let (spec, specs) = match periodic.specs.as_slice() {
            [only] => (only.clone(), Vec::new()),
            several => (String::new(), several.to_vec()),
        };
        Self {
            enabled: Some(periodic.enabled),
            spec,
            specs,
            spec_type: String::from("cron"),
            prohibit_overlap: periodic.prohibit_overlap,
            time_zone: periodic.time_zone.clone(),
        }
    }
}

impl From<&model::Parameterized> for ParameterizedJobConfig {
    fn from(parameterized: &model::Parameterized) -> Self {
        Self {
            payload: parameterized.payload.as_str().to_owned(),
            meta_required: parameterized.meta_required.clone(),
            meta_optional: parameterized.meta_optional.clone(),
        }
    }
}

impl From<&model::VersionTag> for JobVersionTag {
    fn from(tag: &model::VersionTag) -> Self {
        Self {
            name: tag.name.clone(),
            description: tag.description.clone(),
            tagged_time: tag.tagged_at.as_nanos(),
        }
    }
}

fn task_group(group: &model::TaskGroup, job: &model::Job) -> TaskGroup {
    TaskGroup {
        name: group.name.clone(),
        count: Some(i64::from(group.count)),
        // Left out it would mean the defaults: "none" has to be said.
        update: match &group.update {
            Some(update) => Some(update.into()),
            None => job.kind.rolls_out().then(UpdateStrategy::zero),
        },
        migrate: group.migrate.as_ref().map(Into::into),
        disconnect: group.disconnect.as_ref().map(Into::into),
        scaling: group.scaling.as_ref().map(|scaling| ScalingPolicy::new(job, &group.name, scaling)),
        constraints: constraints(&group.constraints),
        affinities: group.affinities.iter().map(Into::into).collect(),
        spreads: group.spreads.iter().map(Into::into).collect(),
        restart_policy: Some((&group.restart).into()),
        tasks: group.tasks.iter().map(task).collect(),
        ephemeral_disk: Some(EphemeralDisk {
            sticky: group.ephemeral_disk.sticky,
            size_mb: Some(i64::from(group.ephemeral_disk.size_mb)),
            migrate: group.ephemeral_disk.migrate,
        }),
        meta: group.meta.clone(),
        reschedule_policy: Some(group.reschedule.as_ref().map_or_else(ReschedulePolicy::never, Into::into)),
        networks: group.network.iter().map(Into::into).collect(),
        services: group.services.iter().map(|item| service(item, "")).collect(),
        shutdown_delay: Some(nanos(group.shutdown_delay)),
        max_run_duration: group.max_run_duration.map(nanos),
        ..TaskGroup::default()
    }
}

fn task(task: &model::Task) -> Task {
    Task {
        name: task.name.clone(),
        driver: task.driver.clone(),
        user: task.user.clone(),
        config: task.config.iter().map(|(key, value)| (key.clone(), config_to_json(value))).collect(),
        env: task.env.clone(),
        services: task.services.iter().map(|item| service(item, &task.name)).collect(),
        constraints: constraints(&task.constraints),
        affinities: task.affinities.iter().map(Into::into).collect(),
        resources: Some((&task.resources).into()),
        restart_policy: Some((&task.restart).into()),
        meta: task.meta.clone(),
        kill_timeout: Some(nanos(task.kill_timeout)),
        log_config: Some(LogConfig {
            max_files: Some(i64::from(task.logs.max_files)),
            max_file_size_mb: Some(i64::from(task.logs.max_file_size_mb)),
            disabled: task.logs.disabled,
        }),
        leader: task.leader,
        shutdown_delay: nanos(task.shutdown_delay),
        kill_signal: task.kill_signal.clone(),
        lifecycle: task.lifecycle.map(Into::into),
        dispatch_payload: (!task.payload_file.is_empty())
            .then(|| DispatchPayloadConfig { file: task.payload_file.clone() }),
        templates: task.templates.iter().map(Into::into).collect(),
        actions: task
            .actions
            .iter()
            .map(|action| Action {
                name: action.name.clone(),
                command: action.command.clone(),
                args: action.args.clone(),
            })
            .collect(),
        artifacts: task.artifacts.iter().map(Into::into).collect(),
        ..Task::default()
    }
}

fn constraints(constraints: &[model::Constraint]) -> Vec<Constraint> {
    constraints
        .iter()
        .map(|constraint| Constraint {
            left: constraint.left.clone(),
            right: constraint.right.clone(),
            operand: constraint.operand.as_str().to_owned(),
        })
        .collect()
}

impl From<&model::Affinity> for Affinity {
    fn from(affinity: &model::Affinity) -> Self {
        Self {
            left: affinity.rule.left.clone(),
            right: affinity.rule.right.clone(),
            operand: affinity.rule.operand.as_str().to_owned(),
            weight: Some(i64::from(affinity.weight)),
        }
    }
}

impl From<&model::Spread> for Spread {
    fn from(spread: &model::Spread) -> Self {
        let target = |target: &model::SpreadTarget| SpreadTarget {
            value: target.value.clone(),
            percent: i64::from(target.percent),
        };
        Self {
            attribute: spread.attribute.clone(),
            weight: Some(i64::from(spread.weight)),
            spread_target: spread.targets.iter().map(target).collect(),
        }
    }
}

impl From<&model::Resources> for Resources {
    fn from(resources: &model::Resources) -> Self {
        Self {
            cpu: Some(i64::from(resources.cpu_mhz)),
            cores: i64::from(resources.cores),
            memory_mb: Some(i64::from(resources.memory_mb)),
            memory_max_mb: resources.memory_max.map_or(0, model::MemoryMax::to_number),
            networks: resources.network.iter().map(Into::into).collect(),
            devices: resources.devices.iter().map(Into::into).collect(),
            ..Self::default()
        }
    }
}

impl From<&model::DeviceAsk> for RequestedDevice {
    fn from(ask: &model::DeviceAsk) -> Self {
        Self {
            name: ask.name.clone(),
            count: Some(i64::from(ask.count)),
            constraints: constraints(&ask.constraints),
            affinities: ask.affinities.iter().map(Into::into).collect(),
        }
    }
}

impl From<&model::NetworkAsk> for NetworkResource {
    fn from(ask: &model::NetworkAsk) -> Self {
        let port = |port: &model::Port| Port {
            label: port.label.clone(),
            value: port.fixed.map_or(0, i64::from),
            to: port.to.map_or(0, i64::from),
            ignore_collision: port.ignore_collision,
            ..Port::default()
        };
        Self {
            mode: String::from("host"),
            mbits: i64::from(ask.mbits),
            reserved_ports: ask.ports.iter().filter(|ask| ask.fixed.is_some()).map(port).collect(),
            dynamic_ports: ask.ports.iter().filter(|ask| ask.fixed.is_none()).map(port).collect(),
            ..Self::default()
        }
    }
}

fn service(service: &model::Service, holder: &str) -> Service {
    Service {
        name: service.name.clone(),
        task_name: if service.task.is_empty() { holder.to_owned() } else { service.task.clone() },
        port_label: service.port_label.clone(),
        address: service.address.clone(),
        address_mode: service.address_mode.as_str().to_owned(),
        enable_tag_override: service.enable_tag_override,
        tags: service.tags.clone(),
        checks: service.checks.iter().map(Into::into).collect(),
        meta: service.meta.clone(),
        canary_tags: service.canary_tags.clone(),
        canary_meta: service.canary_meta.clone(),
        namespace: String::from("default"),
        on_update: service.on_update.as_str().to_owned(),
        provider: service.provider.as_str().to_owned(),
        cluster: String::from("default"),
        tagged_addresses: service.tagged_addresses.clone(),
        weights: Some(ServiceWeights {
            passing: i64::from(service.weights.passing),
            warning: i64::from(service.weights.warning),
        }),
        ..Service::default()
    }
}

impl From<&model::Check> for ServiceCheck {
    fn from(check: &model::Check) -> Self {
        Self {
            name: check.name.clone(),
            kind: check.kind.as_str().to_owned(),
            command: check.command.clone(),
            args: check.args.clone(),
            path: check.path.clone(),
            port_label: check.port_label.clone(),
            address_mode: match check.address_mode {
                model::AddressMode::Auto => String::new(),
                mode => mode.as_str().to_owned(),
            },
            interval: nanos(check.interval),
            timeout: nanos(check.timeout),
            initial_status: check.initial_status.clone(),
            method: check.method.clone(),
            header: check.headers.clone(),
            check_restart: check.restart.as_ref().map(|restart| CheckRestart {
                limit: i64::from(restart.limit),
                grace: Some(nanos(restart.grace)),
                ignore_warnings: restart.ignore_warnings,
            }),
            success_before_passing: i64::from(check.success_before_passing),
            failures_before_critical: i64::from(check.failures_before_critical),
            body: check.body.clone(),
            on_update: check.on_update.as_str().to_owned(),
            failures_before_warning: i64::from(check.failures_before_warning),
            protocol: String::from(if check.https { "https" } else { "" }),
            grpc_use_tls: check.grpc_use_tls,
            grpc_service: check.grpc_service.clone(),
            tls_skip_verify: check.tls_skip_verify,
            tls_server_name: check.tls_server_name.clone(),
            notes: check.notes.clone(),
            ..Self::default()
        }
    }
}

fn health_check(check: model::HealthCheck) -> String {
    String::from(match check {
        model::HealthCheck::Checks => "checks",
        model::HealthCheck::TaskStates => "task_states",
        model::HealthCheck::Manual => "manual",
    })
}

impl From<&model::UpdateStrategy> for UpdateStrategy {
    fn from(update: &model::UpdateStrategy) -> Self {
        Self {
            stagger: Some(nanos(update.stagger)),
            max_parallel: Some(i64::from(update.max_parallel)),
            health_check: Some(health_check(update.health_check)),
            min_healthy_time: Some(nanos(update.min_healthy_time)),
            healthy_deadline: Some(nanos(update.healthy_deadline)),
            progress_deadline: Some(nanos(update.progress_deadline)),
            auto_revert: Some(update.auto_revert),
            auto_promote: Some(update.auto_promote),
            canary: Some(i64::from(update.canary)),
        }
    }
}

impl From<&model::RestartPolicy> for RestartPolicy {
    fn from(policy: &model::RestartPolicy) -> Self {
        Self {
            attempts: Some(i64::from(policy.attempts)),
            interval: Some(nanos(policy.interval)),
            delay: Some(nanos(policy.delay)),
            mode: Some(String::from(match policy.mode {
                model::RestartMode::Fail => "fail",
                model::RestartMode::Delay => "delay",
            })),
            render_templates: Some(policy.render_templates),
        }
    }
}

impl ReschedulePolicy {
    /// Rescheduling is disabled.
    pub fn never() -> Self {
        Self {
            attempts: Some(0),
            interval: Some(0),
            delay: Some(0),
            delay_function: Some(String::new()),
            max_delay: Some(0),
            unlimited: Some(false),
        }
    }

    /// Nothing is set, or only to zero.
    pub(crate) fn says_nothing(&self) -> bool {
        let zero = |value: Option<i64>| value.unwrap_or(0) == 0;
        [self.attempts, self.interval, self.delay, self.max_delay].into_iter().all(zero)
            && self.delay_function.as_deref().unwrap_or_default().is_empty()
            && !self.unlimited.unwrap_or(false)
    }
}

impl From<&model::ReschedulePolicy> for ReschedulePolicy {
    fn from(policy: &model::ReschedulePolicy) -> Self {
        Self {
            attempts: Some(i64::from(policy.attempts)),
            interval: Some(nanos(policy.interval)),
            delay: Some(nanos(policy.delay)),
            delay_function: Some(String::from(match policy.delay_function {
                model::DelayFunction::Constant => "constant",
                model::DelayFunction::Exponential => "exponential",
                model::DelayFunction::Fibonacci => "fibonacci",
            })),
            max_delay: Some(nanos(policy.max_delay)),
            unlimited: Some(policy.unlimited),
        }
    }
}

impl From<&model::MigratePolicy> for MigrateStrategy {
    fn from(policy: &model::MigratePolicy) -> Self {
        Self {
            max_parallel: Some(i64::from(policy.max_parallel)),
            health_check: Some(health_check(policy.health_check)),
            min_healthy_time: Some(nanos(policy.min_healthy_time)),
            healthy_deadline: Some(nanos(policy.healthy_deadline)),
        }
    }
}

impl From<&model::Disconnect> for DisconnectStrategy {
    fn from(policy: &model::Disconnect) -> Self {
        Self {
            lost_after: Some(nanos(policy.lost_after)),
            stop_on_client_after: policy.stop_on_client_after.map(nanos),
            replace: Some(policy.replace),
            reconcile: Some(policy.reconcile.as_str().to_owned()),
        }
    }
}

/// A value of a driver's config as JSON. Numbers that JSON cannot hold (infinity) become `null`.
pub fn config_to_json(value: &model::Value) -> Json {
    match value {
        model::Value::Null => Json::Null,
        model::Value::Bool(flag) => Json::Bool(*flag),
        model::Value::Int(number) => Json::from(*number),
        model::Value::Float(number) => Json::from(*number),
        model::Value::Text(text) => Json::from(text.as_str()),
        model::Value::List(items) => Json::Array(items.iter().map(config_to_json).collect()),
        model::Value::Map(members) => {
            Json::Object(members.iter().map(|(key, value)| (key.clone(), config_to_json(value))).collect())
        }
    }
}

/// JSON as a value of a driver's config. Integers beyond 63 bits become floats.
pub fn config_from_json(value: &Json) -> model::Value {
    match value {
        Json::Null => model::Value::Null,
        Json::Bool(flag) => model::Value::Bool(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(number) => model::Value::Int(number),
            None => model::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => model::Value::Text(text.clone()),
        Json::Array(items) => model::Value::List(items.iter().map(config_from_json).collect()),
        Json::Object(members) => model::Value::Map(
            members.iter().map(|(key, value)| (key.clone(), config_from_json(value))).collect(),
        ),
    }
}

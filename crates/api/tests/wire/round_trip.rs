//! A job survives the way out and back in.

use std::{collections::BTreeMap, time::Duration};

use model::{
    Action, AddressMode, Affinity, Check, CheckKind, CheckRestart, Constraint, DelayFunction, DeviceAsk,
    Disconnect, EphemeralDisk, HealthCheck, Hook, Job, JobLink, JobStatus, JobType, JobUi, Launched,
    Lifecycle, LogConfig, MemoryMax, MigratePolicy, NetworkAsk, OnUpdate, Operand, Parameterized,
    PayloadRule, Periodic, Port, Provider, Reconcile, ReschedulePolicy, Resources, RestartMode,
    RestartPolicy, Scaling, Service, Spread, SpreadTarget, Task, TaskGroup, Timestamp, UpdateStrategy, Value,
    VersionTag, Weights,
};
use proptest::{collection::btree_map, collection::vec, option, prelude::*, sample::select};

fn word() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9-]{0,6}"
}

fn texts() -> impl Strategy<Value = BTreeMap<String, String>> {
    // Names of fields among them: they must not be taken for such.
    btree_map(prop_oneof!["[a-zA-Z_.]{1,6}", Just("id".to_owned()), Just("NAME".to_owned())], ".{0,5}", 0..3)
}

fn duration() -> impl Strategy<Value = Duration> {
    (0_u64..1 << 50).prop_map(Duration::from_nanos)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<i16>().prop_map(|half| Value::Float(f64::from(half) + 0.5)),
        ".{0,5}".prop_map(Value::Text),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::List),
            btree_map(word(), inner, 0..3).prop_map(Value::Map),
        ]
    })
}

fn constraint() -> impl Strategy<Value = Constraint> {
    let operands = [
        Operand::Equal,
        Operand::NotEqual,
        Operand::Version,
        Operand::IsSet,
        Operand::DistinctHosts,
        Operand::DistinctProperty,
    ];
    (word(), select(operands.to_vec()), word())
        .prop_filter("says nothing", |(_, _, right)| right != "false")
        .prop_map(|(left, operand, right)| Constraint { left, operand, right })
}

fn affinity() -> impl Strategy<Value = Affinity> {
    let usable = constraint().prop_filter("not of one node alone", |rule| rule.operand.compares());
    (usable, -100_i8..=100).prop_map(|(rule, weight)| Affinity { rule, weight })
}

fn spread() -> impl Strategy<Value = Spread> {
    let target = (word(), 0_u8..=100).prop_map(|(value, percent)| SpreadTarget { value, percent });
    (word(), 1_u8..=100, vec(target, 0..3)).prop_map(|(attribute, weight, targets)| Spread {
        attribute,
        weight,
        targets,
    })
}

/// Rules of a place.
fn location() -> impl Strategy<Value = (Vec<Constraint>, Vec<Affinity>, Vec<Spread>)> {
    (vec(constraint(), 0..2), vec(affinity(), 0..2), vec(spread(), 0..2))
}

fn network() -> impl Strategy<Value = NetworkAsk> {
    let port = (word(), option::of(1_u16..), option::of(1_u16..), any::<bool>());
    let port =
        port.prop_map(|(label, fixed, to, ignore_collision)| Port { label, fixed, to, ignore_collision });
    (any::<u16>(), vec(port, 0..4)).prop_map(|(mbits, mut ports)| {
        // The wire form keeps fixed and dynamic ports apart.
        ports.sort_by_key(|port| port.fixed.is_none());
        NetworkAsk { mbits: u32::from(mbits), ports }
    })
}

fn device() -> impl Strategy<Value = DeviceAsk> {
    (word(), any::<u16>(), location()).prop_map(|(name, count, (constraints, affinities, _))| DeviceAsk {
        name,
        count: u32::from(count),
        constraints,
        affinities,
    })
}

fn check() -> impl Strategy<Value = Check> {
    let restart = (any::<u16>(), duration(), any::<bool>()).prop_map(|(limit, grace, ignore_warnings)| {
        CheckRestart { limit: u32::from(limit), grace, ignore_warnings }
    });
    let address_mode = select(AddressMode::ALL.to_vec());
    let over_tls = (any::<bool>(), any::<bool>(), any::<bool>(), word(), word());
    (
        (word(), select(CheckKind::ALL.to_vec()), duration(), duration(), word(), word(), word()),
        (btree_map(word(), vec(word(), 0..2), 0..2), word(), word(), vec(word(), 0..2), 0_u32..9, 0_u32..9),
        (over_tls, 0_u32..9, word(), select(OnUpdate::ALL.to_vec()), address_mode),
        option::of(restart),
    )
        .prop_map(|((name, kind, interval, timeout, port_label, path, method), rest, more, restart)| {
            let (headers, body, command, args, success_before_passing, failures_before_critical) = rest;
            let (over_tls, failures_before_warning, notes, on_update, address_mode) = more;
            let (https, grpc_use_tls, tls_skip_verify, tls_server_name, grpc_service) = over_tls;
            Check {
                name,
                kind,
                interval,
                timeout,
                port_label,
                address_mode,
                path,
                method,
                headers,
                body,
                command,
                args,
                initial_status: String::new(),
                success_before_passing,
                failures_before_critical,
                failures_before_warning,
                restart,
                https,
                grpc_use_tls,
                grpc_service,
                tls_skip_verify,
                tls_server_name,
                notes,
                on_update,
            }
        })
}

fn service(of_group: bool) -> impl Strategy<Value = Service> {
    let task = if of_group { word().boxed() } else { Just(String::new()).boxed() };
    let on_update = select(OnUpdate::ALL.to_vec());
    let weights = (1_u16.., 1_u16..).prop_map(|(passing, warning)| Weights { passing, warning });
    let more = (select(AddressMode::ALL.to_vec()), texts(), any::<bool>(), weights, on_update);
    (word(), vec(word(), 0..2), texts(), word(), vec(check(), 0..2), task, word(), more).prop_map(
        |(name, tags, meta, port_label, checks, task, address, more)| {
            let (address_mode, tagged_addresses, enable_tag_override, weights, on_update) = more;
            let provider = if tags.is_empty() { Provider::Consul } else { Provider::Nomad };
            Service {
                name,
                canary_tags: tags.iter().rev().cloned().collect(),
                tags,
                canary_meta: meta.clone(),
                meta,
                port_label,
                address,
                address_mode,
                tagged_addresses,
                enable_tag_override,
                weights,
                checks,
                on_update,
                provider,
                task,
            }
        },
    )
}

fn restart() -> impl Strategy<Value = RestartPolicy> {
    (any::<u16>(), duration(), duration(), select(vec![RestartMode::Fail, RestartMode::Delay]), any::<bool>())
        .prop_map(|(attempts, interval, delay, mode, render_templates)| RestartPolicy {
            attempts: u32::from(attempts),
            interval,
            delay,
            mode,
            render_templates,
        })
}

fn reschedule() -> impl Strategy<Value = Option<ReschedulePolicy>> {
    let functions = vec![DelayFunction::Constant, DelayFunction::Exponential, DelayFunction::Fibonacci];
    let policy = (any::<u16>(), duration(), duration(), select(functions), duration(), any::<bool>())
        .prop_map(|(attempts, interval, delay, delay_function, max_delay, unlimited)| ReschedulePolicy {
            attempts: u32::from(attempts),
            interval,
            delay,
            delay_function,
            max_delay,
            unlimited,
        })
        .prop_filter("means none", |policy| policy.unlimited || policy.attempts > 0);
    option::of(policy)
}

fn health_check() -> impl Strategy<Value = HealthCheck> {
    select(vec![HealthCheck::Checks, HealthCheck::TaskStates])
}

fn update() -> impl Strategy<Value = UpdateStrategy> {
    let checks = select(vec![HealthCheck::Checks, HealthCheck::TaskStates, HealthCheck::Manual]);
    let times = (duration(), duration(), duration(), duration());
    (1_u32..100, checks, times, any::<(bool, bool)>(), 0_u32..10).prop_map(
        |(max_parallel, health_check, times, (auto_revert, auto_promote), canary)| {
            let (stagger, min_healthy_time, healthy_deadline, progress_deadline) = times;
            UpdateStrategy {
                max_parallel,
                stagger,
                health_check,
                min_healthy_time,
                healthy_deadline,
                progress_deadline,
                auto_revert,
                auto_promote,
                canary,
            }
        },
    )
}

fn migrate() -> impl Strategy<Value = MigratePolicy> {
    (0_u32..100, health_check(), duration(), duration()).prop_map(
        |(max_parallel, health_check, min_healthy_time, healthy_deadline)| MigratePolicy {
            max_parallel,
            health_check,
            min_healthy_time,
            healthy_deadline,
        },
    )
}

fn disconnect() -> impl Strategy<Value = Disconnect> {
    (duration(), any::<bool>(), option::of(duration()), select(Reconcile::ALL.to_vec())).prop_map(
        |(lost_after, replace, stop_on_client_after, reconcile)| Disconnect {
            lost_after,
            replace,
            stop_on_client_after,
            reconcile,
        },
    )
}

fn memory_max() -> impl Strategy<Value = MemoryMax> {
    prop_oneof![Just(MemoryMax::Unlimited), (1_u32..).prop_map(MemoryMax::Mb)]
}

fn lifecycle() -> impl Strategy<Value = Lifecycle> {
    (select(Hook::ALL.to_vec()), any::<bool>()).prop_map(|(hook, sidecar)| Lifecycle { hook, sidecar })
}

fn maybe_word() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), word()]
}

fn periodic() -> impl Strategy<Value = Periodic> {
    (any::<bool>(), vec(word(), 0..3), any::<bool>(), word()).prop_map(
        |(enabled, specs, prohibit_overlap, time_zone)| Periodic {
            enabled,
            specs,
            prohibit_overlap,
            time_zone,
        },
    )
}

fn parameterized() -> impl Strategy<Value = Parameterized> {
    (select(PayloadRule::ALL.to_vec()), vec(word(), 0..3), vec(word(), 0..3)).prop_map(
        |(payload, meta_required, meta_optional)| Parameterized { payload, meta_required, meta_optional },
    )
}

fn launched() -> impl Strategy<Value = Launched> {
    (word(), any::<bool>(), vec(any::<u8>(), 0..20), maybe_word()).prop_map(
        |(parent, dispatched, payload, idempotency_token)| Launched {
            parent,
            dispatched,
            payload,
            idempotency_token,
        },
    )
}

fn action() -> impl Strategy<Value = Action> {
    (word(), word(), vec(word(), 0..3)).prop_map(|(name, command, args)| Action { name, command, args })
}

fn task() -> impl Strategy<Value = Task> {
    (
        (word(), word(), word(), btree_map(word(), value(), 0..3), texts(), texts(), location()),
        (
            vec(service(false), 0..2),
            any::<(u16, u16)>(),
            (option::of(network()), option::of(memory_max()), any::<bool>(), vec(device(), 0..2)),
            restart(),
            any::<(u16, u16)>(),
        ),
        (
            any::<bool>(),
            duration(),
            word(),
            duration(),
            option::of(lifecycle()),
            maybe_word(),
            vec(action(), 0..2),
        ),
    )
        .prop_map(|((name, driver, user, config, env, meta, location), middle, last)| {
            let (
                services,
                (cpu, memory),
                (network, memory_max, whole, devices),
                restart,
                (max_files, max_file_size),
            ) = middle;
            let (leader, kill_timeout, kill_signal, shutdown_delay, lifecycle, payload_file, actions) = last;
            let (constraints, affinities, _) = location;
            Task {
                name,
                driver,
                user,
                config,
                env,
                meta,
                constraints,
                affinities,
                services,
                resources: Resources {
                    cpu_mhz: if whole && cpu > 0 { 0 } else { u32::from(cpu) },
                    cores: if whole { u32::from(cpu) } else { 0 },
                    memory_mb: u32::from(memory),
                    memory_max,
                    network,
                    devices,
                },
                restart,
                logs: LogConfig {
                    max_files: u32::from(max_files),
                    max_file_size_mb: u32::from(max_file_size),
                    disabled: leader,
                },
                leader,
                kill_timeout,
                kill_signal,
                shutdown_delay,
                lifecycle,
                payload_file,
                templates: some_templates(),
                artifacts: some_artifacts(),
                actions,
            }
        })
}

fn group(kind: JobType) -> impl Strategy<Value = TaskGroup> {
    let update = if kind.rolls_out() { option::of(update()).boxed() } else { Just(None).boxed() };
    let migrate = match kind {
        JobType::Service => migrate().prop_map(Some).boxed(),
        _ => Just(None).boxed(),
    };
    let reschedule = if kind.is_per_node() { Just(None).boxed() } else { reschedule().boxed() };
    (
        (word(), any::<u16>(), texts(), location(), restart(), reschedule, update, migrate),
        (
            any::<u16>(),
            option::of(network()),
            vec(service(true), 0..2),
            duration(),
            vec(task(), 0..3),
            option::of(disconnect()),
        ),
    )
        .prop_map(move |((name, count, meta, location, restart, reschedule, update, migrate), rest)| {
            let (size_mb, network, services, shutdown_delay, tasks, disconnect) = rest;
            let (constraints, affinities, spreads) = location;
            let count = u32::from(count).min(TaskGroup::MAX_COUNT);
            let policy = || [(String::from("id"), Value::Int(i64::from(count)))].into();
            let scaling = (count % 3 == 1).then(|| Scaling {
                min: count / 2,
                max: count,
                enabled: count % 2 == 0,
                policy: policy(),
            });
            TaskGroup {
                name,
                count,
                scaling,
                meta,
                constraints,
                affinities,
                spreads,
                restart,
                reschedule,
                update,
                migrate,
                disconnect,
                ephemeral_disk: EphemeralDisk {
                    size_mb: u32::from(size_mb),
                    sticky: size_mb % 3 == 1,
                    migrate: size_mb % 5 == 2,
                },
                network,
                services,
                max_run_duration: kind.completes().then_some(std::time::Duration::from_secs(9)),
                shutdown_delay,
                tasks,
            }
        })
}

pub(crate) fn job() -> impl Strategy<Value = Job> {
    select(JobType::ALL.to_vec()).prop_flat_map(|kind| {
        (
            (word(), word(), word(), word(), any::<u16>(), vec(word(), 1..3), any::<bool>(), texts()),
            (
                location(),
                vec(group(kind), 0..3),
                any::<(bool, bool)>(),
                (option::of(periodic()), option::of(parameterized()), option::of(launched())),
            ),
            (
                any::<[u64; 4]>(),
                any::<i64>(),
                select(vec![JobStatus::Pending, JobStatus::Running, JobStatus::Dead]),
            ),
        )
            .prop_map(move |(first, second, (indexes, submit_time, status))| {
                let (region, namespace, id, name, priority, datacenters, all_at_once, meta) = first;
                let ((constraints, affinities, spreads), groups, (stop, stable), launching) = second;
                let (periodic, parameterized, launched) = launching;
                let [version, create_index, modify_index, job_modify_index] = indexes;
                let links = vec![JobLink { label: id.clone(), url: name.clone() }];
                let ui = stop.then(|| JobUi { description: id.clone(), links });
                Job {
                    region,
                    namespace,
                    id,
                    name,
                    kind,
                    priority,
                    datacenters,
                    all_at_once,
                    pool: if stop { "gpu".into() } else { Default::default() },
                    meta,
                    constraints,
                    affinities,
                    spreads,
                    groups,
                    ui,
                    periodic,
                    parameterized,
                    launched,
                    version_tag: stable.then(|| VersionTag {
                        name: String::from("good"),
                        description: String::new(),
                        tagged_at: Timestamp(7),
                    }),
                    stop,
                    stable,
                    version,
                    submit_time: Timestamp(submit_time),
                    status,
                    create_index,
                    modify_index,
                    job_modify_index,
                }
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_job_survives_json(job in job()) {
        let text = serde_json::to_vec(&api::Job::from(&job)).unwrap();
        let read: api::Job = api::decode(&text).unwrap();
        prop_assert_eq!(model::Job::try_from(read).unwrap(), job);
    }
}

/// One that says all there is to say, and one that says nothing.
fn some_templates() -> Vec<model::Template> {
    let all = model::Template {
        source: "local/a.tpl".into(),
        data: "{{ env \"A\" }}".into(),
        destination: "local/a".into(),
        change: model::ChangeMode::Script,
        signal: "SIGHUP".into(),
        script: Some(model::ChangeScript {
            command: "/bin/reload".into(),
            args: vec!["-q".into()],
            timeout: std::time::Duration::from_secs(7),
            fail_on_error: true,
            run_on_first_render: true,
        }),
        once: true,
        splay: std::time::Duration::from_secs(60),
        perms: "0600".into(),
        uid: Some(0),
        gid: Some(1000),
        left: "[[".into(),
        right: "]]".into(),
        env: true,
        missing_key_is_error: true,
        wait: Some(model::Wait::default()),
    };
    vec![all, model::Template::default()]
}

fn some_artifacts() -> Vec<model::Artifact> {
    let all = model::Artifact {
        source: "http://h/a".into(),
        destination: "local/a".into(),
        mode: model::ArtifactMode::File,
        options: [("checksum".to_owned(), "md5:0".to_owned())].into(),
        headers: [("X-Id".to_owned(), "1".to_owned())].into(),
        insecure: true,
        chown: true,
    };
    vec![all, model::Artifact::default()]
}

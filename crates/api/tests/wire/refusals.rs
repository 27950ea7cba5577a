//! A field is obeyed or refused by name, never ignored.

use serde_json::{Value, json};

/// A job with one service in one task, all of it supported.
fn job() -> Value {
    json!({
        "ID": "web", "Datacenters": ["dc1"],
        "TaskGroups": [{
            "Name": "front",
            "Tasks": [{
                "Name": "nginx", "Driver": "docker", "Config": {"image": "nginx", "args": ["-g", 1, 0.5, true, null]},
                "Services": [{"Name": "http", "Checks": [{"Type": "tcp", "Interval": 1, "Timeout": 1}]}],
                "Resources": {"Networks": [{"DynamicPorts": [{"Label": "http"}]}]}
            }]
        }]
    })
}

fn read(value: Value) -> Result<model::Job, Vec<String>> {
    api::decode_value::<api::Job>(value).unwrap().into_model().map_err(|refused| refused.problems)
}

#[track_caller]
fn check(pointer: &str, key: &str, value: Value, expected: &str) {
    let mut job = job();
    job.pointer_mut(pointer).unwrap()[key] = value;
    assert_eq!(read(job).unwrap_err(), [expected]);
}

const TASK: &str = "/TaskGroups/0/Tasks/0";
const SERVICE: &str = "/TaskGroups/0/Tasks/0/Services/0";

#[test]
fn unsupported_fields_are_refused_by_name() {
    check(
        "",
        "Multiregion",
        json!({"Regions": [{"Name": "west"}]}),
        "Multiregion is not supported; remove it from the job",
    );
    check(
        "",
        "ParameterizedJob",
        json!({"Payload": "maybe"}),
        "ParameterizedJob.Payload \"maybe\" is not supported; use \"optional\", \"required\" or \"forbidden\"",
    );
    check(
        TASK,
        "Lifecycle",
        json!({"Hook": "before"}),
        "group \"front\", task \"nginx\": Lifecycle.Hook \"before\" is not supported; use \"prestart\", \"poststart\" \
         or \"poststop\"",
    );
    check(
        "",
        "affinities",
        json!([{"Operand": "distinct_hosts"}]),
        "Affinities: operand \"distinct_hosts\" is not supported",
    );
    check(
        "",
        "Affinities",
        json!([{"Weight": 1000}]),
        "Affinities.Weight must be between -100 and 100, found 1000",
    );
    check(
        "",
        "Type",
        json!("sytem"),
        "Type \"sytem\" is not supported; use \"service\", \"batch\", \"system\" or \"sysbatch\"",
    );
    check("", "Priority", json!(-1), "Priority is out of range: -1");
    check(
        "",
        "Update",
        json!({"Canary": 1, "MaxParallel": 0}),
        "group \"front\": Update.Canary needs an Update.MaxParallel of at least 1",
    );
    check(
        "/TaskGroups/0",
        "Volumes",
        json!({"data": {}, "more": {"Type": "host"}}),
        "group \"front\": Volumes is not supported; remove it from the job",
    );
    check(
        TASK,
        "Templates",
        json!([{"DestPath": "x", "ChangeMode": "reload"}]),
        "group \"front\", task \"nginx\", template \"x\": ChangeMode \"reload\" is not supported; use \"noop\", \
         \"restart\", \"signal\" or \"script\"",
    );
    check(
        TASK,
        "KillTimeout",
        json!(-5),
        "group \"front\", task \"nginx\": KillTimeout must not be negative, found -5 ns",
    );
    check(
        TASK,
        "Resources",
        json!({"DiskMB": 10}),
        "group \"front\", task \"nginx\": Resources.DiskMB is not supported; set the group's EphemeralDisk.SizeMB \
         instead",
    );
    check(
        TASK,
        "Constraints",
        json!([{"LTarget": "${node.class}", "Operand": "like"}]),
        "group \"front\", task \"nginx\": Constraints: operand \"like\" is not supported",
    );
    check(
        SERVICE,
        "AddressMode",
        json!("alloc"),
        "group \"front\", task \"nginx\", service \"http\": AddressMode \"alloc\" is not supported: allocations \
         share the network of their node and have no address of their own; use \"host\"",
    );
    check(
        SERVICE,
        "Weights",
        json!({"Passing": 65536}),
        "group \"front\", task \"nginx\", service \"http\": Weights.Passing is out of range: 65536",
    );
    check(
        SERVICE,
        "Provider",
        json!("etcd"),
        "group \"front\", task \"nginx\", service \"http\": Provider \"etcd\" is not supported; use \"consul\" or \
         \"nomad\"",
    );
}

#[test]
fn all_problems_are_named_at_once() {
    let mut job = job();
    job["Spreads"] = json!([{"Attribute": "x", "Weight": 256}]);
    job["TaskGroups"][0]["Tasks"][0]["Vault"] = json!({"Role": "r"});
    assert_eq!(read(job).unwrap_err().len(), 2);
}

#[test]
fn what_says_nothing_is_not_refused() {
    let mut job = job();
    job["Periodic"] = Value::Null;
    job["Affinities"] = json!([]);
    job["Payload"] = json!("");
    job["Multiregion"] = json!({"Strategy": null, "Regions": []});
    job["Unheard"] = json!("of");
    job["TaskGroups"][0]["Tasks"][0]["Lifecycle"] = json!({"Hook": "", "Sidecar": false});
    job["TaskGroups"][0]["Tasks"][0]["Resources"]["NUMA"] = json!({"Affinity": "none"});
    read(job).unwrap();
}

#[test]
fn defaults_are_those_of_the_jobs_type() {
    let job = read(job()).unwrap();
    let group = &job.groups[0];
    let task = &group.tasks[0];
    assert_eq!((job.name.as_str(), job.priority, group.count), ("web", 50, 1));
    assert_eq!(group.restart, model::RestartPolicy::for_type(model::JobType::Service));
    assert_eq!(group.reschedule, Some(model::ReschedulePolicy::for_type(model::JobType::Service)));
    assert_eq!(group.update, Some(model::UpdateStrategy::default()));
    assert_eq!(task.resources.cpu_mhz, 100);
    assert_eq!(task.kill_timeout.as_secs(), 5);
    assert_eq!(task.services[0].checks[0].method, "GET");
}

#[test]
fn a_weight_of_zero_is_none_and_counts_as_one() {
    let mut job = job();
    job["TaskGroups"][0]["Tasks"][0]["Services"][0]["Weights"] = json!({"Passing": 10});
    let read = read(job).unwrap();
    assert_eq!(read.groups[0].tasks[0].services[0].weights, model::Weights { passing: 10, warning: 1 });
}

#[test]
fn settings_go_from_the_job_to_the_group_to_the_task() {
    let mut job = job();
    job["Update"] = json!({"MaxParallel": 3, "Stagger": 5});
    job["TaskGroups"][0]["Update"] = json!({"MaxParallel": 2});
    job["TaskGroups"][0]["RestartPolicy"] = json!({"Attempts": 10});
    job["TaskGroups"][0]["Tasks"][0]["RestartPolicy"] = json!({"Mode": "delay"});
    let job = read(job).unwrap();
    let group = &job.groups[0];
    let update = group.update.as_ref().unwrap();
    assert_eq!((update.max_parallel, update.stagger.as_nanos()), (2, 5));
    let restart = &group.tasks[0].restart;
    assert_eq!((restart.attempts, restart.mode), (10, model::RestartMode::Delay));
    assert_eq!(group.restart.mode, model::RestartMode::Fail);
}

#[test]
fn an_update_of_zeros_at_the_job_says_nothing() {
    let mut job = job();
    job["Update"] =
        json!({"Stagger": 0, "MaxParallel": 0, "HealthCheck": "", "AutoRevert": false, "Canary": 0});
    assert_eq!(read(job.clone()).unwrap().groups[0].update, Some(model::UpdateStrategy::default()));
    job["TaskGroups"][0]["Update"] = json!({"MaxParallel": 0});
    assert_eq!(read(job).unwrap().groups[0].update, None);
}

#[test]
fn cores_and_devices() {
    let place = "group \"front\", task \"nginx\"";
    let resources =
        |value: Value, expected: &str| check(TASK, "Resources", value, &format!("{place}{expected}"));
    resources(
        json!({"CPU": 500, "Cores": 2}),
        ": Resources: a task asks for CPU or for Cores, not for both; remove one of them",
    );
    resources(json!({"Cores": -1}), ": Resources.Cores is out of range: -1");
    resources(
        json!({"Devices": [{"Name": "gpu", "Count": -1}]}),
        ", device \"gpu\": Count is out of range: -1",
    );
    resources(
        json!({"Devices": [{"Name": "gpu", "Affinities": [{"Weight": 1000}]}]}),
        ", device \"gpu\": Affinities.Weight must be between -100 and 100, found 1000",
    );
    resources(
        json!({"NUMA": {"Affinity": "prefer"}}),
        ": Resources.NUMA: only Affinity \"none\" is supported; remove it, or set Cores for cores of the task's own",
    );
    let mut job = job();
    job["TaskGroups"][0]["Tasks"][0]["Resources"] = json!({
        "CPU": 0, "Cores": 2,
        "Devices": [{
            "Name": "nvidia/gpu", "Count": null,
            "Constraints": [{"LTarget": "${device.model}", "RTarget": "T4", "Operand": "="}], "Affinities": null
        }]
    });
    let resources = &read(job.clone()).unwrap().groups[0].tasks[0].resources;
    assert_eq!((resources.cpu_mhz, resources.cores, resources.devices[0].count), (0, 2, 1));
    assert_eq!(resources.devices[0].constraints.len(), 1);
    job["TaskGroups"][0]["Tasks"][0]["Resources"] = json!({"Cores": 1});
    assert_eq!(read(job).unwrap().groups[0].tasks[0].resources.cpu_mhz, 0);
}

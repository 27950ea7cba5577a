//! Programs of others, unchanged: what they ask, in their words.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use super::harness::{World, ran, web};

/// Where `scripts/setup` puts clients written in Python.
fn python() -> std::path::PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("../python/bin/python")
}

#[test]
fn python_nomad() {
    let python = python();
    assert!(
        python.exists(),
        "python-nomad is not installed: run `bash scripts/setup` (it needs python3 with venv, and puts the client \
         into {})",
        python.display()
    );
    let world = World::dev();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/clients/python_nomad.py");
    let ran = ran("python_nomad.py", Command::new(python).arg(script).arg(world.agent.http.to_string())).ok();
    assert!(ran.stdout.ends_with("all done\n"), "{}", ran.stdout);
}

fn put(world: &World, path: &str, body: &Value) -> Value {
    let answer = web::ask(world.agent.http, "PUT", path, &body.to_string()).unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.json()
}

fn job(id: &str) -> Value {
    json!({
        "ID": id, "Name": id, "Type": "service", "Datacenters": ["dc1"],
        "Update": {"MinHealthyTime": 10_000_000},
        "TaskGroups": [{
            "Name": "front", "Count": 1, "EphemeralDisk": {"SizeMB": 20},
            "Networks": [{"DynamicPorts": [{"Label": "http"}]}],
            "Services": [{"Name": "front", "PortLabel": "http", "Provider": "nomad", "Tags": ["metrics"]}],
            "Tasks": [{
                "Name": "main", "Driver": "raw_exec", "Config": {"command": "/bin/sleep", "args": ["600"]},
                "Resources": {"CPU": 20, "MemoryMB": 16}, "LogConfig": {"MaxFiles": 1, "MaxFileSizeMB": 1}
            }]
        }]
    })
}

/// `nomad_job` of Terraform's provider: plan, create, wait, read, change, delete.
#[test]
fn the_calls_of_terraform() {
    let world = World::dev();
    let source = "job \"web\" {\n  # as it was written\n}\n";
    let plan =
        put(&world, "/v1/job/web/plan", &json!({"Job": job("web"), "Diff": false, "PolicyOverride": false}));
    assert_eq!((&plan["JobModifyIndex"], &plan["Diff"]), (&json!(0), &Value::Null));
    let register = |job: &Value| {
        json!({
            "Job": job, "PolicyOverride": false, "PreserveCounts": false, "PreserveResources": false,
            "Submission": {"Source": source, "Format": "hcl2", "VariableFlags": null, "Variables": ""}
        })
    };
    let created = put(&world, "/v1/jobs?namespace=default", &register(&job("web")));
    let eval = created["EvalID"].as_str().unwrap();
    let eval = world.eventually("the evaluation is complete", || {
        Some(world.get(&format!("/v1/evaluation/{eval}"))).filter(|eval| eval["Status"] == "complete")
    });
    let deployment = eval["DeploymentID"].as_str().expect("a service has a deployment").to_owned();
    world.eventually("the deployment is successful", || {
        Some(world.get(&format!("/v1/deployment/{deployment}")))
            .filter(|found| found["Status"] == "successful")
    });
    let read = world.get("/v1/job/web?namespace=default");
    for key in ["ID", "Name", "Namespace", "Version", "Type", "Region", "Datacenters", "TaskGroups"] {
        assert!(!read[key].is_null(), "{key} is null");
    }
    assert_eq!(world.get("/v1/job/web/allocations?all=false").as_array().map(Vec::len), Some(1));
    let version = read["Version"].as_u64().unwrap();
    assert_eq!(world.get(&format!("/v1/job/web/submission?version={version}"))["Source"], source);
    let inspected = world.run("nomad job inspect -hcl web").ok().stdout;
    assert_eq!(inspected, source);
    let mut changed = job("web");
    changed["Meta"] = json!({"owner": "me"});
    let plan = put(&world, "/v1/job/web/plan", &json!({"Job": changed, "Diff": true}));
    assert_eq!(
        (&plan["JobModifyIndex"], &plan["Diff"]["Type"]),
        (&created["JobModifyIndex"], &json!("Edited"))
    );
    let answer =
        web::ask(world.agent.http, "DELETE", "/v1/job/web?purge=true&namespace=default", "").unwrap();
    assert!(answer.status == 200 && answer.json()["EvalID"] != "", "{}", answer.body);
    world.eventually("the job is gone", || {
        (web::get(world.agent.http, "/v1/job/web").unwrap().status == 404).then_some(())
    });
}

/// `nomad_sd_configs` of Prometheus: names, then instances, with indexes.
#[test]
fn the_calls_of_prometheus() {
    let world = World::dev();
    put(&world, "/v1/jobs", &json!({ "Job": job("web") }));
    world.running("web", 1);
    let found = world.eventually("the service is there", || {
        let answer =
            web::get(world.agent.http, "/v1/services?stale&region=global&namespace=default").unwrap();
        assert!(answer.header("x-nomad-index").is_some_and(|index| index.parse::<u64>().unwrap() > 0));
        answer.json()[0]["Services"].as_array().filter(|services| !services.is_empty()).cloned()
    });
    assert_eq!(found, [json!({"ServiceName": "front", "Tags": ["metrics"]})]);
    let answer =
        web::get(world.agent.http, "/v1/service/front?stale&namespace=default&wait=60000ms").unwrap();
    let instance = &answer.json()[0];
    for key in ["Address", "Datacenter", "JobID", "AllocID", "NodeID", "Namespace", "ID"] {
        assert!(instance[key].as_str().is_some_and(|text| !text.is_empty()), "{key} of {instance}");
    }
    assert!(instance["Port"].as_u64().is_some_and(|port| port > 0) && instance["Tags"] == json!(["metrics"]));
    let listed = world.run("nomad service list").ok().stdout;
    assert!(listed.contains("front") && listed.contains("[metrics]"), "{listed}");
    assert!(world.run("nomad service info front").ok().stdout.contains("\nweb "));
    // One catalog: Consul's API shows it, too.
    assert_eq!(world.consul("/v1/catalog/service/front")[0]["ServiceTags"], json!(["metrics"]));
}

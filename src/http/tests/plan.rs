//! `plan` tells and writes nothing; `versions?diffs`, `revert`, `stable`.

use actix_web::http::Method;
use model::{DriverInfo, Node};
use serde_json::{Value, json};
use state::Command;

use super::world::{NODE, NOW, World, request};
use crate::actors::ports::StateReader;

/// The request with something else in it.
fn changed(edit: impl FnOnce(&mut Value)) -> Value {
    let mut request = request();
    edit(&mut request["Job"]);
    request["Diff"] = json!(true);
    request
}

async fn planned(world: &World, edit: impl FnOnce(&mut Value)) -> Value {
    let before = world.log.root();
    let answer = world.put("/v1/job/web/plan", &changed(edit)).await.json();
    let after = world.log.root();
    assert_eq!((before.index, &before.jobs), (after.index, &after.jobs), "a plan was written");
    assert_eq!(before.evals, after.evals);
    answer
}

/// A world whose job runs on a node that could run others, too.
fn running() -> World {
    let world = World::new().with_alloc();
    let mut node = Node::clone(&world.log.root().nodes[&NODE]);
    for driver in ["mock_driver", "raw_exec"] {
        let found = DriverInfo { detected: true, healthy: true, ..DriverInfo::default() };
        node.drivers.insert(driver.into(), found);
    }
    world.log.apply(vec![Command::RegisterNode { node, evals: Vec::new(), now: NOW }]);
    world
}

fn updates(plan: &Value) -> Value {
    plan["Annotations"]["DesiredTGUpdates"]["front"].clone()
}

#[actix_web::test]
async fn a_new_job_is_all_new() {
    let world = World::new();
    let plan = planned(&world, |_| {}).await;
    assert_eq!(plan["JobModifyIndex"], 0);
    assert_eq!((&plan["Diff"]["Type"], &plan["Diff"]["ID"]), (&json!("Added"), &json!("web")));
    assert_eq!(plan["Diff"]["TaskGroups"][0]["Updates"], json!({"create": 1}));
    assert_eq!(plan["Diff"]["TaskGroups"][0]["Tasks"][0]["Annotations"], json!(["forces create"]));
    assert_eq!(updates(&plan)["Place"], 1);
    // There is no node.
    assert_eq!(plan["FailedTGAllocs"]["front"]["NodesEvaluated"], 0);
    assert_eq!(plan["CreatedEvals"][0]["Status"], "blocked");
    assert_eq!(plan["NextPeriodicLaunch"], Value::Null);
}

#[actix_web::test]
async fn without_a_wish_for_differences_there_are_none() {
    let world = running();
    let mut body = changed(|job| job["TaskGroups"][0]["Count"] = json!(2));
    body["Diff"] = json!(false);
    let plan = world.call(Method::POST, "/v1/job/web/plan", body.to_string()).await.json();
    assert_eq!(plan["Diff"], Value::Null);
    assert_eq!((&updates(&plan)["Place"], &updates(&plan)["InPlaceUpdate"]), (&json!(1), &json!(1)));
    assert_eq!(plan["JobModifyIndex"], world.log.root().jobs.values().next().unwrap().job_modify_index);
}

#[actix_web::test]
async fn an_unchanged_job_does_nothing() {
    let world = running();
    let plan = planned(&world, |_| {}).await;
    assert_eq!(plan["Diff"]["Type"], "None");
    assert_eq!((&updates(&plan)["Ignore"], &updates(&plan)["Place"]), (&json!(1), &json!(0)));
    assert_eq!(plan["FailedTGAllocs"], Value::Null);
}

/// What the words behind a task say and what the scheduler does are decided in two places: they must agree.
#[actix_web::test]
async fn words_behind_tasks_say_what_the_scheduler_does() {
    const TASK: &str = "/TaskGroups/0/Tasks/0";
    let edits: &[(&str, Value)] = &[
        ("Driver", json!("raw_exec")),
        ("User", json!("nobody")),
        ("Config", json!({"run_for": "2h"})),
        ("Env", json!({"A": "b"})),
        ("Meta", json!({"a": "b"})),
        ("Resources", json!({"CPU": 200})),
        ("Resources", json!({"MemoryMB": 200})),
        ("KillTimeout", json!(7_000_000_000_i64)),
        ("KillSignal", json!("SIGHUP")),
        ("ShutdownDelay", json!(7_000_000_000_i64)),
        ("Leader", json!(true)),
        ("Services", json!([{"Name": "s"}])),
        ("Constraints", json!([{"LTarget": "${attr.none}", "Operand": "is_not_set"}])),
        ("Affinities", json!([{"LTarget": "${attr.none}", "Operand": "is_set", "Weight": 5}])),
        ("LogConfig", json!({"MaxFiles": 3})),
        ("RestartPolicy", json!({"Attempts": 9})),
    ];
    let world = running();
    for (key, value) in edits {
        let plan = planned(&world, |job| {
            let task = job.pointer_mut(TASK).unwrap();
            task[key] = value.clone();
            if *key == "Driver" {
                task["Config"] = json!({"command": "sleep"});
            }
        })
        .await;
        let counts = updates(&plan);
        let in_place = match (counts["InPlaceUpdate"].as_u64(), counts["DestructiveUpdate"].as_u64()) {
            (Some(1), Some(0)) => true,
            (Some(0), Some(1)) => false,
            other => panic!("{key}: {other:?}"),
        };
        let words = if in_place { "forces in-place update" } else { "forces create/destroy update" };
        assert_eq!(plan["Diff"]["TaskGroups"][0]["Tasks"][0]["Annotations"], json!([words]), "{key}");
    }
}

#[actix_web::test]
async fn what_a_register_would_refuse_a_plan_refuses() {
    let world = World::new();
    let refused = world.put("/v1/job/other/plan", &changed(|_| {})).await;
    assert_eq!((refused.status.as_u16(), refused.text()), (400, "Job ID does not match name"));
    let refused = world.put("/v1/job/web/plan", &changed(|job| job["Namespace"] = json!("apps"))).await;
    assert_eq!(refused.status, 500);
    assert!(refused.text().contains("nonexistent namespace"), "{}", refused.text());
    assert_eq!(world.get("/v1/job/web/plan").await.status, 405);
    assert_eq!(world.put("/v1/job/web/plan", &json!({})).await.text(), "Job must be specified");
}

#[actix_web::test]
async fn too_many_plans_at_once_are_refused() {
    let world = World::new();
    let all = world.ctx.plans.clone().try_acquire_many_owned(8).unwrap();
    let refused = world.put("/v1/job/web/plan", &changed(|_| {})).await;
    assert_eq!((refused.status.as_u16(), refused.header("Retry-After")), (429, "1"));
    drop(all);
    planned(&world, |_| {}).await;
}

/// A world with three versions of a job, counts 1, 2 and 3.
async fn three_versions() -> World {
    let world = World::new();
    for count in 1..=3 {
        world.put("/v1/jobs", &changed(|job| job["TaskGroups"][0]["Count"] = json!(count))).await.json();
    }
    world
}

#[actix_web::test]
async fn versions_come_with_what_they_changed() {
    let world = three_versions().await;
    let answer = world.get("/v1/job/web/versions?diffs=true").await.json();
    let counts: Vec<(&str, &str)> = answer["Diffs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|diff| &diff["TaskGroups"][0]["Fields"][0])
        .map(|field| (field["Old"].as_str().unwrap(), field["New"].as_str().unwrap()))
        .collect();
    assert_eq!(counts, [("2", "3"), ("1", "2")]);
    assert_eq!(world.get("/v1/job/web/versions").await.json()["Diffs"], Value::Null);
    assert_eq!(world.get("/v1/job/web/versions?diffs=true&diff_version=99").await.status, 404);
}

#[actix_web::test]
async fn a_revert_makes_the_old_version_the_newest() {
    let world = three_versions().await;
    let revert = |version: u64, prior: Value| json!({"JobID": "web", "JobVersion": version, "EnforcePriorVersion": prior});
    for (body, refusal) in [
        (revert(2, Value::Null), "can't revert to current version"),
        (revert(0, json!(1)), "Current job has version 2; enforcing version 1"),
        (revert(9, Value::Null), "job \"web\" in namespace \"default\" at version 9 not found"),
        (json!({"JobVersion": 0}), "JobID must be specified"),
        (json!({"JobID": "other", "JobVersion": 0}), "Job ID does not match"),
    ] {
        assert_eq!(world.put("/v1/job/web/revert", &body).await.text(), refusal);
    }
    assert_eq!(world.get("/v1/job/web").await.json()["Version"], 2, "a refusal changed something");

    let answer = world.put("/v1/job/web/revert", &revert(0, json!(2))).await.json();
    let job = world.get("/v1/job/web").await.json();
    assert_eq!((&job["Version"], &job["TaskGroups"][0]["Count"]), (&json!(3), &json!(1)));
    assert_eq!(answer["JobModifyIndex"], job["JobModifyIndex"]);
    let eval = world.get(&format!("/v1/evaluation/{}", answer["EvalID"].as_str().unwrap())).await.json();
    assert_eq!((&eval["Status"], &eval["TriggeredBy"]), (&json!("pending"), &json!("job-register")));
    let unknown = world.put("/v1/job/none/revert", &json!({"JobID": "none", "JobVersion": 0})).await;
    assert_eq!(unknown.text(), "job \"none\" not found");
}

#[actix_web::test]
async fn a_version_is_called_good_by_hand() {
    let world = three_versions().await;
    let stable =
        |version: u64, stable: bool| json!({"JobID": "web", "JobVersion": version, "Stable": stable});
    world.put("/v1/job/web/stable", &stable(0, true)).await.json();
    let answer = world.put("/v1/job/web/stable", &stable(2, true)).await.json();
    assert_eq!(answer["Index"], world.log.root().index);
    let marks = |answer: Value| -> Vec<bool> {
        answer["Versions"].as_array().unwrap().iter().map(|job| job["Stable"].as_bool().unwrap()).collect()
    };
    assert_eq!(marks(world.get("/v1/job/web/versions").await.json()), [true, false, true]);
    world.put("/v1/job/web/stable", &stable(0, false)).await.json();
    assert_eq!(marks(world.get("/v1/job/web/versions").await.json()), [true, false, false]);
    let refused = world.put("/v1/job/web/stable", &stable(7, true)).await;
    assert_eq!(refused.text(), "job \"web\" in namespace \"default\" at version 7 not found");
}

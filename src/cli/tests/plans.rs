//! Plans, versions and the way back, deployments by hand.

use api::{AllocListStub, JobDiff};
use serde_json::{Value, json};

use super::{Ran, fake::Fake, fixtures::*, nomad, run_as};

const REDIS: &str = "job \"redis\" {\n  datacenters = [\"dc1\"]\n  group \"cache\" {\n    count = 2\n    task \"redis\" \
                     {\n      driver = \"docker\"\n      config {\n        image = \"redis:3.2\"\n      }\n    }\n  \
                     }\n}\n";

/// The answer of the API to a larger count.
fn larger() -> Value {
    json!({
        "Annotations": {"DesiredTGUpdates": {"cache": {"Place": 1, "InPlaceUpdate": 1}}, "PreemptedAllocs": null},
        "JobModifyIndex": 63,
        "Diff": {
            "Type": "Edited", "ID": "redis",
            "TaskGroups": [{
                "Type": "Edited", "Name": "cache", "Updates": {"create": 1, "in-place update": 1},
                "Fields": [{"Type": "Edited", "Name": "Count", "Old": "1", "New": "2",
                            "Annotations": ["forces create"]}],
                "Tasks": [{"Type": "None", "Name": "redis"}],
            }],
        },
    })
}

/// Plans the file on standard input; the API answers so.
fn plan(answer: &Value, flags: &[&str]) -> Ran {
    let fake = Fake::start();
    fake.on("PUT /v1/job/redis/plan", answer);
    let ran =
        run_as("nomad", &[("NOMAD_ADDR", &fake.address)], REDIS, &[&["plan"][..], flags, &["-"]].concat());
    let body: Value = serde_json::from_str(&fake.the("PUT /v1/job/redis/plan").body).unwrap();
    assert_eq!(body["Diff"], json!(!flags.contains(&"-diff=false")));
    assert_eq!(body["Job"]["TaskGroups"][0]["Count"], 2);
    ran
}

#[test]
fn a_plan_that_fits() {
    insta::assert_snapshot!("plan", plan(&larger(), &[]).text());
}

#[test]
fn a_plan_without_differences() {
    let mut answer = larger();
    answer["Diff"] = Value::Null;
    answer["Warnings"] = json!("1 warning:\n\n* careful");
    insta::assert_snapshot!("plan_without_diff", plan(&answer, &["-diff=false"]).text());
}

#[test]
fn a_plan_that_does_not_fit() {
    let mut answer = larger();
    answer["FailedTGAllocs"] = json!({
        "cache": {"NodesEvaluated": 6, "NodesExhausted": 6, "DimensionExhausted": {"memory": 6}, "CoalescedFailures": 3},
        "web": {"NodesEvaluated": 0},
    });
    answer["Annotations"]["PreemptedAllocs"] = json!([stub()]);
    insta::assert_snapshot!("plan_failed", plan(&answer, &[]).text());
}

#[test]
fn many_that_give_way_are_counted() {
    let named = |at: usize, jobs: usize| AllocListStub {
        id: format!("{at}"),
        job_id: format!("job{}", at % jobs),
        namespace: String::from("default"),
        job_type: String::from(if at.is_multiple_of(3) { "batch" } else { "service" }),
        ..stub()
    };
    for (jobs, head) in [(2, "Job ID  Namespace  Job Type  Preemptions"), (12, "Job Type  Preemptions")] {
        let mut answer = larger();
        answer["Annotations"]["PreemptedAllocs"] =
            json!((0..12).map(|at| named(at, jobs)).collect::<Vec<_>>());
        let ran = plan(&answer, &[]);
        assert!(ran.out.contains(&format!("Preemptions:\n\n{head}\n")), "{}", ran.out);
    }
}

#[test]
fn exit_codes_of_plans() {
    let with = |update: Value, kind: &str| {
        let mut answer = larger();
        answer["Annotations"]["DesiredTGUpdates"]["cache"] = update;
        answer["Diff"]["Type"] = json!(kind);
        answer
    };
    for (update, kind, code) in [
        (json!({"Ignore": 2}), "None", 0),
        (json!({"InPlaceUpdate": 2}), "Edited", 0),
        (json!({"Place": 2}), "None", 0),
        (json!({"Place": 1}), "Added", 1),
        (json!({"Stop": 1}), "Edited", 1),
        (json!({"Migrate": 1}), "Edited", 1),
        (json!({"DestructiveUpdate": 1}), "Edited", 1),
        (json!({"Canary": 1}), "Edited", 1),
    ] {
        assert_eq!(plan(&with(update.clone(), kind), &[]).code, code, "{update} {kind}");
    }
    let ran = plan(&larger(), &["-json-output"]);
    assert_eq!(ran.code, 1);
    assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap()["JobModifyIndex"], 63);
    // Nobody there, no file, a wrong file, a wrong flag, a refusal.
    let closed = [("NOMAD_ADDR", "http://127.0.0.1:1")];
    for (input, line) in [
        (REDIS, &["plan", "-"][..]),
        ("", &["plan", "/no/such/file"]),
        ("job {", &["plan", "-"]),
        (REDIS, &["job", "plan", "-colour", "-"]),
        (REDIS, &["plan"]),
    ] {
        let ran = run_as("nomad", &closed, input, line);
        assert_eq!(ran.code, 255, "{line:?}: {ran:?}");
        assert!(ran.out.is_empty() && !ran.err.is_empty(), "{ran:?}");
    }
    let fake = Fake::start();
    fake.raw("PUT /v1/job/redis/plan", 500, b"No cluster leader");
    let ran = run_as("nomad", &[("NOMAD_ADDR", &fake.address)], REDIS, &["plan", "-"]);
    assert_eq!(
        ran.text(),
        "--- stderr\nError during plan: Unexpected response code: 500 (No cluster leader)\n--- exit 255"
    );
}

/// Two versions; the newer one has another image.
fn with_history() -> Fake {
    let fake = Fake::start();
    let mut first = api::Job { version: 0, stable: true, ..job() };
    first.task_groups[0].tasks[0].config.insert(String::from("image"), json!("redis:3.0"));
    let diff = JobDiff::between(Some(&first), Some(&job()), true);
    fake.on("PUT /v1/search", &found("jobs", &["redis"]))
        .on("GET /v1/job/redis/versions", &json!({ "Versions": [job(), first], "Diffs": [diff] }));
    fake
}

#[test]
fn the_history_with_what_changed() {
    let fake = with_history();
    insta::assert_snapshot!("job_history_diffs", nomad(&fake, &["job", "history", "-p", "redis"]).text());
    assert!(fake.seen().iter().any(|request| request.line == "GET /v1/job/redis/versions?diffs=true"));
    let first = nomad(&fake, &["job", "history", "-p", "-version=0", "redis"]);
    assert!(first.out.starts_with("Version     = 0\n") && !first.out.contains("Diff"), "{first:?}");
    let json: Value =
        serde_json::from_str(&nomad(&fake, &["job", "history", "-p", "-json", "redis"]).out).unwrap();
    assert_eq!((&json[0]["Version"], &json[0]["Diff"]["Type"]), (&json!(1), &json!("Edited")));
    assert_eq!(json[1].get("Diff"), None);
}

#[test]
fn a_revert_is_followed() {
    let fake = Fake::start();
    fake.on("PUT /v1/search", &found("jobs", &["redis"]))
        .on("PUT /v1/job/redis/revert", &json!({ "EvalID": EVAL }))
        .on(&format!("GET /v1/evaluation/{EVAL}"), &eval("complete"))
        .on(&format!("GET /v1/evaluation/{EVAL}/allocations"), &json!([stub()]));
    let ran = nomad(&fake, &["job", "revert", "redis", "1"]);
    assert_eq!(ran.code, 0);
    assert!(ran.out.starts_with("==> Monitoring evaluation \"4c6b1bbc\"\n"), "{}", ran.out);
    let body: Value = serde_json::from_str(&fake.the("PUT /v1/job/redis/revert").body).unwrap();
    assert_eq!((&body["JobID"], &body["JobVersion"]), (&json!("redis"), &json!(1)));
    assert_eq!(
        nomad(&fake, &["job", "revert", "-detach", "redis", "1"]).text(),
        format!("Evaluation ID: {EVAL}\n--- exit 0")
    );
    assert_eq!(nomad(&fake, &["job", "revert", "redis", "golden"]).code, 1);
    let refused = Fake::start();
    refused.on("PUT /v1/search", &found("jobs", &["redis"])).raw(
        "PUT /v1/job/redis/revert",
        500,
        b"can't revert to current version",
    );
    assert_eq!(
        nomad(&refused, &["job", "revert", "redis", "1"]).err,
        "Error reverting job: Unexpected response code: 500 (can't revert to current version)\n"
    );
}

fn with_deployment() -> Fake {
    let fake = Fake::start();
    fake.on("PUT /v1/search", &found("deployment", &[DEPLOYMENT]))
        .on(&format!("GET /v1/evaluation/{EVAL}"), &eval("complete"))
        .on(&format!("GET /v1/evaluation/{EVAL}/allocations"), &json!([]));
    for what in ["fail", "pause", "promote"] {
        fake.on(&format!("PUT /v1/deployment/{what}/{DEPLOYMENT}"), &json!({ "EvalID": EVAL }));
    }
    fake
}

#[test]
fn deployments_by_hand() {
    let fake = with_deployment();
    let failed = nomad(&fake, &["deployment", "fail", "8554"]);
    let begin = format!("Deployment \"{DEPLOYMENT}\" failed\n\n==> Monitoring evaluation \"4c6b1bbc\"\n");
    assert!(failed.out.starts_with(&begin), "{}", failed.out);
    assert_eq!(
        nomad(&fake, &["deployment", "fail", "-detach", "8554"]).text(),
        format!("Deployment \"{DEPLOYMENT}\" failed\n--- exit 0")
    );
    assert_eq!(
        nomad(&fake, &["deployment", "pause", "8554"]).text(),
        format!("Deployment \"{DEPLOYMENT}\" paused\n--- exit 0")
    );
    let resumed = nomad(&fake, &["deployment", "resume", "8554"]);
    assert!(
        resumed.out.starts_with(&format!("Deployment \"{DEPLOYMENT}\" resumed\n\n==> ")),
        "{}",
        resumed.out
    );
    let pauses = fake.seen().into_iter().filter(|request| request.line.contains("/pause/"));
    let asked: Vec<Value> = pauses.map(|request| serde_json::from_str(&request.body).unwrap()).collect();
    assert_eq!(asked, [true, false].map(|pause| json!({"DeploymentID": DEPLOYMENT, "Pause": pause})));

    let promoted = nomad(&fake, &["deployment", "promote", "-detach", "-group", "a", "-group=b", "8554"]);
    assert_eq!(promoted.text(), format!("Evaluation ID: {EVAL}\n--- exit 0"));
    let body: Value =
        serde_json::from_str(&fake.the(&format!("PUT /v1/deployment/promote/{DEPLOYMENT}")).body).unwrap();
    assert_eq!(body, json!({"DeploymentID": DEPLOYMENT, "All": false, "Groups": ["a", "b"]}));
}

#[test]
fn what_belongs_to_a_job() {
    let fake = with_deployment();
    let of_job = Fake::start();
    of_job
        .on("PUT /v1/search", &found("jobs", &["redis"]))
        .on("GET /v1/job/redis/deployments", &json!([deployment()]))
        .on("GET /v1/job/redis/deployment", &deployment())
        .on(&format!("PUT /v1/deployment/promote/{DEPLOYMENT}"), &json!({ "EvalID": EVAL }))
        .on("GET /v1/job/redis/allocations", &json!([stub()]));
    assert_eq!(
        nomad(&of_job, &["job", "deployments", "redis"]).out,
        nomad(&with_list(), &["deployment", "list"]).out
    );
    let in_full = Fake::start();
    in_full
        .on("PUT /v1/search", &found("deployment", &[DEPLOYMENT]))
        .on(&format!("GET /v1/deployment/{DEPLOYMENT}"), &deployment());
    assert_eq!(
        nomad(&of_job, &["job", "deployments", "-latest", "redis"]).out,
        nomad(&in_full, &["deployment", "status", "8554"]).out
    );
    assert_eq!(
        nomad(&of_job, &["job", "promote", "-detach", "redis"]).out,
        nomad(&fake, &["deployment", "promote", "-detach", "8554"]).out
    );
    insta::assert_snapshot!("job_allocs", nomad(&of_job, &["job", "allocs", "redis"]).text());
    let none = Fake::start();
    none.on("PUT /v1/search", &found("jobs", &["redis"]))
        .on("GET /v1/job/redis/deployments", &json!([]))
        .on("GET /v1/job/redis/deployment", &json!(null))
        .on("GET /v1/job/redis/allocations", &json!([]));
    for (line, text) in [
        (&["job", "deployments", "redis"][..], "No deployments found\n--- exit 0"),
        (&["job", "deployments", "-latest", "redis"], "No deployments found\n--- exit 0"),
        (&["job", "allocs", "redis"], "No allocations placed\n--- exit 0"),
        (&["job", "promote", "redis"], "--- stderr\nJob \"redis\" has no deployment to promote\n--- exit 1"),
    ] {
        assert_eq!(nomad(&none, line).text(), text);
    }
}

fn with_list() -> Fake {
    let fake = Fake::start();
    fake.on("GET /v1/deployments", &json!([deployment()]));
    fake
}

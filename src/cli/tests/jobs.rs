//! Jobs: lists, one job, runs, stops, and the monitor.

use api::{AllocListStub, Deployment, Evaluation};
use serde_json::json;

use super::{Ran, fake::Fake, fixtures::*, nomad, run_as};

const JSON_JOB: &str = r#"{"Job": {"ID": "redis", "TaskGroups": [{"Name": "cache"}]}}"#;

/// Registers the job of `JSON_JOB` from standard input.
fn run_redis(fake: &Fake, flags: &[&str]) -> Ran {
    let mut line = vec!["run", "-json"];
    line.extend(flags);
    line.push("-");
    run_as("nomad", &[("NOMAD_ADDR", &fake.address)], JSON_JOB, &line)
}

fn registered() -> Fake {
    let fake = Fake::start();
    fake.on("PUT /v1/jobs", &json!({ "EvalID": EVAL, "JobModifyIndex": 63 }));
    fake
}

fn one_job() -> Fake {
    let fake = Fake::start();
    fake.on("PUT /v1/search", &found("jobs", &["redis"]))
        .on("GET /v1/job/redis", &job())
        .on("GET /v1/job/redis/summary", &summary())
        .on("GET /v1/job/redis/evaluations", &json!([eval("complete")]))
        .on("GET /v1/job/redis/deployment", &deployment())
        .on("GET /v1/job/redis/allocations", &json!([stub()]));
    fake
}

#[test]
fn the_list_of_jobs() {
    let fake = Fake::start();
    let mut stopped = listed();
    stopped.id = String::from("web");
    stopped.status = String::from("dead");
    stopped.stop = true;
    fake.on("GET /v1/jobs", &json!([listed(), stopped]));
    for line in [&["status"][..], &["job", "status"]] {
        insta::assert_snapshot!("jobs_list", nomad(&fake, line).text());
    }
}

#[test]
fn no_jobs() {
    let fake = Fake::start();
    fake.on("GET /v1/jobs", &json!([]));
    assert_eq!(nomad(&fake, &["status"]).text(), "No running jobs\n--- exit 0");
}

#[test]
fn one_job_in_full() {
    insta::assert_snapshot!("job_status", nomad(&one_job(), &["status", "redis"]).text());
    insta::assert_snapshot!("job_status", nomad(&one_job(), &["job", "status", "redis"]).text());
    insta::assert_snapshot!("job_status_verbose", nomad(&one_job(), &["status", "redis", "-verbose"]).text());
}

#[test]
fn one_job_that_waits_for_room() {
    let fake = one_job();
    let mut blocked = partly_failed();
    blocked.status = String::from("blocked");
    let fake_evals = json!([partly_failed(), blocked]);
    let waiting = Fake::start();
    for (path, answer) in [
        ("PUT /v1/search", found("jobs", &["redis"])),
        ("GET /v1/job/redis", json!(job())),
        ("GET /v1/job/redis/summary", json!(summary())),
        ("GET /v1/job/redis/evaluations", fake_evals),
        ("GET /v1/job/redis/deployment", json!(null)),
        ("GET /v1/job/redis/allocations", json!([])),
    ] {
        waiting.on(path, &answer);
    }
    insta::assert_snapshot!("job_status_blocked", nomad(&waiting, &["status", "redis"]).text());
    // Nothing waits: nothing is said.
    assert!(!nomad(&fake, &["status", "redis"]).out.contains("Placement Failure"));
}

#[test]
fn a_prefix_of_several_jobs_is_not_one() {
    let fake = Fake::start();
    let mut other = listed();
    other.id = String::from("redis2");
    fake.on("PUT /v1/search", &found("jobs", &["red1", "redis2"]))
        .on("GET /v1/jobs", &json!([listed(), other]));
    let ran = nomad(&fake, &["job", "status", "red"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.starts_with("Prefix \"red\" matched multiple jobs\n\nID      Type"), "{}", ran.err);
}

#[test]
fn an_unknown_job() {
    let fake = Fake::start();
    fake.on("PUT /v1/search", &json!({ "Matches": {} }));
    let expected = "--- stderr\nNo job(s) with prefix or ID \"nope\" found\n--- exit 1";
    for line in [&["status", "nope"][..], &["job", "status", "nope"], &["stop", "nope"], &["inspect", "nope"]]
    {
        assert_eq!(nomad(&fake, line).text(), expected, "{line:?}");
    }
}

#[test]
fn a_run_is_followed_to_its_end() {
    let fake = registered();
    let pending = AllocListStub { client_status: String::from("pending"), ..stub() };
    let older = AllocListStub { id: String::from("d4cf155c-0"), create_index: 60, ..stub() };
    let deployed = Evaluation { deployment_id: String::from(DEPLOYMENT), ..eval("complete") };
    fake.on(&format!("GET /v1/evaluation/{EVAL}"), &eval("pending"))
        .on(&format!("GET /v1/evaluation/{EVAL}"), &deployed)
        .on(&format!("GET /v1/evaluation/{EVAL}/allocations"), &json!([pending, older]))
        .on(&format!("GET /v1/evaluation/{EVAL}/allocations"), &json!([stub(), older]))
        // Placed, the same once more, healthy.
        .on(&format!("GET /v1/deployment/{DEPLOYMENT}"), &deployment())
        .on(&format!("GET /v1/deployment/{DEPLOYMENT}"), &deployment())
        .on(
            &format!("GET /v1/deployment/{DEPLOYMENT}"),
            &ended("successful", "Deployment completed successfully"),
        );
    insta::assert_snapshot!("run", run_redis(&fake, &[]).text());
    let body: serde_json::Value = serde_json::from_str(&fake.the("PUT /v1/jobs").body).unwrap();
    assert_eq!((&body["Job"]["ID"], &body["EnforceIndex"]), (&json!("redis"), &json!(false)));
}

/// The deployment at its end.
fn ended(status: &str, description: &str) -> Deployment {
    let mut deployment = deployment();
    (deployment.status, deployment.status_description) = (status.into(), description.into());
    let group = deployment.task_groups.get_mut("cache").unwrap();
    group.healthy_allocs = i64::from(status == "successful");
    group.unhealthy_allocs = i64::from(status == "failed");
    deployment
}

/// A run whose evaluation is complete, and whose roll-out is for the test to say.
fn rolling(deployments: &[Deployment]) -> Fake {
    let fake = registered();
    let deployed = Evaluation { deployment_id: String::from(DEPLOYMENT), ..eval("complete") };
    fake.on(&format!("GET /v1/evaluation/{EVAL}"), &deployed)
        .on(&format!("GET /v1/evaluation/{EVAL}/allocations"), &json!([stub()]));
    for one in deployments {
        fake.on(&format!("GET /v1/deployment/{DEPLOYMENT}"), one);
    }
    fake
}

#[test]
fn a_roll_out_that_fails_tells_why_and_its_way_back_is_followed() {
    let words = "Failed due to unhealthy allocations - rolling back to job version 0";
    let fake = rolling(&[deployment(), ended("failed", words)]);
    let back = Deployment {
        id: String::from("b0b0b0b0-0000-0000-0000-000000000000"),
        job_version: 2,
        ..ended("successful", "Deployment completed successfully")
    };
    let mut sick = alloc();
    sick.client_status = String::from("failed");
    let mut row = stub();
    row.client_status = String::from("failed");
    row.deployment_status = serde_json::from_value(json!({ "Healthy": false })).unwrap();
    fake.on(&format!("GET /v1/deployment/allocations/{DEPLOYMENT}"), &json!([row, stub()]))
        .on(&format!("GET /v1/allocation/{ALLOC}"), &sick)
        .raw(&format!("GET /v1/client/fs/logs/{ALLOC}"), 200, b"one\ntwo\n")
        .raw(&format!("GET /v1/client/fs/logs/{ALLOC}?type=stderr"), 200, b"panic: no configuration\n")
        .on("GET /v1/job/redis/deployment", &ended("failed", words))
        .on("GET /v1/job/redis/deployment", &back)
        .on(&format!("GET /v1/deployment/{}", back.id), &back);
    let ran = run_redis(&fake, &[]);
    assert_eq!(ran.code, 3);
    insta::assert_snapshot!("run_rolled_back", ran.text());
}

#[test]
fn the_other_ends_of_a_roll_out_have_codes_of_their_own() {
    let none = |fake: Fake| {
        fake.on(&format!("GET /v1/deployment/allocations/{DEPLOYMENT}"), &json!([]));
        run_redis(&fake, &[])
    };
    let late = none(rolling(&[ended("failed", "Failed due to progress deadline")]));
    let overtaken = none(rolling(&[ended("cancelled", "Cancelled due to newer version of job")]));
    assert_eq!((late.code, overtaken.code), (4, 1), "{late:?} {overtaken:?}");
}

#[test]
fn who_waits_for_people_says_so_and_waits_no_longer() {
    let mut proving = ended("running", "Deployment is running but requires manual promotion");
    proving.task_groups.get_mut("cache").unwrap().desired_canaries = 1;
    let mut healthy = proving.clone();
    healthy.task_groups.get_mut("cache").unwrap().healthy_allocs = 1;
    let fake = rolling(&[proving, healthy]);
    let mut canary = stub();
    canary.deployment_status = serde_json::from_value(json!({ "Healthy": true, "Canary": true })).unwrap();
    fake.on(&format!("GET /v1/deployment/allocations/{DEPLOYMENT}"), &json!([canary]))
        .on("PUT /v1/search", &found("deployment", &[DEPLOYMENT]));
    let ran = run_redis(&fake, &[]);
    assert_eq!(ran.code, 0);
    insta::assert_snapshot!("run_waits_for_promotion", ran.text());
    let again = nomad(&fake, &["deployment", "status", "-monitor", "-wait", "10ms", "8554"]);
    assert!(
        again.out.contains("waits for") || again.out.contains("All canaries are healthy"),
        "{}",
        again.out
    );
}

fn partly_failed() -> Evaluation {
    let mut eval = eval("complete");
    eval.blocked_eval = String::from("546caa43-0000-0000-0000-000000000000");
    eval.failed_tg_allocs.insert(
        String::from("echo"),
        serde_json::from_value(json!({
            "NodesEvaluated": 6, "NodesExhausted": 6, "CoalescedFailures": 3,
            "DimensionExhausted": { "network: reserved port collision": 6 },
        }))
        .unwrap(),
    );
    eval.failed_tg_allocs.insert(
        String::from("web"),
        serde_json::from_value(json!({
            "NodesAvailable": { "dc1": 0 },
            "ClassFiltered": { "big": 2 }, "ConstraintFiltered": { "missing drivers": 2 },
        }))
        .unwrap(),
    );
    eval
}

#[test]
fn a_run_without_room_for_all_says_why_and_ends_with_2() {
    let fake = registered();
    fake.on(&format!("GET /v1/evaluation/{EVAL}"), &partly_failed())
        .on(&format!("GET /v1/evaluation/{EVAL}/allocations"), &json!([stub()]));
    let ran = run_redis(&fake, &[]);
    assert_eq!(ran.code, 2);
    insta::assert_snapshot!("run_partly_failed", ran.text());
}

#[test]
fn a_failed_evaluation_ends_with_1_and_the_next_one_is_followed() {
    let fake = registered();
    let failed = Evaluation { next_eval: String::from("e2"), ..eval("failed") };
    fake.on(&format!("GET /v1/evaluation/{EVAL}"), &failed)
        .on(&format!("GET /v1/evaluation/{EVAL}/allocations"), &json!([]))
        .on("GET /v1/evaluation/e2", &Evaluation { id: String::from("e2"), ..eval("complete") })
        .on("GET /v1/evaluation/e2/allocations", &json!([]));
    let ran = run_redis(&fake, &[]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("==> Monitoring evaluation \"e2\"\n"), "{}", ran.out);
}

#[test]
fn a_detached_run_prints_the_evaluation() {
    let ran = run_redis(&registered(), &["-detach"]);
    assert_eq!(ran.text(), format!("Job registration successful\nEvaluation ID: {EVAL}\n--- exit 0"));
}

#[test]
fn a_check_index_is_sent_and_its_conflict_told() {
    let fake = Fake::start();
    let conflict = "Enforcing job modify index 5: job exists with conflicting job modify index: 9";
    fake.raw("PUT /v1/jobs", 500, conflict.as_bytes());
    let ran = run_redis(&fake, &["-check-index", "5"]);
    assert_eq!(ran.text(), format!("--- stderr\n{conflict}\nJob not updated\n--- exit 1"));
    let body: serde_json::Value = serde_json::from_str(&fake.the("PUT /v1/jobs").body).unwrap();
    assert_eq!((&body["EnforceIndex"], &body["JobModifyIndex"]), (&json!(true), &json!(5)));
}

#[test]
fn what_the_server_refuses_is_told() {
    let fake = Fake::start();
    fake.raw("PUT /v1/jobs", 500, b"No cluster leader");
    assert_eq!(
        run_redis(&fake, &[]).text(),
        "--- stderr\nError submitting job: Unexpected response code: 500 (No cluster leader)\n--- exit 1"
    );
}

#[test]
fn output_prints_the_job_and_asks_nobody() {
    let ran =
        run_as("nomad", &[("NOMAD_ADDR", "http://127.0.0.1:1")], JSON_JOB, &["run", "-json", "-output", "-"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.starts_with("{\n    \"Job\": {\n        \"ID\": \"redis\""), "{}", ran.out);
}

#[test]
fn a_job_is_stopped() {
    let fake = Fake::start();
    fake.on("PUT /v1/search", &found("jobs", &["redis"]))
        .on("DELETE /v1/job/redis", &json!({ "EvalID": EVAL }))
        .on(&format!("GET /v1/evaluation/{EVAL}"), &eval("complete"))
        .on(&format!("GET /v1/evaluation/{EVAL}/allocations"), &json!([]));
    insta::assert_snapshot!("stop", nomad(&fake, &["stop", "-purge", "redis"]).text());
    assert_eq!(fake.the("DELETE").line, "DELETE /v1/job/redis?purge=true");
    assert_eq!(nomad(&fake, &["job", "stop", "-detach", "redis"]).out, format!("{EVAL}\n"));
}

#[test]
fn a_part_of_a_name_is_asked_about_before_it_is_stopped() {
    let fake = Fake::start();
    fake.on("PUT /v1/search", &found("jobs", &["redis"]))
        .on("DELETE /v1/job/redis", &json!({ "EvalID": "" }));
    let env = [("NOMAD_ADDR", fake.address.as_str())];
    let refused = run_as("nomad", &env, "n\n", &["stop", "red"]);
    assert_eq!(
        refused.text(),
        "Are you sure you want to stop job \"redis\"? [y/N] Cancelling job stop\n--- exit 0"
    );
    assert!(fake.seen().iter().all(|request| !request.line.starts_with("DELETE")));
    assert_eq!(run_as("nomad", &env, "y\n", &["stop", "red"]).code, 0);
    assert_eq!(run_as("nomad", &env, "", &["stop", "-yes", "red"]).out, "");
    assert_eq!(fake.seen().iter().filter(|request| request.line.starts_with("DELETE")).count(), 2);
}

#[test]
fn the_history_of_a_job() {
    let fake = Fake::start();
    let first = api::Job { version: 0, stable: true, ..job() };
    fake.on("PUT /v1/search", &found("jobs", &["redis"]))
        .on("GET /v1/job/redis/versions", &json!({ "Versions": [job(), first] }))
        .on("GET /v1/job/redis", &job());
    insta::assert_snapshot!("job_history", nomad(&fake, &["job", "history", "redis"]).text());
    assert!(nomad(&fake, &["inspect", "redis"]).out.starts_with("{\n    \"Job\": {"));
    assert_eq!(nomad(&fake, &["job", "inspect", "-version=7", "redis"]).code, 1);
}

#[test]
fn evaluations_and_deployments() {
    let fake = Fake::start();
    fake.on("GET /v1/evaluations", &json!([eval("complete"), partly_failed()]))
        .on("PUT /v1/search", &found("evals", &[EVAL]))
        .on(&format!("GET /v1/evaluation/{EVAL}"), &partly_failed())
        .on(&format!("GET /v1/evaluation/{EVAL}/allocations"), &json!([stub()]))
        .on("GET /v1/deployments", &json!([deployment()]));
    insta::assert_snapshot!("eval_list", nomad(&fake, &["eval", "list"]).text());
    insta::assert_snapshot!("eval_status", nomad(&fake, &["eval-status", "4c6b"]).text());
    insta::assert_snapshot!("deployment_list", nomad(&fake, &["deployment", "list"]).text());
    let fake = Fake::start();
    let mut rich = deployment();
    let group = rich.task_groups.get_mut("cache").unwrap();
    (group.auto_revert, group.desired_canaries, group.progress_deadline) = (true, 1, 600_000_000_000);
    fake.on("PUT /v1/search", &found("deployment", &[DEPLOYMENT]))
        .on(&format!("GET /v1/deployment/{DEPLOYMENT}"), &rich);
    insta::assert_snapshot!("deployment_status", nomad(&fake, &["deployment", "status", "8554"]).text());
}

#[test]
fn who_gave_up_room_is_shown_with_the_evaluation() {
    let fake = Fake::start();
    let mut placed = stub();
    placed.preempted_allocations = vec!["77e1a2b3-1c1c-4f0e-9f25-5b4b0a3e5f11".into()];
    let mut gone = stub();
    (gone.id, gone.job_id) = (placed.preempted_allocations[0].clone(), "reports".into());
    (gone.desired_status, gone.preempted_by_allocation) = ("evict".into(), ALLOC.into());
    fake.on("PUT /v1/search", &found("evals", &[EVAL]))
        .on(&format!("GET /v1/evaluation/{EVAL}"), &eval("complete"))
        .on(&format!("GET /v1/evaluation/{EVAL}/allocations"), &json!([placed]))
        .on("GET /v1/allocations", &json!([gone]));
    insta::assert_snapshot!("eval_status_preempted", nomad(&fake, &["eval", "status", "4c6b"]).text());
    assert!(fake.the("GET /v1/allocations").line.ends_with("prefix=77e1a2b3-1c1c-4f0e-9f25-5b4b0a3e5f11"));
}

#[test]
fn what_an_id_belongs_to_is_found_out() {
    let fake = Fake::start();
    fake.on("PUT /v1/search", &json!({ "Matches": { "allocs": [ALLOC], "nodes": ["bc11"] } }));
    assert_eq!(
        nomad(&fake, &["status", "bc"]).err,
        "Multiple matches found for id \"bc\"\n\nAllocations:\nbc057046\n\nNodes:\nbc11\n"
    );
}

use actix_web::http::Method;
use model::JobKey;
use serde_json::json;

use super::world::{NODE, World, request};
use crate::actors::ports::StateReader;

fn key() -> JobKey {
    JobKey::new("default", "web")
}

#[actix_web::test]
async fn a_job_is_registered_with_an_evaluation() {
    let world = World::new();
    let reply = world.put("/v1/jobs", &request()).await;
    let answer = reply.json();
    assert_eq!(reply.header("X-Nomad-Index"), "1");
    assert_eq!((answer["EvalCreateIndex"].as_u64(), answer["JobModifyIndex"].as_u64()), (Some(1), Some(1)));

    let root = world.log.root();
    assert_eq!(root.jobs[&key()].version, 0);
    let eval = world.get(&format!("/v1/evaluation/{}", answer["EvalID"].as_str().unwrap())).await.json();
    assert_eq!((eval["JobID"].as_str(), eval["TriggeredBy"].as_str()), (Some("web"), Some("job-register")));
    assert_eq!(eval["Status"], "pending");
}

#[actix_web::test]
async fn an_unchanged_job_gets_an_evaluation_but_no_version() {
    let world = World::new();
    let first = world.put("/v1/jobs", &request()).await.json();
    let second = world.call(Method::POST, "/v1/job/web", request().to_string()).await.json();
    assert_eq!(first["JobModifyIndex"], second["JobModifyIndex"]);
    assert_ne!(first["EvalID"], second["EvalID"]);
    assert_eq!(world.get("/v1/job/web").await.json()["Version"], 0);
}

#[actix_web::test]
async fn a_changed_job_is_a_new_version() {
    let world = World::new();
    world.put("/v1/jobs", &request()).await.json();
    let mut changed = request();
    changed["Job"]["TaskGroups"][0]["Count"] = json!(3);
    world.put("/v1/jobs", &changed).await.json();

    let versions = world.get("/v1/job/web/versions").await.json();
    let numbers: Vec<_> =
        versions["Versions"].as_array().unwrap().iter().map(|job| &job["Version"]).collect();
    assert_eq!(numbers, [1, 0]);
    assert_eq!(world.get("/v1/job/web").await.json()["TaskGroups"][0]["Count"], 3);
}

#[actix_web::test]
async fn what_is_read_can_be_registered_again() {
    let world = World::new();
    world.put("/v1/jobs", &request()).await.json();
    let read = world.get("/v1/job/web").await.json();
    world.put("/v1/jobs", &json!({ "Job": read })).await.json();
    assert_eq!(world.get("/v1/job/web").await.json()["Version"], 0, "reading and writing changed the job");
}

#[actix_web::test]
async fn the_index_of_a_job_is_enforced() {
    let world = World::new();
    let enforced = |index: u64| {
        let mut request = request();
        request["EnforceIndex"] = json!(true);
        request["JobModifyIndex"] = json!(index);
        request
    };
    let reply = world.put("/v1/jobs", &enforced(5)).await;
    assert_eq!(reply.status, 500);
    assert_eq!(reply.text(), "Enforcing job modify index 5: job does not exist");

    world.put("/v1/jobs", &enforced(0)).await.json();
    let reply = world.put("/v1/jobs", &enforced(0)).await;
    assert_eq!(reply.text(), "Enforcing job modify index 0: job already exists");
    let reply = world.put("/v1/jobs", &enforced(9)).await;
    assert!(
        reply
            .text()
            .starts_with("Enforcing job modify index 9: job exists with conflicting job modify index: "),
        "{}",
        reply.text()
    );
}

#[actix_web::test]
async fn all_problems_are_told_at_once() {
    let world = World::new();
    let mut bad = request();
    bad["Job"]["Multiregion"] = json!({"Regions": [{"Name": "west"}]});
    bad["Job"]["TaskGroups"][0]["Tasks"][0]["Vault"] = json!({"Role": "r"});
    let reply = world.put("/v1/jobs", &bad).await;
    assert_eq!(reply.status, 500);
    assert_eq!(
        reply.text(),
        "2 errors occurred:\n\t* Multiregion is not supported; remove it from the job\n\t* group \"front\", task \
         \"nginx\": Vault is not supported; remove it from the job\n\n"
    );
    assert!(world.log.root().jobs.is_empty());

    let verdict = world.put("/v1/validate/job", &bad).await.json();
    assert_eq!(verdict["ValidationErrors"].as_array().map(Vec::len), Some(2));
    assert!(verdict["Error"].as_str().unwrap().starts_with("2 errors occurred:"));
    let verdict = world.put("/v1/validate/job", &request()).await.json();
    assert_eq!((verdict["Error"].as_str(), verdict["ValidationErrors"].is_null()), (Some(""), true));
}

#[actix_web::test]
async fn a_job_is_stopped_and_purged() {
    let world = World::new();
    let reply = world.call(Method::DELETE, "/v1/job/web", "").await.json();
    assert_eq!(reply["EvalID"], "", "an unknown job is not an error");

    world.put("/v1/jobs", &request()).await.json();
    let reply = world.call(Method::DELETE, "/v1/job/web", "").await.json();
    assert_ne!(reply["EvalID"], "");
    assert_eq!(world.get("/v1/job/web").await.json()["Stop"], true);

    world.call(Method::DELETE, "/v1/job/web?purge=true", "").await.json();
    let reply = world.get("/v1/job/web").await;
    assert_eq!((reply.status.as_u16(), reply.text()), (404, "job not found"));
}

#[actix_web::test]
async fn a_job_is_looked_at_again() {
    let world = World::new();
    world.put("/v1/jobs", &request()).await.json();
    let reply = world.call(Method::POST, "/v1/job/web/evaluate", "").await.json();
    assert_ne!(reply["EvalID"], "");
    assert_eq!(world.get("/v1/job/web/evaluations").await.json().as_array().map(Vec::len), Some(2));
    assert_eq!(world.call(Method::POST, "/v1/job/none/evaluate", "").await.text(), "job not found");
}

#[actix_web::test]
async fn ids_may_hold_slashes() {
    let world = World::new();
    let mut nested = request();
    nested["Job"]["ID"] = json!("team/web");
    world.put("/v1/jobs", &nested).await.json();
    for path in ["/v1/job/team/web", "/v1/job/team%2Fweb"] {
        assert_eq!(world.get(path).await.json()["ID"], "team/web");
    }
    assert_eq!(world.get("/v1/job/team/web/summary").await.json()["JobID"], "team/web");
}

const FILE: &str = r#"
job "web" {
  datacenters = ["dc1"]
  group "front" {
    task "nginx" {
      driver = "mock_driver"
      config { run_for = "1h" }
    }
  }
}
"#;

#[actix_web::test]
async fn a_job_file_is_read_and_registered() {
    let world = World::new();
    let parsed = world.put("/v1/jobs/parse", &json!({"JobHCL": FILE, "Canonicalize": true})).await.json();
    assert_eq!((parsed["ID"].as_str(), parsed["Priority"].as_u64()), (Some("web"), Some(50)));
    world.put("/v1/jobs", &json!({ "Job": parsed })).await.json();
    let key = key();
    let stored = world.log.root().jobs[&key].clone();
    assert!(
        stored.same_spec(&jobspec::parse("web.nomad", FILE).unwrap().job),
        "lost on the way: {stored:#?}"
    );
}

#[actix_web::test]
async fn what_is_wrong_with_a_job_file_is_told_with_its_line() {
    let world = World::new();
    let file = FILE.replace("driver =", "drover =");
    let reply = world.put("/v1/jobs/parse", &json!({ "JobHCL": file })).await;
    assert_eq!(reply.status, 400);
    assert!(reply.text().starts_with("Failed to parse job: error[T"), "{}", reply.text());
    assert!(reply.text().contains("job:6:"), "{}", reply.text());
}

#[actix_web::test]
async fn variables_come_with_the_request_and_files_do_not() {
    let world = World::new();
    let file = format!(
        "variable \"count\" {{ type = number }}\n{}",
        FILE.replace("group \"front\" {", "group \"front\" { count = var.count")
    );
    let body = json!({ "JobHCL": file, "Variables": "count = 3\nother = 1" });
    let parsed = world.put("/v1/jobs/parse", &body).await.json();
    assert_eq!(parsed["TaskGroups"][0]["Count"], 3);
    let reply = world.put("/v1/jobs/parse", &json!({ "JobHCL": file })).await;
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("the variable `count` has no value\n  --> job:1:10"), "{}", reply.text());
    let reply = world.put("/v1/jobs/parse", &json!({ "JobHCL": file, "Variables": "count = [1]" })).await;
    assert!(
        reply.text().contains("expected a number, found a list\n  --> variables:1:9"),
        "{}",
        reply.text()
    );
    let reads = FILE.replace("\"mock_driver\"", "file(\"/etc/passwd\")");
    let reply = world.put("/v1/jobs/parse", &json!({ "JobHCL": reads })).await;
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("filesystem function disabled"), "{}", reply.text());
}

#[actix_web::test]
async fn the_rules_for_jobs_hold_over_http() {
    let world = World::new();
    let mut bad = request();
    bad["Job"]["TaskGroups"][0]["Tasks"][0]["Driver"] = json!("");
    bad["Job"]["Priority"] = json!(0);
    bad["Job"]["ID"] = json!("a b");
    let reply = world.put("/v1/jobs", &bad).await;
    assert_eq!(reply.status, 500);
    assert!(reply.text().starts_with("2 errors occurred:\n\t* job ID contains a space"), "{}", reply.text());
}

#[actix_web::test]
async fn jobs_that_run_on_every_node() {
    let world = World::new();
    let of_type = |kind: &str| {
        let mut request = request();
        request["Job"]["Type"] = json!(kind);
        request["Job"]["ID"] = json!(kind);
        request["Job"]["TaskGroups"][0]["Count"] = json!(1);
        request
    };
    for kind in ["system", "sysbatch"] {
        world.put("/v1/jobs", &of_type(kind)).await.json();
        let read = world.get(&format!("/v1/job/{kind}")).await.json();
        assert_eq!(read["Type"], kind);
        assert!(read["TaskGroups"][0]["Migrate"].is_null());
        world.put("/v1/jobs", &json!({ "Job": read })).await.json();
        assert_eq!(world.get(&format!("/v1/job/{kind}")).await.json()["Version"], 0, "{kind} changed");
    }
    // Without any node a system job is there all the same; a sysbatch job waits for its evaluation.
    assert_eq!(world.get("/v1/job/system").await.json()["Status"], "running");
    assert_eq!(world.get("/v1/job/sysbatch").await.json()["Status"], "pending");

    let mut many = of_type("system");
    many["Job"]["TaskGroups"][0]["Count"] = json!(3);
    many["Job"]["TaskGroups"][0]["ReschedulePolicy"] = json!({ "Attempts": 2 });
    let reply = world.put("/v1/jobs", &many).await;
    assert_eq!(reply.status, 500);
    assert!(reply.text().contains("do not allow a reschedule policy"), "{}", reply.text());
    many["Job"]["TaskGroups"][0].as_object_mut().unwrap().remove("ReschedulePolicy");
    let reply = world.put("/v1/jobs", &many).await;
    assert!(reply.text().contains("has count 3: count cannot exceed 1 with system scheduler"));
}

#[actix_web::test]
async fn evaluating_a_node_asks_for_jobs_on_every_node() {
    let world = World::new().with_alloc();
    let mut system = request();
    system["Job"]["Type"] = json!("system");
    system["Job"]["ID"] = json!("everywhere");
    world.put("/v1/jobs", &system).await.json();
    let answer = world.call(Method::PUT, &format!("/v1/node/{NODE}/evaluate"), "").await.json();
    let ids = answer["EvalIDs"].as_array().unwrap();
    let root = world.log.root();
    let mut jobs: Vec<String> = ids
        .iter()
        .map(|id| root.evals[&id.as_str().unwrap().parse::<model::EvalId>().unwrap()].job.id.to_string())
        .collect();
    jobs.sort();
    assert_eq!(jobs, ["everywhere", "web"]);
}

//! Texts and names of versions, counts over time, evaluations that go, jobs at a glance.

use actix_web::http::Method;
use serde_json::json;
use state::Command;

use super::world::{ALLOC, World, request};
use crate::actors::ports::StateReader;

fn text(source: &str) -> serde_json::Value {
    json!({"Source": source, "Format": "hcl2", "VariableFlags": {"color": "red"}, "Variables": "size = 1"})
}

#[actix_web::test]
async fn the_text_of_a_version_comes_back() {
    let world = World::new();
    let mut body = request();
    body["Submission"] = text("job \"web\" {}");
    world.put("/v1/jobs", &body).await.json();
    body["Job"]["Priority"] = json!(60);
    body["Submission"] = text("job \"web\" { priority = 60 }");
    world.put("/v1/jobs", &body).await.json();
    let found = world.get("/v1/job/web/submission?version=0").await.json();
    assert_eq!((&found["Source"], &found["Format"]), (&json!("job \"web\" {}"), &json!("hcl2")));
    assert_eq!(
        (&found["JobID"], &found["Namespace"], &found["Version"]),
        (&json!("web"), &json!("default"), &json!(0))
    );
    assert_eq!((&found["VariableFlags"]["color"], &found["Variables"]), (&json!("red"), &json!("size = 1")));
    assert_eq!(world.get("/v1/job/web/submission?version=1").await.json()["Version"], 1);
    let reply = world.get("/v1/job/web/submission?version=7").await;
    assert_eq!((reply.status.as_u16(), reply.text()), (404, "job source not found"));
    assert_eq!(world.get("/v1/job/web/submission").await.status, 400);
    // Going back takes the text along.
    world.put("/v1/job/web/revert", &json!({"JobID": "web", "JobVersion": 0})).await.json();
    assert_eq!(world.get("/v1/job/web/submission?version=2").await.json()["Source"], "job \"web\" {}");
}

#[actix_web::test]
async fn a_text_that_is_too_large_is_not_kept_and_the_job_runs() {
    let world = World::new();
    let mut body = request();
    body["Submission"] = text(&"#".repeat(1_000_001));
    let answer = world.put("/v1/jobs", &body).await.json();
    assert!(answer["Warnings"].as_str().unwrap().contains("is not kept"), "{answer}");
    assert_eq!(world.get("/v1/job/web/submission?version=0").await.status, 404);
}

#[actix_web::test]
async fn names_of_versions_and_differences_to_them() {
    let world = World::new();
    for priority in [10, 20, 30] {
        let mut body = request();
        body["Job"]["Priority"] = json!(priority);
        world.put("/v1/jobs", &body).await.json();
    }
    const GOOD: &str = "/v1/job/web/versions/good/tag";
    let answer = world.put(GOOD, &json!({"Version": 0, "Description": "it ran"})).await.json();
    assert_eq!((&answer["Name"], &answer["Description"]), (&json!("good"), &json!("it ran")));
    let versions = world.get("/v1/job/web/versions").await.json();
    assert_eq!(versions["Versions"][2]["VersionTag"]["Name"], "good");
    assert_eq!(versions["Versions"][0]["VersionTag"], json!(null));
    let reply = world.put(GOOD, &json!({"Version": 1})).await;
    assert!(reply.status == 500 && reply.text().contains("already exists"), "{}", reply.text());

    let of = async |query: &str| world.get(&format!("/v1/job/web/versions?diffs=true{query}")).await.json();
    let priority = |diff: &serde_json::Value| -> Option<String> {
        let field = diff["Fields"].as_array()?.iter().find(|field| field["Name"] == "Priority")?;
        Some(format!("{} {}", field["Old"].as_str()?, field["New"].as_str()?))
    };
    let step = of("").await;
    assert_eq!(priority(&step["Diffs"][0]).as_deref(), Some("20 30"));
    for query in ["&diff_tag=good", "&diff_version=0"] {
        let diffs = of(query).await;
        assert_eq!(diffs["Diffs"].as_array().map(Vec::len), Some(3));
        assert_eq!(priority(&diffs["Diffs"][0]).as_deref(), Some("10 30"), "{query}");
    }
    assert_eq!(world.get("/v1/job/web/versions?diffs=true&diff_tag=bad").await.status, 404);
    world.call(Method::DELETE, GOOD, "").await.json();
    assert_eq!(world.call(Method::DELETE, GOOD, "").await.status, 500);
    assert_eq!(world.get("/v1/job/web/versions").await.json()["Versions"][2]["VersionTag"], json!(null));
}

#[actix_web::test]
async fn counts_have_bounds_and_a_history() {
    let world = World::new();
    let mut body = request();
    body["Job"]["TaskGroups"][0]["Scaling"] =
        json!({"Min": 1, "Max": 3, "Policy": {"cooldown": "1m", "check": [{"avg": [{"query": "x"}]}]}});
    world.put("/v1/jobs", &body).await.json();
    let scale = async |body: serde_json::Value| world.put("/v1/job/web/scale", &body).await;
    let to = |count: i64| json!({"Count": count, "Target": {"Group": "front"}, "Message": "more", "Meta": {"by": 7}});
    let eval = scale(to(2)).await.json()["EvalID"].clone();
    for (count, words) in [
        (4, "group count was greater than scaling policy maximum: 4 > 3"),
        (0, "group count was less than scaling policy minimum: 0 < 1"),
    ] {
        let reply = scale(to(count)).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (400, words));
    }
    let note = json!({"Target": {"Group": "front"}, "Message": "no metrics", "Error": true});
    assert_eq!(scale(note).await.json()["EvalID"], "");
    let events = &world.get("/v1/job/web/scale").await.json()["TaskGroups"]["front"]["Events"];
    assert_eq!(
        (&events[0]["Message"], &events[0]["Error"], &events[0]["Count"]),
        (&json!("no metrics"), &json!(true), &json!(null))
    );
    let first = &events[1];
    assert_eq!((&first["Count"], &first["PreviousCount"], &first["EvalID"]), (&json!(2), &json!(1), &eval));
    assert_eq!((&first["Meta"], events.as_array().map(Vec::len)), (&json!({"by": 7}), Some(2)));

    let policies = world.get("/v1/scaling/policies").await.json();
    let id = policies[0]["ID"].as_str().unwrap();
    assert_eq!(policies[0]["Target"], json!({"Namespace": "default", "Job": "web", "Group": "front"}));
    let policy = world.get(&format!("/v1/scaling/policy/{id}")).await.json();
    assert_eq!((&policy["Min"], &policy["Max"], &policy["Enabled"]), (&json!(1), &json!(3), &json!(true)));
    assert_eq!(policy["Policy"]["check"][0]["avg"][0]["query"], "x");
    assert_eq!(world.get("/v1/scaling/policies?job=other").await.text(), "[]");
    // What is read is what is registered: nothing new.
    let read = world.get("/v1/job/web").await.json();
    let version = read["Version"].clone();
    world.put("/v1/jobs", &json!({ "Job": read })).await.json();
    assert_eq!(world.get("/v1/job/web").await.json()["Version"], version);
}

#[actix_web::test]
async fn evaluations_go_only_while_none_are_worked_on() {
    let world = World::new().with_alloc();
    let delete =
        async |body: serde_json::Value| world.call(Method::DELETE, "/v1/evaluations", body.to_string()).await;
    let all = json!({"Filter": "Status == \"pending\""});
    let reply = delete(all.clone()).await;
    assert_eq!(reply.status, 500);
    assert_eq!(reply.text(), "eval broker is enabled; eval broker must be paused to delete evals");
    let settings = model::SchedulerSettings { pause_eval_broker: true, ..Default::default() };
    world.log.apply(vec![Command::SetScheduler { settings, enforce_index: None }]);
    // The first one's allocation runs.
    let first = model::EvalId(1).to_string();
    assert_eq!(delete(json!({"EvalIDs": [first]})).await.status, 500);
    let eval = world.call(Method::PUT, "/v1/job/web/evaluate", "").await.json()["EvalID"].clone();
    assert_eq!(delete(json!({})).await.status, 400);
    assert_eq!(delete(json!({"EvalIDs": [eval], "Filter": "x == y"})).await.status, 400);
    assert_eq!(delete(all).await.json()["Count"], 1);
    assert!(!world.log.root().evals.contains_key(&eval.as_str().unwrap().parse::<model::EvalId>().unwrap()));
    assert_eq!(delete(json!({"EvalIDs": [eval]})).await.status, 404);
}

#[actix_web::test]
async fn jobs_at_a_glance() {
    let world = World::new().with_alloc();
    let all = world.get("/v1/jobs/statuses").await.json();
    assert_eq!(
        (&all[0]["ID"], &all[0]["GroupCountSum"], &all[0]["ChildStatuses"]),
        (&json!("web"), &json!(1), &json!(null))
    );
    let alloc = &all[0]["Allocs"][0];
    assert_eq!(
        (&alloc["ID"], &alloc["Group"], &alloc["ClientStatus"]),
        (&json!(ALLOC.to_string()), &json!("front"), &json!("running"))
    );
    let asked = json!({"Jobs": [{"ID": "web", "Namespace": "default"}, {"ID": "none"}]});
    assert_eq!(world.call(Method::POST, "/v1/jobs/statuses", asked.to_string()).await.json(), all);
    let none = json!({"Jobs": [{"ID": "none", "Namespace": "default"}]});
    assert_eq!(world.call(Method::POST, "/v1/jobs/statuses", none.to_string()).await.text(), "[]");
}

#[actix_web::test]
async fn names_are_found_by_any_part() {
    let world = World::new().with_alloc();
    let found = async |text: &str, context: &str| {
        world.put("/v1/search/fuzzy", &json!({"Text": text, "Context": context})).await
    };
    let answer = found("NGIN", "all").await.json();
    assert_eq!(answer["Matches"]["tasks"], json!([{"ID": "nginx", "Scope": ["default", "web", "front"]}]));
    let answer = found("we", "all").await.json();
    assert_eq!(answer["Matches"]["jobs"][0], json!({"ID": "web", "Scope": ["default", "web"]}));
    assert_eq!(answer["Matches"]["allocs"][0]["ID"], "web.front[0]");
    assert_eq!(found("fault", "namespaces").await.json()["Matches"]["namespaces"][0]["ID"], "default");
    let answer = found("aaaa", "allocs").await.json();
    assert_eq!(answer["Truncations"], json!({"allocs": false}));
    assert_eq!(found("x", "all").await.status, 400);
    assert_eq!(found("xx", "rooms").await.status, 500);
    let answer = world.put("/v1/search", &json!({"Prefix": "def", "Context": "all"})).await.json();
    assert_eq!(answer["Matches"]["node_pools"], json!(["default"]));
}

//! Answers as they are really given, against the table of names.

use serde_json::Value;

use super::world::{ALLOC, NODE, World, request};

#[path = "../../../crates/api/tests/wire/table.rs"]
mod table;

use self::table::{Type, sample, table, wrong};

#[actix_web::test]
async fn answers_have_the_types_of_the_table() {
    let world = World::new().with_alloc();
    let mut body = request();
    body["Job"]["TaskGroups"][0]["Scaling"] = serde_json::json!({"Min": 0, "Max": 9});
    body["Job"]["TaskGroups"][0]["Networks"] = serde_json::json!([{"DynamicPorts": [{"Label": "http"}]}]);
    body["Job"]["TaskGroups"][0]["Services"] = serde_json::json!([{"Name": "a", "PortLabel": "http", "Checks": [{"Type": "tcp", "Interval": 1_000_000_000, "Timeout": 1_000_000_000}]}]);
    world.put("/v1/jobs", &body).await.json();
    world.put("/v1/job/web/versions/good/tag", &serde_json::json!({})).await.json();
    let eval = world.get("/v1/evaluations").await.json()[0]["ID"].as_str().unwrap().to_owned();
    let objects = table();
    let mut problems = Vec::new();
    for (path, name) in [
        ("/v1/job/web".to_owned(), "Job"),
        ("/v1/jobs?meta=true".to_owned(), "[JobListStub]"),
        ("/v1/jobs/statuses".to_owned(), "[JobStatusesJob]"),
        ("/v1/job/web/versions?diffs=true".to_owned(), "JobVersionsResponse"),
        ("/v1/job/web/summary".to_owned(), "JobSummary"),
        ("/v1/job/web/scale".to_owned(), "JobScaleStatus"),
        ("/v1/job/web/evaluations".to_owned(), "[Evaluation]"),
        ("/v1/job/web/allocations".to_owned(), "[AllocListStub]"),
        ("/v1/allocations?resources=true".to_owned(), "[AllocListStub]"),
        (format!("/v1/allocation/{ALLOC}"), "Allocation"),
        (format!("/v1/evaluation/{eval}?related=true"), "Evaluation"),
        ("/v1/evaluations".to_owned(), "[Evaluation]"),
        ("/v1/nodes?resources=true&os=true".to_owned(), "[NodeListStub]"),
        (format!("/v1/node/{NODE}"), "Node"),
        (format!("/v1/node/{NODE}/allocations"), "[Allocation]"),
        ("/v1/node/pools".to_owned(), "[NodePool]"),
        ("/v1/namespaces".to_owned(), "[Namespace]"),
        ("/v1/scaling/policies".to_owned(), "[ScalingPolicyListStub]"),
        ("/v1/agent/members".to_owned(), "AgentMembers"),
        ("/v1/operator/scheduler/configuration".to_owned(), "SchedulerConfigurationResponse"),
        ("/v1/operator/autopilot/configuration".to_owned(), "AutopilotConfiguration"),
        ("/v1/client/stats".to_owned(), "HostStats"),
        (format!("/v1/client/allocation/{ALLOC}/stats"), "AllocResourceUsage"),
    ] {
        let found: Value = world.get(&path).await.json();
        let kind = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            Some(name) => Type::List(Box::new(Type::Object(name.to_owned()))),
            None => Type::Object(name.to_owned()),
        };
        wrong(&objects, &kind, &found, &path, &mut problems);
    }
    let plan =
        world.put("/v1/job/web/plan", &serde_json::json!({"Job": body["Job"], "Diff": true})).await.json();
    wrong(&objects, &Type::Object("JobPlanResponse".into()), &plan, "plan", &mut problems);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    // It does find what is wrong.
    let mut node = sample(&objects, &Type::Object("Node".into()), &[]);
    node["Status"] = Value::Null;
    wrong(&objects, &Type::Object("Node".into()), &node, "node", &mut problems);
    assert_eq!(problems.len(), 1, "{problems:?}");
}

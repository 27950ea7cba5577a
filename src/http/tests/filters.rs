use serde_json::{Value, json};

use super::world::{World, request};

async fn with_jobs() -> World {
    let world = World::new();
    for (id, priority) in [("a", 10), ("b", 20), ("c", 30), ("d", 20)] {
        let mut job = request();
        job["Job"]["ID"] = json!(id);
        job["Job"]["Priority"] = json!(priority);
        job["Job"]["Meta"] = json!({ "team": if priority == 20 { "blue" } else { "red" } });
        world.put("/v1/jobs", &job).await.json();
    }
    world
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|row| row["ID"].as_str().unwrap()).collect()
}

/// A list with this expression.
fn with(path: &str, filter: &str) -> String {
    let escaped: String = filter.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let mark = if path.contains('?') { '&' } else { '?' };
    format!("{path}{mark}filter={escaped}")
}

#[actix_web::test]
async fn rows_are_chosen_by_what_they_say_in_full() {
    let world = with_jobs().await;
    for (filter, expected) in [
        ("Priority == 20", &["b", "d"][..]),
        // The list does not show these.
        ("Meta.team == red and ID != a", &["c"]),
        (
            "any TaskGroups as group { any group.Tasks as task { task.Driver == mock_driver } }",
            &["a", "b", "c", "d"],
        ),
        ("Status == running", &[]),
    ] {
        let list = world.get(&with("/v1/jobs", filter)).await.json();
        assert_eq!(ids(&list), expected, "{filter}");
    }
}

#[actix_web::test]
async fn pages_hold_what_was_chosen() {
    let world = with_jobs().await;
    let page = world.get(&with("/v1/jobs?per_page=1", "Priority == 20")).await;
    let token = page.header("X-Nomad-NextToken").to_owned();
    assert_eq!((ids(&page.json()), token.as_str()), (vec!["b"], "default.d"));
    let page = world.get(&with(&format!("/v1/jobs?per_page=1&next_token={token}"), "Priority == 20")).await;
    assert_eq!((ids(&page.json()), page.header("X-Nomad-NextToken")), (vec!["d"], ""));
    let page = world.get(&with("/v1/jobs?reverse=true&per_page=1", "Priority == 20")).await;
    assert_eq!((ids(&page.json()), page.header("X-Nomad-NextToken")), (vec!["d"], "default.b"));
}

#[actix_web::test]
async fn all_lists_in_pages_take_expressions() {
    let world = World::new().with_alloc();
    for (path, yes, no) in [
        ("/v1/allocations", "Job.Type == service and ClientStatus == running", "JobID == other"),
        ("/v1/evaluations", "TriggeredBy == \"job-register\" and NodeID == \"\"", "Status == failed"),
        ("/v1/nodes", "Datacenter == dc1 and Attributes.os is empty", "Name matches `^x`"),
        ("/v1/node/pools", "Name == all or Name == default", "Name == gpu"),
        ("/v1/jobs/statuses", "Type == service", "Type == batch"),
    ] {
        assert!(!world.get(&with(path, yes)).await.json().as_array().unwrap().is_empty(), "{path}");
        assert_eq!(world.get(&with(path, no)).await.text(), "[]", "{path}");
    }
    assert_eq!(world.get(&with("/v1/evaluations/count", "JobID == web")).await.json()["Count"], 1);
    assert_eq!(world.get(&with("/v1/deployments", "Status == running")).await.text(), "[]");
}

#[actix_web::test]
async fn mistakes_are_told_as_clients_expect() {
    let world = with_jobs().await;
    let reply = world.get(&with("/v1/jobs", "Priority =")).await;
    assert_eq!(reply.status, 500);
    assert!(reply.text().starts_with("failed to read filter expression: 1:10"), "{}", reply.text());
    let reply = world.get(&with("/v1/jobs", "Prioriti == 1")).await;
    assert_eq!(reply.status, 500);
    assert!(reply.text().starts_with("error finding value in datum: /Prioriti"), "{}", reply.text());
    let reply = world.get(&with("/v1/evaluations?job=a", "Status == complete")).await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.text(), "Filter expression cannot be used with other filter parameters");
    let reply = world.get(&with("/v1/job/a/allocations", "JobID == a")).await;
    assert_eq!(reply.status, 501, "what takes none says so");
}

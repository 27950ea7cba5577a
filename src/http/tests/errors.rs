use actix_web::http::Method;
use serde_json::json;

use super::world::{World, request};
use crate::{
    actors::ports::{ProposeError, StateReader},
    http::BODY_LIMIT,
};

async fn check(method: Method, uri: &str, body: &str, status: u16, text: &str) {
    let world = World::new();
    let reply = world.call(method, uri, body.to_owned()).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (status, text), "{uri}");
    if !text.is_empty() {
        assert_eq!(reply.header("Content-Type"), "text/plain; charset=utf-8", "{uri}");
    }
}

#[actix_web::test]
async fn missing_things() {
    let id = model::AllocId(7);
    for (uri, text) in [
        ("/v1/job/none".to_owned(), "job not found"),
        ("/v1/job/none/summary".to_owned(), "job not found"),
        ("/v1/job/none/versions".to_owned(), "job versions not found"),
        (format!("/v1/allocation/{id}"), "alloc not found"),
        ("/v1/allocation/short".to_owned(), "alloc not found"),
        (format!("/v1/evaluation/{id}"), "eval not found"),
        (format!("/v1/deployment/{id}"), "deployment not found"),
        (format!("/v1/node/{id}"), "node not found"),
        (
            format!("/v1/client/fs/logs/{id}?task=a&type=stdout"),
            "Unknown allocation \"00000000-0000-0000-0000-000000000007\"",
        ),
        ("/v1/client/stats?node_id=none".to_owned(), "Unknown node \"none\""),
        ("/v2".to_owned(), ""),
        ("/v1/unheard/of".to_owned(), ""),
    ] {
        check(Method::GET, &uri, "", 404, text).await;
    }
}

#[actix_web::test]
async fn wrong_methods() {
    for (method, uri) in [
        (Method::DELETE, "/v1/jobs"),
        (Method::PUT, "/v1/nodes"),
        (Method::GET, "/v1/search"),
        (Method::GET, "/v1/job/web/evaluate"),
        (Method::PUT, "/v1/agent/self"),
        (Method::PATCH, "/v1/job/web"),
    ] {
        check(method, uri, "", 405, "Invalid method").await;
    }
}

#[actix_web::test]
async fn bad_parameters() {
    for (uri, text) in [
        ("/v1/jobs?index=x", "Invalid index"),
        ("/v1/jobs?wait=5", "Invalid wait time"),
        ("/v1/jobs?stale=maybe", "Expect `true` or `false` for `stale` query string parameter"),
        ("/v1/jobs?per_page=x", "Expect a number for `per_page` query string parameter"),
        ("/v1/client/fs/logs/x?type=stdout", "must provide task name"),
        ("/v1/client/fs/logs/x?task=a", "must provide log type (stdout/stderr)"),
        ("/v1/client/fs/logs/x?task=a&type=stdout&origin=middle", "origin must be start or end"),
        ("/v1/acl/tokens", "ACL support disabled"),
    ] {
        check(Method::GET, uri, "", 400, text).await;
    }
    check(Method::GET, "/v1/jobs?region=mars", "", 500, "No path to region").await;
}

#[actix_web::test]
async fn known_and_absent() {
    for uri in ["/v1/vars", "/v1/volumes", "/v1/job/web/allocations?filter=ID%20==%20a"] {
        let reply = World::new().get(uri).await;
        assert_eq!(reply.status, 501, "{uri}");
        assert!(reply.text().contains("not supported"), "{uri}: {}", reply.text());
    }
}

#[actix_web::test]
async fn bad_bodies() {
    check(Method::PUT, "/v1/jobs", "", 400, "Request body is empty").await;
    check(Method::PUT, "/v1/jobs", "{}", 400, "Job must be specified").await;
    check(Method::PUT, "/v1/jobs", "{", 400, "EOF while parsing an object at line 1 column 1").await;
    check(
        Method::PUT,
        "/v1/jobs",
        r#"{"Job":{"ID":"a","priority":"high"}}"#,
        400,
        "Job.Priority: invalid type: string \"high\", expected i64",
    )
    .await;
    check(Method::PUT, "/v1/job/other", &request().to_string(), 400, "Job ID does not match name").await;
    let mut elsewhere = request();
    elsewhere["Job"]["Namespace"] = json!("prod");
    check(
        Method::PUT,
        "/v1/jobs",
        &elsewhere.to_string(),
        500,
        "job \"web\" is in nonexistent namespace \"prod\"; only \"default\" exists",
    )
    .await;
}

#[actix_web::test]
async fn bodies_are_bounded_in_size_and_depth() {
    let world = World::new();
    let reply = world.call(Method::PUT, "/v1/jobs", vec![b' '; BODY_LIMIT + 1]).await;
    assert_eq!(reply.status, 413);
    let deep = "[".repeat(100_000);
    let reply = world.call(Method::PUT, "/v1/jobs", deep).await;
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("recursion limit"), "{}", reply.text());
}

#[actix_web::test]
async fn failed_writes() {
    let world = World::new();
    for (error, status, text) in [
        (ProposeError::NotLeader { leader: None }, 500, "No cluster leader"),
        (ProposeError::Overloaded, 429, "too many writes are waiting"),
        (
            ProposeError::Unknown(String::from("timed out")),
            500,
            "the outcome of the write is unknown: timed out; look at the state before trying again",
        ),
    ] {
        *world.log.failure.lock().unwrap() = Some(error);
        let reply = world.put("/v1/jobs", &request()).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (status, text));
        assert_eq!(reply.header("Retry-After"), if status == 429 { "1" } else { "" });
    }
    assert!(world.log.root().jobs.is_empty());
}

#[actix_web::test]
async fn the_root_leads_to_the_ui() {
    let reply = World::new().get("/?a=b").await;
    assert_eq!((reply.status.as_u16(), reply.header("Location")), (307, "/ui/?a=b"));
}

use actix_web::http::Method;

use super::world::World;

fn names(reply: &super::world::Reply) -> Vec<String> {
    reply.json().as_array().unwrap().iter().map(|row| row["Name"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn there_is_one_namespace() {
    let world = World::new();
    let reply = world.get("/v1/namespaces").await;
    assert_eq!(names(&reply), ["default"]);
    assert_eq!(reply.header("X-Nomad-Index"), "1");
    assert_eq!(names(&world.get("/v1/namespaces?prefix=x").await), [""; 0]);
    assert_eq!(world.get("/v1/namespace/default").await.json()["Description"], "Default shared namespace");
    assert_eq!(world.get("/v1/namespace/other").await.status, 404);
    for (method, path) in [(Method::POST, "/v1/namespace/x"), (Method::DELETE, "/v1/namespace/default")] {
        assert_eq!(world.call(method, path, "{}").await.status, 501, "{path}");
    }
}

#[actix_web::test]
async fn there_are_no_scaling_policies() {
    let world = World::new();
    assert_eq!(world.get("/v1/scaling/policies").await.text(), "[]");
    assert_eq!(world.get("/v1/scaling/policy/x").await.status, 404);
}

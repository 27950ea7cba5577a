use serde_json::{Value, json};

use super::world::{NODE, World};

#[actix_web::test]
async fn metadata_is_read_and_changed() {
    let world = World::new();
    let set = |meta: Value| json!({"NodeID": NODE.to_string(), "Meta": meta});
    let reply = world.put("/v1/client/metadata", &set(json!({"zone": "z1", "rack": "r1"}))).await.json();
    assert_eq!((&reply["Meta"]["zone"], &reply["Dynamic"]["rack"]), (&json!("z1"), &json!("r1")));
    let reply = world.put("/v1/client/metadata", &json!({"Meta": {"zone": null}})).await.json();
    assert_eq!(reply["Meta"], json!({"rack": "r1"}));
    assert_eq!(reply["Static"], json!({}));
    assert_eq!(world.get(&format!("/v1/client/metadata?node_id={NODE}")).await.json(), reply);
}

#[actix_web::test]
async fn what_cannot_be_changed_says_why() {
    let world = World::new();
    let check = async |body: Value, status: u16, words: &str| {
        let reply = world.put("/v1/client/metadata", &body).await;
        assert_eq!(reply.status, status, "{}", reply.text());
        assert!(reply.text().contains(words), "{}", reply.text());
    };
    check(json!({}), 400, "missing required Meta").await;
    check(json!({"Meta": {"a b": "c"}}), 400, "cannot be a key").await;
    check(json!({"NodeID": "x", "Meta": {"a": "c"}}), 404, "Unknown node").await;
    let nobody = World::with(|agent| agent.node = None);
    assert_eq!(nobody.get("/v1/client/metadata").await.status, 400);
}

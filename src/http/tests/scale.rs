use model::{Deployment, DeploymentId, DeploymentStatus, JobKey, Timestamp};
use serde_json::json;
use state::Command;

use super::world::{World, request};
use crate::actors::ports::StateReader;

const PATH: &str = "/v1/job/web/scale";

fn count(world: &World) -> u32 {
    world.log.root().jobs[&JobKey::new("default", "web")].groups[0].count
}

fn to(count: i64) -> serde_json::Value {
    json!({"Count": count, "Target": {"Group": "front"}})
}

#[actix_web::test]
async fn a_count_changes_alone() {
    let world = World::new();
    world.put("/v1/jobs", &request()).await.json();
    let reply = world.put(PATH, &to(4)).await.json();
    assert_ne!(reply["EvalID"], "");
    assert_eq!(count(&world), 4);
    let status = world.get(PATH).await.json();
    assert_eq!(
        (&status["JobStopped"], &status["TaskGroups"]["front"]["Desired"]),
        (&json!(false), &json!(4))
    );
    // A job file with the old count does not take it back if asked not to.
    let mut again = request();
    again["PreserveCounts"] = json!(true);
    world.put("/v1/jobs", &again).await.json();
    assert_eq!(count(&world), 4);
    world.put("/v1/jobs", &request()).await.json();
    assert_ne!(count(&world), 4);
}

#[actix_web::test]
async fn what_cannot_be_scaled_says_why() {
    let world = World::new();
    assert_eq!(world.put(PATH, &to(1)).await.status, 404);
    world.put("/v1/jobs", &request()).await.json();
    for (body, status, words) in [
        (json!({"Count": 1}), 400, "missing task group name for scaling action"),
        (
            json!({"Count": 1, "Target": {"Group": "back"}}),
            400,
            "task group \"back\" specified for scaling does not exist in job",
        ),
        (to(-1), 400, "scaling count must be between 0 and 50000"),
        (to(50_001), 400, "scaling count must be between 0 and 50000"),
        (
            json!({"Count": 1, "Target": {"Group": "front"}, "Error": true}),
            400,
            "scaling action should not contain count if error is true",
        ),
    ] {
        let reply = world.put(PATH, &body).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (status, words), "{body}");
    }
    let mut enforced = to(2);
    enforced["JobModifyIndex"] = json!(99);
    let reply = world.put(PATH, &enforced).await;
    assert!(reply.text().starts_with("Enforcing job modify index 99"), "{}", reply.text());
    let deployment = Deployment {
        id: DeploymentId(1),
        job: JobKey::new("default", "web"),
        job_version: 0,
        job_index: 0,
        job_create_index: 0,
        groups: Default::default(),
        status: DeploymentStatus::Running,
        status_description: String::new(),
        create_time: Timestamp(1),
        modify_time: Timestamp(1),
        create_index: 0,
        modify_index: 0,
    };
    world.log.apply(vec![Command::AddDeployment { deployment }]);
    let reply = world.put(PATH, &to(2)).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (400, "job scaling blocked due to active deployment"));
}

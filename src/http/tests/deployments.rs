//! Deployments by hand.

use model::{Deployment, DeploymentId, DeploymentStatus, GroupRollout, JobKey, Timestamp};
use serde_json::{Value, json};
use state::Command;

use super::world::{ALLOC, NOW, World};
use crate::actors::ports::StateReader;

const ID: DeploymentId = DeploymentId(0xdddd_dddd_0000_0000_0000_0000_0000_0001);

/// A world with a deployment of the job's group.
fn rolling() -> World {
    let world = World::new().with_alloc();
    let job = world.log.root().jobs[&JobKey::new("default", "web")].clone();
    let group = GroupRollout { desired_total: 2, ..GroupRollout::default() };
    let deployment = Deployment {
        id: ID,
        job: job.key(),
        job_version: job.version,
        job_index: job.job_modify_index,
        job_create_index: job.create_index,
        groups: [(String::from("front"), group)].into(),
        status: DeploymentStatus::Running,
        status_description: String::new(),
        create_time: NOW,
        modify_time: Timestamp::ZERO,
        create_index: 0,
        modify_index: 0,
    };
    world.log.apply(vec![Command::AddDeployment { deployment }]);
    world
}

async fn steer(world: &World, what: &str, body: Value) -> super::world::Reply {
    world.put(&format!("/v1/deployment/{what}/{ID}"), &body).await
}

fn status(world: &World) -> (&'static str, String) {
    let root = world.log.root();
    let deployment = &root.deployments[&ID];
    (deployment.status.as_str(), deployment.status_description.clone())
}

#[actix_web::test]
async fn a_deployment_is_paused_and_resumed() {
    let world = rolling();
    let pause = |pause: bool| json!({"DeploymentID": ID.to_string(), "Pause": pause});
    let answer = steer(&world, "pause", pause(true)).await.json();
    assert_eq!((&answer["EvalID"], &answer["RevertedJobVersion"]), (&json!(""), &Value::Null));
    assert_eq!(status(&world), ("paused", String::from("Deployment is paused")));
    let answer = steer(&world, "pause", pause(false)).await.json();
    assert_eq!(status(&world), ("running", String::from("Deployment is running")));
    let eval = world.get(&format!("/v1/evaluation/{}", answer["EvalID"].as_str().unwrap())).await.json();
    assert_eq!(
        (&eval["TriggeredBy"], &eval["DeploymentID"]),
        (&json!("deployment-watcher"), &json!(ID.to_string()))
    );
    assert_eq!(answer["DeploymentModifyIndex"], world.log.root().deployments[&ID].modify_index);
}

#[actix_web::test]
async fn what_has_ended_stays_as_it_is() {
    let world = rolling();
    steer(&world, "fail", Value::Null).await.json();
    assert_eq!(status(&world), ("failed", String::from("Deployment marked as failed")));
    let id = json!(ID.to_string());
    for (what, body, text) in [
        ("fail", Value::Null, "can't fail terminal deployment"),
        ("pause", json!({"DeploymentID": id, "Pause": true}), "can't pause terminal deployment"),
        ("pause", json!({"DeploymentID": id, "Pause": false}), "can't resume terminal deployment"),
        ("promote", json!({"DeploymentID": id, "All": true}), "can't promote terminal deployment"),
        (
            "allocation-health",
            json!({"DeploymentID": id, "HealthyAllocationIDs": [ALLOC.to_string()]}),
            "can't set health of allocations for a terminal deployment",
        ),
    ] {
        let reply = steer(&world, what, body).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (500, text));
    }
}

#[actix_web::test]
async fn health_by_hand_counts() {
    let world = rolling();
    let health = |healthy: &[&str], unhealthy: &[&str]| {
        json!({
            "DeploymentID": ID.to_string(), "HealthyAllocationIDs": healthy, "UnhealthyAllocationIDs": unhealthy,
        })
    };
    let alloc = ALLOC.to_string();
    let refused = steer(&world, "allocation-health", health(&[&alloc], &[])).await;
    assert_eq!(refused.text(), format!("allocation {alloc} is not part of deployment {ID}"));
    for body in [health(&[], &[]), health(&["x"], &[]), health(&[&alloc], &[&alloc])] {
        assert_eq!(steer(&world, "allocation-health", body).await.status, 400);
    }
    // Part of it, as a plan makes it.
    let root = world.log.root();
    let mut plan = model::Plan::new(model::EvalId(2), JobKey::new("default", "web"), 50, root.index, NOW);
    plan.job_index = root.allocs[&ALLOC].job_index;
    plan.in_place.push(ALLOC);
    plan.deployment_id = Some(ID);
    world.log.apply(vec![Command::ApplyPlan { plan: Box::new(plan), evals: Vec::new() }]);

    steer(&world, "allocation-health", health(&[&alloc], &[])).await.json();
    let counts = |world: &World| {
        let root = world.log.root();
        let group = &root.deployments[&ID].groups["front"];
        (group.healthy, group.unhealthy, root.allocs[&ALLOC].health.map(|health| health.healthy))
    };
    assert_eq!(counts(&world), (1, 0, Some(true)));
    // Twice is once.
    steer(&world, "allocation-health", health(&[&alloc], &[])).await.json();
    assert_eq!(counts(&world), (1, 0, Some(true)));
    steer(&world, "allocation-health", health(&[], &[&alloc])).await.json();
    assert_eq!(counts(&world), (0, 1, Some(false)));
}

#[actix_web::test]
async fn there_is_nothing_to_promote_without_canaries() {
    let world = rolling();
    let promote = |more: Value| {
        let mut body = json!({"DeploymentID": ID.to_string()});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let text = |reply: super::world::Reply| (reply.status.as_u16(), reply.text().to_owned());
    for (body, expected) in [
        (promote(json!({"All": true})), (500, "no canaries to promote")),
        (promote(json!({"Groups": ["front"]})), (500, "no canaries to promote")),
        (promote(json!({"Groups": ["back"]})), (400, "the deployment has no task group \"back\"")),
        (promote(json!({})), (400, "either All or Groups must be specified, and not both")),
        (json!({"All": true}), (400, "DeploymentID must be specified")),
        (json!({"DeploymentID": "x", "All": true}), (400, "Deployment ID does not match")),
    ] {
        assert_eq!(text(steer(&world, "promote", body).await), (expected.0, expected.1.to_owned()));
    }
    let unknown = world.put("/v1/deployment/fail/nobody", &Value::Null).await;
    assert_eq!((unknown.status.as_u16(), unknown.text()), (404, "deployment not found"));
    assert_eq!(world.get(&format!("/v1/deployment/fail/{ID}")).await.status, 405);
}

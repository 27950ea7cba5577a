//! What the tests of several brains need.

use std::sync::Arc;

use model::{
    AllocId, Allocation, AssignedPort, ClientStatus, DesiredStatus, EvalId, JobKey, NodeId, Timestamp,
};

/// An allocation that nothing has happened to yet.
pub(crate) fn alloc(id: u128, desired: DesiredStatus, port: Option<u16>) -> Allocation {
    Allocation {
        id: AllocId(id),
        job: JobKey::new("default", "a"),
        job_index: 1,
        job_version: 0,
        group: "g".into(),
        index: 0,
        node: NodeId(1),
        eval: EvalId(1),
        deployment: None,
        canary: false,
        ports: port
            .map(|value| AssignedPort {
                label: "http".into(),
                task: None,
                value,
                to: 0,
                ignore_collision: false,
            })
            .into_iter()
            .collect(),
        claims: None,
        desired,
        desired_description: String::new(),
        client: ClientStatus::Pending,
        client_description: String::new(),
        tasks: Arc::default(),
        services: Arc::default(),
        health: None,
        previous: None,
        next: None,
        followup_eval: None,
        migrate: false,
        no_shutdown_delay: false,
        unknown_since: None,
        returned: false,
        oversubscribed: false,
        preempted: vec![],
        preempted_by: None,
        reschedules: vec![],
        metric: None,
        create_time: Timestamp(0),
        modify_time: Timestamp(0),
        create_index: 1,
        modify_index: 1,
        alloc_modify_index: 1,
    }
}

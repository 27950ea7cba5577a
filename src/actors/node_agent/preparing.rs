//! What an allocation needs from far away is fetched while the one that it replaces still runs.

use std::{sync::Arc, time::Duration};

use actix::{Handler, Message};
use futures::future::join_all;
use model::AllocId;
use tokio::time::timeout;
use tracing::warn;

use super::NodeAgent;
use crate::actors::{
    alloc_runner::Row,
    ports::{DriverError, TaskDriver, TaskSpec},
    task_runner::{Seed, before_start},
};

/// Then the old one goes, and the new one says itself what it misses.
const LONGEST: Duration = Duration::from_secs(600);

/// What the allocation needs is there, or cannot be had now.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Prepared(AllocId);

impl NodeAgent {
    pub(super) fn prepare(&self, id: AllocId) {
        let me = self.me.clone();
        let work = self.drivers_and_tasks(id).into_iter().map(|(driver, spec)| async move {
            let failed = |error: DriverError| warn!(alloc_id = %id, task = spec.task.name, %error, "could not prepare");
            driver.prepare(&spec).await.unwrap_or_else(failed);
        });
        let work = join_all(work);
        actix::spawn(async move {
            if timeout(LONGEST, work).await.is_err() {
                warn!(alloc_id = %id, "what the allocation needs takes too long to come");
            }
            me.tell(Prepared(id));
        });
    }

    fn drivers_and_tasks(&self, id: AllocId) -> Vec<(Arc<dyn TaskDriver>, TaskSpec)> {
        let Some((alloc, job)) = self.wanted.get(id).cloned() else { return Vec::new() };
        let tasks = job.group(&alloc.group).map_or(0, |group| group.tasks.len());
        let row = Row { alloc, job };
        let each = (0..tasks).filter_map(|place| {
            let seed = Seed { row: row.clone(), place, node: self.node.clone() };
            let spec = before_start(&seed, &self.kit);
            Some((self.kit.drivers.get(&spec.task.driver)?.clone(), spec))
        });
        each.collect()
    }
}

impl Handler<Prepared> for NodeAgent {
    type Result = ();

    fn handle(&mut self, Prepared(id): Prepared, _: &mut Self::Context) {
        self.brain.prepared(id);
        self.reconcile();
    }
}

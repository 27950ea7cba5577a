//! The whole state as a stream of rows, and back. What is derived (usage, indexes by key, catalog) is not written:
//! reading the rows in builds it again.

use std::{collections::HashMap, sync::Arc};

use model::{
    Agent, AllocMetric, Allocation, AutopilotSettings, Deployment, EvalId, Evaluation, Job, JobKey, Node,
    NodePool, SchedulerSettings, Submission,
};
use serde::{Deserialize, Serialize};

use crate::catalog::ServiceInstance;
use crate::command::Epoch;
use crate::root::{JobCounters, Root, ScalingEvents, TableIndexes};

/// One row of a snapshot. Encoded with field names, so that older and newer versions can read each other's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Row {
    /// First of all rows.
    Head {
        index: u64,
        indexes: TableIndexes,
        #[serde(default)]
        epoch: Epoch,
    },
    Node(Arc<Node>),
    Agent(Arc<Agent>),
    JobVersion {
        job: Arc<Job>,
        newest: bool,
    },
    Counters {
        job: JobKey,
        counters: Arc<JobCounters>,
    },
    /// The text of a version.
    Submission {
        job: JobKey,
        job_index: u64,
        submission: Arc<Submission>,
    },
    Scaling {
        job: JobKey,
        events: Arc<ScalingEvents>,
    },
    Eval(Arc<Evaluation>),
    Alloc(Arc<Allocation>),
    Deployment(Arc<Deployment>),
    /// A catalog row: derived, but for the indexes at which it came and changed.
    Service {
        instance: Arc<ServiceInstance>,
    },
    /// When each service last changed.
    ServiceIndex {
        name: String,
        index: u64,
    },
    /// Absent while operators have decided nothing.
    Autopilot(Arc<AutopilotSettings>),
    /// The same.
    Scheduler(Arc<SchedulerSettings>),
    /// Not those that are built in.
    Pool(Arc<NodePool>),
    /// Last of all rows: a snapshot without it is torn.
    End {
        rows: u64,
    },
}

/// The rows are not a whole snapshot.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("a snapshot must begin with its head")]
    NoHead,
    #[error("the snapshot ends before its last row")]
    Torn,
    #[error("the snapshot says it has {said} rows and has {found}")]
    Count { said: u64, found: u64 },
    #[error("a row of the snapshot cannot be read")]
    Row(#[from] rmp_serde::decode::Error),
}

impl Root {
    /// Every row, in an order that [`restore`] understands.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        // In the order of their slots: who restores the rows breaks ties between nodes as this server does.
        let nodes = self.usage.slots.iter().filter_map(|slot| self.nodes.get(&slot.node));
        let body = nodes
            .map(|node| Row::Node(node.clone()))
            .chain(self.agents.values().map(|agent| Row::Agent(agent.clone())))
            .chain(self.job_versions.values().map(|job| {
                Row::JobVersion {
                    newest: self
                        .jobs
                        .get(&job.key())
                        .is_some_and(|newest| newest.job_modify_index == job.job_modify_index),
                    job: job.clone(),
                }
            }))
            .chain(self.submissions.iter().map(|((job, job_index), submission)| Row::Submission {
                job: job.clone(),
                job_index: *job_index,
                submission: submission.clone(),
            }))
            .chain(
                self.scaling_events
                    .iter()
                    .map(|(job, events)| Row::Scaling { job: job.clone(), events: events.clone() }),
            )
            .chain(self.evals.values().map(|eval| Row::Eval(eval.clone())))
            .chain(self.allocs.values().map(|alloc| Row::Alloc(alloc.clone())))
            .chain(self.deployments.values().map(|deployment| Row::Deployment(deployment.clone())))
            .chain(
                self.counters
                    .iter()
                    .map(|(job, counters)| Row::Counters { job: job.clone(), counters: counters.clone() }),
            )
            .chain(self.services.values().map(|instance| Row::Service { instance: instance.clone() }))
            .chain(
                self.service_indexes
                    .iter()
                    .map(|(name, &index)| Row::ServiceIndex { name: name.to_string(), index }),
            )
            .chain(self.set_autopilot().map(|settings| Row::Autopilot(settings.clone())))
            .chain(self.set_scheduler().map(|settings| Row::Scheduler(settings.clone())))
            .chain(self.made_pools.values().map(|pool| Row::Pool(pool.clone())));
        let count = self.nodes.len()
            + self.agents.len()
            + self.job_versions.len()
            + self.submissions.len()
            + self.scaling_events.len()
            + self.evals.len()
            + self.allocs.len()
            + self.deployments.len()
            + self.counters.len()
            + self.services.len()
            + self.service_indexes.len()
            + self.set_autopilot().into_iter().count()
            + self.set_scheduler().into_iter().count()
            + self.made_pools.len();
        std::iter::once(Row::Head { index: self.index, indexes: self.indexes, epoch: self.epoch })
            .chain(body)
            .chain(std::iter::once(Row::End { rows: count as u64 }))
    }

    fn set_autopilot(&self) -> Option<&Arc<AutopilotSettings>> {
        Some(&self.autopilot).filter(|settings| settings.modify_index > 0)
    }

    fn set_scheduler(&self) -> Option<&Arc<SchedulerSettings>> {
        Some(&self.scheduler).filter(|settings| settings.modify_index > 0)
    }
}

/// Builds the state that the rows describe.
///
/// # Errors
/// Nothing is returned unless the snapshot is whole.
pub fn restore(rows: impl IntoIterator<Item = Row>) -> Result<Root, Error> {
    let mut rows = rows.into_iter();
    let Some(Row::Head { index, indexes, epoch }) = rows.next() else { return Err(Error::NoHead) };
    let mut root = Root::default();
    let mut counters = Vec::new();
    let mut service_indexes = Vec::new();
    let mut metrics = HashMap::new();
    for (found, row) in (0u64..).zip(rows) {
        match row {
            Row::Head { .. } => return Err(Error::NoHead),
            Row::Node(node) => {
                root.enter_node(node.modify_index, node);
            }
            // After the nodes, whose addresses their services have.
            Row::Agent(agent) => crate::catalog::put_agent(&mut root, agent.modify_index, agent),
            Row::JobVersion { job, newest } => {
                root.job_versions.insert((job.key(), job.job_modify_index), job.clone());
                if newest {
                    root.enter_job(job);
                }
            }
            Row::Submission { job, job_index, submission } => {
                root.submissions.insert((job, job_index), submission);
            }
            Row::Scaling { job, events } => {
                root.scaling_events.insert(job, events);
            }
            Row::Eval(eval) => {
                if !eval.status.is_terminal() {
                    root.open_evals.insert((eval.modify_index, eval.id));
                }
                root.evals_by_job.entry(eval.job.clone()).or_default().insert(eval.id);
                root.evals.insert(eval.id, eval);
            }
            Row::Alloc(alloc) => {
                let alloc = share_metric(&mut metrics, alloc);
                let indexes = (alloc.create_index, alloc.modify_index);
                let id = alloc.id;
                let assigned = alloc.alloc_modify_index;
                let node = alloc.node;
                root.put_alloc(indexes.1, Arc::unwrap_or_clone(alloc));
                let row = Arc::make_mut(root.allocs.get_mut(&id).expect("put one line above"));
                row.create_index = indexes.0;
                if let Some(slot) = root.usage.slot_mut(node) {
                    slot.assigned_index = slot.assigned_index.max(assigned);
                }
            }
            Row::Deployment(deployment) => {
                if deployment.status.is_active() {
                    root.active_deployments.insert(deployment.id);
                }
                root.deployments_by_job.entry(deployment.job.clone()).or_default().insert(deployment.id);
                root.deployments.insert(deployment.id, deployment);
            }
            Row::Counters { job, counters: row } => counters.push((job, row)),
            Row::Service { instance } => {
                let key = instance.key();
                root.services.insert(key, instance);
            }
            Row::Autopilot(settings) => root.autopilot = settings,
            Row::Scheduler(settings) => root.scheduler = settings,
            Row::Pool(pool) => {
                root.made_pools.insert(pool.name.clone(), pool);
            }
            Row::ServiceIndex { name, index } => service_indexes.push((name, index)),
            Row::End { rows } => {
                if rows != found {
                    return Err(Error::Count { said: rows, found });
                }
                // Last, so that entering the allocations has not changed what was counted.
                root.counters = counters.into_iter().collect();
                root.service_indexes.clear();
                for (name, index) in service_indexes {
                    let name: Arc<str> = Arc::from(name.as_str());
                    root.note_spelling(&name);
                    root.service_indexes.insert(name, index);
                }
                root.index = index;
                root.epoch = epoch;
                root.indexes = indexes;
                return Ok(root);
            }
        }
    }
    Err(Error::Torn)
}

/// Allocations that were decided together share one report in the log; they shall do so after a restart, too.
fn share_metric(
    metrics: &mut HashMap<(EvalId, Arc<str>), Arc<AllocMetric>>,
    mut alloc: Arc<Allocation>,
) -> Arc<Allocation> {
    let Some(metric) = &alloc.metric else { return alloc };
    let known = metrics.entry((alloc.eval, alloc.group.clone())).or_insert_with(|| metric.clone());
    if !Arc::ptr_eq(known, metric) && known == metric {
        let known = known.clone();
        Arc::make_mut(&mut alloc).metric = Some(known);
    }
    alloc
}

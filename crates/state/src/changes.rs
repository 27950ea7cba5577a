//! What is different between two states, row by row. The tables share what did not change, so this costs what changed
//! and not what there is; and nothing is recorded when it changes, so nothing can be forgotten.

use std::sync::Arc;

use imbl::{OrdMap, ordmap::DiffItem};
use model::{Allocation, Deployment, Evaluation, Job, Node, NodePool};

use crate::{catalog::ServiceInstance, root::Root};

/// A row before and after; not both are `None`.
#[derive(Debug, Clone)]
pub struct Pair<T> {
    pub before: Option<Arc<T>>,
    pub after: Option<Arc<T>>,
}

/// All rows of interest to others that differ.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    pub jobs: Vec<Pair<Job>>,
    pub evals: Vec<Pair<Evaluation>>,
    pub allocs: Vec<Pair<Allocation>>,
    pub deployments: Vec<Pair<Deployment>>,
    pub nodes: Vec<Pair<Node>>,
    pub pools: Vec<Pair<NodePool>>,
    pub services: Vec<Pair<ServiceInstance>>,
}

impl Root {
    /// What changed since an earlier state of the same log.
    pub fn changes_since(&self, old: &Root) -> Changes {
        Changes {
            jobs: pairs(&old.jobs, &self.jobs),
            evals: pairs(&old.evals, &self.evals),
            allocs: pairs(&old.allocs, &self.allocs),
            deployments: pairs(&old.deployments, &self.deployments),
            nodes: pairs(&old.nodes, &self.nodes),
            pools: pairs(&old.made_pools, &self.made_pools),
            services: pairs(&old.services, &self.services),
        }
    }
}

fn pairs<K: Ord + Clone, T: PartialEq>(old: &OrdMap<K, Arc<T>>, new: &OrdMap<K, Arc<T>>) -> Vec<Pair<T>> {
    let changes = old.diff(new).map(|change| match change {
        DiffItem::Add(_, after) => Pair { before: None, after: Some(after.clone()) },
        DiffItem::Remove(_, before) => Pair { before: Some(before.clone()), after: None },
        DiffItem::Update { old: (_, before), new: (_, after) } => {
            Pair { before: Some(before.clone()), after: Some(after.clone()) }
        }
    });
    changes.collect()
}

#[cfg(test)]
mod tests {
    use model::{Job, Timestamp};

    use super::*;
    use crate::Command;

    #[test]
    fn what_came_changed_and_went() {
        let mut root = Root::default();
        let register = |id: &str, priority| Command::RegisterJob {
            job: Box::new(Job { id: id.to_owned(), priority, ..Job::default() }),
            enforce_index: None,
            eval: None,
            now: Timestamp(1),
        };
        root.apply(1, register("stays", 1));
        root.apply(2, register("changes", 1));
        root.apply(3, register("goes", 1));
        let old = root.clone();
        root.apply(4, register("changes", 2));
        root.apply(5, register("comes", 1));
        let job = model::JobKey::new("default", "goes");
        root.apply(6, Command::DeregisterJob { job, purge: true, eval: None, now: Timestamp(1) });
        let changes = root.changes_since(&old);
        let told: Vec<_> = changes
            .jobs
            .iter()
            .map(|pair| {
                let priority =
                    |job: &Option<Arc<Job>>| job.as_ref().map(|job| (job.id.clone(), job.priority));
                (priority(&pair.before), priority(&pair.after))
            })
            .collect();
        let named = |id: &str, priority| Some((id.to_owned(), priority));
        assert_eq!(
            told,
            [(named("changes", 1), named("changes", 2)), (None, named("comes", 1)), (named("goes", 1), None)]
        );
        assert!(changes.nodes.is_empty() && changes.allocs.is_empty());
    }
}

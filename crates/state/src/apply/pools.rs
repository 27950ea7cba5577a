//! Pools of nodes: made, changed and forgotten.

use std::sync::Arc;

use model::{JobStatus, NodePool, PoolName};

use crate::{
    command::{Outcome, Refusal},
    root::Root,
};

/// Makes pools, or replaces what is known of them. One that says what is known already stays as it is.
pub(super) fn put(root: &mut Root, index: u64, pools: Vec<NodePool>) -> Outcome {
    if let Some(pool) = pools.iter().find(|pool| pool.name.is_built_in()) {
        return Outcome::Refused(Refusal::BuiltInPool(pool.name.clone()));
    }
    for pool in pools {
        enter(root, index, pool);
    }
    Outcome::Done
}

fn enter(root: &mut Root, index: u64, pool: NodePool) {
    let before = root.made_pools.get(&pool.name);
    if before.is_some_and(|before| before.says_the_same(&pool)) {
        return;
    }
    let create_index = before.map_or(index, |before| before.create_index);
    let pool = Arc::new(NodePool { create_index, modify_index: index, ..pool });
    root.made_pools.insert(pool.name.clone(), pool);
    root.indexes.pools = index;
}

/// Nobody uses it any more.
pub(super) fn delete(root: &mut Root, index: u64, name: &PoolName) -> Outcome {
    let refused = if name.is_built_in() {
        Some(Refusal::BuiltInPool(name.clone()))
    } else if !root.made_pools.contains_key(name) {
        Some(Refusal::UnknownPool(name.clone()))
    } else if root.nodes.values().any(|node| node.pool == *name) {
        Some(Refusal::PoolHasNodes(name.clone()))
    } else if root.jobs.values().any(|job| job.pool == *name && job.status != JobStatus::Dead) {
        Some(Refusal::PoolHasJobs(name.clone()))
    } else {
        None
    };
    if let Some(refusal) = refused {
        return Outcome::Refused(refusal);
    }
    root.made_pools.remove(name);
    root.indexes.pools = index;
    Outcome::Done
}

/// A node that registers makes its pool if nobody has.
pub(super) fn make_for_node(root: &mut Root, index: u64, name: &PoolName) {
    if !root.has_pool(name) {
        enter(root, index, NodePool { name: name.clone(), ..NodePool::default() });
    }
}

#[cfg(test)]
mod tests {
    use model::{Job, JobKey, Node, NodeId, Timestamp};

    use super::*;
    use crate::Command;

    fn pool(name: &str, description: &str) -> NodePool {
        NodePool { name: name.into(), description: description.into(), ..NodePool::default() }
    }

    fn put(root: &mut Root, index: u64, name: &str, description: &str) -> Outcome {
        root.apply(index, Command::PutPools { pools: vec![pool(name, description)] })
    }

    fn delete(root: &mut Root, index: u64, name: &str) -> Outcome {
        root.apply(index, Command::DeletePool { name: name.into() })
    }

    fn register(root: &mut Root, index: u64, id: u128, name: &str) {
        let node = Node { id: NodeId(id), pool: name.into(), ..Node::default() };
        root.apply(index, Command::RegisterNode { node, evals: Vec::new(), now: Timestamp(1) });
    }

    fn run(root: &mut Root, index: u64, name: &str) -> Outcome {
        let job = Box::new(Job { id: "web".into(), pool: name.into(), ..Job::default() });
        root.apply(index, Command::RegisterJob { job, enforce_index: None, eval: None, now: Timestamp(1) })
    }

    fn names(root: &Root) -> Vec<String> {
        root.pools().into_iter().map(|pool| pool.name.to_string()).collect()
    }

    #[test]
    fn pools_are_made_changed_and_kept_in_snapshots() {
        let mut root = Root::default();
        assert_eq!(names(&root), ["all", "default"]);
        assert_eq!(put(&mut root, 5, "gpu", "cards"), Outcome::Done);
        assert_eq!(put(&mut root, 6, "gpu", "cards"), Outcome::Done, "the same again");
        assert_eq!((root.indexes.pools, root.pool(&"gpu".into()).unwrap().modify_index), (5, 5));
        put(&mut root, 7, "gpu", "more cards");
        put(&mut root, 8, "aaa", "");
        let gpu = root.pool(&"gpu".into()).unwrap();
        assert_eq!((gpu.create_index, gpu.modify_index, &*gpu.description), (5, 7, "more cards"));
        assert_eq!(names(&root), ["aaa", "all", "default", "gpu"]);
        let restored = crate::snapshot::restore(root.rows().collect::<Vec<_>>()).unwrap();
        assert_eq!(restored.made_pools, root.made_pools);
        assert_eq!(restored.indexes, root.indexes);
    }

    #[test]
    fn what_is_built_in_stays_as_it_is() {
        let mut root = Root::default();
        for name in ["all", "default"] {
            let refused = Outcome::Refused(Refusal::BuiltInPool(name.into()));
            assert_eq!(put(&mut root, 5, name, "mine"), refused);
            assert_eq!(delete(&mut root, 6, name), refused);
        }
        assert_eq!(root.indexes.pools, 0);
    }

    #[test]
    fn a_node_makes_its_pool_and_keeps_it() {
        let mut root = Root::default();
        register(&mut root, 5, 1, "gpu");
        assert_eq!(root.pool(&"gpu".into()).unwrap().create_index, 5);
        put(&mut root, 6, "gpu", "cards");
        register(&mut root, 7, 2, "gpu");
        assert_eq!(root.pool(&"gpu".into()).unwrap().modify_index, 6, "known already");
        assert_eq!(delete(&mut root, 8, "gpu"), Outcome::Refused(Refusal::PoolHasNodes("gpu".into())));
        for id in [1, 2] {
            let command = Command::PurgeNode { node: NodeId(id), evals: Vec::new(), now: Timestamp(1) };
            root.apply(9, command);
        }
        assert_eq!(delete(&mut root, 10, "gpu"), Outcome::Done);
        assert_eq!(delete(&mut root, 11, "gpu"), Outcome::Refused(Refusal::UnknownPool("gpu".into())));
        assert_eq!(root.indexes.pools, 10);
    }

    #[test]
    fn a_job_wants_a_pool_that_exists_and_holds_it() {
        let mut root = Root::default();
        let refused = Refusal::JobInUnknownPool { job: "web".into(), pool: "gpu".into() };
        assert_eq!(run(&mut root, 5, "gpu"), Outcome::Refused(refused));
        assert!(root.jobs.is_empty());
        put(&mut root, 6, "gpu", "");
        assert!(matches!(run(&mut root, 7, "gpu"), Outcome::JobRegistered { .. }));
        assert_eq!(delete(&mut root, 8, "gpu"), Outcome::Refused(Refusal::PoolHasJobs("gpu".into())));
        let job = JobKey::new("default", "web");
        root.apply(9, Command::DeregisterJob { job, purge: false, eval: None, now: Timestamp(1) });
        assert_eq!(delete(&mut root, 10, "gpu"), Outcome::Done);
        assert!(matches!(run(&mut root, 11, "all"), Outcome::JobRegistered { .. }));
    }
}

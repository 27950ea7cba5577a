use model::ClientStatus;

use super::*;
use crate::actors::{
    kit::{Fatal, Kind, supervise_here},
    testing::{Cluster, Ids, Log, State, TestClock, node, paused, place, until, update, web},
};

const NODE: NodeId = NodeId(1);

struct World {
    log: Arc<Log>,
    cluster: Arc<Cluster>,
    gateway: GatewayLink,
}

impl World {
    /// A gateway that reads `state` and writes to the log; no watcher runs.
    fn new(log: Arc<Log>, state: Arc<State>) -> Self {
        let cluster = Arc::new(Cluster::default());
        let link = Link::new("node gateway");
        let tools = Tools {
            state,
            proposer: log.clone(),
            clock: Arc::new(TestClock(Instant::now())),
            ids: Arc::new(Ids::default()),
            consensus: cluster.clone(),
            watcher: Link::new("node watcher"),
        };
        supervise_here(
            Kind::NodeGateway,
            link.clone(),
            Fatal::channel().0,
            move || NodeGateway::new(tools.clone()),
            || {},
        );
        Self { log, cluster, gateway: GatewayLink(link) }
    }

    fn leader() -> Self {
        let log = Log::new();
        let state = log.state.clone();
        Self::new(log, state)
    }

    fn ids(assignments: &Assignments) -> (Vec<u128>, Vec<u128>) {
        let changed = assignments.allocs.iter().map(|alloc| alloc.id.0).collect();
        (changed, assignments.known.iter().map(|id| id.0).collect())
    }
}

#[test]
fn a_watch_brings_everything_first_and_then_what_changed() {
    paused(async {
        let world = World::leader();
        world.gateway.register(node(1)).await.unwrap();
        place(&world.log, web(), 10, NODE);
        place(&world.log, web(), 11, NODE);
        let first = world.gateway.watch(NODE, 0).await.unwrap();
        assert_eq!(World::ids(&first), (vec![10, 11], vec![10, 11]));
        assert_eq!(first.jobs.len(), 1);

        let waiting = tokio::spawn({
            let gateway = world.gateway.clone();
            async move { gateway.watch(NODE, first.index).await }
        });
        // What a node said itself, or what happens elsewhere, is no news to it.
        world.gateway.report(NODE, vec![update(10, ClientStatus::Running)], false).await.unwrap();
        world.gateway.register(node(2)).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!waiting.is_finished());
        place(&world.log, web(), 12, NODE);
        let next = waiting.await.unwrap().unwrap();
        assert_eq!(World::ids(&next), (vec![12], vec![10, 11, 12]));
        assert_eq!(next.index, world.log.state.root().index);
    });
}

#[test]
fn without_news_a_watch_is_answered_in_the_end() {
    paused(async {
        let world = World::leader();
        world.gateway.register(node(1)).await.unwrap();
        let index = world.gateway.watch(NODE, 0).await.unwrap().index;
        let asked = Instant::now();
        let answer = world.gateway.watch(NODE, index).await.unwrap();
        assert!(asked.elapsed() >= WATCH_LIMIT);
        assert_eq!(World::ids(&answer), (vec![], vec![]));
    });
}

#[test]
fn a_server_that_lags_waits_a_little_and_then_sends_the_node_elsewhere() {
    paused(async {
        let log = Log::new();
        let leader = World::new(log.clone(), log.state.clone());
        leader.gateway.register(node(1)).await.unwrap();
        let state = State::new();
        let follower = World::new(log.clone(), state.clone());
        let index = log.state.root().index;
        assert_eq!(follower.gateway.watch(NODE, index).await, Err(LinkError::Behind));
        // In time.
        place(&log, web(), 10, NODE);
        let waiting = tokio::spawn({
            let gateway = follower.gateway.clone();
            async move { gateway.watch(NODE, index).await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        state.put(log.state.root());
        assert_eq!(World::ids(&waiting.await.unwrap().unwrap()), (vec![10], vec![10]));
    });
}

#[test]
fn the_first_watch_is_answered_from_a_fresh_state() {
    paused(async {
        let log = Log::new();
        let state = State::new();
        let follower = World::new(log.clone(), state.clone());
        // The follower does not even know the node.
        follower.gateway.register(node(1)).await.unwrap();
        place(&log, web(), 10, NODE);
        let catch_up = {
            let (log, state) = (log.clone(), state.clone());
            move || state.put(log.state.root())
        };
        *follower.cluster.on_catch_up.lock().unwrap() = Some(Box::new(catch_up));
        let first = follower.gateway.watch(NODE, 0).await.unwrap();
        assert_eq!(World::ids(&first), (vec![10], vec![10]));
        assert_eq!(*follower.cluster.catch_ups.lock().unwrap(), [Consistency::Default]);

        follower.cluster.no_leader.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(follower.gateway.watch(NODE, 0).await, Err(LinkError::NoLeader));
        // What the node has been told already needs nobody else.
        assert!(follower.gateway.watch(NODE, first.index - 1).await.is_ok());
    });
}

#[test]
fn a_node_that_was_given_up_has_to_register_and_to_tell_what_it_has() {
    paused(async {
        let world = World::leader();
        world.gateway.register(node(1)).await.unwrap();
        place(&world.log, web(), 10, NODE);
        let index = world.gateway.watch(NODE, 0).await.unwrap().index;
        let waiting = tokio::spawn({
            let gateway = world.gateway.clone();
            async move { gateway.watch(NODE, index).await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.log.apply(vec![Command::SetNodeStatus {
            node: NODE,
            status: NodeStatus::Down,
            event: None,
            evals: vec![],
            now: model::Timestamp(7),
        }]);
        assert_eq!(waiting.await.unwrap(), Err(LinkError::Reregister));
        let report = || world.gateway.report(NODE, vec![update(10, ClientStatus::Running)], false);
        assert_eq!(report().await, Err(LinkError::Reregister));

        let registered = world.gateway.register(node(1)).await.unwrap();
        assert_eq!(registered.index, world.log.state.root().index);
        assert_eq!(world.log.status(NODE), Some(NodeStatus::Initializing));
        assert_eq!(world.gateway.watch(NODE, 0).await, Err(LinkError::Reregister));
        report().await.unwrap();
        assert_eq!(world.log.status(NODE), Some(NodeStatus::Initializing));
        world.gateway.report(NODE, Vec::new(), true).await.unwrap();
        assert_eq!(world.log.status(NODE), Some(NodeStatus::Ready));
        // Whoever has allocations there is looked at: perhaps they were replaced.
        assert!(!world.log.state.root().evals.is_empty());
        assert!(world.gateway.watch(NODE, 0).await.is_ok());
    });
}

#[test]
fn repeated_registrations_and_reports_change_nothing() {
    paused(async {
        let world = World::leader();
        for _ in 0..2 {
            world.gateway.register(node(1)).await.unwrap();
        }
        place(&world.log, web(), 10, NODE);
        for _ in 0..2 {
            world.gateway.report(NODE, vec![update(10, ClientStatus::Failed)], true).await.unwrap();
        }
        let root = world.log.state.root();
        assert_eq!((root.evals.len(), root.nodes[&NODE].events.len()), (1, 1));
        assert_eq!(root.allocs[&model::AllocId(10)].client, ClientStatus::Failed);
    });
}

#[test]
fn a_server_that_does_not_lead_says_so() {
    paused(async {
        let world = World::leader();
        world.gateway.register(node(1)).await.unwrap();
        world.log.fail(Some(ProposeError::NotLeader { leader: None }));
        let gateway = &world.gateway;
        assert_eq!(gateway.register(node(1)).await, Err(LinkError::NoLeader));
        assert_eq!(gateway.report(NODE, Vec::new(), true).await, Err(LinkError::NoLeader));
        assert_eq!(gateway.heartbeat(NODE).await, Err(LinkError::NoLeader));
        assert_eq!(gateway.parted(NODE).await, Err(LinkError::NoLeader));
        world.log.fail(Some(ProposeError::Unknown("the lead was lost".into())));
        assert!(matches!(gateway.register(node(1)).await, Err(LinkError::Unreachable(_))));
    });
}

#[test]
fn nobody_is_woken_in_vain_and_nobody_is_forgotten() {
    paused(async {
        let world = World::leader();
        let mut indexes = Vec::new();
        for id in 1..=50 {
            world.gateway.register(node(id)).await.unwrap();
        }
        for id in 1..=50 {
            indexes.push(world.gateway.watch(NodeId(id), 0).await.unwrap().index);
        }
        let mut waiting = Vec::new();
        for (id, index) in (1..=50).zip(indexes) {
            let gateway = world.gateway.clone();
            waiting.push(tokio::spawn(async move { gateway.watch(NodeId(id), index).await }));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        place(&world.log, web(), 10, NodeId(17));
        place(&world.log, web(), 11, NodeId(18));
        until("both are told", || waiting.iter().filter(|task| task.is_finished()).count() == 2).await;
        assert!(waiting[16].is_finished() && waiting[17].is_finished());
        waiting.iter().for_each(tokio::task::JoinHandle::abort);
        place(&world.log, web(), 12, NodeId(1));
        let mut left = 50;
        while left > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            world.gateway.register(node(99)).await.unwrap();
            left = world.gateway.0.ask(Observe).await.unwrap()["waiting"].as_u64().unwrap();
        }
    });
}

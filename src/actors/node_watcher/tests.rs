use std::sync::atomic::Ordering;

use model::{ClientStatus, Disconnect};

use super::*;
use crate::actors::{
    kit::{Fatal, Kind, Link, supervise_here},
    ports::ProposeError,
    testing::{Cluster, Ids, Log, TestClock, node, paused, place, until, update, web},
};

struct World {
    log: Arc<Log>,
    cluster: Arc<Cluster>,
    watcher: Link<NodeWatcher>,
}

impl World {
    /// Nodes 1 to `nodes`, all of them answering; the first one runs an allocation of `web`.
    fn new(nodes: u128) -> Self {
        let (log, cluster) = (Log::new(), Arc::new(Cluster::default()));
        for id in 1..=nodes {
            log.apply(vec![Command::RegisterNode {
                node: node(id),
                evals: vec![],
                now: model::Timestamp(1),
            }]);
            cluster.answering.lock().unwrap().push(NodeId(id));
        }
        place(&log, web(), 10, NodeId(1));
        let watcher = Link::new("node watcher");
        let world = Self { log, cluster, watcher };
        world.lead();
        world
    }

    fn lead(&self) {
        let senses = Senses {
            consensus: self.cluster.clone(),
            witness: self.cluster.clone(),
            pinger: self.cluster.clone(),
            jitter: Arc::new(|| 0.5),
            settings: Settings::default(),
        };
        let (log, clock) = (self.log.clone(), Arc::new(TestClock(Instant::now())));
        let ids: Arc<Ids> = Arc::default();
        supervise_here(
            Kind::NodeWatcher,
            self.watcher.clone(),
            Fatal::channel().0,
            move || {
                NodeWatcher::new(senses.clone(), log.state.clone(), log.clone(), clock.clone(), ids.clone())
            },
            || {},
        );
    }

    /// The agent and its machine go without a word.
    fn kill(&self, node: NodeId) {
        self.cluster.answering.lock().unwrap().retain(|answering| *answering != node);
    }

    fn is_down(&self, node: NodeId) -> bool {
        self.log.status(node) == Some(NodeStatus::Down)
    }

    async fn beat(&self, node: NodeId) -> Option<Duration> {
        self.watcher.ask(Beat(node)).await.unwrap()
    }
}

#[test]
fn a_killed_node_is_down_in_seconds_and_its_jobs_are_looked_at() {
    paused(async {
        let world = World::new(5);
        assert_eq!(world.beat(NodeId(1)).await, Some(Duration::from_secs(15)));
        world.kill(NodeId(1));
        let killed = Instant::now();
        world.watcher.ask(Parted(NodeId(1))).await.unwrap();
        until("it is down", || world.is_down(NodeId(1))).await;
        assert!(killed.elapsed() < Duration::from_millis(2300), "{:?}", killed.elapsed());
        world.cluster.say(NodeId(1), Word::Suspect);
        world.cluster.say(NodeId(1), Word::Failed);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(world.log.verdicts(NodeId(1)), 1);
        let root = world.log.state.root();
        let event = root.nodes[&NodeId(1)].events.last().unwrap();
        assert_eq!(event.message, "Node does not answer and others cannot reach it");
        let evals: Vec<_> = root.evals.values().map(|eval| (eval.job.id.to_string(), eval.node)).collect();
        assert_eq!(evals, [("web".to_owned(), Some(NodeId(1)))]);
        assert_eq!(world.beat(NodeId(1)).await, None);
    });
}

#[test]
fn an_accused_node_that_answers_stays() {
    paused(async {
        let world = World::new(5);
        world.cluster.say(NodeId(1), Word::Failed);
        for _ in 0..20 {
            world.beat(NodeId(1)).await.unwrap();
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        assert!(world.cluster.pings.load(Ordering::Relaxed) > 5);
        assert!(world.log.proposals.lock().unwrap().is_empty());
    });
}

#[test]
fn a_node_that_cannot_be_reached_and_beats_meanwhile_stays() {
    paused(async {
        let world = World::new(5);
        world.kill(NodeId(1));
        world.cluster.say(NodeId(1), Word::Suspect);
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.beat(NodeId(1)).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(!world.is_down(NodeId(1)));
    });
}

#[test]
fn many_deaths_are_one_proposal_after_a_majority_confirmed() {
    paused(async {
        let world = World::new(9);
        world.cluster.no_leader.store(true, Ordering::Relaxed);
        for id in 1..=6 {
            world.kill(NodeId(id));
            world.cluster.say(NodeId(id), Word::Failed);
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(world.log.proposals.lock().unwrap().is_empty());
        world.cluster.no_leader.store(false, Ordering::Relaxed);
        until("all are down", || (1..=6).all(|id| world.is_down(NodeId(id)))).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert!((1..=6).all(|id| world.log.verdicts(NodeId(id)) == 1));
        assert!(world.log.proposals.lock().unwrap().len() <= 2);
        assert!((7..=9).all(|id| !world.is_down(NodeId(id))));
    });
}

#[test]
fn a_verdict_that_could_not_be_written_is_repeated() {
    paused(async {
        let world = World::new(5);
        world.log.fail(Some(ProposeError::Overloaded));
        world.kill(NodeId(1));
        world.cluster.say(NodeId(1), Word::Failed);
        until("it is tried", || world.log.verdicts(NodeId(1)) > 0).await;
        world.log.fail(None);
        until("it is down", || world.is_down(NodeId(1))).await;
    });
}

#[test]
fn a_new_leader_hears_what_gossip_knows_and_waits_for_the_rest() {
    paused(async {
        let world = World::new(5);
        world.watcher.tell(Stop);
        until("it ended", || !world.watcher.is_running()).await;
        world.kill(NodeId(1));
        world.cluster.say(NodeId(1), Word::Failed);
        world.lead();
        until("it is down", || world.is_down(NodeId(1))).await;
        tokio::time::sleep(Duration::from_secs(290)).await;
        assert!((2..=5).all(|id| !world.is_down(NodeId(id))));
        until("nobody beat", || (2..=5).all(|id| world.is_down(NodeId(id)))).await;
    });
}

#[test]
fn a_node_that_registered_a_moment_ago_is_known() {
    paused(async {
        let world = World::new(1);
        assert_eq!(world.beat(NodeId(7)).await, None);
        world.log.apply(vec![Command::RegisterNode {
            node: node(7),
            evals: vec![],
            now: model::Timestamp(1),
        }]);
        assert!(world.beat(NodeId(7)).await.is_some());
    });
}

#[test]
fn an_agent_that_said_goodbye_may_come_back() {
    paused(async {
        let world = World::new(5);
        for id in 1..=5 {
            world.beat(NodeId(id)).await.unwrap();
        }
        world.watcher.ask(Goodbye(NodeId(1))).await.unwrap();
        world.kill(NodeId(1));
        world.watcher.ask(Parted(NodeId(1))).await.unwrap();
        world.cluster.say(NodeId(1), Word::Left);
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(!world.is_down(NodeId(1)));
        world.cluster.answering.lock().unwrap().push(NodeId(1));
        world.cluster.say(NodeId(1), Word::Alive);
        world.beat(NodeId(1)).await.unwrap();
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(!world.is_down(NodeId(1)));
    });
}

#[test]
fn a_node_whose_allocations_may_come_back_is_disconnected_first() {
    paused(async {
        let world = World::new(5);
        let mut job = web();
        job.id = "patient".into();
        job.groups[0].disconnect =
            Some(Disconnect { lost_after: Duration::from_secs(60), ..Disconnect::default() });
        place(&world.log, job, 20, NodeId(2));
        let updates = vec![update(20, ClientStatus::Running)];
        let now = model::Timestamp(9);
        world.log.apply(vec![Command::UpdateAllocs { updates, evals: vec![], synced: None, now }]);
        world.kill(NodeId(2));
        world.cluster.say(NodeId(2), Word::Failed);
        until("it is disconnected", || world.log.status(NodeId(2)) == Some(NodeStatus::Disconnected)).await;
        assert_eq!(world.beat(NodeId(2)).await, None);
        tokio::time::sleep(Duration::from_secs(50)).await;
        assert_eq!(world.log.status(NodeId(2)), Some(NodeStatus::Disconnected));
        until("the time is over", || world.is_down(NodeId(2))).await;
    });
}

#[test]
fn what_lands_on_a_dead_node_is_looked_at() {
    paused(async {
        let world = World::new(5);
        world.kill(NodeId(2));
        world.cluster.say(NodeId(2), Word::Failed);
        until("it is down", || world.is_down(NodeId(2))).await;
        // A plan from before that became true after it.
        place(&world.log, web(), 30, NodeId(2));
        until("somebody looks", || world.log.state.root().evals.len() == 1).await;
        let lost = world.log.state.root().allocs[&model::AllocId(30)].client;
        assert_eq!(lost, ClientStatus::Pending);
    });
}

#[test]
fn a_node_that_comes_is_offered_to_jobs_that_run_on_every_node() {
    paused(async {
        let world = World::new(2);
        let job = model::Job { id: "everywhere".into(), kind: model::JobType::System, ..web() };
        let key = job.key();
        let now = model::Timestamp(2);
        world.log.apply(vec![Command::RegisterJob {
            job: Box::new(job),
            enforce_index: None,
            eval: None,
            now,
        }]);
        let evals = || -> Vec<model::Evaluation> {
            let root = world.log.state.root();
            root.evals_of_job(&key).map(|eval| model::Evaluation::clone(eval)).collect()
        };
        let look = |evals: Vec<model::Evaluation>| {
            let index = world.log.state.root().index;
            let done = evals.into_iter().map(|mut eval| {
                eval.status = model::EvalStatus::Complete;
                eval.snapshot_index = index;
                eval
            });
            world.log.apply(vec![Command::UpdateEvals { evals: done.collect() }]);
        };
        world.log.apply(vec![Command::RegisterNode { node: node(3), evals: vec![], now }]);
        until("it is looked at", || !evals().is_empty()).await;
        let [eval] = &evals()[..] else { panic!("{:?}", evals()) };
        assert_eq!((eval.trigger, eval.kind), (model::Trigger::NodeUpdate, model::JobType::System));
        // While that one waits there is no need for another.
        world.log.apply(vec![Command::UpdateAllocs {
            updates: vec![update(10, ClientStatus::Running)],
            evals: vec![],
            synced: None,
            now,
        }]);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(evals().len(), 1);

        look(evals());
        let close = |eligibility| {
            let (node, evals) = (NodeId(2), vec![]);
            world.log.apply(vec![Command::SetNodeEligibility { node, eligibility, evals, now }]);
        };
        close(model::Eligibility::Ineligible);
        // It may hold what was only kept until something newer could take its place.
        until("a node that is closed is looked at", || evals().len() == 2).await;
        look(evals());
        close(model::Eligibility::Eligible);
        until("it is looked at again", || evals().len() == 3).await;
    });
}

//! The actor with gossip and a log that are played.

use std::{
    collections::BTreeMap,
    sync::{Mutex, atomic::AtomicBool, atomic::Ordering},
};

use actix::Actor;
use async_trait::async_trait;
use model::{AgentStatus, Node, NodeId, Timestamp};
use state::Root;
use tokio::{sync::watch, time::timeout};

use super::*;
use crate::actors::ports::{Committed, Joined, ProposeError};

/// Far longer than anything here takes: only a failing test waits for it.
const DEADLINE: Duration = Duration::from_secs(20);

struct Gossip {
    members: Mutex<Vec<Member>>,
    changes: watch::Sender<u64>,
}

#[async_trait]
impl Members for Gossip {
    fn members(&self) -> Vec<Member> {
        self.members.lock().unwrap().clone()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    async fn join(&self, _: Vec<String>) -> Joined {
        Joined::default()
    }

    async fn force_leave(&self, _: &str, _: bool) -> Result<(), String> {
        Ok(())
    }

    async fn leave(&self) -> Result<(), String> {
        Ok(())
    }
}

struct Log {
    root: Mutex<Arc<Root>>,
    changes: watch::Sender<u64>,
    closed: AtomicBool,
}

impl StateReader for Log {
    fn root(&self) -> Arc<Root> {
        self.root.lock().unwrap().clone()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

#[async_trait]
impl Proposer for Log {
    async fn propose(&self, commands: Vec<Command>) -> Result<Committed, ProposeError> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(ProposeError::NotLeader { leader: None });
        }
        let (index, outcomes) = {
            let mut root = self.root.lock().unwrap();
            let mut next = Root::clone(&root);
            let index = next.index + 1;
            let outcomes = commands.into_iter().map(|command| next.apply(index, command)).collect();
            *root = Arc::new(next);
            (index, outcomes)
        };
        self.changes.send_replace(index);
        Ok(Committed { index, outcomes })
    }
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(1000)
    }
}

struct Seven;

impl IdSource for Seven {
    fn uuid(&self) -> u128 {
        7
    }
}

struct Stage {
    gossip: Arc<Gossip>,
    log: Arc<Log>,
}

impl Stage {
    fn new(members: Vec<Member>) -> Self {
        let gossip = Gossip { members: Mutex::new(members), changes: watch::channel(0).0 };
        let log =
            Log { root: Mutex::default(), changes: watch::channel(0).0, closed: AtomicBool::new(false) };
        Self { gossip: Arc::new(gossip), log: Arc::new(log) }
    }

    fn actor(&self) -> Roll {
        Roll::new(self.gossip.clone(), self.log.clone(), self.log.clone(), Arc::new(Still), Arc::new(Seven))
    }

    fn say(&self, members: Vec<Member>) {
        *self.gossip.members.lock().unwrap() = members;
        self.gossip.changes.send_modify(|count| *count += 1);
    }

    async fn until(&self, what: &str, reached: impl Fn(&Root) -> bool) {
        let mut changes = self.log.changes();
        let waiting = async {
            while !reached(&self.log.root()) {
                changes.changed().await.unwrap();
            }
        };
        timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("not reached: {what}"));
    }
}

fn member(id: u128, region: &str, more: &[(&str, &str)]) -> Member {
    let id = NodeId(id);
    let mut tags = BTreeMap::from([
        ("role".into(), "nomad".into()),
        ("region".into(), region.into()),
        ("dc".into(), "dc1".into()),
        ("build".into(), "0.1.0".into()),
        ("id".into(), id.to_string()),
        ("rpc_addr".into(), "10.0.0.1".into()),
        ("port".into(), "4647".into()),
        ("http_addr".into(), "10.0.0.2:4646".into()),
    ]);
    tags.extend(more.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())));
    Member {
        name: format!("s{}.{region}", id.0),
        address: "10.0.0.1".into(),
        port: 4648,
        status: "alive".into(),
        tags,
    }
}

#[actix::test]
async fn what_gossip_says_is_in_the_log() {
    let stage = Stage::new(vec![member(1, "global", &[]), member(2, "europe", &[])]);
    let roll = stage.actor().start();
    stage.until("the first agent", |root| root.agents.len() == 1).await;
    let root = stage.log.root();
    assert_eq!(root.epoch, 7_u128.to_be_bytes());
    let agent = &root.agents[&NodeId(1)];
    assert_eq!((&*agent.name, &*agent.datacenter, agent.server, agent.client), ("s1", "dc1", true, false));
    assert_eq!(agent.http, Endpoint { address: "10.0.0.2".into(), port: 4646 });
    assert_eq!(agent.rpc, Endpoint { address: String::new(), port: 4647 });

    let own = [("role", "client"), ("client_service", "players")];
    let failed = Member { status: "failed".into(), ..member(1, "global", &[("auto_advertise", "false")]) };
    stage.say(vec![failed, member(3, "global", &own)]);
    stage.until("both", |root| root.agents.len() == 2).await;
    let root = stage.log.root();
    assert_eq!(root.agents[&NodeId(1)].status, AgentStatus::Failed);
    assert_eq!(root.service("nomad").count(), 0);
    assert_eq!(root.service("players").count(), 1);
    drop(roll);
}

#[actix::test]
async fn a_node_that_registers_later_counts_as_one_that_runs_tasks() {
    let stage = Stage::new(vec![member(1, "global", &[])]);
    let _roll = stage.actor().start();
    stage.until("the agent", |root| root.agents.len() == 1).await;
    let node = Node { id: NodeId(1), name: "s1".into(), ..Node::default() };
    let register = Command::RegisterNode { node, evals: vec![], now: Timestamp(1) };
    stage.log.propose(vec![register]).await.unwrap();
    stage.until("its service", |root| root.service("nomad-client").count() == 1).await;
}

#[actix::test]
async fn what_could_not_be_written_is_written_later_and_nothing_twice() {
    let stage = Stage::new(vec![member(1, "global", &[])]);
    stage.log.closed.store(true, Ordering::Relaxed);
    let roll = stage.actor().start();
    let failed_once = async {
        while roll.send(Observe).await.unwrap()["writes"] == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, failed_once).await.expect("it tries");
    stage.log.closed.store(false, Ordering::Relaxed);
    stage.until("the agent", |root| root.agents.len() == 1).await;
    let index = stage.log.root().index;
    stage.say(vec![member(1, "global", &[])]);
    // It has looked when it takes in the next change.
    stage.say(vec![member(1, "global", &[]), member(2, "global", &[])]);
    stage.until("the second", |root| root.agents.len() == 2).await;
    assert_eq!(stage.log.root().index, index + 1);
}

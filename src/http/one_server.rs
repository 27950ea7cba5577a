//! For tests: the log of some servers as one of them sees it, which leads if it is told so; and an agent without tasks
//! and without other agents.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use model::{AllocId, NodeId, TaskState, Timestamp};
use state::Command;
use tokio::sync::watch;

use super::{AgentInfo, Context, Ports};
use crate::actors::ports::{
    AccessError, CheckSeen, Clock, ClusterError, Committed, Consensus, Consistency, DataStream, Elsewhere,
    ExecSession, ExecSpec, Freshness, Health, HostUsage, IdSource, Leadership, LogLevel, LogTap, Members,
    NodeAccess, Peer, PeerRef, Presence, ProposeError, Proposer, Reload, ServerHealth, StateReader, Target,
    TaskAct, TaskUsage, WebAnswer, WebRequest, WebStream,
};

pub(super) struct OneServer {
    leadership: watch::Receiver<Leadership>,
    pub(super) peers: Mutex<Vec<Peer>>,
    /// Whom the lead was handed to.
    pub(super) transfers: Mutex<Vec<Option<PeerRef>>>,
}

impl OneServer {
    pub(super) fn new(leadership: watch::Receiver<Leadership>) -> Self {
        let peer = Peer {
            id: String::from("s1"),
            name: String::from("n1.global"),
            address: String::from("10.0.0.1:4647"),
            leader: true,
            voter: true,
            last_index: 12,
            last_contact: Some(Duration::ZERO),
            term: 1,
        };
        Self { leadership, peers: Mutex::new(vec![peer]), transfers: Mutex::default() }
    }

    /// Another server.
    pub(super) fn add(&self, peer: Peer) {
        self.peers.lock().unwrap().push(peer);
    }
}

#[async_trait]
impl Consensus for OneServer {
    async fn catch_up(&self, _: Consistency) -> Result<Freshness, ClusterError> {
        let known_leader = self.leadership.borrow().leader_address.is_some();
        Ok(Freshness { known_leader, last_contact: Duration::ZERO })
    }

    fn leadership(&self) -> Leadership {
        self.leadership.borrow().clone()
    }

    fn peers(&self) -> (u64, Vec<Peer>) {
        (9, self.peers.lock().unwrap().clone())
    }

    async fn remove_peer(&self, wanted: PeerRef) -> Result<(), ClusterError> {
        let is_it = |peer: &Peer| match &wanted {
            PeerRef::Id(id) => peer.id == *id,
            PeerRef::Address(address) => peer.address == *address,
        };
        self.peers.lock().unwrap().retain(|peer| !is_it(peer));
        Ok(())
    }

    async fn transfer_leadership(&self, to: Option<PeerRef>) -> Result<(), ClusterError> {
        self.transfers.lock().unwrap().push(to);
        Ok(())
    }

    /// All healthy but those that were never heard.
    async fn health(&self) -> Result<Health, ClusterError> {
        let health = |peer: &Peer| ServerHealth {
            id: 7,
            address: peer.address.clone(),
            presence: peer.last_contact.map(|_| Presence::Alive),
            leader: peer.leader,
            voter: peer.voter,
            healthy: peer.last_contact.is_some(),
            since: Timestamp::from_secs(1_700_000_000),
            last_contact: peer.last_contact,
            last_index: peer.last_index,
            term: peer.term,
        };
        let servers: Vec<ServerHealth> = self.peers.lock().unwrap().iter().map(health).collect();
        Ok(Health { healthy: servers.iter().all(|server| server.healthy), failure_tolerance: 0, servers })
    }
}

/// An agent that reads this state, knows these members, and has nothing else.
pub(super) fn reader(
    state: Arc<dyn StateReader>,
    members: Arc<dyn Members>,
    consensus: Arc<dyn Consensus>,
    agent: AgentInfo,
) -> Context {
    let none = Arc::new(Nothing);
    let (clock, ids, proposer) = (none.clone(), none.clone(), none.clone());
    let (nodes, elsewhere) = (none.clone(), none);
    Context::new(
        Ports {
            state,
            proposer,
            clock,
            ids,
            nodes,
            members,
            consensus,
            elsewhere,
            log: Arc::new(Nothing),
            configuration: Arc::new(Nothing),
        },
        agent,
    )
}

struct Nothing;

impl Clock for Nothing {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(1_700_000_000)
    }
}

impl IdSource for Nothing {
    fn uuid(&self) -> u128 {
        7
    }
}

#[async_trait]
impl Proposer for Nothing {
    async fn propose(&self, _: Vec<Command>) -> Result<Committed, ProposeError> {
        Err(ProposeError::NotLeader { leader: None })
    }
}

#[async_trait]
impl NodeAccess for Nothing {
    async fn data(&self, _: AllocId) -> Result<DataStream, AccessError> {
        Err(AccessError::NoClient)
    }

    async fn host_usage(&self, _: Option<NodeId>) -> Result<HostUsage, AccessError> {
        Err(AccessError::NoClient)
    }

    async fn alloc_usage(&self, _: AllocId) -> Result<BTreeMap<String, TaskUsage>, AccessError> {
        Err(AccessError::NoClient)
    }

    async fn log_dir(&self, _: AllocId) -> Result<PathBuf, AccessError> {
        Err(AccessError::NoClient)
    }

    async fn alloc_dir(&self, _: AllocId) -> Result<PathBuf, AccessError> {
        Err(AccessError::NoClient)
    }

    async fn act(&self, _: AllocId, _: Option<String>, _: TaskAct) -> Result<(), AccessError> {
        Err(AccessError::NoClient)
    }

    async fn task_states(&self, _: AllocId) -> Result<BTreeMap<String, TaskState>, AccessError> {
        Err(AccessError::NoClient)
    }

    async fn checks(&self, _: AllocId) -> Result<Vec<CheckSeen>, AccessError> {
        Err(AccessError::NoClient)
    }

    async fn collect(&self, _: Option<AllocId>) -> Result<(), AccessError> {
        Err(AccessError::NoClient)
    }

    async fn action(&self, _: AllocId, _: &str, _: &str) -> Result<Vec<String>, AccessError> {
        Err(AccessError::NoClient)
    }

    async fn exec(&self, _: AllocId, _: &str, _: ExecSpec) -> Result<ExecSession, AccessError> {
        Err(AccessError::NoClient)
    }
}

impl Reload for Nothing {
    fn reload(&self) -> Result<(), Vec<String>> {
        Ok(())
    }
}

impl LogTap for Nothing {
    fn listen(&self, _: LogLevel, _: bool) -> Option<tokio::sync::mpsc::Receiver<Bytes>> {
        None
    }
}

#[async_trait]
impl Elsewhere for Nothing {
    async fn ask(&self, _: Target, _: WebRequest, _: Duration) -> Result<WebAnswer, ClusterError> {
        Err(ClusterError::Unreachable(String::from("there is no other agent")))
    }

    async fn stream(&self, _: Target, _: WebRequest) -> Result<WebStream, ClusterError> {
        Err(ClusterError::Unreachable(String::from("there is no other agent")))
    }

    async fn talk(
        &self,
        _: Target,
        _: WebRequest,
        _: BoxStream<'static, Bytes>,
    ) -> Result<WebStream, ClusterError> {
        Err(ClusterError::Unreachable(String::from("there is no other agent")))
    }
}

//! How fresh the state is, and waiting until it is fresh enough.
//!
//! A round asks for the index up to which a reader must see everything: on the leader of the leader itself, elsewhere
//! of the leader over RPC. One round of a kind is under way at a time, and serves everybody who came before it began.

use std::{future::Future, sync::Arc, time::Duration};

use openraft::{
    LinearizerOption, ReadPolicy,
    errors::{LinearizableReadError, RaftError},
};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    Server,
    config::Pace,
    contact::Contact,
    machine::Machine,
    network::{Head, Peers},
    types::Types,
};
use crate::{
    actors::ports::{Freshness, Leadership},
    net::rpc::{Call, Error, ErrorKind, Router},
};

/// Why a read cannot be as fresh as it was asked to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// In the words of Nomad, which clients look for.
    #[error("No cluster leader")]
    NoLeader,
    /// The leader answered; this server does not have all of it in time.
    #[error("this server is behind the leader and did not catch up in time")]
    Late,
}

/// Up to where a reader must see everything.
#[derive(Serialize, Deserialize)]
struct ReadIndex {
    head: Head,
    strong: bool,
}

impl Call for ReadIndex {
    const METHOD: &'static str = "Raft1.ReadIndex";
    type Answer = u64;
}

type Round = Result<u64, Failed>;

/// This server, or the one that was asked, cannot tell.
#[derive(Debug, Clone, Copy)]
struct Failed;

/// Asks that share rounds.
#[derive(Clone)]
struct Shared(mpsc::Sender<oneshot::Sender<Round>>);

/// Asks that may wait for a round.
const MAX_WAITING: usize = 65_536;
/// How long a round over RPC may take.
const ROUND: Duration = Duration::from_secs(2);
/// A round that failed is not repeated sooner, unless another server leads.
const PAUSE: Duration = Duration::from_millis(20);

impl Shared {
    fn new<F: Future<Output = Round> + Send>(mut round: impl FnMut() -> F + Send + 'static) -> Self {
        let (ask, mut asked) = mpsc::channel::<oneshot::Sender<Round>>(MAX_WAITING);
        tokio::spawn(async move {
            let mut served = Vec::new();
            while asked.recv_many(&mut served, MAX_WAITING).await > 0 {
                served.retain(|reader| !reader.is_closed());
                if served.is_empty() {
                    continue;
                }
                let result = round().await;
                for reader in served.drain(..) {
                    // A reader that went away does not want to know.
                    let _ = reader.send(result);
                }
            }
        });
        Self(ask)
    }

    async fn join(&self) -> Round {
        let (answer, answered) = oneshot::channel();
        self.0.send(answer).await.map_err(|_| Failed)?;
        answered.await.unwrap_or(Err(Failed))
    }
}

/// Rounds of both kinds, here and at the leader. The second of each pair is for consistent reads.
#[derive(Clone)]
pub(super) struct Reads {
    here: [Shared; 2],
    there: [Shared; 2],
}

impl Reads {
    pub(super) fn new(
        raft: &openraft::Raft<Types, Machine>,
        pace: Pace,
        peers: &Peers,
        leader: &watch::Receiver<Option<(u64, String)>>,
    ) -> Self {
        let here = |strong: bool| {
            let raft = raft.clone();
            Shared::new(move || {
                let raft = raft.clone();
                async move { ask_here(&raft, pace, strong).await }
            })
        };
        let there = |strong: bool| {
            let (peers, leader) = (peers.clone(), leader.clone());
            let link = Arc::new(tokio::sync::Mutex::new(None));
            Shared::new(move || {
                let (peers, leader, link) = (peers.clone(), leader.clone(), link.clone());
                async move {
                    let (id, address) = leader.borrow().clone().ok_or(Failed)?;
                    let mut link = link.lock().await;
                    let link = match &mut *link {
                        Some((known, link)) if *known == id => link,
                        other => &mut other.insert((id, peers.link(id, &address))).1,
                    };
                    let question = ReadIndex { head: link.head(), strong };
                    link.ask(&question, ROUND).await.map_err(|_| Failed)
                }
            })
        };
        Self { here: [here(false), here(true)], there: [there(false), there(true)] }
    }

    pub(super) fn register(&self, peers: &Peers, router: &mut Router) {
        let (here, peers) = (self.here.clone(), peers.clone());
        router.register_urgent(move |ReadIndex { head, strong }: ReadIndex| {
            let (here, right) = (here[usize::from(strong)].clone(), head.check(&peers));
            async move {
                right?;
                here.join().await.map_err(|_| Error::new(ErrorKind::NoLeader, "this server does not lead"))
            }
        });
    }
}

async fn ask_here(raft: &openraft::Raft<Types, Machine>, pace: Pace, strong: bool) -> Round {
    let wanted = if strong {
        LinearizerOption::from(ReadPolicy::ReadIndex)
    } else {
        // Older confirmations are renewed at once.
        LinearizerOption::new(Some(pace.lease_read), true)
    };
    match raft.get_read_linearizer(wanted).await {
        Ok(linearizer) => Ok(linearizer.read_log_id().index()),
        Err(RaftError::APIError(
            LinearizableReadError::ForwardToLeader(_) | LinearizableReadError::QuorumNotEnough(_),
        )) => Err(Failed),
        Err(RaftError::Fatal(_)) => Err(Failed),
    }
}

impl Server {
    /// Waits until the state of this server holds all that was committed when this was called. Without `strong` the
    /// leader may answer alone while it holds its lease; with it, a majority confirms that it leads.
    ///
    /// While nobody leads it waits up to [`Config::hold`](super::Config::hold).
    ///
    /// # Errors
    /// No leader, or not in time.
    pub async fn read_barrier(&self, strong: bool) -> Result<Freshness, ReadError> {
        let deadline = Instant::now() + self.inner.config.hold;
        let index = tokio::time::timeout_at(deadline, self.read_index(strong))
            .await
            .map_err(|_| ReadError::NoLeader)?;
        let mut applied = self.inner.published.changes.subscribe();
        let seen = applied.wait_for(|applied| *applied >= index);
        // It has what a leader may take to be heard, at least.
        let deadline = deadline.max(Instant::now() + self.inner.config.pace.election.1);
        match tokio::time::timeout_at(deadline, seen).await {
            Ok(Ok(_)) => Ok(self.freshness()),
            _ => Err(ReadError::Late),
        }
    }

    async fn read_index(&self, strong: bool) -> u64 {
        let kind = usize::from(strong);
        let mut leadership = self.leadership();
        loop {
            let now = leadership.borrow_and_update().clone();
            let round = match now {
                Leadership { is_leader: true, .. } => self.inner.reads.here[kind].join().await,
                Leadership { leader_address: Some(_), .. } => self.inner.reads.there[kind].join().await,
                Leadership { .. } => Err(Failed),
            };
            match round {
                Ok(index) => return index,
                Err(Failed) => {
                    // Either way it is time to look again.
                    if let Ok(Err(_)) = tokio::time::timeout(PAUSE, leadership.changed()).await {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        }
    }

    /// How old a read without a barrier may be.
    pub fn freshness(&self) -> Freshness {
        let leadership = self.inner.leadership.borrow();
        freshness(&leadership, &self.inner.contact)
    }
}

fn freshness(leadership: &Leadership, contact: &Contact) -> Freshness {
    Freshness {
        known_leader: leadership.leader_address.is_some(),
        last_contact: if leadership.is_leader {
            Duration::ZERO
        } else {
            contact.silence().unwrap_or_default()
        },
    }
}

//! Servers that are not in one log yet: who they are, and whether they want to found a cluster together.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use openraft::async_runtime::watch::WatchReceiver;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::{
    Server,
    machine::Machine,
    network::{Head, Peers},
    types::Types,
};
use crate::{
    actors::ports::{ChangeError, Claim, ClaimAnswer, Identity, LogMembers, Membership, Progress},
    net::rpc::{Call, Error, ErrorKind, Router, decode, encode},
};

#[derive(Serialize, Deserialize)]
struct Claiming {
    head: Head,
    by: u64,
}

/// As on the wire.
#[derive(Serialize, Deserialize)]
enum Claimed {
    Promised,
    HasLog,
    Taken { by: u64 },
}

impl Call for Claiming {
    const METHOD: &'static str = "Raft1.Claim";
    type Answer = Claimed;
}

#[derive(Serialize, Deserialize)]
struct Identify {}

impl Call for Identify {
    const METHOD: &'static str = "Raft1.Identify";
    type Answer = Identity;
}

/// How long another server may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Claims that may wait for the one who decides.
const MAX_CLAIMS: usize = 64;

/// The way of claims to the one who decides.
#[derive(Clone, Default)]
pub(super) struct Claims(Arc<Mutex<Option<mpsc::Sender<Claim>>>>);

type Raft = openraft::Raft<Types, Machine>;

impl Claims {
    fn receive(&self) -> mpsc::Receiver<Claim> {
        let (sender, receiver) = mpsc::channel(MAX_CLAIMS);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    pub(super) fn register(&self, raft: &Raft, peers: &Peers, router: &mut Router) {
        let (claims, to, us) = (self.clone(), raft.clone(), peers.clone());
        router.register_urgent(move |Claiming { head, by }: Claiming| {
            let (claims, raft, right) = (claims.clone(), to.clone(), head.check(&us));
            let own = us.own;
            async move {
                right?;
                if raft.is_initialized().await.map_err(stopped)? {
                    return Ok(Claimed::HasLog);
                }
                Ok(match claims.decide(by).await {
                    Some(ClaimAnswer::Promised) => Claimed::Promised,
                    Some(ClaimAnswer::HasLog) => Claimed::HasLog,
                    Some(ClaimAnswer::Taken { by }) => Claimed::Taken { by },
                    // It has not made up its mind yet.
                    None => Claimed::Taken { by: own },
                })
            }
        });
        let (to, us) = (raft.clone(), peers.clone());
        router.register_urgent(move |Identify {}: Identify| {
            let (raft, id, cluster) = (to.clone(), us.own, us.cluster());
            async move {
                let empty = raft.metrics().borrow_watched().last_log_index.is_none();
                Ok(Identity { id, empty, cluster })
            }
        });
    }

    async fn decide(&self, by: u64) -> Option<ClaimAnswer> {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let (answer, answered) = oneshot::channel();
        sender.try_send(Claim { by, answer }).ok()?;
        answered.await.ok()
    }
}

fn stopped(error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Internal, error.to_string())
}

#[async_trait]
impl LogMembers for Server {
    fn own(&self) -> (u64, String) {
        (self.inner.config.node_id, self.inner.config.address.clone())
    }

    async fn is_empty(&self) -> Result<bool, ChangeError> {
        Self::is_empty(self).await
    }

    fn membership(&self) -> Membership {
        self.members()
    }

    fn progress(&self) -> Progress {
        Self::progress(self)
    }

    fn heartbeat(&self) -> Duration {
        self.inner.config.pace.heartbeat
    }

    async fn found(&self, members: BTreeMap<u64, String>) -> Result<(), ChangeError> {
        Self::found(self, members).await
    }

    async fn add_learner(&self, id: u64, address: &str) -> Result<(), ChangeError> {
        Self::add_learner(self, id, address).await
    }

    async fn promote(&self, id: u64) -> Result<(), ChangeError> {
        Self::promote(self, id).await
    }

    async fn remove(&self, id: u64) -> Result<(), ChangeError> {
        Self::remove(self, id).await
    }

    async fn set_address(&self, id: u64, address: &str) -> Result<(), ChangeError> {
        Self::set_address(self, id, address).await
    }

    async fn finish_change(&self) -> Result<(), ChangeError> {
        Self::finish_change(self).await
    }

    fn claims(&self) -> mpsc::Receiver<Claim> {
        self.inner.claims.receive()
    }

    async fn claim(&self, id: u64, address: &str) -> Result<ClaimAnswer, String> {
        let mut link = self.inner.peers.link(id, address);
        let question = Claiming { head: link.head(), by: self.inner.config.node_id };
        match link.ask(&question, PATIENCE).await.map_err(|error| error.to_string())? {
            Claimed::Promised => Ok(ClaimAnswer::Promised),
            Claimed::HasLog => Ok(ClaimAnswer::HasLog),
            Claimed::Taken { by } => Ok(ClaimAnswer::Taken { by }),
        }
    }

    async fn identify(&self, address: &str) -> Result<Identity, String> {
        let peers = &self.inner.peers;
        let wire = peers.transport.open(address, peers.patience);
        let asked = async { decode(&wire.call(Identify::METHOD, encode(&Identify {})?, PATIENCE).await?) };
        asked.await.map_err(|error: Error| error.to_string())
    }
}

//! What goes over the wire between nodes and servers.

use std::time::Duration;

use async_trait::async_trait;
use model::{AllocUpdate, Node, NodeId};
use serde::{Deserialize, Serialize};

use crate::{
    actors::ports::{Assignments, Heartbeat, LinkError, Registered, ServerLink},
    net::rpc::{Call, Client, Error, ErrorKind},
};

/// For registrations and reports, which go through the log.
const WRITE: Duration = Duration::from_secs(10);
/// For what the leader answers from memory. A node that waits longer has no time left to ask another server.
const SHORT: Duration = Duration::from_secs(4);
/// Longer than any server lets a watch wait.
const WATCH: Duration = Duration::from_secs(11 * 60);

/// What the servers say instead of an answer; asking again is pointless. That nobody could answer is an error of the
/// call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Refusal {
    Behind,
    Reregister,
    Refused(String),
}

/// Answer of all calls of nodes.
pub(super) type Answer<T> = Result<T, Refusal>;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Register {
    pub(super) node: Node,
}

impl Call for Register {
    const METHOD: &'static str = "Node.Register";
    type Answer = Answer<Registered>;
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Beat {
    pub(super) node: NodeId,
}

impl Call for Beat {
    const METHOD: &'static str = "Node.Heartbeat";
    type Answer = Answer<Heartbeat>;
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Watch {
    pub(super) node: NodeId,
    pub(super) index: u64,
}

impl Call for Watch {
    const METHOD: &'static str = "Node.Watch";
    type Answer = Answer<Assignments>;
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) node: NodeId,
    pub(super) updates: Vec<AllocUpdate>,
    #[serde(default)]
    pub(super) synced: bool,
}

impl Call for Report {
    const METHOD: &'static str = "Node.Report";
    type Answer = Answer<()>;
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Goodbye {
    pub(super) node: NodeId,
}

impl Call for Goodbye {
    const METHOD: &'static str = "Node.Goodbye";
    type Answer = Answer<()>;
}

/// From a server to the leader.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Parted {
    pub(super) node: NodeId,
}

impl Call for Parted {
    const METHOD: &'static str = "Node.Parted";
    type Answer = Answer<()>;
}

/// From the leader to an agent: is this node there?
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AreYou {
    pub(super) node: NodeId,
}

impl Call for AreYou {
    const METHOD: &'static str = "Node.AreYou";
    type Answer = bool;
}

/// The port over the connection to one server.
#[derive(Debug, Clone)]
pub struct OneServer(pub Client);

impl OneServer {
    async fn ask<T, C: Call<Answer = Answer<T>>>(&self, call: &C, limit: Duration) -> Result<T, LinkError> {
        match self.0.call(call, limit).await {
            Ok(answer) => answer.map_err(of_refusal),
            Err(error) => Err(of_error(error)),
        }
    }
}

#[async_trait]
impl ServerLink for OneServer {
    async fn register(&self, node: Node) -> Result<Registered, LinkError> {
        self.ask(&Register { node }, WRITE).await
    }

    async fn heartbeat(&self, node: NodeId) -> Result<Heartbeat, LinkError> {
        self.ask(&Beat { node }, SHORT).await
    }

    async fn watch(&self, node: NodeId, index: u64) -> Result<Assignments, LinkError> {
        self.ask(&Watch { node, index }, WATCH).await
    }

    async fn report(&self, node: NodeId, updates: Vec<AllocUpdate>, synced: bool) -> Result<(), LinkError> {
        self.ask(&Report { node, updates, synced }, WRITE).await
    }

    async fn goodbye(&self, node: NodeId) -> Result<(), LinkError> {
        self.ask(&Goodbye { node }, SHORT).await
    }

    async fn parted(&self, node: NodeId) -> Result<(), LinkError> {
        self.ask(&Parted { node }, SHORT).await
    }
}

fn of_refusal(refusal: Refusal) -> LinkError {
    match refusal {
        Refusal::Behind => LinkError::Behind,
        Refusal::Reregister => LinkError::Reregister,
        Refusal::Refused(why) => LinkError::Refused(why),
    }
}

fn of_error(error: Error) -> LinkError {
    match error.kind {
        ErrorKind::NoLeader => LinkError::NoLeader,
        // A server that does not know the method, or cannot read the question, is of another version: the next one
        // may do better.
        _ => LinkError::Unreachable(error.message),
    }
}

/// The answer of a call: what is worth asking another server for is an error of the call.
pub(super) fn answer<T>(result: Result<T, LinkError>) -> Result<Answer<T>, Error> {
    match result {
        Ok(answer) => Ok(Ok(answer)),
        Err(LinkError::Behind) => Ok(Err(Refusal::Behind)),
        Err(LinkError::Reregister) => Ok(Err(Refusal::Reregister)),
        Err(LinkError::Refused(why)) => Ok(Err(Refusal::Refused(why))),
        Err(LinkError::NoLeader) => Err(Error::new(ErrorKind::NoLeader, LinkError::NoLeader.to_string())),
        Err(LinkError::Unreachable(why)) => Err(Error::new(ErrorKind::Unknown, why)),
    }
}

//! The servers as a node knows them: one of them is asked until it fails, then the next.

use std::{
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use model::{AllocUpdate, Node, NodeId};
use rand::seq::SliceRandom;
use tokio::sync::watch;

use super::calls::OneServer;
use crate::{
    actors::ports::{Assignments, Heartbeat, LinkError, Registered, ServerLink},
    net::rpc::{Client, ClientConfig},
};

/// How long the first registration waits for a server to be known.
const FIRST_SERVER: Duration = Duration::from_secs(1);

/// Reaches the servers over TCP. Stays with the one that answers.
///
/// The list begins with the addresses of the configuration and is replaced by what heartbeats bring; the former stay
/// at its end, for the day on which no other one answers.
#[derive(Debug)]
pub struct RemoteServers {
    config: ClientConfig,
    list: Mutex<List>,
    /// Number of changes of the list.
    changes: watch::Sender<u64>,
    /// Address of the server that answered last.
    answering: watch::Sender<String>,
}

#[derive(Debug)]
struct List {
    start: Vec<String>,
    /// In the order in which they are tried; the one that answered last is the first.
    servers: Vec<OneServer>,
}

impl RemoteServers {
    /// RPC addresses of servers (`host:port`), in any order: each node tries them in one of its own, so that nodes
    /// spread over the servers.
    pub fn new(addresses: impl IntoIterator<Item = String>, config: &ClientConfig) -> Self {
        let mut start: Vec<String> = addresses.into_iter().collect();
        start.shuffle(&mut rand::rng());
        let servers = start.iter().map(|address| open(address, config)).collect();
        Self {
            config: config.clone(),
            list: Mutex::new(List { start, servers }),
            changes: watch::Sender::new(0),
            answering: watch::Sender::default(),
        }
    }

    /// Addresses of the servers, the one in use first.
    pub fn servers(&self) -> Vec<String> {
        self.lock().servers.iter().map(|server| server.0.address().to_owned()).collect()
    }

    /// Replaces the list. Servers that are on both keep their connections; an empty list changes nothing.
    pub fn set_servers(&self, addresses: &[String]) {
        if addresses.is_empty() {
            return;
        }
        let mut list = self.lock();
        let old = std::mem::take(&mut list.servers);
        let wanted = |server: &OneServer| addresses.iter().any(|address| address == server.0.address());
        let mut new: Vec<OneServer> = old.iter().filter(|server| wanted(server)).cloned().collect();
        let has = |servers: &[OneServer], address: &str| servers.iter().any(|has| has.0.address() == address);
        let mut added: Vec<&String> = addresses.iter().filter(|address| !has(&new, address)).collect();
        added.sort_unstable();
        added.dedup();
        added.shuffle(&mut rand::rng());
        let found = !added.is_empty();
        new.extend(added.into_iter().map(|address| open(address, &self.config)));
        for address in &list.start {
            if !has(&new, address) {
                let kept = old.iter().find(|server| server.0.address() == address);
                new.push(kept.cloned().unwrap_or_else(|| open(address, &self.config)));
            }
        }
        list.servers = new;
        drop(list);
        if found {
            tracing::info!(servers = ?addresses, "the servers changed");
            self.changes.send_modify(|changes| *changes += 1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks one after the other until one answers.
    async fn ask<T, F, A>(&self, call: F) -> Result<T, LinkError>
    where
        F: Fn(OneServer) -> A,
        A: Future<Output = Result<T, LinkError>>,
    {
        let servers = self.lock().servers.clone();
        let mut failure = LinkError::Unreachable("no server is known".to_owned());
        for server in servers {
            match call(server.clone()).await {
                Err(error @ (LinkError::Unreachable(_) | LinkError::NoLeader | LinkError::Behind)) => {
                    tracing::debug!(server = server.0.address(), %error, "a server did not answer");
                    // That there is no leader says more than that another server is gone.
                    if failure != LinkError::NoLeader {
                        failure = error;
                    }
                }
                answer => {
                    self.answered(server.0.address());
                    return answer;
                }
            }
        }
        Err(failure)
    }

    fn answered(&self, address: &str) {
        let mut list = self.lock();
        if let Some(place) = list.servers.iter().position(|server| server.0.address() == address)
            && place > 0
        {
            list.servers[..=place].rotate_right(1);
        }
        drop(list);
        self.answering.send_if_modified(|answering| {
            let moved = answering != address;
            if moved {
                address.clone_into(answering);
            }
            moved
        });
    }
}

fn open(address: &str, config: &ClientConfig) -> OneServer {
    OneServer(Client::new(address, config.clone()))
}

#[async_trait]
impl ServerLink for RemoteServers {
    async fn register(&self, node: Node) -> Result<Registered, LinkError> {
        // An agent that has just started learns of a server, often itself, within a moment.
        let mut changes = self.changes.subscribe();
        if self.lock().servers.is_empty() {
            let _ = tokio::time::timeout(FIRST_SERVER, changes.changed()).await;
        }
        self.ask(|server| {
            let node = node.clone();
            async move { server.register(node).await }
        })
        .await
    }

    async fn heartbeat(&self, node: NodeId) -> Result<Heartbeat, LinkError> {
        let heartbeat = self.ask(|server| async move { server.heartbeat(node).await }).await?;
        self.set_servers(&heartbeat.servers);
        Ok(heartbeat)
    }

    async fn watch(&self, node: NodeId, index: u64) -> Result<Assignments, LinkError> {
        let mut answering = self.answering.subscribe();
        loop {
            answering.borrow_and_update();
            tokio::select! {
                answer = self.ask(|server| async move { server.watch(node, index).await }) => return answer,
                // A heartbeat had to go elsewhere: the server that is watched may be gone without a word.
                Ok(()) = answering.changed() => {}
            }
        }
    }

    async fn report(&self, node: NodeId, updates: Vec<AllocUpdate>, synced: bool) -> Result<(), LinkError> {
        self.ask(|server| {
            let updates = updates.clone();
            async move { server.report(node, updates, synced).await }
        })
        .await
    }

    async fn goodbye(&self, node: NodeId) -> Result<(), LinkError> {
        self.ask(|server| async move { server.goodbye(node).await }).await
    }

    async fn parted(&self, node: NodeId) -> Result<(), LinkError> {
        self.ask(|server| async move { server.parted(node).await }).await
    }

    async fn servers_changed(&self) {
        // The sender lives as long as `self`.
        let _ = self.changes.subscribe().changed().await;
    }
}

//! A node and its servers: registers, tells what the node has, then waits for assignments and sends heartbeats; again
//! from the start when the servers do not count on the node any more. While no server can be reached it tries on, and
//! the tasks go on.

use std::{future::Future, sync::Arc, time::Duration};

use futures::FutureExt;
use logic::node_agent::Backoff;
use model::NodeId;
use tokio::{sync::Notify, time::Instant};
use tracing::{debug, info, warn};

use super::{
    Assigned, NodeAgent,
    reporting::{Contact, Describe, Enrolled, REPORT_SIZE, Synced, TellAll},
};
use crate::actors::{
    kit::Link,
    ports::{LinkError, ServerLink},
};

/// How long the runners that were found on disk have to say how their allocations are.
const FIRST_WORDS: Duration = Duration::from_secs(10);
/// All servers know less than the node for so long: they were set back, and the node begins anew.
const BEHIND_LIMIT: Duration = Duration::from_secs(30);

/// A registration that held for so long was a good one.
const SETTLED: Duration = Duration::from_secs(30);

/// Follows the servers until it is dropped.
pub(super) struct Follower {
    pub(super) id: NodeId,
    pub(super) servers: Arc<dyn ServerLink>,
    pub(super) agent: Link<NodeAgent>,
    pub(super) jitter: Arc<dyn Fn() -> f64 + Send + Sync>,
    /// A report was refused: the servers want the node to register.
    pub(super) again: Arc<Notify>,
}

/// The servers do not count on the node (any more).
struct Again;

impl Follower {
    pub(super) async fn follow(self) {
        let mut backoff = Backoff::default();
        loop {
            match self.enroll().await {
                Some(Ok(())) => {}
                Some(Err(Again)) => continue,
                // The agent ends.
                None => return,
            }
            let enrolled = Instant::now();
            // What was refused before the registration is told now.
            let _ = self.again.notified().now_or_never();
            tokio::select! {
                () = self.watch() => {}
                () = self.beat() => {}
                () = self.again.notified() => {}
            }
            info!(node_id = %self.id, "the servers do not count on this node, registering again");
            if enrolled.elapsed() > SETTLED {
                backoff = Backoff::default();
            }
            // Servers that say so again and again must not be stormed.
            self.pause(&mut backoff).await;
        }
    }

    /// Registers and tells everything.
    async fn enroll(&self) -> Option<Result<(), Again>> {
        let mut backoff = Backoff::default();
        let registered = loop {
            // Anew each time: what the drivers say may have changed.
            let node = self.agent.ask(Describe).await.ok()?;
            match self.servers.register(node).await {
                Ok(registered) => break registered,
                Err(error) => {
                    warn!(%error, "could not register, trying again");
                    self.pause(&mut backoff).await;
                }
            }
        };
        self.agent.ask(Enrolled { index: registered.index }).await.ok()?;
        let patience = Instant::now() + FIRST_WORDS;
        let updates = loop {
            let told = self.agent.ask(TellAll).await.ok()?;
            if told.complete {
                break told.updates;
            }
            if Instant::now() >= patience {
                warn!("some allocations have not said how they are; going on without");
                break told.updates;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let mut rest = updates.as_slice();
        let mut backoff = Backoff::default();
        loop {
            let (now, later) = rest.split_at(rest.len().min(REPORT_SIZE));
            match self.servers.report(self.id, now.to_vec(), later.is_empty()).await {
                Ok(()) if later.is_empty() => break,
                Ok(()) => rest = later,
                Err(LinkError::Reregister) => {
                    self.pause(&mut backoff).await;
                    return Some(Err(Again));
                }
                Err(error) => {
                    warn!(%error, "what this node has did not reach the servers, trying again");
                    self.pause(&mut backoff).await;
                }
            }
        }
        info!(node_id = %self.id, allocs = updates.len(), "node registered");
        self.agent.ask(Synced(updates)).await.ok().map(Ok)
    }

    /// Waits for assignments until the servers say `Reregister`.
    async fn watch(&self) {
        let mut backoff = Backoff::default();
        let mut index = 0;
        let mut behind: Option<Instant> = None;
        loop {
            let asked = Instant::now();
            match self.servers.watch(self.id, index).await {
                Ok(assignments) => {
                    backoff = Backoff::default();
                    behind = None;
                    match self.agent.ask(Assigned(assignments)).await {
                        Ok(next) => index = next,
                        Err(_) => self.pause(&mut backoff).await,
                    }
                }
                Err(LinkError::Reregister) => return,
                Err(LinkError::Behind) if behind.is_some_and(|since| since.elapsed() > BEHIND_LIMIT) => {
                    warn!("all servers know less than this node was told, as if they had been set back");
                    return;
                }
                Err(error) => {
                    debug!(%error, "watching for assignments failed, trying again");
                    behind = (error == LinkError::Behind).then(|| behind.unwrap_or(asked));
                    self.pause(&mut backoff).await;
                }
            }
        }
    }

    /// Sends heartbeats until the servers say that they do not count on the node.
    async fn beat(&self) {
        let mut backoff = Backoff::default();
        loop {
            match self.servers.heartbeat(self.id).await {
                Ok(heartbeat) if heartbeat.known => {
                    backoff = Backoff::default();
                    self.agent.tell(Contact);
                    // At half of the time, so that a lost heartbeat or two do no harm.
                    tokio::time::sleep((heartbeat.ttl / 2).max(Duration::from_millis(100))).await;
                }
                Ok(_) | Err(LinkError::Reregister) => return,
                Err(error) => {
                    debug!(%error, "heartbeat did not reach the servers, trying again");
                    self.pause(&mut backoff).await;
                }
            }
        }
    }

    async fn pause(&self, backoff: &mut Backoff) {
        pause(&*self.servers, backoff, (self.jitter)()).await;
    }
}

/// Waits before the servers are tried again; not so long when others became known.
pub(super) fn pause<'a>(
    servers: &'a dyn ServerLink,
    backoff: &mut Backoff,
    jitter: f64,
) -> impl Future<Output = ()> + 'a {
    let wait = backoff.next(jitter);
    async move {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = servers.servers_changed() => {}
        }
    }
}

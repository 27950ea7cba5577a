//! What the servers are told of allocations: everything after a registration, then each change.

use actix::{ActorFutureExt, AsyncContext, Context, Handler, Message, MessageResult, WrapFuture};
use logic::node_agent::Backoff;
use model::{AllocId, AllocUpdate, Node};
use tokio::time::Instant;
use tracing::warn;

use super::NodeAgent;
use crate::actors::ports::LinkError;

/// Updates in one report. Keeps a report of thousands of allocations far below the longest frame.
pub(super) const REPORT_SIZE: usize = 256;

/// What the node says of itself when it registers.
#[derive(Debug, Message)]
#[rtype(result = "Node")]
pub(super) struct Describe;

/// The servers have the registration, at this index of their log.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Enrolled {
    pub(super) index: u64,
}

/// Everything the node has, for the report that follows a registration.
#[derive(Debug, Message)]
#[rtype(result = "Told")]
pub(super) struct TellAll;

#[derive(Debug)]
pub(super) struct Told {
    pub(super) updates: Vec<AllocUpdate>,
    /// `false`: a report is still on its way, or an allocation has not said anything yet. Ask again.
    pub(super) complete: bool,
}

/// The servers know all of this.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Synced(pub(super) Vec<AllocUpdate>);

/// The leader answered.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Contact;

impl NodeAgent {
    /// At once when nothing is on its way; what comes meanwhile goes together.
    pub(super) fn report(&mut self, context: &mut Context<Self>) {
        if self.reporting || self.unreported.is_empty() || !self.synced {
            return;
        }
        self.reporting = true;
        let some: Vec<AllocId> = self.unreported.keys().take(REPORT_SIZE).copied().collect();
        let updates: Vec<AllocUpdate> = some.iter().filter_map(|id| self.unreported.remove(id)).collect();
        let servers = self.kit.servers.clone();
        let node = self.node.id;
        let send = async move {
            let result = servers.report(node, updates.clone(), false).await;
            (result, updates)
        };
        context.spawn(send.into_actor(self).map(|(result, updates), actor, context| {
            actor.reporting = false;
            let Err(error) = result else {
                actor.backoff = Backoff::default();
                actor.contact = Instant::now();
                actor.report(context);
                return;
            };
            warn!(%error, "report did not reach the servers, trying again");
            for update in updates {
                // A newer report of the same allocation is worth more.
                actor.unreported.entry(update.id).or_insert(update);
            }
            if error == LinkError::Reregister {
                // Everything is told after the registration.
                actor.synced = false;
                actor.again.notify_one();
                return;
            }
            actor.reporting = true;
            let (servers, jitter) = (actor.kit.servers.clone(), (actor.kit.jitter)());
            let wait = actor.backoff.next(jitter);
            let pause = async move {
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = servers.servers_changed() => {}
                }
            };
            context.spawn(pause.into_actor(actor).map(|(), actor, context| {
                actor.reporting = false;
                actor.report(context);
            }));
        }));
    }
}

impl Handler<Describe> for NodeAgent {
    type Result = MessageResult<Describe>;

    fn handle(&mut self, _: Describe, _: &mut Self::Context) -> Self::Result {
        self.described = true;
        MessageResult(Node::clone(&self.node))
    }
}

impl Handler<Enrolled> for NodeAgent {
    type Result = ();

    fn handle(&mut self, Enrolled { index }: Enrolled, _: &mut Self::Context) {
        self.contact = Instant::now();
        self.synced = false;
        if self.wanted.begin(index) {
            warn!("the servers' log is a new one");
        }
    }
}

impl Handler<TellAll> for NodeAgent {
    type Result = MessageResult<TellAll>;

    fn handle(&mut self, _: TellAll, _: &mut Self::Context) -> Self::Result {
        let mut all = self.last.clone();
        all.extend(self.unreported.clone());
        // An earlier report that arrives after this one would undo it.
        let complete = !self.reporting && self.runners.keys().all(|id| self.last.contains_key(id));
        MessageResult(Told { updates: all.into_values().collect(), complete })
    }
}

impl Handler<Synced> for NodeAgent {
    type Result = ();

    fn handle(&mut self, Synced(told): Synced, context: &mut Self::Context) {
        self.contact = Instant::now();
        self.synced = true;
        if !self.described {
            // It changed between the registration and this.
            self.register_again(context);
        }
        for update in told {
            if self.unreported.get(&update.id) == Some(&update) {
                self.unreported.remove(&update.id);
            }
        }
        self.report(context);
    }
}

impl Handler<Contact> for NodeAgent {
    type Result = ();

    fn handle(&mut self, _: Contact, _: &mut Self::Context) {
        self.contact = Instant::now();
    }
}

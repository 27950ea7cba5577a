//! Founds the cluster together with the other servers, when none of them has ever been part of one.
//!
//! Lives:      on every server until its log is not empty, `server` arbiter
//! Asked by:   other servers' founders (claims)    Tells: nobody
//! Owns:       its promise to another founder
//! On restart: has forgotten its promise; the others' answers come again
//! Brain:      logic::founding

use std::{sync::Arc, time::Duration};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, WrapFuture};
use logic::founding::{Candidate, Founding, Step};
use model::Timestamp;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::{
    kit::{Observe, StateChanged, Stop, watch_state},
    ports::{ChangeError, Claim, ClaimAnswer, Clock, LogMembers, Members, Presence},
    servers::servers_of,
};

/// It looks at least so often.
const INTERVAL: Duration = Duration::from_millis(500);

#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Looked {
    empty: bool,
}

#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Answered {
    id: u64,
    answer: Result<ClaimAnswer, String>,
    asked: Timestamp,
}

#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Founded(Result<(), ChangeError>);

#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Claimed(Claim);

pub struct Founder {
    log: Arc<dyn LogMembers>,
    members: Arc<dyn Members>,
    clock: Arc<dyn Clock>,
    /// Fires when gossip learned something.
    changes: watch::Receiver<u64>,
    region: String,
    expect: u32,
    brain: Founding,
    /// What it does, in words.
    doing: String,
    looking: bool,
}

impl Founder {
    /// `expect` is `bootstrap_expect`; 0: it founds nothing and waits to be added to a cluster.
    pub fn new(
        log: Arc<dyn LogMembers>,
        members: Arc<dyn Members>,
        clock: Arc<dyn Clock>,
        changes: watch::Receiver<u64>,
        region: impl Into<String>,
        expect: u32,
    ) -> Self {
        let brain = Founding::new(log.own().0);
        let region = region.into();
        Self { log, members, clock, changes, region, expect, brain, doing: String::new(), looking: false }
    }

    /// Looks whether the log is still empty; goes on in [`Looked`].
    fn look(&mut self, context: &mut Context<Self>) {
        if std::mem::replace(&mut self.looking, true) {
            return;
        }
        let (log, address) = (self.log.clone(), context.address());
        let looking = async move {
            // A log that cannot be asked is closed: somebody else ends the agent.
            let empty = log.is_empty().await.unwrap_or(true);
            address.do_send(Looked { empty });
        };
        context.spawn(looking.into_actor(self));
    }

    fn candidates(&self) -> (Candidate, Vec<Candidate>) {
        let (id, address) = self.log.own();
        let others = servers_of(&*self.members, &self.region)
            .into_iter()
            .filter(|server| server.presence == Presence::Alive && server.id != id)
            .map(|server| Candidate { id: server.id, address: server.address, expect: server.expect })
            .collect();
        (Candidate { id, address, expect: self.expect }, others)
    }

    fn say(&mut self, words: String) {
        if self.doing != words {
            info!(reason = words, "no cluster yet");
            self.doing = words;
        }
    }
}

impl Actor for Founder {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.looking = false;
        let (mut claims, address) = (self.log.claims(), context.address().downgrade());
        actix::spawn(async move {
            while let Some(claim) = claims.recv().await {
                let Some(address) = address.upgrade() else { return };
                address.do_send(Claimed(claim));
            }
        });
        watch_state(context, self.changes.clone());
        context.run_interval(INTERVAL, Self::look);
        self.look(context);
    }
}

/// Gossip learned something.
impl Handler<StateChanged> for Founder {
    type Result = ();

    fn handle(&mut self, _: StateChanged, context: &mut Self::Context) {
        self.look(context);
    }
}

impl Handler<Looked> for Founder {
    type Result = ();

    fn handle(&mut self, Looked { empty }: Looked, context: &mut Self::Context) {
        self.looking = false;
        if !empty {
            info!("this server is part of a cluster");
            context.stop();
            return;
        }
        let (own, others) = self.candidates();
        let now = self.clock.now();
        match self.brain.look(&own, &others, now) {
            Step::Wait(words) => self.say(words),
            Step::Refuse(words) => {
                if self.doing != words {
                    error!(reason = words, "no cluster can be founded");
                    self.doing = words;
                }
            }
            Step::Join => self.say("waits to be added to the cluster that there is".into()),
            Step::Ask(asked) => {
                for other in asked {
                    let (log, address) = (self.log.clone(), context.address());
                    actix::spawn(async move {
                        let answer = log.claim(other.id, &other.address).await;
                        address.do_send(Answered { id: other.id, answer, asked: now });
                    });
                }
            }
            Step::Found(members) => {
                info!(servers = members.len(), "founds the cluster");
                let (log, address) = (self.log.clone(), context.address());
                actix::spawn(async move { address.do_send(Founded(log.found(members).await)) });
            }
        }
    }
}

impl Handler<Answered> for Founder {
    type Result = ();

    fn handle(&mut self, Answered { id, answer, asked }: Answered, context: &mut Self::Context) {
        match answer {
            Ok(answer) => {
                self.brain.answered(id, answer, asked);
                self.look(context);
            }
            Err(error) => self.say(format!("server {id} does not answer: {error}")),
        }
    }
}

impl Handler<Founded> for Founder {
    type Result = ();

    fn handle(&mut self, Founded(result): Founded, context: &mut Self::Context) {
        if let Err(error) = result {
            warn!(%error, "the cluster was not founded");
            self.brain.failed();
        }
        self.look(context);
    }
}

impl Handler<Claimed> for Founder {
    type Result = ();

    fn handle(&mut self, Claimed(claim): Claimed, _: &mut Self::Context) {
        // The log was empty when the claim came in.
        let answer = self.brain.claimed(claim.by, true, self.clock.now());
        // One that went away asks again.
        let _ = claim.answer.send(answer);
    }
}

impl Handler<Observe> for Founder {
    type Result = actix::MessageResult<Observe>;

    fn handle(&mut self, _: Observe, _: &mut Self::Context) -> Self::Result {
        actix::MessageResult(serde_json::json!({ "doing": self.doing }))
    }
}

impl Handler<Stop> for Founder {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        context.stop();
    }
}

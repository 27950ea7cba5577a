//! What all actors share: links that survive restarts, ask and tell, supervision, observation, stopping.
//!
//! actix restarts an actor after `ctx.stop()` but not after a panic, ignores the mailbox bound in `do_send`, and says
//! nothing when the receiver is gone. This file is the thin layer that makes up for it; `kit/tests.rs` pins each of
//! these behaviours, so that an upgrade of actix that changes one is noticed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix::{Actor, Addr, ArbiterHandle, AsyncContext, Context, Handler, Message, dev::ToEnvelope};
use arc_swap::ArcSwapOption;
use tokio::sync::{mpsc, watch};
use tracing::{debug, error, warn};

/// Asks that name no other limit wait this long.
pub const ASK_LIMIT: Duration = Duration::from_secs(10);

/// Why an ask has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The actor is not there: not started yet, stopped, or being restarted. The message was not delivered.
    #[error("{0} is not running")]
    Gone(&'static str),
    /// The message was delivered, perhaps handled; no answer came in time.
    #[error("{0} did not answer in time")]
    Late(&'static str),
}

/// A way to an actor that stays valid when the actor is restarted under another address.
pub struct Link<A: Actor> {
    inner: Arc<Inner<A>>,
}

struct Inner<A: Actor> {
    name: &'static str,
    current: ArcSwapOption<Addr<A>>,
    lost: AtomicU64,
    restarts: AtomicU64,
}

impl<A: Actor> Clone for Link<A> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<A: Actor> std::fmt::Debug for Link<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("to", &self.inner.name).field("lost", &self.lost()).finish()
    }
}

impl<A: Actor> Link<A> {
    /// A link that leads nowhere until an actor is spawned on it. `name` stands in logs and errors.
    pub fn new(name: &'static str) -> Self {
        Self {
            inner: Arc::new(Inner {
                name,
                current: ArcSwapOption::empty(),
                lost: AtomicU64::new(0),
                restarts: AtomicU64::new(0),
            }),
        }
    }

    /// Leads nowhere from now on, unless another actor has taken the place of the one that ended: a server that loses the
    /// lead and wins it again starts the next ones before the last have gone.
    fn leave(&self, ended: Arc<Addr<A>>) {
        self.inner.current.compare_and_swap(&Some(ended), None);
    }

    /// Delivers the message if the actor is there; counts and logs it if not. Never waits.
    pub fn tell<M>(&self, message: M)
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
        A::Context: ToEnvelope<A, M>,
    {
        match self.inner.current.load_full() {
            Some(address) if address.connected() => address.do_send(message),
            _ => {
                self.inner.lost.fetch_add(1, Ordering::Relaxed);
                debug!(
                    actor = self.inner.name,
                    message = std::any::type_name::<M>(),
                    "message to an actor that is gone"
                );
            }
        }
    }

    /// Delivers the message and waits for the answer, at most [`ASK_LIMIT`].
    ///
    /// # Errors
    /// When the actor is gone or late.
    pub async fn ask<M>(&self, message: M) -> Result<M::Result, AskError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
        A::Context: ToEnvelope<A, M>,
    {
        self.ask_within(message, ASK_LIMIT).await
    }

    /// As [`ask`](Self::ask) with a limit of the caller's own.
    ///
    /// # Errors
    /// When the actor is gone or late.
    pub async fn ask_within<M>(&self, message: M, limit: Duration) -> Result<M::Result, AskError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
        A::Context: ToEnvelope<A, M>,
    {
        let name = self.inner.name;
        let Some(address) = self.inner.current.load_full() else { return Err(AskError::Gone(name)) };
        match tokio::time::timeout(limit, address.send(message)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(AskError::Gone(name)),
            Err(_) => Err(AskError::Late(name)),
        }
    }

    pub fn is_running(&self) -> bool {
        self.inner.current.load().as_ref().is_some_and(|address| address.connected())
    }

    /// Messages told to nobody.
    pub fn lost(&self) -> u64 {
        self.inner.lost.load(Ordering::Relaxed)
    }

    /// How often the actor was rebuilt after a panic.
    pub fn restarts(&self) -> u64 {
        self.inner.restarts.load(Ordering::Relaxed)
    }
}

/// What happens when an actor panics. STYLE: restart a leaf, escalate to the parent, or shut the agent down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnPanic {
    /// Rebuild it from what is stored, after a growing pause.
    Restart,
    /// The parent is told and decides.
    Escalate,
    /// The agent ends; its supervisor (systemd, a person) starts it again and the log replays.
    ShutDown,
}

/// Every kind of actor and what its panic means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    ServerLeader,
    EvalBroker,
    BlockedEvals,
    PlanApplier,
    SchedulerWorker,
    DeploymentWatcher,
    Drainer,
    Launcher,
    Collector,
    Roll,
    Founder,
    Autopilot,
    NodeGateway,
    NodeWatcher,
    NodeAgent,
    AllocRunner,
    TaskRunner,
    CheckRunner,
    GossipWatcher,
}

impl Kind {
    pub fn on_panic(self) -> OnPanic {
        match self {
            // Queues are rebuilt from the state.
            Self::EvalBroker
            | Self::BlockedEvals
            | Self::SchedulerWorker
            | Self::DeploymentWatcher
            | Self::Drainer
            | Self::Launcher
            | Self::Collector
            | Self::Roll
            | Self::Founder
            | Self::Autopilot
            | Self::NodeGateway
            | Self::NodeWatcher
            | Self::CheckRunner
            | Self::GossipWatcher => OnPanic::Restart,
            // Its node agent rebuilds it from the record on disk, tasks untouched.
            Self::AllocRunner | Self::TaskRunner => OnPanic::Escalate,
            // What was half done is only known to the log.
            Self::ServerLeader | Self::PlanApplier | Self::NodeAgent => OnPanic::ShutDown,
        }
    }
}

/// Where a panic that nobody may survive is reported. The agent ends on the first one.
#[derive(Debug, Clone)]
pub struct Fatal(mpsc::UnboundedSender<String>);

impl Fatal {
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<String>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    pub fn report(&self, words: impl Into<String>) {
        // Nobody listens only when the agent is ending already.
        let _ = self.0.send(words.into());
    }
}

/// Restarts within [`WINDOW`] after which the agent gives up.
const LIMIT: usize = 10;
const WINDOW: Duration = Duration::from_secs(60);

/// Runs an actor on an arbiter and publishes its address on `link`. After a panic it acts as its [`Kind`] says;
/// `factory` must build the actor from what is stored. `escalate` is called for [`OnPanic::Escalate`].
pub fn supervise<A, F>(arbiter: &ArbiterHandle, kind: Kind, link: Link<A>, fatal: Fatal, factory: F)
where
    A: Actor<Context = Context<A>>,
    F: Fn() -> A + Send + 'static,
{
    let started = arbiter.spawn_fn(move || supervise_here(kind, link, fatal, factory, || {}));
    if !started {
        error!(actor = ?kind, "the arbiter has ended, the actor was not started");
    }
}

/// As [`supervise`], on the arbiter of the caller.
pub fn supervise_here<A, F, E>(kind: Kind, link: Link<A>, fatal: Fatal, factory: F, escalate: E)
where
    A: Actor<Context = Context<A>>,
    F: Fn() -> A + 'static,
    E: Fn() + 'static,
{
    // The first address is published before this returns: whoever spawns may tell at once.
    let (mut own, mut running) = start(&link, factory());
    actix::spawn(async move {
        let mut panics: Vec<tokio::time::Instant> = Vec::new();
        loop {
            let ended = running.await;
            link.leave(own);
            match ended {
                Ok(()) => return,
                Err(join) if !join.is_panic() => return,
                Err(_) => {}
            }
            link.inner.restarts.fetch_add(1, Ordering::Relaxed);
            match kind.on_panic() {
                OnPanic::ShutDown => {
                    error!(actor = ?kind, "actor panicked, the agent ends");
                    fatal.report(format!("{kind:?} panicked"));
                    return;
                }
                OnPanic::Escalate => {
                    warn!(actor = ?kind, "actor panicked, its parent decides");
                    escalate();
                    return;
                }
                OnPanic::Restart => {}
            }
            let now = tokio::time::Instant::now();
            panics.retain(|at| now.duration_since(*at) < WINDOW);
            panics.push(now);
            if panics.len() > LIMIT {
                error!(actor = ?kind, "actor panics again and again, the agent ends");
                fatal.report(format!("{kind:?} panicked {} times within {WINDOW:?}", panics.len()));
                return;
            }
            // Jitter is of no use here: nothing else waits for the same thing.
            let pause = Duration::from_millis(10 << panics.len().min(8));
            warn!(actor = ?kind, ?pause, "actor panicked, it is rebuilt");
            tokio::time::sleep(pause).await;
            if link.is_running() {
                debug!(actor = ?kind, "another one has taken its place meanwhile");
                return;
            }
            (own, running) = start(&link, factory());
        }
    });
}

/// As [`supervise_here`] for an actor whose panic its parent decides about: it is built once, so nothing is kept to build
/// it again.
pub fn supervise_child<A, E>(kind: Kind, link: Link<A>, actor: A, escalate: E)
where
    A: Actor<Context = Context<A>>,
    E: FnOnce() + 'static,
{
    debug_assert_eq!(kind.on_panic(), OnPanic::Escalate, "{kind:?} has no parent that decides");
    let (own, running) = start(&link, actor);
    actix::spawn(async move {
        let ended = running.await;
        link.leave(own);
        if ended.is_err_and(|join| join.is_panic()) {
            link.inner.restarts.fetch_add(1, Ordering::Relaxed);
            warn!(actor = ?kind, "actor panicked, its parent decides");
            escalate();
        }
    });
}

fn start<A: Actor<Context = Context<A>>>(
    link: &Link<A>,
    actor: A,
) -> (Arc<Addr<A>>, tokio::task::JoinHandle<()>) {
    let context = Context::new();
    let address = Arc::new(context.address());
    link.inner.current.store(Some(address.clone()));
    (address, actix::spawn(context.into_future(actor)))
}

/// Ends an actor after the message before it. Every supervised actor handles it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Stop;

/// Asks an actor for a small picture of itself: queue lengths, last error.
#[derive(Debug, Message)]
#[rtype(result = "serde_json::Value")]
pub struct Observe;

/// Sent to an actor when the replicated state changed: look again. Says nothing about what changed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct StateChanged;

/// Sends [`StateChanged`] after each change, one at a time: changes that come while the actor is busy are one.
pub fn watch_state<A>(context: &mut Context<A>, mut changes: watch::Receiver<u64>)
where
    A: Actor<Context = Context<A>> + Handler<StateChanged>,
{
    let address = context.address().downgrade();
    changes.mark_changed();
    actix::spawn(async move {
        while changes.changed().await.is_ok() {
            changes.borrow_and_update();
            let Some(address) = address.upgrade() else { return };
            if address.send(StateChanged).await.is_err() {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests;

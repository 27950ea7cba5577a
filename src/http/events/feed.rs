//! What happened, for all who follow: the differences between the states that were published, the newest of them kept.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
};

use bytes::Bytes;
use logic::events::{Event, Interest, Payload, between};
use serde_json::{Value, json};
use state::{Epoch, Root};
use tokio::{runtime::Handle, sync::watch, task::AbortHandle};

use crate::{actors::ports::StateReader, http::services};

/// Batches that are kept. (Nomad's `event_buffer_size`.)
const KEPT: usize = 100;

/// The events of one index.
pub(super) struct Told {
    index: u64,
    events: Vec<Line>,
}

/// An event, and its text once somebody has asked for it.
struct Line {
    event: Event,
    text: OnceLock<String>,
}

/// What there is under a number.
pub(super) enum Batch {
    Told(Arc<Told>),
    /// It was kept no longer.
    Gone,
    /// It has not happened yet.
    Future,
}

/// The events of a server.
pub struct EventFeed {
    kept: Mutex<Kept>,
    /// The number of the next batch.
    news: watch::Sender<u64>,
    watching: OnceLock<AbortHandle>,
}

#[derive(Default)]
struct Kept {
    /// Number of the first of `batches`.
    first: u64,
    batches: VecDeque<Arc<Told>>,
}

impl std::fmt::Debug for EventFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventFeed").field("next", &*self.news.borrow()).finish_non_exhaustive()
    }
}

impl Drop for EventFeed {
    fn drop(&mut self) {
        if let Some(watching) = self.watching.get() {
            watching.abort();
        }
    }
}

impl EventFeed {
    /// Watches `state` for as long as anybody holds the feed.
    pub fn start(state: Arc<dyn StateReader>, runtime: &Handle) -> Arc<Self> {
        let (news, _) = watch::channel(0);
        let feed = Arc::new(Self { kept: Mutex::default(), news, watching: OnceLock::new() });
        // Taken here: what happens from now on is told.
        let (changes, root) = (state.changes(), state.root());
        let task = runtime.spawn(follow(Arc::downgrade(&feed), state, changes, root));
        let _ = feed.watching.set(task.abort_handle());
        feed
    }

    /// Fires when there is a new batch.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Number of the first batch that is kept with that index or a later one.
    pub(super) fn first_from(&self, index: u64) -> u64 {
        let kept = self.lock();
        kept.first + kept.batches.partition_point(|batch| batch.index < index) as u64
    }

    pub(super) fn batch(&self, number: u64) -> Batch {
        let kept = self.lock();
        let Some(at) = number.checked_sub(kept.first) else { return Batch::Gone };
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        kept.batches.get(at).map_or(Batch::Future, |batch| Batch::Told(batch.clone()))
    }

    fn tell(&self, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        // What was told once is not added to: its followers would not hear of it.
        let mut batches: Vec<Told> = Vec::new();
        for event in events {
            let index = event.index;
            let line = Line { event, text: OnceLock::new() };
            match batches.last_mut().filter(|last| last.index == index) {
                Some(last) => last.events.push(line),
                None => batches.push(Told { index, events: vec![line] }),
            }
        }
        let mut kept = self.lock();
        kept.batches.extend(batches.into_iter().map(Arc::new));
        while kept.batches.len() > KEPT {
            kept.batches.pop_front();
            kept.first += 1;
        }
        let next = kept.first + kept.batches.len() as u64;
        drop(kept);
        self.news.send_replace(next);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Compares each state with the one before. Under load several entries are one step.
async fn follow(
    feed: Weak<EventFeed>,
    state: Arc<dyn StateReader>,
    mut changes: watch::Receiver<u64>,
    mut last: Arc<Root>,
) {
    loop {
        let root = state.root();
        let Some(feed) = feed.upgrade() else { return };
        // A state of another log, or an older one, is no sequel: nobody can say what happened.
        if root.index > last.index && (root.epoch == last.epoch || last.epoch == Epoch::default()) {
            feed.tell(between(&last, &root));
        }
        drop(feed);
        last = root;
        if changes.changed().await.is_err() {
            return;
        }
    }
}

impl Told {
    /// One line of those events that somebody wants to hear of.
    pub(super) fn line(&self, interest: &Interest) -> Option<Bytes> {
        let wanted = self.events.iter().filter(|line| interest.covers(&line.event));
        let texts: Vec<&str> = wanted.map(Line::text).collect();
        if texts.is_empty() {
            return None;
        }
        Some(Bytes::from(format!("{{\"Index\":{},\"Events\":[{}]}}\n", self.index, texts.join(","))))
    }
}

impl Line {
    fn text(&self) -> &str {
        self.text.get_or_init(|| {
            let event = &self.event;
            let keys = (!event.filter_keys.is_empty()).then_some(&event.filter_keys);
            json!({
                "Topic": event.topic.as_str(),
                "Type": event.kind,
                "Key": event.key,
                "Namespace": event.namespace,
                "FilterKeys": keys,
                "Index": event.index,
                "Payload": payload(&event.payload),
            })
            .to_string()
        })
    }
}

fn payload(payload: &Payload) -> Value {
    match payload {
        Payload::Job(job, false) => json!({ "Job": api::Job::from(&**job) }),
        Payload::Job(job, true) => json!({ "Job": api::Job::from(&**job), "Deleted": true }),
        Payload::Evaluation(eval) => json!({ "Evaluation": api::Evaluation::from(&**eval) }),
        Payload::Allocation(alloc, job, node) => {
            let twin = api::Allocation::new(alloc, job.as_deref(), node.as_deref());
            json!({ "Allocation": api::Allocation { job: None, ..twin } })
        }
        Payload::Deployment(deployment) => json!({ "Deployment": api::Deployment::from(&**deployment) }),
        Payload::Node(node) => json!({ "Node": api::Node::from(&**node) }),
        Payload::NodePool(pool) => json!({ "NodePool": api::NodePool::from(&**pool) }),
        Payload::Service(service) => json!({ "Service": services::registration(service) }),
    }
}

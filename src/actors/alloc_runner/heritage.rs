//! What the allocation takes over of the one before it: before its tasks begin, and once.

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use logic::heritage::{Outcome, TakeOver, words};
use model::{AllocId, event_type};
use tracing::{info, warn};

use super::{AllocRunner, is_fresh};
use crate::actors::{
    node_agent::TookOver,
    ports::{NoData, Part},
    task_runner::Note,
};

impl AllocRunner {
    /// Begins when the data are there that lie on this node; what comes from elsewhere keeps only the tasks waiting.
    pub(super) fn take_over(&mut self, context: &mut Context<Self>) {
        let Some(what) = self.record.progress.takes_over else { return self.begin(context) };
        if self.record.progress.tasks.values().any(|state| !is_fresh(state)) {
            // An earlier agent did it, and could not write that down any more.
            self.record.progress.takes_over = None;
            return self.begin(context);
        }
        match what {
            // A step that is never broken off: whoever comes next finds the data here or there, not in two halves.
            TakeOver::Here(from) => {
                let (data, to, tasks) = (self.kit.data.clone(), self.id(), self.task_names());
                let work = async move { data.hand_over(from, to, &tasks).await };
                context.spawn(work.into_actor(self).map(move |moved, actor, context| {
                    let outcome = match moved {
                        Ok(true) => Outcome::Taken,
                        Ok(false) => Outcome::Gone,
                        Err(error) => Outcome::Failed(error.to_string()),
                    };
                    actor.taken_over(what, &outcome, context);
                }));
            }
            TakeOver::LeftBehind(_) => self.taken_over(what, &Outcome::Gone, context),
            TakeOver::Elsewhere(from) => {
                self.begin(context);
                if self.record.progress.killed {
                    return;
                }
                self.note_all(&format!(
                    "Waiting for the data of allocation {from}, which come from its node"
                ));
                let (kit, to, tasks) = (self.kit.clone(), self.id(), self.task_names());
                let work = async move {
                    let archive = kit.elsewhere.fetch(from).await?;
                    let unpacked = kit.data.unpack(to, &tasks, archive).await;
                    unpacked.map_err(|error| NoData::Failed(error.to_string()))
                };
                self.fetching =
                    Some(context.spawn(work.into_actor(self).map(move |fetched, actor, context| {
                        actor.fetching = None;
                        let outcome = match fetched {
                            Ok(()) => Outcome::Taken,
                            Err(NoData::Gone) => Outcome::Gone,
                            Err(NoData::Failed(reason)) => Outcome::Failed(reason),
                        };
                        actor.taken_over(what, &outcome, context);
                    })));
            }
        }
    }

    /// Tasks begin when it is on disk that this is done: done twice, it would take away what they have written.
    fn taken_over(&mut self, what: TakeOver, outcome: &Outcome, context: &mut Context<Self>) {
        let (id, text) = (self.id(), words(what, outcome));
        match outcome {
            Outcome::Taken => info!(alloc_id = %id, "{text}"),
            _ => warn!(alloc_id = %id, "{text}"),
        }
        let mut done = self.record.clone();
        done.progress.takes_over = None;
        let (store, bytes) = (self.kit.store.clone(), done.encode(Part::Progress));
        let write = async move { store.put(id, Part::Progress, bytes).await };
        context.spawn(write.into_actor(self).map(move |written, actor, context| {
            if let Err(error) = written {
                warn!(%error, "record could not be written");
            }
            actor.record.progress.takes_over = None;
            actor.parent.tell(TookOver(id));
            if actor.begun {
                actor.note_all(&text);
                actor.changed(context);
            } else {
                actor.begin_with_note(&text, context);
            }
        }));
    }

    fn begin_with_note(&mut self, text: &str, context: &mut Context<Self>) {
        self.begin(context);
        self.note_all(text);
    }

    fn note_all(&self, text: &str) {
        for task in self.tasks.values() {
            task.tell(Note { kind: event_type::EPHEMERAL_DISK, message: text.to_owned() });
        }
    }

    fn id(&self) -> AllocId {
        self.record.row.alloc.id
    }

    fn task_names(&self) -> Vec<String> {
        let group = self.record.group();
        group.into_iter().flat_map(|group| &group.tasks).map(|task| task.name.clone()).collect()
    }
}

//! What people ask of the allocations here, and do to them.

use std::collections::BTreeMap;

use actix::{Handler, Message, ResponseFuture};
use model::{AllocId, TaskState};
use tracing::info;

use super::NodeAgent;
use crate::actors::{
    alloc_runner::{ActOn, TakeAction, TakeChecks, TakeHandles, TakeStates},
    ports::{CheckSeen, TaskAct, TaskHandle},
};

/// Somebody does something to a task of an allocation (`None`: to all that run). `None`: the allocation is not here.
#[derive(Debug, Message)]
#[rtype(result = "Option<Result<(), String>>")]
pub struct Act {
    pub alloc: AllocId,
    pub task: Option<String>,
    pub act: TaskAct,
}

/// The words of an action; `None` when the allocation is not on this node.
#[derive(Debug, Message)]
#[rtype(result = "Option<Result<Vec<String>, String>>")]
pub struct ActionOf {
    pub alloc: AllocId,
    pub task: String,
    pub action: String,
}

/// Drivers and handles of the running tasks of an allocation.
#[derive(Debug, Message)]
#[rtype(result = "Option<Handles>")]
pub struct TaskHandles(pub AllocId);

/// Handles by task name; `None` inside [`TaskHandles`]' answer when the allocation is not on this node.
pub type Handles = BTreeMap<String, TaskHandle>;

/// What became of the tasks of an allocation so far; `None` when it is not on this node.
#[derive(Debug, Message)]
#[rtype(result = "Option<BTreeMap<String, TaskState>>")]
pub struct TaskStates(pub AllocId);

/// The checks of an allocation's services, as they were last; `None` when it is not on this node.
#[derive(Debug, Message)]
#[rtype(result = "Option<Vec<CheckSeen>>")]
pub struct ChecksOf(pub AllocId);

/// Removes the directory of an allocation that is over; `None`: of all that are. `None`: it is not on this node.
#[derive(Debug, Message)]
#[rtype(result = "Option<Result<(), String>>")]
pub struct CollectAllocs(pub Option<AllocId>);

impl Handler<Act> for NodeAgent {
    type Result = ResponseFuture<Option<Result<(), String>>>;

    fn handle(&mut self, Act { alloc, task, act }: Act, _: &mut Self::Context) -> Self::Result {
        let runner = self.runners.get(&alloc).cloned();
        Box::pin(async move { runner?.ask(ActOn { task, act }).await.ok() })
    }
}

impl Handler<ActionOf> for NodeAgent {
    type Result = ResponseFuture<Option<Result<Vec<String>, String>>>;

    fn handle(&mut self, ActionOf { alloc, task, action }: ActionOf, _: &mut Self::Context) -> Self::Result {
        let runner = self.runners.get(&alloc).cloned();
        Box::pin(async move { runner?.ask(TakeAction { task, action }).await.ok() })
    }
}

impl Handler<TaskHandles> for NodeAgent {
    type Result = ResponseFuture<Option<Handles>>;

    fn handle(&mut self, TaskHandles(id): TaskHandles, _: &mut Self::Context) -> Self::Result {
        let runner = self.runners.get(&id).cloned();
        Box::pin(async move { runner?.ask(TakeHandles).await.ok() })
    }
}

impl Handler<TaskStates> for NodeAgent {
    type Result = ResponseFuture<Option<BTreeMap<String, TaskState>>>;

    fn handle(&mut self, TaskStates(id): TaskStates, _: &mut Self::Context) -> Self::Result {
        let runner = self.runners.get(&id).cloned();
        Box::pin(async move { runner?.ask(TakeStates).await.ok() })
    }
}

impl Handler<ChecksOf> for NodeAgent {
    type Result = ResponseFuture<Option<Vec<CheckSeen>>>;

    fn handle(&mut self, ChecksOf(id): ChecksOf, _: &mut Self::Context) -> Self::Result {
        let runner = self.runners.get(&id).cloned();
        Box::pin(async move { runner?.ask(TakeChecks).await.ok() })
    }
}

impl Handler<CollectAllocs> for NodeAgent {
    type Result = ResponseFuture<Option<Result<(), String>>>;

    fn handle(&mut self, CollectAllocs(id): CollectAllocs, _: &mut Self::Context) -> Self::Result {
        if id.is_some_and(|id| !self.runners.contains_key(&id)) {
            return Box::pin(std::future::ready(None));
        }
        let over: Vec<AllocId> =
            self.over.iter().copied().filter(|over| id.is_none_or(|id| id == *over)).collect();
        if id.is_some() && over.is_empty() {
            let text = String::from("the allocation is not over: its files are in use");
            return Box::pin(std::future::ready(Some(Err(text))));
        }
        let (inherited, over): (Vec<AllocId>, Vec<AllocId>) =
            over.into_iter().partition(|id| self.brain.is_inherited(*id));
        if id.is_some() && !inherited.is_empty() {
            let text = String::from("another allocation takes its files over");
            return Box::pin(std::future::ready(Some(Err(text))));
        }
        let disk = self.kit.disk.clone();
        Box::pin(async move {
            for id in over {
                info!(alloc_id = %id, "the files of an allocation that is over are removed");
                if let Err(error) = disk.destroy(id).await {
                    return Some(Err(format!("the directory of {id} could not be removed: {error}")));
                }
            }
            Some(Ok(()))
        })
    }
}

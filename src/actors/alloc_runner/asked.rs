//! What others want to know of an allocation, and what people do to it.

use std::collections::BTreeMap;

use actix::{Handler, Message, MessageResult, ResponseFuture};
use model::{TaskPhase, TaskState};

use super::{AllocRunner, CheckKey};
use crate::actors::{
    node_agent::Handles,
    ports::{CheckSeen, TaskAct, TaskHandle},
    task_runner::{self, WantRestart},
};

/// The handles of the tasks that run.
#[derive(Debug, Message)]
#[rtype(result = "Handles")]
pub struct TakeHandles;

/// What became of each task so far.
#[derive(Debug, Message)]
#[rtype(result = "BTreeMap<String, TaskState>")]
pub struct TakeStates;

/// The words of a command that the job has given a name. The answer says why there are none.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<String>, String>")]
pub struct TakeAction {
    pub task: String,
    pub action: String,
}

/// The checks as they were last.
#[derive(Debug, Message)]
#[rtype(result = "Vec<CheckSeen>")]
pub struct TakeChecks;

/// Somebody does something to a task; `None`: to all that run. The answer says why it was not done.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), String>")]
pub struct ActOn {
    pub task: Option<String>,
    pub act: TaskAct,
}

impl Handler<ActOn> for AllocRunner {
    type Result = ResponseFuture<Result<(), String>>;

    fn handle(&mut self, ActOn { task, act }: ActOn, _: &mut Self::Context) -> Self::Result {
        if act == TaskAct::StartOver {
            return Box::pin(std::future::ready(self.start_over()));
        }
        let running =
            self.record.progress.tasks.iter().filter(|(_, state)| state.phase == TaskPhase::Running);
        let names: Vec<String> = running.map(|(name, _)| name.clone()).collect();
        let names = match task {
            Some(task) if !self.tasks.contains_key(&task) => {
                return Box::pin(async move { Err(format!("Could not find task named \"{task}\"")) });
            }
            Some(task) if !names.contains(&task) => {
                return Box::pin(async move { Err(format!("Task \"{task}\" not running")) });
            }
            Some(task) => vec![task],
            None if names.is_empty() => return Box::pin(async { Err(String::from("Tasks not running")) }),
            None => names,
        };
        let runners: Vec<_> = names.iter().filter_map(|name| self.tasks.get(name).cloned()).collect();
        Box::pin(async move {
            for runner in runners {
                match &act {
                    TaskAct::Restart => {
                        runner.tell(WantRestart {
                            reason: String::from("User requested running tasks to restart"),
                        });
                    }
                    TaskAct::StartOver => {}
                    TaskAct::Signal(signal) => {
                        let sent = runner.ask(task_runner::SendSignal(signal.clone())).await;
                        sent.map_err(|error| error.to_string())??;
                    }
                }
            }
            Ok(())
        })
    }
}

impl Handler<TakeHandles> for AllocRunner {
    type Result = MessageResult<TakeHandles>;

    fn handle(&mut self, _: TakeHandles, _: &mut Self::Context) -> Self::Result {
        let handles = self.record.progress.handles.iter();
        MessageResult(handles.map(|(task, handle)| (task.clone(), TaskHandle::clone(handle))).collect())
    }
}

impl Handler<TakeChecks> for AllocRunner {
    type Result = MessageResult<TakeChecks>;

    fn handle(&mut self, _: TakeChecks, _: &mut Self::Context) -> Self::Result {
        let group = self.record.group();
        let service = |(task, place, _): &CheckKey| {
            let group = group?;
            let services = if task.is_empty() { &group.services } else { &group.task(task)?.services };
            Some(services.get(*place)?.clone())
        };
        let seen = self.checks.iter().filter_map(|(key, check)| {
            let service = service(key)?;
            let name = match self.scopes.get(&key.0).or_else(|| self.scopes.values().next()) {
                Some(scope) => {
                    let job = &self.record.row.job.name;
                    scope.service(&service, job, &self.record.row.alloc.group, &key.0, false).name
                }
                None => service.name,
            };
            let state = self.said.get(key).unwrap_or(&check.state).clone();
            Some(CheckSeen { task: key.0.clone(), service: name, state })
        });
        MessageResult(seen.collect())
    }
}

impl Handler<TakeAction> for AllocRunner {
    type Result = Result<Vec<String>, String>;

    fn handle(&mut self, TakeAction { task, action }: TakeAction, _: &mut Self::Context) -> Self::Result {
        let place = self.record.group().and_then(|group| group.tasks.iter().position(|it| it.name == task));
        let place = place.ok_or_else(|| format!("task {task:?} not found in the allocation"))?;
        let seed = task_runner::Seed { row: self.record.row.clone(), place, node: self.node.clone() };
        task_runner::words_of(&seed, &self.kit, &action)
            .ok_or_else(|| format!("action {action:?} not found in task {task:?}"))
    }
}

impl Handler<TakeStates> for AllocRunner {
    type Result = MessageResult<TakeStates>;

    fn handle(&mut self, _: TakeStates, _: &mut Self::Context) -> Self::Result {
        MessageResult((&*self.record.progress.tasks).into())
    }
}

//! What HTTP asks of this node and of the membership: the ports, answered by actors and drivers.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use logic::node_meta::{Changes, NodeMeta};
use model::{AllocId, NodeId, TaskPhase, TaskState};

use crate::actors::{
    kit::Link,
    node_agent::{
        Act, ActionOf, ChangeMeta, ChecksOf, CollectAllocs, MetaOf, NodeAgent, TaskHandles, TaskStates,
    },
    ports::{
        AccessError, AllocData, AllocDisk, CheckSeen, DataStream, ExecSession, ExecSpec, HostProbe,
        HostUsage, NodeAccess, TaskAct, TaskDriver, TaskUsage,
    },
};

/// The node of this agent.
pub(super) struct LocalNode {
    pub node: NodeId,
    pub agent: Link<NodeAgent>,
    pub drivers: BTreeMap<String, Arc<dyn TaskDriver>>,
    pub disk: Arc<dyn AllocDisk>,
    pub data: Arc<dyn AllocData>,
    pub host: Arc<dyn HostProbe>,
}

#[async_trait]
impl NodeAccess for LocalNode {
    async fn host_usage(&self, node: Option<NodeId>) -> Result<HostUsage, AccessError> {
        match node {
            Some(node) if node != self.node => Err(AccessError::Elsewhere),
            _ => Ok(self.host.usage().await),
        }
    }

    async fn alloc_usage(&self, alloc: AllocId) -> Result<BTreeMap<String, TaskUsage>, AccessError> {
        let handles = self
            .agent
            .ask(TaskHandles(alloc))
            .await
            .map_err(|error| AccessError::Failed(error.to_string()))?
            .ok_or(AccessError::NotFound)?;
        let asks = handles.into_iter().filter_map(|(task, handle)| {
            let driver = self.drivers.get(&handle.driver)?.clone();
            Some(async move { (task, driver.usage(&handle).await) })
        });
        let usages = futures::future::join_all(asks).await;
        // A task that ended a moment ago uses nothing; it is left out rather than failing the others.
        Ok(usages.into_iter().filter_map(|(task, usage)| Some((task, usage.ok()?))).collect())
    }

    async fn log_dir(&self, alloc: AllocId) -> Result<PathBuf, AccessError> {
        let dir = self.disk.dirs(alloc, "").logs;
        if tokio::fs::try_exists(&dir).await.unwrap_or(false) { Ok(dir) } else { Err(AccessError::NotFound) }
    }

    async fn alloc_dir(&self, alloc: AllocId) -> Result<PathBuf, AccessError> {
        let shared = self.disk.dirs(alloc, "").alloc;
        let dir = shared.parent().map(PathBuf::from).ok_or(AccessError::NotFound)?;
        if tokio::fs::try_exists(&dir).await.unwrap_or(false) { Ok(dir) } else { Err(AccessError::NotFound) }
    }

    async fn data(&self, alloc: AllocId) -> Result<DataStream, AccessError> {
        self.data.pack(alloc).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => AccessError::NotFound,
            _ => AccessError::Failed(error.to_string()),
        })
    }

    async fn act(&self, alloc: AllocId, task: Option<String>, act: TaskAct) -> Result<(), AccessError> {
        let done = self.agent.ask(Act { alloc, task, act }).await;
        let done = done.map_err(|error| AccessError::Failed(error.to_string()))?;
        done.ok_or(AccessError::NotFound)?.map_err(AccessError::Failed)
    }

    async fn task_states(&self, alloc: AllocId) -> Result<BTreeMap<String, TaskState>, AccessError> {
        let states = self.agent.ask(TaskStates(alloc)).await;
        states.map_err(|error| AccessError::Failed(error.to_string()))?.ok_or(AccessError::NotFound)
    }

    async fn checks(&self, alloc: AllocId) -> Result<Vec<CheckSeen>, AccessError> {
        let checks = self.agent.ask(ChecksOf(alloc)).await;
        checks.map_err(|error| AccessError::Failed(error.to_string()))?.ok_or(AccessError::NotFound)
    }

    async fn collect(&self, alloc: Option<AllocId>) -> Result<(), AccessError> {
        let done = self.agent.ask(CollectAllocs(alloc)).await;
        let done = done.map_err(|error| AccessError::Failed(error.to_string()))?;
        done.ok_or(AccessError::NotFound)?.map_err(AccessError::Failed)
    }

    async fn action(&self, alloc: AllocId, task: &str, action: &str) -> Result<Vec<String>, AccessError> {
        let question = ActionOf { alloc, task: task.to_owned(), action: action.to_owned() };
        let words = self.agent.ask(question).await.map_err(|error| AccessError::Failed(error.to_string()))?;
        words.ok_or(AccessError::NotFound)?.map_err(AccessError::Failed)
    }

    async fn metadata(&self) -> Result<NodeMeta, AccessError> {
        let meta = self.agent.ask(MetaOf).await;
        meta.map_err(|error| AccessError::Failed(error.to_string()))?.map_err(AccessError::Failed)
    }

    async fn change_metadata(&self, changes: Changes) -> Result<NodeMeta, AccessError> {
        let changed = self.agent.ask(ChangeMeta(changes)).await;
        changed.map_err(|error| AccessError::Failed(error.to_string()))?.map_err(AccessError::Failed)
    }

    async fn exec(&self, alloc: AllocId, task: &str, spec: ExecSpec) -> Result<ExecSession, AccessError> {
        let failed = |why: String| AccessError::Failed(why);
        let states = self.task_states(alloc).await?;
        if !states.contains_key(task) {
            return Err(failed(format!("task {task:?} not found in the allocation")));
        }
        let handles = self.agent.ask(TaskHandles(alloc)).await.map_err(|error| failed(error.to_string()))?;
        let handle = handles.ok_or(AccessError::NotFound)?.remove(task);
        let running = handle.filter(|_| states[task].phase == TaskPhase::Running);
        let handle = running.ok_or_else(|| failed(format!("task {task:?} is not running")))?;
        let driver = self.drivers.get(&handle.driver);
        let driver =
            driver.ok_or_else(|| failed(format!("driver {:?} is not on this node", handle.driver)))?;
        driver.attach(&handle, &spec).await.map_err(|error| failed(error.to_string()))
    }
}

/// An agent that runs no tasks.
pub(super) struct NoNode;

#[async_trait]
impl NodeAccess for NoNode {
    async fn host_usage(&self, node: Option<NodeId>) -> Result<HostUsage, AccessError> {
        Err(if node.is_some() { AccessError::Elsewhere } else { AccessError::NoClient })
    }

    async fn alloc_usage(&self, _: AllocId) -> Result<BTreeMap<String, TaskUsage>, AccessError> {
        Err(AccessError::Elsewhere)
    }

    async fn log_dir(&self, _: AllocId) -> Result<PathBuf, AccessError> {
        Err(AccessError::Elsewhere)
    }

    async fn alloc_dir(&self, _: AllocId) -> Result<PathBuf, AccessError> {
        Err(AccessError::Elsewhere)
    }

    async fn data(&self, _: AllocId) -> Result<DataStream, AccessError> {
        Err(AccessError::Elsewhere)
    }

    async fn act(&self, _: AllocId, _: Option<String>, _: TaskAct) -> Result<(), AccessError> {
        Err(AccessError::Elsewhere)
    }

    async fn task_states(&self, _: AllocId) -> Result<BTreeMap<String, TaskState>, AccessError> {
        Err(AccessError::Elsewhere)
    }

    async fn checks(&self, _: AllocId) -> Result<Vec<CheckSeen>, AccessError> {
        Err(AccessError::Elsewhere)
    }

    async fn collect(&self, alloc: Option<AllocId>) -> Result<(), AccessError> {
        Err(if alloc.is_some() { AccessError::Elsewhere } else { AccessError::NoClient })
    }

    async fn action(&self, _: AllocId, _: &str, _: &str) -> Result<Vec<String>, AccessError> {
        Err(AccessError::Elsewhere)
    }

    async fn exec(&self, _: AllocId, _: &str, _: ExecSpec) -> Result<ExecSession, AccessError> {
        Err(AccessError::Elsewhere)
    }
}

//! Data of allocations on other nodes: waited for until they are complete, then asked for as anybody's request for them
//! would be.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use model::{AllocId, ClientStatus, NodeId};
use serde::Deserialize;
use tokio::{runtime::Handle, time::sleep};
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;

use crate::actors::ports::{DataElsewhere, DataStream, Elsewhere, NoData, StateReader, Target, WebRequest};

/// How long a server may keep a question after an allocation, and how much longer its answer may take.
const WAIT: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(30);
/// Before somebody who could not be reached is asked again, and how often a node is.
const PAUSE: Duration = Duration::from_secs(1);
const TRIES: u32 = 3;
/// Of a refusal, in bytes.
const REFUSAL: usize = 4096;

/// Finds them: through this agent's own state, where it has one, and through the servers.
pub struct DataOfOthers {
    others: Arc<dyn Elsewhere>,
    state: Option<Arc<dyn StateReader>>,
    runtime: Handle,
}

impl DataOfOthers {
    /// `state`: of a server; other agents ask the servers. The work is done on the runtime.
    pub fn new(others: Arc<dyn Elsewhere>, state: Option<Arc<dyn StateReader>>, runtime: Handle) -> Self {
        Self { others, state, runtime }
    }
}

impl std::fmt::Debug for DataOfOthers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataOfOthers").field("has_state", &self.state.is_some()).finish_non_exhaustive()
    }
}

#[async_trait]
impl DataElsewhere for DataOfOthers {
    async fn fetch(&self, alloc: AllocId) -> Result<DataStream, NoData> {
        let (others, state) = (self.others.clone(), self.state.clone());
        let work = async move {
            let target = match state {
                Some(state) => Target::Node(ended_here(&*state, alloc).await?),
                None => {
                    ended_there(&*others, alloc).await?;
                    Target::Server
                }
            };
            open(&*others, target, alloc).await
        };
        let task = AbortOnDropHandle::new(self.runtime.spawn(work));
        task.await.unwrap_or_else(|error| Err(NoData::Failed(error.to_string())))
    }
}

/// Nothing more is written by it, as far as anybody knows.
fn is_over(client: ClientStatus) -> bool {
    client.is_terminal() || client == ClientStatus::Unknown
}

/// Waits for the end of an allocation in the agent's own state. Answers with its node, unless nobody hears of that.
async fn ended_here(state: &dyn StateReader, alloc: AllocId) -> Result<NodeId, NoData> {
    let mut changes = state.changes();
    loop {
        changes.borrow_and_update();
        let root = state.root();
        match root.allocs.get(&alloc) {
            None => return Err(NoData::Gone),
            Some(alloc) if is_over(alloc.client) => {
                return match root.nodes.get(&alloc.node).map(|node| node.status) {
                    Some(status) if status.is_gone() => {
                        Err(NoData::Failed(format!("its node is {}", status.as_str())))
                    }
                    _ => Ok(alloc.node),
                };
            }
            Some(_) => {}
        }
        drop(root);
        if changes.changed().await.is_err() {
            return Err(NoData::Failed(String::from("this agent is ending")));
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Seen {
    client_status: String,
}

/// Asks the servers until the allocation has ended.
async fn ended_there(others: &dyn Elsewhere, alloc: AllocId) -> Result<(), NoData> {
    let mut index = 0_u64;
    loop {
        let request = get(format!("/v1/allocation/{alloc}?index={index}&wait={}s", WAIT.as_secs()));
        let answer = match others.ask(Target::Server, request, WAIT + PATIENCE).await {
            Ok(answer) if answer.status == 404 => return Err(NoData::Gone),
            Ok(answer) if answer.status == 200 => answer,
            // They have no leader, or cannot be reached: nothing is known of the allocation either.
            other => {
                debug!(alloc_id = %alloc, answer = ?other.map(|answer| answer.status), "no word of the allocation");
                sleep(PAUSE).await;
                continue;
            }
        };
        let seen: Seen = serde_json::from_slice(&answer.body)
            .map_err(|error| NoData::Failed(format!("a server's answer cannot be read: {error}")))?;
        if matches!(seen.client_status.as_str(), "complete" | "failed" | "lost" | "unknown") {
            return Ok(());
        }
        let told = answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-nomad-index"));
        let told = told.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
        // Without a newer one the next answer would come at once.
        if told <= index {
            sleep(PAUSE).await;
        }
        index = told;
    }
}

async fn open(others: &dyn Elsewhere, target: Target, alloc: AllocId) -> Result<DataStream, NoData> {
    let mut tries = 0;
    loop {
        tries += 1;
        let request = get(format!("/v1/client/allocation/{alloc}/snapshot"));
        let failure = match others.stream(target.clone(), request).await {
            Ok(stream) if stream.status == 200 => return Ok(stream.body),
            Ok(stream) => {
                let text = refusal(stream.body).await;
                // A server that cannot reach the node says so with the same status.
                if stream.status == 404 && !text.starts_with("No path") {
                    return Err(NoData::Gone);
                }
                text
            }
            Err(error) => error.to_string(),
        };
        if tries >= TRIES {
            return Err(NoData::Failed(failure));
        }
        sleep(PAUSE).await;
    }
}

fn get(uri: String) -> WebRequest {
    WebRequest { method: String::from("GET"), uri, body: Bytes::new(), hops: 1 }
}

async fn refusal(mut body: DataStream) -> String {
    let mut text = BytesMut::new();
    while let Some(Ok(piece)) = body.next().await
        && text.len() < REFUSAL
    {
        text.extend_from_slice(&piece[..piece.len().min(REFUSAL)]);
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests;

//! Artifacts of a task: fetched before its templates are rendered, for these may be among them.

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt, TryStreamExt, stream};
use logic::environment::Scope;
use model::{AllocId, Artifact, Task};

use crate::actors::{
    node_agent::NodeKit,
    ports::{FetchError, FetchOrder},
};

/// So many of a task at the same time.
const AT_ONCE: usize = 3;

/// # Errors
/// A path leads out of the allocation.
pub(super) fn orders(task: &Task, alloc: AllocId, scope: &Scope) -> Result<Vec<FetchOrder>, FetchError> {
    let order = |artifact: &Artifact| {
        let texts = |map: &BTreeMap<String, String>| {
            map.iter().map(|(key, value)| (key.clone(), scope.interpolate(value))).collect()
        };
        let destination = scope.place(&task.name, &artifact.destination).ok_or_else(|| FetchError {
            message: format!("the path {:?} leads out of the allocation", artifact.destination),
            recoverable: false,
        })?;
        Ok(FetchOrder {
            alloc,
            source: scope.interpolate(&artifact.source),
            options: texts(&artifact.options),
            headers: texts(&artifact.headers),
            mode: artifact.mode,
            destination,
            owner: artifact.chown.then(|| task.user.clone()).filter(|user| !user.is_empty()),
        })
    };
    task.artifacts.iter().map(order).collect()
}

/// # Errors
/// The first that cannot be fetched, by its source.
pub(super) async fn all(kit: Arc<NodeKit>, orders: Vec<FetchOrder>) -> Result<(), FetchError> {
    let one = |order: FetchOrder| async {
        let source = order.source.clone();
        let fetched = kit.fetcher.fetch(order).await;
        fetched.map_err(|error| FetchError {
            message: format!("failed to download artifact \"{source}\": {}", error.message),
            ..error
        })
    };
    stream::iter(orders).map(one).buffer_unordered(AT_ONCE).try_collect().await
}

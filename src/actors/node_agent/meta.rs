//! Metadata that people change while the node runs.

use std::sync::Arc;

use actix::{ActorFutureExt, AtomicResponse, Handler, Message, WrapFuture};
use logic::node_meta::{Changes, NodeMeta};
use tracing::info;

use super::NodeAgent;

/// Changes the node's metadata; on disk, and on its way to the servers, when it answers.
#[derive(Debug, Message)]
#[rtype(result = "Result<NodeMeta, String>")]
pub struct ChangeMeta(pub Changes);

/// What the configuration says, and what was changed.
#[derive(Debug, Message)]
#[rtype(result = "Result<NodeMeta, String>")]
pub struct MetaOf;

impl Handler<MetaOf> for NodeAgent {
    type Result = Result<NodeMeta, String>;

    fn handle(&mut self, _: MetaOf, _: &mut Self::Context) -> Self::Result {
        Ok(self.meta.clone())
    }
}

impl Handler<ChangeMeta> for NodeAgent {
    /// The next change begins with what this one ends with.
    type Result = AtomicResponse<Self, Result<NodeMeta, String>>;

    fn handle(&mut self, ChangeMeta(changes): ChangeMeta, _: &mut Self::Context) -> Self::Result {
        let (changed, store) = (self.meta.changed(changes), self.kit.store.clone());
        let save = async move {
            let changed = changed?;
            let bytes = serde_json::to_vec(&changed.dynamic).map_err(|error| error.to_string())?;
            let saved = store.put_meta(bytes).await;
            saved.map_err(|error| format!("the metadata could not be kept, nothing was changed: {error}"))?;
            Ok::<NodeMeta, String>(changed)
        };
        AtomicResponse::new(Box::pin(save.into_actor(self).map(|changed, actor, context| {
            let changed: NodeMeta = changed?;
            actor.meta = changed.clone();
            Arc::make_mut(&mut actor.node).meta = changed.all();
            info!("the node's metadata changed, registering again");
            actor.register_again(context);
            Ok(changed)
        })))
    }
}

//! HTTP requests that another agent has to answer, as calls.

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::StreamExt;
use serde::{Deserialize, Serialize};

use super::{
    remote::{Carrier, To},
    rpc::{Call, Error, ErrorKind, Router, StreamCall},
};
use crate::actors::ports::{ClusterError, Elsewhere, Target, WebAnswer, WebRequest, WebStream};

impl Call for WebRequest {
    const METHOD: &'static str = "Web.Request";
    type Answer = WebAnswer;
}

/// A request whose answer comes bit by bit.
#[derive(Debug, Serialize, Deserialize)]
struct Flow {
    request: WebRequest,
}

/// What comes before the first bit.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    status: u16,
    headers: Vec<(String, String)>,
}

impl StreamCall for Flow {
    const METHOD: &'static str = "Web.Stream";
    type Head = Head;
}

/// How long the other agent may take to begin.
const OPENING: Duration = Duration::from_secs(30);

/// The other agents, found by a [`Carrier`].
#[derive(Debug, Clone)]
pub struct OtherAgents(pub Carrier);

impl From<Target> for To {
    fn from(target: Target) -> Self {
        match target {
            Target::Leader => Self::Leader,
            Target::Server => Self::Server,
            Target::Region(region) => Self::Region(region),
            Target::Node(node) => Self::Node(node),
        }
    }
}

fn in_words(target: &Target, error: Error) -> ClusterError {
    match (error.kind, target) {
        (ErrorKind::NoLeader, _) => ClusterError::NoLeader,
        (ErrorKind::Unreachable, Target::Region(region)) => ClusterError::NoRegion(region.clone()),
        (ErrorKind::Unreachable | ErrorKind::Overloaded, _) => ClusterError::Unreachable(error.message),
        (ErrorKind::Unknown, _) => ClusterError::Unknown(error.message),
        _ => ClusterError::Refused(error.message),
    }
}

#[async_trait]
impl Elsewhere for OtherAgents {
    async fn ask(
        &self,
        target: Target,
        request: WebRequest,
        patience: Duration,
    ) -> Result<WebAnswer, ClusterError> {
        let remote = self.0.remote::<WebRequest>(To::from(target.clone()));
        remote.ask(&request, patience).await.map_err(|error| in_words(&target, error))
    }

    async fn stream(&self, target: Target, request: WebRequest) -> Result<WebStream, ClusterError> {
        let call = Flow { request };
        let opened = self.0.stream(&To::from(target.clone()), &call, OPENING).await;
        let (head, pieces) = opened.map_err(|error| in_words(&target, error))?;
        let body = pieces.map(move |piece| piece.map_err(|error| in_words(&target, error))).boxed();
        Ok(WebStream { status: head.status, headers: head.headers, body })
    }
}

/// Answers other agents' requests: in one piece with `answer`, bit by bit with `flow`.
pub fn register<F, A, G, B>(router: &mut Router, answer: F, flow: G)
where
    G: Fn(WebRequest) -> B + Send + Sync + 'static,
    B: Future<Output = WebStream> + Send + 'static,
    F: Fn(WebRequest) -> A + Send + Sync + 'static,
    A: Future<Output = WebAnswer> + Send + 'static,
{
    let answer = Arc::new(answer);
    // Blocking queries wait.
    router.register_waiting(move |request: WebRequest| {
        let answering = answer(request);
        async move { Ok(answering.await) }
    });
    router.register_stream(move |call: Flow| {
        let flowing = flow(call.request);
        async move {
            let WebStream { status, headers, body } = flowing.await;
            let pieces =
                body.map(|piece| piece.map_err(|error| Error::new(ErrorKind::Internal, error.to_string())));
            Ok((Head { status, headers }, pieces))
        }
    });
}

//! HTTP requests that another agent has to answer, as calls.

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream::BoxStream};
use serde::{Deserialize, Serialize};

use super::{
    remote::{Carrier, To},
    rpc::{Call, Error, ErrorKind, Pieces, Router, StreamCall},
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

/// As [`Flow`], with pieces in both directions.
#[derive(Debug, Serialize, Deserialize)]
struct Talk {
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

impl StreamCall for Talk {
    const METHOD: &'static str = "Web.Talk";
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
        Ok(as_stream(head, pieces, target))
    }

    async fn talk(
        &self,
        target: Target,
        request: WebRequest,
        input: BoxStream<'static, Bytes>,
    ) -> Result<WebStream, ClusterError> {
        let call = Talk { request };
        let opened = self.0.stream(&To::from(target.clone()), &call, OPENING).await;
        let (head, mut pieces) = opened.map_err(|error| in_words(&target, error))?;
        pieces.feed(input);
        Ok(as_stream(head, pieces, target))
    }
}

fn as_stream(head: Head, pieces: Pieces, target: Target) -> WebStream {
    let body = pieces.map(move |piece| piece.map_err(|error| in_words(&target, error))).boxed();
    WebStream { status: head.status, headers: head.headers, body }
}

fn as_pieces(stream: WebStream) -> (Head, impl Stream<Item = Result<Bytes, Error>>) {
    let WebStream { status, headers, body } = stream;
    let pieces = body.map(|piece| piece.map_err(|error| Error::new(ErrorKind::Internal, error.to_string())));
    (Head { status, headers }, pieces)
}

/// Answers other agents' requests: in one piece with `answer`, bit by bit with `flow`, in both directions with `talk`.
pub fn register<F, A, G, B, H, C>(router: &mut Router, answer: F, flow: G, talk: H)
where
    H: Fn(WebRequest, BoxStream<'static, Bytes>) -> C + Send + Sync + 'static,
    C: Future<Output = WebStream> + Send + 'static,
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
        async move { Ok(as_pieces(flowing.await)) }
    });
    router.register_talk(move |call: Talk, input| {
        let talking = talk(call.request, input.boxed());
        async move { Ok(as_pieces(talking.await)) }
    });
}

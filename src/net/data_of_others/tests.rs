use std::sync::Mutex;

use futures::stream::{self, BoxStream};

use super::*;
use crate::actors::ports::{ClusterError, WebAnswer, WebStream};

/// Servers that tell these states one after the other, and then have these data.
struct Servers {
    states: Mutex<Vec<(u16, &'static str)>>,
    streams: Mutex<Vec<Result<(u16, &'static str), ClusterError>>>,
    asked: Mutex<Vec<(Target, String)>>,
}

#[async_trait]
impl Elsewhere for Servers {
    async fn ask(&self, target: Target, request: WebRequest, _: Duration) -> Result<WebAnswer, ClusterError> {
        self.asked.lock().unwrap().push((target, request.uri));
        let (status, client) = self.states.lock().unwrap().remove(0);
        if status == 0 {
            return Err(ClusterError::NoLeader);
        }
        let index = 10 + self.asked.lock().unwrap().len();
        let body = serde_json::json!({ "ID": "x", "ClientStatus": client }).to_string().into();
        Ok(WebAnswer { status, headers: vec![("X-Nomad-Index".into(), index.to_string())], body })
    }

    async fn stream(&self, target: Target, request: WebRequest) -> Result<WebStream, ClusterError> {
        self.asked.lock().unwrap().push((target, request.uri));
        let (status, text) = self.streams.lock().unwrap().remove(0)?;
        let body = stream::iter([Ok(Bytes::from_static(text.as_bytes()))]).boxed();
        Ok(WebStream { status, headers: Vec::new(), body })
    }

    async fn talk(
        &self,
        _: Target,
        _: WebRequest,
        _: BoxStream<'static, Bytes>,
    ) -> Result<WebStream, ClusterError> {
        Err(ClusterError::NoLeader)
    }
}

async fn fetched(
    states: &[(u16, &'static str)],
    streams: Vec<Result<(u16, &'static str), ClusterError>>,
) -> (Result<String, NoData>, Vec<(Target, String)>) {
    let others = Arc::new(Servers {
        states: Mutex::new(states.to_vec()),
        streams: Mutex::new(streams),
        asked: Mutex::default(),
    });
    let data = DataOfOthers::new(others.clone(), None, Handle::current());
    let text = match data.fetch(AllocId(1)).await {
        Ok(body) => Ok(refusal(body).await),
        Err(error) => Err(error),
    };
    let asked = others.asked.lock().unwrap().clone();
    (text, asked)
}

#[tokio::test(start_paused = true)]
async fn data_are_asked_for_when_the_allocation_has_ended() {
    let states = [(200, "running"), (0, ""), (200, "complete")];
    let (text, asked) = fetched(&states, vec![Ok((200, "tar"))]).await;
    assert_eq!(text.as_deref(), Ok("tar"));
    let uris: Vec<&str> = asked.iter().map(|(_, uri)| uri.as_str()).collect();
    let alloc = AllocId(1);
    assert_eq!(
        uris,
        [
            format!("/v1/allocation/{alloc}?index=0&wait=60s"),
            format!("/v1/allocation/{alloc}?index=11&wait=60s"),
            format!("/v1/allocation/{alloc}?index=11&wait=60s"),
            format!("/v1/client/allocation/{alloc}/snapshot"),
        ]
    );
    assert!(asked.iter().all(|(target, _)| *target == Target::Server));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_said() {
    assert_eq!(fetched(&[(404, "")], vec![]).await.0, Err(NoData::Gone));
    assert_eq!(fetched(&[(200, "lost")], vec![Ok((404, "Unknown allocation"))]).await.0, Err(NoData::Gone));
    let away = || Ok((404, "No path to node: it is away"));
    let (text, asked) = fetched(&[(200, "unknown")], vec![away(), away(), away()]).await;
    assert_eq!(text, Err(NoData::Failed("No path to node: it is away".into())));
    assert_eq!(asked.len(), 4);
    let (text, _) = fetched(&[(200, "failed")], vec![Err(ClusterError::NoLeader), Ok((200, "tar"))]).await;
    assert_eq!(text.as_deref(), Ok("tar"));
}

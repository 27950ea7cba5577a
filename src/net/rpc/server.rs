//! Listens, finds the handler of each call, and answers.

use std::{
    collections::HashMap, fmt, future::Future, net::SocketAddr, panic::AssertUnwindSafe, pin::Pin, sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::{codec::FramedRead, sync::CancellationToken};

use super::{
    Call, Error, ErrorKind, PROTOCOL,
    frame::{Failure, Outgoing, Request, Response, codec, decode, encode, frame, write_all},
};

/// Connections at a time; more are closed at once.
const MAX_CONNECTIONS: usize = 16 * 1024;
/// A connection must say its protocol within this time.
const HELLO: Duration = Duration::from_secs(10);
/// A connection on which nothing is heard for so long, and nothing is asked, is closed.
const IDLE: Duration = Duration::from_secs(600);
/// Answers that may wait for a slow reader before its further calls wait, too.
const MAX_QUEUED_ANSWERS: usize = 256;
/// Calls of one connection that may be open, those whose answers wait included.
const MAX_OPEN_CALLS: usize = 4096;

type Answering = Pin<Box<dyn Future<Output = Result<Bytes, Error>> + Send>>;
type Handler = Box<dyn Fn(Bytes) -> Answering + Send + Sync>;

/// The methods that a server answers.
pub struct Router {
    methods: HashMap<&'static str, (Handler, Patience)>,
    short: Arc<Semaphore>,
    long: Arc<Semaphore>,
}

#[derive(Clone, Copy)]
enum Patience {
    Short,
    Long,
    None,
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("methods", &self.methods.keys()).finish_non_exhaustive()
    }
}

impl Router {
    /// Answers at most `max_short` ordinary calls and `max_long` waiting ones at a time; more are refused as
    /// [`ErrorKind::Overloaded`].
    pub fn new(max_short: usize, max_long: usize) -> Self {
        Self {
            methods: HashMap::new(),
            short: Arc::new(Semaphore::new(max_short)),
            long: Arc::new(Semaphore::new(max_long)),
        }
    }

    /// Answers an ordinary call.
    ///
    /// # Panics
    /// When the method has a handler already.
    pub fn register<C, F, A>(&mut self, handler: F)
    where
        C: Call,
        F: Fn(C) -> A + Send + Sync + 'static,
        A: Future<Output = Result<C::Answer, Error>> + Send + 'static,
    {
        self.add::<C, F, A>(handler, Patience::Short);
    }

    /// Answers a call that spends its time waiting for something to happen.
    ///
    /// # Panics
    /// When the method has a handler already.
    pub fn register_waiting<C, F, A>(&mut self, handler: F)
    where
        C: Call,
        F: Fn(C) -> A + Send + Sync + 'static,
        A: Future<Output = Result<C::Answer, Error>> + Send + 'static,
    {
        self.add::<C, F, A>(handler, Patience::Long);
    }

    /// Answers a call that is never refused: of few callers, and without which nothing works (raft).
    ///
    /// # Panics
    /// When the method has a handler already.
    pub fn register_urgent<C, F, A>(&mut self, handler: F)
    where
        C: Call,
        F: Fn(C) -> A + Send + Sync + 'static,
        A: Future<Output = Result<C::Answer, Error>> + Send + 'static,
    {
        self.add::<C, F, A>(handler, Patience::None);
    }

    fn add<C, F, A>(&mut self, handler: F, patience: Patience)
    where
        C: Call,
        F: Fn(C) -> A + Send + Sync + 'static,
        A: Future<Output = Result<C::Answer, Error>> + Send + 'static,
    {
        let handler: Handler = Box::new(move |body| match decode::<C>(&body) {
            Err(error) => Box::pin(std::future::ready(Err(error))),
            Ok(call) => {
                let answering = handler(call);
                Box::pin(async move { encode(&answering.await?) })
            }
        });
        let before = self.methods.insert(C::METHOD, (handler, patience));
        assert!(before.is_none(), "two handlers for {}", C::METHOD);
    }

    async fn answer(&self, method: &str, deadline: Duration, body: Bytes) -> Result<Bytes, Error> {
        let Some((handler, patience)) = self.methods.get(method) else {
            return Err(Error::new(ErrorKind::NotFound, format!("this agent has no method {method}")));
        };
        let places = match patience {
            Patience::Short => Some(&self.short),
            Patience::Long => Some(&self.long),
            Patience::None => None,
        };
        let Ok(_place) = places.map(|places| places.try_acquire()).transpose() else {
            return Err(Error::new(ErrorKind::Overloaded, "too many calls are being answered"));
        };
        let answering = AssertUnwindSafe(async { handler(body).await }).catch_unwind();
        match tokio::time::timeout(deadline, answering).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => {
                tracing::error!(method, "the handler of a call panicked");
                Err(Error::of_panic(method))
            }
            Err(_) => Err(Error::new(ErrorKind::Unknown, format!("{method} was not done in time"))),
        }
    }
}

/// Accepts connections and answers calls until `stop`. Then what is being answered is dropped.
pub async fn serve(listener: TcpListener, router: Arc<Router>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((connection, peer)) if connections.len() < MAX_CONNECTIONS => {
                connections.spawn(converse(connection, peer, router.clone()));
            }
            Ok((_, peer)) => tracing::warn!(%peer, "too many connections, this one is closed"),
            Err(error) => {
                // Out of file descriptors, mostly: trying again at once would only burn time.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    connections.shutdown().await;
}

async fn converse(mut connection: TcpStream, peer: SocketAddr, router: Arc<Router>) {
    match tokio::time::timeout(HELLO, connection.read_u8()).await {
        Ok(Ok(PROTOCOL)) => {}
        Ok(Ok(protocol)) => {
            tracing::debug!(%peer, protocol, "an unknown protocol, the connection is closed");
            return;
        }
        Ok(Err(_)) | Err(_) => return,
    }
    let _ = connection.set_nodelay(true);
    let (reading, writing) = connection.into_split();
    let mut requests = FramedRead::new(reading, codec());
    let (answers, queue) = mpsc::channel(MAX_QUEUED_ANSWERS);
    // Dropped with this task: whatever is being answered ends when the caller is gone.
    let mut working = JoinSet::new();
    working.spawn(async move {
        let _ = write_all(writing, queue).await;
        None
    });
    let mut handles = HashMap::new();
    loop {
        let request = tokio::select! {
            Some(done) = working.join_next_with_id() => {
                match done {
                    Ok((_, Some(id))) => {
                        handles.remove(&id);
                        continue;
                    }
                    // Nobody reads answers any more.
                    Ok((_, None)) => return,
                    // Aborted: its caller cancelled it.
                    Err(_) => continue,
                }
            }
            request = tokio::time::timeout(IDLE, requests.next()) => request,
        };
        let request = match request {
            Ok(Some(Ok(bytes))) => decode::<Request>(&bytes),
            Ok(Some(Err(error))) => {
                tracing::warn!(%peer, %error, "a connection does not keep to the protocol, it is closed");
                return;
            }
            Ok(None) => return,
            Err(_) if handles.is_empty() => return,
            Err(_) => continue,
        };
        match request {
            Ok(Request::Call { id, .. }) if handles.len() >= MAX_OPEN_CALLS => {
                let refusal = Error::new(ErrorKind::Overloaded, "too many calls are open on this connection");
                if answers.send(response(id, Err(refusal))).await.is_err() {
                    return;
                }
            }
            Ok(Request::Call { id, method, deadline_ms, body }) => {
                let (router, answers) = (router.clone(), answers.clone());
                let handle = working.spawn(async move {
                    let result = router.answer(&method, Duration::from_millis(deadline_ms), body).await;
                    let _ = answers.send(response(id, result)).await;
                    Some(id)
                });
                handles.insert(id, handle);
            }
            Ok(Request::Cancel { id }) => {
                if let Some(handle) = handles.remove(&id) {
                    handle.abort();
                }
            }
            Ok(Request::Ping { id }) => {
                if answers.send(response(id, Ok(Bytes::new()))).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%peer, %error, "a request cannot be read, the connection is closed");
                return;
            }
        }
    }
}

fn response(id: u64, result: Result<Bytes, Error>) -> Outgoing {
    let response = match result {
        Ok(body) => Response { id, body, failure: None },
        Err(error) => Response { id, body: Bytes::new(), failure: Some(error.into()) },
    };
    let framed = frame(&response).or_else(|error| {
        let error = Error::new(ErrorKind::Internal, format!("the answer cannot be sent: {error}"));
        frame(&Response { id, body: Bytes::new(), failure: Some(Failure::from(error)) })
    });
    framed.expect("an error message is short").into()
}

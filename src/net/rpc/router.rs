//! Finds the handler of each method.

use std::{
    collections::HashMap, fmt, future::Future, panic::AssertUnwindSafe, pin::Pin, sync::Arc, time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, Stream, StreamExt, stream::BoxStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Call, Error, ErrorKind, StreamCall,
    frame::{decode, encode},
    input::Input,
};

type Answering<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;
type Handler<T> = Box<dyn Fn(Bytes) -> Answering<T> + Send + Sync>;
type Opener = Box<dyn Fn(Bytes, Input) -> Answering<Opened> + Send + Sync>;

/// The encoded head of a stream, and its pieces.
type Opened = (Bytes, BoxStream<'static, Result<Bytes, Error>>);

enum Method {
    Answer(Handler<Bytes>, Patience),
    Stream { opener: Opener, takes_input: bool },
}

#[derive(Clone, Copy)]
enum Patience {
    Short,
    Long,
    None,
}

/// The methods that a server answers.
pub struct Router {
    methods: HashMap<&'static str, Method>,
    /// Beginnings of methods that other regions may not call.
    home: Vec<&'static str>,
    short: Arc<Semaphore>,
    long: Arc<Semaphore>,
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("methods", &self.methods.keys()).finish_non_exhaustive()
    }
}

/// The pieces of a stream that is being answered. Holds a place until it is dropped.
pub(super) struct Pouring {
    pub(super) head: Bytes,
    pieces: BoxStream<'static, Result<Bytes, Error>>,
    _place: OwnedSemaphorePermit,
}

impl Router {
    /// Answers at most `max_short` ordinary calls, and `max_long` waiting ones and streams, at a time; more are refused
    /// as [`ErrorKind::Overloaded`].
    pub fn new(max_short: usize, max_long: usize) -> Self {
        Self {
            methods: HashMap::new(),
            home: Vec::new(),
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

    /// Answers a call that is never refused for want of a place: of few callers, all of this region, and without which
    /// nothing works (raft). Agents of other regions are refused.
    ///
    /// # Panics
    /// When the method has a handler already.
    pub fn register_urgent<C, F, A>(&mut self, handler: F)
    where
        C: Call,
        F: Fn(C) -> A + Send + Sync + 'static,
        A: Future<Output = Result<C::Answer, Error>> + Send + 'static,
    {
        self.home_only(C::METHOD);
        self.add::<C, F, A>(handler, Patience::None);
    }

    /// Answers with a head and pieces. A piece of at most 64 KiB arrives as it was given, a longer one in several. What
    /// the reader does not take is not asked of the stream; an error ends it; dropping it means that nobody reads it
    /// any more.
    ///
    /// # Panics
    /// When the method has a handler already.
    pub fn register_stream<C, F, A, S>(&mut self, handler: F)
    where
        C: StreamCall,
        F: Fn(C) -> A + Send + Sync + 'static,
        A: Future<Output = Result<(C::Head, S), Error>> + Send + 'static,
        S: Stream<Item = Result<Bytes, Error>> + Send + 'static,
    {
        self.add_stream::<C, _, A, S>(move |call, _| handler(call), false);
    }

    /// As [`Router::register_stream`]; the caller sends pieces of its own, too. What is not read of them waits at the
    /// caller.
    ///
    /// # Panics
    /// When the method has a handler already.
    pub fn register_talk<C, F, A, S>(&mut self, handler: F)
    where
        C: StreamCall,
        F: Fn(C, Input) -> A + Send + Sync + 'static,
        A: Future<Output = Result<(C::Head, S), Error>> + Send + 'static,
        S: Stream<Item = Result<Bytes, Error>> + Send + 'static,
    {
        self.add_stream::<C, F, A, S>(handler, true);
    }

    fn add_stream<C, F, A, S>(&mut self, handler: F, takes_input: bool)
    where
        C: StreamCall,
        F: Fn(C, Input) -> A + Send + Sync + 'static,
        A: Future<Output = Result<(C::Head, S), Error>> + Send + 'static,
        S: Stream<Item = Result<Bytes, Error>> + Send + 'static,
    {
        let opener: Opener = Box::new(move |body, input| match decode::<C>(&body) {
            Err(error) => Box::pin(std::future::ready(Err(error))),
            Ok(call) => {
                let opening = handler(call, input);
                Box::pin(async move {
                    let (head, pieces) = opening.await?;
                    Ok((encode(&head)?, pieces.boxed()))
                })
            }
        });
        self.insert(C::METHOD, Method::Stream { opener, takes_input });
    }

    /// Agents of other regions may not call methods that begin so.
    pub fn home_only(&mut self, beginning: &'static str) {
        self.home.push(beginning);
    }

    fn add<C, F, A>(&mut self, handler: F, patience: Patience)
    where
        C: Call,
        F: Fn(C) -> A + Send + Sync + 'static,
        A: Future<Output = Result<C::Answer, Error>> + Send + 'static,
    {
        let handler: Handler<Bytes> = Box::new(move |body| match decode::<C>(&body) {
            Err(error) => Box::pin(std::future::ready(Err(error))),
            Ok(call) => {
                let answering = handler(call);
                Box::pin(async move { encode(&answering.await?) })
            }
        });
        self.insert(C::METHOD, Method::Answer(handler, patience));
    }

    fn insert(&mut self, name: &'static str, method: Method) {
        let before = self.methods.insert(name, method);
        assert!(before.is_none(), "two handlers for {name}");
    }

    pub(super) fn knows(&self, method: &str) -> bool {
        self.methods.contains_key(method)
    }

    /// Whether callers of this stream may send pieces of their own.
    pub(super) fn takes_input(&self, method: &str) -> bool {
        matches!(self.methods.get(method), Some(Method::Stream { takes_input: true, .. }))
    }

    pub(super) fn is_home_only(&self, method: &str) -> bool {
        self.home.iter().any(|beginning| method.starts_with(beginning))
    }

    pub async fn answer(&self, method: &str, deadline: Duration, body: Bytes) -> Result<Bytes, Error> {
        let (handler, patience) = match self.methods.get(method) {
            Some(Method::Answer(handler, patience)) => (handler, patience),
            Some(Method::Stream { .. }) => {
                return Err(Error::new(ErrorKind::Invalid, format!("{method} is a stream")));
            }
            None => return Err(unknown(method)),
        };
        let places = match patience {
            Patience::Short => Some(&self.short),
            Patience::Long => Some(&self.long),
            Patience::None => None,
        };
        let Ok(_place) = places.map(|places| places.try_acquire()).transpose() else {
            return Err(overloaded());
        };
        in_time(method, deadline, async { handler(body).await }).await
    }

    pub(super) async fn open(
        &self,
        method: &str,
        deadline: Duration,
        body: Bytes,
        input: Input,
    ) -> Result<Pouring, Error> {
        let opener = match self.methods.get(method) {
            Some(Method::Stream { opener, .. }) => opener,
            Some(Method::Answer(..)) => {
                return Err(Error::new(ErrorKind::Invalid, format!("{method} is not a stream")));
            }
            None => return Err(unknown(method)),
        };
        let Ok(place) = self.long.clone().try_acquire_owned() else {
            return Err(overloaded());
        };
        let (head, pieces) = in_time(method, deadline, async { opener(body, input).await }).await?;
        Ok(Pouring { head, pieces, _place: place })
    }
}

impl Pouring {
    pub(super) async fn next(&mut self, method: &str) -> Option<Result<Bytes, Error>> {
        AssertUnwindSafe(self.pieces.next()).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(method, "a stream panicked");
            Some(Err(Error::of_panic(method)))
        })
    }
}

async fn in_time<T>(
    method: &str,
    deadline: Duration,
    answering: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(deadline, AssertUnwindSafe(answering).catch_unwind()).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => {
            tracing::error!(method, "the handler of a call panicked");
            Err(Error::of_panic(method))
        }
        Err(_) => Err(Error::new(ErrorKind::Unknown, format!("{method} was not done in time"))),
    }
}

fn unknown(method: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("this agent has no method {method}"))
}

fn overloaded() -> Error {
    Error::new(ErrorKind::Overloaded, "too many calls are being answered")
}

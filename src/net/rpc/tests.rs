mod bad_input; // garbage, strangers, limits
mod hello; // who talks to whom
mod streams; // heads and pieces
mod talks; // pieces in both directions

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Deserialize;
use tokio::{net::TcpListener, sync::Notify};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Serialize, Deserialize)]
struct Double(u64);

impl Call for Double {
    const METHOD: &'static str = "Test.Double";
    type Answer = u64;
}

/// Answers as told.
#[derive(Debug, Serialize, Deserialize)]
enum Behave {
    Fail,
    Panic,
    Wait,
    Huge,
}

impl Call for Behave {
    const METHOD: &'static str = "Test.Behave";
    type Answer = String;
}

#[derive(Debug, Serialize, Deserialize)]
struct Missing;

impl Call for Missing {
    const METHOD: &'static str = "Test.Missing";
    type Answer = ();
}

/// For the own region only.
#[derive(Debug, Serialize, Deserialize)]
struct Home;

impl Call for Home {
    const METHOD: &'static str = "Test.Home";
    type Answer = ();
}

#[derive(Default)]
struct Seen {
    waiting: AtomicUsize,
    /// Pieces that streams were asked for.
    poured: AtomicUsize,
    ended: AtomicUsize,
    changed: Notify,
}

impl Seen {
    async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                if holds(self) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("in time");
    }
}

struct Waiting(Arc<Seen>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}

struct TestServer {
    address: SocketAddr,
    seen: Arc<Seen>,
    counters: Arc<Counters>,
    stop: CancellationToken,
    _stop_at_end: DropGuard,
    served: tokio::task::JoinHandle<()>,
}

async fn server_on(address: &str) -> TestServer {
    server_as(address, ServeConfig::default()).await
}

async fn server_as(address: &str, config: ServeConfig) -> TestServer {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Seen::default());
    let mut router = Router::new(8, 2);
    router.register(|call: Double| async move {
        tokio::task::yield_now().await;
        Ok(call.0 * 2)
    });
    let behaving = seen.clone();
    router.register_waiting(move |call: Behave| {
        let seen = behaving.clone();
        async move {
            match call {
                Behave::Fail => Err(Error::new(ErrorKind::Conflict, "as you wish")),
                Behave::Panic => panic!("as you wish"),
                Behave::Huge => Ok("x".repeat(MAX_FRAME)),
                Behave::Wait => {
                    let _waiting = Waiting(seen.clone());
                    seen.waiting.fetch_add(1, Ordering::SeqCst);
                    seen.changed.notify_waiters();
                    std::future::pending().await
                }
            }
        }
    });
    let abroad = seen.clone();
    router.register_urgent(move |_: Home| {
        abroad.waiting.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Ok(()))
    });
    let poured = seen.clone();
    router.register_stream(move |call: streams::Pour| std::future::ready(call.pour(&poured)));
    let echoed = seen.clone();
    router.register_talk(move |call: talks::Echo, input| {
        std::future::ready(Ok(((), call.answer(input, &echoed))))
    });
    let stop = CancellationToken::new();
    let counters = config.counters.clone();
    let served = tokio::spawn(serve_as(listener, Arc::new(router), config, stop.clone()));
    TestServer { address, seen, counters, stop: stop.clone(), _stop_at_end: stop.drop_guard(), served }
}

async fn server() -> TestServer {
    server_on("127.0.0.1:0").await
}

fn client(address: SocketAddr) -> Client {
    let first_backoff = Duration::from_millis(5);
    Client::new(address.to_string(), ClientConfig { first_backoff, ..ClientConfig::default() })
}

#[tokio::test]
async fn calls_are_answered_each_with_its_own() {
    let server = server().await;
    let client = client(server.address);
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..8 {
        let client = client.clone();
        calls.spawn(async move {
            for round in 0..50 {
                let n = n * 1000 + round;
                assert_eq!(client.call(&Double(n), PATIENCE).await.unwrap(), 2 * n);
            }
        });
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap();
    }
}

#[tokio::test]
async fn failures_have_their_kind() {
    let server = server().await;
    let client = client(server.address);
    let fail = client.call(&Behave::Fail, PATIENCE).await.unwrap_err();
    assert_eq!(fail, Error::new(ErrorKind::Conflict, "as you wish"));
    assert_eq!(client.call(&Behave::Panic, PATIENCE).await.unwrap_err().kind, ErrorKind::Internal);
    assert_eq!(client.call(&Behave::Huge, PATIENCE).await.unwrap_err().kind, ErrorKind::Internal);
    let missing = client.call(&Missing, PATIENCE).await.unwrap_err();
    assert_eq!(missing.kind, ErrorKind::NotFound);
    assert!(missing.message.contains("Test.Missing"));
    assert_eq!(client.call(&Double(1), PATIENCE).await.unwrap(), 2, "and all on one connection");
    for kind in [ErrorKind::NotFound, ErrorKind::Unknown, ErrorKind::Internal, ErrorKind::NoLeader] {
        assert_eq!(ErrorKind::of_name(kind.name()), kind);
    }
    assert_eq!(ErrorKind::of_name("of the future"), ErrorKind::Internal);
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = client(address).call(&Double(1), PATIENCE).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.message.contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn a_lost_connection_leaves_the_outcome_unknown_and_is_made_again() {
    let server = server().await;
    let client = client(server.address);
    let asking = tokio::spawn({
        let client = client.clone();
        async move { client.call(&Behave::Wait, PATIENCE).await }
    });
    server.seen.until(|seen| seen.waiting.load(Ordering::SeqCst) == 1).await;
    server.stop.cancel();
    server.served.await.unwrap();
    assert_eq!(asking.await.unwrap().unwrap_err().kind, ErrorKind::Unknown);

    let down = client.call(&Double(1), Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(down.kind, ErrorKind::Unreachable);
    let _server = server_on(&server.address.to_string()).await;
    assert_eq!(client.call(&Double(4), PATIENCE).await.unwrap(), 8);
}

#[tokio::test]
async fn an_abandoned_call_ends_on_the_other_side() {
    let server = server().await;
    let client = client(server.address);
    // The caller stops waiting.
    let asking = tokio::spawn({
        let client = client.clone();
        async move { client.call(&Behave::Wait, PATIENCE).await }
    });
    server.seen.until(|seen| seen.waiting.load(Ordering::SeqCst) == 1).await;
    asking.abort();
    server.seen.until(|seen| seen.ended.load(Ordering::SeqCst) == 1).await;
    // Its time is over.
    let late = client.call(&Behave::Wait, Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(late.kind, ErrorKind::Unknown);
    server.seen.until(|seen| seen.ended.load(Ordering::SeqCst) == 2).await;
    // The caller's machine is gone.
    let asking = tokio::spawn({
        let client = self::client(server.address);
        async move { client.call(&Behave::Wait, PATIENCE).await }
    });
    server.seen.until(|seen| seen.waiting.load(Ordering::SeqCst) == 3).await;
    asking.abort();
    server.seen.until(|seen| seen.ended.load(Ordering::SeqCst) == 3).await;
    assert_eq!(client.call(&Double(1), PATIENCE).await.unwrap(), 2);
}

#[tokio::test]
async fn too_many_calls_are_refused() {
    let server = server().await;
    let client = client(server.address);
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let client = client.clone();
        waiting.spawn(async move { client.call(&Behave::Wait, PATIENCE).await });
    }
    server.seen.until(|seen| seen.waiting.load(Ordering::SeqCst) == 2).await;
    assert_eq!(client.call(&Behave::Fail, PATIENCE).await.unwrap_err().kind, ErrorKind::Overloaded);
    assert_eq!(client.call(&Double(1), PATIENCE).await.unwrap(), 2, "ordinary calls have their own places");
    waiting.abort_all();
    server.seen.until(|seen| seen.ended.load(Ordering::SeqCst) == 2).await;
}

#[tokio::test]
async fn a_message_that_is_too_long_is_never_sent() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Long(String);
    impl Call for Long {
        const METHOD: &'static str = "Test.Double";
        type Answer = u64;
    }
    let server = server().await;
    let client = client(server.address);
    let error = client.call(&Long("x".repeat(MAX_FRAME)), PATIENCE).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert_eq!(client.call(&Double(1), PATIENCE).await.unwrap(), 2);
}

/// A peer that takes everything and says nothing, like a machine that lost its network.
#[tokio::test]
async fn a_silent_peer_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silence = Duration::from_millis(30);
    let address = listener.local_addr().unwrap().to_string();
    let client = Client::new(address, ClientConfig { silence, ..ClientConfig::default() });
    let began = Instant::now();
    let asking = tokio::spawn(async move { client.call(&Double(1), Duration::from_secs(3600)).await });
    let (mut silent, _) = listener.accept().await.unwrap();
    bad_input::say_hello(&mut silent).await;
    let error = tokio::time::timeout(PATIENCE, asking).await.expect("an end").unwrap().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unknown);
    assert!(began.elapsed() >= silence);
}

/// Waiting calls outlive the silence limit as long as the other side is alive.
#[tokio::test]
async fn a_living_peer_may_be_slow() {
    let server = server().await;
    let silence = Duration::from_millis(200);
    let client = Client::new(server.address.to_string(), ClientConfig { silence, ..ClientConfig::default() });
    let error = client.call(&Behave::Wait, Duration::from_millis(900)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unknown);
    assert!(!error.message.contains("lost"), "{error}");
    assert_eq!(server.seen.waiting.load(Ordering::SeqCst), 1);
}

/// Not a test: prints how many calls a second go over one connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, for people"]
#[expect(clippy::print_stderr, reason = "its output is its purpose")]
async fn measure() {
    let server = server().await;
    let client = client(server.address);
    for callers in [1, 8] {
        let began = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..callers {
            let client = client.clone();
            tasks.spawn(async move {
                let mut calls = 0;
                while began.elapsed() < Duration::from_secs(2) {
                    client.call(&Double(1), PATIENCE).await.unwrap();
                    calls += 1;
                }
                calls
            });
        }
        let mut total = 0;
        while let Some(calls) = tasks.join_next().await {
            total += calls.unwrap();
        }
        eprintln!("{callers} callers: {:.0} calls/s", f64::from(total) / began.elapsed().as_secs_f64());
    }
}

use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;
use crate::net::rpc::serve;

#[derive(Debug, Serialize, Deserialize)]
struct Add(u64, u64);

impl Call for Add {
    const METHOD: &'static str = "Test.Add";
    type Answer = u64;
}

struct Nowhere;

impl Whereabouts for Nowhere {
    fn servers(&self) -> Vec<String> {
        Vec::new()
    }

    fn region(&self, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn node(&self, _: NodeId) -> Option<String> {
        None
    }
}

struct Server {
    address: String,
    leadership: watch::Sender<Leadership>,
    _stop: DropGuard,
}

fn carrier() -> (Carrier, watch::Sender<Leadership>) {
    let (tell, leadership) = watch::channel(Leadership::default());
    (Carrier::new(Arc::new(Nowhere), leadership, ClientConfig::default()), tell)
}

/// Adds if it leads.
async fn server() -> Server {
    let (carrier, leadership) = carrier();
    let mut router = Router::new(64, 64);
    let mut methods = LeaderMethods::new(carrier);
    methods.register(&mut router, HOLD, |Add(a, b): Add| async move { Ok(a + b) });
    methods.finish(&mut router);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stop = CancellationToken::new();
    tokio::spawn(serve(listener, Arc::new(router), stop.clone()));
    Server { address, leadership, _stop: stop.drop_guard() }
}

fn led_by(address: &str, is_leader: bool) -> Leadership {
    Leadership { is_leader, term: 1, leader_address: Some(address.into()) }
}

#[tokio::test]
async fn any_server_passes_on_to_the_leader() {
    let (leader, follower) = (server().await, server().await);
    leader.leadership.send_replace(led_by(&leader.address, true));
    follower.leadership.send_replace(led_by(&leader.address, false));
    let (outside, _) = carrier();
    for server in [&leader, &follower] {
        let remote = outside.remote::<Add>(To::Address(server.address.clone()));
        assert_eq!(remote.ask(&Add(2, 3), HOLD).await.unwrap(), 5);
    }
}

#[tokio::test]
async fn two_that_take_each_other_for_the_leader_do_not_play_ball() {
    let (one, other) = (server().await, server().await);
    one.leadership.send_replace(led_by(&other.address, false));
    other.leadership.send_replace(led_by(&one.address, false));
    let (outside, _) = carrier();
    let remote = outside.remote::<Add>(To::Address(one.address.clone()));
    let asked = tokio::spawn(async move { remote.ask(&Add(2, 3), HOLD).await });
    // Whoever is elected in the end carries it out.
    other.leadership.send_replace(led_by(&other.address, true));
    assert_eq!(asked.await.unwrap().unwrap(), 5);
}

#[tokio::test]
async fn a_message_waits_for_an_election() {
    let leader = server().await;
    leader.leadership.send_replace(led_by(&leader.address, true));
    let (waiting, tell) = carrier();
    let remote = waiting.remote::<Add>(To::Leader);
    let asked = tokio::spawn(async move { remote.ask(&Add(1, 1), HOLD).await });
    tokio::task::yield_now().await;
    tell.send_replace(led_by(&leader.address, false));
    assert_eq!(asked.await.unwrap().unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_leader_nothing_is_done() {
    let (alone, _tell) = carrier();
    let error = alone.remote::<Add>(To::Leader).ask(&Add(1, 1), HOLD).await.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::NoLeader, "No cluster leader"));
    let nobody = alone.remote::<Add>(To::Server).ask(&Add(1, 1), HOLD).await.unwrap_err();
    assert_eq!(nobody.kind, ErrorKind::Unreachable);
}

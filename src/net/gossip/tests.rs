use std::net::Ipv4Addr;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn quick() -> Pace {
    Pace {
        probe_every: Duration::from_millis(60),
        probe_timeout: Duration::from_millis(25),
        suspicion: 3,
        gossip_every: Duration::from_millis(15),
        repeat_every: Duration::from_millis(200),
        forget_after: Duration::from_secs(3600),
    }
}

async fn member(node: u128) -> Gossip {
    let config = Config {
        node,
        bind: (Ipv4Addr::LOCALHOST, 0).into(),
        advertise: None,
        started: 1,
        tags: Tags { name: format!("node-{node}"), role: "server".into(), ..Tags::default() },
        pace: quick(),
        seed: u64::try_from(node).unwrap(),
    };
    Gossip::start(config, Handle::current()).await.unwrap()
}

async fn until(gossip: &Gossip, what: &str, holds: impl Fn(&[Member]) -> bool) {
    let mut changes = gossip.changes();
    let wait = changes.wait_for(|members| holds(members));
    if tokio::time::timeout(PATIENCE, wait).await.is_err() {
        panic!("not in time: {what}: {:#?}", gossip.members());
    }
}

fn has(members: &[Member], name: &str, status: Status) -> bool {
    members.iter().any(|member| member.name == name && member.status == status)
}

async fn three() -> [Gossip; 3] {
    let all = [member(1).await, member(2).await, member(3).await];
    for gossip in &all[1..] {
        gossip.join(vec![all[0].address()]).await.unwrap();
    }
    for gossip in &all {
        until(gossip, "three members with names", |members| {
            (1..=3).all(|node| has(members, &format!("node-{node}"), Status::Alive))
        })
        .await;
    }
    all
}

#[tokio::test]
async fn members_find_each_other_leave_and_fail() {
    let [one, two, three] = three().await;
    let mut events = one.events();

    three.leave().await;
    for gossip in [&one, &two] {
        until(gossip, "node-3 left", |members| has(members, "node-3", Status::Left)).await;
    }
    assert!(matches!(three.join(Vec::new()).await, Err(Error::Gone)));

    drop(two);
    until(&one, "node-2 failed", |members| has(members, "node-2", Status::Failed)).await;
    assert!(has(&one.members(), "node-3", Status::Left), "left is not failed");

    let mut ended = Vec::new();
    while ended.len() < 2 {
        let event = tokio::time::timeout(PATIENCE, events.recv()).await.expect("in time").unwrap();
        match event {
            Event::Left(member) => ended.push(format!("{} left", member.name)),
            Event::Failed(member) => ended.push(format!("{} failed", member.name)),
            _ => {}
        }
    }
    assert_eq!(ended, ["node-3 left", "node-2 failed"]);
}

#[tokio::test]
async fn new_tags_spread() {
    let [one, two, three] = three().await;
    let tags = Tags { name: "node-1".into(), build: "2.0".into(), ..Tags::default() };
    one.set_tags(tags).await.unwrap();
    for gossip in [&one, &two, &three] {
        until(gossip, "the new tags", |members| {
            members.iter().any(|member| member.node == 1 && member.tags.build == "2.0")
        })
        .await;
    }
    let long = Tags { name: "x".repeat(600), ..Tags::default() };
    assert!(matches!(one.set_tags(long).await, Err(Error::Tags(TagsTooLong { .. }))));
    assert_eq!(one.members()[0].name, "node-1");
}

#[tokio::test]
async fn garbage_is_counted_and_changes_nothing() {
    let [one, _two, _three] = three().await;
    let before = one.members();
    let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let garbage: [&[u8]; 5] = [b"", b"\x01", b"\x01\x94\xc1\xc1", b"GET / HTTP/1.1", &[1; 4000]];
    for datagram in garbage {
        stranger.send_to(datagram, one.address()).await.unwrap();
    }
    let mut counted = one.garbage.clone();
    let wait = counted.wait_for(|count| *count >= garbage.len() as u64);
    tokio::time::timeout(PATIENCE, wait).await.expect("all are counted").unwrap();
    assert_eq!(one.members(), before);
}

#[tokio::test]
async fn a_seed_that_comes_later_is_found() {
    let one = member(1).await;
    let later = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let bind = later.local_addr().unwrap();
    one.join(vec![bind]).await.unwrap();
    let mut first = [0; 2000];
    // It was asked for once, in vain.
    tokio::time::timeout(PATIENCE, later.recv_from(&mut first)).await.expect("asked").unwrap();
    drop(later);
    let config = Config {
        node: 2,
        bind,
        advertise: None,
        started: 1,
        tags: Tags { name: "late".into(), ..Tags::default() },
        pace: quick(),
        seed: 2,
    };
    let _two = Gossip::start(config, Handle::current()).await.unwrap();
    until(&one, "the late one", |members| has(members, "late", Status::Alive)).await;
}

#[tokio::test]
async fn an_address_for_nobody_is_refused() {
    let config = Config {
        node: 1,
        bind: (Ipv4Addr::UNSPECIFIED, 0).into(),
        advertise: None,
        started: 1,
        tags: Tags::default(),
        pace: Pace::lan(),
        seed: 1,
    };
    let error = Gossip::start(config.clone(), Handle::current()).await.unwrap_err();
    assert!(matches!(error, Error::Unspecified(_)));
    let advertise = Some(Ipv4Addr::LOCALHOST.into());
    let gossip = Gossip::start(Config { advertise, ..config.clone() }, Handle::current()).await.unwrap();
    assert!(gossip.address().ip().is_loopback());
    let taken = Config { bind: gossip.address(), ..config };
    let error = Gossip::start(taken, Handle::current()).await.unwrap_err();
    assert!(matches!(error, Error::Bind { .. }), "{error}");
}

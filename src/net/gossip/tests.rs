use std::{net::Ipv4Addr, time::Duration};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn quick() -> Pace {
    Pace {
        probe_every: Duration::from_millis(60),
        probe_timeout: Duration::from_millis(25),
        suspicion: Duration::from_millis(300),
        gossip_every: Duration::from_millis(15),
        repeat_every: Duration::from_millis(200),
        exchange_every: Duration::from_millis(600),
        forget_after: Duration::from_secs(3600),
    }
}

fn config(node: u128) -> Config {
    Config {
        node,
        bind: (Ipv4Addr::LOCALHOST, 0).into(),
        advertise: None,
        started: 1,
        tags: Tags {
            name: format!("node-{node}"),
            role: "server".into(),
            region: "global".into(),
            ..Tags::default()
        },
        lan: quick(),
        wan: None,
        keys: Vec::new(),
        seed: u64::try_from(node).unwrap(),
        known: Vec::new(),
    }
}

async fn member(node: u128) -> Gossip {
    Gossip::start(config(node)).await.unwrap()
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
        let joined = gossip.join(vec![all[0].address()]).await.unwrap();
        assert_eq!(joined, Joined { contacted: 1, failed: Vec::new() });
        assert!(has(&gossip.members(), "node-1", Status::Alive), "heard before the answer");
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
    let mut counted = one.refused.clone();
    let wait = counted.wait_for(|refused| refused.garbage >= garbage.len() as u64);
    tokio::time::timeout(PATIENCE, wait).await.expect("all are counted").unwrap();
    assert_eq!(one.members(), before);
}

#[tokio::test]
async fn a_seed_that_comes_later_is_found() {
    let one = member(1).await;
    let (_, listener) = listen((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let bind = listener.local_addr().unwrap();
    drop(listener);
    let joined = one.join(vec![bind]).await.unwrap();
    assert_eq!((joined.contacted, joined.failed.len()), (0, 1), "{joined:?}");
    let _two = Gossip::start(Config { bind, ..config(2) }).await.unwrap();
    until(&one, "the late one", |members| has(members, "node-2", Status::Alive)).await;
}

#[tokio::test]
async fn an_address_for_nobody_is_refused() {
    let config = Config { bind: (Ipv4Addr::UNSPECIFIED, 0).into(), ..config(1) };
    let error = Gossip::start(config.clone()).await.unwrap_err();
    assert!(matches!(error, Error::Unspecified(_)));
    let advertise = Some((Ipv4Addr::LOCALHOST, 0).into());
    let gossip = Gossip::start(Config { advertise, ..config.clone() }).await.unwrap();
    assert!(gossip.address().ip().is_loopback());
    assert_ne!(gossip.address().port(), 0);
    let taken = Config { bind: gossip.address(), ..config };
    let error = Gossip::start(taken).await.unwrap_err();
    assert!(matches!(error, Error::Bind { .. }), "{error}");
}

fn key(byte: u8) -> Key {
    use base64::{Engine, engine::general_purpose::STANDARD};
    Key::from_base64(&STANDARD.encode([byte; 32])).unwrap()
}

#[test]
fn keys_are_read() {
    assert!(Key::from_base64("cg8StVXbQJ0gPvMd9o7yrg==").is_ok(), "of `nomad operator keygen`");
    assert_eq!(Key::from_base64("no key").unwrap_err(), KeyError::NotBase64);
    assert_eq!(Key::from_base64("AAAA").unwrap_err(), KeyError::Length(3));
    assert_eq!(format!("{:?}", key(1)), "Key(..)");
}

#[tokio::test]
async fn who_has_the_key_takes_part() {
    let one = Gossip::start(Config { keys: vec![key(1)], ..config(1) }).await.unwrap();
    let two = Gossip::start(Config { keys: vec![key(2), key(1)], ..config(2) }).await.unwrap();
    let other = Gossip::start(Config { keys: vec![key(3)], ..config(3) }).await.unwrap();
    let none = member(4).await;
    let joined = other.join(vec![one.address()]).await.unwrap();
    assert_eq!(joined.contacted, 0);
    assert!(joined.failed[0].1.contains("uses another key: set the same `encrypt`"), "{joined:?}");
    let joined = none.join(vec![one.address()]).await.unwrap();
    assert!(joined.failed[0].1.contains("uses a key, and this one does not"), "{joined:?}");
    let joined = one.join(vec![none.address()]).await.unwrap();
    assert!(joined.failed[0].1.contains("uses no key, and this one does"), "{joined:?}");
    // A change of keys under way: all open both, then seal with the new one.
    one.set_keys(vec![key(1), key(2)]).await.unwrap();
    let joined = two.join(vec![one.address()]).await.unwrap();
    assert_eq!(joined.contacted, 1, "{joined:?}");
    until(&one, "the one with the key", |members| has(members, "node-2", Status::Alive)).await;
    one.set_keys(vec![key(2)]).await.unwrap();
    until(&two, "node-1 stays", |members| has(members, "node-1", Status::Alive)).await;
    assert!(one.refused().key > 0, "{:?}", one.refused());
    assert_eq!(one.members().len(), 2);
}

#[tokio::test]
async fn another_region_is_refused_and_says_why() {
    let tags = |node: u128, region: &str| Tags { region: region.into(), ..config(node).tags };
    let west = Gossip::start(Config { tags: tags(1, "west"), ..config(1) }).await.unwrap();
    let east = Gossip::start(Config { tags: tags(2, "east"), ..config(2) }).await.unwrap();
    let joined = east.join(vec![west.address()]).await.unwrap();
    assert!(joined.failed[0].1.contains("it is of region \"west\""), "{joined:?}");
    assert_eq!((east.members().len(), west.members().len()), (1, 1));
}

#[tokio::test]
async fn garbage_over_a_stream_is_counted_and_hung_up_on() {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };
    let one = member(1).await;
    let garbage: [&[u8]; 3] =
        [b"GET / HTTP/1.1\r\n\r\n", b"TS\x01\xff\xff\xff\xff", b"TS\x01\x05\x00\x00\x00abcde"];
    for bytes in garbage {
        let mut stream = TcpStream::connect(one.address()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // Reset or closed, after a word or not.
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "it is hung up");
    }
    let mut counted = one.refused.clone();
    let wait = counted.wait_for(|refused| refused.garbage >= garbage.len() as u64);
    tokio::time::timeout(PATIENCE, wait).await.expect("all are counted").unwrap();
}

#[tokio::test]
async fn members_of_before_are_found_and_the_failed_can_be_dismissed() {
    let [one, two, three] = three().await;
    let known = three.known_members();
    assert_eq!(known.len(), 2);
    drop(three);
    until(&one, "node-3 failed", |members| has(members, "node-3", Status::Failed)).await;
    assert!(matches!(one.force_leave("node-2", false).await, Err(Error::IsAlive(_))));
    one.force_leave("node-3.global", false).await.unwrap();
    for gossip in [&one, &two] {
        until(gossip, "node-3 left", |members| has(members, "node-3", Status::Left)).await;
    }
    let again = Gossip::start(Config { known, started: 1000, ..config(3) }).await.unwrap();
    for gossip in [&one, &two, &again] {
        until(gossip, "all three", |members| {
            (1..=3).all(|node| has(members, &format!("node-{node}"), Status::Alive))
        })
        .await;
    }
}

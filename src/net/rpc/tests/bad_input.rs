use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    super::frame::{Request, Welcome, frame},
    *,
};

/// The called side of the hellos, for peers that misbehave afterwards.
pub(super) async fn say_hello(stream: &mut TcpStream) {
    let mut head = [0; 5];
    stream.read_exact(&mut head).await.unwrap();
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    let mut hello = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut hello).await.unwrap();
    let welcome = Welcome { hello: Identity::default().hello(), refusal: None };
    stream.write_all(&frame(&welcome).unwrap()).await.unwrap();
}

/// The first byte and the hello of a caller.
pub(super) fn hello() -> Vec<u8> {
    let mut bytes = vec![PROTOCOL];
    bytes.extend_from_slice(&frame(&Identity::default().hello()).unwrap());
    bytes
}

/// Sends the bytes, closes, and takes what comes back until the server closes.
pub(super) async fn throw(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut answer = Vec::new();
    let throwing = async {
        // The server may have closed already.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut answer).await;
    };
    tokio::time::timeout(PATIENCE, throwing).await.expect("closed");
    answer
}

/// The connections are gone, and the server works.
async fn is_well(server: &TestServer) {
    let deadline = Instant::now() + PATIENCE;
    while server.counters.read().open > 0 {
        assert!(Instant::now() < deadline, "{:?}", server.counters.read());
        tokio::task::yield_now().await;
    }
    assert_eq!(client(server.address).call(&Double(1), PATIENCE).await.unwrap(), 2);
}

#[tokio::test]
async fn what_is_not_the_protocol_is_counted_and_closed() {
    let server = server().await;
    let after_hello = |bytes: &[u8]| [hello(), bytes.to_vec()].concat();
    let check = async |bytes: &[u8], expected: fn(&mut Counted)| {
        let mut counted = Counted { calls: 0, ..server.counters.read() };
        throw(server.address, bytes).await;
        is_well(&server).await;
        // This connection and the one that looked whether all is well.
        counted.accepted += 2;
        expected(&mut counted);
        let now = server.counters.read();
        assert_eq!(Counted { calls: 0, open: 0, ..now }, Counted { open: 0, ..counted }, "{bytes:?}");
    };
    check(b"GET / HTTP/1.1\r\n\r\n", |counted| counted.wrong_protocol += 1).await;
    check(b"", |_| {}).await;
    check(b"T", |_| {}).await;
    check(b"T\0\0", |counted| counted.truncated += 1).await;
    check(b"T\0\0\x01\0 and the rest never comes", |counted| counted.truncated += 1).await;
    check(b"T\0\x01\0\x01 longer than a hello", |counted| counted.oversized += 1).await;
    check(b"T\xff\xff\xff\xff and so on", |counted| counted.oversized += 1).await;
    check(b"T\0\0\0\x03\xc1\xc1\xc1", |counted| counted.unreadable += 1).await;
    check(&after_hello(b"\x04\0\0\x01"), |counted| counted.oversized += 1).await;
    check(&after_hello(b"\0\0\0\x03\xc1\xc1\xc1"), |counted| counted.unreadable += 1).await;
    check(&after_hello(b"\0\0\0\x09\x81\xa6Unkind\x90"), |counted| counted.unreadable += 1).await;
    check(&after_hello(b"\0\0\x02\0 not all"), |counted| counted.truncated += 1).await;
}

#[tokio::test]
async fn a_caller_that_breaks_the_rules_is_closed() {
    let server = server().await;
    let call = |id| Request::Open {
        id,
        method: "Test.Pour".into(),
        deadline_ms: 60_000,
        credit: u32::MAX,
        body: super::super::frame::encode(&streams::Pour { pieces: 0, length: 0, then: streams::Then::Wait })
            .unwrap(),
    };
    let twice = [call(7), call(7)];
    let greedy = [call(7), Request::Credit { id: 7, credit: u32::MAX }];
    for (n, requests) in [(1, twice), (2, greedy)] {
        let frames = requests.iter().map(|request| frame(request).unwrap().to_vec());
        let bytes = [hello()].into_iter().chain(frames).collect::<Vec<_>>().concat();
        throw(server.address, &bytes).await;
        assert_eq!(server.counters.read().unreadable, n);
    }
    is_well(&server).await;
}

#[tokio::test]
async fn unknown_methods_are_counted() {
    let server = server().await;
    let client = client(server.address);
    for _ in 0..3 {
        assert_eq!(client.call(&Missing, PATIENCE).await.unwrap_err().kind, ErrorKind::NotFound);
    }
    assert_eq!(server.counters.read().unknown_method, 3);
}

/// Whoever answers a caller may be anybody, too.
#[tokio::test]
async fn a_caller_survives_nonsense_as_answer() {
    for answer in
        [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"", b"\0\0\0\x03\xc1\xc1\xc1", b"\0\0\0\x30 short"]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asking = tokio::spawn(async move { client(address).call(&Double(1), PATIENCE).await });
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(answer).await.unwrap();
        drop(stream);
        let error = tokio::time::timeout(PATIENCE, asking).await.expect("an end").unwrap().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
        assert!(error.message.contains(&address.to_string()), "{error}");
    }
}

#[tokio::test]
async fn a_caller_closes_when_a_stream_sends_more_than_it_may() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asking = tokio::spawn(async move {
        let pour = streams::Pour { pieces: 0, length: 0, then: streams::Then::End };
        let (_, mut pieces) = client(address).stream(&pour, PATIENCE).await.unwrap();
        let mut last = None;
        while let Some(piece) = futures::StreamExt::next(&mut pieces).await {
            last = Some(piece);
            tokio::task::yield_now().await;
        }
        last.unwrap().unwrap_err()
    });
    let (mut stream, _) = listener.accept().await.unwrap();
    say_hello(&mut stream).await;
    let piece = |body: Vec<u8>| super::super::frame::Response {
        id: 1,
        body: body.into(),
        failure: None,
        more: true,
        credit: 0,
    };
    stream.write_all(&frame(&piece(rmp_serde::to_vec("head").unwrap())).unwrap()).await.unwrap();
    let flood = frame(&piece(vec![0; 1 << 20])).unwrap();
    while stream.write_all(&flood).await.is_ok() {}
    let error = tokio::time::timeout(PATIENCE, asking).await.expect("an end").unwrap();
    assert_eq!(error.kind, ErrorKind::Unknown);
}

fn nonsense() -> impl Strategy<Value = Vec<u8>> {
    let junk = || prop::collection::vec(any::<u8>(), 0..400);
    let framed =
        junk().prop_map(|bytes| [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat());
    let call = (any::<u64>(), "[a-zA-Z.]{0,20}", any::<u64>(), junk()).prop_map(
        |(id, method, deadline_ms, body)| {
            let method = if method.len() % 2 == 0 { method } else { "Test.Double".into() };
            let open = id % 3 == 0;
            let body = body.into();
            let request = if open {
                Request::Open { id, method: "Test.Pour".into(), deadline_ms, credit: 0, body }
            } else {
                Request::Call { id, method, deadline_ms, body }
            };
            frame(&request).unwrap().to_vec()
        },
    );
    let one = prop_oneof![junk(), framed, call, Just(vec![PROTOCOL]), Just(hello())];
    (any::<bool>(), prop::collection::vec(one, 0..6)).prop_map(|(greets, parts)| {
        let greeting = if greets { hello() } else { Vec::new() };
        [vec![greeting], parts].concat().concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_listener_survives_whatever_is_thrown_at_it(all in prop::collection::vec(nonsense(), 1..8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = server().await;
            futures::future::join_all(all.iter().map(|bytes| throw(server.address, bytes))).await;
            is_well(&server).await;
        });
    }
}

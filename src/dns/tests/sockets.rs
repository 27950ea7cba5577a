//! The server over real sockets, with clients of our own and with `dig`.

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::Stdio,
    time::Duration,
};

use hickory_proto::op::{Edns, MessageType, OpCode, Query};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    runtime::Handle,
    time::timeout,
};

use super::{
    world::{Fixed, Instance, Shown},
    *,
};

/// Far longer than anything here takes: only a failing test waits for it.
const DEADLINE: Duration = Duration::from_secs(20);

fn world() -> World {
    let mut world = World::new();
    world.node(1, "n1", "10.0.0.1");
    world.node(2, "n2", "10.0.0.2");
    world.run(Instance::new(1, "web", "", 8080));
    world.run(Instance::new(2, "web", "", 8081));
    world
}

fn local() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn start(config: DnsConfig, world: &World) -> (DnsServer, SocketAddr) {
    let config = DnsConfig { listen: vec![local()], ..config };
    let server = DnsServer::start(config, Shown::new(world), Fixed::clock(), Handle::current()).unwrap();
    let address = server.addresses()[0];
    (server, address)
}

fn query(id: u16, name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    let mut edns = Edns::new();
    edns.set_max_payload(1232).set_version(0);
    message.set_edns(edns);
    message.to_vec().unwrap()
}

async fn over_udp(server: SocketAddr, packet: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind(local()).await.unwrap();
    socket.send_to(packet, server).await.unwrap();
    let mut buffer = vec![0; 65_535];
    let length = timeout(DEADLINE, socket.recv(&mut buffer)).await.expect("no reply in time").unwrap();
    buffer.truncate(length);
    buffer
}

async fn tcp_exchange(stream: &mut TcpStream, packet: &[u8]) -> Vec<u8> {
    stream.write_all(&(packet.len() as u16).to_be_bytes()).await.unwrap();
    stream.write_all(packet).await.unwrap();
    tcp_reply(stream).await
}

async fn tcp_reply(stream: &mut TcpStream) -> Vec<u8> {
    let length = timeout(DEADLINE, stream.read_u16()).await.expect("no reply in time").unwrap();
    let mut reply = vec![0; usize::from(length)];
    stream.read_exact(&mut reply).await.unwrap();
    reply
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_questions_over_udp() {
    let (server, address) = start(DnsConfig::default(), &world());
    let clients: Vec<_> = (0..4)
        .map(|client| {
            tokio::spawn(async move {
                let socket = UdpSocket::bind(local()).await.unwrap();
                socket.connect(address).await.unwrap();
                let mut buffer = [0; 2048];
                for number in 0..250u16 {
                    let id = client * 1000 + number;
                    let (name, kind) = match number % 3 {
                        0 => ("web.service.consul.", RecordType::SRV),
                        1 => ("n1.node.consul.", RecordType::A),
                        _ => ("nosuch.service.consul.", RecordType::A),
                    };
                    socket.send(&query(id, name, kind)).await.unwrap();
                    let length = timeout(DEADLINE, socket.recv(&mut buffer)).await.unwrap().unwrap();
                    let reply = decode(&buffer[..length]);
                    assert_eq!(reply.metadata.id, id);
                    assert_eq!(reply.answers.len(), [2, 1, 0][usize::from(number % 3)]);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    server.shutdown().await;
    // The port is free again, for both protocols.
    drop(std::net::TcpListener::bind(address).unwrap());
    drop(std::net::UdpSocket::bind(address).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tcp_answers_one_question_after_the_other() {
    let (server, address) = start(DnsConfig::default(), &world());
    let mut stream = TcpStream::connect(address).await.unwrap();
    for id in 1..=20 {
        let reply = tcp_exchange(&mut stream, &query(id, "web.service.consul.", RecordType::SRV)).await;
        let reply = decode(&reply);
        assert_eq!((reply.metadata.id, reply.answers.len()), (id, 2));
    }
    // Several at once, and one in pieces.
    let mut bytes = Vec::new();
    for id in [31, 32, 33] {
        let packet = query(id, "n2.node.consul.", RecordType::A);
        bytes.extend((packet.len() as u16).to_be_bytes());
        bytes.extend(packet);
    }
    let (first, second) = bytes.split_at(bytes.len() - 10);
    stream.write_all(first).await.unwrap();
    assert_eq!(decode(&tcp_reply(&mut stream).await).metadata.id, 31);
    stream.write_all(second).await.unwrap();
    assert_eq!(decode(&tcp_reply(&mut stream).await).metadata.id, 32);
    assert_eq!(decode(&tcp_reply(&mut stream).await).metadata.id, 33);
    server.shutdown().await;
    // The connection ends with the server.
    assert_eq!(timeout(DEADLINE, stream.read(&mut [0; 1])).await.unwrap().unwrap_or(0), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_does_no_harm() {
    let (server, address) = start(DnsConfig::default(), &world());
    let socket = UdpSocket::bind(local()).await.unwrap();
    for length in 0..200usize {
        let packet: Vec<u8> = (0..length).map(|at| (at * 7 + length * 13) as u8 | 0x80).collect();
        socket.send_to(&packet, address).await.unwrap();
    }
    let reply = over_udp(address, &query(7, "web.service.consul.", RecordType::A)).await;
    assert_eq!(decode(&reply).answers.len(), 2);
    // Over TCP: a reply where a question should be ends the connection.
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&[0, 12, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0]).await.unwrap();
    assert_eq!(timeout(DEADLINE, stream.read(&mut [0; 1])).await.unwrap().unwrap(), 0);
    // A malformed question is told so, and the next one answered.
    let mut stream = TcpStream::connect(address).await.unwrap();
    let reply = tcp_exchange(&mut stream, &[1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0]).await;
    assert_eq!(reply[3] & 0x0f, 1);
    let reply = tcp_exchange(&mut stream, &query(8, "web.service.consul.", RecordType::A)).await;
    assert_eq!(decode(&reply).answers.len(), 2);
    server.shutdown().await;
}

#[tokio::test]
async fn a_change_of_the_state_is_seen_by_the_next_question() {
    let mut world = world();
    let shown = Shown::new(&world);
    let config = DnsConfig { listen: vec![local()], ..DnsConfig::default() };
    let server = DnsServer::start(config, shown.clone(), Fixed::clock(), Handle::current()).unwrap();
    let address = server.addresses()[0];
    let packet = query(1, "web.service.consul.", RecordType::SRV);
    assert_eq!(decode(&over_udp(address, &packet).await).answers.len(), 2);
    world.set_status(2, model::NodeStatus::Down);
    shown.show(&world);
    assert_eq!(decode(&over_udp(address, &packet).await).answers.len(), 1);
    server.shutdown().await;
}

#[tokio::test]
async fn an_address_in_use_is_named_with_a_remedy() {
    let (server, address) = start(DnsConfig::default(), &world());
    let config = DnsConfig { listen: vec![address], ..DnsConfig::default() };
    let error =
        DnsServer::start(config, Shown::new(&world()), Fixed::clock(), Handle::current()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    let text = error.to_string();
    assert!(text.contains(&address.to_string()) && text.contains("ports.dns"), "{text}");
    server.shutdown().await;
    // A UDP-only holder of the port is noticed as well.
    let holder = std::net::UdpSocket::bind(local()).unwrap();
    let config = DnsConfig { listen: vec![holder.local_addr().unwrap()], ..DnsConfig::default() };
    let error =
        DnsServer::start(config, Shown::new(&world()), Fixed::clock(), Handle::current()).unwrap_err();
    assert!(error.to_string().contains("(udp)"), "{error}");
    // And asking oneself is no forwarding.
    let free = std::net::TcpListener::bind(local()).unwrap().local_addr().unwrap();
    let config = DnsConfig { listen: vec![free], recursors: vec![free], ..DnsConfig::default() };
    let error =
        DnsServer::start(config, Shown::new(&world()), Fixed::clock(), Handle::current()).unwrap_err();
    assert!(error.to_string().contains("itself"), "{error}");
}

// ---------------------------------------------------------------------------------------------- recursors

/// What a recursor of the tests does with each question.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// One A record, 192.0.2.`last`, after a few packets that must not be taken for the reply.
    Answers(u8),
    Says(ResponseCode),
    Silent,
}

async fn recursor(manner: Manner) -> SocketAddr {
    let tcp = TcpListener::bind(local()).await.unwrap();
    let address = tcp.local_addr().unwrap();
    let udp = UdpSocket::bind(address).await.unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, client)) = udp.recv_from(&mut buffer).await {
            let Some(reply) = recursor_reply(manner, &buffer[..length]) else { continue };
            let mut other_id = reply.clone();
            other_id[0] ^= 0xff;
            let mut other_name = reply.clone();
            other_name[13] ^= 0x02;
            for packet in [&other_id, &other_name, &vec![0; 3], &reply] {
                udp.send_to(packet, client).await.unwrap();
            }
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let length = stream.read_u16().await.unwrap();
            let mut packet = vec![0; usize::from(length)];
            stream.read_exact(&mut packet).await.unwrap();
            let Some(reply) = recursor_reply(manner, &packet) else { continue };
            stream.write_all(&(reply.len() as u16).to_be_bytes()).await.unwrap();
            stream.write_all(&reply).await.unwrap();
        }
    });
    address
}

fn recursor_reply(manner: Manner, packet: &[u8]) -> Option<Vec<u8>> {
    let mut message = decode(packet).into_response();
    match manner {
        Manner::Silent => return None,
        Manner::Says(code) => message.metadata.response_code = code,
        Manner::Answers(last) => {
            let name = message.queries[0].name.clone();
            let data = RData::A(Ipv4Addr::new(192, 0, 2, last).into());
            message.add_answer(Record::from_rdata(name, 60, data));
        }
    }
    Some(message.to_vec().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_others_go_to_the_recursors() {
    use Manner::{Answers, Says, Silent};
    let quick = Duration::from_millis(100);
    let long = DEADLINE;
    for (manners, patience, expected) in [
        (vec![Answers(1), Answers(2)], long, "192.0.2.1"),
        (vec![Says(ResponseCode::NXDomain), Answers(2)], long, "NXDomain"),
        (vec![Says(ResponseCode::ServFail), Answers(2)], long, "192.0.2.2"),
        (vec![Says(ResponseCode::Refused), Says(ResponseCode::ServFail)], long, "ServFail"),
        (vec![Silent, Answers(2)], quick, "192.0.2.2"),
        (vec![Silent], quick, "ServFail"),
        (vec![], long, "Refused"),
    ] {
        let mut recursors = Vec::new();
        for manner in manners {
            recursors.push(recursor(manner).await);
        }
        let available = !recursors.is_empty();
        let config = DnsConfig { recursors, recursor_timeout: patience, ..DnsConfig::default() };
        let (server, address) = start(config, &world());
        for transport in [Transport::Udp, Transport::Tcp] {
            for (name, ours) in [("eXample.com.", false), ("web.service.consul.", true)] {
                let packet = query(99, name, RecordType::A);
                let reply = match transport {
                    Transport::Udp => over_udp(address, &packet).await,
                    Transport::Tcp => {
                        let mut stream = TcpStream::connect(address).await.unwrap();
                        tcp_exchange(&mut stream, &packet).await
                    }
                };
                let message = decode(&reply);
                assert_eq!(message.metadata.id, 99);
                assert_eq!(message.metadata.recursion_available, available);
                assert_eq!(reply[12..25], packet[12..25], "the question as it was asked");
                if ours {
                    assert_eq!(message.answers.len(), 2);
                    continue;
                }
                let got = match message.answers.first() {
                    Some(record) => data_text(&record.data),
                    None => format!("{:?}", message.metadata.response_code),
                };
                assert_eq!(got, expected, "{transport:?}");
            }
        }
        // A reverse name that the catalog does not know may be known elsewhere.
        let reply = decode(&over_udp(address, &query(1, "9.9.9.9.in-addr.arpa.", RecordType::PTR)).await);
        assert_eq!(reply.answers.len(), usize::from(expected.starts_with("192.")), "{expected}");
        server.shutdown().await;
    }
}

// ---------------------------------------------------------------------------------------------- dig

/// What `dig` prints, blanks squeezed.
async fn dig(server: SocketAddr, arguments: &[&str]) -> String {
    let output = tokio::process::Command::new("dig")
        .args(["@127.0.0.1", "-p", &server.port().to_string(), "+tries=1", "+time=10"])
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dig_prints_what_it_prints_for_consul() {
    if std::process::Command::new("dig").arg("-v").output().is_err() {
        // Not installed: the other tests speak the protocol too.
        return;
    }
    let (server, address) = start(DnsConfig::default(), &world());
    let srv = dig(address, &["web.service.consul", "SRV"]).await;
    for line in [
        "status: NOERROR",
        ";; flags: qr aa rd; QUERY: 1, ANSWER: 2, AUTHORITY: 0, ADDITIONAL: 5",
        ";; WARNING: recursion requested but not available",
        ";web.service.consul. IN SRV",
        "\nweb.service.consul. 0 IN SRV 1 1 8080 n1.node.dc1.consul.",
        "\nweb.service.consul. 0 IN SRV 1 1 8081 n2.node.dc1.consul.",
        ";; ADDITIONAL SECTION:",
        "\nn1.node.dc1.consul. 0 IN A 10.0.0.1",
        "\nn1.node.dc1.consul. 0 IN TXT \"consul-network-segment=\"",
        "\nn2.node.dc1.consul. 0 IN A 10.0.0.2",
    ] {
        assert!(srv.contains(line), "{line} is not in\n{srv}");
    }
    for (arguments, expected) in [
        (vec!["web.service.consul", "+short"], vec!["10.0.0.1", "10.0.0.2"]),
        (vec!["web.service.consul", "+short", "+tcp"], vec!["10.0.0.1", "10.0.0.2"]),
        (vec!["0a000001.addr.dc1.consul", "+short"], vec!["10.0.0.1"]),
        (vec!["-x", "10.0.0.1", "+short"], vec!["n1.node.dc1.consul."]),
        (vec!["nosuch.service.consul"], vec!["status: NXDOMAIN", "AUTHORITY: 1", "SOA ns.consul."]),
        (vec!["web.service.consul", "AAAA"], vec!["status: NOERROR", "ANSWER: 0, AUTHORITY: 1"]),
        (vec!["example.com"], vec!["status: REFUSED"]),
        (vec!["consul", "SOA", "+short"], vec!["ns.consul. hostmaster.consul."]),
    ] {
        let text = dig(address, &arguments).await;
        for part in expected {
            assert!(text.contains(part), "{part} is not in the answer to {arguments:?}:\n{text}");
        }
    }
    server.shutdown().await;
}

// ---------------------------------------------------------------------------------------------- speed

/// Prints questions per second; server and clients share the machine. Run it in release:
/// `cargo test --release --lib dns -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn questions_per_second() {
    use std::{io::Write, net::UdpSocket, time::Instant};
    const WINDOW: usize = 32;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut world = world();
    for node in 3..=100 {
        world.node(node, &format!("n{node}"), &format!("10.0.0.{node}"));
        world.run(Instance::new(node, "big", "", 80));
    }
    world.run(Instance::new(3, "web", "", 8082));
    let config = DnsConfig { listen: vec![local()], ..DnsConfig::default() };
    let server =
        DnsServer::start(config, Shown::new(&world), Fixed::clock(), runtime.handle().clone()).unwrap();
    for (name, kind) in [
        ("web.service.consul.", RecordType::SRV),
        ("web.service.consul.", RecordType::A),
        ("n1.node.consul.", RecordType::A),
        ("nosuch.service.consul.", RecordType::A),
        ("big.service.consul.", RecordType::A),
    ] {
        let socket = UdpSocket::bind(local()).unwrap();
        socket.connect(server.addresses()[0]).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let packet = query(1, name, kind);
        let mut buffer = [0; 4096];
        for _ in 0..WINDOW {
            socket.send(&packet).unwrap();
        }
        let begin = Instant::now();
        let (mut count, mut size) = (0u32, 0);
        while begin.elapsed() < Duration::from_secs(2) {
            size = socket.recv(&mut buffer).unwrap();
            socket.send(&packet).unwrap();
            count += 1;
        }
        let rate = f64::from(count) / begin.elapsed().as_secs_f64();
        writeln!(std::io::stderr(), "{name} {kind}: {rate:.0}/s, replies of {size} bytes").unwrap();
    }
    runtime.block_on(server.shutdown());
}

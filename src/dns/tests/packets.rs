//! Sizes, cuts and bytes (test list, 5 and 12).

use hickory_proto::op::{Edns, MessageType, OpCode, Query};
use proptest::prelude::*;

use super::{world::Instance, *};

fn query(name: &str, kind: RecordType, edns: Option<u16>) -> Vec<u8> {
    let mut message = Message::new(4242, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    if let Some(size) = edns {
        let mut edns = Edns::new();
        edns.set_max_payload(size).set_version(0);
        message.set_edns(edns);
    }
    message.to_vec().unwrap()
}

fn exchange(world: &World, config: &DnsConfig, packet: &[u8], transport: Transport) -> Vec<u8> {
    let request = match Request::decode(packet, transport, !config.recursors.is_empty()) {
        Ok(request) => request,
        Err(Refused::Reply(reply)) => return reply,
        Err(Refused::Silence) => return Vec::new(),
    };
    let reply = resolver(config.clone()).answer(&request.question, &view(world), 3, NOW);
    request.encode(reply, config)
}

fn many(count: u32) -> World {
    let mut world = World::new();
    for node in 1..=count {
        let [.., high, low] = node.to_be_bytes();
        let address = format!("10.1.{high}.{low}");
        world.node(u128::from(node), &format!("n{node}"), &address);
        world.run(Instance::new(u128::from(node), "web", &address, 80));
    }
    world
}

#[test]
fn how_many_answers_fit() {
    for count in [1, 3, 8, 50, 1000] {
        let world = many(count);
        for kind in [RecordType::A, RecordType::SRV] {
            for (edns, transport, limit) in [
                (None, Transport::Udp, 512),
                (Some(512), Transport::Udp, 512),
                (Some(100), Transport::Udp, 512),
                (Some(1232), Transport::Udp, 1232),
                (Some(4096), Transport::Udp, 4096),
                (None, Transport::Tcp, 65_523),
            ] {
                for truncate in [false, true] {
                    let config = DnsConfig { enable_truncate: truncate, ..DnsConfig::default() };
                    let packet =
                        exchange(&world, &config, &query("web.service.consul.", kind, edns), transport);
                    let message = decode(&packet);
                    let got = message.answers.len() as u32;
                    let case = format!("{count} {kind} {edns:?} {transport:?}: {got}");
                    assert!(packet.len() <= limit, "{case}: {} bytes", packet.len());
                    match (transport, limit, kind) {
                        (Transport::Udp, 512, _) => assert_eq!(got, count.min(3), "{case}"),
                        (Transport::Udp, 4096, RecordType::A) if count <= 50 => {
                            assert_eq!(got, count, "{case}");
                        }
                        (Transport::Udp, ..) => assert!(got >= count.min(8), "{case}"),
                        (Transport::Tcp, _, RecordType::A) => assert_eq!(got, count, "{case}"),
                        (Transport::Tcp, ..) => assert!(got >= count.min(400), "{case}"),
                    }
                    assert_eq!(message.metadata.truncation, truncate && got < count, "{case}");
                    assert_eq!(message.edns.is_some(), edns.is_some(), "{case}");
                    assert!(message.metadata.authoritative && !message.metadata.recursion_available);
                    assert!(message.metadata.recursion_desired);
                    if kind == RecordType::SRV {
                        // Each target has its address, and no address is left without its target.
                        let targets: Vec<Name> = message
                            .answers
                            .iter()
                            .filter_map(|record| match &record.data {
                                RData::SRV(srv) => Some(srv.target.clone()),
                                _ => None,
                            })
                            .collect();
                        let owners: Vec<&Name> = message
                            .additionals
                            .iter()
                            .filter(|record| record.record_type() == RecordType::A)
                            .map(|record| &record.name)
                            .collect();
                        assert_eq!(owners.len(), targets.len(), "{case}");
                        assert!(owners.iter().all(|owner| targets.contains(owner)), "{case}");
                    }
                }
            }
        }
    }
}

#[test]
fn configured_limits() {
    let world = many(12);
    for (a_limit, udp_limit, plain, edns, tcp) in
        [(0, 3, 3, 12, 12), (0, 10, 8, 12, 12), (1, 3, 1, 1, 1), (5, 3, 3, 5, 5)]
    {
        let config =
            DnsConfig { a_record_limit: a_limit, udp_answer_limit: udp_limit, ..DnsConfig::default() };
        let count = |edns, transport| {
            let packet = query("web.service.consul.", RecordType::A, edns);
            decode(&exchange(&world, &config, &packet, transport)).answers.len()
        };
        let got =
            (count(None, Transport::Udp), count(Some(4096), Transport::Udp), count(None, Transport::Tcp));
        assert_eq!(got, (plain, edns, tcp), "{a_limit} {udp_limit}");
    }
}

#[test]
fn metadata_too_large_for_the_packet_is_left_out_before_the_last_answer_is() {
    let mut world = World::new();
    world.node_with(1, "n1", "10.0.0.1", |node| {
        node.meta.insert("key".into(), "x".repeat(2000));
    });
    world.run(Instance::new(1, "web", "", 80));
    let config = DnsConfig::default();
    for (name, kind, answers) in [
        ("web.service.consul.", RecordType::SRV, 1),
        ("n1.node.consul.", RecordType::A, 1),
        ("n1.node.consul.", RecordType::TXT, 1),
        ("n1.node.consul.", RecordType::ANY, 1),
    ] {
        let udp = exchange(&world, &config, &query(name, kind, None), Transport::Udp);
        assert!(udp.len() <= 512, "{name} {kind}: {}", udp.len());
        let message = decode(&udp);
        // A text that fits no packet leaves nothing but the advice to come over TCP.
        let hopeless = kind == RecordType::TXT;
        assert_eq!(message.metadata.truncation, hopeless, "{name} {kind}");
        assert_eq!(message.answers.len(), if hopeless { 0 } else { answers }, "{name} {kind}");
        let tcp = decode(&exchange(&world, &config, &query(name, kind, None), Transport::Tcp));
        assert!(
            tcp.answers.iter().chain(&tcp.additionals).any(|record| data_text(&record.data).len() > 2000)
        );
    }
}

#[test]
fn the_question_comes_back_byte_for_byte() {
    let world = many(2);
    let packet = query("wEb.SeRvIcE.cOnSuL.", RecordType::SRV, Some(1232));
    let end = 12 + 20 + 4;
    for disable_compression in [false, true] {
        let config = DnsConfig { disable_compression, ..DnsConfig::default() };
        let reply = exchange(&world, &config, &packet, Transport::Udp);
        assert_eq!(reply[12..end], packet[12..end]);
        assert_eq!(decode(&reply).answers.len(), 2);
    }
    let small = |disable_compression| {
        let config = DnsConfig { disable_compression, ..DnsConfig::default() };
        exchange(&world, &config, &packet, Transport::Udp).len()
    };
    assert!(small(false) < small(true));
}

#[test]
fn the_subnet_option_comes_back_for_everybody() {
    use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsCode, EdnsOption};
    let mut message = Message::new(1, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii("web.service.consul.").unwrap(), RecordType::A));
    let mut edns = Edns::new();
    edns.set_max_payload(1400);
    edns.options_mut().insert(EdnsOption::Subnet(ClientSubnet::new([10, 2, 3, 0].into(), 24, 0)));
    message.set_edns(edns);
    let reply = exchange(&many(1), &DnsConfig::default(), &message.to_vec().unwrap(), Transport::Udp);
    let edns = decode(&reply).edns.unwrap();
    assert_eq!((edns.max_payload(), edns.version()), (1400, 0));
    let Some(EdnsOption::Subnet(subnet)) = edns.option(EdnsCode::Subnet) else { panic!("no subnet") };
    assert_eq!((subnet.source_prefix(), subnet.scope_prefix()), (24, 0));
}

#[test]
fn packets_that_ask_nothing() {
    let world = many(1);
    let config = DnsConfig::default();
    let good = query("web.service.consul.", RecordType::A, None);
    let with = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut packet = good.clone();
        edit(&mut packet);
        exchange(&world, &config, &packet, Transport::Udp)
    };
    // Answers and fragments of headers: silence.
    assert!(with(&|packet| packet[2] |= 0x80).is_empty());
    assert!(with(&|packet| packet.truncate(11)).is_empty());
    assert!(with(&Vec::clear).is_empty());
    for (edit, code) in [
        // Opcodes: STATUS, NOTIFY, UPDATE, one that does not exist.
        (&(|packet: &mut Vec<u8>| packet[2] |= 2 << 3) as &dyn Fn(&mut Vec<u8>), ResponseCode::NotImp),
        (&|packet| packet[2] |= 4 << 3, ResponseCode::NotImp),
        (&|packet| packet[2] |= 5 << 3, ResponseCode::NotImp),
        (&|packet| packet[2] |= 15 << 3, ResponseCode::NotImp),
        // No question, two, or half of one.
        (&|packet| packet[5] = 0, ResponseCode::FormErr),
        (&|packet| packet[5] = 2, ResponseCode::FormErr),
        (&|packet| packet.truncate(20), ResponseCode::FormErr),
        (&|packet| packet[12] = 0xc0, ResponseCode::FormErr),
        // Another class.
        (&|packet| *packet.last_mut().unwrap() = 3, ResponseCode::Refused),
    ] {
        let reply = with(edit);
        assert_eq!(&reply[..2], &good[..2], "id");
        assert_eq!(reply[2] & 0x81, 0x81, "QR and RD");
        assert_eq!(u16::from(reply[3] & 0x0f), u16::from(code));
    }
}

#[test]
fn a_newer_edns_version_is_refused() {
    let mut message = Message::new(1, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii("web.service.consul.").unwrap(), RecordType::A));
    let mut edns = Edns::new();
    edns.set_version(1);
    message.set_edns(edns);
    let reply = exchange(&many(1), &DnsConfig::default(), &message.to_vec().unwrap(), Transport::Udp);
    // The code has eight more bits in the OPT record: BADVERS is 16, of which the header shows 0.
    let message = decode(&reply);
    assert_eq!(u16::from(message.metadata.response_code), 16);
    assert!(message.answers.is_empty() && message.edns.unwrap().version() == 0);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        check_reply(&bytes)?;
    }

    #[test]
    fn damaged_questions_never_panic(
        edns in prop::option::of(any::<u16>()),
        kind in any::<u16>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        cut_it in any::<bool>(),
    ) {
        let mut packet = query("_web._tcp.service.dc1.consul.", RecordType::from(kind), edns);
        for (at, byte) in damage {
            let at = at.index(packet.len());
            packet[at] = byte;
        }
        if cut_it {
            packet.truncate(cut.index(packet.len()));
        }
        check_reply(&packet)?;
    }
}

thread_local! {
    static WORLD: World = many(40);
}

fn check_reply(packet: &[u8]) -> Result<(), TestCaseError> {
    for transport in [Transport::Udp, Transport::Tcp] {
        let limit = Request::decode(packet, transport, false).map_or(512, |request| request.limit());
        let reply = WORLD.with(|world| exchange(world, &DnsConfig::default(), packet, transport));
        prop_assert!(reply.len() <= limit);
        if !reply.is_empty() {
            prop_assert_eq!(&reply[..2], &packet[..2]);
            prop_assert!(reply[2] & 0x80 != 0);
            prop_assert!(Message::from_vec(&reply).is_ok());
        }
    }
    Ok(())
}

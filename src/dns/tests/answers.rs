//! Names, records and codes (test list of the DNS reference, 1 to 9 and 11).

use std::time::Duration;

use model::{CheckStatus, NodeId, NodeStatus};
use proptest::prelude::*;

use super::{world::Instance, *};

/// Two instances of `web` (one tagged), one of `api` on its own address, and one that is ill.
fn world() -> World {
    let mut world = World::new();
    world.node(1, "n1", "10.0.0.1");
    world.node(2, "N2", "10.0.0.2");
    world.run(Instance::new(1, "web", "10.0.0.1", 8080).tags(&["v1.2", "Blue"]));
    world.run(Instance::new(2, "web", "", 8081));
    world.run(Instance::new(2, "web", "10.0.0.2", 8082).status(CheckStatus::Critical));
    world.run(Instance::new(1, "api", "192.168.7.9", 80));
    world
}

#[test]
fn every_form_of_a_name() {
    use RecordType::{A, AAAA, ANY, CNAME, MX, NS, PTR, SRV, TXT};
    let world = world();
    let config = DnsConfig { alt_domain: Some("corp.example.".into()), ..DnsConfig::default() };
    let both = "10.0.0.1 10.0.0.2";
    let srv = "N2.node.dc1.consul.:8081 n1.node.dc1.consul.:8080";
    let meta = "consul-network-segment=";
    for (name, kind, expected) in [
        ("web.service.consul.", A, both),
        ("web.service.consul", A, both),
        ("WEB.Service.CONSUL.", A, both),
        ("web.service.dc1.consul.", A, both),
        ("web.service.DC1.consul.", A, both),
        ("web.service.dc2.consul.", A, "NXDOMAIN"),
        ("web.service.corp.example.", A, both),
        ("web.service.default.ns.dc1.dc.consul.", A, both),
        ("web.service.other.ns.dc1.dc.consul.", A, "NXDOMAIN"),
        ("web.service.a.b.consul.", A, "NXDOMAIN"),
        ("web.service.a.b.c.consul.", A, "NXDOMAIN"),
        ("web.service.consul.", AAAA, "NODATA"),
        ("web.service.consul.", TXT, "NODATA"),
        ("web.service.consul.", MX, "NODATA"),
        ("web.service.consul.", ANY, both),
        ("web.service.consul.", SRV, srv),
        ("nosuch.service.consul.", A, "NXDOMAIN"),
        ("nosuch.service.consul.", SRV, "NXDOMAIN"),
        // Tags.
        ("v1.2.web.service.consul.", A, "10.0.0.1"),
        ("blue.web.service.consul.", A, "10.0.0.1"),
        ("1.2.web.service.consul.", A, "NXDOMAIN"),
        ("_web._tcp.service.consul.", SRV, srv),
        ("_web._tcp.service.consul.", A, both),
        ("_web._blue.service.consul.", SRV, "n1.node.dc1.consul.:8080"),
        ("_web._udp.service.consul.", SRV, "NXDOMAIN"),
        ("_web._tcp.consul.", SRV, srv),
        ("_web._tcp.dc1.consul.", SRV, srv),
        ("_web._tcp.consul.", A, "NXDOMAIN"),
        // Nodes.
        ("n1.node.consul.", A, "10.0.0.1"),
        ("n2.node.dc1.consul.", A, "10.0.0.2"),
        ("n1.node.consul.", AAAA, "NODATA"),
        ("n1.node.consul.", TXT, meta),
        ("n1.node.consul.", ANY, "10.0.0.1 consul-network-segment="),
        ("n1.node.consul.", CNAME, "NODATA"),
        ("n1.node.consul.", SRV, "NODATA"),
        ("n3.node.consul.", A, "NXDOMAIN"),
        ("n1.node.dc2.consul.", A, "NXDOMAIN"),
        // Addresses.
        ("0a000001.addr.dc1.consul.", A, "10.0.0.1"),
        ("0A000001.addr.consul.", A, "10.0.0.1"),
        ("20010db8000000000000000000000001.addr.dc1.consul.", AAAA, "2001:db8::1"),
        ("0a000001.addr.dc1.consul.", AAAA, "NoError with 0 answers"),
        ("0a0001.addr.consul.", A, "NXDOMAIN"),
        ("0a00000g.addr.consul.", A, "NXDOMAIN"),
        ("+a000001.addr.consul.", A, "NXDOMAIN"),
        ("x.0a000001.addr.consul.", A, "NXDOMAIN"),
        // Kinds that nothing can be registered under.
        ("web.query.consul.", A, "NXDOMAIN"),
        ("web.connect.consul.", A, "NXDOMAIN"),
        ("web.virtual.consul.", A, "NXDOMAIN"),
        ("web.ingress.consul.", A, "NXDOMAIN"),
        // Not names at all.
        ("service.consul.", A, "NXDOMAIN"),
        ("node.consul.", A, "NXDOMAIN"),
        ("web.consul.", A, "NXDOMAIN"),
        ("ns.consul.", A, "NXDOMAIN"),
        ("consul.", A, "NODATA"),
        ("consul.", NS, "N2.node.dc1.consul. n1.node.dc1.consul."),
        // Reverse.
        ("1.0.0.10.in-addr.arpa.", PTR, "n1.node.dc1.consul."),
        ("9.7.168.192.IN-ADDR.arpa.", PTR, "api.service.dc1.consul."),
        ("1.0.0.10.in-addr.arpa.", A, "NODATA"),
        ("9.9.9.9.in-addr.arpa.", PTR, "NXDOMAIN"),
        ("0.0.10.in-addr.arpa.", PTR, "NXDOMAIN"),
        ("300.0.0.10.in-addr.arpa.", PTR, "NXDOMAIN"),
        // Elsewhere.
        ("example.com.", A, "Refused with 0 answers"),
        ("notconsul.", A, "Refused with 0 answers"),
        (".", NS, "Refused with 0 answers"),
        // Zone transfers.
        ("consul.", RecordType::AXFR, "NotImp with 0 answers"),
        ("web.service.consul.", RecordType::IXFR, "NotImp with 0 answers"),
    ] {
        let got = ask_with(&config, &world, name, kind);
        assert!(got.eq_ignore_ascii_case(expected), "{name} {kind}: {got}, not {expected}");
    }
}

#[test]
fn agents_are_found_by_name_and_by_what_they_offer() {
    use RecordType::{A, NS, PTR, SRV};
    let mut world = World::new();
    world.agent(7, "s1", "10.0.0.7", false, true);
    world.agent(8, "s2", "10.0.0.8", false, true);
    world.node(1, "c1", "10.0.0.1");
    world.agent(1, "c1", "10.0.0.1", true, true);
    world.run(Instance::new(1, "web", "10.0.0.1", 8080));
    let both = "10.0.0.7 10.0.0.8";
    for (name, kind, expected) in [
        ("s1.node.consul.", A, "10.0.0.7"),
        ("c1.node.consul.", A, "10.0.0.1"),
        ("consul.service.consul.", A, both),
        ("consul.service.consul.", SRV, "s1.node.dc1.consul.:4647 s2.node.dc1.consul.:4647"),
        ("nomad.service.consul.", A, both),
        ("rpc.nomad.service.consul.", SRV, "s1.node.dc1.consul.:4647 s2.node.dc1.consul.:4647"),
        ("_nomad._serf.service.consul.", SRV, "s1.node.dc1.consul.:4648 s2.node.dc1.consul.:4648"),
        ("http.nomad-client.service.consul.", SRV, "c1.node.dc1.consul.:4646"),
        ("rpc.nomad-client.service.consul.", SRV, "NXDOMAIN"),
        ("consul.", NS, "c1.node.dc1.consul. s1.node.dc1.consul. s2.node.dc1.consul."),
        ("7.0.0.10.in-addr.arpa.", PTR, "s1.node.dc1.consul."),
        ("web.service.consul.", A, "10.0.0.1"),
    ] {
        assert_eq!(ask(&world, name, kind), expected, "{name} {kind}");
    }
    // An agent that failed: its name is answered, what it offers is not, nor is what runs there.
    world.agent(7, "s1", "10.0.0.7", false, false);
    world.agent(1, "c1", "10.0.0.1", true, false);
    for (name, expected) in [
        ("s1.node.consul.", "10.0.0.7"),
        ("nomad.service.consul.", "10.0.0.8"),
        ("nomad-client.service.consul.", "NXDOMAIN"),
        ("web.service.consul.", "NXDOMAIN"),
    ] {
        assert_eq!(ask(&world, name, A), expected, "{name}");
    }
    // One that left.
    world.update_agents(vec![], vec![NodeId(7)]);
    assert_eq!(ask(&world, "s1.node.consul.", A), "NXDOMAIN");
    assert_eq!(ask(&world, "7.0.0.10.in-addr.arpa.", PTR), "NXDOMAIN");
}

#[test]
fn a_mirror_answers_as_the_servers_do() {
    let mut world = world();
    world.agent(7, "s1", "10.0.0.7", false, true);
    world.run(Instance::new(1, "Shop", "10.0.0.1", 80));
    let mut mirror = World::new();
    mirror.root = state::Root::default();
    mirror.root.absorb(world.root.catalog().since(None)).unwrap();
    for name in [
        "web.service.consul.",
        "shop.service.consul.",
        "v1.2.web.service.consul.",
        "nomad.service.consul.",
        "n1.node.consul.",
        "s1.node.consul.",
        "1.0.0.10.in-addr.arpa.",
        "9.7.168.192.in-addr.arpa.",
        "consul.",
        "nosuch.service.consul.",
    ] {
        for kind in [RecordType::A, RecordType::SRV, RecordType::TXT, RecordType::PTR, RecordType::NS] {
            assert_eq!(ask(&mirror, name, kind), ask(&world, name, kind), "{name} {kind}");
        }
    }
}

#[test]
fn the_soa_says_what_the_reference_says() {
    let world = world();
    let expected = "ns.consul. hostmaster.consul. 1700000000 3600 600 86400 0";
    assert_eq!(ask(&world, "consul.", RecordType::SOA), expected);
    let reply =
        resolver(DnsConfig::default()).answer(&question("consul.", RecordType::SOA), &view(&world), 1, NOW);
    assert_eq!((reply.authority.len(), reply.additional.len()), (2, 2));
}

#[test]
fn who_counts_as_healthy() {
    let only_passing = DnsConfig { only_passing: true, ..DnsConfig::default() };
    for (status, node, by_default, strictly) in [
        (CheckStatus::Passing, NodeStatus::Ready, true, true),
        (CheckStatus::Warning, NodeStatus::Ready, true, false),
        (CheckStatus::Critical, NodeStatus::Ready, false, false),
        (CheckStatus::Passing, NodeStatus::Down, false, false),
        (CheckStatus::Passing, NodeStatus::Initializing, false, false),
    ] {
        let mut world = World::new();
        world.node(1, "n1", "10.0.0.1");
        world.run(Instance::new(1, "web", "10.0.0.1", 80).status(status));
        world.set_status(1, node);
        let there =
            |config: &DnsConfig| ask_with(config, &world, "web.service.consul.", RecordType::A) == "10.0.0.1";
        assert_eq!(there(&DnsConfig::default()), by_default, "{status:?} on {node:?}");
        assert_eq!(there(&only_passing), strictly, "{status:?} on {node:?}, only passing");
        // A node's own name is answered whatever its state.
        assert_eq!(ask(&world, "n1.node.consul.", RecordType::A), "10.0.0.1");
    }
}

proptest! {
    /// The weight of an instance is the one that the job gave for its state.
    #[test]
    fn srv_weights_follow_the_state(
        instances in prop::collection::vec((any::<u16>(), any::<u16>(), any::<bool>()), 1..6),
    ) {
        let mut world = World::new();
        world.node(1, "n1", "10.0.0.1");
        for (at, (passing, warning, warns)) in instances.iter().enumerate() {
            let status = if *warns { CheckStatus::Warning } else { CheckStatus::Passing };
            let instance = Instance::new(1, "web", "10.0.0.1", 8000 + at as u16);
            world.run(instance.weights(*passing, *warning).status(status));
        }
        let question = question("web.service.consul.", RecordType::SRV);
        let reply = resolver(DnsConfig::default()).answer(&question, &view(&world), 7, NOW);
        let weight = |record: &Record| match &record.data {
            RData::SRV(srv) => (srv.port, srv.weight),
            other => panic!("{other}"),
        };
        let mut told: Vec<(u16, u16)> = reply.answers.iter().map(weight).collect();
        told.sort_unstable();
        let given = instances.iter().enumerate().map(|(at, (passing, warning, warns))| {
            // 0 counts as 1.
            (8000 + at as u16, if *warns { *warning } else { *passing }.max(1))
        });
        prop_assert_eq!(told, given.collect::<Vec<_>>());
    }
}

#[test]
fn a_stopped_allocation_is_gone_at_once() {
    let mut world = World::new();
    world.node(1, "n1", "10.0.0.1");
    let alloc = world.run(Instance::new(1, "web", "10.0.0.1", 80));
    assert_eq!(ask(&world, "web.service.consul.", RecordType::A), "10.0.0.1");
    world.report(alloc, None);
    assert_eq!(ask(&world, "web.service.consul.", RecordType::A), "NXDOMAIN");
}

#[test]
fn names_with_capitals_are_found() {
    let mut world = World::new();
    world.node(1, "LAP-MTL.vasco.com", "10.0.0.1");
    world.run(Instance::new(1, "WebApp", "10.0.0.1", 80));
    world.run(Instance::new(1, "webapp", "10.0.0.1", 81));
    world.run(Instance::new(1, "WEBAPP", "10.0.0.1", 82));
    let target = "LAP-MTL.vasco.com.node.dc1.consul.";
    let all = [80, 81, 82].map(|port| format!("{target}:{port}")).join(" ");
    assert_eq!(ask(&world, "webapp.service.consul.", RecordType::SRV), all);
    assert_eq!(ask(&world, "wEbApP.service.consul.", RecordType::SRV), all);
    assert_eq!(ask(&world, target, RecordType::A), "10.0.0.1");
    let rows = world.root.rows().collect::<Vec<_>>();
    world.root = state::snapshot::restore(rows).unwrap();
    assert_eq!(ask(&world, "webapp.service.consul.", RecordType::SRV), all);
}

#[test]
fn srv_targets() {
    let long = "x".repeat(64);
    for (node_name, node_address, address, target, additional) in [
        ("n1", "10.0.0.1", "", "n1.node.dc1.consul.", "10.0.0.1"),
        ("n1", "10.0.0.1", "10.0.0.1", "n1.node.dc1.consul.", "10.0.0.1"),
        ("n1", "10.0.0.1", "10.9.8.7", "0a090807.addr.dc1.consul.", "10.9.8.7"),
        ("n1", "10.0.0.1", "2001:db8::1", "20010db8000000000000000000000001.addr.dc1.consul.", "2001:db8::1"),
        ("n1", "2001:db8::1", "2001:db8:0::1", "n1.node.dc1.consul.", "2001:db8::1"),
        ("n1", "10.0.0.1", "db.example.com", "db.example.com.", ""),
        ("n.1", "10.0.0.1", "", "n.1.node.dc1.consul.", "10.0.0.1"),
        // Names that do not fit into DNS.
        ("n..1", "10.0.0.1", "", "0a000001.addr.dc1.consul.", "10.0.0.1"),
        ("", "10.0.0.1", "", "0a000001.addr.dc1.consul.", "10.0.0.1"),
        (&long, "10.0.0.1", "", "0a000001.addr.dc1.consul.", "10.0.0.1"),
    ] {
        let mut world = World::new();
        world.node(1, node_name, node_address);
        world.run(Instance::new(1, "web", address, 80));
        let config = DnsConfig { enable_additional_node_meta_txt: false, ..DnsConfig::default() };
        let reply =
            resolver(config).answer(&question("web.service.consul.", RecordType::SRV), &view(&world), 1, NOW);
        assert_eq!(summary(&reply), format!("{target}:80"), "{node_name} {address}");
        assert_eq!(texts(&reply.additional).join(" "), additional, "{node_name} {address}");
        assert!(reply.additional.iter().all(|record| record.name.to_ascii() == target));
        // Whoever does not read the additional section asks for the target.
        if !additional.is_empty() {
            let kind = if additional.contains(':') { RecordType::AAAA } else { RecordType::A };
            assert_eq!(ask(&world, target, kind), additional, "{target}");
        }
    }
}

#[test]
fn node_names_with_odd_characters_come_back_as_labels() {
    let mut world = World::new();
    world.node(1, "büro 1_x\\", "10.0.0.1");
    world.run(Instance::new(1, "web", "", 80));
    let reply = resolver(DnsConfig::default()).answer(
        &question("web.service.consul.", RecordType::SRV),
        &view(&world),
        1,
        NOW,
    );
    let RData::SRV(srv) = &reply.answers[0].data else { panic!("no SRV") };
    let question = Question { name: srv.target.clone(), kind: RecordType::A, class: DNSClass::IN };
    let reply = resolver(DnsConfig::default()).answer(&question, &view(&world), 1, NOW);
    assert_eq!(summary(&reply), "10.0.0.1");
    // Not a name for a name server, though.
    assert_eq!(ask(&world, "consul.", RecordType::NS), "NODATA");
}

#[test]
fn srv_has_one_record_per_port_and_the_address_once() {
    let mut world = World::new();
    world.node_with(1, "n1", "10.0.0.1", |node| {
        node.meta = [("a=b", "c"), (" k ", "v"), ("rfc1035-x", "bare")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
    });
    for port in [80, 81, 80] {
        world.run(Instance::new(1, "web", "10.0.0.1", port));
    }
    let reply = resolver(DnsConfig::default()).answer(
        &question("Web.service.consul.", RecordType::SRV),
        &view(&world),
        1,
        NOW,
    );
    assert_eq!(summary(&reply), "n1.node.dc1.consul.:80 n1.node.dc1.consul.:81");
    assert_eq!(
        texts(&reply.additional),
        ["10.0.0.1", "` k` =v", "a`=b=c", "bare", "consul-network-segment="]
    );
    assert!(reply.answers.iter().all(|record| record.name.to_ascii() == "Web.service.consul."));
    assert_eq!(ask(&world, "web.service.consul.", RecordType::A), "10.0.0.1");
}

#[test]
fn host_names_as_addresses_become_aliases() {
    let mut world = World::new();
    world.node(1, "n1", "10.0.0.1");
    world.node(2, "n2", "n1.node.consul");
    world.run(Instance::new(1, "out", "db.example.com", 80));
    world.run(Instance::new(1, "in", "n2.node.consul", 80));
    world.run(Instance::new(1, "loop", "loop.service.consul", 80));
    world.run(Instance::new(1, "ping", "pong.service.consul", 80));
    world.run(Instance::new(1, "pong", "ping.service.consul", 80));
    let a = |name: &str| ask(&world, name, RecordType::A);
    assert_eq!(a("out.service.consul."), "db.example.com.");
    assert_eq!(a("in.service.consul."), "10.0.0.1 n1.node.consul. n2.node.consul.");
    assert_eq!(a("loop.service.consul."), "10.0.0.1");
    assert_eq!(a("ping.service.consul.").split(' ').count(), 4, "{}", a("ping.service.consul."));
}

#[test]
fn datacenters_of_one_cluster_are_told_apart() {
    let mut world = World::new();
    world.node(1, "n1", "10.0.0.1");
    world.node_with(2, "n2", "10.0.0.2", |node| node.datacenter = "Paris".into());
    world.run(Instance::new(1, "web", "", 80));
    world.run(Instance::new(2, "web", "", 80));
    assert_eq!(ask(&world, "web.service.consul.", RecordType::A), "10.0.0.1");
    assert_eq!(ask(&world, "web.service.paris.consul.", RecordType::A), "10.0.0.2");
    assert_eq!(ask(&world, "web.service.paris.consul.", RecordType::SRV), "n2.node.Paris.consul.:80");
    assert_eq!(ask(&world, "n2.node.consul.", RecordType::A), "NXDOMAIN");
    assert_eq!(ask(&world, "n2.node.Paris.consul.", RecordType::A), "10.0.0.2");
}

#[test]
fn of_nodes_with_one_name_the_ready_one_is_meant() {
    let mut world = World::new();
    world.node(1, "n1", "10.0.0.1");
    world.node(2, "n1", "10.0.0.2");
    world.set_status(1, NodeStatus::Down);
    assert_eq!(ask(&world, "n1.node.consul.", RecordType::A), "10.0.0.2");
}

#[test]
fn the_lookup_tables_follow_the_state() {
    let mut world = World::new();
    world.node(1, "n1", "10.0.0.1");
    let cache = Arc::new(ViewCache::default());
    let resolver = resolver(DnsConfig::default());
    let ask = |world: &World, name: &str, kind| {
        let view = CatalogView::new(Arc::new(world.root.clone()), cache.clone());
        summary(&resolver.answer(&question(name, kind), &view, 1, NOW))
    };
    assert_eq!(ask(&world, "n1.node.consul.", RecordType::A), "10.0.0.1");
    assert_eq!(ask(&world, "7.0.0.10.in-addr.arpa.", RecordType::PTR), "NXDOMAIN");
    world.node(1, "n1", "10.0.0.9");
    world.run(Instance::new(1, "web", "10.0.0.7", 80));
    assert_eq!(ask(&world, "n1.node.consul.", RecordType::A), "10.0.0.9");
    assert_eq!(ask(&world, "7.0.0.10.in-addr.arpa.", RecordType::PTR), "web.service.dc1.consul.");
}

#[test]
fn ttls() {
    let secs = Duration::from_secs;
    let mut config = DnsConfig { node_ttl: secs(9), ..DnsConfig::default() };
    let ttl = |config: &DnsConfig, name: &str, kind| {
        let reply = resolver(config.clone()).answer(&question(name, kind), &view(&world()), 1, NOW);
        let mut all: Vec<u32> =
            reply.answers.iter().chain(&reply.additional).map(|record| record.ttl).collect();
        all.dedup();
        assert_eq!(all.len(), 1, "{name} {kind}: {all:?}");
        all[0]
    };
    assert_eq!(ttl(&config, "web.service.consul.", RecordType::A), 0);
    for (key, secs_set) in [("*", 5), ("w*", 6), ("we*", 7), ("web", 8)] {
        config.service_ttl.insert(key.into(), secs(secs_set));
        assert_eq!(ttl(&config, "web.service.consul.", RecordType::SRV), secs_set as u32, "{key}");
    }
    assert_eq!(ttl(&config, "api.service.consul.", RecordType::A), 5);
    assert_eq!(ttl(&config, "n1.node.consul.", RecordType::ANY), 9);
    assert_eq!(ttl(&config, "0a000001.addr.consul.", RecordType::A), 9);
    assert_eq!(ttl(&config, "1.0.0.10.in-addr.arpa.", RecordType::PTR), 0);
}

#[test]
fn the_order_changes_and_every_instance_has_its_turn_in_front() {
    let mut world = World::new();
    world.node(1, "n1", "10.0.0.1");
    for last in 1..=5 {
        world.run(Instance::new(1, "web", &format!("10.1.0.{last}"), 80));
    }
    let resolver = resolver(DnsConfig::default());
    let view = view(&world);
    let mut first = std::collections::BTreeMap::<String, u32>::new();
    for seed in 0..1000 {
        let reply = resolver.answer(&question("web.service.consul.", RecordType::A), &view, seed, NOW);
        *first.entry(data_text(&reply.answers[0].data)).or_default() += 1;
    }
    assert_eq!(first.len(), 5);
    assert!(first.values().all(|count| (130..270).contains(count)), "{first:?}");
}

#[test]
fn settings_that_cannot_be_used_are_refused() {
    for (domain, datacenter, ok) in [
        ("consul", "dc1", true),
        ("a.b.", "dc1", true),
        ("", "dc1", false),
        (".", "dc1", false),
        ("a..b", "dc1", false),
        ("consul", "", false),
    ] {
        let config =
            DnsConfig { domain: domain.into(), datacenter: datacenter.into(), ..DnsConfig::default() };
        assert_eq!(Resolver::new(config).is_ok(), ok, "{domain:?} {datacenter:?}");
    }
}

fn any_name() -> impl Strategy<Value = Name> {
    let known = prop::sample::select(vec![
        "web", "_web", "_tcp", "service", "node", "addr", "n1", "dc1", "consul", "query", "0a000001", "arpa",
        "in-addr", "ip6", "1", "default", "ns", "dc", "",
    ]);
    let label = prop_oneof![
        4 => known.prop_map(|label| label.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..12),
    ];
    (prop::collection::vec(label, 0..7), any::<bool>()).prop_map(|(labels, ours)| {
        let labels: Vec<Vec<u8>> = labels.into_iter().filter(|label| !label.is_empty()).collect();
        let tail = ours.then(|| b"consul".to_vec());
        Name::from_labels(labels.into_iter().chain(tail)).unwrap()
    })
}

proptest! {
    #[test]
    fn arbitrary_names_never_panic_and_stay_in_the_domain(
        name in any_name(),
        kind in any::<u16>().prop_map(RecordType::from),
        common in prop::sample::select(vec![1u16, 28, 33, 255, 16, 12, 2, 6]),
        use_common in any::<bool>(),
        node_name in ".{0,80}",
        seed in any::<u64>(),
    ) {
        let mut world = world();
        world.node(3, &node_name, "10.0.0.3");
        world.run(Instance::new(3, "web", "", 9));
        let kind = if use_common { RecordType::from(common) } else { kind };
        let asked = Question { name: name.clone(), kind, class: DNSClass::IN };
        let reply = resolver(DnsConfig::default()).answer(&asked, &view(&world), seed, NOW);
        let domain = Name::from_ascii("consul.").unwrap();
        for record in &reply.answers {
            prop_assert!(record.name == name, "{} answers {}", record.name, name);
        }
        for record in reply.authority.iter().chain(&reply.additional) {
            prop_assert!(domain.zone_of(&record.name));
        }
        for record in &reply.answers {
            match &record.data {
                RData::SRV(srv) => prop_assert!(domain.zone_of(&srv.target)),
                RData::PTR(ptr) => prop_assert!(domain.zone_of(&ptr.0)),
                _ => {}
            }
        }
        // Whoever is told that there is nothing is told for how long.
        if reply.authoritative && reply.answers.is_empty() && reply.additional.is_empty() {
            prop_assert!(!reply.authority.is_empty());
        }
        let packet = Request::decode(
            &query_bytes(&asked), Transport::Udp, false,
        ).unwrap().encode(reply, &DnsConfig::default());
        prop_assert!(packet.len() <= 512);
    }
}

fn query_bytes(asked: &Question) -> Vec<u8> {
    let mut message = Message::query();
    let mut query = hickory_proto::op::Query::query(asked.name.clone(), asked.kind);
    query.set_query_class(asked.class);
    message.add_query(query);
    message.to_vec().unwrap()
}

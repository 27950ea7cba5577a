//! Agents that do not belong together refuse each other and say why.

use std::{
    io::{Read, Write},
    net::{TcpStream, UdpSocket},
    time::Duration,
};

use crate::{
    cluster::{Cluster, SOON, Writers, server_config, wait_until},
    host::Host,
    net::Net,
};

fn pair(one: &str, other: &str) -> Option<(Net, Host, Host)> {
    let net = Net::new()?;
    let program = crate::program();
    let (mut left, mut right) = (Host::new(&net, "left", &program), Host::new(&net, "right", &program));
    let config = |join: &Host, more: &str| {
        let text = server_config(&[join.address.to_string()])
            .replace("bootstrap_expect = 3", "bootstrap_expect = 1");
        format!("{more}\n{text}")
    };
    let (left_config, right_config) = (config(&right, one), config(&left, other));
    left.agent(&left_config);
    right.agent(&right_config);
    Some((net, left, right))
}

fn members(host: &Host) -> Option<usize> {
    Some(host.get("/v1/agent/members")?["Members"].as_array()?.len())
}

#[test]
fn servers_with_different_keys_refuse_each_other() {
    let key = |byte: u8| {
        // 32 bytes in Base64.
        let text = format!("{}=", String::from_utf8(vec![byte; 42]).unwrap() + "A");
        format!("server {{\n  encrypt = \"{text}\"\n}}")
    };
    let Some((_net, left, right)) = pair(&key(b'B'), &key(b'C')) else { return };
    for host in [&left, &right] {
        wait_until(SOON, "each is a cluster of its own", || {
            host.get("/v1/status/leader").filter(|leader| *leader == host.rpc())
        });
        wait_until(SOON, "the log names the key", || host.log().contains("encrypt").then_some(()));
        assert_eq!(members(host), Some(1), "{}", host.log());
    }
}

#[test]
fn servers_of_different_regions_see_each_other_and_keep_their_logs_apart() {
    let region = |name: &str| format!("region = \"{name}\"");
    let Some((_net, left, right)) = pair(&region("eu"), &region("us")) else { return };
    for host in [&left, &right] {
        wait_until(SOON, "each leads its own region", || {
            host.get("/v1/status/leader").filter(|leader| *leader == host.rpc())
        });
        wait_until(SOON, "they see each other", || (members(host) == Some(2)).then_some(()));
        let peers = host.get("/v1/status/peers").unwrap();
        assert_eq!(peers.as_array().map(Vec::len), Some(1), "{peers}");
    }
    assert!(left.run("nomad server members").contains("us"));
}

/// Numbers that look like chance and are the same in every run.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed * 2 + 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[test]
fn garbage_on_every_port_changes_nothing() {
    let Some(mut cluster) = Cluster::start() else { return };
    let writers = Writers::start(&cluster);
    let running = cluster.processes();
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    for (seed, server) in (0..300).zip(cluster.servers.iter().cycle()) {
        let length = usize::try_from(seed).unwrap() * 7;
        let mut bytes = noise(seed, length);
        // Some of it looks right at first.
        if seed % 3 == 0 && !bytes.is_empty() {
            bytes[0] = b'T';
        }
        for port in [4646, 4647, 8500] {
            let mut stream = TcpStream::connect((server.address, port)).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut answer = Vec::new();
            let ended = stream.read_to_end(&mut answer);
            let slow = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
            assert!(!ended.is_err_and(|error| slow(&error)), "port {port} keeps a connection of garbage");
        }
        for port in [4648, 8600] {
            bytes.truncate(1400);
            socket.send_to(&bytes, (server.address, port)).unwrap();
        }
    }
    let lines = cluster.servers[0].log().matches("a connection of another agent was closed").count();
    assert!(lines <= 1, "one line per peer and minute, not {lines}");
    for server in &mut cluster.servers {
        assert!(server.has_ended().is_none(), "{}", server.log());
    }
    cluster.is_well(writers);
    assert_eq!(cluster.service_runs_once(), running, "no task noticed anything");
}

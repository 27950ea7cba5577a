//! Nodes, servers, and the commands known from Consul.

use serde_json::json;

use super::{fake::Fake, fixtures::*, nomad, run_as};

fn one_node() -> Fake {
    let fake = Fake::start();
    fake.on("PUT /v1/search", &found("nodes", &[NODE]))
        .on(&format!("GET /v1/node/{NODE}"), &node())
        .on(&format!("GET /v1/node/{NODE}/allocations"), &json!([alloc()]))
        .on("GET /v1/agent/self", &json!({ "stats": { "client": { "node_id": NODE } } }))
        .on(
            "GET /v1/client/stats",
            &json!({
                "Memory": { "Total": 16_106_127_360_u64, "Available": 8_589_934_592_u64, "Used": 4_294_967_296_u64, "Free": 1_073_741_824 },
                "CPU": [{ "CPU": "cpu0", "User": 1.5, "System": 0.5, "Idle": 98.0 }],
                "DiskStats": [{
                    "Device": "/dev/sda1", "Mountpoint": "/", "Size": 85_899_345_920_u64, "Used": 21_474_836_480_u64,
                    "Available": 64_424_509_440_u64, "UsedPercent": 25.0, "InodesUsedPercent": 3.25,
                }],
                "AllocDirStats": { "Size": 85_899_345_920_u64, "Used": 21_474_836_480_u64 },
                "Uptime": 93_784, "CPUTicksConsumed": 192.4,
            }),
        );
    fake
}

#[test]
fn the_list_of_nodes() {
    let fake = Fake::start();
    let stub = json!({
        "ID": NODE, "NodePool": "default", "Datacenter": "dc1", "Name": "laptop", "NodeClass": "", "Drain": false, "Address": "127.0.0.1",
        "Version": "0.1.0", "SchedulingEligibility": "eligible", "Status": "ready",
    });
    fake.on("GET /v1/nodes", &json!([stub]))
        .on(&format!("GET /v1/node/{NODE}/allocations"), &json!([alloc()]));
    for line in [&["node", "status"][..], &["node-status"]] {
        insta::assert_snapshot!("node_list", nomad(&fake, line).text());
    }
    insta::assert_snapshot!(
        "node_list_verbose",
        nomad(&fake, &["node", "status", "-verbose", "-allocs"]).text()
    );
    assert_eq!(nomad(&fake, &["node", "status", "-quiet"]).out, format!("{NODE}\n"));
    let none = Fake::start();
    none.on("GET /v1/nodes", &json!([]));
    assert_eq!(nomad(&none, &["node", "status"]).out, "No nodes registered\n");
}

#[test]
fn one_node_in_full() {
    insta::assert_snapshot!("node_status", nomad(&one_node(), &["node", "status", "58b5acd3"]).text());
    insta::assert_snapshot!(
        "node_status_stats",
        nomad(&one_node(), &["node", "status", "-self", "-stats"]).text()
    );
    insta::assert_snapshot!(
        "node_status_short",
        nomad(&one_node(), &["status", "-short", "58b5acd3"]).text()
    );
    insta::assert_snapshot!(
        "node_status_verbose",
        nomad(&one_node(), &["node-status", "-verbose", "58"]).text()
    );
}

#[test]
fn a_server_has_no_node_of_its_own() {
    let fake = Fake::start();
    fake.on("GET /v1/agent/self", &json!({ "stats": {} }));
    assert_eq!(nomad(&fake, &["node", "status", "-self"]).code, 1);
}

#[test]
fn the_servers() {
    let fake = Fake::start();
    let member = |name: &str, address: &str| {
        json!({
            "Name": name, "Addr": address, "Port": 4648, "Status": "alive", "ProtocolCur": 2,
            "Tags": { "build": "0.1.0", "dc": "dc1", "region": "global", "rpc_addr": address, "port": "4647" },
        })
    };
    fake.on(
        "GET /v1/agent/members",
        &json!({ "Members": [member("node-02.global", "10.0.0.5"), member("node-01.global", "10.0.0.4")] }),
    )
    .on("GET /v1/status/leader", &"10.0.0.4:4647")
    .raw("GET /v1/status/leader", 500, b"No cluster leader");
    insta::assert_snapshot!("server_members", nomad(&fake, &["server-members"]).text());
    let ran = nomad(&fake, &["server", "members"]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.err, "\nError determining leaders: Unexpected response code: 500 (No cluster leader)\n");
}

fn consul(fake: &Fake, line: &[&str]) -> super::Ran {
    // Without a scheme, as people write it.
    let address = fake.address.trim_start_matches("http://");
    run_as("consul", &[("CONSUL_HTTP_ADDR", address)], "", line)
}

#[test]
fn consul_members() {
    let fake = Fake::start();
    let member = |name: &str, role: &str, status: u8| {
        json!({
            "Name": name, "Addr": "10.1.1.104", "Port": 8301, "Status": status,
            "Tags": { "role": role, "build": "0.9.3:112c060", "vsn": "2", "dc": "dc1" },
        })
    };
    let members = json!([
        member("goldfish", "node", 4),
        member("server-1", "consul", 1),
        member("server-0", "consul", 1)
    ]);
    fake.on("GET /v1/agent/members", &members);
    insta::assert_snapshot!("consul_members", consul(&fake, &["members"]).text());
    assert_eq!(consul(&fake, &["members", "-status=failed"]).out.lines().count(), 2);
    let none = consul(&fake, &["members", "-status", "left"]);
    assert_eq!(none.text(), "--- exit 2");
    // The same under our own name.
    let ran = run_as("troupe", &[], "", &["members", "-http-addr", &fake.address]);
    assert_eq!(ran.out, consul(&fake, &["members"]).out);
}

#[test]
fn consul_catalog() {
    let fake = Fake::start();
    fake.on("GET /v1/catalog/services", &json!({ "redis": ["cache", "global"], "consul": [] }))
        .on("GET /v1/catalog/datacenters", &json!(["dc1", "dc2"]))
        .on(
            "GET /v1/catalog/nodes",
            &json!([{ "ID": NODE, "Node": "laptop", "Address": "127.0.0.1", "Datacenter": "dc1" }]),
        )
        .on(
            "GET /v1/catalog/node/laptop",
            &json!({ "Node": {}, "Services": { "a": { "Service": "redis", "Tags": null } } }),
        );
    assert_eq!(consul(&fake, &["catalog", "services"]).out, "consul\nredis\n");
    assert_eq!(consul(&fake, &["catalog", "services", "-tags"]).out, "consul\nredis   cache,global\n");
    assert_eq!(consul(&fake, &["catalog", "services", "-node=laptop"]).out, "redis\n");
    assert_eq!(consul(&fake, &["catalog", "datacenters"]).out, "dc1\ndc2\n");
    insta::assert_snapshot!("catalog_nodes", consul(&fake, &["catalog", "nodes"]).text());
}

#[test]
fn consul_info() {
    let fake = Fake::start();
    fake.on(
        "GET /v1/agent/self",
        &json!({ "Stats": { "raft": { "term": "2" }, "agent": { "checks": "1" } } }),
    );
    assert_eq!(consul(&fake, &["info"]).out, "agent:\n\tchecks = 1\nraft:\n\tterm = 2\n");
}

//! The Consul API as its clients see it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actix_web::{
    App,
    body::to_bytes,
    dev::{Service, ServiceResponse},
    http::Method,
    test::{TestRequest, init_service},
};
use async_trait::async_trait;
use model::{CheckStatus, NodeId, NodeStatus};
use serde_json::{Value, json};
use tokio::{sync::watch, time::timeout};

use super::{ConsulAgent, ConsulContext, consul};
use crate::{
    actors::ports::{Joined, Leadership, Member, Members, Peer},
    dns::tests::world::{Instance, Shown, World},
    http::{
        AgentInfo,
        one_server::{OneServer, reader},
    },
};

/// Far longer than anything here takes: only a failing test waits for it.
const DEADLINE: Duration = Duration::from_secs(20);

struct Gossip(Vec<Member>);

#[async_trait]
impl Members for Gossip {
    fn members(&self) -> Vec<Member> {
        self.0.clone()
    }

    async fn join(&self, addresses: Vec<String>) -> Joined {
        let (failed, met): (Vec<String>, Vec<String>) =
            addresses.into_iter().partition(|address| address.starts_with("no"));
        let failed = failed.iter().map(|address| format!("{address}: no answer")).collect();
        Joined { contacted: met.len(), failed }
    }

    async fn force_leave(&self, _: &str, _: bool) -> Result<(), String> {
        Ok(())
    }

    async fn leave(&self) -> Result<(), String> {
        Ok(())
    }
}

/// One answer, taken apart.
#[derive(Debug)]
struct Got {
    status: u16,
    headers: BTreeMap<String, String>,
    text: String,
}

impl Got {
    fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_str(&self.text).unwrap()
    }

    fn index(&self) -> u64 {
        self.headers["x-consul-index"].parse().unwrap()
    }
}

struct Site {
    shown: Arc<Shown>,
    ctx: ConsulContext,
    consensus: Arc<OneServer>,
}

impl Site {
    fn new(world: &World) -> Self {
        Self::with(world, |_| {}, Vec::new())
    }

    fn with(world: &World, edit: impl FnOnce(&mut ConsulAgent), members: Vec<Member>) -> Self {
        let (_, leadership) = watch::channel(Leadership {
            is_leader: true,
            term: 1,
            leader_address: Some("10.0.0.1:4647".into()),
        });
        let mut agent = ConsulAgent {
            name: "n1".into(),
            datacenter: "dc1".into(),
            address: "10.0.0.1".into(),
            version: "1.21.3".into(),
            is_server: true,
            node: Some(NodeId(1)),
            rpc_address: "10.0.0.1:4647".into(),
            dns_port: 8600,
            pretty: false,
            leadership: leadership.clone(),
        };
        edit(&mut agent);
        let shown = Shown::new(world);
        let nomad = AgentInfo {
            name: agent.name.clone(),
            region: "global".into(),
            datacenter: agent.datacenter.clone(),
            version: agent.version.clone(),
            http_address: "10.0.0.1:4646".into(),
            rpc_address: agent.rpc_address.clone(),
            gossip_address: "10.0.0.1:4648".into(),
            is_server: agent.is_server,
            node: agent.node,
            config: serde_json::Map::new(),
            leadership: leadership.clone(),
        };
        let consensus = Arc::new(OneServer::new(leadership));
        let gossip = Arc::new(Gossip(members));
        let nomad = reader(shown.clone(), gossip, consensus.clone(), nomad);
        Self { ctx: ConsulContext::new(nomad, agent, None), shown, consensus }
    }

    async fn call(&self, method: Method, path: &str) -> Got {
        let app = init_service(App::new().configure(consul(self.ctx.clone()))).await;
        let request = TestRequest::default().method(method).uri(path).to_request();
        let response: ServiceResponse = app.call(request).await.unwrap();
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let body = to_bytes(response.into_body()).await.unwrap_or_default();
        Got { status, headers, text: String::from_utf8(body.to_vec()).unwrap() }
    }

    async fn get(&self, path: &str) -> Got {
        timeout(DEADLINE, self.call(Method::GET, path)).await.expect("no answer in time")
    }

    async fn json(&self, path: &str) -> Value {
        self.get(path).await.json()
    }
}

/// `web` on two nodes (one tagged, one ill), and `Api` on the second.
fn world() -> World {
    let mut world = World::new();
    world.node(1, "n1", "10.0.0.1");
    world.node_with(2, "n2", "10.0.0.2", |node| {
        node.meta.insert("rack".into(), "r7".into());
    });
    world.run(Instance::new(1, "web", "10.0.0.1", 8080).tags(&["global", "cache"]));
    world.run(Instance::new(2, "web", "10.0.0.2", 8081).status(CheckStatus::Critical));
    world.run(Instance::new(2, "Api", "", 80).tags(&["v1"]));
    world
}

/// The values under `key` of a list of objects.
fn column(rows: &Value, key: &str) -> Vec<Value> {
    rows.as_array().unwrap().iter().map(|row| row.pointer(key).cloned().unwrap_or_default()).collect()
}

#[actix_web::test]
async fn a_catalog_row_has_every_field_of_the_tutorial() {
    let site = Site::new(&world());
    let rows = site.json("/v1/catalog/service/web").await;
    let row = &rows[0];
    let alloc = "00000000-0000-0000-0000-000000000065";
    let expected = json!({
        "ID": "00000000-0000-0000-0000-000000000001",
        "Node": "n1",
        "Address": "10.0.0.1",
        "Datacenter": "dc1",
        "NodeMeta": {"consul-network-segment": ""},
        "ServiceID": format!("_nomad-task-{alloc}-task-web-http"),
        "ServiceName": "web",
        "ServiceTags": ["global", "cache"],
        "ServiceAddress": "10.0.0.1",
        "ServicePort": 8080,
        "ServiceEnableTagOverride": false,
        "ServiceWeights": {"Passing": 1, "Warning": 1},
        "ServiceMeta": {},
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(row.get(key), Some(value), "{key}");
    }
    for (net, address) in [("lan", "10.0.0.1"), ("wan", "10.0.0.1"), ("lan_ipv4", "10.0.0.1")] {
        assert_eq!(row["TaggedAddresses"][net], address);
    }
    assert!(row["CreateIndex"].as_u64().unwrap() > 0 && row["ModifyIndex"].as_u64().unwrap() > 0);
    assert_eq!(column(&rows, "/ServicePort"), [8080, 8081]);
}

#[actix_web::test]
async fn lists_and_what_they_leave_out() {
    let mut world = world();
    world.node_with(3, "n3", "10.0.0.3", |node| node.datacenter = "paris".into());
    world.run(Instance::new(3, "web", "", 9).tags(&["far"]));
    let site = Site::new(&world);
    for (path, expected) in [
        ("/v1/catalog/services", json!({"Api": ["v1"], "web": ["cache", "global"]})),
        ("/v1/catalog/services?dc=paris", json!({"web": ["far"]})),
        ("/v1/catalog/services?node-meta=rack:r7", json!({"Api": ["v1"], "web": []})),
        ("/v1/catalog/services?node-meta=rack:r8", json!({})),
        ("/v1/catalog/datacenters", json!(["dc1", "paris"])),
        ("/v1/catalog/service/nosuch", json!([])),
        ("/v1/catalog/node/nosuch", json!(null)),
        ("/v1/catalog/node-services/nosuch", json!({"Node": null, "Services": null})),
        ("/v1/health/service/nosuch", json!([])),
        ("/v1/health/node/nosuch", json!([])),
        ("/v1/health/checks/nosuch", json!([])),
        ("/v1/health/state/nosuch", json!([])),
        ("/v1/status/leader", json!("10.0.0.1:4647")),
        ("/v1/status/peers", json!(["10.0.0.1:4647"])),
    ] {
        assert_eq!(site.json(path).await, expected, "{path}");
    }
    for (path, pointer, expected) in [
        ("/v1/catalog/nodes", "/Node", json!(["n1", "n2"])),
        ("/v1/catalog/nodes?dc=PARIS", "/Node", json!(["n3"])),
        ("/v1/catalog/nodes?near=_agent&unknown=1", "/Node", json!(["n1", "n2"])),
        ("/v1/catalog/service/WEB", "/ServicePort", json!([8080, 8081])),
        ("/v1/catalog/service/web?tag=Cache", "/ServicePort", json!([8080])),
        ("/v1/catalog/service/web?tag=cache&tag=v1", "/ServicePort", json!([])),
        ("/v1/catalog/service/web?dc=paris", "/ServicePort", json!([9])),
        ("/v1/catalog/service/api", "/ServiceName", json!(["Api"])),
        ("/v1/health/service/web", "/Service/Port", json!([8080, 8081])),
        ("/v1/health/service/web?passing", "/Service/Port", json!([8080])),
        ("/v1/health/service/web?passing=true", "/Service/Port", json!([8080])),
        ("/v1/health/service/web?passing=false", "/Service/Port", json!([8080, 8081])),
        ("/v1/health/service/web?tag=global", "/Service/Port", json!([8080])),
        ("/v1/health/service/api", "/Node/Meta/rack", json!(["r7"])),
        ("/v1/health/checks/web", "/Status", json!(["passing", "critical"])),
        ("/v1/health/state/critical", "/ServiceName", json!(["web"])),
        ("/v1/health/state/any", "/CheckID", json!(null)),
        ("/v1/health/node/n1", "/Name", json!(["Serf Health Status", "alive"])),
    ] {
        let rows = site.json(path).await;
        if expected.is_null() {
            assert_eq!(rows.as_array().unwrap().len(), 5, "{path}");
        } else {
            assert_eq!(json!(column(&rows, pointer)), expected, "{path}");
        }
    }
}

#[actix_web::test]
async fn a_health_row_holds_the_checks_that_decide() {
    let mut world = world();
    let site = Site::new(&world);
    let entry = &site.json("/v1/health/service/web").await[0];
    assert_eq!(entry["Node"]["Datacenter"], "dc1");
    assert_eq!(entry["Service"]["Weights"], json!({"Passing": 1, "Warning": 1}));
    assert_eq!(column(&entry["Checks"], "/CheckID")[0], "serfHealth");
    let check = &entry["Checks"][1];
    assert_eq!(
        (&check["Status"], &check["Type"], &check["ServiceTags"]),
        (&json!("passing"), &json!("tcp"), &json!(["global", "cache"]))
    );
    // A node that is down takes its instances with it.
    world.set_status(1, NodeStatus::Down);
    site.shown.show(&world);
    assert_eq!(site.json("/v1/health/service/web?passing").await, json!([]));
    let output = site.json("/v1/health/node/n1").await[0]["Output"].clone();
    assert_eq!(output, "Agent not live or unreachable");
}

#[actix_web::test]
async fn what_jobs_say_of_weights_addresses_and_tags_is_shown() {
    let mut world = World::new();
    world.node(1, "n1", "10.0.0.1");
    let mut one = Instance::new(1, "web", "10.0.0.1", 8080)
        .weights(10, 2)
        .tagged("wan", "198.51.100.7:443")
        .tagged("lan_ipv4", "192.168.0.1");
    one.tag_override = true;
    world.run(one);
    let site = Site::new(&world);
    let at = |address: &str, port: u16| json!({"Address": address, "Port": port});
    // Consul's own names are filled in where the job does not use them.
    let tagged = json!({
        "wan": at("198.51.100.7", 443), "lan_ipv4": at("192.168.0.1", 8080), "wan_ipv4": at("10.0.0.1", 8080),
    });
    let weights = json!({"Passing": 10, "Warning": 2});
    let expected = (&tagged, &weights, &json!(true));
    let row = &site.json("/v1/catalog/service/web").await[0];
    assert_eq!(
        (&row["ServiceTaggedAddresses"], &row["ServiceWeights"], &row["ServiceEnableTagOverride"]),
        expected
    );
    let entry = site.json("/v1/health/service/web").await[0]["Service"].clone();
    let node = site.json("/v1/catalog/node/n1").await["Services"].clone();
    let agent = site.json("/v1/agent/services").await;
    let only = |services: Value| services.as_object().unwrap().values().next().unwrap().clone();
    for service in [entry, only(node), only(agent)] {
        assert_eq!(
            (&service["TaggedAddresses"], &service["Weights"], &service["EnableTagOverride"]),
            expected,
            "{service}"
        );
    }
}

#[actix_web::test]
async fn nodes_by_name_and_by_id() {
    let site = Site::new(&world());
    let node = site.json("/v1/catalog/node/N2").await;
    assert_eq!(node["Node"]["Meta"]["rack"], "r7");
    assert_eq!(node["Services"].as_object().unwrap().len(), 2);
    let by_id = site.json("/v1/catalog/node/00000000-0000-0000-0000-000000000002").await;
    assert_eq!(by_id, node);
    // Both ids begin so.
    assert_eq!(site.json("/v1/catalog/node/00000000").await, Value::Null);
    let services = site.json("/v1/catalog/node-services/n2").await["Services"].clone();
    assert_eq!(column(&services, "/Service"), ["Api", "web"]);
}

#[actix_web::test]
async fn the_agent_and_its_own_services() {
    let site = Site::new(&world());
    let itself = site.json("/v1/agent/self").await;
    for (pointer, expected) in [
        ("/Config/Datacenter", json!("dc1")),
        ("/Config/NodeName", json!("n1")),
        ("/Config/Server", json!(true)),
        ("/Config/Version", json!("1.21.3")),
        ("/DebugConfig/DNSPort", json!(8600)),
        ("/Member/Status", json!(1)),
        ("/Member/Tags/build", json!("1.21.3:")),
        ("/Stats/consul/leader", json!("true")),
        ("/Stats/agent/services", json!("1")),
        ("/Meta/consul-network-segment", json!("")),
    ] {
        assert_eq!(itself.pointer(pointer), Some(&expected), "{pointer}");
    }
    let tables = itself.as_object().unwrap();
    assert!(tables.values().all(|table| table.is_object() || table.is_null()), "a map of maps");
    let services = site.json("/v1/agent/services").await;
    let (id, service) = services.as_object().unwrap().iter().next().unwrap();
    assert_eq!((&service["ID"], &service["Service"]), (&json!(id), &json!("web")));
    assert_eq!(services.as_object().unwrap().len(), 1);
    assert_eq!(&site.json(&format!("/v1/agent/service/{id}")).await, service);
    let checks = site.json("/v1/agent/checks").await;
    assert_eq!(checks[format!("service:{id}")]["Name"], "alive");
    let missing = site.get("/v1/agent/service/nosuch").await;
    assert_eq!((missing.status, missing.text.as_str()), (404, "unknown service ID: nosuch"));
}

#[actix_web::test]
async fn members_under_consuls_names() {
    let member = |name: &str, role: &str, status: &str| Member {
        name: name.into(),
        address: "10.0.0.1".into(),
        port: 4648,
        status: status.into(),
        tags: [
            ("role", role),
            ("region", "global"),
            ("dc", "dc1"),
            ("build", "0.1.0"),
            ("rpc_addr", "10.0.0.7"),
            ("port", "4647"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into(),
    };
    let members = vec![member("n2.global", "node", "failed"), member("n1.global", "nomad", "alive")];
    let site = Site::with(&world(), |_| {}, members);
    let rows = site.json("/v1/agent/members").await;
    assert_eq!(column(&rows, "/Name"), ["n1", "n2"]);
    assert_eq!(column(&rows, "/Status"), [1, 4]);
    assert_eq!(column(&rows, "/Tags/role"), ["consul", "node"]);
    assert_eq!(column(&rows, "/Tags/build"), ["0.1.0:", "0.1.0:"]);
    assert_eq!(column(&site.json("/v1/agent/members?wan=1").await, "/Name"), ["n1.dc1"]);
    assert_eq!(site.json("/v1/agent/self").await["Member"]["Port"], 4648);
}

#[actix_web::test]
async fn members_of_other_regions_are_seen_over_the_wide_area() {
    let member = |name: &str, region: &str, role: &str| Member {
        name: format!("{name}.{region}"),
        status: "alive".into(),
        tags: [("role", role), ("region", region), ("dc", region)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        ..Member::default()
    };
    let members = vec![
        member("n1", "global", "nomad"),
        member("c1", "global", "client"),
        member("e1", "europe", "nomad"),
    ];
    let site = Site::with(&world(), |_| {}, members);
    assert_eq!(column(&site.json("/v1/agent/members").await, "/Name"), ["c1", "n1"]);
    assert_eq!(column(&site.json("/v1/agent/members?segment=_all").await, "/Name"), ["c1", "n1"]);
    assert_eq!(column(&site.json("/v1/agent/members?wan=1").await, "/Name"), ["e1.europe", "n1.global"]);
    let stats = &site.json("/v1/agent/self").await["Stats"];
    assert_eq!(stats["serf_lan"]["members"], "2");
    assert_eq!(stats["serf_wan"]["members"], "2");
    assert_eq!(stats["raft"]["num_peers"], "0");
}

#[actix_web::test]
async fn joining_and_leaving() {
    let member = Member { name: "n2.global".into(), status: "failed".into(), ..Member::default() };
    let member = Member { tags: [(String::from("region"), String::from("global"))].into(), ..member };
    let site = Site::with(&world(), |_| {}, vec![member]);
    let put = async |path: &str| {
        let got = site.call(Method::PUT, path).await;
        (got.status, got.text)
    };
    assert_eq!(put("/v1/agent/join/10.0.0.9").await, (200, String::new()));
    assert_eq!(put("/v1/agent/join/10.0.0.9?wan=1").await, (200, String::new()));
    assert_eq!(put("/v1/agent/join/nowhere").await, (500, String::from("nowhere: no answer")));
    assert_eq!(put("/v1/agent/leave").await, (200, String::new()));
    assert_eq!(put("/v1/agent/force-leave/n2").await, (200, String::new()));
    assert_eq!(put("/v1/agent/force-leave/n2.global?prune").await, (200, String::new()));
    let unknown = "agent: No node found with name 'n9'";
    assert_eq!(put("/v1/agent/force-leave/n9").await, (500, String::from(unknown)));
    assert_eq!(put("/v1/agent/reload").await, (200, String::new()));
    let got = site.get("/v1/agent/leave").await;
    assert_eq!((got.status, got.headers["allow"].as_str()), (405, "OPTIONS,PUT"));
}

#[actix_web::test]
async fn servers_in_the_log() {
    let site = Site::new(&world());
    site.consensus.add(Peer {
        id: "s2".into(),
        address: "10.0.0.2:4647".into(),
        voter: true,
        last_index: 10,
        ..Peer::default()
    });
    assert_eq!(site.json("/v1/status/peers").await, json!(["10.0.0.1:4647", "10.0.0.2:4647"]));
    let found = site.json("/v1/operator/raft/configuration").await;
    assert_eq!(found["Index"], 9);
    assert_eq!(column(&found["Servers"], "/Node"), ["(unknown)", "n1.global"]);
    assert_eq!(
        found["Servers"][1],
        json!({
            "ID": "s1", "Node": "n1.global", "Address": "10.0.0.1:4647", "Leader": true, "ProtocolVersion": "3",
            "Voter": true, "LastIndex": 12,
        })
    );
    let got = site.call(Method::POST, "/v1/operator/raft/transfer-leader?id=s2").await;
    assert_eq!(got.json(), json!({"Success": true}));
    assert_eq!(site.consensus.transfers.lock().unwrap().len(), 1);
    for (path, status) in [
        ("/v1/operator/raft/peer", 400),
        ("/v1/operator/raft/peer?id=s2&address=10.0.0.2:4647", 400),
        ("/v1/operator/raft/peer?id=s9", 500),
        ("/v1/operator/raft/peer?address=10.0.0.2:4647", 200),
        ("/v1/operator/raft/peer?address=10.0.0.2:4647", 500),
    ] {
        let got = site.call(Method::DELETE, path).await;
        assert_eq!(got.status, status, "{path}: {}", got.text);
    }
    assert_eq!(site.json("/v1/status/peers").await, json!(["10.0.0.1:4647"]));
}

#[actix_web::test]
async fn autopilot_under_consuls_names() {
    let site = Site::new(&world());
    let config = site.json("/v1/operator/autopilot/configuration").await;
    assert_eq!((&config["RedundancyZoneTag"], &config["MaxTrailingLogs"]), (&json!(""), &json!(250)));
    assert!(config.get("EnableRedundancyZones").is_none());
    assert_eq!(site.json("/v1/operator/autopilot/health").await["Healthy"], true);
    site.consensus.add(Peer { id: "s2".into(), address: "10.0.0.2:4647".into(), ..Peer::default() });
    let got = site.get("/v1/operator/autopilot/health").await;
    assert_eq!(got.status, 429, "{}", got.text);
    let state = site.json("/v1/operator/autopilot/state").await;
    assert_eq!((&state["Healthy"], &state["Leader"]), (&json!(false), &json!("s1")));
    assert_eq!(state["Servers"]["s1"]["Status"], "leader");
    assert_eq!(state["Servers"]["s2"]["Status"], "non-voter");
}

#[actix_web::test]
async fn headers() {
    let site = Site::new(&world());
    let got = site.get("/v1/health/service/web?cached").await;
    for (name, value) in [
        ("x-consul-knownleader", "true"),
        ("x-consul-lastcontact", "0"),
        ("x-consul-effective-consistency", "leader"),
        ("x-consul-default-acl-policy", "allow"),
        ("x-consul-query-backend", "blocking-query"),
        ("x-cache", "MISS"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(got.headers.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(got.index() > 1);
    assert!(!got.text.contains('\n'));
    for path in ["/v1/agent/self", "/v1/catalog/datacenters", "/v1/status/leader"] {
        let got = site.get(path).await;
        assert!(!got.headers.contains_key("x-consul-index"), "{path}");
        assert_eq!(got.headers["x-consul-default-acl-policy"], "allow", "{path}");
    }
    // No index is ever 0.
    assert_eq!(Site::new(&World::new()).get("/v1/catalog/services").await.index(), 1);
}

#[actix_web::test]
async fn pretty_by_parameter_and_in_dev_mode() {
    let site = Site::new(&world());
    assert_eq!(site.get("/v1/catalog/datacenters?pretty").await.text, "[\n    \"dc1\"\n]\n");
    assert_eq!(site.get("/v1/catalog/datacenters").await.text, "[\"dc1\"]");
    let dev = Site::with(&world(), |agent| agent.pretty = true, Vec::new());
    assert_eq!(dev.get("/v1/catalog/datacenters").await.text, "[\n    \"dc1\"\n]\n");
    assert!(dev.get("/v1/catalog/service/web").await.text.starts_with("[\n    {\n        \"ID\": "));
}

#[actix_web::test]
async fn refusals() {
    let site = Site::new(&world());
    let refused = [
        ("GET /v1/catalog/service/", 400, "Missing service name"),
        ("GET /v1/catalog/node/", 400, "Missing node name"),
        ("GET /v1/health/state/", 400, "Missing check state"),
        ("GET /v1/health/service/web?passing=perhaps", 400, "Invalid value for ?passing"),
        ("GET /v1/catalog/service/web?index=x", 400, "Invalid index"),
        ("GET /v1/catalog/service/web?wait=x", 400, "Invalid wait time"),
        ("GET /v1/catalog/nodes?stale&consistent", 400, "Cannot specify ?stale with ?consistent"),
        ("GET /v1/catalog/nodes?dc=nowhere", 500, "No path to datacenter"),
        ("GET /v1/catalog/nodes?ns=other", 400, "Invalid query parameter: \"ns\""),
        ("GET /v1/catalog/nodes?filter=Node==x", 400, "not supported"),
        ("GET /v1/agent/services?filter=x", 400, "not supported"),
        ("GET /v1/acl/tokens", 401, "ACL support disabled"),
        ("GET /v1/kv/a/b", 501, "key-value store"),
        ("PUT /v1/kv/a/b", 501, "key-value store"),
        ("PUT /v1/session/create", 501, "not supported"),
        ("PUT /v1/txn", 501, "not supported"),
        ("PUT /v1/event/fire/x", 501, "not supported"),
        ("GET /v1/query", 501, "not supported"),
        ("PUT /v1/agent/service/register", 501, "`service` blocks"),
        ("PUT /v1/agent/check/pass/x", 501, "not supported"),
        ("PUT /v1/catalog/register", 501, "`service` blocks"),
        ("GET /v1/health/connect/web", 501, "not supported"),
        ("GET /v1/snapshot", 501, "not supported"),
        ("GET /v1/nosuch", 404, "not a recognized HTTP API endpoint\n"),
        ("GET /v1/catalog/nosuch", 404, "not a recognized HTTP API endpoint\n"),
        ("GET /catalog/nodes", 404, "ensure the path starts with '/v1/'\n"),
        ("GET /ui/", 404, "no web UI"),
        ("PUT /v1/catalog/nodes", 405, "method PUT not allowed"),
        ("DELETE /v1/health/service/web", 405, "method DELETE not allowed"),
        ("GET /v1/catalog/service/a%00b", 400, "cannot be printed"),
    ];
    for (request, status, text) in refused {
        let (method, path) = request.split_once(' ').unwrap();
        let got = site.call(method.parse().unwrap(), path).await;
        assert_eq!(got.status, status, "{request}: {}", got.text);
        assert!(got.text.contains(text), "{request}: {}", got.text);
        assert!(got.headers["content-type"].starts_with("text/plain"), "{request}");
        if status == 405 {
            assert_eq!(got.headers["allow"], "OPTIONS,GET");
        }
    }
    let options = site.call(Method::OPTIONS, "/v1/catalog/nodes").await;
    assert_eq!((options.status, options.headers["allow"].as_str()), (200, "OPTIONS,GET"));
    assert_eq!(site.call(Method::HEAD, "/v1/catalog/nodes").await.status, 405);
    assert_eq!(site.get("/").await.status, 200);
    assert_eq!(site.get("/v1/catalog/nodes?ns=default&stale").await.status, 200);
}

/// Runs a blocking query beside a change of the state, and returns the answer.
async fn blocked(site: &Site, path: &str, change: impl FnOnce()) -> Got {
    let query = site.get(path);
    tokio::pin!(query);
    // Polled once, so that it waits before the change comes.
    assert!(futures::poll!(query.as_mut()).is_pending(), "{path} answered at once");
    change();
    query.await
}

#[actix_web::test]
async fn blocking_queries_wake_for_their_service_alone() {
    let mut world = world();
    let site = Site::new(&world);
    let index = site.get("/v1/health/service/web").await.index();
    let path = format!("/v1/health/service/web?index={index}&wait=5m");
    // Another service comes, then one more instance of this one.
    world.run(Instance::new(1, "other", "", 1));
    site.shown.show(&world);
    let got = blocked(&site, &path, || {
        world.run(Instance::new(1, "web", "", 8083));
        site.shown.show(&world);
    })
    .await;
    assert!(got.index() > index);
    assert_eq!(column(&got.json(), "/Service/Port"), [8080, 8081, 8083]);
    // Health of the node counts as well.
    let path = format!("/v1/catalog/service/web?index={}", got.index());
    let got = blocked(&site, &path, || {
        world.set_status(1, NodeStatus::Down);
        site.shown.show(&world);
    })
    .await;
    assert_eq!(got.index(), world.root.index);
    // An older index is answered at once.
    assert_eq!(site.get(&format!("/v1/health/service/web?index={index}")).await.index(), got.index());
}

#[actix_web::test]
async fn blocking_on_a_service_that_is_not_there_yet() {
    let mut world = world();
    let site = Site::new(&world);
    let index = site.get("/v1/health/service/late").await.index();
    assert_eq!(index, 1);
    let mut alloc = None;
    let got = blocked(&site, "/v1/health/service/late?index=1", || {
        alloc = Some(world.run(Instance::new(1, "late", "", 1)));
        site.shown.show(&world);
    })
    .await;
    assert_eq!(got.json().as_array().unwrap().len(), 1);
    let path = format!("/v1/health/service/late?index={}", got.index());
    let gone = blocked(&site, &path, || {
        world.report(alloc.unwrap(), None);
        site.shown.show(&world);
    })
    .await;
    assert!(gone.index() > got.index());
    assert_eq!(gone.json(), json!([]));
}

#[actix_web::test]
async fn a_wait_that_is_up_is_answered_with_what_there_is() {
    let site = Site::new(&world());
    let index = site.get("/v1/catalog/nodes").await.index();
    let got = site.get(&format!("/v1/catalog/nodes?index={index}&wait=20ms")).await;
    assert_eq!((got.status, got.index()), (200, index));
}

#[actix_web::test]
async fn header_names_are_spelled_as_scripts_look_for_them() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let site = Site::new(&world());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = super::serve(site.ctx.clone(), vec![listener], 1).unwrap();
    let handle = server.handle();
    let running = actix_web::rt::spawn(server);
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = b"GET /v1/catalog/service/web HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut text = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut text)).await.unwrap().unwrap();
    for line in [
        "HTTP/1.1 200 OK",
        "X-Consul-Index: ",
        "X-Consul-Knownleader: true",
        "Content-Type: application/json",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    handle.stop(false).await;
    running.await.unwrap().unwrap();
}

#[actix_web::test]
async fn servers_and_clients_are_nodes_with_services_of_their_own() {
    let mut world = world();
    world.agent(7, "s1", "10.0.0.7", false, true);
    world.agent(1, "n1", "10.0.0.1", true, true);
    let site = Site::with(&world, |agent| agent.node = Some(NodeId(7)), Vec::new());
    let nodes = site.json("/v1/catalog/nodes").await;
    assert_eq!(column(&nodes, "/Node"), ["n1", "n2", "s1"]);
    assert_eq!(nodes[2]["Address"], "10.0.0.7");
    assert_eq!(nodes[2]["Meta"], json!({"consul-network-segment": ""}));
    let services = site.json("/v1/catalog/services").await;
    assert_eq!(services["consul"], json!([]));
    assert_eq!(services["nomad"], json!(["http", "rpc", "serf"]));
    assert_eq!(services["nomad-client"], json!(["http"]));
    assert_eq!(services["web"], json!(["cache", "global"]));

    let serf = site.json("/v1/catalog/service/nomad?tag=serf").await;
    assert_eq!(column(&serf, "/ServicePort"), [4648]);
    assert_eq!(serf[0]["ServiceAddress"], "10.0.0.7");
    assert_eq!(serf[0]["ServiceID"], format!("_nomad-server-{}-serf", NodeId(7)));

    let entries = site.json("/v1/health/service/nomad?tag=http&passing").await;
    let checks = &entries[0]["Checks"];
    assert_eq!(column(checks, "/CheckID")[0], "serfHealth");
    assert_eq!(column(checks, "/Name")[1], "Nomad Server HTTP Check");
    assert_eq!(column(checks, "/Status"), ["passing", "passing"]);
    assert_eq!(column(&site.json("/v1/health/service/consul").await, "/Service/Port"), [4647]);

    // Its own services, as the agent shows them: `consul` is the leader's entry.
    let own = site.json("/v1/agent/services").await;
    assert_eq!(own.as_object().unwrap().len(), 3);
    let with_services = site.json("/v1/catalog/node/s1").await;
    assert_eq!(with_services["Services"].as_object().unwrap().len(), 4);
}

#[actix_web::test]
async fn a_failed_agent_is_critical_and_one_that_left_is_not_there() {
    let mut world = world();
    world.agent(7, "s1", "10.0.0.7", false, true);
    world.agent(1, "n1", "10.0.0.1", true, true);
    let site = Site::new(&world);
    let index = site.get("/v1/health/service/web").await.index();
    let path = format!("/v1/health/service/web?index={index}&wait=60s");
    let (waiting, ()) = tokio::join!(site.get(&path), async {
        tokio::task::yield_now().await;
        world.agent(1, "n1", "10.0.0.1", true, false);
        site.shown.show(&world);
    });
    assert!(waiting.index() > index, "whoever waits for a service learns of its machine");
    let critical = site.json("/v1/health/state/critical").await;
    let ids = column(&critical, "/CheckID");
    assert!(ids.contains(&json!("serfHealth")), "{ids:?}");
    assert_eq!(site.json("/v1/health/service/nomad-client?passing").await, json!([]));

    let before = site.get("/v1/catalog/nodes").await.index();
    world.update_agents(vec![], vec![NodeId(7)]);
    site.shown.show(&world);
    let after = site.get("/v1/catalog/nodes").await;
    assert!(after.index() > before);
    assert_eq!(column(&after.json(), "/Node"), ["n1", "n2"]);
    assert_eq!(site.json("/v1/catalog/node/s1").await, Value::Null);
    assert!(site.json("/v1/catalog/services").await.get("nomad").is_none());
}

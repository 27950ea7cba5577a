//! Agents in the catalog, and the catalog of a mirror against the one it follows.

use std::{collections::BTreeMap, sync::Arc};

use model::{
    Agent, AgentStatus, AllocId, AllocUpdate, Capacity, CheckStatus, ClientStatus, Endpoint, EvalId,
    EvalStatus, Evaluation, Job, JobKey, JobType, Node, NodeId, NodeStatus, Placement, Plan, ServiceState,
    Task, TaskGroup, Timestamp, Trigger,
};
use proptest::prelude::*;
use state::{Catalog, Command, Root, ServiceInstance, invariants, mirror::SlimNode, snapshot};

fn agent(id: u128, name: &str) -> Agent {
    let endpoint = |port| Endpoint { address: String::new(), port };
    Agent {
        id: NodeId(id),
        name: name.into(),
        address: format!("10.0.0.{id}"),
        datacenter: "dc1".into(),
        region: "global".into(),
        server: true,
        http: endpoint(4646),
        rpc: endpoint(4647),
        serf: endpoint(4648),
        build: "1.2.3".into(),
        server_service: Agent::SERVER_SERVICE.into(),
        client_service: Agent::CLIENT_SERVICE.into(),
        ..Agent::default()
    }
}

fn node(id: u128, address: &str) -> Node {
    Node {
        id: NodeId(id),
        name: format!("n{id}"),
        datacenter: "dc1".into(),
        address: address.into(),
        capacity: Capacity { cpu_mhz: 100_000, memory_mb: 100_000, disk_mb: 100_000 },
        attributes: BTreeMap::from([("kernel.name".into(), "linux".into())]),
        meta: BTreeMap::from([("rack".into(), "r1".into())]),
        status: NodeStatus::Ready,
        ..Node::default()
    }
}

struct World {
    root: Root,
    index: u64,
}

fn key() -> JobKey {
    JobKey::new("default", "web")
}

impl World {
    fn new() -> Self {
        let mut world = Self { root: Root::default(), index: 0 };
        let group = TaskGroup {
            name: "web".into(),
            count: 1000,
            tasks: vec![Task { name: "web".into(), driver: "mock_driver".into(), ..Task::default() }],
            ..TaskGroup::default()
        };
        let job = Job { id: "web".into(), name: "web".into(), groups: vec![group], ..Job::default() };
        world.apply(Command::RegisterJob {
            job: Box::new(job),
            enforce_index: None,
            eval: None,
            now: Timestamp(1),
        });
        world
    }

    fn apply(&mut self, command: Command) {
        self.index += 1;
        let command = Command::decode(&command.encode()).unwrap();
        self.root.apply(self.index, command);
        invariants::check(&self.root).unwrap();
    }

    fn agents(&mut self, put: Vec<Agent>, gone: Vec<u128>) {
        let gone = gone.into_iter().map(NodeId).collect();
        self.apply(Command::UpdateAgents { put, gone, epoch: None, now: Timestamp(self.index as i64) });
    }

    fn node(&mut self, node: Node) {
        self.apply(Command::RegisterNode { node, evals: vec![], now: Timestamp(1) });
    }

    fn place(&mut self, id: u128, node: u128) {
        let eval = EvalId(id);
        let mut plan = Plan::new(eval, key(), 50, self.root.index, Timestamp(3));
        plan.job_index = self.root.jobs[&key()].job_modify_index;
        plan.placements.push(Placement {
            id: AllocId(id),
            node: NodeId(node),
            group: "web".into(),
            index: id as u32,
            ..Placement::default()
        });
        let mut done = Evaluation::new(eval, key(), JobType::Service, 50, Trigger::JobRegister, Timestamp(3));
        done.status = EvalStatus::Complete;
        self.apply(Command::ApplyPlan { plan: Box::new(plan), evals: vec![done] });
    }

    /// The allocation runs with a service of that name, or (`None`) ended.
    fn report(&mut self, id: u128, service: Option<(&str, u16)>) {
        let update = AllocUpdate {
            id: AllocId(id),
            client: if service.is_some() { ClientStatus::Running } else { ClientStatus::Complete },
            client_description: String::new(),
            tasks: Arc::default(),
            services: service
                .into_iter()
                .map(|(name, port)| ServiceState {
                    task: "web".into(),
                    name: name.into(),
                    address: "10.0.0.1".into(),
                    port,
                    port_label: "http".into(),
                    ..ServiceState::default()
                })
                .collect(),
            health: None,
            deployment: None,
            time: Timestamp(5),
        };
        self.apply(Command::UpdateAllocs {
            updates: vec![update],
            evals: vec![],
            synced: None,
            now: Timestamp(5),
        });
    }

    fn services(&self, name: &str) -> Vec<String> {
        self.root.service(name).map(|row| shown(row)).collect()
    }
}

fn shown(row: &ServiceInstance) -> String {
    format!("{} {}:{} {} {}", row.node_name, row.address, row.port, row.tags.join(","), row.status.as_str())
}

#[test]
fn a_server_shows_as_consul_and_as_nomad_with_three_tags() {
    let mut world = World::new();
    world.agents(vec![agent(1, "s1")], vec![]);
    assert_eq!(world.services("consul"), ["s1 10.0.0.1:4647  passing"]);
    assert_eq!(
        world.services("nomad"),
        ["s1 10.0.0.1:4646 http passing", "s1 10.0.0.1:4647 rpc passing", "s1 10.0.0.1:4648 serf passing"]
    );
    assert!(world.services("nomad-client").is_empty());
    let machine = world.root.catalog_node(NodeId(1)).unwrap();
    assert_eq!((machine.name(), machine.address(), machine.is_alive()), ("s1", "10.0.0.1", true));
}

#[test]
fn names_ports_and_silence_are_the_agents_choice() {
    let mut world = World::new();
    let quiet = Agent { server_service: String::new(), client: true, ..agent(1, "s1") };
    let own = Agent {
        server_service: "orchestra".into(),
        client_service: "players".into(),
        client: true,
        http: Endpoint { address: "192.168.0.2".into(), port: 80 },
        serf: Endpoint::default(),
        ..agent(2, "s2")
    };
    world.agents(vec![quiet, own], vec![]);
    assert!(world.services("nomad").is_empty());
    assert_eq!(world.services("nomad-client"), ["s1 10.0.0.1:4646 http passing"]);
    assert_eq!(
        world.services("orchestra"),
        ["s2 192.168.0.2:80 http passing", "s2 10.0.0.2:4647 rpc passing"]
    );
    assert_eq!(world.services("players"), ["s2 192.168.0.2:80 http passing"]);
    assert_eq!(world.services("consul").len(), 2);
}

#[test]
fn a_failed_agent_is_critical_and_one_that_left_is_gone() {
    let mut world = World::new();
    world.node(node(1, "10.0.0.1"));
    world.agents(vec![agent(1, "n1"), agent(2, "s2")], vec![]);
    world.place(7, 1);
    world.report(7, Some(("web", 80)));
    let web_at = world.root.service_index("web");
    let before = world.root.indexes;

    // The same again changes nothing.
    world.agents(vec![agent(1, "n1")], vec![99]);
    assert_eq!(world.root.indexes, before);

    world.agents(vec![Agent { status: AgentStatus::Failed, ..agent(1, "n1") }], vec![]);
    assert!(!world.root.catalog_node(NodeId(1)).unwrap().is_alive());
    assert!(world.root.service("nomad").any(|row| row.status == CheckStatus::Critical));
    assert!(world.root.service_index("web") > web_at, "whoever waits for web learns it");

    world.agents(vec![], vec![1]);
    assert_eq!(world.services("nomad").len(), 3);
    assert!(world.root.catalog_node(NodeId(1)).unwrap().is_alive(), "its node is still registered and ready");
    world.apply(Command::SetNodeStatus {
        node: NodeId(1),
        status: NodeStatus::Down,
        event: None,
        evals: vec![],
        now: Timestamp(9),
    });
    assert!(world.root.catalog_node(NodeId(1)).is_none());
    assert_eq!(world.root.catalog_nodes().map(|node| node.name()).collect::<Vec<_>>(), ["s2"]);
}

#[test]
fn instances_follow_their_node_to_a_new_address() {
    let mut world = World::new();
    world.node(node(1, "10.0.0.1"));
    world.agents(vec![Agent { client: true, ..agent(1, "n1") }], vec![]);
    world.place(7, 1);
    world.report(7, Some(("web", 80)));
    world.node(node(1, "10.9.9.9"));
    for row in world.root.all_services() {
        assert_eq!(row.node_address, "10.9.9.9", "{}", row.name);
    }
}

#[test]
fn a_snapshot_carries_agents_and_the_name_of_the_log() {
    let mut world = World::new();
    world.node(node(1, "10.0.0.1"));
    world.apply(Command::UpdateAgents {
        put: vec![agent(1, "n1"), Agent { status: AgentStatus::Failed, ..agent(2, "s2") }],
        gone: vec![],
        epoch: Some([7; 16]),
        now: Timestamp(4),
    });
    world.node(node(2, "10.0.0.2"));
    let bytes: Vec<Vec<u8>> = world.root.rows().map(|row| rmp_serde::to_vec_named(&row).unwrap()).collect();
    let restored = snapshot::restore(bytes.iter().map(|row| rmp_serde::from_slice(row).unwrap())).unwrap();
    invariants::check(&restored).unwrap();
    assert_eq!((restored.epoch, &restored.agents), ([7; 16], &world.root.agents));
    same_catalog(&world.root, &restored);
    assert_eq!(restored.nodes, world.root.nodes);
    // And it goes on as the original does.
    let mut both = [world.root, restored];
    for root in &mut both {
        let command =
            Command::UpdateAgents { put: vec![], gone: vec![NodeId(1)], epoch: None, now: Timestamp(5) };
        root.apply(9, command);
    }
    same_catalog(&both[0], &both[1]);
}

/// All reads of the catalog give the same.
fn same_catalog(left: &Root, right: &Root) {
    let rows = |root: &Root| root.all_services().cloned().collect::<Vec<Arc<_>>>();
    assert_eq!(rows(left), rows(right));
    for name in NAMES.iter().chain(&["nomad", "nomad-client", "consul", "nosuch"]) {
        assert_eq!(left.service_index(name), right.service_index(name), "{name}");
        let rows = |root: &Root| root.service(name).cloned().collect::<Vec<Arc<_>>>();
        assert_eq!(rows(left), rows(right), "{name}");
        let lower = name.to_ascii_lowercase();
        let spellings = |root: &Root| root.service_spellings(&lower).cloned().collect::<Vec<_>>();
        assert_eq!(spellings(left), spellings(right), "{name}");
    }
    let machines = |root: &Root| {
        root.catalog_nodes()
            .map(|machine| {
                (
                    machine.node.map(|node| SlimNode::from(&**node)),
                    machine.agent.cloned(),
                    machine.is_alive(),
                    root.catalog_node_index(machine.id()),
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(machines(left), machines(right));
    assert_eq!(left.catalog_index(), right.catalog_index());
    assert_eq!(left.epoch, right.epoch);
}

const NAMES: &[&str] = &["web", "Web", "API", "db"];

/// One step of a history.
#[derive(Debug, Clone)]
enum Step {
    Node(u128, u8),
    Status(u128, bool),
    Purge(u128),
    Place(u128, u128),
    Report(u128, Option<(usize, u16)>),
    Agent(u128, bool, u16),
    Gone(u128),
    Epoch(u8),
    /// The mirror asks, with the newest catalog as base, or an older one (of another server).
    Follow(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..6u128, any::<u8>()).prop_map(|(id, net)| Step::Node(id, net % 3)),
        (1..6u128, any::<bool>()).prop_map(|(id, up)| Step::Status(id, up)),
        (1..6u128).prop_map(Step::Purge),
        (10..20u128, 1..6u128).prop_map(|(id, node)| Step::Place(id, node)),
        (10..20u128, proptest::option::of((0..NAMES.len(), 1..4u16)))
            .prop_map(|(id, service)| Step::Report(id, service)),
        (10..20u128, proptest::option::of((0..NAMES.len(), 1..4u16)))
            .prop_map(|(id, service)| Step::Report(id, service)),
        (1..6u128, any::<bool>(), 0..3u16).prop_map(|(id, alive, port)| Step::Agent(id, alive, port)),
        (1..6u128).prop_map(Step::Gone),
        (0..40u8).prop_map(Step::Epoch),
        (0..6usize).prop_map(Step::Follow),
        (0..6usize).prop_map(Step::Follow),
    ]
}

impl World {
    fn carry_out(&mut self, step: &Step) {
        match *step {
            Step::Node(id, net) => self.node(node(id, &format!("10.0.{net}.{id}"))),
            Step::Status(id, up) => self.apply(Command::SetNodeStatus {
                node: NodeId(id),
                status: if up { NodeStatus::Ready } else { NodeStatus::Down },
                event: None,
                evals: vec![],
                now: Timestamp(2),
            }),
            Step::Purge(id) => {
                self.apply(Command::PurgeNode { node: NodeId(id), evals: vec![], now: Timestamp(2) });
            }
            Step::Place(id, node) => {
                if self.root.nodes.contains_key(&NodeId(node)) && !self.root.allocs.contains_key(&AllocId(id))
                {
                    self.place(id, node);
                }
            }
            Step::Report(id, service) => self.report(id, service.map(|(name, port)| (NAMES[name], port))),
            Step::Agent(id, alive, port) => {
                let status = if alive { AgentStatus::Alive } else { AgentStatus::Failed };
                let http = Endpoint { address: String::new(), port };
                let name = format!("n{id}");
                self.agents(vec![Agent { status, http, client: id > 3, ..agent(id, &name) }], vec![]);
            }
            Step::Gone(id) => self.agents(vec![], vec![id]),
            // Rarely.
            Step::Epoch(byte) if byte > 2 => {}
            Step::Epoch(byte) => self.apply(Command::UpdateAgents {
                put: vec![],
                gone: vec![],
                epoch: Some([byte; 16]),
                now: Timestamp(1),
            }),
            Step::Follow(_) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mirror_answers_as_the_original(steps in proptest::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        let mut mirror = Root::default();
        let mut past: Vec<Catalog> = Vec::new();
        for step in &steps {
            world.carry_out(step);
            let now = world.root.catalog();
            if let Step::Follow(back) = step {
                // The newest catalog that is no newer than the mirror, or one before it.
                let old = past.iter().filter(|old| old.epoch() == mirror.epoch && old.index() <= mirror.index);
                let delta = now.since(old.rev().nth(*back));
                let bytes = rmp_serde::to_vec_named(&delta).unwrap();
                mirror.absorb(rmp_serde::from_slice(&bytes).unwrap()).unwrap();
                same_catalog(&world.root, &mirror);
            }
            past.push(now);
        }
    }
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let mut world = World::new();
    let mut mirror = Root::default();
    let mut catalogs = vec![world.root.catalog()];
    for id in 1..5 {
        world.agents(vec![agent(id, &format!("s{id}"))], vec![]);
        catalogs.push(world.root.catalog());
    }
    mirror.absorb(catalogs[2].since(None)).unwrap();
    let before = mirror.clone();
    let gap = catalogs[4].since(Some(&catalogs[3]));
    assert_eq!(
        mirror.absorb(gap).unwrap_err().to_string(),
        "the catalog is at 3, the changes are those since 4"
    );
    let behind = catalogs[1].since(None);
    assert!(mirror.absorb(behind).unwrap_err().to_string().contains("at 3, the changes end at 2"));
    let mut other = catalogs[3].since(Some(&catalogs[2]));
    other.epoch = [9; 16];
    mirror.absorb(other.clone()).unwrap_err();
    same_catalog(&before, &mirror);
    // A new log begins again, however early it is.
    let mut anew = catalogs[1].since(None);
    anew.epoch = [9; 16];
    mirror.absorb(anew).unwrap();
    assert_eq!((mirror.index, mirror.agents.len()), (2, 1));
}

#[test]
fn what_changed_is_small_when_little_changed() {
    let mut world = World::new();
    for id in 1..=2000 {
        world.index += 1;
        world.root.apply(
            world.index,
            Command::UpdateAgents {
                put: vec![agent(id, &format!("s{id}"))],
                gone: vec![],
                epoch: None,
                now: Timestamp(1),
            },
        );
    }
    let before = world.root.catalog();
    world.agents(vec![Agent { status: AgentStatus::Failed, ..agent(1000, "s1000") }], vec![]);
    let delta = world.root.catalog().since(Some(&before));
    assert_eq!((delta.agents.len(), delta.services.len(), delta.service_indexes.len()), (1, 3, 1));
    assert!(!delta.is_empty() && world.root.catalog().since(Some(&world.root.catalog())).is_empty());
}

#[test]
fn rows_of_before_there_were_weights_are_read() {
    #[derive(serde::Serialize)]
    struct Before {
        task: String,
        name: String,
        tags: Vec<String>,
        meta: BTreeMap<String, String>,
        address: String,
        port: u16,
        port_label: String,
        checks: Vec<model::CheckState>,
    }
    let before = Before {
        task: "web".into(),
        name: "web".into(),
        tags: vec!["a".into()],
        meta: BTreeMap::new(),
        address: "10.0.0.1".into(),
        port: 80,
        port_label: "http".into(),
        checks: Vec::new(),
    };
    let bytes = rmp_serde::to_vec_named(&before).unwrap();
    let read: ServiceState = rmp_serde::from_slice(&bytes).unwrap();
    assert_eq!((read.port, read.weights, read.enable_tag_override), (80, model::Weights::default(), false));
    assert!(read.tagged_addresses.is_empty());
    // And who knows nothing of weights reads what says nothing of them.
    assert_eq!(rmp_serde::to_vec_named(&read).unwrap(), bytes);
}

//! A state built by commands, as servers build it.

use std::{collections::BTreeMap, sync::Arc};

use model::{
    AllocId, AllocUpdate, CheckState, CheckStatus, ClientStatus, EvalId, EvalStatus, Evaluation, Job, JobKey,
    JobType, Node, NodeId, NodeStatus, Placement, Plan, ServiceState, TaggedAddress, Task, TaskGroup,
    Timestamp, Trigger, Weights,
};
use state::{Command, Root};

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) root: Root,
    next: u128,
}

/// One instance to come. [`World::run`] starts it.
pub(crate) struct Instance {
    pub(crate) node: u128,
    pub(crate) name: String,
    pub(crate) tags: Vec<String>,
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) status: CheckStatus,
    pub(crate) weights: Weights,
    pub(crate) tagged: BTreeMap<String, TaggedAddress>,
    pub(crate) tag_override: bool,
}

impl Instance {
    pub(crate) fn new(node: u128, name: &str, address: &str, port: u16) -> Self {
        Self {
            node,
            name: name.into(),
            tags: Vec::new(),
            address: address.into(),
            port,
            status: CheckStatus::Passing,
            weights: Weights::default(),
            tagged: BTreeMap::new(),
            tag_override: false,
        }
    }

    pub(crate) fn weights(mut self, passing: u16, warning: u16) -> Self {
        self.weights = Weights::new(passing, warning);
        self
    }

    pub(crate) fn tagged(mut self, name: &str, address: &str) -> Self {
        let at = TaggedAddress::parse(address, self.port).expect("an address");
        self.tagged.insert(name.into(), at);
        self
    }

    pub(crate) fn tags(mut self, tags: &[&str]) -> Self {
        self.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        self
    }

    pub(crate) fn status(mut self, status: CheckStatus) -> Self {
        self.status = status;
        self
    }
}

fn key() -> JobKey {
    JobKey::new("default", "job")
}

impl World {
    pub(crate) fn new() -> Self {
        let mut world = Self { root: Root::default(), next: 100 };
        let job = Job {
            id: "job".into(),
            name: "job".into(),
            groups: vec![TaskGroup {
                name: "group".into(),
                count: 100_000,
                tasks: vec![Task { name: "task".into(), driver: "mock_driver".into(), ..Task::default() }],
                ..TaskGroup::default()
            }],
            ..Job::default()
        };
        world.apply(Command::RegisterJob {
            job: Box::new(job),
            enforce_index: None,
            eval: None,
            now: Timestamp(1),
        });
        world
    }

    pub(crate) fn apply(&mut self, command: Command) {
        let index = self.root.index + 1;
        self.root.apply(index, command);
    }

    pub(crate) fn node_with(&mut self, id: u128, name: &str, address: &str, edit: impl FnOnce(&mut Node)) {
        let mut node = Node {
            id: NodeId(id),
            name: name.into(),
            datacenter: "dc1".into(),
            address: address.into(),
            status: NodeStatus::Ready,
            ..Node::default()
        };
        edit(&mut node);
        self.apply(Command::RegisterNode { node, evals: vec![], now: Timestamp(1) });
    }

    pub(crate) fn node(&mut self, id: u128, name: &str, address: &str) {
        self.node_with(id, name, address, |_| {});
    }

    /// A member of the cluster: a server, or (`client`) a machine that runs tasks.
    pub(crate) fn agent(&mut self, id: u128, name: &str, address: &str, client: bool, alive: bool) {
        let endpoint = |port| model::Endpoint { address: String::new(), port };
        let agent = model::Agent {
            id: NodeId(id),
            name: name.into(),
            address: address.into(),
            datacenter: "dc1".into(),
            region: "global".into(),
            server: !client,
            client,
            status: if alive { model::AgentStatus::Alive } else { model::AgentStatus::Failed },
            http: endpoint(4646),
            rpc: endpoint(4647),
            serf: endpoint(4648),
            build: "0.1.0".into(),
            server_service: model::Agent::SERVER_SERVICE.into(),
            client_service: model::Agent::CLIENT_SERVICE.into(),
            ..model::Agent::default()
        };
        self.update_agents(vec![agent], vec![]);
    }

    pub(crate) fn update_agents(&mut self, put: Vec<model::Agent>, gone: Vec<NodeId>) {
        self.apply(Command::UpdateAgents { put, gone, epoch: None, now: Timestamp(2) });
    }

    pub(crate) fn set_status(&mut self, id: u128, status: NodeStatus) {
        self.apply(Command::SetNodeStatus {
            node: NodeId(id),
            status,
            event: None,
            evals: vec![],
            now: Timestamp(2),
        });
    }

    pub(crate) fn run(&mut self, instance: Instance) -> AllocId {
        self.next += 1;
        let (id, eval) = (AllocId(self.next), EvalId(self.next));
        let mut plan = Plan::new(eval, key(), 50, self.root.index, Timestamp(3));
        plan.job_index = self.root.jobs[&key()].job_modify_index;
        plan.placements.push(Placement {
            id,
            node: NodeId(instance.node),
            group: "group".into(),
            index: (self.next - 101) as u32,
            ..Placement::default()
        });
        let mut done = Evaluation::new(eval, key(), JobType::Service, 50, Trigger::JobRegister, Timestamp(3));
        done.status = EvalStatus::Complete;
        self.apply(Command::ApplyPlan { plan: Box::new(plan), evals: vec![done] });
        self.report(id, Some(instance));
        id
    }

    /// What the node says of the allocation: it runs with this service, or it is over.
    pub(crate) fn report(&mut self, id: AllocId, instance: Option<Instance>) {
        let client = if instance.is_some() { ClientStatus::Running } else { ClientStatus::Complete };
        let services = instance.into_iter().map(|instance| ServiceState {
            task: "task".into(),
            name: instance.name,
            tags: instance.tags,
            meta: BTreeMap::new(),
            address: instance.address,
            port: instance.port,
            port_label: "http".into(),
            checks: vec![CheckState {
                name: "alive".into(),
                kind: "tcp".into(),
                status: instance.status,
                output: "TCP connect: Success".into(),
                updated_at: Timestamp(4),
                on_update: model::OnUpdate::default(),
            }],
            weights: instance.weights,
            tagged_addresses: instance.tagged,
            enable_tag_override: instance.tag_override,
        });
        let update = AllocUpdate {
            id,
            client,
            client_description: String::new(),
            tasks: Arc::default(),
            services: services.collect(),
            health: None,
            deployment: None,
            time: Timestamp(5),
        };
        self.apply(Command::UpdateAllocs {
            updates: vec![update],
            evals: vec![],
            synced: None,
            now: Timestamp(1),
        });
    }
}

/// Shows a fixed or changing state to what is tested.
pub(crate) struct Shown {
    root: arc_swap::ArcSwap<Root>,
    changes: tokio::sync::watch::Sender<u64>,
}

impl Shown {
    pub(crate) fn new(world: &World) -> Arc<Self> {
        let (changes, _) = tokio::sync::watch::channel(world.root.index);
        Arc::new(Self { root: arc_swap::ArcSwap::from_pointee(world.root.clone()), changes })
    }

    pub(crate) fn show(&self, world: &World) {
        self.root.store(Arc::new(world.root.clone()));
        self.changes.send_replace(world.root.index);
    }
}

impl crate::actors::ports::StateReader for Shown {
    fn root(&self) -> Arc<Root> {
        self.root.load_full()
    }

    fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// A clock that stands still.
pub(crate) struct Fixed;

impl Fixed {
    pub(crate) fn clock() -> Arc<dyn crate::actors::ports::Clock> {
        Arc::new(Self)
    }
}

impl crate::actors::ports::Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(1_700_000_000)
    }
}

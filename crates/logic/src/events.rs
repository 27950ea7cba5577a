//! What followers of the event stream are told: the difference of two states in their words.
//!
//! An event is made of what a row was and is, not recorded when it changes: nothing can be forgotten, and rows that
//! changed several times between two looks are told of once, as they are now.

use std::sync::Arc;

use model::{Allocation, Deployment, DesiredStatus, Evaluation, Job, Node, NodePool};
use state::{Pair, Root, ServiceInstance};

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    Job,
    Evaluation,
    Allocation,
    Deployment,
    Node,
    NodePool,
    Service,
}

impl Topic {
    pub const ALL: [Self; 7] = [
        Self::Job,
        Self::Evaluation,
        Self::Allocation,
        Self::Deployment,
        Self::Node,
        Self::NodePool,
        Self::Service,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Job => "Job",
            Self::Evaluation => "Evaluation",
            Self::Allocation => "Allocation",
            Self::Deployment => "Deployment",
            Self::Node => "Node",
            Self::NodePool => "NodePool",
            Self::Service => "Service",
        }
    }
}

/// The row as it is now, or as it was last.
#[derive(Debug, Clone)]
pub enum Payload {
    /// `bool`: it is gone.
    Job(Arc<Job>, bool),
    Evaluation(Arc<Evaluation>),
    /// With its job and its node, where they are known.
    Allocation(Arc<Allocation>, Option<Arc<Job>>, Option<Arc<Node>>),
    Deployment(Arc<Deployment>),
    Node(Arc<Node>),
    NodePool(Arc<NodePool>),
    Service(Arc<ServiceInstance>),
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub struct Event {
    pub topic: Topic,
    /// `JobRegistered`, `AllocationUpdated`, ...
    pub kind: &'static str,
    /// Id of the row.
    pub key: String,
    /// Empty: it is in none.
    pub namespace: String,
    /// Ids of other rows under which the event is found, too.
    pub filter_keys: Vec<String>,
    /// Of the log.
    pub index: u64,
    pub payload: Payload,
}

/// What happened from one state to a later one, ordered by index.
pub fn between(old: &Root, new: &Root) -> Vec<Event> {
    let changes = new.changes_since(old);
    let mut events: Vec<Event> = Vec::new();
    events.extend(changes.jobs.into_iter().filter_map(|pair| job(pair, new.index)));
    events.extend(changes.evals.into_iter().filter_map(evaluation));
    events.extend(changes.allocs.into_iter().filter_map(|pair| allocation(pair, new)));
    events.extend(changes.deployments.into_iter().filter_map(deployment));
    events.extend(changes.nodes.into_iter().filter_map(|pair| node(pair, new.index)));
    events.extend(changes.pools.into_iter().filter_map(|pair| node_pool(pair, new.index)));
    events.extend(changes.services.into_iter().filter_map(|pair| service(pair, new.index)));
    events.sort_by_key(|event| event.index);
    events
}

fn job(pair: Pair<Job>, now: u64) -> Option<Event> {
    let is_gone = pair.after.is_none();
    let before = pair.before.clone();
    let row = pair.after.or(pair.before)?;
    let (kind, index) = match &before {
        _ if is_gone => ("JobDeregistered", now),
        Some(before) if row.stop && !before.stop => ("JobDeregistered", row.modify_index),
        Some(before) if before.job_modify_index == row.job_modify_index && before.stop == row.stop => {
            // Its allocations and evaluations changed its status.
            ("EvaluationUpdated", row.modify_index)
        }
        _ => ("JobRegistered", row.modify_index),
    };
    Some(Event {
        topic: Topic::Job,
        kind,
        key: row.id.clone(),
        namespace: row.namespace.clone(),
        filter_keys: Vec::new(),
        index,
        payload: Payload::Job(row, is_gone),
    })
}

/// What is collected is not told of: nothing happened to it.
fn evaluation(pair: Pair<Evaluation>) -> Option<Event> {
    let row = pair.after?;
    let deployment = row.deployment.map(|id| id.to_string());
    Some(Event {
        topic: Topic::Evaluation,
        kind: "EvaluationUpdated",
        key: row.id.to_string(),
        namespace: row.job.namespace.to_string(),
        filter_keys: std::iter::once(row.job.id.to_string()).chain(deployment).collect(),
        index: row.modify_index,
        payload: Payload::Evaluation(row),
    })
}

fn allocation(pair: Pair<Allocation>, root: &Root) -> Option<Event> {
    let row = pair.after?;
    let kind = match &pair.before {
        None => "PlanResult",
        Some(before) if before.alloc_modify_index == row.alloc_modify_index => "AllocationUpdated",
        Some(before) if row.migrate && !before.migrate && row.desired == DesiredStatus::Run => {
            "AllocationUpdateDesiredStatus"
        }
        Some(_) => "PlanResult",
    };
    let deployment = row.deployment.map(|id| id.to_string());
    Some(Event {
        topic: Topic::Allocation,
        kind,
        key: row.id.to_string(),
        namespace: row.job.namespace.to_string(),
        filter_keys: std::iter::once(row.job.id.to_string()).chain(deployment).collect(),
        index: row.modify_index,
        payload: Payload::Allocation(
            row.clone(),
            root.job_of(&row).cloned(),
            root.nodes.get(&row.node).cloned(),
        ),
    })
}

fn deployment(pair: Pair<Deployment>) -> Option<Event> {
    let row = pair.after?;
    let kind = match &pair.before {
        None => "PlanResult",
        Some(before) if is_promoted(&row) && !is_promoted(before) => "DeploymentPromotion",
        Some(before) if before.status != row.status => "DeploymentStatusUpdate",
        Some(before) if before.status_description != row.status_description => "DeploymentStatusUpdate",
        Some(_) => "DeploymentAllocHealth",
    };
    Some(Event {
        topic: Topic::Deployment,
        kind,
        key: row.id.to_string(),
        namespace: row.job.namespace.to_string(),
        filter_keys: vec![row.job.id.to_string()],
        index: row.modify_index,
        payload: Payload::Deployment(row),
    })
}

/// Some canaries of it are.
fn is_promoted(deployment: &Deployment) -> bool {
    deployment.groups.values().any(|group| group.desired_canaries > 0 && group.promoted)
}

fn node(pair: Pair<Node>, now: u64) -> Option<Event> {
    let is_gone = pair.after.is_none();
    let before = pair.before.clone();
    let row = pair.after.or(pair.before)?;
    let kind = match &before {
        _ if is_gone => "NodeDeregistration",
        None => "NodeRegistration",
        Some(before) if before.drain != row.drain => "NodeDrain",
        Some(before) if before.eligibility != row.eligibility => "NodeEligibility",
        Some(before) if before.status != row.status || before.events != row.events => "NodeStreamEvent",
        Some(_) => "NodeRegistration",
    };
    Some(Event {
        topic: Topic::Node,
        kind,
        key: row.id.to_string(),
        namespace: String::new(),
        filter_keys: Vec::new(),
        index: if is_gone { now } else { row.modify_index },
        payload: Payload::Node(row),
    })
}

fn node_pool(pair: Pair<NodePool>, now: u64) -> Option<Event> {
    let is_gone = pair.after.is_none();
    let row = pair.after.or(pair.before)?;
    Some(Event {
        topic: Topic::NodePool,
        kind: if is_gone { "NodePoolDeleted" } else { "NodePoolUpserted" },
        key: row.name.to_string(),
        namespace: String::new(),
        filter_keys: Vec::new(),
        index: if is_gone { now } else { row.modify_index },
        payload: Payload::NodePool(row),
    })
}

/// Of allocations; agents' own services are not told of.
fn service(pair: Pair<ServiceInstance>, now: u64) -> Option<Event> {
    let is_gone = pair.after.is_none();
    let row = pair.after.or(pair.before)?;
    row.alloc?;
    let job = row.job.clone()?;
    Some(Event {
        topic: Topic::Service,
        kind: if is_gone { "ServiceDeregistration" } else { "ServiceRegistration" },
        key: row.id.clone(),
        namespace: job.namespace.to_string(),
        filter_keys: vec![job.id.to_string(), row.name.to_string()],
        index: if is_gone { now } else { row.modify_index },
        payload: Payload::Service(row),
    })
}

/// What a follower wants to hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    /// Topic and key; `None`: all. Empty: everything.
    wants: Vec<(Option<Topic>, Option<String>)>,
    /// `*`: all.
    namespace: String,
}

/// Topics that exist elsewhere, and of which nothing can happen here.
const SILENT: &[&str] = &[
    "ACLToken",
    "ACLPolicy",
    "ACLRole",
    "ACLAuthMethod",
    "ACLBindingRule",
    "HostVolume",
    "CSIVolume",
    "CSIPlugin",
    "Variable",
    "Operator",
];

/// More are not read.
const MOST_WANTS: usize = 64;

impl Interest {
    /// `Topic:key`, `Topic` and `*` mean what they say; none at all is everything.
    ///
    /// # Errors
    /// Says which word is none.
    pub fn read<'a>(topics: impl Iterator<Item = &'a str>, namespace: &str) -> Result<Self, String> {
        let mut wants = Vec::new();
        for word in topics {
            let (topic, key) = word.split_once(':').unwrap_or((word, "*"));
            let key = Some(key).filter(|key| !matches!(*key, "" | "*")).map(str::to_owned);
            match topic {
                "*" => wants.push((None, key)),
                name if Topic::ALL.iter().any(|topic| topic.as_str() == name) => {
                    wants.push((Topic::ALL.into_iter().find(|topic| topic.as_str() == name), key));
                }
                name if SILENT.contains(&name) => wants.push((None, Some(format!("\0{name}")))),
                name => {
                    let names: Vec<&str> = Topic::ALL.iter().map(|topic| topic.as_str()).collect();
                    return Err(format!("invalid topic {name:?}: it is * or one of {}", names.join(", ")));
                }
            }
            if wants.len() > MOST_WANTS {
                return Err(format!("more than {MOST_WANTS} topics"));
            }
        }
        Ok(Self { wants, namespace: namespace.to_owned() })
    }

    pub fn covers(&self, event: &Event) -> bool {
        let visible =
            self.namespace == "*" || event.namespace.is_empty() || event.namespace == self.namespace;
        let wanted = |(topic, key): &(Option<Topic>, Option<String>)| {
            topic.is_none_or(|topic| topic == event.topic)
                && key.as_ref().is_none_or(|key| *key == event.key || event.filter_keys.contains(key))
        };
        visible && (self.wants.is_empty() || self.wants.iter().any(wanted))
    }
}

#[cfg(test)]
mod tests {
    use model::{EvalId, JobKey, JobType, NodeId, Timestamp, Trigger};
    use state::Command;

    use super::*;

    fn told(old: &Root, new: &Root) -> Vec<(u64, &'static str, &'static str, String)> {
        between(old, new)
            .into_iter()
            .map(|event| (event.index, event.topic.as_str(), event.kind, event.key))
            .collect()
    }

    fn register(root: &mut Root, index: u64, priority: u16) {
        let job = Job { id: String::from("web"), priority, ..Job::default() };
        let eval =
            Evaluation::new(EvalId(1), job.key(), JobType::Service, 50, Trigger::JobRegister, Timestamp(1));
        root.apply(
            index,
            Command::RegisterJob {
                job: Box::new(job),
                enforce_index: None,
                eval: Some(eval),
                now: Timestamp(1),
            },
        );
    }

    #[test]
    fn the_life_of_a_job() {
        let mut root = Root::default();
        let empty = root.clone();
        register(&mut root, 1, 10);
        let eval = EvalId(1).to_string();
        let web = String::from("web");
        assert_eq!(
            told(&empty, &root),
            [(1, "Job", "JobRegistered", web.clone()), (1, "Evaluation", "EvaluationUpdated", eval.clone())]
        );
        let before = root.clone();
        register(&mut root, 2, 20);
        assert_eq!(told(&before, &root)[0], (2, "Job", "JobRegistered", web.clone()));
        let before = root.clone();
        let key = JobKey::new("default", "web");
        let stop = |purge| Command::DeregisterJob { job: key.clone(), purge, eval: None, now: Timestamp(1) };
        root.apply(3, stop(false));
        assert_eq!(told(&before, &root), [(3, "Job", "JobDeregistered", web.clone())]);
        let before = root.clone();
        root.apply(4, stop(true));
        let events = between(&before, &root);
        assert!(matches!(events[0].payload, Payload::Job(_, true)));
        assert_eq!((events[0].index, events[0].kind), (4, "JobDeregistered"));
        assert!(between(&root, &root).is_empty());
    }

    #[test]
    fn nodes_come_drain_and_go() {
        let mut root = Root::default();
        let node = Node { id: NodeId(1), ..Node::default() };
        let before = root.clone();
        root.apply(1, Command::RegisterNode { node, evals: Vec::new(), now: Timestamp(1) });
        assert_eq!(told(&before, &root)[0].2, "NodeRegistration");
        let before = root.clone();
        let drain = Some(model::Drain::default());
        root.apply(
            2,
            Command::SetNodeDrain {
                node: NodeId(1),
                drain,
                mark_eligible: false,
                evals: Vec::new(),
                now: Timestamp(1),
            },
        );
        assert_eq!(told(&before, &root)[0].2, "NodeDrain");
        let before = root.clone();
        root.apply(3, Command::PurgeNode { node: NodeId(1), evals: Vec::new(), now: Timestamp(1) });
        assert_eq!(told(&before, &root)[0].2, "NodeDeregistration");
    }

    #[test]
    fn pools_come_and_go() {
        let mut root = Root::default();
        let before = root.clone();
        let pool = NodePool { name: "gpu".into(), ..NodePool::default() };
        root.apply(1, Command::PutPools { pools: vec![pool] });
        let gpu = String::from("gpu");
        assert_eq!(told(&before, &root), [(1, "NodePool", "NodePoolUpserted", gpu.clone())]);
        let before = root.clone();
        root.apply(2, Command::DeletePool { name: "gpu".into() });
        assert_eq!(told(&before, &root), [(2, "NodePool", "NodePoolDeleted", gpu)]);
    }

    #[test]
    fn followers_hear_what_they_asked_for() {
        let mut root = Root::default();
        let empty = root.clone();
        register(&mut root, 1, 10);
        let events = between(&empty, &root);
        let heard = |topics: &[&str], namespace: &str| -> Vec<&str> {
            let interest = Interest::read(topics.iter().copied(), namespace).unwrap();
            let heard = events.iter().filter(|event| interest.covers(event));
            heard.map(|event| event.topic.as_str()).collect()
        };
        assert_eq!(heard(&[], "default"), ["Job", "Evaluation"]);
        assert_eq!(heard(&["*:*"], "*"), ["Job", "Evaluation"]);
        assert_eq!(heard(&["Job"], "default"), ["Job"]);
        assert_eq!(heard(&["Evaluation:web"], "default"), ["Evaluation"], "by the id of its job");
        assert_eq!(heard(&["*:web"], "default"), ["Job", "Evaluation"]);
        assert_eq!(heard(&["Job:other", "Node"], "default"), [""; 0]);
        assert_eq!(heard(&["Variable"], "default"), [""; 0]);
        assert_eq!(heard(&[], "other"), [""; 0]);
        assert!(Interest::read(["Jobs"].into_iter(), "default").unwrap_err().contains("\"Jobs\""));
    }
}

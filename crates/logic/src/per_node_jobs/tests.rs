use model::{Eligibility, JobType, Node, NodeId, NodeStatus};
use state::Command;

use super::*;

const NOW: Timestamp = Timestamp(1_000_000_000);

struct World {
    root: Root,
    next: u128,
}

impl World {
    /// A node, and a job of each type that was looked at.
    fn new() -> Self {
        let mut world = Self { root: Root::default(), next: 0 };
        world.register(1, |_| {});
        for kind in JobType::ALL {
            let job = Job { id: kind.as_str().into(), kind, ..Job::default() };
            world.apply(Command::RegisterJob {
                job: Box::new(job),
                enforce_index: None,
                eval: None,
                now: NOW,
            });
        }
        world.settle();
        world
    }

    fn apply(&mut self, command: Command) {
        self.root.apply(self.root.index + 1, command);
    }

    fn register(&mut self, id: u128, edit: fn(&mut Node)) {
        let mut node = Node { id: NodeId(id), status: NodeStatus::Ready, ..Node::default() };
        edit(&mut node);
        self.apply(Command::RegisterNode { node, evals: vec![], now: NOW });
    }

    /// Jobs that are to be looked at; they get their evaluations.
    fn look(&mut self) -> Vec<String> {
        let next = &mut self.next;
        let evals = evals_for_turned_nodes(&self.root, NOW, &mut || {
            *next += 1;
            *next
        });
        assert!(evals.iter().all(|eval| eval.trigger == Trigger::NodeUpdate && eval.kind.is_per_node()));
        let jobs = evals.iter().map(|eval| eval.job.id.to_string()).collect();
        self.apply(Command::UpdateEvals { evals });
        jobs
    }

    /// The scheduler looks at all of them in the newest state.
    fn settle(&mut self) {
        self.look();
        self.complete(self.root.index);
    }

    fn complete(&mut self, snapshot: u64) {
        let open: Vec<Evaluation> =
            self.root.open_evals_since(0).map(|eval| Evaluation::clone(eval)).collect();
        let done = open.into_iter().map(|mut eval| {
            eval.status = EvalStatus::Complete;
            eval.snapshot_index = snapshot;
            eval
        });
        self.apply(Command::UpdateEvals { evals: done.collect() });
    }

    fn eligible(&mut self, yes: bool) {
        let eligibility = if yes { Eligibility::Eligible } else { Eligibility::Ineligible };
        self.apply(Command::SetNodeEligibility { node: NodeId(1), eligibility, evals: vec![], now: NOW });
    }
}

const BOTH: [&str; 2] = ["sysbatch", "system"];
const NONE: [&str; 0] = [];

#[test]
fn whatever_makes_a_node_ready_or_different_counts() {
    let check = |what: &str, act: fn(&mut World), expected: &[&str]| {
        let mut world = World::new();
        assert_eq!(world.look(), NONE, "{what}: settled before");
        act(&mut world);
        assert_eq!(world.look(), expected, "{what}");
        assert_eq!(world.look(), NONE, "{what}: one evaluation is enough");
        world.settle();
        assert_eq!(world.look(), NONE, "{what}: settled after");
    };
    check("a new one", |world| world.register(2, |_| {}), &BOTH);
    check("one that is not ready", |world| world.register(2, |node| node.status = NodeStatus::Down), &[]);
    check("nothing new", |world| world.register(1, |_| {}), &[]);
    check("closed", |world| world.eligible(false), &BOTH);
    check("another name", |world| world.register(1, |node| node.name = "n".into()), &BOTH);
    check(
        "what is unique",
        |world| {
            world.register(1, |node| {
                node.attributes.insert("unique.hostname".into(), "n".into());
            });
        },
        &BOTH,
    );
    check(
        "closed and opened",
        |world| {
            world.eligible(false);
            world.settle();
            world.eligible(true);
        },
        &BOTH,
    );
    check(
        "back",
        |world| {
            let (node, now) = (NodeId(1), NOW);
            let status = NodeStatus::Down;
            world.apply(Command::SetNodeStatus { node, status, event: None, evals: vec![], now });
            world.settle();
            world.register(1, |_| {});
            assert_eq!(world.look(), NONE, "it has not told yet what it has");
            world.apply(Command::UpdateAllocs { updates: vec![], evals: vec![], synced: Some(node), now });
        },
        &BOTH,
    );
    check(
        "after a drain",
        |world| {
            let (node, now) = (NodeId(1), NOW);
            let mut drain = |drain, mark_eligible| {
                world.apply(Command::SetNodeDrain { node, drain, mark_eligible, evals: vec![], now });
            };
            drain(Some(model::Drain::default()), false);
            drain(None, true);
        },
        &BOTH,
    );
    check(
        "a job that was stopped",
        |world| {
            let job = model::JobKey::new("default", "system");
            world.apply(Command::DeregisterJob { job, purge: false, eval: None, now: NOW });
            world.register(2, |_| {});
        },
        &["sysbatch"],
    );
}

#[test]
fn a_look_at_an_older_state_does_not_count() {
    let mut world = World::new();
    world.register(2, |_| {});
    let before = world.root.index - 1;
    assert_eq!(world.look(), BOTH);
    world.complete(before);
    assert_eq!(world.look(), BOTH);
    // One that was made before the node came may be at work on a state without it.
    world.register(3, |_| {});
    assert_eq!(world.look(), BOTH);
}

#[test]
fn a_restored_state_knows_what_was_looked_at() {
    let mut world = World::new();
    world.root = state::snapshot::restore(world.root.rows().collect::<Vec<_>>()).unwrap();
    assert_eq!(world.look(), NONE);
    world.register(2, |_| {});
    world.root = state::snapshot::restore(world.root.rows().collect::<Vec<_>>()).unwrap();
    assert_eq!(world.look(), BOTH);
}

//! What is predicted is what happens: at quiet moments of a life something is predicted, then done, then compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use logic::what_if::{Change, Prediction, predict};
use model::{JobType, NodeId, NodeStatus};
use state::{Root, invariants};

use crate::world::World;

/// Longer than the longest roll-out here takes, shorter than any deadline of one.
const LONG_ENOUGH: Duration = Duration::from_secs(300);
/// A loss is noticed and dealt with after so long.
const NOTICED: Duration = Duration::from_secs(10);

/// Where each allocation is: job, group and index, and the nodes.
type Places = BTreeMap<(String, String, u32), BTreeSet<NodeId>>;

/// Where the instances of each group are, whichever is where.
fn crowds(places: &Places) -> BTreeMap<(&str, &str), Vec<NodeId>> {
    let mut crowds: BTreeMap<(&str, &str), Vec<NodeId>> = BTreeMap::new();
    for ((job, group, _), nodes) in places {
        crowds.entry((job, group)).or_default().extend(nodes);
    }
    crowds.values_mut().for_each(|nodes| nodes.sort_unstable());
    crowds
}

fn places(root: &Root) -> Places {
    let mut places = Places::new();
    for alloc in root.allocs.values().filter(|alloc| !alloc.is_terminal()) {
        let key = (alloc.job.id.to_string(), alloc.group.to_string(), alloc.index);
        places.entry(key).or_default().insert(alloc.node);
    }
    places
}

/// What became of one comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Compared {
    /// A job was registered, and nothing had to move for it.
    Placed,
    /// A job was registered, and its allocations were replaced step by step.
    Rolled,
    /// A node was lost.
    Lost,
    /// Nothing changed its place, as predicted.
    Stayed,
    /// Time would have decided, or batch jobs that end.
    Left,
}

impl World {
    /// Predicts something, does it, and compares.
    pub(crate) fn foresee(&mut self) -> Result<Compared, String> {
        let ready: Vec<NodeId> = self
            .root
            .nodes
            .values()
            .filter(|node| node.status == NodeStatus::Ready)
            .map(|node| node.id)
            .collect();
        let fails = self.one_in(2).then(|| self.pick(&ready)).flatten();
        let change = match fails {
            Some(node) => Change::Fail(node),
            None => {
                // A new version of one that runs is rolled out, if there is one.
                let known = self.known_job().filter(|job| job.kind.rolls_out() && !job.stop);
                let mut job = known.filter(|_| !self.one_in(3)).unwrap_or_else(|| self.any_job());
                // Those that end leave room at a time that nobody knows.
                job.kind = match job.kind {
                    JobType::Batch => JobType::Service,
                    JobType::Sysbatch => JobType::System,
                    kind => kind,
                };
                job.groups[0].tasks[0].resources.cpu_mhz += 7;
                Change::Register(Box::new(job))
            }
        };
        // Of several that are replaced at a time, who is healthy first decides which one goes where next.
        let several = match &change {
            Change::Register(job) => job
                .groups
                .iter()
                .filter_map(|group| group.update.as_ref())
                .any(|update| update.max_parallel > 1),
            Change::Fail(_) => false,
        };
        let before = self.root.clone();
        let mut next = u128::MAX << 64;
        let mut ids = || {
            next += 1;
            next
        };
        let prediction = predict(&before, std::slice::from_ref(&change), self.now, &mut ids)
            .map_err(|error| format!("{change:?}: {error}"))?;
        invariants::check(&prediction.root)?;
        if !prediction.report.complete {
            return Err(format!("{change:?}: no end was predicted"));
        }
        let ends = |root: &Root| {
            root.allocs.values().any(|alloc| !alloc.is_terminal() && is_batch(root, &alloc.job))
        };
        let waits = |root: &Root| root.open_evals_since(0).any(|eval| eval.kind.completes());
        let until = prediction.report.waits.first().map_or(self.now.plus(LONG_ENOUGH), |wait| wait.at);
        let left = [&before, &prediction.root].into_iter().any(|root| ends(root) || waits(root))
            || until < self.now.plus(NOTICED);
        self.orderly = true;
        match change {
            Change::Fail(node) => self.lose(node),
            Change::Register(job) => self.register(*job),
        }
        self.calm = true;
        self.run_until(model::Timestamp(until.as_nanos() - 1))?;
        let kind = match fails {
            _ if left => Compared::Left,
            Some(_) if places(&before) == places(&prediction.root) => Compared::Stayed,
            Some(_) => Compared::Lost,
            None if prediction
                .report
                .jobs
                .iter()
                .any(|job| job.groups.values().any(|group| !group.moved.is_empty())) =>
            {
                Compared::Rolled
            }
            None if places(&before) == places(&prediction.root) => Compared::Stayed,
            None => Compared::Placed,
        };
        let several = several && kind == Compared::Rolled;
        let same = self.same_as(&prediction, several);
        self.orderly = false;
        if left {
            return Ok(kind);
        }
        same.map_err(|broken| format!("{kind:?}: {broken}"))?;
        Ok(kind)
    }

    fn pick(&mut self, nodes: &[NodeId]) -> Option<NodeId> {
        let at = self.one_of(nodes.len())?;
        nodes.get(at).copied()
    }

    fn same_as(&self, prediction: &Prediction, several: bool) -> Result<(), String> {
        let (predicted, happened) = (places(&prediction.root), places(&self.root));
        if predicted == happened || several && crowds(&predicted) == crowds(&happened) {
            return Ok(());
        }
        let differ: Vec<String> = predicted
            .keys()
            .chain(happened.keys())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .filter(|key| predicted.get(key) != happened.get(key))
            .map(|key| format!("{key:?}: predicted {:?}, found {:?}", predicted.get(key), happened.get(key)))
            .collect();
        Err(format!("not as predicted:\n{}", differ.join("\n")))
    }
}

fn is_batch(root: &Root, job: &model::JobKey) -> bool {
    root.jobs.get(job).is_some_and(|job| job.kind.completes())
}

/// Lives with a prediction at the end of each round, and how often which kind was compared.
#[test]
fn what_is_predicted_happens() {
    let counts = std::cell::RefCell::new(BTreeMap::<Compared, u32>::new());
    crate::for_seeds("what_is_predicted_happens", 5000..5120, |seed| {
        let mut world = World::new(seed, None);
        for _ in 0..3 {
            let done = world
                .disturb(14)
                .and_then(|()| world.settle())
                .and_then(|()| world.foresee())
                .and_then(|kind| world.settle().map(|()| kind));
            match done {
                Ok(kind) => *counts.borrow_mut().entry(kind).or_default() += 1,
                Err(broken) => panic!("seed {seed}: {broken}"),
            }
        }
    });
    let counts = counts.into_inner();
    // With TROUPE_SIM_SEED there is one life only.
    if std::env::var_os("TROUPE_SIM_SEED").is_none() {
        for kind in [Compared::Placed, Compared::Rolled, Compared::Lost] {
            assert!(counts.get(&kind).is_some_and(|count| *count >= 20), "{counts:?}");
        }
    }
}

//! Second phase: which nodes could run a group at all?
//!
//! The problem. A group asks for a pool, a datacenter, for drivers and for whatever its constraints say. Asking every node
//! costs nodes × constraints, and in a cluster of thousands most nodes are alike. So the question is put once per
//! *class* (nodes that agree in everything that constraints look at) and its answer counts for every node of the
//! class. Only constraints on what is `unique.` to a node are asked per node.
//!
//! Not here: room (that is `rank`), and what depends on what the plan has placed so far (`distinct_hosts`,
//! `distinct_property`): only whom it concerns.

mod affinity; // which are preferred
mod constraint; // one requirement against one node
mod device; // which devices it could be given
mod property; // the values of an attribute
mod version; // `>= 1.0, < 2`

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
};

use model::{Allocation, Constraint, Job, Node, NodeId, Operand, TaskGroup, glob};
use state::Root;

use affinity::Affinities;
use constraint::{Patterns, Test};

pub(crate) use affinity::Liking;
pub(crate) use device::{DeviceAsks, Devices};
pub(crate) use property::Property;

/// The answer for one class and one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Eligible,
    /// The job does not ask for the class's pool or datacenter; such nodes are not even counted as looked at.
    Elsewhere,
    /// The words say which requirement failed.
    Filtered(String),
}

/// A driver that the group needs is not there, or not well.
const MISSING_DRIVERS: &str = "missing drivers";
/// Nodes of the kind have no such devices, or none that is well. Those that others hold count: they may come back.
const MISSING_DEVICES: &str = "missing devices";

/// Where allocations must keep apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Distinct {
    /// No two allocations of the job on one node.
    pub(crate) job: bool,
    /// No two allocations of the group on one node.
    pub(crate) group: bool,
}

/// Values of an attribute that only so many allocations may share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DistinctProperty<'a> {
    pub(crate) attribute: &'a str,
    pub(crate) allowed: u32,
    /// The group whose allocations count; `None`: all of the job.
    pub(crate) group: Option<usize>,
}

/// The requirements of one job, per group, with the answers found so far.
pub(crate) struct Feasibility<'a> {
    root: &'a Root,
    job: &'a Job,
    groups: Vec<GroupTests<'a>>,
    /// Live allocations per value, of each of the distinct properties.
    crowds: OnceCell<Vec<BTreeMap<String, u32>>>,
}

struct GroupTests<'a> {
    group: &'a TaskGroup,
    /// Job, then group, then tasks; those that look at nothing unique.
    shared: Vec<Test<'a>>,
    /// How many of `shared` are the job's.
    of_job: usize,
    unique: Vec<Test<'a>>,
    devices: Option<DeviceAsks<'a>>,
    distinct: Distinct,
    affinities: Affinities<'a>,
    verdicts: OnceCell<Vec<Verdict>>,
}

impl<'a> Feasibility<'a> {
    pub(crate) fn new(root: &'a Root, job: &'a Job) -> Self {
        let mut patterns = Patterns::default();
        let groups = job.groups.iter().map(|group| GroupTests::new(job, group, &mut patterns)).collect();
        Self { root, job, groups, crowds: OnceCell::new() }
    }

    /// Per class of `root.usage.classes`.
    pub(crate) fn verdicts(&self, group: usize) -> &[Verdict] {
        let tests = &self.groups[group];
        tests.verdicts.get_or_init(|| {
            self.root.usage.classes.iter().map(|class| tests.verdict(self.job, &class.sample)).collect()
        })
    }

    /// A constraint of the group looks at what is unique to nodes.
    pub(crate) fn is_escaped(&self, group: usize) -> bool {
        self.groups[group].looks_at_unique()
    }

    pub(crate) fn distinct(&self, group: usize) -> Distinct {
        self.groups[group].distinct
    }

    /// Of the job, then of each group.
    pub(crate) fn distinct_properties(&self) -> impl Iterator<Item = DistinctProperty<'a>> {
        let of_groups = self.job.groups.iter().enumerate();
        let of_groups = of_groups.map(|(at, group)| (Some(at), group.constraints.as_slice()));
        let all = std::iter::once((None, self.job.constraints.as_slice())).chain(of_groups);
        all.flat_map(|(group, constraints)| {
            let distinct = constraints.iter().filter(|one| one.operand == Operand::DistinctProperty);
            // What is no number was refused; should it be here, one is the safe reading.
            distinct.map(move |one| DistinctProperty {
                attribute: &one.left,
                allowed: one.allowed().unwrap_or(1),
                group,
            })
        })
    }

    /// Whether the node of the live allocation shares a value with more allocations than is allowed, that one included.
    pub(crate) fn is_crowded(&self, group: usize, alloc: &Allocation) -> bool {
        let crowds =
            self.crowds.get_or_init(|| self.distinct_properties().map(|one| self.crowd(one)).collect());
        let mine =
            self.distinct_properties().zip(crowds).filter(|(one, _)| one.group.is_none_or(|of| of == group));
        let Some(node) = self.root.nodes.get(&alloc.node) else { return false };
        mine.into_iter().any(|(one, crowd)| {
            let value = constraint::resolve(one.attribute, self.job, node);
            value.is_none_or(|value| crowd.get(&*value).is_some_and(|&here| here > one.allowed))
        })
    }

    /// Live allocations that count, per value.
    fn crowd(&self, distinct: DistinctProperty<'_>) -> BTreeMap<String, u32> {
        let name = distinct.group.map(|at| self.job.groups[at].name.as_str());
        let mut crowd = BTreeMap::new();
        for alloc in self.root.allocs_of_job(&self.job.key()).filter(|alloc| !alloc.is_terminal()) {
            let node = self.root.nodes.get(&alloc.node);
            if name.is_none_or(|name| *alloc.group == *name)
                && let Some(value) =
                    node.and_then(|node| constraint::resolve(distinct.attribute, self.job, node))
            {
                *crowd.entry(value.into_owned()).or_default() += 1;
            }
        }
        crowd
    }

    /// Which nodes the group would rather have; `None` if all are equally welcome.
    pub(crate) fn liking(&self, group: usize) -> Option<Liking> {
        self.groups[group].affinities.liking(self.root, self.job)
    }

    /// The values that the attribute has on the nodes.
    pub(crate) fn property(&self, attribute: &str) -> Property {
        Property::new(self.root, self.job, attribute)
    }

    /// The constraint on unique properties that the node does not meet.
    pub(crate) fn unmet_unique(&self, group: usize, node: NodeId) -> Option<String> {
        let tests = &self.groups[group];
        if !tests.looks_at_unique() {
            return None;
        }
        let Some(node) = self.root.nodes.get(&node) else { return Some(String::from("node is gone")) };
        if let Some(test) = tests.unique.iter().find(|test| !test.meets(self.job, node)) {
            return Some(test.text());
        }
        let devices = tests.devices.as_ref().filter(|devices| devices.is_unique());
        devices
            .is_some_and(|devices| !devices.could_have(&node.devices, true))
            .then(|| String::from(MISSING_DEVICES))
    }

    /// Whether an allocation of the group may be placed on the node, as far as the node's kind goes.
    pub(crate) fn welcomes(&self, group: usize, class: u32, node: NodeId) -> Result<(), Verdict> {
        match &self.verdicts(group)[class as usize] {
            Verdict::Eligible => {
                self.unmet_unique(group, node).map_or(Ok(()), |text| Err(Verdict::Filtered(text)))
            }
            other => Err(other.clone()),
        }
    }

    /// Whether an allocation of the group that runs on the node may go on: a driver or device that is unwell ends
    /// nothing.
    pub(crate) fn tolerates(&self, group: usize, class: u32, node: NodeId) -> bool {
        let meets_shared = || {
            let node = self.root.nodes.get(&node);
            node.is_some_and(|node| self.groups[group].shared.iter().all(|test| test.meets(self.job, node)))
        };
        let of_class = match &self.verdicts(group)[class as usize] {
            Verdict::Eligible => true,
            Verdict::Elsewhere => false,
            Verdict::Filtered(text) => (text == MISSING_DRIVERS || text == MISSING_DEVICES) && meets_shared(),
        };
        let unmet = self.unmet_unique(group, node);
        of_class && unmet.is_none_or(|text| text == MISSING_DEVICES)
    }

    /// Whether an allocation of the group may stay on the node.
    pub(crate) fn may_stay(&self, group: usize, node: NodeId) -> bool {
        let Some(slot) = self.root.usage.slot(node) else { return false };
        self.verdicts(group)[slot.class as usize] == Verdict::Eligible
            && self.unmet_unique(group, node).is_none()
    }
}

impl<'a> GroupTests<'a> {
    fn new(job: &'a Job, group: &'a TaskGroup, patterns: &mut Patterns<'a>) -> Self {
        let mut tests = Self {
            group,
            shared: Vec::new(),
            of_job: 0,
            unique: Vec::new(),
            devices: DeviceAsks::new(group),
            distinct: Distinct::default(),
            affinities: Affinities::new(job, group, patterns),
            verdicts: OnceCell::new(),
        };
        for constraint in &job.constraints {
            if constraint.operand == Operand::DistinctHosts {
                tests.distinct.job |= is_on(constraint);
            } else {
                tests.add(constraint, patterns);
            }
        }
        tests.of_job = tests.shared.len();
        for constraint in
            group.constraints.iter().chain(group.tasks.iter().flat_map(|task| &task.constraints))
        {
            if constraint.operand == Operand::DistinctHosts {
                tests.distinct.group |= is_on(constraint);
            } else {
                tests.add(constraint, patterns);
            }
        }
        tests
    }

    fn add(&mut self, constraint: &'a Constraint, patterns: &mut Patterns<'a>) {
        if constraint.operand == Operand::DistinctProperty {
            return;
        }
        let test = Test::new(constraint, patterns);
        if test.is_unique() {
            self.unique.push(test);
        } else {
            self.shared.push(test);
        }
    }

    fn looks_at_unique(&self) -> bool {
        !self.unique.is_empty() || self.devices.as_ref().is_some_and(DeviceAsks::is_unique)
    }

    fn verdict(&self, job: &Job, node: &Node) -> Verdict {
        if !job.pool.takes(&node.pool) {
            return Verdict::Elsewhere;
        }
        if !job.datacenters.iter().any(|pattern| glob(pattern, &node.datacenter)) {
            return Verdict::Elsewhere;
        }
        let (of_job, of_group) = self.shared.split_at(self.of_job);
        if let Some(test) = of_job.iter().find(|test| !test.meets(job, node)) {
            return Verdict::Filtered(test.text());
        }
        let drivers: BTreeSet<&str> = self.group.tasks.iter().map(|task| task.driver.as_str()).collect();
        let usable =
            |name: &&str| node.drivers.get(*name).is_some_and(|driver| driver.detected && driver.healthy);
        if !drivers.iter().all(usable) {
            return Verdict::Filtered(String::from(MISSING_DRIVERS));
        }
        if let Some(test) = of_group.iter().find(|test| !test.meets(job, node)) {
            return Verdict::Filtered(test.text());
        }
        match &self.devices {
            Some(devices) if !devices.could_have(&node.devices, false) => {
                Verdict::Filtered(String::from(MISSING_DEVICES))
            }
            _ => Verdict::Eligible,
        }
    }
}

/// `distinct_hosts = false` is allowed and says nothing.
fn is_on(constraint: &Constraint) -> bool {
    constraint.right != "false"
}

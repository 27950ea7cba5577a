//! Whether one given node can take an allocation of a group: for jobs that run on every node, where there is nothing
//! to choose.

use std::{collections::BTreeMap, sync::Arc};

use model::{AllocMetric, Job, Node, NodeId, metric::NodeScore};

use super::{
    Choice,
    metrics::add,
    score::mean,
    search::{Refused, Search},
    victims::Victims,
};
use crate::{feasible::Verdict, fit::Exhausted};

/// What became of one node.
pub(crate) enum OnNode<'a> {
    /// Perhaps at the cost of others.
    Placed(Choice<'a>, Arc<AllocMetric>),
    /// It would, had it room. Counted in the tally.
    Full,
    /// It may not, as things are. Nobody has to be told.
    Unsuitable,
}

/// Why nodes were passed over, over all nodes of a group.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    metric: AllocMetric,
}

impl Tally {
    pub(crate) fn of(job: &Job) -> Self {
        Self { metric: AllocMetric { pool: job.pool.clone(), ..AllocMetric::default() } }
    }

    /// Counts a node that is ready and was looked at.
    pub(crate) fn look_at(&mut self, node: &Node) {
        self.metric.nodes_evaluated += 1;
        add(&mut self.metric.nodes_available, &node.datacenter, 1);
    }

    /// Counts one of those as no place for the group.
    pub(crate) fn filter(&mut self, node: &Node, why: &Verdict) {
        let Verdict::Filtered(text) = why else { return };
        self.metric.nodes_filtered += 1;
        add(&mut self.metric.constraint_filtered, text, 1);
        if !node.class.is_empty() {
            add(&mut self.metric.class_filtered, &node.class, 1);
        }
    }

    fn exhaust(&mut self, node: Option<&Node>, dimension: &str) {
        self.metric.nodes_exhausted += 1;
        add(&mut self.metric.dimension_exhausted, dimension, 1);
        if let Some(node) = node.filter(|node| !node.class.is_empty()) {
            add(&mut self.metric.class_exhausted, &node.class, 1);
        }
    }

    pub(crate) fn metric(&self) -> AllocMetric {
        self.metric.clone()
    }
}

impl<'a> Search<'_, 'a> {
    /// Takes room on the node with this slot; where there is none, that of less important allocations, if operators
    /// allow that.
    pub(crate) fn pick_on(&mut self, at: usize, tally: &mut Tally) -> OnNode<'a> {
        let node = self.ranker.root.nodes.get(&self.node_at(at)).map(|node| &**node);
        node.into_iter().for_each(|node| tally.look_at(node));
        let exhausted = match self.check(at) {
            Ok(()) => {
                let metric = self.metric_on(at, None);
                match self.take(at) {
                    Some(choice) => return OnNode::Placed(choice, Arc::new(metric)),
                    None => Exhausted::DynamicPorts,
                }
            }
            Err(Refused::Exhausted(what)) => what,
            Err(Refused::Constraint(text)) => {
                node.into_iter().for_each(|node| tally.filter(node, &Verdict::Filtered(text.clone())));
                return OnNode::Unsuitable;
            }
            Err(Refused::NotReady | Refused::Elsewhere | Refused::Class) => return OnNode::Unsuitable,
        };
        if let Some(victims) = self.victims_on(at) {
            let metric = self.metric_on(at, Some(&victims));
            if let Some(choice) = self.take_with(at, &victims) {
                return OnNode::Placed(choice, Arc::new(metric));
            }
        }
        tally.exhaust(node, &self.name(exhausted));
        OnNode::Full
    }

    pub(crate) fn node_at(&self, at: usize) -> NodeId {
        self.ranker.slots[at].node
    }

    /// The report on a placement there.
    fn metric_on(&self, at: usize, victims: Option<&Victims<'a>>) -> AllocMetric {
        let node = self.ranker.slots[at].node;
        let score = self.score(at, victims);
        let scores: BTreeMap<String, f64> = score.parts().map(|(name, part)| (name.into(), part)).collect();
        let (sum, parts) = score.sum();
        AllocMetric {
            nodes_evaluated: 1,
            pool: self.ranker.job.pool.clone(),
            scores: vec![NodeScore { node, scores, normalized: mean(sum, parts, 0.0) }],
            ..AllocMetric::default()
        }
    }
}

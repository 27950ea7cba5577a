//! Why nodes were passed over, counted per class, constraint and dimension while they are walked.

use std::collections::BTreeMap;

use model::AllocMetric;

use super::search::{Refused, Search};
use crate::{feasible::Verdict, fit::Exhausted};

impl Search<'_, '_> {
    /// Looks at every node, counts, and (`fill`) enters those that can take one as candidates.
    pub(super) fn metric_of_all(&mut self, fill: bool) -> AllocMetric {
        let classes = &self.ranker.root.usage.classes;
        let mut ready = vec![0u32; classes.len()];
        let mut filtered = vec![0u32; classes.len()];
        let mut exhausted = vec![0u32; classes.len()];
        let pool = &self.ranker.job.pool;
        let in_pool: Vec<bool> = classes.iter().map(|class| pool.takes(&class.sample.pool)).collect();
        let mut metric = AllocMetric { pool: pool.clone(), ..AllocMetric::default() };
        let mut dimensions: BTreeMap<Exhausted, u32> = BTreeMap::new();
        let slots = self.ranker.slots.len();
        let first = 2 * slots - (self.ranker.seed % slots.max(1) as u64) as usize;
        // Whoever wins ties comes first, so that equals need not be sorted.
        for at in (0..slots).map(|step| (first - 1 - step) % slots) {
            let slot = self.ranker.slots[at];
            let in_class = slot.class as usize;
            metric.nodes_in_pool += u32::from(slot.schedulable && in_pool[in_class]);
            let refused = match self.check(at) {
                Err(Refused::NotReady | Refused::Elsewhere) => continue,
                other => other.err(),
            };
            ready[in_class] += 1;
            match refused {
                None if fill => self.put(at),
                None => {}
                Some(Refused::Class) => filtered[in_class] += 1,
                Some(Refused::Constraint(text)) => {
                    add(&mut metric.constraint_filtered, &text, 1);
                    filtered[in_class] += 1;
                }
                Some(Refused::Exhausted(what)) => {
                    *dimensions.entry(what).or_default() += 1;
                    exhausted[in_class] += 1;
                }
                Some(Refused::NotReady | Refused::Elsewhere) => unreachable!("skipped above"),
            }
        }
        let verdicts = self.ranker.feasibility.verdicts(self.ask.group);
        for (at, class) in classes.iter().enumerate() {
            let node = &class.sample;
            if ready[at] == 0 {
                continue;
            }
            metric.nodes_evaluated += ready[at];
            metric.nodes_filtered += filtered[at];
            metric.nodes_exhausted += exhausted[at];
            add(&mut metric.nodes_available, &node.datacenter, ready[at]);
            if !node.class.is_empty() {
                add(&mut metric.class_filtered, &node.class, filtered[at]);
                add(&mut metric.class_exhausted, &node.class, exhausted[at]);
            }
            if let Verdict::Filtered(text) = &verdicts[at] {
                add(&mut metric.constraint_filtered, text, filtered[at]);
            }
        }
        for (what, count) in dimensions {
            add(&mut metric.dimension_exhausted, &self.name(what), count);
        }
        metric
    }

    pub(super) fn name(&self, what: Exhausted) -> String {
        match what {
            Exhausted::Dimension(name) => name.into(),
            Exhausted::Port(port) => {
                format!("network: reserved port collision {}", self.ask.ports.name_fixed(port))
            }
            Exhausted::DynamicPorts => "network: dynamic port selection failed".into(),
        }
    }
}

pub(super) fn add(counts: &mut BTreeMap<String, u32>, key: &str, by: u32) {
    if by > 0 {
        *counts.entry(key.to_owned()).or_default() += by;
    }
}

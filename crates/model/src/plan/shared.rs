//! Placements as a plan writes them: reports that many share stand beside them, once.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::Placement;
use crate::metric::AllocMetric;

#[derive(Serialize)]
struct Written<'a> {
    rows: &'a [Placement],
    metrics: Vec<&'a AllocMetric>,
    /// For each row the place of its report, counted from 1; 0: none.
    metric_of: Vec<usize>,
}

#[derive(Deserialize)]
struct Read {
    rows: Vec<Placement>,
    metrics: Vec<Arc<AllocMetric>>,
    metric_of: Vec<usize>,
}

pub(super) fn serialize<S: Serializer>(rows: &[Placement], serializer: S) -> Result<S::Ok, S::Error> {
    let mut metrics: Vec<&AllocMetric> = Vec::new();
    let mut metric_of = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(metric) = row.metric.as_deref() else {
            metric_of.push(0);
            continue;
        };
        // Groups come one after the other.
        if metrics.last().is_none_or(|last| !std::ptr::eq(*last, metric) && **last != *metric) {
            metrics.push(metric);
        }
        metric_of.push(metrics.len());
    }
    Written { rows, metrics, metric_of }.serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Placement>, D::Error> {
    let Read { mut rows, metrics, metric_of } = Read::deserialize(deserializer)?;
    if rows.len() != metric_of.len() {
        return Err(D::Error::custom("a plan has not as many reports as placements"));
    }
    for (row, at) in rows.iter_mut().zip(metric_of) {
        if let Some(at) = at.checked_sub(1) {
            let metric = metrics.get(at).ok_or_else(|| D::Error::custom("a report of a plan is missing"))?;
            row.metric = Some(metric.clone());
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AllocId, EvalId, JobKey, NodeId, Plan, Timestamp};

    fn placement(id: u128, metric: Option<Arc<AllocMetric>>) -> Placement {
        Placement { id: AllocId(id), node: NodeId(1), group: "g".into(), metric, ..Placement::default() }
    }

    #[test]
    fn a_shared_report_is_written_once_and_shared_again() {
        let metric =
            |nodes_evaluated| Some(Arc::new(AllocMetric { nodes_evaluated, ..AllocMetric::default() }));
        let (one, two) = (metric(1), metric(2));
        let mut plan = Plan::new(EvalId(1), JobKey::new("default", "a"), 50, 1, Timestamp(1));
        for (id, metric) in (1..).zip([&one, &one, &None, &two, &one]) {
            plan.placements.push(placement(id, metric.clone()));
        }
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(text.matches("nodes_evaluated").count(), 3, "{text}");
        let read: Plan = serde_json::from_str(&text).unwrap();
        assert_eq!(read, plan);
        let metrics: Vec<_> = read.placements.iter().map(|row| row.metric.as_ref()).collect();
        assert!(Arc::ptr_eq(metrics[0].unwrap(), metrics[1].unwrap()) && metrics[2].is_none());
        let broken = text.replace("\"metric_of\":[1,1,0,2,3]", "\"metric_of\":[1,1,0,2,9]");
        assert_ne!(broken, text);
        assert!(serde_json::from_str::<Plan>(&broken).is_err());
    }
}

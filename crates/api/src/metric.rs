//! Why a placement went as it did.

use crate::wire::{Absent, Map, nanos, nil, wire};

wire! {
    pub struct AllocMetric {
        pub nodes_evaluated: i64,
        pub nodes_filtered: i64,
        pub nodes_in_pool: i64,
        pub node_pool: String,
        #[serde(with = "nil")]
        pub nodes_available: Map<i64>,
        #[serde(with = "nil")]
        pub class_filtered: Map<i64>,
        #[serde(with = "nil")]
        pub constraint_filtered: Map<i64>,
        pub nodes_exhausted: i64,
        #[serde(with = "nil")]
        pub class_exhausted: Map<i64>,
        #[serde(with = "nil")]
        pub dimension_exhausted: Map<i64>,
        #[serde(with = "nil")]
        pub quota_exhausted: Vec<String>,
        pub resources_exhausted: Absent,
        /// Of old clients: per `node.scorer`.
        pub scores: Absent,
        #[serde(with = "nil")]
        pub score_meta_data: Vec<NodeScoreMeta>,
        /// Nanoseconds.
        pub allocation_time: i64,
        pub coalesced_failures: i64,
    }

    pub struct NodeScoreMeta {
        #[serde(rename = "NodeID")]
        pub node_id: String,
        #[serde(with = "nil")]
        pub scores: Map<f64>,
        pub norm_score: f64,
    }
}

impl From<&model::AllocMetric> for AllocMetric {
    fn from(metric: &model::AllocMetric) -> Self {
        let counts = |counts: &std::collections::BTreeMap<String, u32>| {
            counts.iter().map(|(key, count)| (key.clone(), i64::from(*count))).collect::<Map<i64>>()
        };
        Self {
            nodes_evaluated: i64::from(metric.nodes_evaluated),
            nodes_filtered: i64::from(metric.nodes_filtered),
            nodes_in_pool: i64::from(metric.nodes_in_pool.max(metric.nodes_available.values().sum())),
            node_pool: metric.pool.to_string(),
            nodes_available: counts(&metric.nodes_available),
            class_filtered: counts(&metric.class_filtered),
            constraint_filtered: counts(&metric.constraint_filtered),
            nodes_exhausted: i64::from(metric.nodes_exhausted),
            class_exhausted: counts(&metric.class_exhausted),
            dimension_exhausted: counts(&metric.dimension_exhausted),
            score_meta_data: metric
                .scores
                .iter()
                .map(|score| NodeScoreMeta {
                    node_id: score.node.to_string(),
                    scores: score.scores.clone(),
                    norm_score: score.normalized,
                })
                .collect(),
            allocation_time: nanos(metric.allocation_time),
            coalesced_failures: i64::from(metric.coalesced_failures),
            ..Self::default()
        }
    }
}

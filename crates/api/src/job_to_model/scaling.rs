//! Bounds of a group's count.

use super::{Reader, config_from_json};
use crate::scale::ScalingPolicy;

impl Reader {
    /// `count`: of the group, which is also the least count if none is given.
    pub(super) fn scaling(&mut self, scaling: ScalingPolicy, count: u32) -> model::Scaling {
        self.inside(String::from("scaling"), |reader| {
            reader.only("Type", &scaling.kind, &["horizontal"]);
            let bounds = (0, i64::from(model::TaskGroup::MAX_COUNT));
            if scaling.max.is_none() {
                reader.problem("Max is missing: how many there may be at most");
            }
            model::Scaling {
                min: reader.within("Min", scaling.min, count, bounds),
                max: reader.within("Max", scaling.max, count, bounds),
                enabled: scaling.enabled.unwrap_or(true),
                policy: scaling
                    .policy
                    .iter()
                    .map(|(key, value)| (key.clone(), config_from_json(value)))
                    .collect(),
            }
        })
    }
}

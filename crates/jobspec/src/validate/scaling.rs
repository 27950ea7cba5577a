//! Rules of the bounds of a group's count.

use model::{JobType, Scaling};

use super::Checker;
use crate::codes;

impl Checker {
    pub(super) fn scaling(&mut self, kind: JobType, count: u32, scaling: &Scaling) {
        let Scaling { min, max, .. } = *scaling;
        self.enter("scaling", 0, "");
        if kind.is_per_node() {
            let message = format!("job type \"{}\" does not allow a scaling block", kind.as_str());
            self.report(codes::NOT_FOR_TYPE, "", message, "remove `scaling`: the nodes are counted");
        } else if min > max {
            let message = format!("minimum count must not be greater than maximum: {min} > {max}");
            self.report(codes::OUT_OF_RANGE, "min", message, "lower `min`, or raise `max`");
        } else if count < min {
            let message = format!(
                "task group count must not be less than minimum count in scaling policy: {count} < {min}"
            );
            self.report(codes::OUT_OF_RANGE, "min", message, "raise the group's `count`, or lower `min`");
        } else if count > max {
            let message = format!(
                "task group count must not be greater than maximum count in scaling policy: {count} > {max}"
            );
            self.report(codes::OUT_OF_RANGE, "max", message, "lower the group's `count`, or raise `max`");
        }
        self.leave();
    }
}

//! What jobs that run on every node may not say: there is no node to choose, and none to move to.

use model::{Affinity, JobType, Spread, TaskGroup};

use super::Checker;
use crate::codes;

impl Checker {
    pub(super) fn group_on_every_node(&mut self, kind: JobType, group: &TaskGroup) {
        let name = kind.as_str();
        if group.count > 1 {
            let message = format!(
                "job task group {} has count {}: count cannot exceed 1 with {name} scheduler",
                group.name, group.count
            );
            let help = "leave `count` out: there is one on each node; or write a second group";
            self.report(codes::NOT_FOR_TYPE, "count", message, help);
        }
        self.no_preferences(kind, &group.affinities, &group.spreads);
        for (index, task) in group.tasks.iter().enumerate() {
            self.enter("task", index, &task.name);
            self.no_preferences(kind, &task.affinities, &[]);
            self.leave();
        }
        if let Some(update) = group.update.as_ref().filter(|update| update.canary > 100) {
            self.enter("update", 0, "");
            let message =
                format!("`canary` is {}: with type \"{name}\" it is a percentage of nodes", update.canary);
            self.report(codes::NOT_FOR_TYPE, "canary", message, "write 1 to 100");
            self.leave();
        }
        if group.reschedule.is_some() {
            let help = "remove `reschedule`: there is no other node";
            let message = format!("{name} jobs should not have a reschedule policy");
            self.report(codes::NOT_FOR_TYPE, "reschedule", message, help);
        }
        if group.migrate.is_some() {
            let help = "remove `migrate`: what runs on every node does not move to another one";
            let message = format!("job type \"{name}\" does not allow migrate block");
            self.report(codes::NOT_FOR_TYPE, "migrate", message, help);
        }
        if group.disconnect.as_ref().is_some_and(|policy| policy.stop_on_client_after.is_some()) {
            self.enter("disconnect", 0, "");
            let message = format!("job type \"{name}\" does not allow `stop_on_client_after`");
            let help = "remove it: nothing takes the place of these tasks while their node is cut off";
            self.report(codes::NOT_FOR_TYPE, "stop_on_client_after", message, help);
            self.leave();
        }
    }

    pub(super) fn no_preferences(&mut self, kind: JobType, affinities: &[Affinity], spreads: &[Spread]) {
        let name = kind.as_str();
        if !affinities.is_empty() {
            self.enter("affinity", 0, "");
            let message = format!("{name} jobs may not have an affinity block");
            self.report(codes::NOT_FOR_TYPE, "", message, "write a `constraint` to leave nodes out");
            self.leave();
        }
        if !spreads.is_empty() {
            self.enter("spread", 0, "");
            let message = format!("{name} jobs may not have a spread block");
            self.report(codes::NOT_FOR_TYPE, "", message, "remove it: every node has one");
            self.leave();
        }
    }
}

//! Rules of jobs that launch others, and of what belongs to that: payloads, tasks around the main ones.

use std::collections::BTreeSet;

use model::{Hook, Job, Parameterized, Periodic, Task, TaskGroup, launch};

use super::Checker;
use crate::codes;

impl Checker {
    pub(super) fn launches(&mut self, job: &Job) {
        let kinds = [("periodic", job.periodic.is_some()), ("parameterized", job.parameterized.is_some())];
        for (block, _) in kinds.into_iter().filter(|(_, is_there)| *is_there && !job.kind.completes()) {
            self.enter(block, 0, "");
            let message =
                format!("`{block}` is for jobs that come to an end, not for type \"{}\"", job.kind.as_str());
            self.report(
                codes::NOT_FOR_TYPE,
                "",
                message,
                "write `type = \"batch\"` or `type = \"sysbatch\"`",
            );
            self.leave();
        }
        if let Some(periodic) = &job.periodic {
            self.enter("periodic", 0, "");
            self.periodic(periodic);
            self.leave();
        }
        if let Some(parameterized) = &job.parameterized {
            self.enter("parameterized", 0, "");
            self.parameterized(parameterized);
            self.leave();
        }
    }

    fn periodic(&mut self, periodic: &Periodic) {
        if periodic.specs.is_empty() {
            let help = "write `crons = [\"*/15 * * * *\"]`: minute, hour, day of month, month, day of week";
            self.report(codes::MISSING, "", "`periodic` needs `crons`", help);
        }
        for spec in &periodic.specs {
            if let Err(reason) = launch::check_spec(spec) {
                let message =
                    format!("\"{}\" is not a cron expression: {reason}", crate::syntax::shorten(spec));
                let help = "write minute, hour, day of month, month and day of week, as in \"30 2 * * MON-FRI\", or \"@daily\"";
                self.report(codes::SCHEDULE, "crons", message, help);
            }
        }
        if !launch::is_time_zone(&periodic.time_zone) {
            let message = format!("there is no time zone \"{}\"", periodic.time_zone);
            let help = "write a name of the IANA database, such as \"Europe/Berlin\"; the default is \"UTC\"";
            self.report(codes::SCHEDULE, "time_zone", message, help);
        }
    }

    fn parameterized(&mut self, parameterized: &Parameterized) {
        let required: BTreeSet<&String> = parameterized.meta_required.iter().collect();
        for key in parameterized.meta_optional.iter().filter(|key| required.contains(key)) {
            let message = format!("meta key \"{key}\" is both required and optional");
            self.report(codes::DUPLICATE, "meta_optional", message, "name it in one of the two lists");
        }
    }

    pub(super) fn payload_file(&mut self, task: &Task) {
        let leads_out =
            task.payload_file.starts_with('/') || task.payload_file.split('/').any(|part| part == "..");
        if leads_out {
            self.enter("dispatch_payload", 0, "");
            let message =
                format!("`file` must stay inside of the task's directory, found \"{}\"", task.payload_file);
            self.report(codes::NAME, "file", message, "write a path below `local/`, such as \"input.json\"");
            self.leave();
        }
    }

    /// A group lives as long as its main tasks.
    pub(super) fn main_tasks(&mut self, group: &TaskGroup) {
        if !group.tasks.is_empty() && group.tasks.iter().all(|task| task.lifecycle.is_some()) {
            let help = "leave `lifecycle` out of the task that does the work";
            self.report(codes::EMPTY, "", "the group has no main task: each has a `lifecycle`", help);
        }
        for (index, task) in group.tasks.iter().enumerate() {
            let Some(lifecycle) = task.lifecycle else { continue };
            self.enter("task", index, &task.name);
            self.enter("lifecycle", 0, "");
            if lifecycle.sidecar && lifecycle.hook == Hook::Poststop {
                let help = "remove `sidecar`: after the main tasks there is nothing to run beside";
                self.report(
                    codes::NOT_FOR_TYPE,
                    "sidecar",
                    "a task with hook \"poststop\" is no sidecar",
                    help,
                );
            }
            self.leave();
            self.leave();
        }
    }
}

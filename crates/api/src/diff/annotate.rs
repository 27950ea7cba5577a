//! What a difference means for what runs: counts per kind of update, and words behind tasks and counts.

use super::{DiffType, FieldDiff, JobDiff, TaskDiff, TaskGroupDiff};
use crate::{request::DesiredUpdates, wire::Map};

const FORCES_CREATE: &str = "forces create";
const FORCES_DESTROY: &str = "forces destroy";
const FORCES_IN_PLACE: &str = "forces in-place update";
const FORCES_REPLACE: &str = "forces create/destroy update";

impl JobDiff {
    /// Adds what the scheduler would do. `desired`: per group.
    pub fn annotate(&mut self, desired: &Map<DesiredUpdates>) {
        for group in &mut self.task_groups {
            if let Some(desired) = desired.get(&group.name) {
                group.updates = updates(desired);
            }
            for field in group.fields.iter_mut().filter(|field| field.name == "Count") {
                field.annotations.extend(of_count(field).map(str::to_owned));
            }
            let group_kind = group.kind;
            for task in &mut group.tasks {
                task.annotations = of_task(group_kind, task).map(str::to_owned).into_iter().collect();
            }
        }
    }
}

fn updates(desired: &DesiredUpdates) -> Map<u64> {
    [
        ("ignore", desired.ignore),
        ("create", desired.place),
        ("migrate", desired.migrate),
        ("destroy", desired.stop),
        ("in-place update", desired.in_place_update),
        ("create/destroy update", desired.destructive_update),
        ("canary", desired.canary),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .map(|(kind, count)| (kind.to_owned(), count))
    .collect()
}

fn of_count(count: &FieldDiff) -> Option<&'static str> {
    let number = |text: &str| text.parse::<i64>().unwrap_or(0);
    match number(&count.new).cmp(&number(&count.old)) {
        std::cmp::Ordering::Greater => Some(FORCES_CREATE),
        std::cmp::Ordering::Less => Some(FORCES_DESTROY),
        std::cmp::Ordering::Equal => None,
    }
}

/// A task of a group that comes or goes does so itself; otherwise what changed in it decides.
fn of_task(group: DiffType, task: &TaskDiff) -> Option<&'static str> {
    let whole = matches!(group, DiffType::Added | DiffType::Deleted);
    match task.kind {
        DiffType::None => None,
        DiffType::Added if whole => Some(FORCES_CREATE),
        DiffType::Deleted if whole => Some(FORCES_DESTROY),
        _ if is_taken_over(task) => Some(FORCES_IN_PLACE),
        _ => Some(FORCES_REPLACE),
    }
}

/// Whether a running task can take the change over: the same line that `scheduler::reconcile::change` draws, which a
/// test of the plan endpoint holds both to.
fn is_taken_over(task: &TaskDiff) -> bool {
    const FIELDS: &[&str] = &["KillTimeout", "KillSignal", "ShutdownDelay", "Leader"];
    const BLOCKS: &[&str] = &["Constraint", "Affinity", "Service", "LogConfig", "RestartPolicy"];
    let stays = |kind: DiffType, name: &str, known: &[&str]| kind == DiffType::None || known.contains(&name);
    task.kind == DiffType::Edited
        && task.fields.iter().all(|field| stays(field.kind, &field.name, FIELDS))
        && task.objects.iter().all(|object| stays(object.kind, &object.name, BLOCKS))
}

impl TaskGroupDiff {
    /// `2 create, 1 ignore`; empty when nothing is to be done.
    pub fn updates_text(&self) -> String {
        let counted: Vec<String> =
            self.updates.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        counted.join(", ")
    }
}

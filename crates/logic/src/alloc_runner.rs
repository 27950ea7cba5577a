//! The status of an allocation from its tasks, and which tasks to kill when one of them ended.

use model::{ClientStatus, SmallMap, TaskGroup, TaskPhase, TaskState, event_type};

/// What the node reports for these tasks.
pub fn client_status(tasks: &SmallMap<String, TaskState>) -> (ClientStatus, &'static str) {
    let dead = |state: &TaskState| state.phase == TaskPhase::Dead;
    if tasks.values().any(|state| dead(state) && state.failed) {
        // Siblings may still be dying; the allocation has failed all the same.
        (ClientStatus::Failed, "Failed tasks")
    } else if tasks.values().any(|state| state.phase == TaskPhase::Running) {
        (ClientStatus::Running, "Tasks are running")
    } else if tasks.values().any(|state| state.phase == TaskPhase::Pending) {
        (ClientStatus::Pending, "No tasks have started")
    } else {
        (ClientStatus::Complete, "All tasks have completed")
    }
}

/// All tasks are over.
pub fn is_over(tasks: &SmallMap<String, TaskState>) -> bool {
    tasks.values().all(|state| state.phase == TaskPhase::Dead)
}

/// A task that must be killed because another one ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kill {
    pub task: String,
    /// Event that is noted on it.
    pub event: &'static str,
    pub message: String,
}

/// Which live tasks must go, now that some are dead.
pub fn kills(group: &TaskGroup, tasks: &SmallMap<String, TaskState>) -> Vec<Kill> {
    let dead = |name: &str| tasks.get(name).filter(|state| state.phase == TaskPhase::Dead);
    let failed = group.tasks.iter().find(|task| dead(&task.name).is_some_and(|state| state.failed));
    let leader = group.tasks.iter().find(|task| task.leader && dead(&task.name).is_some());
    let (event, message) = if let Some(failed) = failed {
        (event_type::SIBLING_FAILED, format!("Task's sibling \"{}\" failed", failed.name))
    } else if leader.is_some() {
        (event_type::LEADER_DEAD, String::from("Leader Task in Group dead"))
    } else {
        return Vec::new();
    };
    group
        .tasks
        .iter()
        .filter(|task| tasks.get(&task.name).is_none_or(|state| state.phase != TaskPhase::Dead))
        .map(|task| Kill { task: task.name.clone(), event, message: message.clone() })
        .collect()
}

#[cfg(test)]
mod tests {
    use model::Task;

    use super::*;

    fn state(phase: TaskPhase, failed: bool) -> TaskState {
        TaskState { phase, failed, ..TaskState::default() }
    }

    fn check(states: &[(TaskPhase, bool)], expected: ClientStatus, killed: &[&str]) {
        let names = ["a", "b", "c"];
        let group = TaskGroup {
            tasks: names[..states.len()]
                .iter()
                .map(|name| Task { name: (*name).into(), leader: *name == "a", ..Task::default() })
                .collect(),
            ..TaskGroup::default()
        };
        let tasks: SmallMap<String, TaskState> = names
            .iter()
            .zip(states)
            .map(|(name, (phase, failed))| ((*name).to_owned(), state(*phase, *failed)))
            .collect();
        assert_eq!(client_status(&tasks).0, expected);
        let found: Vec<String> = kills(&group, &tasks).into_iter().map(|kill| kill.task).collect();
        assert_eq!(found, killed);
    }

    #[test]
    fn status_and_siblings() {
        use TaskPhase::{Dead, Pending, Running};
        check(&[(Pending, false)], ClientStatus::Pending, &[]);
        check(&[(Running, false), (Pending, false)], ClientStatus::Running, &[]);
        check(&[(Dead, false)], ClientStatus::Complete, &[]);
        check(&[(Running, false), (Dead, false)], ClientStatus::Running, &[]);
        check(&[(Running, false), (Dead, true)], ClientStatus::Failed, &["a"]);
        check(&[(Dead, false), (Running, false)], ClientStatus::Running, &["b"]);
    }
}

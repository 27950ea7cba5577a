//! The status of an allocation from its tasks, which of them may begin, and which to kill when another one ended.
//!
//! A group may have helpers beside its main tasks (`lifecycle`): `prestart` ones come before them, `poststart` ones once all
//! of them run, `poststop` ones when all of them have ended. Sidecars run as long as the main tasks do.

use std::borrow::Cow;

use model::{ClientStatus, Hook, SmallMap, Task, TaskGroup, TaskPhase, TaskState, event_type};

type States = SmallMap<String, TaskState>;

/// What the node reports for these tasks.
pub fn client_status(tasks: &States) -> (ClientStatus, &'static str) {
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
pub fn is_over(tasks: &States) -> bool {
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
pub fn kills(group: &TaskGroup, tasks: &States) -> Vec<Kill> {
    let dead = |task: &&Task| tasks.get(&task.name).is_some_and(|state| state.phase == TaskPhase::Dead);
    let failed = group.tasks.iter().filter(dead).find(|task| tasks[&task.name].failed);
    let leader = group.tasks.iter().filter(dead).find(|task| task.leader);
    let (event, message) = if let Some(failed) = failed {
        (event_type::SIBLING_FAILED, format!("Task's sibling \"{}\" failed", failed.name))
    } else if leader.is_some() {
        (event_type::LEADER_DEAD, String::from("Leader Task in Group dead"))
    } else if main_tasks(group).all(|task| dead(&task)) {
        (event_type::MAIN_DEAD, String::from("Main tasks in the group died"))
    } else {
        return Vec::new();
    };
    let cleans_up = |task: &Task| task.has_hook(Hook::Poststop) && !is_idle_for_ever(group, tasks);
    let live = group.tasks.iter().filter(|task| !dead(task) && !cleans_up(task));
    live.map(|task| Kill { task: task.name.clone(), event, message: message.clone() }).collect()
}

fn main_tasks(group: &TaskGroup) -> impl Iterator<Item = &Task> {
    group.tasks.iter().filter(|task| task.lifecycle.is_none())
}

fn has_started(tasks: &States, task: &Task) -> bool {
    tasks.get(&task.name).is_some_and(|state| !state.started_at.is_zero())
}

/// All main tasks are over and none of them ever ran: there is nothing to clean up.
fn is_idle_for_ever(group: &TaskGroup, tasks: &States) -> bool {
    main_tasks(group).all(|task| {
        let is_dead = tasks.get(&task.name).is_some_and(|state| state.phase == TaskPhase::Dead);
        is_dead && !has_started(tasks, task)
    })
}

/// The tasks that need not wait for others any more. One that has begun stays in the list.
pub fn may_begin<'a>(group: &'a TaskGroup, tasks: &States) -> Vec<&'a Task> {
    let phase = |task: &Task| tasks.get(&task.name).map_or(TaskPhase::Pending, |state| state.phase);
    let is_prepared = group.tasks.iter().filter(|task| task.has_hook(Hook::Prestart)).all(|task| {
        if task.is_sidecar() {
            has_started(tasks, task)
        } else {
            phase(task) == TaskPhase::Dead && !tasks[&task.name].failed
        }
    });
    let mains_run = main_tasks(group).all(|task| has_started(tasks, task));
    let mains_ended = main_tasks(group).all(|task| phase(task) == TaskPhase::Dead);
    let may = |task: &&Task| match task.lifecycle.map(|lifecycle| lifecycle.hook) {
        None => is_prepared,
        Some(Hook::Prestart) => true,
        Some(Hook::Poststart) => mains_run && !mains_ended,
        Some(Hook::Poststop) => mains_ended && !is_idle_for_ever(group, tasks),
    };
    group.tasks.iter().filter(may).collect()
}

/// A task that goes when the allocation is stopped; the others run when these have ended.
pub fn goes_first(task: &Task) -> bool {
    !task.has_hook(Hook::Poststop)
}

/// Serves as long as the allocation does.
pub fn lasts(task: &Task) -> bool {
    task.lifecycle.is_none_or(|lifecycle| lifecycle.sidecar && lifecycle.hook == Hook::Prestart)
}

/// What the health of the allocation depends on: helpers that have done their work, or have none yet, are left out.
pub fn of_health<'a>(group: &TaskGroup, tasks: &'a States) -> Cow<'a, States> {
    if group.tasks.iter().all(|task| task.lifecycle.is_none()) {
        return Cow::Borrowed(tasks);
    }
    let counts = |name: &str, state: &TaskState| {
        let is_helper = group.task(name).is_some_and(|task| task.lifecycle.is_some() && !task.is_sidecar());
        !is_helper || state.failed
    };
    let counted = tasks.iter().filter(|(name, state)| counts(name, state));
    Cow::Owned(counted.map(|(name, state)| (name.clone(), state.clone())).collect())
}

#[cfg(test)]
mod tests {
    use model::{Lifecycle, Timestamp};

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

    /// A group with every kind of helper around the task `main`.
    fn helped() -> TaskGroup {
        let task = |name: &str, lifecycle: Option<(Hook, bool)>| Task {
            name: name.into(),
            lifecycle: lifecycle.map(|(hook, sidecar)| Lifecycle { hook, sidecar }),
            ..Task::default()
        };
        TaskGroup {
            tasks: vec![
                task("init", Some((Hook::Prestart, false))),
                task("proxy", Some((Hook::Prestart, true))),
                task("main", None),
                task("hello", Some((Hook::Poststart, false))),
                task("shipper", Some((Hook::Poststart, true))),
                task("bye", Some((Hook::Poststop, false))),
            ],
            ..TaskGroup::default()
        }
    }

    /// Each letter a task: `.` waits, `r` runs, `d` is done, `f` failed, `k` was killed before it began.
    fn told(group: &TaskGroup, letters: &str) -> States {
        let states = group.tasks.iter().zip(letters.chars()).map(|(task, letter)| {
            let phase = match letter {
                '.' => TaskPhase::Pending,
                'r' => TaskPhase::Running,
                _ => TaskPhase::Dead,
            };
            let started_at = if matches!(letter, '.' | 'k') { Timestamp::ZERO } else { Timestamp(1) };
            (task.name.clone(), TaskState { started_at, ..state(phase, letter == 'f') })
        });
        states.collect()
    }

    #[test]
    fn helpers_come_before_beside_and_after() {
        let group = helped();
        let check = |letters: &str, begin: &[&str], killed: &[&str]| {
            let tasks = told(&group, letters);
            let may: Vec<&str> = may_begin(&group, &tasks).iter().map(|task| task.name.as_str()).collect();
            assert_eq!(may, begin, "{letters} may begin");
            let kills: Vec<String> = kills(&group, &tasks).into_iter().map(|kill| kill.task).collect();
            assert_eq!(kills, killed, "{letters} kills");
        };
        check("......", &["init", "proxy"], &[]);
        check("r.....", &["init", "proxy"], &[]);
        check("d.....", &["init", "proxy"], &[]);
        check("dr....", &["init", "proxy", "main"], &[]);
        check("drr...", &["init", "proxy", "main", "hello", "shipper"], &[]);
        check("drrdr.", &["init", "proxy", "main", "hello", "shipper"], &[]);
        // The work is done: what ran beside it goes, what cleans up comes.
        check("drddr.", &["init", "proxy", "main", "bye"], &["proxy", "shipper"]);
        check("dddddr", &["init", "proxy", "main", "bye"], &[]);
        check("drfdr.", &["init", "proxy", "main", "bye"], &["proxy", "shipper"]);
        // The preparation failed: nothing ran, so there is nothing to clean up.
        check("fr....", &["init", "proxy"], &["proxy", "main", "hello", "shipper"]);
        check("frk...", &["init", "proxy"], &["proxy", "hello", "shipper", "bye"]);
    }

    #[test]
    fn helpers_that_are_done_are_well() {
        let group = helped();
        let names = |letters: &str| -> Vec<String> {
            of_health(&group, &told(&group, letters)).keys().cloned().collect()
        };
        assert_eq!(names("drrdr."), ["main", "proxy", "shipper"]);
        assert_eq!(names("drrfr."), ["hello", "main", "proxy", "shipper"]);
    }
}

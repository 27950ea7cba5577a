//! When a failed allocation is tried again: now, later, or never.

use std::time::Duration;

use model::{Allocation, DelayFunction, EvalId, RescheduleEvent, ReschedulePolicy, TaskGroup, Timestamp};
use state::Root;

/// Due within this time counts as due: waking up again would cost more than it gives.
const WINDOW: Duration = Duration::from_secs(1);

/// Events kept for a policy without a limit; enough for the delay functions to go on from.
const EVENTS_KEPT: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Now {
        delay: Duration,
    },
    Later {
        due: Timestamp,
    },
    /// A follow-up evaluation is on its way.
    Awaited,
    /// There is no policy, or its attempts are used up.
    Never,
}

pub(super) fn when(root: &Root, eval: EvalId, group: &TaskGroup, alloc: &Allocation, now: Timestamp) -> When {
    let Some(policy) = &group.reschedule else { return When::Never };
    let failed_at = failed_at(alloc);
    if !has_attempts(policy, alloc, failed_at) {
        return When::Never;
    }
    let delay = next_delay(policy, &alloc.reschedules, failed_at);
    let due = failed_at.plus(delay);
    if alloc.followup_eval == Some(eval) || due <= now.plus(WINDOW) {
        return When::Now { delay };
    }
    let awaited = alloc
        .followup_eval
        .and_then(|id| root.evals.get(&id))
        .is_some_and(|followup| !followup.status.is_terminal());
    if awaited { When::Awaited } else { When::Later { due } }
}

/// The history of the next attempt: as many events as the policy has to count.
pub(super) fn history(
    group: &TaskGroup,
    old: &Allocation,
    delay: Duration,
    now: Timestamp,
) -> Vec<RescheduleEvent> {
    let limited = group.reschedule.as_ref().filter(|policy| !policy.unlimited);
    let kept = limited.map_or(EVENTS_KEPT, |policy| EVENTS_KEPT.max(policy.attempts as usize));
    let mut events = old.reschedules.clone();
    events.push(RescheduleEvent { time: now, previous: old.id, previous_node: old.node, delay });
    let surplus = events.len().saturating_sub(kept);
    events.drain(..surplus);
    events
}

fn failed_at(alloc: &Allocation) -> Timestamp {
    alloc
        .tasks
        .values()
        .map(|task| task.finished_at)
        .max()
        .filter(|time| !time.is_zero())
        .unwrap_or(alloc.modify_time)
}

fn has_attempts(policy: &ReschedulePolicy, alloc: &Allocation, failed_at: Timestamp) -> bool {
    if policy.unlimited {
        return true;
    }
    let recent =
        alloc.reschedules.iter().filter(|event| failed_at.since(event.time) < policy.interval).count();
    recent < policy.attempts as usize
}

fn next_delay(policy: &ReschedulePolicy, events: &[RescheduleEvent], failed_at: Timestamp) -> Duration {
    let base = policy.delay;
    let grown = match (policy.delay_function, events) {
        (DelayFunction::Constant, _) | (_, []) => return base,
        (DelayFunction::Exponential, [.., last]) => last.delay.saturating_mul(2),
        (DelayFunction::Fibonacci, [_]) => base,
        (DelayFunction::Fibonacci, [.., before, last]) => before.delay.saturating_add(last.delay),
    };
    if policy.max_delay.is_zero() || grown <= policy.max_delay {
        return grown;
    }
    // It ran for longer than the longest delay: that was not the same trouble any more.
    let last = events.last().expect("without events the base delay was returned");
    if failed_at.since(last.time) > policy.max_delay { base } else { policy.max_delay }
}

#[cfg(test)]
mod tests {
    use model::{AllocId, NodeId};

    use super::*;

    fn delays(function: DelayFunction, attempts: usize) -> Vec<u64> {
        let policy = ReschedulePolicy {
            delay: Duration::from_secs(5),
            delay_function: function,
            max_delay: Duration::from_secs(60),
            ..ReschedulePolicy::default()
        };
        let mut events = Vec::new();
        let mut time = Timestamp::from_secs(1000);
        (0..attempts)
            .map(|_| {
                let delay = next_delay(&policy, &events, time);
                time = time.plus(delay);
                events.push(RescheduleEvent { time, previous: AllocId(1), previous_node: NodeId(1), delay });
                delay.as_secs()
            })
            .collect()
    }

    #[test]
    fn delays_grow_up_to_the_longest() {
        assert_eq!(delays(DelayFunction::Constant, 4), [5, 5, 5, 5]);
        assert_eq!(delays(DelayFunction::Exponential, 6), [5, 10, 20, 40, 60, 60]);
        assert_eq!(delays(DelayFunction::Fibonacci, 7), [5, 5, 10, 15, 25, 40, 60]);
    }

    #[test]
    fn a_long_life_resets_the_delay() {
        let policy = ReschedulePolicy { max_delay: Duration::from_secs(60), ..ReschedulePolicy::default() };
        let events = [RescheduleEvent {
            time: Timestamp::from_secs(100),
            previous: AllocId(1),
            previous_node: NodeId(1),
            delay: Duration::from_secs(60),
        }];
        let check = |failed_at, expected| {
            let delay = next_delay(&policy, &events, Timestamp::from_secs(failed_at));
            assert_eq!(delay, Duration::from_secs(expected));
        };
        check(130, 60);
        check(161, 30);
    }
}

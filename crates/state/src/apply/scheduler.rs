//! What operators decide about the scheduler.

use std::sync::Arc;

use model::SchedulerSettings;

use super::settings::{Changed, replaced};
use crate::{
    command::{Outcome, Refusal},
    root::Root,
};

pub(super) fn set(
    root: &mut Root,
    index: u64,
    settings: SchedulerSettings,
    enforce_index: Option<u64>,
) -> Outcome {
    let known = &root.scheduler;
    match replaced(index, known.create_index, known.modify_index, enforce_index) {
        Ok((create_index, modify_index)) => {
            if settings.preemption != known.preemption {
                root.usage.may_be_evicted(index);
            }
            root.scheduler = Arc::new(SchedulerSettings { create_index, modify_index, ..settings });
            Outcome::Done
        }
        Err(Changed { wanted, found }) => Outcome::Refused(Refusal::SchedulerChanged { wanted, found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Command;

    #[test]
    fn settings_are_replaced_kept_in_snapshots_and_guarded_by_their_index() {
        let mut root = Root::default();
        let settings = SchedulerSettings { pause_eval_broker: true, ..SchedulerSettings::default() };
        let set = |enforce_index| Command::SetScheduler { settings: settings.clone(), enforce_index };
        assert_eq!(root.apply(5, set(Some(0))), Outcome::Done);
        assert_eq!(root.apply(6, set(None)), Outcome::Done);
        let refused = root.apply(7, set(Some(5)));
        assert_eq!(refused, Outcome::Refused(Refusal::SchedulerChanged { wanted: 5, found: 6 }));
        assert_eq!((root.scheduler.create_index, root.scheduler.modify_index), (5, 6));
        let restored = crate::snapshot::restore(root.rows().collect::<Vec<_>>()).unwrap();
        assert_eq!(restored.scheduler, root.scheduler);
        assert!(restored.scheduler.pause_eval_broker);
    }
}

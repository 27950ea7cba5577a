//! What operators decide about the scheduler.

use std::sync::Arc;

use model::SchedulerSettings;

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
    let found = root.scheduler.modify_index;
    if let Some(wanted) = enforce_index.filter(|wanted| *wanted != found) {
        return Outcome::Refused(Refusal::SchedulerChanged { wanted, found });
    }
    let create_index = if found == 0 { index } else { root.scheduler.create_index };
    root.scheduler = Arc::new(SchedulerSettings { create_index, modify_index: index, ..settings });
    Outcome::Done
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

//! What operators decide about the servers in the log.

use std::sync::Arc;

use model::AutopilotSettings;

use super::settings::{Changed, replaced};
use crate::{
    command::{Outcome, Refusal},
    root::Root,
};

pub(super) fn set(
    root: &mut Root,
    index: u64,
    settings: AutopilotSettings,
    enforce_index: Option<u64>,
) -> Outcome {
    let known = &root.autopilot;
    match replaced(index, known.create_index, known.modify_index, enforce_index) {
        Ok((create_index, modify_index)) => {
            root.autopilot = Arc::new(AutopilotSettings { create_index, modify_index, ..settings });
            Outcome::Done
        }
        Err(Changed { wanted, found }) => Outcome::Refused(Refusal::AutopilotChanged { wanted, found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Command;

    #[test]
    fn settings_are_replaced_kept_in_snapshots_and_guarded_by_their_index() {
        let mut root = Root::default();
        let settings = AutopilotSettings { min_quorum: 3, ..AutopilotSettings::default() };
        let set = |enforce_index| Command::SetAutopilot { settings: settings.clone(), enforce_index };
        assert_eq!(root.apply(5, set(Some(0))), Outcome::Done);
        assert_eq!(root.apply(6, set(None)), Outcome::Done);
        let refused = root.apply(7, set(Some(5)));
        assert_eq!(refused, Outcome::Refused(Refusal::AutopilotChanged { wanted: 5, found: 6 }));
        assert_eq!((root.autopilot.create_index, root.autopilot.modify_index), (5, 6));
        let restored = crate::snapshot::restore(root.rows().collect::<Vec<_>>()).unwrap();
        assert_eq!(restored.autopilot, root.autopilot);
        assert_eq!(restored.autopilot.min_quorum, 3);
    }
}

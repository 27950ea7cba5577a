//! What an allocation takes over of the one before it, and where that is.
//!
//! The data are `alloc/data` and the `local` directory of each task; logs, secrets and `tmp` stay with the old one. They
//! outlive an allocation if its group says so: `sticky` on the same node, `migrate` also from another one.

use model::{AllocId, EphemeralDisk};
use serde::{Deserialize, Serialize};

/// Where the data of the previous allocation are. Nodes keep it on disk until it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TakeOver {
    /// On this node: they are moved.
    Here(AllocId),
    /// On another one: they are copied.
    Elsewhere(AllocId),
    /// On another one, where they stay: `migrate` does not say that they shall move.
    LeftBehind(AllocId),
}

/// `is_here`: the previous allocation was on this node. `None`: nothing is to be taken over.
pub fn what(disk: &EphemeralDisk, previous: AllocId, is_here: bool) -> Option<TakeOver> {
    match (disk.is_sticky(), is_here, disk.migrate) {
        (false, ..) => None,
        (true, true, _) => Some(TakeOver::Here(previous)),
        (true, false, true) => Some(TakeOver::Elsewhere(previous)),
        (true, false, false) => Some(TakeOver::LeftBehind(previous)),
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Taken,
    /// The files are not there any more.
    Gone,
    Failed(String),
}

/// The event on each task.
pub fn words(what: TakeOver, outcome: &Outcome) -> String {
    match (what, outcome) {
        (TakeOver::Here(id), Outcome::Taken) => format!("Took over the data of allocation {id}"),
        (TakeOver::Elsewhere(id), Outcome::Taken) => {
            format!("Fetched the data of allocation {id} from its node")
        }
        (TakeOver::LeftBehind(id), _) => format!(
            "Starting without the data of allocation {id}: they are on another node, and `migrate` is not set"
        ),
        (TakeOver::Here(id) | TakeOver::Elsewhere(id), Outcome::Gone) => {
            format!("Starting without the data of allocation {id}: its files were removed")
        }
        (TakeOver::Here(id) | TakeOver::Elsewhere(id), Outcome::Failed(reason)) => {
            format!("Starting without the data of allocation {id}: {reason}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_data_come_from() {
        let check = |sticky, migrate, is_here, expected| {
            let disk = EphemeralDisk { sticky, migrate, ..EphemeralDisk::default() };
            assert_eq!(what(&disk, AllocId(1), is_here), expected);
        };
        check(false, false, true, None);
        check(false, false, false, None);
        check(true, false, true, Some(TakeOver::Here(AllocId(1))));
        check(true, false, false, Some(TakeOver::LeftBehind(AllocId(1))));
        for sticky in [true, false] {
            check(sticky, true, true, Some(TakeOver::Here(AllocId(1))));
            check(sticky, true, false, Some(TakeOver::Elsewhere(AllocId(1))));
        }
    }

    #[test]
    fn each_outcome_has_its_words() {
        let failed = words(TakeOver::Elsewhere(AllocId(1)), &Outcome::Failed("node away".into()));
        assert!(
            failed.starts_with("Starting without the data") && failed.ends_with(": node away"),
            "{failed}"
        );
        let gone = words(TakeOver::Here(AllocId(1)), &Outcome::Gone);
        assert!(gone.ends_with("its files were removed"), "{gone}");
        assert!(words(TakeOver::Here(AllocId(1)), &Outcome::Taken).starts_with("Took over"));
    }
}

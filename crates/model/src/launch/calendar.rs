//! The slots of a cron expression on clocks that are changed.

use croner::Cron;
use jiff::{
    civil::DateTime,
    tz::{Offset, TimeZone},
};

use crate::time::Timestamp;

/// A cron expression, and whether it goes by intervals.
#[derive(Debug)]
pub(super) struct Expression {
    pub(super) cron: Cron,
    /// Any hour, or each so many hours.
    pub(super) hour_is_open: bool,
}

/// Changes of clocks that are looked past before there is said to be no slot: four centuries of two a year.
const MAX_CHANGES: usize = 800;

/// The first slot after a moment. Goes from one change of clocks to the next, as between them a clock is just a clock.
pub(super) fn next(expression: &Expression, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    let after = jiff::Timestamp::from_nanosecond(i128::from(after.as_nanos())).ok()?;
    let mut offset = zone.to_offset(after);
    let mut changes = zone.following(after);
    // From here on, on the clock; the first time is not a slot itself.
    let mut from = offset.to_datetime(after);
    let mut inclusive = false;
    // After a change the clock repeats what lies before this.
    let mut shown_until =
        match zone.preceding(after.checked_add(jiff::SignedDuration::from_nanos(1)).ok()?).next() {
            Some(change) => before(zone, change.timestamp())?.to_datetime(change.timestamp()),
            None => DateTime::MIN,
        };
    for _ in 0..MAX_CHANGES {
        if !expression.hour_is_open && shown_until > from {
            (from, inclusive) = (shown_until, true);
        }
        let slot = expression.cron.find_next_occurrence(&from, inclusive).ok();
        let change = changes.next();
        let found = slot.and_then(|slot| offset.to_timestamp(slot).ok());
        let Some(change) = change else { return found.and_then(stored) };
        let moment = change.timestamp();
        if let Some(found) = found.filter(|&found| found < moment) {
            return stored(found);
        }
        let last_shown = offset.to_datetime(moment);
        let first_shown = change.offset().to_datetime(moment);
        // Skipped: between the two. It is made up for at once.
        if !expression.hour_is_open && slot.is_some_and(|slot| slot >= last_shown && slot < first_shown) {
            return stored(moment);
        }
        slot?;
        (from, inclusive) = (first_shown, true);
        shown_until = last_shown;
        offset = change.offset();
    }
    None
}

/// What the clock's offset was until a moment.
fn before(zone: &TimeZone, moment: jiff::Timestamp) -> Option<Offset> {
    Some(zone.to_offset(moment.checked_sub(jiff::SignedDuration::from_nanos(1)).ok()?))
}

fn stored(moment: jiff::Timestamp) -> Option<Timestamp> {
    i64::try_from(moment.as_nanosecond()).ok().map(Timestamp)
}

//! Where times and ids come from: the only place that asks the machine for either.

use std::time::{SystemTime, UNIX_EPOCH};

use model::Timestamp;

use crate::actors::ports::{Clock, IdSource};

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is given")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }
}

/// Random UUIDs.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl IdSource for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "this is the source that everybody else is given")]
    fn uuid(&self) -> u128 {
        uuid::Uuid::new_v4().as_u128()
    }
}

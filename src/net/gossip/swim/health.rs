//! How far this member can trust its own verdicts.
//!
//! Whoever gets no processor time hears the answers of others late and takes the others for dead. So lateness of
//! one's own timers, probes that fail one after the other and suspicions about oneself make a member patient, and
//! answers in time make it quick again. (Lifeguard: Dadgar, Phillips, Currey, 2017)

use std::time::Duration;

/// Highest score: everything takes nine times as long.
const WORST: u32 = 8;
/// A timer that comes so late tells of a pause.
const LATE: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Default)]
pub(super) struct Health {
    /// 0: good.
    score: u32,
    /// Until then, answers may still be waiting to be read.
    unsure_until: Duration,
}

impl Health {
    pub(super) fn score(&self) -> u32 {
        self.score
    }

    /// A timer was handled. `grace`: how long it takes to ask again and be answered.
    pub(super) fn woke(&mut self, now: Duration, late: Duration, grace: Duration) {
        if late < LATE {
            return;
        }
        // One point for a pause, not for each timer that was due in it.
        if now >= self.unsure_until {
            self.worse();
        }
        self.unsure_until = now + grace;
    }

    /// Whether there was a pause so shortly ago that nothing can be concluded from silence.
    pub(super) fn is_unsure(&self, now: Duration) -> bool {
        now < self.unsure_until
    }

    pub(super) fn better(&mut self) {
        self.score = self.score.saturating_sub(1);
    }

    pub(super) fn worse(&mut self) {
        self.score = (self.score + 1).min(WORST);
    }

    /// How long something takes that is to be answered by others.
    pub(super) fn stretch(&self, time: Duration) -> Duration {
        time * (1 + self.score)
    }
}

//! From a probe without answer to a verdict.
//!
//! Whoever probes in vain suspects, tells all, and asks the suspect again and again whether it is there. Others who
//! probe in vain, too, confirm: each confirmation brings the end nearer. A suspicion that nobody shares lasts longest,
//! and a member that does not trust itself keeps it until it does.

use std::time::Duration;

use bytes::BufMut;
use foca::{Header, Message, State, Timer};

use super::{Alarm, Identity, Letter, Outcome, Swim};
use crate::net::gossip::{
    rumour::Accusation,
    wire::{write_header, write_member},
};

/// How often a suspect is asked whether it is there, in probe periods.
const ASK_EVERY: f64 = 0.5;
/// A suspicion that nobody shares lasts so many times as long as one that is confirmed.
const ALONE: u32 = 4;
/// Confirmations after which a suspicion is as sure as it gets.
const CONFIRMATIONS: usize = 2;
/// Above this, a suspicion of one's own alone is no reason to act.
const DOUBTFUL: u32 = 3;
/// Questions in a row, each asked in time, that have to stay without answer.
const QUESTIONS: u32 = 4;

/// What this member found out by itself about one that does not answer.
#[derive(Debug, Clone)]
pub(super) struct Suspicion {
    identity: Identity,
    incarnation: u16,
    /// What makes foca declare it dead.
    verdict: Timer<Identity>,
    since: Duration,
    /// Without answer, since this member last paused.
    questions: u32,
}

/// How long a suspect has to speak up: `patience` when enough others confirmed.
///
/// `others`: members beside this one and the suspect.
fn time_to_refute(patience: Duration, confirmations: usize, others: usize) -> Duration {
    let wanted = CONFIRMATIONS.min(others);
    if confirmations >= wanted {
        return patience;
    }
    let ln = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX)).ln();
    let longest = patience * ALONE;
    longest - (longest - patience).mul_f64(ln(confirmations + 1) / ln(wanted + 1))
}

impl Swim {
    /// A probe of one's own stayed without answer: foca counts the member as a suspect from now on.
    pub(super) fn suspect(&mut self, now: Duration, verdict: Timer<Identity>, outcome: &mut Outcome) {
        let Timer::ChangeSuspectToDown { member_id: identity, incarnation, .. } = verdict else { return };
        let known = self.suspicions.get(&identity.addr);
        if known.is_some_and(|known| known.identity == identity && known.incarnation == incarnation) {
            return;
        }
        if self.suspicions.is_empty() {
            outcome.wake.push((now + self.ask_every(), Alarm::Ask));
        }
        let suspicion = Suspicion { identity, incarnation, verdict, since: now, questions: 0 };
        self.suspicions.insert(identity.addr, suspicion);
        let accuser = self.foca.identity().node;
        let accusation = Accusation { identity, incarnation, accuser };
        // As many as each of the first accusers needs beside itself.
        if self.rumours.accusers(&accusation, Some(accuser)) <= CONFIRMATIONS {
            self.accuse(&accusation);
        }
    }

    fn ask_every(&self) -> Duration {
        self.pace.probe_every.mul_f64(ASK_EVERY)
    }

    /// Asks the suspects whether they are there, and gives up those who had their time.
    pub(super) fn ask(&mut self, now: Duration) -> Outcome {
        {
            let overheard = self.codec.overheard();
            self.suspicions.retain(|address, known| {
                overheard.ledger.get(*address).is_some_and(|member| {
                    (member.state(), member.incarnation()) == (State::Suspect, known.incarnation)
                })
            });
        }
        let mut given_up = Vec::new();
        let asked: Vec<_> = self.suspicions.values().cloned().collect();
        for suspicion in asked {
            if self.is_over(now, &suspicion) {
                self.suspicions.remove(&suspicion.identity.addr);
                given_up.push(suspicion.verdict);
                continue;
            }
            let question = self.question(suspicion.identity, 0, Some(suspicion.incarnation));
            self.letters.push((suspicion.identity.addr, question));
            if let Some(known) = self.suspicions.get_mut(&suspicion.identity.addr) {
                known.questions = if self.health.is_unsure(now) { 0 } else { known.questions + 1 };
            }
        }
        for verdict in given_up {
            if let Err(error) = self.foca.handle_timer(verdict, &mut self.runtime) {
                tracing::debug!(%error, "a verdict came late");
            }
        }
        let mut outcome = self.outcome(now);
        // A suspicion that came up just now has set the alarm itself, if there was no other.
        if !self.suspicions.is_empty() && !outcome.wake.iter().any(|(_, alarm)| *alarm == Alarm::Ask) {
            outcome.wake.push((now + self.ask_every(), Alarm::Ask));
        }
        outcome
    }

    fn is_over(&self, now: Duration, suspicion: &Suspicion) -> bool {
        let accusation = Accusation {
            identity: suspicion.identity,
            incarnation: suspicion.incarnation,
            accuser: self.foca.identity().node,
        };
        let confirmed = self.rumours.accusers(&accusation, Some(accusation.accuser));
        let others = self.size().saturating_sub(1);
        let patience = self.pace.patience(self.size() + 1);
        let time = time_to_refute(patience, confirmed, others);
        let lasted = now.saturating_sub(suspicion.since);
        if lasted < time || self.health.is_unsure(now) || suspicion.questions < QUESTIONS {
            return false;
        }
        // Nobody else saw it, and this member is not well. Yet it may be the last one there is.
        let alone = confirmed == 0 && others > 0;
        !alone || self.health.score() <= DOUBTFUL || lasted >= 3 * time
    }

    /// A probe that tells a suspect what is said about it.
    pub(super) fn question(&self, to: Identity, number: u8, suspected: Option<u16>) -> Letter {
        let header = Header {
            src: *self.foca.identity(),
            src_incarnation: self.codec.overheard().incarnation,
            dst: to,
            message: Message::Ping(number),
        };
        let mut bytes = Vec::with_capacity(128);
        write_header(&header, &mut bytes).expect("a vector has room");
        bytes.put_u16(u16::from(suspected.is_some()));
        if let Some(incarnation) = suspected {
            let suspect = foca::Member::new(to, incarnation, State::Suspect);
            write_member(&suspect, &mut bytes).expect("a vector has room");
        }
        Letter::Foca(bytes)
    }

    /// The current probe again, if it was not answered.
    pub(super) fn ask_again(&mut self) -> bool {
        let open = {
            let overheard = self.codec.overheard();
            overheard.probe.filter(|_| !overheard.answered)
        };
        let Some((target, number)) = open else { return false };
        let question = self.question(target, number, None);
        self.letters.push((target.addr, question));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confirmations_shorten_the_time() {
        let time =
            |confirmations, others| time_to_refute(Duration::from_secs(3), confirmations, others).as_millis();
        assert_eq!(time(0, 0), 3000, "nobody could confirm");
        assert_eq!([time(0, 1), time(1, 1)], [12_000, 3000]);
        assert_eq!([time(0, 100), time(1, 100), time(2, 100)], [12_000, 6321, 3000]);
    }
}

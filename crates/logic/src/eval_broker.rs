//! Hands each evaluation to one scheduler worker at a time: priority first, one per job, with leases. Now and then the
//! oldest has its turn, whatever its priority: a flood of urgent work delays the rest and starves nothing.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use model::{EvalId, EvalStatus, Evaluation, JobKey, Timestamp};
use state::Root;

/// A worker that does not answer for this long has lost its evaluation.
pub const LEASE: Duration = Duration::from_secs(60);
/// After so many deliveries without an answer an evaluation counts as failed.
pub const DELIVERY_LIMIT: u32 = 3;

/// Every so often the oldest evaluation is handed out instead of the most urgent one.
const TURN_OF_THE_OLDEST: u64 = 8;

/// Proves that a worker still holds the evaluation it speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeaseToken(pub u64);

/// The worker does not hold this evaluation (any more).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("evaluation {0} is not leased under this token")]
pub struct NotLeased(pub EvalId);

/// What should happen in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A newer evaluation of the same job was processed: this one is not needed.
    Cancel(EvalId),
    /// Nobody could process it.
    Fail(EvalId),
}

#[derive(Debug, Clone)]
struct Entry {
    id: EvalId,
    job: JobKey,
    priority: u16,
    create_index: u64,
    deliveries: u32,
}

type ReadyKey = (Reverse<u16>, u64, EvalId);

impl Entry {
    fn ready_key(&self) -> ReadyKey {
        (Reverse(self.priority), self.create_index, self.id)
    }
}

#[derive(Debug)]
struct Lease {
    token: LeaseToken,
    expires: Timestamp,
    entry: Entry,
}

/// How many evaluations wait where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depths {
    pub ready: usize,
    pub leased: usize,
    /// Behind another evaluation of the same job.
    pub behind: usize,
    pub delayed: usize,
}

/// The queues. Volatile: rebuilt from the state after a restart or a change of leader.
#[derive(Debug, Default)]
pub struct Broker {
    known: BTreeSet<EvalId>,
    ready: BTreeMap<ReadyKey, Entry>,
    /// The same by age.
    by_age: BTreeSet<(u64, ReadyKey)>,
    /// Evaluations handed out.
    turn: u64,
    leased: BTreeMap<EvalId, Lease>,
    /// The one evaluation per job that is ready or leased.
    active: BTreeMap<JobKey, EvalId>,
    behind: BTreeMap<JobKey, Vec<Entry>>,
    delayed: BTreeMap<(Timestamp, EvalId), Entry>,
    tokens: u64,
}

impl Broker {
    /// Takes in what is pending and changed after the index.
    pub fn look(&mut self, root: &Root, after: u64, now: Timestamp) {
        for eval in root.open_evals_since(after).filter(|eval| eval.status == EvalStatus::Pending) {
            self.enqueue(eval, now);
        }
    }

    /// Takes in an evaluation that is pending, or blocked and now unblocked. One that is known is not taken twice.
    pub fn enqueue(&mut self, eval: &Evaluation, now: Timestamp) {
        if eval.status.is_terminal() || !self.known.insert(eval.id) {
            return;
        }
        let entry = Entry {
            id: eval.id,
            job: eval.job.clone(),
            priority: eval.priority,
            create_index: eval.create_index,
            deliveries: 0,
        };
        if eval.status == EvalStatus::Pending && eval.wait_until > now {
            self.delayed.insert((eval.wait_until, eval.id), entry);
        } else {
            self.admit(entry);
        }
    }

    fn admit(&mut self, entry: Entry) {
        if self.active.contains_key(&entry.job) {
            self.behind.entry(entry.job.clone()).or_default().push(entry);
        } else {
            self.active.insert(entry.job.clone(), entry.id);
            self.make_ready(entry);
        }
    }

    fn make_ready(&mut self, entry: Entry) {
        self.by_age.insert((entry.create_index, entry.ready_key()));
        self.ready.insert(entry.ready_key(), entry);
    }

    fn take_next(&mut self) -> Option<Entry> {
        let is_turn = (self.turn + 1).is_multiple_of(TURN_OF_THE_OLDEST);
        let oldest = self.by_age.first().filter(|_| is_turn).map(|(_, key)| *key);
        let key = oldest.or_else(|| self.ready.keys().next().copied())?;
        self.turn += 1;
        let entry = self.ready.remove(&key)?;
        self.by_age.remove(&(entry.create_index, key));
        Some(entry)
    }

    /// Leases the most urgent evaluation, or the oldest if it is its turn.
    pub fn dequeue(&mut self, now: Timestamp) -> Option<(EvalId, LeaseToken)> {
        let mut entry = self.take_next()?;
        entry.deliveries += 1;
        self.tokens += 1;
        let token = LeaseToken(self.tokens);
        let id = entry.id;
        self.leased.insert(id, Lease { token, expires: now.plus(LEASE), entry });
        Some((id, token))
    }

    /// The evaluation was processed. Of those that waited behind it only the newest is still of interest.
    ///
    /// # Errors
    /// When the lease ran out: nothing was changed, somebody else has the evaluation now.
    pub fn ack(&mut self, id: EvalId, token: LeaseToken) -> Result<Vec<Effect>, NotLeased> {
        let entry = self.end_lease(id, token)?;
        self.known.remove(&id);
        self.active.remove(&entry.job);
        let mut waiting = self.behind.remove(&entry.job).unwrap_or_default();
        waiting.sort_by_key(|entry| (entry.create_index, entry.id));
        let newest = waiting.pop();
        let mut effects = Vec::new();
        for entry in waiting {
            self.known.remove(&entry.id);
            effects.push(Effect::Cancel(entry.id));
        }
        if let Some(newest) = newest {
            self.admit(newest);
        }
        Ok(effects)
    }

    /// The evaluation could not be processed; it is delivered again later, a limited number of times.
    ///
    /// # Errors
    /// When the lease ran out.
    pub fn nack(&mut self, id: EvalId, token: LeaseToken, now: Timestamp) -> Result<Vec<Effect>, NotLeased> {
        let entry = self.end_lease(id, token)?;
        Ok(self.redeliver(entry, now))
    }

    /// The lease was never delivered: as if it had not been given.
    pub fn give_back(&mut self, id: EvalId, token: LeaseToken) {
        if let Ok(mut entry) = self.end_lease(id, token) {
            entry.deliveries -= 1;
            self.make_ready(entry);
        }
    }

    fn redeliver(&mut self, entry: Entry, now: Timestamp) -> Vec<Effect> {
        self.active.remove(&entry.job);
        let job = entry.job.clone();
        let effects = if entry.deliveries >= DELIVERY_LIMIT {
            self.known.remove(&entry.id);
            vec![Effect::Fail(entry.id)]
        } else {
            let wait = if entry.deliveries <= 1 {
                Duration::from_secs(1)
            } else {
                Duration::from_secs(20 * u64::from(entry.deliveries - 1))
            };
            self.delayed.insert((now.plus(wait), entry.id), entry);
            Vec::new()
        };
        if let Some(mut waiting) = self.behind.remove(&job)
            && !waiting.is_empty()
        {
            let next = waiting.remove(0);
            if !waiting.is_empty() {
                self.behind.insert(job, waiting);
            }
            self.admit(next);
        }
        effects
    }

    fn end_lease(&mut self, id: EvalId, token: LeaseToken) -> Result<Entry, NotLeased> {
        match self.leased.get(&id) {
            Some(lease) if lease.token == token => {
                Ok(self.leased.remove(&id).expect("found in the line above").entry)
            }
            _ => Err(NotLeased(id)),
        }
    }

    /// Admits evaluations whose time has come and takes back leases that ran out.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Effect> {
        while let Some((&(due, _), _)) = self.delayed.first_key_value() {
            if due > now {
                break;
            }
            let (_, entry) = self.delayed.pop_first().expect("looked at in the line above");
            self.admit(entry);
        }
        let expired: Vec<EvalId> =
            self.leased.iter().filter(|(_, lease)| lease.expires <= now).map(|(id, _)| *id).collect();
        let mut effects = Vec::new();
        for id in expired {
            let lease = self.leased.remove(&id).expect("taken from the same map");
            effects.extend(self.redeliver(lease.entry, now));
        }
        effects
    }

    /// When `tick` has something to do next.
    pub fn next_wake(&self) -> Option<Timestamp> {
        let delayed = self.delayed.first_key_value().map(|(&(due, _), _)| due);
        let leased = self.leased.values().map(|lease| lease.expires).min();
        delayed.into_iter().chain(leased).min()
    }

    pub fn depths(&self) -> Depths {
        Depths {
            ready: self.ready.len(),
            leased: self.leased.len(),
            behind: self.behind.values().map(Vec::len).sum(),
            delayed: self.delayed.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{JobType, Trigger};
    use proptest::prelude::*;

    use super::*;

    fn eval(id: u128, job: &str, priority: u16) -> Evaluation {
        let mut eval = Evaluation::new(
            EvalId(id),
            JobKey::new("default", job),
            JobType::Service,
            priority,
            Trigger::JobRegister,
            Timestamp(0),
        );
        eval.create_index = id as u64;
        eval
    }

    const NOW: Timestamp = Timestamp(1_000_000_000);

    #[test]
    fn urgent_first_then_oldest() {
        let mut broker = Broker::default();
        for (id, job, priority) in [(1, "a", 50), (2, "b", 80), (3, "c", 50)] {
            broker.enqueue(&eval(id, job, priority), NOW);
        }
        let order: Vec<u128> = std::iter::from_fn(|| broker.dequeue(NOW).map(|(id, _)| id.0)).collect();
        assert_eq!(order, [2, 1, 3]);
    }

    #[test]
    fn a_flood_of_urgent_work_starves_nothing() {
        let mut broker = Broker::default();
        broker.enqueue(&eval(1, "patient", 1), NOW);
        broker.enqueue(&eval(2, "second", 1), NOW);
        let mut seen = Vec::new();
        for id in 3..40 {
            // There is always something more urgent.
            broker.enqueue(&eval(id, &id.to_string(), 100), NOW);
            broker.enqueue(&eval(1000 + id, &format!("more {id}"), 100), NOW);
            seen.push(broker.dequeue(NOW).unwrap().0.0);
        }
        let place = |id| seen.iter().position(|seen| *seen == id);
        assert_eq!((place(1), place(2)), (Some(7), Some(15)));
    }

    #[test]
    fn one_per_job_and_only_the_newest_of_those_behind() {
        let mut broker = Broker::default();
        for id in 1..=3 {
            broker.enqueue(&eval(id, "a", 50), NOW);
        }
        let (first, token) = broker.dequeue(NOW).unwrap();
        assert_eq!(first, EvalId(1));
        assert!(broker.dequeue(NOW).is_none());
        assert_eq!(broker.ack(first, token).unwrap(), [Effect::Cancel(EvalId(2))]);
        assert_eq!(broker.dequeue(NOW).unwrap().0, EvalId(3));
    }

    #[test]
    fn a_lost_worker_gives_the_evaluation_back_and_the_limit_holds() {
        let mut broker = Broker::default();
        broker.enqueue(&eval(1, "a", 50), NOW);
        let mut now = NOW;
        for delivery in 1..=DELIVERY_LIMIT {
            let (id, token) = broker.dequeue(now).expect("delivered again");
            now = now.plus(LEASE);
            let effects = broker.tick(now);
            assert_eq!(effects.is_empty(), delivery < DELIVERY_LIMIT);
            assert!(broker.ack(id, token).is_err(), "the old lease is void");
            now = now.plus(Duration::from_secs(60));
            broker.tick(now);
        }
        assert_eq!(broker.depths(), Depths::default());
    }

    #[test]
    fn delayed_ones_wait() {
        let mut broker = Broker::default();
        let mut later = eval(1, "a", 50);
        later.wait_until = NOW.plus(Duration::from_secs(30));
        broker.enqueue(&later, NOW);
        assert!(broker.dequeue(NOW).is_none());
        assert_eq!(broker.next_wake(), Some(later.wait_until));
        broker.tick(later.wait_until);
        assert!(broker.dequeue(later.wait_until).is_some());
    }

    #[test]
    fn a_job_purged_while_its_evaluation_is_leased_holds_up_nothing() {
        use model::{Job, JobKey};
        use state::Command;

        let mut root = Root::default();
        let job = |id: &str| Box::new(Job { id: id.into(), ..Job::default() });
        let mut index = 0;
        let mut apply = |root: &mut Root, command| {
            index += 1;
            root.apply(index, command);
        };
        for (id, name) in [(1, "a"), (2, "b")] {
            let eval = Some(eval(id, name, 50));
            apply(&mut root, Command::RegisterJob { job: job(name), enforce_index: None, eval, now: NOW });
        }
        let mut broker = Broker::default();
        broker.look(&root, 0, NOW);
        let (first, token) = broker.dequeue(NOW).unwrap();
        assert_eq!(first, EvalId(1));
        let seen = root.index;
        let purge = Command::DeregisterJob {
            job: JobKey::new("default", "a"),
            purge: true,
            eval: Some(eval(3, "a", 50)),
            now: NOW,
        };
        apply(&mut root, purge);
        broker.look(&root, seen, NOW);
        // Others go on meanwhile; what stops the job comes once its lease is over.
        let (second, other) = broker.dequeue(NOW).unwrap();
        assert_eq!(second, EvalId(2));
        assert!(broker.dequeue(NOW).is_none());
        assert_eq!(broker.ack(first, token).unwrap(), []);
        let (last, stop) = broker.dequeue(NOW).unwrap();
        assert_eq!(last, EvalId(3));
        broker.ack(second, other).unwrap();
        broker.ack(last, stop).unwrap();
        assert_eq!(broker.depths(), Depths::default());
    }

    proptest! {
        /// Whatever happens, no two evaluations of one job are leased at a time, and none is lost.
        #[test]
        fn never_two_of_a_job_at_once(steps in prop::collection::vec((0u8..4, 0u8..4), 1..200)) {
            let mut broker = Broker::default();
            let mut now = NOW;
            let mut next = 1u128;
            let mut held: Vec<(EvalId, LeaseToken)> = Vec::new();
            let mut jobs: BTreeMap<EvalId, u8> = BTreeMap::new();
            let mut open = 0usize;
            for (step, job) in steps {
                now = now.plus(Duration::from_millis(700));
                match step {
                    0 => {
                        broker.enqueue(&eval(next, &job.to_string(), 50), now);
                        jobs.insert(EvalId(next), job);
                        next += 1;
                        open += 1;
                    }
                    1 => held.extend(broker.dequeue(now)),
                    2 => if let Some((id, token)) = held.pop()
                        && let Ok(effects) = broker.ack(id, token) { open -= 1 + effects.len() },
                    _ => if let Some((id, token)) = held.pop()
                        && let Ok(effects) = broker.nack(id, token, now) { open -= effects.len() },
                }
                open -= broker.tick(now).len();
                let leased: Vec<u8> = broker.leased.keys().map(|id| jobs[id]).collect();
                let distinct: BTreeSet<u8> = leased.iter().copied().collect();
                prop_assert_eq!(leased.len(), distinct.len());
                prop_assert_eq!(broker.by_age.len(), broker.ready.len());
                let depths = broker.depths();
                prop_assert_eq!(depths.ready + depths.leased + depths.behind + depths.delayed, open);
            }
        }
    }
}

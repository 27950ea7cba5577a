//! A log in memory, for simulations. It outlives the server that writes it, is slow to become durable like a disk, and
//! loses what was not durable when its server crashes.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    log_disk::{Change, Done, Found},
    types::{Entry, LogId, Vote, damaged, decode_entry, decode_vote, encode_vote},
};

/// The disk of one server. Clones share it.
#[derive(Clone)]
pub struct MemoryDisk(Arc<Mutex<Inner>>);

struct Inner {
    rng: StdRng,
    slowest: Duration,
    owner: Option<u64>,
    durable: Content,
    waiting: VecDeque<(Change, Option<Done>)>,
    flushing: bool,
    /// Of the handle that may write: there is one, the newest.
    generation: u64,
}

#[derive(Default)]
struct Content {
    vote: Option<Vec<u8>>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    log: BTreeMap<u64, Vec<u8>>,
}

impl std::fmt::Debug for MemoryDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryDisk").finish_non_exhaustive()
    }
}

impl Content {
    fn take_in(&mut self, change: Change) {
        match change {
            Change::Append(rows) => self.log.extend(rows),
            Change::Vote(vote) => self.vote = Some(encode_vote(&vote)),
            Change::Committed(id) => self.committed = id,
            Change::TruncateFrom(index) => drop(self.log.split_off(&index)),
            Change::Purge(id) => {
                self.log = self.log.split_off(&(id.index() + 1));
                self.purged = Some(id);
            }
            Change::Close => {}
        }
    }
}

impl MemoryDisk {
    /// An empty one. What is written becomes durable after a random time up to `slowest`.
    pub fn new(seed: u64, slowest: Duration) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            rng: StdRng::seed_from_u64(seed),
            slowest,
            owner: None,
            durable: Content::default(),
            waiting: VecDeque::new(),
            flushing: false,
            generation: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Some of what waited made it to the disk, in its order; the rest is lost.
    pub(super) fn open(&self, node_id: u64, max_tail: usize) -> io::Result<(MemoryLog, Found)> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        inner.generation += 1;
        inner.flushing = false;
        let kept = inner.rng.random_range(0..=inner.waiting.len());
        let waiting = std::mem::take(&mut inner.waiting);
        for (change, _) in waiting.into_iter().take(kept) {
            inner.durable.take_in(change);
        }
        if *inner.owner.get_or_insert(node_id) != node_id {
            return Err(damaged("the log belongs to another server"));
        }
        let content = &inner.durable;
        let tail = content.log.iter().rev().take(max_tail);
        let mut tail: Vec<_> =
            tail.map(|(index, row)| decode_entry(*index, row)).collect::<io::Result<_>>()?;
        tail.reverse();
        let vote: Option<Vote> = content.vote.as_deref().map(decode_vote).transpose()?;
        let found = Found { vote, committed: content.committed, purged: content.purged, tail };
        Ok((MemoryLog { disk: self.clone(), generation: inner.generation }, found))
    }
}

/// A server's handle of its disk.
pub(super) struct MemoryLog {
    disk: MemoryDisk,
    generation: u64,
}

impl MemoryLog {
    pub(super) fn write(&self, change: Change, done: Option<Done>) {
        let mut inner = self.disk.lock();
        if inner.generation != self.generation {
            drop(inner);
            if let Some(done) = done {
                done(Err(closed()));
            }
            return;
        }
        inner.waiting.push_back((change, done));
        if !std::mem::replace(&mut inner.flushing, true) {
            tokio::spawn(flush(self.disk.clone(), self.generation));
        }
    }

    pub(super) fn read(&self, from: u64, to: u64) -> io::Result<Vec<Entry>> {
        let inner = self.disk.lock();
        inner.durable.log.range(from..to).map(|(index, row)| decode_entry(*index, row)).collect()
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the log is closed")
}

async fn flush(disk: MemoryDisk, generation: u64) {
    loop {
        let (slowest, part) = {
            let mut inner = disk.lock();
            (inner.slowest, inner.rng.random::<f64>())
        };
        tokio::time::sleep(slowest.mul_f64(part)).await;
        let mut finished = Vec::new();
        {
            let mut inner = disk.lock();
            if inner.generation != generation {
                return;
            }
            while let Some((change, done)) = inner.waiting.pop_front() {
                inner.durable.take_in(change);
                finished.extend(done);
            }
            inner.flushing = false;
        }
        for done in finished {
            done(Ok(()));
        }
        let mut inner = disk.lock();
        if inner.generation != generation || inner.waiting.is_empty() || inner.flushing {
            return;
        }
        inner.flushing = true;
    }
}

//! openraft's view of the log: everything is readable at once from memory and told to be durable when it is.

use std::{
    collections::VecDeque,
    fmt, io,
    ops::{Bound, RangeBounds},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use openraft::{
    EntryPayload, LogState, OptionalSend, RaftLogReader,
    storage::{IOFlushed, RaftLogStorage},
};

use super::{
    config::Storage,
    log_disk::{Change, LogFile},
    snapshot::SnapshotDir,
    types::{Entry, LogId, Types, Vote, encode_entry},
};

/// The newest entries stay in memory up to these limits. What is not on disk yet always does.
const MAX_CACHED_ENTRIES: usize = 4096;
const MAX_CACHED_BYTES: usize = 64 << 20;

/// The log and the vote of this server. Clones share them.
#[derive(Clone)]
pub(super) struct LogStore {
    file: Arc<LogFile>,
    cache: Arc<Mutex<Cache>>,
    snapshots: Option<Arc<SnapshotDir>>,
}

/// The tail of the log.
#[derive(Default)]
struct Cache {
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    /// Of the last entry, also when all entries are purged.
    last: Option<LogId>,
    /// Consecutive, up to the last entry of the log.
    entries: VecDeque<Entry>,
    bytes: usize,
    /// All entries up to here are on disk.
    durable: Option<u64>,
}

impl Cache {
    /// Index of the first entry in memory; every earlier one is on disk or gone.
    fn first(&self) -> u64 {
        self.entries
            .front()
            .map(|entry| entry.log_id.index())
            .or_else(|| self.last.as_ref().map(|id| id.index() + 1))
            .unwrap_or(0)
    }

    fn push(&mut self, entry: Entry) -> io::Result<()> {
        if let Some(last) = &self.last
            && entry.log_id.index() != last.index() + 1
        {
            return Err(io::Error::other(format!("entry {} cannot follow entry {last}", entry.log_id)));
        }
        self.bytes += size_of(&entry);
        self.last = Some(entry.log_id);
        self.entries.push_back(entry);
        Ok(())
    }

    fn trim(&mut self) {
        while (self.entries.len() > MAX_CACHED_ENTRIES || self.bytes > MAX_CACHED_BYTES)
            && let Some(first) = self.entries.front()
            && self.durable.is_some_and(|durable| first.log_id.index() <= durable)
        {
            self.bytes -= size_of(first);
            self.entries.pop_front();
        }
    }

    fn recount(&mut self) {
        self.bytes = self.entries.iter().map(size_of).sum();
    }
}

fn size_of(entry: &Entry) -> usize {
    let body = match &entry.payload {
        EntryPayload::Normal(commands) => commands.0.iter().map(|command| command.len() + 32).sum(),
        EntryPayload::Blank | EntryPayload::Membership(_) => 0,
    };
    64 + body
}

impl LogStore {
    /// Blocks.
    pub(super) fn open(storage: &Storage, path: &Path, node_id: u64) -> io::Result<Self> {
        let (file, found) = match storage {
            Storage::File => LogFile::open(path, node_id, MAX_CACHED_ENTRIES)?,
            Storage::Memory(disk) => {
                let (log, found) = disk.open(node_id, MAX_CACHED_ENTRIES)?;
                (LogFile::in_memory(log), found)
            }
        };
        let mut cache = Cache {
            vote: found.vote,
            committed: found.committed,
            last: found.tail.last().map(|entry| entry.log_id).or(found.purged),
            purged: found.purged,
            durable: found.tail.last().map(|entry| entry.log_id.index()),
            entries: found.tail.into(),
            ..Cache::default()
        };
        cache.recount();
        cache.trim();
        Ok(Self { file: Arc::new(file), cache: Arc::new(Mutex::new(cache)), snapshots: None })
    }

    /// Keeps what the older of two snapshots needs after it, whatever openraft wants to have removed.
    pub(super) fn keep_for(&mut self, snapshots: Arc<SnapshotDir>) {
        self.snapshots = Some(snapshots);
    }

    /// Up to where the log may be removed when `wanted` is asked for.
    async fn removable(&mut self, wanted: LogId) -> io::Result<LogId> {
        let Some(floor) = self.snapshots.as_ref().and_then(|snapshots| snapshots.previous()) else {
            return Ok(wanted);
        };
        if floor >= wanted {
            return Ok(wanted);
        }
        // A log that does not lead to the wanted entry is replaced by a snapshot from elsewhere, and must go.
        let index = wanted.index();
        let found = self.try_get_log_entries(index..=index).await?;
        let leads_there = found.first().is_some_and(|entry| entry.log_id == wanted);
        Ok(if leads_there { floor } else { wanted })
    }

    /// Writes what is waiting and closes the file.
    pub(super) async fn close(&self) -> io::Result<()> {
        self.file.write_durably(Change::Close).await
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // No step under this lock leaves the cache half changed but for a panic of the allocator.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> Result<Vec<Entry>, io::Error>
    where
        RB: RangeBounds<u64> + Clone + fmt::Debug + OptionalSend,
    {
        let from = match range.start_bound() {
            Bound::Included(&index) => index,
            Bound::Excluded(&index) => index + 1,
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(&index) => index + 1,
            Bound::Excluded(&index) => index,
            Bound::Unbounded => u64::MAX,
        };
        let (first, cached) = {
            let cache = self.cache();
            let first = cache.first();
            let skip = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
            let take = usize::try_from(to.saturating_sub(from.max(first))).unwrap_or(usize::MAX);
            (first, cache.entries.iter().skip(skip).take(take).cloned().collect::<Vec<_>>())
        };
        if from >= first || from >= to {
            return Ok(cached);
        }
        let mut entries = self.file.read(from, to.min(first)).await?;
        entries.extend(cached);
        Ok(entries)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.cache().vote)
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let cache = self.cache();
        Ok(LogState { last_purged_log_id: cache.purged, last_log_id: cache.last })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.file.write_durably(Change::Vote(*vote)).await?;
        self.cache().vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        self.cache().committed = committed;
        self.file.write(Change::Committed(committed), None);
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.cache().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut rows = Vec::new();
        {
            let mut cache = self.cache();
            for entry in entries {
                rows.push((entry.log_id.index(), encode_entry(&entry)));
                cache.push(entry)?;
            }
        }
        let last = rows.last().map(|(index, _)| *index);
        let cache = self.cache.clone();
        let done = move |result: io::Result<()>| {
            if result.is_ok() {
                let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
                cache.durable = cache.durable.max(last);
                cache.trim();
            }
            callback.io_completed(result);
        };
        self.file.write(Change::Append(rows), Some(Box::new(done)));
        Ok(())
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        let from = last_log_id.as_ref().map_or(0, |id| id.index() + 1);
        // All earlier writes are on disk when this returns, so `durable` may be set outright.
        self.file.write_durably(Change::TruncateFrom(from)).await?;
        let mut cache = self.cache();
        while cache.entries.back().is_some_and(|entry| entry.log_id.index() >= from) {
            cache.entries.pop_back();
        }
        if cache.last.as_ref().is_some_and(|last| last.index() >= from) {
            cache.last = last_log_id;
        }
        cache.durable = cache.last.as_ref().map(LogId::index);
        cache.recount();
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        let log_id = self.removable(log_id).await?;
        if self.cache().purged.is_some_and(|purged| purged >= log_id) {
            return Ok(());
        }
        self.file.write_durably(Change::Purge(log_id)).await?;
        let mut cache = self.cache();
        while cache.entries.front().is_some_and(|entry| entry.log_id.index() <= log_id.index()) {
            cache.entries.pop_front();
        }
        if cache.last.as_ref().is_none_or(|last| last.index() < log_id.index()) {
            cache.last = Some(log_id);
        }
        cache.purged = Some(log_id);
        cache.recount();
        Ok(())
    }
}

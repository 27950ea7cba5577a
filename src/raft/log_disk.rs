//! The raft log on disk: one redb file, written by one thread.
//!
//! The thread takes everything that waits, in order, into one transaction, makes it durable with one fsync, and then
//! answers all of it. Nothing of redb runs on a thread of the runtime.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
};

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};

use super::memory::MemoryLog;
use super::types::{
    Entry, LogId, LogIdRecord, Vote, damaged, decode_entry, decode_vote, encode_vote, seal, unseal,
};

const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// Number of the form of these tables. A log with a higher one is left alone.
const FORMAT: u64 = 1;
/// Most bytes in one transaction; more waits for the next.
const MAX_BATCH_BYTES: usize = 16 << 20;
/// The commit index is written with one in so many transactions, and when the file is closed: a server that lost it
/// applies what it has when it hears from the leader.
const COMMITTED_EVERY: u32 = 64;
/// What one transaction removes of entries that are not needed any more. They are many megabytes after a snapshot, and who
/// writes meanwhile shall not wait for all of them.
const PURGE_STEP: usize = 4 << 20;
/// The same, of small ones.
const PURGE_STEP_ENTRIES: usize = 512;
/// redb's own page cache. Small: what is read often is in the store's cache of entries.
const PAGE_CACHE_BYTES: usize = 16 << 20;

/// Told when the write is on disk, or is not.
pub(super) type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// A change of the file.
pub(super) enum Change {
    /// Encoded entries with their indexes.
    Append(Vec<(u64, Vec<u8>)>),
    Vote(Vote),
    /// Made durable now and then, with another change: losing it costs nothing but time after a restart.
    Committed(Option<LogId>),
    /// Removes this entry and all that follow.
    TruncateFrom(u64),
    /// Removes this entry and all before: some now and, if that leaves others, the rest with what is written next.
    Purge(LogId),
    /// Closes the file. Later changes are refused.
    Close,
}

struct Write {
    change: Change,
    done: Option<Done>,
}

/// What the file held when it was opened.
#[derive(Default)]
pub(super) struct Found {
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<LogId>,
    pub(super) purged: Option<LogId>,
    /// The newest entries, oldest first.
    pub(super) tail: Vec<Entry>,
}

/// A handle of the log: of the file and its thread, which ends when the last handle is dropped or after
/// `Change::Close`, or of a simulated disk.
pub(super) struct LogFile {
    path: PathBuf,
    place: Place,
}

enum Place {
    File {
        writes: mpsc::Sender<Write>,
        /// For reading old entries.
        database: std::sync::Weak<Database>,
    },
    Memory(MemoryLog),
}

impl LogFile {
    /// Opens or creates the file. Blocks.
    ///
    /// # Errors
    /// The file cannot be used or is damaged, or belongs to another server. Nothing was changed.
    pub(super) fn open(path: &Path, node_id: u64, max_tail: usize) -> io::Result<(Self, Found)> {
        // redb asserts what it believes of its file: a torn one may end in a panic.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let database = Database::builder()
                .set_cache_size(PAGE_CACHE_BYTES)
                .create(path)
                .map_err(|error| at(path, error))?;
            let found = look(&database, node_id, max_tail).map_err(|error| at(path, error))?;
            io::Result::Ok((database, found))
        }))
        .unwrap_or_else(|panic| Err(at(path, damaged(words_of(&*panic)))));
        let (database, found) = opened?;
        let database = Arc::new(database);
        let weak = Arc::downgrade(&database);
        let (writes, waiting) = mpsc::channel();
        let thread_path = path.to_owned();
        std::thread::Builder::new()
            .name("raft-log".into())
            .spawn(move || write_all(database, &thread_path, &waiting))?;
        Ok((Self { path: path.to_owned(), place: Place::File { writes, database: weak } }, found))
    }

    pub(super) fn in_memory(log: MemoryLog) -> Self {
        Self { path: PathBuf::from("memory"), place: Place::Memory(log) }
    }

    pub(super) fn write(&self, change: Change, done: Option<Done>) {
        let writes = match &self.place {
            Place::File { writes, .. } => writes,
            Place::Memory(log) => return log.write(change, done),
        };
        if let Err(mpsc::SendError(write)) = writes.send(Write { change, done })
            && let Some(done) = write.done
        {
            done(Err(self.closed()));
        }
    }

    /// Writes and waits until it is on disk.
    pub(super) async fn write_durably(&self, change: Change) -> io::Result<()> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        self.write(change, Some(Box::new(|result| drop(answer.send(result)))));
        answered.await.unwrap_or_else(|_| Err(self.closed()))
    }

    /// Reads entries `from..to` from the disk. Those that are not there are left out.
    pub(super) async fn read(&self, from: u64, to: u64) -> io::Result<Vec<Entry>> {
        let database = match &self.place {
            Place::File { database, .. } => database.upgrade(),
            Place::Memory(log) => return log.read(from, to),
        };
        let Some(database) = database else { return Err(self.closed()) };
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || {
            let read = || -> Result<Vec<Entry>, redb::Error> {
                let table = database.begin_read()?.open_table(LOG)?;
                let mut entries = Vec::new();
                for row in table.range(from..to)? {
                    let (index, bytes) = row?;
                    entries.push(decode_entry(index.value(), bytes.value()).map_err(redb::Error::Io)?);
                }
                Ok(entries)
            };
            read().map_err(|error| at(&path, error))
        })
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    fn closed(&self) -> io::Error {
        io::Error::new(io::ErrorKind::BrokenPipe, format!("{}: the log is closed", self.path.display()))
    }
}

/// The server that the log at `path` belongs to. `None`: there is no log. Blocks.
pub(super) fn owner(path: &Path) -> io::Result<Option<u64>> {
    if !std::fs::metadata(path).is_ok_and(|meta| meta.len() > 0) {
        return Ok(None);
    }
    let read = || -> Result<Option<u64>, redb::Error> {
        let database = Database::builder().set_cache_size(PAGE_CACHE_BYTES).open(path)?;
        let meta = match database.begin_read()?.open_table(META) {
            Ok(meta) => meta,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(meta.get("node_id")?.map(|id| unseal::<u64>(id.value())).transpose()?)
    };
    catch_unwind(AssertUnwindSafe(|| read().map_err(|error| at(path, error))))
        .unwrap_or_else(|panic| Err(at(path, damaged(words_of(&*panic)))))
}

/// The log of a stopped server.
pub(super) struct OfflineLog {
    path: PathBuf,
    database: Database,
    pub(super) node_id: u64,
    pub(super) purged: Option<LogId>,
}

impl OfflineLog {
    /// Blocks.
    ///
    /// # Errors
    /// There is no log, a server uses it, or it is damaged.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if !std::fs::metadata(path).is_ok_and(|meta| meta.len() > 0) {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("{}: there is no log; name the directory of a server", path.display()),
            ));
        }
        let open = || -> Result<Self, redb::Error> {
            let database = Database::builder().set_cache_size(PAGE_CACHE_BYTES).open(path)?;
            let (node_id, purged) = {
                let meta = database.begin_read()?.open_table(META)?;
                let node_id = meta.get("node_id")?.map(|id| unseal::<u64>(id.value())).transpose()?;
                let purged = meta.get("purged")?;
                let purged = purged.map(|id| unseal::<Option<LogIdRecord>>(id.value())).transpose()?;
                (node_id, purged.flatten().map(LogId::from))
            };
            let node_id = node_id.ok_or_else(|| damaged("the log belongs to nobody"))?;
            Ok(Self { path: path.to_owned(), database, node_id, purged })
        };
        catch_unwind(AssertUnwindSafe(|| open().map_err(|error| at(path, error))))
            .unwrap_or_else(|panic| Err(at(path, damaged(words_of(&*panic)))))
    }

    /// All entries from this index on, in order and without a hole.
    pub(super) fn each_from(
        &self,
        from: u64,
        mut each: impl FnMut(Entry) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut expected = from;
        let mut read = || -> Result<(), redb::Error> {
            let log = self.database.begin_read()?.open_table(LOG)?;
            for row in log.range(from..)? {
                let (index, bytes) = row?;
                if index.value() != expected {
                    return Err(damaged(format!("log entry {expected} is missing")).into());
                }
                expected += 1;
                each(decode_entry(index.value(), bytes.value())?)?;
            }
            Ok(())
        };
        read().map_err(|error| at(&self.path, error))
    }

    /// Removes all entries: a snapshot holds them.
    pub(super) fn forget_up_to(&self, last: &LogId) -> io::Result<()> {
        let mut purging = None;
        let mut batch = vec![Write { change: Change::Purge(*last), done: None }];
        loop {
            commit(&self.database, &batch, Some(&Some(*last)), &mut purging)
                .map_err(|error| at(&self.path, error))?;
            if purging.is_none() {
                return Ok(());
            }
            batch.clear();
        }
    }
}

fn look(database: &Database, node_id: u64, max_tail: usize) -> Result<Found, redb::Error> {
    let write = database.begin_write()?;
    let mut found = Found::default();
    let mut fresh = false;
    {
        let log = write.open_table(LOG)?;
        let mut meta = write.open_table(META)?;
        // Absent in logs of the first version.
        let format = meta.get("format")?.map(|format| unseal::<u64>(format.value())).transpose()?;
        if let Some(format) = format.filter(|format| *format > FORMAT) {
            return Err(damaged(format!("written by a newer version of troupe (format {format})")).into());
        }
        let owner = meta.get("node_id")?.map(|id| unseal::<u64>(id.value())).transpose()?;
        match owner {
            Some(owner) if owner != node_id => {
                return Err(
                    damaged(format!("the log belongs to server {owner}, this is server {node_id}")).into()
                );
            }
            Some(_) => {}
            None => {
                fresh = true;
                meta.insert("node_id", seal(&node_id).as_slice())?;
                meta.insert("format", seal(&FORMAT).as_slice())?;
            }
        }
        found.vote = meta.get("vote")?.map(|bytes| decode_vote(bytes.value())).transpose()?;
        for (key, place) in [("committed", &mut found.committed), ("purged", &mut found.purged)] {
            if let Some(bytes) = meta.get(key)? {
                *place = unseal::<Option<LogIdRecord>>(bytes.value())?.map(LogId::from);
            }
        }
        let ends = (log.first()?.map(|row| row.0.value()), log.last()?.map(|row| row.0.value()));
        if let (Some(first), Some(last)) = ends {
            let after_purged = found.purged.as_ref().map(|id| id.index() + 1);
            if last - first + 1 != log.len()? || after_purged.is_some_and(|expected| expected != first) {
                return Err(damaged(format!(
                    "the log has a hole: {} entries from {first} to {last}, purged before {after_purged:?}",
                    log.len()?
                ))
                .into());
            }
            for row in log.iter()?.rev().take(max_tail) {
                let (index, bytes) = row?;
                found.tail.push(decode_entry(index.value(), bytes.value())?);
            }
            found.tail.reverse();
        }
    }
    if fresh {
        write.commit()?;
    } else {
        write.abort()?;
    }
    Ok(found)
}

fn write_all(database: Arc<Database>, path: &Path, waiting: &mpsc::Receiver<Write>) {
    // The first failure, for ever: after it nobody knows what the file holds.
    let mut failure: Option<(io::ErrorKind, String)> = None;
    let mut committed = None;
    let mut unsaved = 0;
    let mut closing = false;
    // Up to where entries are still to be removed.
    let mut purging = None;
    loop {
        // With nothing to write, too, what is to be removed goes step by step.
        let mut next = if purging.is_some() && failure.is_none() {
            match waiting.try_recv() {
                Ok(write) => Some(write),
                Err(mpsc::TryRecvError::Empty) => None,
                Err(mpsc::TryRecvError::Disconnected) => break,
            }
        } else {
            let Ok(first) = waiting.recv() else { break };
            Some(first)
        };
        let mut bytes = 0;
        let mut batch = Vec::new();
        while let Some(write) = next.take() {
            match &write.change {
                Change::Append(rows) => bytes += rows.iter().map(|(_, row)| row.len()).sum::<usize>(),
                Change::Committed(id) => committed = Some(*id),
                Change::Close => closing = true,
                Change::Vote(_) | Change::TruncateFrom(_) | Change::Purge(_) => {}
            }
            batch.push(write);
            if bytes < MAX_BATCH_BYTES && !closing {
                next = waiting.try_recv().ok();
            }
        }
        let only_hints = batch.iter().all(|write| matches!(write.change, Change::Committed(_)));
        if (!only_hints || purging.is_some()) && failure.is_none() {
            unsaved += 1;
            let hint = committed.as_ref().filter(|_| unsaved >= COMMITTED_EVERY);
            let result = catch_unwind(AssertUnwindSafe(|| commit(&database, &batch, hint, &mut purging)))
                .unwrap_or_else(|panic| Err(redb::Error::Corrupted(words_of(&*panic))));
            match result {
                Ok(()) if unsaved >= COMMITTED_EVERY => (committed, unsaved) = (None, 0),
                Ok(()) => {}
                Err(error) => {
                    let error = at(path, error);
                    tracing::error!(%error, "the raft log cannot be written");
                    failure = Some((error.kind(), error.to_string()));
                }
            }
        }
        if closing {
            last_will(database, failure.is_none().then_some(committed).flatten());
            answer(batch, failure.as_ref());
            return;
        }
        answer(batch, failure.as_ref());
    }
    last_will(database, failure.is_none().then_some(committed).flatten());
}

fn answer(batch: Vec<Write>, failure: Option<&(io::ErrorKind, String)>) {
    for done in batch.into_iter().filter_map(|write| write.done) {
        done(match failure {
            None => Ok(()),
            Some((kind, words)) => Err(io::Error::new(*kind, words.clone())),
        });
    }
}

/// Saves the commit index and closes the file, so that it can be opened again when this returns.
fn last_will(database: Arc<Database>, committed: Option<Option<LogId>>) {
    if committed.is_some()
        && let Err(error) = commit(&database, &[], committed.as_ref(), &mut None)
    {
        tracing::warn!(%error, "the commit index was not saved");
    }
    let reading = Arc::downgrade(&database);
    drop(database);
    while reading.strong_count() > 0 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

fn commit(
    database: &Database,
    batch: &[Write],
    committed: Option<&Option<LogId>>,
    purging: &mut Option<LogId>,
) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    {
        let mut log = write.open_table(LOG)?;
        // Opening a table to write to it costs pages; most transactions only append.
        let put = |key: &str, value: &[u8]| -> Result<(), redb::Error> {
            write.open_table(META)?.insert(key, value)?;
            Ok(())
        };
        for Write { change, .. } in batch {
            match change {
                Change::Append(rows) => {
                    for (index, row) in rows {
                        log.insert(index, row.as_slice())?;
                    }
                }
                Change::Vote(vote) => put("vote", &encode_vote(vote))?,
                Change::TruncateFrom(index) => log.retain_in(*index.., |_, _| false)?,
                Change::Purge(id) if log.last()?.is_none_or(|last| last.0.value() <= id.index()) => {
                    // What is written next need not follow on these: a hole must not be seen, not even after a crash.
                    log.retain_in(..=id.index(), |_, _| false)?;
                    put("purged", &seal(&Some(LogIdRecord::from(id))))?;
                    *purging = None;
                }
                Change::Purge(id) => *purging = Some(*id),
                Change::Committed(_) | Change::Close => {}
            }
        }
        if let Some(target) = *purging {
            let reached = purge_some(&mut log, target)?;
            put("purged", &seal(&Some(LogIdRecord::from(&reached))))?;
            if reached == target {
                *purging = None;
            }
        }
        if let Some(id) = committed {
            put("committed", &seal(&id.as_ref().map(LogIdRecord::from)))?;
        }
    }
    write.commit()?;
    Ok(())
}

/// Removes the oldest entries, up to the target or to what one transaction may remove. Answers the last one that went.
fn purge_some(log: &mut redb::Table<'_, u64, &[u8]>, target: LogId) -> Result<LogId, redb::Error> {
    let mut reached = target;
    let mut bytes = 0;
    for (number, row) in log.range(..target.index())?.enumerate() {
        let (index, entry) = row?;
        bytes += entry.value().len();
        if bytes >= PURGE_STEP || number + 1 >= PURGE_STEP_ENTRIES {
            reached = decode_entry(index.value(), entry.value()).map_err(redb::Error::Io)?.log_id;
            break;
        }
    }
    log.retain_in(..=reached.index(), |_, _| false)?;
    Ok(reached)
}

fn at(path: &Path, error: impl Into<redb::Error>) -> io::Error {
    match error.into() {
        redb::Error::Io(error) => io::Error::new(error.kind(), format!("{}: {error}", path.display())),
        redb::Error::DatabaseAlreadyOpen => io::Error::new(
            io::ErrorKind::ResourceBusy,
            format!("{}: in use by another process; stop the other agent first", path.display()),
        ),
        error => io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display())),
    }
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no words");
    format!("the file is damaged ({words})")
}

/// Marks the log of a stopped server as written in another form.
#[cfg(test)]
pub(super) fn pretend_format(path: &Path, format: u64) {
    let database = Database::open(path).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(META).unwrap().insert("format", seal(&format).as_slice()).unwrap();
    write.commit().unwrap();
}

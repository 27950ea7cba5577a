//! Old entries go bit by bit, and a log whose server died meanwhile has no hole.

use openraft::EntryPayload;

use super::*;
use crate::raft::{
    log_disk::{Change, LogFile},
    types::{Commands, Entry, LogId, LogIdRecord, encode_entry},
};

/// More than one transaction removes.
const ENTRIES: u64 = 2000;

fn id(index: u64) -> LogId {
    let record: LogIdRecord = serde_json::from_value(serde_json::json!({"term": 1, "index": index})).unwrap();
    LogId::from(record)
}

fn entry(index: u64) -> Entry {
    let command = register(&format!("job-{index}")).encode();
    let payload = EntryPayload::Normal(Commands([command.into()].into()));
    Entry { log_id: id(index), payload }
}

fn rows(indexes: std::ops::Range<u64>) -> Change {
    Change::Append(indexes.map(|index| (index, encode_entry(&entry(index)))).collect())
}

/// What the file at the path holds: up to where it was purged, and the entries.
async fn found(path: &Path) -> (Option<u64>, Vec<u64>) {
    let (log, found) = LogFile::open(path, 1, ENTRIES as usize * 2).unwrap();
    // Dropped, its thread would hold the file for a moment more.
    log.write_durably(Change::Close).await.unwrap();
    (found.purged.map(|id| id.index()), found.tail.iter().map(|entry| entry.log_id.index()).collect())
}

fn opened(path: &Path) -> LogFile {
    LogFile::open(path, 1, 10).unwrap().0
}

#[tokio::test]
async fn entries_go_bit_by_bit() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("log.redb");
    let log = opened(&path);
    log.write_durably(rows(0..ENTRIES)).await.unwrap();
    log.write_durably(Change::Purge(id(ENTRIES - 100))).await.unwrap();
    // Answered when the first of them are gone; ended now, the log is one that can be opened.
    log.write_durably(Change::Close).await.unwrap();
    drop(log);
    let (purged, entries) = found(&path).await;
    let purged = purged.expect("some went");
    assert!(purged <= ENTRIES - 100, "{purged}");
    assert_eq!(entries, (purged + 1..ENTRIES).collect::<Vec<_>>());
    // Whoever goes on removes the rest, without being asked to write anything.
    let log = opened(&path);
    log.write_durably(Change::Purge(id(ENTRIES - 100))).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    while log.read(0, ENTRIES - 99).await.unwrap().iter().any(|entry| entry.log_id.index() <= ENTRIES - 100) {
        assert!(Instant::now() < deadline, "not in time");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(log.read(0, ENTRIES).await.unwrap().len(), 99);
}

#[tokio::test]
async fn a_log_that_is_replaced_goes_at_once() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("log.redb");
    let log = opened(&path);
    log.write_durably(rows(0..ENTRIES)).await.unwrap();
    // A snapshot from elsewhere is further than this log: what comes next does not follow on it.
    log.write_durably(Change::Purge(id(ENTRIES + 500))).await.unwrap();
    log.write_durably(rows(ENTRIES + 501..ENTRIES + 510)).await.unwrap();
    log.write_durably(Change::Close).await.unwrap();
    drop(log);
    assert_eq!(found(&path).await, (Some(ENTRIES + 500), (ENTRIES + 501..ENTRIES + 510).collect()));
}

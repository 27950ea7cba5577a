//! What a node remembers across restarts, in one redb file.
//!
//! One thread owns the file. It takes all writes that wait and commits them together, so that a thousand tasks that
//! start at once cost a handful of disk flushes. Each record carries a checksum of its own: a damaged one is moved to
//! a second table and logged, the others stay. A file that cannot be read at all is renamed and a new one begun.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::mpsc,
};

use async_trait::async_trait;
use model::AllocId;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::sync::oneshot;

use crate::actors::ports::NodeStore;

const RECORDS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("allocs");
const DAMAGED: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("damaged");

/// More would only make the first of them wait longer.
const BATCH: usize = 1024;

/// `None` removes the record.
type Write = (AllocId, Option<Vec<u8>>, Reply<()>);

type Reply<T> = oneshot::Sender<io::Result<T>>;

#[derive(Debug)]
enum Work {
    /// `None` removes the record.
    Write(AllocId, Option<Vec<u8>>, Reply<()>),
    Load(Reply<Vec<(AllocId, Vec<u8>)>>),
}

/// Closes its file when the last clone is dropped and the work is done.
#[derive(Debug, Clone)]
pub struct RedbNodeStore {
    work: mpsc::Sender<Work>,
}

impl RedbNodeStore {
    /// Opens or makes the file. Blocks; call it while starting up.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let database = open_or_begin_anew(&path)?;
        let (work, inbox) = mpsc::channel();
        std::thread::Builder::new().name("node-store".into()).spawn(move || serve(&database, &inbox))?;
        Ok(Self { work })
    }

    async fn ask<T>(&self, make: impl FnOnce(Reply<T>) -> Work) -> io::Result<T> {
        let (reply, answer) = oneshot::channel();
        let closed = || io::Error::other("the node store is closed");
        self.work.send(make(reply)).map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

#[async_trait]
impl NodeStore for RedbNodeStore {
    async fn put(&self, alloc: AllocId, record: Vec<u8>) -> io::Result<()> {
        self.ask(|reply| Work::Write(alloc, Some(record), reply)).await
    }

    async fn remove(&self, alloc: AllocId) -> io::Result<()> {
        self.ask(|reply| Work::Write(alloc, None, reply)).await
    }

    async fn load(&self) -> io::Result<Vec<(AllocId, Vec<u8>)>> {
        self.ask(Work::Load).await
    }
}

fn serve(database: &Database, inbox: &mpsc::Receiver<Work>) {
    while let Ok(first) = inbox.recv() {
        let mut writes = Vec::new();
        let mut load = None;
        for work in std::iter::once(first).chain(inbox.try_iter()).take(BATCH) {
            match work {
                Work::Write(alloc, record, reply) => writes.push((alloc, record, reply)),
                // What was asked before it is committed before it.
                Work::Load(reply) => {
                    load = Some(reply);
                    break;
                }
            }
        }
        if !writes.is_empty() {
            let result = guarded(|| commit(database, &writes));
            for (_, _, reply) in writes {
                let copy =
                    result.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string())).copied();
                let _ = reply.send(copy);
            }
        }
        if let Some(reply) = load {
            let _ = reply.send(guarded(|| load_all(database)));
        }
    }
}

/// redb answers some damage with a panic; here that is an error like others.
fn guarded<T>(work: impl FnOnce() -> Result<T, redb::Error>) -> io::Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(io::Error::other),
        Err(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "the node store's file is damaged")),
    }
}

fn commit(database: &Database, writes: &[Write]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(RECORDS)?;
        for (alloc, record, _) in writes {
            match record {
                Some(record) => table.insert(alloc.0, seal(record).as_slice())?,
                None => table.remove(alloc.0)?,
            };
        }
    }
    transaction.commit()?;
    Ok(())
}

fn load_all(database: &Database) -> Result<Vec<(AllocId, Vec<u8>)>, redb::Error> {
    let (good, bad) = read_all(database)?;
    if !bad.is_empty() {
        let transaction = database.begin_write()?;
        {
            let mut records = transaction.open_table(RECORDS)?;
            let mut damaged = transaction.open_table(DAMAGED)?;
            for (alloc, sealed) in bad {
                tracing::warn!(alloc_id = %alloc, bytes = sealed.len(), "damaged record set aside");
                damaged.insert(alloc.0, sealed.as_slice())?;
                records.remove(alloc.0)?;
            }
        }
        transaction.commit()?;
    }
    Ok(good)
}

type Records = Vec<(AllocId, Vec<u8>)>;

/// The readable records opened, the damaged ones as they are.
fn read_all(database: &Database) -> Result<(Records, Records), redb::Error> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let transaction = database.begin_read()?;
    let table = match transaction.open_table(RECORDS) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok((good, bad)),
        Err(error) => return Err(error.into()),
    };
    for entry in table.iter()? {
        let (key, value) = entry?;
        let alloc = AllocId(key.value());
        match unseal(value.value()) {
            Some(record) => good.push((alloc, record.to_vec())),
            None => bad.push((alloc, value.value().to_vec())),
        }
    }
    Ok((good, bad))
}

/// Opens the file and reads all of it once. A damaged file is renamed; what can still be read of it is not trusted:
/// the node finds its tasks again through the drivers.
fn open_or_begin_anew(path: &Path) -> io::Result<Database> {
    let attempt = catch_unwind(AssertUnwindSafe(|| -> Result<Database, redb::Error> {
        let database = Database::create(path)?;
        read_all(&database)?;
        Ok(database)
    }));
    let why = match attempt {
        Ok(Ok(database)) => return Ok(database),
        Ok(Err(error)) if !is_damage(&error) => return Err(io::Error::other(error)),
        Ok(Err(error)) => error.to_string(),
        Err(_) => String::from("its structure is broken"),
    };
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".damaged-{}", super::now().0 / 1_000_000));
    std::fs::rename(path, &aside)?;
    tracing::error!(path = %path.display(), aside = %Path::new(&aside).display(), error = why,
        "the node store's file is damaged; it was renamed and a new one begun");
    Database::create(path).map_err(io::Error::other)
}

/// Whether the bytes are wrong, rather than the disk full, the file locked or not ours.
fn is_damage(error: &redb::Error) -> bool {
    match error {
        redb::Error::Corrupted(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::TableIsMultimap(_) => true,
        redb::Error::Io(error) => {
            matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
        }
        _ => false,
    }
}

fn seal(record: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(record.len() + 4);
    sealed.extend_from_slice(&crc32(record).to_le_bytes());
    sealed.extend_from_slice(record);
    sealed
}

fn unseal(sealed: &[u8]) -> Option<&[u8]> {
    let (sum, record) = sealed.split_first_chunk::<4>()?;
    (u32::from_le_bytes(*sum) == crc32(record)).then_some(record)
}

/// CRC-32 (IEEE 802.3), bit by bit: records are a few kilobytes.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(
            sum ^ u32::from(*byte),
            |sum, _| {
                if sum & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 }
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_is_the_known_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[tokio::test]
    async fn remembers_across_opening() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("client/state.redb");
        let store = RedbNodeStore::open(&path).unwrap();
        assert!(store.load().await.unwrap().is_empty());
        store.put(AllocId(1), b"one".to_vec()).await.unwrap();
        store.put(AllocId(2), b"two".to_vec()).await.unwrap();
        store.put(AllocId(1), b"uno".to_vec()).await.unwrap();
        store.remove(AllocId(2)).await.unwrap();
        store.remove(AllocId(3)).await.unwrap();
        assert_eq!(store.load().await.unwrap(), [(AllocId(1), b"uno".to_vec())]);
        drop(store);
        let store = reopen(&path);
        assert_eq!(store.load().await.unwrap(), [(AllocId(1), b"uno".to_vec())]);
    }

    /// The thread closes the file a moment after the store was dropped.
    fn reopen(path: &Path) -> RedbNodeStore {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            match RedbNodeStore::open(path) {
                Ok(store) => return store,
                Err(error) if std::time::Instant::now() > deadline => panic!("{error}"),
                Err(_) => std::thread::yield_now(),
            }
        }
    }

    #[tokio::test]
    async fn many_writers_share_commits() {
        let temp = tempfile::tempdir().unwrap();
        let store = RedbNodeStore::open(temp.path().join("state.redb")).unwrap();
        let writes = (0..2000u128).map(|n| store.put(AllocId(n), vec![n as u8; 2000]));
        for result in futures::future::join_all(writes).await {
            result.unwrap();
        }
        assert_eq!(store.load().await.unwrap().len(), 2000);
    }

    #[tokio::test]
    async fn damaged_record_is_set_aside() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("state.redb");
        {
            let database = Database::create(&path).unwrap();
            let transaction = database.begin_write().unwrap();
            {
                let mut table = transaction.open_table(RECORDS).unwrap();
                let mut broken = seal(b"hello");
                broken[6] ^= 1;
                table.insert(1, broken.as_slice()).unwrap();
                table.insert(2, seal(b"good").as_slice()).unwrap();
                table.insert(3, b"x".as_slice()).unwrap();
            }
            transaction.commit().unwrap();
        }
        let store = RedbNodeStore::open(&path).unwrap();
        assert_eq!(store.load().await.unwrap(), [(AllocId(2), b"good".to_vec())]);
        drop(store);
        drop(reopen(&path));
        let database = loop {
            if let Ok(database) = Database::create(&path) {
                break database;
            }
            std::thread::yield_now();
        };
        let transaction = database.begin_read().unwrap();
        let keys: Vec<u128> = transaction
            .open_table(DAMAGED)
            .unwrap()
            .iter()
            .unwrap()
            .map(|entry| entry.unwrap().0.value())
            .collect();
        assert_eq!(keys, [1, 3]);
    }

    #[tokio::test]
    async fn damaged_file_is_renamed_and_a_new_one_begun() {
        for damage in [&b"this is not a database"[..], &[0xAB; 100_000]] {
            let temp = tempfile::tempdir().unwrap();
            let path = temp.path().join("state.redb");
            std::fs::write(&path, damage).unwrap();
            let store = RedbNodeStore::open(&path).unwrap();
            store.put(AllocId(1), b"x".to_vec()).await.unwrap();
            assert_eq!(store.load().await.unwrap().len(), 1);
            let aside = std::fs::read_dir(temp.path())
                .unwrap()
                .map(|entry| entry.unwrap())
                .find(|entry| entry.file_name().to_string_lossy().starts_with("state.redb.damaged-"))
                .expect("the damaged file is kept");
            assert_eq!(std::fs::read(aside.path()).unwrap(), damage);
        }
    }

    #[tokio::test]
    async fn bytes_torn_out_of_a_used_file_do_not_stop_the_node() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("state.redb");
        let store = RedbNodeStore::open(&path).unwrap();
        for n in 0..50u128 {
            store.put(AllocId(n), vec![7; 3000]).await.unwrap();
        }
        drop(store);
        drop(reopen(&path));
        let bytes = loop {
            if Database::create(&path).is_ok() {
                break std::fs::read(&path).unwrap();
            }
        };
        for start in (0..bytes.len()).step_by(bytes.len() / 12) {
            let mut torn = bytes.clone();
            let end = (start + 6000).min(torn.len());
            torn[start..end].fill(0x5A);
            let path = temp.path().join(format!("torn-{start}.redb"));
            std::fs::write(&path, torn).unwrap();
            let store = RedbNodeStore::open(&path).unwrap();
            store.load().await.unwrap();
            store.put(AllocId(99), b"x".to_vec()).await.unwrap();
        }
    }

    #[test]
    fn file_in_use_is_an_error_and_stays() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("state.redb");
        let _first = RedbNodeStore::open(&path).unwrap();
        RedbNodeStore::open(&path).unwrap_err();
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1);
    }
}

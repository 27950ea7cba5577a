//! What a node remembers across restarts, in one redb file.
//!
//! One thread owns the file. It takes all writes that wait and commits them together, so that a thousand tasks that
//! start at once cost a handful of disk flushes. Each record carries a checksum of its own: a damaged one is moved to
//! a second table and logged, the others stay. A file that cannot be read at all is renamed and a new one begun.

use std::{
    collections::BTreeMap,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::mpsc,
};

use async_trait::async_trait;
use model::AllocId;
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::sync::oneshot;

use crate::actors::ports::{NodeStore, Part, Remembered};

const ROWS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("allocs");
const PROGRESS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("progress");
/// One row: metadata that people changed.
const META: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("meta");
const DAMAGED: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("damaged");

/// More would only make the first of them wait longer.
const BATCH: usize = 1024;

/// `None` removes both parts.
type Write = (AllocId, Option<(Part, Vec<u8>)>, Reply<()>);

type Reply<T> = oneshot::Sender<io::Result<T>>;

#[derive(Debug)]
enum Work {
    Write(Write),
    Load(Reply<Vec<(AllocId, Remembered)>>),
    PutMeta(Vec<u8>, Reply<()>),
    LoadMeta(Reply<Option<Vec<u8>>>),
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
    async fn put(&self, alloc: AllocId, part: Part, bytes: Vec<u8>) -> io::Result<()> {
        self.ask(|reply| Work::Write((alloc, Some((part, bytes)), reply))).await
    }

    async fn remove(&self, alloc: AllocId) -> io::Result<()> {
        self.ask(|reply| Work::Write((alloc, None, reply))).await
    }

    async fn load(&self) -> io::Result<Vec<(AllocId, Remembered)>> {
        self.ask(Work::Load).await
    }

    async fn put_meta(&self, bytes: Vec<u8>) -> io::Result<()> {
        self.ask(|reply| Work::PutMeta(bytes, reply)).await
    }

    async fn load_meta(&self) -> io::Result<Option<Vec<u8>>> {
        self.ask(Work::LoadMeta).await
    }
}

fn serve(database: &Database, inbox: &mpsc::Receiver<Work>) {
    while let Ok(first) = inbox.recv() {
        let mut writes = Vec::new();
        let mut other = None;
        for work in std::iter::once(first).chain(inbox.try_iter()).take(BATCH) {
            match work {
                Work::Write(write) => writes.push(write),
                // What was asked before it is committed before it.
                work => {
                    other = Some(work);
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
        // Whoever asked may be gone.
        match other {
            Some(Work::Load(reply)) => drop(reply.send(guarded(|| load_all(database)))),
            Some(Work::PutMeta(bytes, reply)) => drop(reply.send(guarded(|| commit_meta(database, &bytes)))),
            Some(Work::LoadMeta(reply)) => drop(reply.send(guarded(|| load_meta(database)))),
            Some(Work::Write(_)) | None => {}
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
        let mut rows = transaction.open_table(ROWS)?;
        let mut progress = transaction.open_table(PROGRESS)?;
        for (alloc, write, _) in writes {
            match write {
                Some((Part::Row, bytes)) => drop(rows.insert(alloc.0, seal(bytes).as_slice())?),
                Some((Part::Progress, bytes)) => drop(progress.insert(alloc.0, seal(bytes).as_slice())?),
                None => {
                    rows.remove(alloc.0)?;
                    progress.remove(alloc.0)?;
                }
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

fn commit_meta(database: &Database, bytes: &[u8]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(META)?.insert(0, seal(bytes).as_slice())?;
    transaction.commit()?;
    Ok(())
}

fn load_meta(database: &Database) -> Result<Option<Vec<u8>>, redb::Error> {
    let rows = read_table(&database.begin_read()?, META)?;
    Ok(rows.first().and_then(|(_, sealed)| {
        let bytes = unseal(sealed);
        if bytes.is_none() {
            tracing::warn!("the node's dynamic metadata is damaged; it begins anew");
        }
        bytes.map(<[u8]>::to_vec)
    }))
}

fn load_all(database: &Database) -> Result<Vec<(AllocId, Remembered)>, redb::Error> {
    let (good, bad) = read_all(database)?;
    if !bad.is_empty() {
        let transaction = database.begin_write()?;
        {
            let mut rows = transaction.open_table(ROWS)?;
            let mut progress = transaction.open_table(PROGRESS)?;
            let mut damaged = transaction.open_table(DAMAGED)?;
            for (alloc, sealed) in bad {
                tracing::warn!(alloc_id = %alloc, bytes = sealed.len(), "damaged record set aside");
                damaged.insert(alloc.0, sealed.as_slice())?;
                rows.remove(alloc.0)?;
                progress.remove(alloc.0)?;
            }
        }
        transaction.commit()?;
    }
    Ok(good)
}

/// Sealed bytes that do not match their checksum.
type Damaged = Vec<(AllocId, Vec<u8>)>;

/// What is readable opened, the damaged parts as they are. What has one damaged part is damaged: nobody can tell what
/// became of its tasks.
fn read_all(database: &Database) -> Result<(Vec<(AllocId, Remembered)>, Damaged), redb::Error> {
    let transaction = database.begin_read()?;
    let mut found: BTreeMap<AllocId, Remembered> = BTreeMap::new();
    let mut bad = Vec::new();
    for (alloc, sealed) in read_table(&transaction, ROWS)? {
        match unseal(&sealed) {
            Some(row) => drop(found.insert(alloc, Remembered { row: row.to_vec(), progress: None })),
            None => bad.push((alloc, sealed)),
        }
    }
    for (alloc, sealed) in read_table(&transaction, PROGRESS)? {
        match (unseal(&sealed), found.get_mut(&alloc)) {
            (Some(progress), Some(remembered)) => remembered.progress = Some(progress.to_vec()),
            (Some(_), None) => {}
            (None, _) => {
                found.remove(&alloc);
                bad.push((alloc, sealed));
            }
        }
    }
    Ok((found.into_iter().collect(), bad))
}

fn read_table(
    transaction: &ReadTransaction,
    table: TableDefinition<'_, u128, &'static [u8]>,
) -> Result<Vec<(AllocId, Vec<u8>)>, redb::Error> {
    let table = match transaction.open_table(table) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let entries = table.iter()?.map(|entry| {
        let (key, value) = entry?;
        Ok((AllocId(key.value()), value.value().to_vec()))
    });
    entries.collect()
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
        store.put(AllocId(1), Part::Row, b"one".to_vec()).await.unwrap();
        store.put(AllocId(2), Part::Row, b"two".to_vec()).await.unwrap();
        store.put(AllocId(2), Part::Progress, b"far".to_vec()).await.unwrap();
        store.put(AllocId(1), Part::Progress, b"half".to_vec()).await.unwrap();
        store.put(AllocId(1), Part::Row, b"uno".to_vec()).await.unwrap();
        store.remove(AllocId(2)).await.unwrap();
        store.remove(AllocId(3)).await.unwrap();
        let left = [(AllocId(1), Remembered { row: b"uno".to_vec(), progress: Some(b"half".to_vec()) })];
        assert_eq!(store.load().await.unwrap(), left);
        drop(store);
        let store = reopen(&path);
        assert_eq!(store.load().await.unwrap(), left);
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
    async fn metadata_outlives_the_agent_and_damage_of_it_is_survived() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("state.redb");
        let store = RedbNodeStore::open(&path).unwrap();
        assert_eq!(store.load_meta().await.unwrap(), None);
        store.put_meta(b"one".to_vec()).await.unwrap();
        store.put(AllocId(1), Part::Row, b"row".to_vec()).await.unwrap();
        store.put_meta(b"two".to_vec()).await.unwrap();
        drop(store);
        let store = reopen(&path);
        assert_eq!(store.load_meta().await.unwrap().as_deref(), Some(&b"two"[..]));
        assert_eq!(store.load().await.unwrap().len(), 1);
        drop(store);
        drop(reopen(&path));
        let database = loop {
            if let Ok(database) = Database::create(&path) {
                break database;
            }
            std::thread::yield_now();
        };
        let transaction = database.begin_write().unwrap();
        transaction.open_table(META).unwrap().insert(0, &b"damaged"[..]).unwrap();
        transaction.commit().unwrap();
        drop(database);
        assert_eq!(reopen(&path).load_meta().await.unwrap(), None);
    }

    #[tokio::test]
    async fn many_writers_share_commits() {
        let temp = tempfile::tempdir().unwrap();
        let store = RedbNodeStore::open(temp.path().join("state.redb")).unwrap();
        let writes = (0..2000u128).map(|n| store.put(AllocId(n), Part::Row, vec![n as u8; 2000]));
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
                let mut rows = transaction.open_table(ROWS).unwrap();
                let mut progress = transaction.open_table(PROGRESS).unwrap();
                let mut broken = seal(b"hello");
                broken[6] ^= 1;
                rows.insert(1, broken.as_slice()).unwrap();
                rows.insert(2, seal(b"good").as_slice()).unwrap();
                rows.insert(3, b"x".as_slice()).unwrap();
                rows.insert(4, seal(b"good").as_slice()).unwrap();
                progress.insert(4, broken.as_slice()).unwrap();
                // Its row is gone: nobody asks for it any more.
                progress.insert(5, seal(b"good").as_slice()).unwrap();
            }
            transaction.commit().unwrap();
        }
        let store = RedbNodeStore::open(&path).unwrap();
        let good = Remembered { row: b"good".to_vec(), progress: None };
        assert_eq!(store.load().await.unwrap(), [(AllocId(2), good)]);
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
        assert_eq!(keys, [1, 3, 4]);
    }

    #[tokio::test]
    async fn damaged_file_is_renamed_and_a_new_one_begun() {
        for damage in [&b"this is not a database"[..], &[0xAB; 100_000]] {
            let temp = tempfile::tempdir().unwrap();
            let path = temp.path().join("state.redb");
            std::fs::write(&path, damage).unwrap();
            let store = RedbNodeStore::open(&path).unwrap();
            store.put(AllocId(1), Part::Row, b"x".to_vec()).await.unwrap();
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
            store.put(AllocId(n), Part::Row, vec![7; 3000]).await.unwrap();
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
            store.put(AllocId(99), Part::Row, b"x".to_vec()).await.unwrap();
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

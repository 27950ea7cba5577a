//! Snapshots: the whole state at one log entry, one file each.
//!
//! A file is records as `state::records` writes them: first the head, then the rows of the state. It is written under
//! another name, made durable, and only then renamed, so a file with the right name is whole unless the disk lost
//! something; the file before it is kept for that case.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use state::{
    Root,
    records::{LOG_MAGIC, next_record, read_rows, unseal, write_record},
};

use super::types::{LogId, LogIdRecord, MembershipRecord, SnapshotMeta, StoredMembership, damaged};

/// Files that are kept: the newest, and the one to fall back on.
const KEPT: usize = 2;
/// Bytes of a snapshot that may wait for the disk: some tens of milliseconds of it.
const FLUSH_EVERY: usize = 8 << 20;

/// A snapshot's file, open: it can be read to its end even when it is removed meanwhile.
#[derive(Debug)]
pub(super) struct SnapshotFile(pub(super) File);

/// The directory of snapshots.
#[derive(Debug)]
pub(super) struct SnapshotDir {
    path: PathBuf,
    newest: Mutex<Option<(SnapshotMeta, PathBuf)>>,
    /// The last entry in the snapshot before the newest: the log after it must stay.
    previous: Mutex<Option<LogId>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    last: Option<LogIdRecord>,
    membership_at: Option<LogIdRecord>,
    membership: MembershipRecord,
}

impl Head {
    fn meta(self) -> io::Result<SnapshotMeta> {
        Ok(SnapshotMeta {
            last_log_id: self.last.map(LogId::from),
            last_membership: StoredMembership::new(
                self.membership_at.map(LogId::from),
                self.membership.try_into()?,
            ),
        })
    }
}

impl From<&SnapshotMeta> for Head {
    fn from(meta: &SnapshotMeta) -> Self {
        Self {
            last: meta.last_log_id.as_ref().map(LogIdRecord::from),
            membership_at: meta.last_membership.log_id().as_ref().map(LogIdRecord::from),
            membership: meta.last_membership.membership().into(),
        }
    }
}

impl SnapshotDir {
    /// Opens or makes the directory and reads the newest whole snapshot. Damaged ones are set aside. Blocks.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Option<(SnapshotMeta, Root)>)> {
        fs::create_dir_all(path).map_err(|error| at(path, &error))?;
        let dir = Self { path: path.to_owned(), newest: Mutex::new(None), previous: Mutex::new(None) };
        for leftover in dir.files("tmp")? {
            fs::remove_file(&leftover).map_err(|error| at(&leftover, &error))?;
        }
        let mut files = dir.files("snapshot")?;
        while let Some(file) = files.pop() {
            match File::open(&file).and_then(|opened| read(&opened)) {
                Ok((meta, root)) => {
                    *dir.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some((meta.clone(), file));
                    // A damaged one is of no use, so nothing need stay for it.
                    let previous = files.pop().and_then(|file| last_of(&File::open(file).ok()?).ok()?);
                    *dir.previous.lock().unwrap_or_else(PoisonError::into_inner) = previous;
                    return Ok((dir, Some((meta, root))));
                }
                Err(error) => {
                    tracing::warn!(file = %file.display(), %error, "a snapshot is damaged, the one before it is used");
                    let aside = file.with_extension("damaged");
                    fs::rename(&file, &aside).map_err(|error| at(&file, &error))?;
                }
            }
        }
        Ok((dir, None))
    }

    /// Writes a snapshot that is on disk when this returns. Blocks.
    pub(super) fn write(&self, meta: &SnapshotMeta, root: &Root) -> io::Result<SnapshotFile> {
        self.place(meta, |file| {
            let mut file = BufWriter::with_capacity(1 << 20, Gradual::new(file));
            file.write_all(LOG_MAGIC)?;
            write_record(&mut file, &Head::from(meta))?;
            for row in root.rows() {
                write_record(&mut file, &row)?;
            }
            file.flush()
        })
    }

    /// Takes over a snapshot that came from elsewhere, if it is whole. Blocks.
    pub(super) fn install(&self, meta: &SnapshotMeta, snapshot: &SnapshotFile) -> io::Result<Root> {
        let (found, root) = read(&snapshot.0)?;
        if found != *meta {
            return Err(damaged(format!("the snapshot is said to be {meta} and is {found}")));
        }
        self.place(meta, |file| {
            let mut source = Rewound::new(&snapshot.0);
            io::copy(&mut source, &mut Gradual::new(file)).map(drop)
        })?;
        Ok(root)
    }

    /// The newest snapshot, open.
    pub(super) fn newest(&self) -> io::Result<Option<(SnapshotMeta, SnapshotFile)>> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some((meta, path)) = newest else { return Ok(None) };
        let file = File::open(&path).map_err(|error| at(&path, &error))?;
        Ok(Some((meta, SnapshotFile(file))))
    }

    /// The last entry in the snapshot to fall back on.
    pub(super) fn previous(&self) -> Option<LogId> {
        *self.previous.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(
        &self,
        meta: &SnapshotMeta,
        fill: impl FnOnce(&File) -> io::Result<()>,
    ) -> io::Result<SnapshotFile> {
        let record = meta.last_log_id.as_ref().map(LogIdRecord::from);
        // Twenty digits: names sort like numbers.
        let name = format!("{:020}", record.map_or(0, |id| id.index));
        let path = self.path.join(&name).with_extension("snapshot");
        let unfinished = path.with_extension("tmp");
        let written = (|| {
            let file =
                File::options().read(true).write(true).create(true).truncate(true).open(&unfinished)?;
            fill(&file)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)?;
            File::open(&self.path)?.sync_all()?;
            Ok(file)
        })();
        let file = written.map_err(|error: io::Error| {
            let _ = fs::remove_file(&unfinished);
            at(&path, &error)
        })?;
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.as_ref().is_none_or(|(known, _)| known.last_log_id <= meta.last_log_id) {
            let before = newest.replace((meta.clone(), path)).and_then(|(before, _)| before.last_log_id);
            if before < meta.last_log_id {
                *self.previous.lock().unwrap_or_else(PoisonError::into_inner) = before;
            }
        }
        drop(newest);
        for old in self.files("snapshot")?.into_iter().rev().skip(KEPT) {
            if let Err(error) = remove_gradually(&old) {
                tracing::warn!(file = %old.display(), %error, "an old snapshot stays");
            }
        }
        Ok(SnapshotFile(file))
    }

    /// Files with this extension, oldest first.
    fn files(&self, extension: &str) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(|error| at(&self.path, &error))? {
            let path = entry.map_err(|error| at(&self.path, &error))?.path();
            if path.extension().is_some_and(|found| found == extension) {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }
}

/// Removes a file piece by piece: the file system would let the log wait while it frees all of a large one.
fn remove_gradually(path: &Path) -> io::Result<()> {
    // Should this end half way, what is left is no snapshot any more and goes at the next start.
    let leftover = path.with_extension("tmp");
    fs::rename(path, &leftover)?;
    let file = File::options().write(true).open(&leftover)?;
    let mut length = file.metadata()?.len();
    while length > 0 {
        length = length.saturating_sub(FLUSH_EVERY as u64);
        file.set_len(length)?;
    }
    fs::remove_file(&leftover)
}

fn read_head(file: &mut impl Read) -> io::Result<Head> {
    let mut magic = [0; 8];
    file.read_exact(&mut magic)?;
    if magic != *LOG_MAGIC {
        return Err(damaged("not a snapshot of this version"));
    }
    unseal(&next_record(file)?)
}

/// The last entry in a snapshot, without reading all of it.
fn last_of(file: &File) -> io::Result<Option<LogId>> {
    Ok(read_head(&mut Rewound::new(file))?.last.map(LogId::from))
}

/// Reads a whole snapshot, from its first byte.
fn read(file: &File) -> io::Result<(SnapshotMeta, Root)> {
    let mut file = BufReader::with_capacity(1 << 20, Rewound::new(file));
    let head = read_head(&mut file)?;
    let root = read_rows(&mut file)?;
    Ok((head.meta()?, root))
}

/// Reads a file from its start, whatever its shared position is.
struct Rewound<'a> {
    file: &'a File,
    position: u64,
}

impl<'a> Rewound<'a> {
    fn new(file: &'a File) -> Self {
        Self { file, position: 0 }
    }
}

impl Read for Rewound<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = std::os::unix::fs::FileExt::read_at(self.file, buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Has what is written flushed to disk bit by bit: flushing all of a large snapshot at its end would keep the log, whose
/// flushes wait behind it, from writing for half a second.
struct Gradual<'a> {
    file: &'a File,
    unflushed: usize,
}

impl<'a> Gradual<'a> {
    fn new(file: &'a File) -> Self {
        Self { file, unflushed: 0 }
    }
}

impl Write for Gradual<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.unflushed += written;
        if self.unflushed >= FLUSH_EVERY {
            self.unflushed = 0;
            self.file.sync_data()?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

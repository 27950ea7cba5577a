//! What allocations leave behind: `alloc/data` and the `local` directory of each task, moved to those that come after
//! them, or carried to another node as an archive.

mod pack; // into an archive
mod unpack; // out of one

#[cfg(test)]
mod tests;

use std::{
    ffi::OsString,
    fs,
    io::{self, BufWriter, Read, Write},
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
    path::Path,
};

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use futures::{StreamExt, stream};
use model::AllocId;
use tokio::sync::mpsc;

use super::{
    alloc_disk::{Disk, ENTER_ONLY, SHARED},
    beneath::Dir,
    blocking,
};
use crate::actors::ports::{AllocData, ClusterError, DataStream};

/// Bytes of one piece of an archive, and how many pieces wait for whoever is slower.
const PIECE: usize = 64 * 1024;
const AHEAD: usize = 8;

/// Directories that outlive their allocation: inside the shared one, and inside that of each task.
const DATA: (&str, &str) = ("alloc", "data");
const LOCAL: &str = "local";

#[async_trait]
impl AllocData for Disk {
    async fn hand_over(&self, from: AllocId, to: AllocId, tasks: &[String]) -> io::Result<bool> {
        let (from, to, root) = (self.alloc_root(from), self.alloc_root(to), self.root.clone());
        let tasks = tasks.to_vec();
        blocking(&self.runtime, move || {
            let from = match Dir::open(&from) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                opened => opened?,
            };
            adopt(&from, &home(&root, &to)?, &tasks)?;
            Ok(true)
        })
        .await?
    }

    async fn pack(&self, alloc: AllocId) -> io::Result<DataStream> {
        let home = self.alloc_root(alloc);
        let home = blocking(&self.runtime, move || Dir::open(&home)).await??;
        let (sender, pieces) = mpsc::channel(AHEAD);
        self.runtime.spawn_blocking(move || {
            let to = BufWriter::with_capacity(PIECE, Outgoing(sender.clone()));
            if let Err(error) = pack::pack(&home, to) {
                // Nobody may be reading any more.
                let _ = sender.blocking_send(Err(error));
            }
        });
        let pieces = stream::unfold(pieces, |mut pieces| async { Some((pieces.recv().await?, pieces)) });
        Ok(pieces.map(|piece| piece.map_err(|error| ClusterError::Unknown(error.to_string()))).boxed())
    }

    async fn unpack(&self, alloc: AllocId, tasks: &[String], mut archive: DataStream) -> io::Result<()> {
        let (root, to, tasks) = (self.root.clone(), self.alloc_root(alloc), tasks.to_vec());
        let (sender, pieces) = mpsc::channel(AHEAD);
        let work = blocking(&self.runtime, move || {
            unpack::unpack(Incoming { pieces, now: Bytes::new(), over: false }, &home(&root, &to)?, &tasks)
        });
        let feed = async move {
            while let Some(piece) = archive.next().await {
                let piece = piece.map(Some).map_err(|error| io::Error::other(error.to_string()));
                if sender.send(piece).await.is_err() {
                    return;
                }
            }
            // Whoever reads has given up by itself, if it is not there.
            let _ = sender.send(Ok(None)).await;
        };
        tokio::join!(work, feed).0?
    }
}

/// The directory of an allocation that may not be there yet, as [`Disk`] makes it.
fn home(root: &Path, home: &Path) -> io::Result<Dir> {
    fs::create_dir_all(root)?;
    match fs::create_dir(home) {
        Ok(()) => fs::set_permissions(home, fs::Permissions::from_mode(ENTER_ONLY))?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    Dir::open(home)
}

/// What is in a directory, in no order.
fn names(dir: &Dir) -> io::Result<impl Iterator<Item = io::Result<OsString>>> {
    let listing = fs::read_dir(format!("/proc/self/fd/{}", dir.as_raw_fd()))?;
    Ok(listing.map(|entry| Ok(entry?.file_name())))
}

/// The directories that outlive an allocation with these tasks.
fn kept(tasks: &[String]) -> impl Iterator<Item = (&str, &str)> {
    std::iter::once(DATA).chain(tasks.iter().map(|task| (task.as_str(), LOCAL)))
}

/// Moves what is there of the data. What lies in their place was put there by an earlier try: no task has begun yet.
fn adopt(from: &Dir, to: &Dir, tasks: &[String]) -> io::Result<()> {
    for (outer, inner) in kept(tasks) {
        let found = match from.enter(outer) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            found => found?,
        };
        if !found.has(inner)? {
            continue;
        }
        let place = to.enter_or_make(outer, SHARED)?;
        place.remove_all(inner)?;
        found.move_to(inner, &place)?;
    }
    Ok(())
}

/// Writes into a channel. Slower readers keep it waiting.
struct Outgoing(mpsc::Sender<io::Result<Bytes>>);

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(PIECE)];
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(piece)));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads from a channel. An end that was not said is an error: half of an archive may look like a whole one.
struct Incoming {
    pieces: mpsc::Receiver<io::Result<Option<Bytes>>>,
    now: Bytes,
    over: bool,
}

impl Read for Incoming {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.now.is_empty() && !self.over {
            match self.pieces.blocking_recv() {
                Some(piece) => match piece? {
                    Some(piece) => self.now = piece,
                    None => self.over = true,
                },
                None => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            }
        }
        let length = to.len().min(self.now.len());
        self.now.copy_to_slice(&mut to[..length]);
        Ok(length)
    }
}

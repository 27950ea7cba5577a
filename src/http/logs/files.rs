//! The files of one stream (`web.stdout.0`, `web.stdout.1`, ...), read as one; or one file alone.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use tokio::{
    fs::{self, File},
    io::{AsyncReadExt, AsyncSeekExt},
};

/// Bytes per frame.
const CHUNK: usize = 64 * 1024;

#[derive(Debug)]
pub(in crate::http) struct Files {
    dir: PathBuf,
    names: Names,
}

#[derive(Debug)]
enum Names {
    /// With numbers behind `web.stdout.`.
    Numbered(String),
    One {
        file: OsString,
        /// Path within the allocation.
        shown: String,
    },
}

/// Where the next byte comes from.
#[derive(Debug)]
pub(in crate::http) struct Place {
    number: u64,
    pub(super) offset: u64,
    /// Kept open: a file that is rotated away is still read to its end.
    file: File,
    /// Path within the allocation.
    pub(super) name: String,
}

#[derive(Debug)]
pub(super) enum Step {
    /// The next bytes; the place is behind them.
    Bytes(Bytes),
    /// `file truncated`. (A file that is rotated away was read to its end: nothing to tell.)
    Event(&'static str),
    /// `file deleted`: there is nothing left to read.
    Gone,
    /// Nothing more now.
    End,
}

impl Files {
    pub(super) fn new(dir: PathBuf, task: &str, kind: &str) -> Self {
        Self { dir, names: Names::Numbered(format!("{task}.{kind}.")) }
    }

    /// The file at `path`, which clients know as `shown`.
    pub(in crate::http) fn one(path: &Path, shown: &str) -> Self {
        let file = path.file_name().unwrap_or_default().to_owned();
        let shown = shown.trim_start_matches('/').to_owned();
        let dir = path.parent().unwrap_or(Path::new("/")).to_owned();
        Self { dir, names: Names::One { file, shown } }
    }

    /// Numbers and sizes of the files there are, in order.
    async fn list(&self) -> io::Result<Vec<(u64, u64)>> {
        let prefix = match &self.names {
            Names::Numbered(prefix) => prefix,
            Names::One { file, .. } => {
                return match fs::metadata(self.dir.join(file)).await {
                    Ok(metadata) => Ok(vec![(0, metadata.len())]),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
                    Err(error) => Err(error),
                };
            }
        };
        let mut files = Vec::new();
        let mut dir = match fs::read_dir(&self.dir).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
            result => result?,
        };
        while let Some(entry) = dir.next_entry().await? {
            let name = entry.file_name();
            let number = name
                .to_str()
                .and_then(|name| name.strip_prefix(prefix.as_str()))
                .and_then(|n| n.parse().ok());
            // A file may be rotated away between the two calls.
            if let Some(number) = number
                && let Ok(metadata) = entry.metadata().await
            {
                files.push((number, metadata.len()));
            }
        }
        files.sort_unstable();
        Ok(files)
    }

    /// The place `offset` bytes from the start of the oldest file, or back from the end of the newest. Beyond either
    /// end it is that end. `None` when there are no files.
    pub(in crate::http) async fn place(&self, offset: u64, from_end: bool) -> io::Result<Option<Place>> {
        let files = self.list().await?;
        let total: u64 = files.iter().map(|(_, size)| size).sum();
        let mut left = if from_end { total.saturating_sub(offset) } else { offset.min(total) };
        for (at, &(number, size)) in files.iter().enumerate() {
            let is_last = at + 1 == files.len();
            if left < size || is_last {
                return Ok(Some(self.open(number, left.min(size)).await?));
            }
            left -= size;
        }
        Ok(None)
    }

    async fn open(&self, number: u64, offset: u64) -> io::Result<Place> {
        let (name, shown) = match &self.names {
            Names::Numbered(prefix) => {
                let name = format!("{prefix}{number}");
                let shown = format!("alloc/logs/{name}");
                (name.into(), shown)
            }
            Names::One { file, shown } => (file.clone(), shown.clone()),
        };
        let mut file = File::open(self.dir.join(name)).await?;
        file.seek(io::SeekFrom::Start(offset)).await?;
        Ok(Place { number, offset, file, name: shown })
    }

    /// The next bytes, from the next file where this one is done.
    pub(super) async fn next(&self, place: &mut Place) -> io::Result<Step> {
        loop {
            if let Some(bytes) = read(place).await? {
                return Ok(Step::Bytes(bytes));
            }
            if place.file.metadata().await?.len() < place.offset {
                place.offset = 0;
                place.file.seek(io::SeekFrom::Start(0)).await?;
                return Ok(Step::Event("file truncated"));
            }
            let files = self.list().await?;
            if matches!(self.names, Names::One { .. }) {
                if !files.is_empty() {
                    return Ok(Step::End);
                }
                // It was removed after our read: what was written in between is here.
                return Ok(read(place).await?.map_or(Step::Gone, Step::Bytes));
            }
            let Some(&(next, _)) = files.iter().find(|(number, _)| *number > place.number) else {
                return Ok(Step::End);
            };
            // The writer turned to the next file after our read and before our list: what it wrote last is here.
            if let Some(bytes) = read(place).await? {
                return Ok(Step::Bytes(bytes));
            }
            match self.open(next, 0).await {
                Ok(after) => *place = after,
                // Rotated away in between: look again.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
}

async fn read(place: &mut Place) -> io::Result<Option<Bytes>> {
    let mut buffer = vec![0; CHUNK];
    let length = place.file.read(&mut buffer).await?;
    buffer.truncate(length);
    place.offset += length as u64;
    Ok((length > 0).then(|| Bytes::from(buffer)))
}

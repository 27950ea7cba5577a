//! Rotated log files of one stream of one task: `<task>.stdout.0`, `<task>.stdout.1`, ...
//!
//! Bytes are written as they come, over the border of a file where need be, so that the files put together are what
//! the task wrote. When there are more files than allowed the oldest goes.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

const MEBIBYTE: u64 = 1024 * 1024;

/// A place in the stream: `offset` bytes into file `index`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Position {
    pub index: u64,
    pub offset: u64,
}

/// Limits of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// 0: nothing is kept.
    pub files: u64,
    /// Bytes per file; at least 1.
    pub bytes: u64,
}

impl From<&model::LogConfig> for Limits {
    fn from(config: &model::LogConfig) -> Self {
        Self {
            files: if config.disabled { 0 } else { u64::from(config.max_files.max(1)) },
            bytes: u64::from(config.max_file_size_mb.max(1)) * MEBIBYTE,
        }
    }
}

/// Appends to the newest file and begins new ones. Blocks on the disk.
#[derive(Debug)]
pub struct LogWriter {
    /// Path without the number: `.../logs/web.stdout`.
    stem: PathBuf,
    limits: Limits,
    end: Position,
    /// Opened with the first write: a task that says nothing holds no file open.
    file: Option<File>,
}

impl LogWriter {
    /// Goes on after the newest file there is, or makes file 0.
    pub fn open(dir: &Path, stream: &str, limits: Limits) -> io::Result<Self> {
        let newest = indexes(dir, stream)?.last().copied();
        let stem = dir.join(stream);
        let end = match newest {
            Some(index) => Position { index, offset: fs::metadata(numbered(&stem, index))?.len() },
            None if limits.files == 0 => Position::default(),
            None => {
                File::create(numbered(&stem, 0))?;
                Position::default()
            }
        };
        Ok(Self { stem, limits, end, file: None })
    }

    pub fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if self.limits.files == 0 {
            return Ok(());
        }
        while !bytes.is_empty() {
            let room = self.limits.bytes.saturating_sub(self.end.offset);
            if room == 0 {
                self.rotate()?;
                continue;
            }
            let now = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
            // One write at a time, so that `end` stays true when the disk fills up in the middle.
            let written = match self.file()?.write(&bytes[..now]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.end.offset += written as u64;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// Where the next byte goes.
    pub fn end(&self) -> Position {
        self.end
    }

    /// How many bytes lie between an earlier position and the end. Files that are gone count as full.
    pub fn written_since(&self, earlier: Position) -> u64 {
        if earlier >= self.end {
            return 0;
        }
        if earlier.index == self.end.index {
            return self.end.offset - earlier.offset;
        }
        let length =
            |index| fs::metadata(numbered(&self.stem, index)).map_or(self.limits.bytes, |meta| meta.len());
        let between: u64 = (earlier.index + 1..self.end.index).map(length).sum();
        length(earlier.index).saturating_sub(earlier.offset) + between + self.end.offset
    }

    fn file(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            let path = numbered(&self.stem, self.end.index);
            self.file = Some(OpenOptions::new().append(true).create(true).open(path)?);
        }
        Ok(self.file.as_mut().expect("it was opened in the line above"))
    }

    fn rotate(&mut self) -> io::Result<()> {
        let next = self.end.index + 1;
        self.file = Some(OpenOptions::new().append(true).create(true).open(numbered(&self.stem, next))?);
        self.end = Position { index: next, offset: 0 };
        let (Some(dir), Some(stream)) = (self.stem.parent(), self.stem.file_name()) else { return Ok(()) };
        let all = indexes(dir, &stream.to_string_lossy())?;
        for index in all.iter().take_while(|index| *index + self.limits.files <= next) {
            fs::remove_file(numbered(&self.stem, *index))?;
        }
        Ok(())
    }
}

fn numbered(stem: &Path, index: u64) -> PathBuf {
    let mut path = stem.as_os_str().to_owned();
    path.push(format!(".{index}"));
    path.into()
}

/// Numbers of the files that are there, ascending.
fn indexes(dir: &Path, stream: &str) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number =
            name.to_str().and_then(|name| name.strip_prefix(stream)).and_then(|rest| rest.strip_prefix('.'));
        found.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

/// All that is kept of a stream, oldest byte first.
#[cfg(test)]
pub(crate) fn read_all(dir: &Path, stream: &str) -> Vec<u8> {
    let kept = indexes(dir, stream).unwrap();
    kept.iter().flat_map(|index| fs::read(numbered(&dir.join(stream), *index)).unwrap()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn disabled_logs_leave_no_file() {
        let temp = tempfile::tempdir().unwrap();
        let limits = Limits::from(&model::LogConfig { disabled: true, ..model::LogConfig::default() });
        let mut writer = LogWriter::open(temp.path(), "a.stdout", limits).unwrap();
        writer.write_all(b"lost").unwrap();
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
        assert_eq!(writer.end(), Position::default());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn kept_files_are_the_end_of_what_was_written(
            writes in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..60), any::<bool>()), 0..40),
            files in 1u64..5,
            bytes in 1u64..50,
        ) {
            let temp = tempfile::tempdir().unwrap();
            let limits = Limits { files, bytes };
            let mut writer = LogWriter::open(temp.path(), "a.stdout", limits).unwrap();
            let mut all = Vec::new();
            let mut marks = vec![(writer.end(), 0u64)];
            for (chunk, reopen) in writes {
                if reopen {
                    writer = LogWriter::open(temp.path(), "a.stdout", limits).unwrap();
                }
                writer.write_all(&chunk).unwrap();
                all.extend_from_slice(&chunk);
                marks.push((writer.end(), all.len() as u64));
            }
            let kept = read_all(temp.path(), "a.stdout");
            prop_assert!(all.ends_with(&kept));
            let indexes = indexes(temp.path(), "a.stdout").unwrap();
            prop_assert!(indexes.len() as u64 <= files);
            prop_assert!(indexes.windows(2).all(|pair| pair[0] + 1 == pair[1]), "a gap in {:?}", indexes);
            for index in &indexes {
                prop_assert!(fs::metadata(numbered(&temp.path().join("a.stdout"), *index)).unwrap().len() <= bytes);
            }
            // Nothing goes before it must.
            if (all.len() as u64) < files * bytes {
                prop_assert_eq!(kept.len(), all.len());
            }
            for (mark, at) in marks {
                prop_assert_eq!(writer.written_since(mark), all.len() as u64 - at);
            }
        }
    }

    #[test]
    fn names_of_other_streams_do_not_count() {
        let temp = tempfile::tempdir().unwrap();
        for name in ["web.stdout.7x", "web.stdout2.9", "web.stderr.5", "other.web.stdout.4"] {
            File::create(temp.path().join(name)).unwrap();
        }
        let writer = LogWriter::open(temp.path(), "web.stdout", Limits { files: 2, bytes: 10 }).unwrap();
        assert_eq!(writer.end(), Position::default());
        assert!(temp.path().join("web.stdout.0").exists());
    }
}

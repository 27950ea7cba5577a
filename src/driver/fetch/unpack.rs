//! Archives, unpacked below a directory and nowhere else.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, Write},
};

use model::fetch::Packing;

use super::copy;
use crate::driver::beneath::{Dir, Owner};

/// How what is unpacked looks, and how much of it there may be.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) owner: Owner,
    /// Left.
    pub(super) files: usize,
    /// Left.
    pub(super) bytes: u64,
}

fn bad(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}

impl Place {
    /// Goes down from a directory; what is not there is made.
    pub(super) fn enter(&self, from: Dir, parts: &[String]) -> io::Result<Dir> {
        parts.iter().try_fold(from, |dir, part| {
            let made = dir.enter_or_make(part, 0o755)?;
            made.own(self.owner)?;
            Ok(made)
        })
    }

    fn count(&mut self) -> io::Result<()> {
        self.files = self.files.checked_sub(1).ok_or_else(|| bad("the archive has more than 4096 files"))?;
        Ok(())
    }

    /// Writes a file in the place of one that may be there.
    pub(super) fn file(&mut self, dir: &Dir, name: &str, mode: u32, from: &mut dyn Read) -> io::Result<()> {
        self.count()?;
        dir.remove(name)?;
        let mut file = dir.create(name, mode & 0o777)?;
        copy(from, &mut file, &mut self.bytes)?;
        self.owner.give(&file)
    }

    /// A member of an archive.
    pub(super) fn member(&mut self, dir: &Dir, parts: &[String], member: Member<'_>) -> io::Result<()> {
        let Some((name, above)) = parts.split_last() else { return Ok(()) };
        let dir = self.enter(dir.again()?, above)?;
        match member {
            Member::Dir(mode) => {
                self.count()?;
                // Its owner has to be able to enter it.
                dir.enter_or_make(name, mode & 0o777 | 0o700)?.own(self.owner)
            }
            Member::File(mode, from) => self.file(&dir, name, mode, from),
            Member::Link(target) => {
                self.count()?;
                if !stays(above, target) {
                    return Err(bad(format!(
                        "the link {} leads out of the archive: {target}",
                        parts.join("/")
                    )));
                }
                dir.remove(name)?;
                dir.symlink(target, name)
            }
        }
    }
}

pub(super) enum Member<'a> {
    Dir(u32),
    File(u32, &'a mut dyn Read),
    Link(&'a str),
}

/// Whether a link in a directory (from the root of the archive) stays in the archive.
fn stays(above: &[String], target: &str) -> bool {
    let mut depth = above.len();
    !target.starts_with('/')
        && target.split('/').all(|part| match part {
            "" | "." => true,
            ".." => {
                let inside = depth > 0;
                depth = depth.saturating_sub(1);
                inside
            }
            _ => {
                depth += 1;
                true
            }
        })
}

/// The parts of a member's path below `subdir`; `None`: it is not there.
///
/// # Errors
/// It leads out of the archive.
pub(super) fn parts(path: &str, subdir: &str) -> io::Result<Option<Vec<String>>> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(bad(format!("the member {path} leads out of the archive"))),
            part if part.contains('\0') => return Err(bad("a member has no proper name")),
            part => parts.push(part.to_owned()),
        }
    }
    let mut wanted = subdir.split('/').filter(|part| !part.is_empty());
    let mut inside = parts.into_iter();
    if wanted.all(|part| inside.next().as_deref() == Some(part)) {
        Ok(Some(inside.collect()))
    } else {
        Ok(None)
    }
}

/// What is packed, as a file that begins at its beginning.
pub(super) fn plain(mut file: File, packing: Packing, most: u64, mut room: File) -> io::Result<File> {
    file.rewind()?;
    let mut left = most;
    let mut input = BufReader::new(file);
    match packing {
        Packing::None => return Ok(input.into_inner()),
        Packing::Gzip => copy(&mut flate2::bufread::MultiGzDecoder::new(input), &mut room, &mut left)?,
        Packing::Bzip2 => copy(&mut bzip2::bufread::MultiBzDecoder::new(input), &mut room, &mut left)?,
        Packing::Zstd => {
            let mut decoder =
                ruzstd::decoding::StreamingDecoder::new(input).map_err(|error| bad(error.to_string()))?;
            copy(&mut decoder, &mut room, &mut left)?;
        }
        Packing::Xz => {
            let mut bounded = Bounded { to: &mut room, left };
            lzma_rs::xz_decompress(&mut input, &mut bounded)
                .map_err(|error| bad(format!("not xz: {error:?}")))?;
        }
    }
    room.rewind()?;
    Ok(room)
}

/// A writer that refuses what is too much.
struct Bounded<'a> {
    to: &'a mut File,
    left: u64,
}

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or_else(|| bad("too much comes out"))?;
        self.to.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

pub(super) fn tar(file: File, dir: &Dir, subdir: &str, mut place: Place) -> io::Result<()> {
    let mut archive = tar::Archive::new(BufReader::new(file));
    let mut found = subdir.is_empty();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path =
            String::from_utf8(entry.path_bytes().into_owned()).map_err(|_| bad("a name is not UTF-8"))?;
        let kind = entry.header().entry_type();
        if matches!(kind, tar::EntryType::XGlobalHeader) {
            continue;
        }
        let Some(parts) = parts(&path, subdir)? else { continue };
        found = true;
        let mode = entry.header().mode()?;
        match kind {
            tar::EntryType::Directory => place.member(dir, &parts, Member::Dir(mode))?,
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                place.member(dir, &parts, Member::File(mode, &mut entry))?;
            }
            tar::EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                let target = String::from_utf8(target).map_err(|_| bad("a link is not UTF-8"))?;
                place.member(dir, &parts, Member::Link(&target))?;
            }
            other => {
                return Err(bad(format!("the member {path} is of a kind that is not unpacked: {other:?}")));
            }
        }
    }
    if found { Ok(()) } else { Err(bad(format!("the archive has no directory {subdir}"))) }
}

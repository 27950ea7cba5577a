//! The data of an allocation as a tar archive. Tasks may be writing meanwhile, and may have put links anywhere: none is
//! followed.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Read, Write},
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, readlinkat},
    sys::stat::{FileStat, SFlag, fstatat},
};
use tar::{Builder, EntryType, Header};

use super::{DATA, LOCAL, names};
use crate::driver::beneath::Dir;

/// Directories in directories: each level keeps two files open.
const DEPTH: usize = 128;

/// Writes the archive to its end.
pub(super) fn pack(home: &Dir, to: impl Write) -> io::Result<()> {
    let mut archive = Builder::new(to);
    let mut roots = vec![(OsString::from(DATA.0), DATA.1)];
    for name in names(home)? {
        let name = name?;
        // A task cannot be called like that; what begins with a dot is a try to unpack data.
        if name != DATA.0 && !name.as_encoded_bytes().starts_with(b".") {
            roots.push((name, LOCAL));
        }
    }
    for (outer, inner) in roots {
        let Some(dir) = descend(home, &outer)? else { continue };
        let Some(dir) = descend(&dir, OsStr::new(inner))? else { continue };
        let path = Path::new(&outer).join(inner);
        directory(&mut archive, &dir, &path)?;
        walk(&mut archive, &dir, &path, DEPTH)?;
    }
    archive.into_inner()?.flush()
}

/// A directory, if it is one and there.
fn descend(dir: &Dir, name: &OsStr) -> io::Result<Option<Dir>> {
    match dir.enter(name) {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn header(stat: &FileStat, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(stat.st_mode & 0o7777);
    header.set_uid(stat.st_uid.into());
    header.set_gid(stat.st_gid.into());
    header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or(0));
    header.set_size(size);
    header
}

fn directory(archive: &mut Builder<impl Write>, dir: &Dir, path: &Path) -> io::Result<()> {
    let stat = nix::sys::stat::fstat(dir)?;
    archive.append_data(&mut header(&stat, EntryType::Directory, 0), path, io::empty())
}

fn walk(archive: &mut Builder<impl Write>, dir: &Dir, path: &Path, depth: usize) -> io::Result<()> {
    for name in names(dir)? {
        let name = name?;
        let path = path.join(&name);
        let stat = match fstatat(dir, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            // A task took it away.
            Err(Errno::ENOENT) => continue,
            found => found?,
        };
        match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFDIR => {
                let Some(inside) = descend(dir, &name)? else { continue };
                let left = depth.checked_sub(1).ok_or_else(|| {
                    io::Error::other(format!(
                        "{} has more than {DEPTH} directories in each other",
                        path.display()
                    ))
                })?;
                directory(archive, &inside, &path)?;
                walk(archive, &inside, &path, left)?;
            }
            SFlag::S_IFREG => file(archive, dir, &name, &path)?,
            SFlag::S_IFLNK => {
                let target = match readlinkat(dir, name.as_os_str()) {
                    Err(Errno::ENOENT | Errno::EINVAL) => continue,
                    found => found?,
                };
                archive.append_link(&mut header(&stat, EntryType::Symlink, 0), &path, &target)?;
            }
            // Pipes, sockets and devices mean something to their machine only.
            _ => {}
        }
    }
    Ok(())
}

fn file(archive: &mut Builder<impl Write>, dir: &Dir, name: &OsStr, path: &Path) -> io::Result<()> {
    let Some(file) = dir.open_file(name)? else { return Ok(()) };
    let stat = nix::sys::stat::fstat(&file)?;
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    // As long as its header says, also when it shrinks or grows meanwhile.
    let content = file.take(size).chain(io::repeat(0)).take(size);
    archive.append_data(&mut header(&stat, EntryType::Regular, size), path, content)
}

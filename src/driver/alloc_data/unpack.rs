//! An archive of data, put in the place of an allocation's: into a directory of its own first, so that nothing is there
//! by halves.

use std::{
    ffi::{OsStr, OsString},
    fs::{File, Permissions},
    io::{self, Read},
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, fchown},
    },
};

use nix::{
    fcntl::AtFlags,
    sys::{
        stat::{UtimensatFlags, futimens, utimensat},
        time::{TimeSpec, TimeValLike},
    },
    unistd::{Gid, Uid, fchownat, geteuid},
};
use tar::{Archive, Entry, EntryType};

use super::{adopt, kept, names};
use crate::driver::{beneath::Dir, fresh_id};

/// What comes is put together in a directory that begins like this, below the allocation's. Each try has its own: one that
/// was given up a moment ago may still be clearing away.
const INCOMING: &str = ".incoming-";

fn bad(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}

/// Reads the archive to its end, which has to be one, and puts its content in its place.
pub(super) fn unpack(from: impl Read, home: &Dir, tasks: &[String]) -> io::Result<()> {
    for name in names(home)? {
        let name = name?;
        if name.as_encoded_bytes().starts_with(INCOMING.as_bytes()) {
            home.remove_all(&name)?;
        }
    }
    let name = format!("{INCOMING}{}", fresh_id());
    let incoming = home.enter_or_make(&name, 0o700)?;
    let done = read(from, &incoming, tasks).and_then(|()| adopt(&incoming, home, tasks));
    // Also when it failed: nobody looks at it again.
    done.and(home.remove_all(&name))
}

fn read(from: impl Read, to: &Dir, tasks: &[String]) -> io::Result<()> {
    let mut archive = Archive::new(from);
    // Directories around the present member: their marks are set when all that is in them is there.
    let mut around: Vec<(Vec<OsString>, Marks)> = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let parts = parts(&entry.path_bytes())?;
        while let Some((dir, marks)) = around.pop_if(|(dir, _)| !parts.starts_with(dir)) {
            marks.set(&enter(to, &dir)?)?;
        }
        let is_kept = kept(tasks).any(|(outer, inner)| {
            parts.first().is_some_and(|part| part == outer) && parts.get(1).is_some_and(|part| part == inner)
        });
        if !is_kept {
            continue;
        }
        let (Some((name, above)), marks) = (parts.split_last(), Marks::of(&entry)?) else { continue };
        let dir = enter(to, above)?;
        match entry.header().entry_type() {
            EntryType::Directory => {
                dir.enter_or_make(name, 0o700)?;
                around.push((parts, marks));
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let mut file = dir.create(name, 0o600)?;
                io::copy(&mut entry, &mut file)?;
                marks.set(&file)?;
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().ok_or_else(|| bad("a link leads nowhere"))?;
                dir.symlink(OsStr::from_bytes(&target), name)?;
                marks.set_on_link(&dir, name)?;
            }
            other => {
                let name = name.display();
                return Err(bad(format!("the archive has {name}, of a kind that data have not: {other:?}")));
            }
        }
    }
    while let Some((dir, marks)) = around.pop() {
        marks.set(&enter(to, &dir)?)?;
    }
    // What broke while the archive was made comes after all that was made of it.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    Ok(())
}

/// The parts of a member's path.
fn parts(path: &[u8]) -> io::Result<Vec<OsString>> {
    let is_bad = path.starts_with(b"/") || path.split(|byte| *byte == b'/').any(|part| part == b"..");
    if is_bad || path.contains(&0) {
        return Err(bad(format!(
            "the archive leads out of its directory: {}",
            String::from_utf8_lossy(path)
        )));
    }
    let parts = path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    Ok(parts.map(|part| OsStr::from_bytes(part).to_owned()).collect())
}

/// Goes down, past no link. What is not there is made.
fn enter(from: &Dir, parts: &[OsString]) -> io::Result<Dir> {
    parts.iter().try_fold(from.again()?, |dir, part| dir.enter_or_make(part, 0o700))
}

/// Whose a member is, its mode, and when it was changed last.
struct Marks {
    uid: u32,
    gid: u32,
    mode: u32,
    changed: TimeSpec,
}

impl Marks {
    fn of(entry: &Entry<'_, impl Read>) -> io::Result<Self> {
        let header = entry.header();
        let id = |id: u64| u32::try_from(id).map_err(|_| bad("the archive names users that cannot be"));
        let changed =
            i64::try_from(header.mtime()?).map_err(|_| bad("the archive has times that cannot be"))?;
        Ok(Self {
            uid: id(header.uid()?)?,
            gid: id(header.gid()?)?,
            mode: header.mode()? & 0o7777,
            changed: TimeSpec::seconds(changed),
        })
    }

    fn set(&self, on: &impl std::os::fd::AsFd) -> io::Result<()> {
        if geteuid().is_root() {
            fchown(on, Some(self.uid), Some(self.gid))?;
        }
        let file = File::from(on.as_fd().try_clone_to_owned()?);
        file.set_permissions(Permissions::from_mode(self.mode))?;
        Ok(futimens(on, &self.changed, &self.changed)?)
    }

    fn set_on_link(&self, dir: &Dir, name: &OsStr) -> io::Result<()> {
        if geteuid().is_root() {
            let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
            fchownat(dir, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)?;
        }
        Ok(utimensat(dir, name, &self.changed, &self.changed, UtimensatFlags::NoFollowSymlink)?)
    }
}

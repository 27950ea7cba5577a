//! Files and directories below one directory. Tasks can put links there; none is followed, so that an agent that may do
//! everything touches nothing outside.

use std::{
    ffi::OsStr,
    fs::{File, Permissions},
    io::{self, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::fs::{MetadataExt, PermissionsExt, fchown},
    },
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, open, openat, renameat},
    sys::stat::{Mode, fstatat, mkdirat},
    unistd::{UnlinkatFlags, symlinkat, unlinkat},
};

use super::fresh_id;

/// Whose something is; `None`: as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
}

impl Owner {
    pub(super) fn give(self, to: impl AsFd) -> io::Result<()> {
        if self == Self::default() { Ok(()) } else { fchown(to, self.uid, self.gid) }
    }
}

/// A directory that is open.
#[derive(Debug)]
pub(super) struct Dir(OwnedFd);

const DIRECTORY: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

impl Dir {
    /// The one that everything is below of. Links on the way to it are followed: they are the operator's.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Self(open(path, flags, Mode::empty())?))
    }

    pub(super) fn enter(&self, name: &(impl AsRef<OsStr> + ?Sized)) -> io::Result<Self> {
        let name = plain(name)?;
        openat(self.0.as_fd(), name, DIRECTORY, Mode::empty()).map(Self).map_err(|error| match error {
            Errno::ELOOP | Errno::ENOTDIR => refused(name),
            error => error.into(),
        })
    }

    /// The mode is that of a directory that is made.
    pub(super) fn enter_or_make(&self, name: &(impl AsRef<OsStr> + ?Sized), mode: u32) -> io::Result<Self> {
        let name = plain(name)?;
        match mkdirat(self.0.as_fd(), name, Mode::from_bits_truncate(mode)) {
            Ok(()) => {
                let made = self.enter(name)?;
                // What the process masks is not meant.
                File::from(made.0.try_clone()?).set_permissions(Permissions::from_mode(mode))?;
                Ok(made)
            }
            Err(Errno::EEXIST) => self.enter(name),
            Err(error) => Err(error.into()),
        }
    }

    /// The same once more.
    pub(super) fn again(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    pub(super) fn own(&self, owner: Owner) -> io::Result<()> {
        owner.give(&self.0)
    }

    /// A file that has no name and goes away when it is closed, on the disk of the directory.
    pub(super) fn nameless(&self) -> io::Result<File> {
        let passing = format!(".{}", fresh_id());
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::from_bits_truncate(0o600);
        let file = File::from(openat(self.0.as_fd(), passing.as_str(), flags, mode)?);
        unlinkat(self.0.as_fd(), passing.as_str(), UnlinkatFlags::NoRemoveDir)?;
        Ok(file)
    }

    /// Takes a file or link away, if it is there.
    pub(super) fn remove(&self, name: &(impl AsRef<OsStr> + ?Sized)) -> io::Result<()> {
        match unlinkat(self.0.as_fd(), plain(name)?, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes away whatever has the name, with all that is in it.
    pub(super) fn remove_all(&self, name: &(impl AsRef<OsStr> + ?Sized)) -> io::Result<()> {
        match self.remove(name) {
            // Which of the two is said of a directory depends on the system.
            Err(error) if matches!(error.raw_os_error(), Some(code) if code == Errno::EISDIR as i32 || code == Errno::EPERM as i32) =>
            {
                let here = format!("/proc/self/fd/{}", self.as_raw_fd());
                std::fs::remove_dir_all(Path::new(&here).join(plain(name)?))
            }
            other => other,
        }
    }

    /// A link; where it leads is the caller's to judge.
    pub(super) fn symlink(
        &self,
        target: &(impl AsRef<OsStr> + ?Sized),
        name: &(impl AsRef<OsStr> + ?Sized),
    ) -> io::Result<()> {
        Ok(symlinkat(target.as_ref(), self.0.as_fd(), plain(name)?)?)
    }

    pub(super) fn move_to(&self, name: &str, other: &Self) -> io::Result<()> {
        let name = plain(name)?;
        Ok(renameat(self.0.as_fd(), name, other.0.as_fd(), name)?)
    }

    /// Whether anything has the name.
    pub(super) fn has(&self, name: &str) -> io::Result<bool> {
        match fstatat(self.0.as_fd(), plain(name)?, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// A regular file, to be read. `None`: it is none, or not there.
    pub(super) fn open_file(&self, name: &(impl AsRef<OsStr> + ?Sized)) -> io::Result<Option<File>> {
        // A pipe would keep whoever opens it waiting.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = match openat(self.0.as_fd(), plain(name)?, flags, Mode::empty()) {
            Err(Errno::ENOENT | Errno::ELOOP | Errno::ENXIO) => return Ok(None),
            opened => File::from(opened?),
        };
        Ok(file.metadata()?.is_file().then_some(file))
    }

    /// A regular file of at most `limit` bytes.
    pub(super) fn read(&self, name: &(impl AsRef<OsStr> + ?Sized), limit: usize) -> io::Result<Vec<u8>> {
        let name = plain(name)?;
        // A pipe would keep whoever opens it waiting.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let opened = openat(self.0.as_fd(), name, flags, Mode::empty()).map_err(|error| match error {
            Errno::ELOOP => refused(name),
            error => error.into(),
        })?;
        let file = File::from(opened);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("`{}` is not a file", name.display()),
            ));
        }
        let mut bytes = Vec::new();
        file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > limit {
            let text = format!("`{}` has more than {limit} bytes", name.display());
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        Ok(bytes)
    }

    /// A new file under a name that nothing has.
    pub(super) fn create(&self, name: &(impl AsRef<OsStr> + ?Sized), mode: u32) -> io::Result<File> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = File::from(openat(self.0.as_fd(), plain(name)?, flags, Mode::from_bits_truncate(0o600))?);
        file.set_permissions(Permissions::from_mode(mode))?;
        Ok(file)
    }

    /// Puts a file in the place of whatever has the name, in one step. `false`: it was there, the same in all.
    pub(super) fn replace(
        &self,
        name: &str,
        bytes: &[u8],
        mode: u32,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> io::Result<bool> {
        let name = plain(name)?;
        if self.is_same(name, bytes, mode, uid, gid) {
            return Ok(false);
        }
        let passing = format!(".{}", fresh_id());
        let write = || {
            let mut file = self.create(&passing, mode)?;
            file.write_all(bytes)?;
            if uid.is_some() || gid.is_some() {
                fchown(&file, uid, gid)?;
            }
            Ok(renameat(self.0.as_fd(), passing.as_str(), self.0.as_fd(), name)?)
        };
        write().inspect_err(|_: &io::Error| {
            // Best effort: what is left has a name that nobody asks for.
            let _ = unlinkat(self.0.as_fd(), passing.as_str(), UnlinkatFlags::NoRemoveDir);
        })?;
        Ok(true)
    }

    fn is_same(&self, name: &OsStr, bytes: &[u8], mode: u32, uid: Option<u32>, gid: Option<u32>) -> bool {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let Ok(opened) = openat(self.0.as_fd(), name, flags, Mode::empty()) else { return false };
        let meta = File::from(opened).metadata();
        meta.is_ok_and(|meta| {
            meta.is_file()
                && meta.permissions().mode() & 0o7777 == mode
                && uid.is_none_or(|uid| uid == meta.uid())
                && gid.is_none_or(|gid| gid == meta.gid())
        }) && self.read(name, bytes.len()).is_ok_and(|found| found == bytes)
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Dir {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// A name in a directory, and no way to another one.
pub(super) fn plain(name: &(impl AsRef<OsStr> + ?Sized)) -> io::Result<&OsStr> {
    let name = name.as_ref();
    let bytes = name.as_encoded_bytes();
    if matches!(bytes, b"" | b"." | b"..") || bytes.iter().any(|byte| matches!(byte, b'/' | 0)) {
        let text = format!("`{}` is not the name of a file", name.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(name)
}

fn refused(name: &OsStr) -> io::Error {
    let name = name.display();
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("`{name}` is a link or no directory; it is not followed"),
    )
}

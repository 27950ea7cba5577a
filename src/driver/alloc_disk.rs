//! Directories of allocations.
//!
//! ```text
//! <root>/<alloc uuid>/alloc/{data,logs,tmp}       shared by the tasks
//! <root>/<alloc uuid>/<task>/{local,secrets,tmp}
//! ```
//!
//! The directory of an allocation can be entered but not listed by other users; what lies in it is writable for
//! everybody, because tasks run under users that the node does not know (containers).

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use model::AllocId;
use tokio::runtime::Handle;

use super::{beneath::Dir, blocking};
use crate::actors::ports::{AllocDisk, FilePut, TaskDirs};

pub(super) const ENTER_ONLY: u32 = 0o711;
pub(super) const SHARED: u32 = 0o777;
const TEMPORARY: u32 = 0o1777;

/// Keeps the directories under one root (`<data_dir>/alloc`).
#[derive(Debug, Clone)]
pub struct Disk {
    pub(super) root: PathBuf,
    pub(super) runtime: Handle,
}

impl Disk {
    pub fn new(root: impl Into<PathBuf>, runtime: Handle) -> Self {
        Self { root: root.into(), runtime }
    }

    pub(super) fn alloc_root(&self, alloc: AllocId) -> PathBuf {
        self.root.join(alloc.to_string())
    }
}

#[async_trait]
impl AllocDisk for Disk {
    async fn create(&self, alloc: AllocId, tasks: &[String]) -> io::Result<()> {
        let (root, home, tasks) = (self.root.clone(), self.alloc_root(alloc), tasks.to_vec());
        blocking(&self.runtime, move || {
            fs::create_dir_all(&root)?;
            make(&home, ENTER_ONLY)?;
            make_with(&home.join("alloc"), &[("data", SHARED), ("logs", SHARED), ("tmp", TEMPORARY)])?;
            for task in &tasks {
                let dir = home.join(safe_name(task)?);
                make_with(&dir, &[("local", SHARED), ("secrets", SHARED), ("tmp", TEMPORARY)])?;
            }
            Ok(())
        })
        .await?
    }

    async fn write(&self, alloc: AllocId, task: &str, path: &str, bytes: Vec<u8>) -> io::Result<()> {
        let local = self.alloc_root(alloc).join(safe_name(task)?).join("local");
        let path = safe_path(path)?.to_owned();
        blocking(&self.runtime, move || {
            let file = local.join(&path);
            if let Some(parent) = file.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(file, bytes)
        })
        .await?
    }

    async fn put(&self, alloc: AllocId, file: FilePut) -> io::Result<bool> {
        let home = self.alloc_root(alloc);
        blocking(&self.runtime, move || {
            let (name, above) = file.path.split_last().ok_or(io::ErrorKind::InvalidInput)?;
            let dir =
                above.iter().try_fold(Dir::open(&home)?, |dir, part| dir.enter_or_make(part, SHARED))?;
            dir.replace(name, &file.bytes, file.mode, file.uid, file.gid)
        })
        .await?
    }

    async fn read(&self, alloc: AllocId, path: Vec<String>, limit: usize) -> io::Result<Option<Vec<u8>>> {
        let home = self.alloc_root(alloc);
        blocking(&self.runtime, move || {
            let (name, above) = path.split_last().ok_or(io::ErrorKind::InvalidInput)?;
            let dir = above.iter().try_fold(Dir::open(&home)?, |dir, part| dir.enter(part));
            let found = dir.and_then(|dir| dir.read(name, limit).map(Some));
            found.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(None) } else { Err(error) })
        })
        .await?
    }

    fn dirs(&self, alloc: AllocId, task: &str) -> TaskDirs {
        let home = self.alloc_root(alloc);
        let shared = home.join("alloc");
        let task = home.join(task);
        TaskDirs {
            local: task.join("local"),
            secrets: task.join("secrets"),
            logs: shared.join("logs"),
            alloc: shared,
            task,
        }
    }

    async fn destroy(&self, alloc: AllocId) -> io::Result<()> {
        let home = self.alloc_root(alloc);
        blocking(&self.runtime, move || match fs::remove_dir_all(&home) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        })
        .await?
    }
}

/// A task's name becomes a directory: it must not lead out of the allocation or meet the shared directory.
fn safe_name(task: &str) -> io::Result<&str> {
    if task.is_empty() || task == "alloc" || task.starts_with('.') || task.contains(['/', '\0']) {
        let text = format!("the task name `{task}` cannot be a directory name");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(task)
}

/// A path below a directory that does not lead out of it.
fn safe_path(path: &str) -> io::Result<&Path> {
    let found = Path::new(path);
    let stays = found.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if path.is_empty() || !stays {
        let text = format!("the path `{path}` does not lead to a file in the task's directory");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(found)
}

fn make_with(dir: &Path, inner: &[(&str, u32)]) -> io::Result<()> {
    make(dir, SHARED)?;
    inner.iter().try_for_each(|(name, mode)| make(&dir.join(name), *mode))
}

/// Leaves the mode of an existing directory alone: the task may have changed it.
fn make(dir: &Path, mode: u32) -> io::Result<()> {
    match fs::create_dir(dir) {
        Ok(()) => fs::set_permissions(dir, fs::Permissions::from_mode(mode)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[tokio::test]
    async fn makes_the_layout_and_repeats_it_without_change() {
        let temp = tempfile::tempdir().unwrap();
        let disk = Disk::new(temp.path().join("alloc"), Handle::current());
        let (alloc, tasks) = (AllocId(7), [String::from("web"), String::from("db")]);
        disk.create(alloc, &tasks).await.unwrap();
        let dirs = disk.dirs(alloc, "web");
        assert_eq!(mode(dirs.alloc.parent().unwrap()), 0o711);
        assert_eq!(mode(&dirs.logs), 0o777);
        assert_eq!(mode(&dirs.alloc.join("data")), 0o777);
        assert_eq!(mode(&dirs.task.join("tmp")), 0o1777);
        assert_eq!(mode(&dirs.secrets), 0o777);
        assert_eq!(mode(&disk.dirs(alloc, "db").local), 0o777);

        fs::write(dirs.local.join("kept"), "x").unwrap();
        fs::set_permissions(&dirs.secrets, fs::Permissions::from_mode(0o700)).unwrap();
        disk.create(alloc, &tasks).await.unwrap();
        assert_eq!(fs::read_to_string(dirs.local.join("kept")).unwrap(), "x");
        assert_eq!(mode(&dirs.secrets), 0o700);

        disk.destroy(alloc).await.unwrap();
        assert!(!dirs.alloc.exists());
        disk.destroy(alloc).await.unwrap();
    }

    #[tokio::test]
    async fn files_are_written_into_the_task_and_nowhere_else() {
        let temp = tempfile::tempdir().unwrap();
        let disk = Disk::new(temp.path(), Handle::current());
        disk.create(AllocId(1), &["web".to_owned()]).await.unwrap();
        disk.write(AllocId(1), "web", "in/put.json", b"{}".to_vec()).await.unwrap();
        let file = disk.dirs(AllocId(1), "web").local.join("in/put.json");
        assert_eq!(fs::read(file).unwrap(), b"{}");
        for path in ["", "..", "../x", "a/../../x", "/etc/x"] {
            let error = disk.write(AllocId(1), "web", path, vec![]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path}");
        }
    }

    #[tokio::test]
    async fn files_are_put_and_read_where_no_link_leads() {
        let temp = tempfile::tempdir().unwrap();
        let disk = Disk::new(temp.path(), Handle::current());
        disk.create(AllocId(1), &["web".to_owned()]).await.unwrap();
        let path = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
        let put = |at: &str, text: &str, mode| {
            let bytes = text.as_bytes().to_vec();
            disk.put(AllocId(1), FilePut { path: path(at), bytes, mode, uid: None, gid: None })
        };
        assert!(put("web/local/etc/a.conf", "x", 0o640).await.unwrap());
        assert!(!put("web/local/etc/a.conf", "x", 0o640).await.unwrap());
        assert!(put("web/local/etc/a.conf", "x", 0o600).await.unwrap());
        assert!(put("web/local/etc/a.conf", "y", 0o600).await.unwrap());
        let local = disk.dirs(AllocId(1), "web").local;
        assert_eq!(mode(&local.join("etc/a.conf")), 0o600);
        assert_eq!(fs::read_dir(local.join("etc")).unwrap().count(), 1);
        let read = |at: &str, limit| disk.read(AllocId(1), path(at), limit);
        assert_eq!(read("web/local/etc/a.conf", 10).await.unwrap().as_deref(), Some(&b"y"[..]));
        assert_eq!(read("web/local/none", 10).await.unwrap(), None);
        assert_eq!(read("web/none/x", 10).await.unwrap(), None);
        assert!(put("web/local/big", "0123456789a", 0o600).await.unwrap());
        assert!(read("web/local/big", 10).await.unwrap_err().to_string().contains("more than 10 bytes"));

        let outside = temp.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret"), "s").unwrap();
        std::os::unix::fs::symlink(&outside, local.join("out")).unwrap();
        std::os::unix::fs::symlink(outside.join("secret"), local.join("link")).unwrap();
        assert!(put("web/local/out/x", "x", 0o600).await.is_err());
        assert!(read("web/local/out/secret", 10).await.is_err());
        assert!(read("web/local/link", 10).await.is_err());
        // A link in the place of the file gives way to it.
        assert!(put("web/local/link", "mine", 0o600).await.unwrap());
        assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "s");
        assert_eq!(fs::read_to_string(local.join("link")).unwrap(), "mine");
        assert!(read("web/local", 10).await.is_err());
    }

    #[tokio::test]
    async fn refuses_names_that_lead_elsewhere() {
        let temp = tempfile::tempdir().unwrap();
        let disk = Disk::new(temp.path(), Handle::current());
        for name in ["", "..", "a/b", "alloc", "../../etc"] {
            let error = disk.create(AllocId(1), &[name.to_owned()]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}");
        }
    }
}

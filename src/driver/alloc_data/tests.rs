use std::{
    os::unix::fs::{FileTypeExt, MetadataExt, symlink},
    path::PathBuf,
};

use tokio::runtime::Handle;

use super::*;
use crate::actors::ports::AllocDisk;

const OLD: AllocId = AllocId(1);
const NEW: AllocId = AllocId(2);

struct World {
    temp: tempfile::TempDir,
    disk: Disk,
}

impl World {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let disk = Disk::new(temp.path(), Handle::current());
        Self { temp, disk }
    }

    fn path(&self, alloc: AllocId, path: &str) -> PathBuf {
        self.temp.path().join(alloc.to_string()).join(path)
    }

    /// An allocation with the tasks `web` and `db` that has written something everywhere.
    async fn filled(&self) {
        self.disk.create(OLD, &tasks(&["web", "db"])).await.unwrap();
        for path in [
            "alloc/data/a",
            "alloc/logs/web.stdout.0",
            "web/local/b",
            "web/secrets/c",
            "web/tmp/d",
            "db/local/e",
        ] {
            fs::write(self.path(OLD, path), path).unwrap();
        }
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.path(NEW, path)).ok()
    }

    async fn carry(&self, names: &[&str]) -> io::Result<()> {
        let archive = self.disk.pack(OLD).await?;
        self.disk.unpack(NEW, &tasks(names), archive).await
    }
}

/// Something is left of what was put together there.
fn is_incoming(world: &World) -> bool {
    let names = fs::read_dir(world.path(NEW, "")).unwrap().map(|entry| entry.unwrap().file_name());
    names.into_iter().any(|name| name.to_string_lossy().starts_with(".incoming"))
}

fn tasks(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn has_what_outlives(world: &World) {
    assert_eq!(world.read("alloc/data/a").as_deref(), Some("alloc/data/a"));
    assert_eq!(world.read("web/local/b").as_deref(), Some("web/local/b"));
    for path in ["alloc/logs/web.stdout.0", "web/secrets/c", "web/tmp/d", "db"] {
        assert!(!world.path(NEW, path).exists(), "{path}");
    }
    assert!(!is_incoming(world));
}

#[tokio::test]
async fn data_are_moved_and_the_rest_stays() {
    let world = World::new();
    assert!(!world.disk.hand_over(OLD, NEW, &tasks(&["web"])).await.unwrap());
    world.filled().await;
    assert!(world.disk.hand_over(OLD, NEW, &tasks(&["web", "more"])).await.unwrap());
    has_what_outlives(&world);
    assert!(world.path(OLD, "web/secrets/c").exists() && world.path(OLD, "db/local/e").exists());
    assert!(!world.path(OLD, "alloc/data").exists());
    // What was broken off goes on, and takes nothing away.
    assert!(world.disk.hand_over(OLD, NEW, &tasks(&["web", "db"])).await.unwrap());
    assert_eq!(world.read("db/local/e").as_deref(), Some("db/local/e"));
    assert_eq!(world.read("alloc/data/a").as_deref(), Some("alloc/data/a"));
    world.disk.create(NEW, &tasks(&["web", "db", "more"])).await.unwrap();
    assert_eq!(world.read("web/local/b").as_deref(), Some("web/local/b"));
    let mode = |path| fs::metadata(world.path(NEW, path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(""), mode("web"), mode("alloc/data"), mode("more/local")), (0o711, 0o777, 0o777, 0o777));
}

#[tokio::test]
async fn data_are_carried_with_all_that_is_said_of_them() {
    let world = World::new();
    world.filled().await;
    let old = |path| world.path(OLD, path);
    fs::create_dir_all(old("alloc/data/deep/er")).unwrap();
    let name = "long".repeat(40);
    fs::write(old("alloc/data/deep/er").join(&name), vec![7; 300_000]).unwrap();
    fs::set_permissions(old("alloc/data/a"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("../../nowhere", old("alloc/data/link")).unwrap();
    symlink("/etc", old("alloc/data/etc")).unwrap();
    nix::unistd::mkfifo(&old("alloc/data/pipe"), nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    let strange = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff\xfe");
    fs::write(old("web/local").join(strange), "strange").unwrap();
    let past = nix::sys::time::TimeSpec::new(1_000_000, 0);
    for path in ["alloc/data/a", "alloc/data/deep/er"] {
        let file = fs::File::open(old(path)).unwrap();
        nix::sys::stat::futimens(&file, &past, &past).unwrap();
    }
    fs::set_permissions(old("alloc/data/deep/er"), fs::Permissions::from_mode(0o500)).unwrap();

    world.carry(&["web"]).await.unwrap();
    has_what_outlives(&world);
    let new = |path| world.path(NEW, path);
    let meta = fs::metadata(new("alloc/data/a")).unwrap();
    assert_eq!((meta.mode() & 0o7777, meta.mtime()), (0o640, 1_000_000));
    let meta = fs::metadata(new("alloc/data/deep/er")).unwrap();
    assert_eq!((meta.mode() & 0o7777, meta.mtime()), (0o500, 1_000_000));
    assert_eq!(fs::read(new("alloc/data/deep/er").join(&name)).unwrap(), vec![7; 300_000]);
    assert_eq!(fs::read_link(new("alloc/data/link")).unwrap(), PathBuf::from("../../nowhere"));
    assert_eq!(fs::read_link(new("alloc/data/etc")).unwrap(), PathBuf::from("/etc"));
    assert!(
        !new("alloc/data/pipe").exists()
            && fs::metadata(old("alloc/data/pipe")).unwrap().file_type().is_fifo()
    );
    assert_eq!(fs::read(new("web/local").join(strange)).unwrap(), b"strange");
    // Once more: the same.
    world.carry(&["web"]).await.unwrap();
    has_what_outlives(&world);
}

#[tokio::test]
async fn links_in_the_place_of_directories_are_not_followed() {
    let world = World::new();
    world.filled().await;
    fs::remove_dir_all(world.path(OLD, "alloc/data")).unwrap();
    fs::remove_dir_all(world.path(OLD, "web/local")).unwrap();
    symlink("/etc", world.path(OLD, "alloc/data")).unwrap();
    symlink("../secrets", world.path(OLD, "web/local")).unwrap();
    world.carry(&["web", "db"]).await.unwrap();
    assert!(!world.path(NEW, "alloc").exists() && !world.path(NEW, "web").exists());
    assert_eq!(world.read("db/local/e").as_deref(), Some("db/local/e"));
}

/// An archive of one member, put together by hand.
fn archive(path: &str, kind: tar::EntryType, target: &str) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(1);
    header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
    header.as_gnu_mut().unwrap().linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_cksum();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header, &b"x"[..]).unwrap();
    builder.into_inner().unwrap()
}

async fn unpack(world: &World, pieces: Vec<Result<Vec<u8>, ClusterError>>) -> io::Result<()> {
    let pieces = pieces.into_iter().map(|piece| piece.map(Bytes::from));
    world.disk.unpack(NEW, &tasks(&["web"]), stream::iter(pieces).boxed()).await
}

#[tokio::test]
async fn what_leads_elsewhere_is_refused() {
    use tar::EntryType::{Char, Link, Regular};
    for (path, kind) in [
        ("../x", Regular),
        ("/etc/x", Regular),
        ("alloc/data/../../../x", Regular),
        ("alloc/data/x", Link),
        ("alloc/data/x", Char),
    ] {
        let world = World::new();
        let error = unpack(&world, vec![Ok(archive(path, kind, "alloc/data/y"))]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{path} {error}");
        assert_eq!(fs::read_dir(world.path(NEW, "")).unwrap().count(), 0, "{path}");
    }
    // What no task here has is left out.
    let world = World::new();
    for path in ["other/local/x", "web/secrets/x", "alloc/logs/x", "x"] {
        unpack(&world, vec![Ok(archive(path, Regular, ""))]).await.unwrap();
        assert_eq!(fs::read_dir(world.path(NEW, "")).unwrap().count(), 0, "{path}");
    }
    // A member below a link of the same archive.
    let mut link = archive("alloc/data/out", tar::EntryType::Symlink, "/tmp");
    link.truncate(1024);
    link.extend(archive("alloc/data/out/x", Regular, ""));
    assert!(unpack(&world, vec![Ok(link)]).await.is_err());
    assert!(!std::path::Path::new("/tmp/x").exists());
}

#[tokio::test]
async fn halves_are_not_taken() {
    let world = World::new();
    world.filled().await;
    let pieces: Vec<_> = world.disk.pack(OLD).await.unwrap().collect().await;
    let whole: Vec<u8> = pieces.into_iter().flat_map(|piece| piece.unwrap()).collect();
    let broken = || Err(ClusterError::Unknown(String::from("the node went away")));
    for end in [0, 100, 512, 1024, whole.len() - 1024, whole.len()] {
        let error = unpack(&world, vec![Ok(whole[..end].to_vec()), broken()]).await.unwrap_err();
        assert!(error.to_string().contains("the node went away"), "{end} {error}");
        assert!(!world.path(NEW, "alloc").exists() && !is_incoming(&world), "{end}");
    }
    // Given up by whoever asked, in the middle.
    let (sender, receiver) = mpsc::channel(1);
    sender.send(Ok(Bytes::from(whole[..600].to_vec()))).await.unwrap();
    let pieces =
        stream::unfold(receiver, |mut pieces| async { Some((pieces.recv().await?, pieces)) }).boxed();
    let names = tasks(&["web"]);
    let work = world.disk.unpack(NEW, &names, pieces);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(50), work).await.is_err());
    drop(sender);
    assert!(!world.path(NEW, "alloc/data").exists());
    unpack(&world, vec![Ok(whole)]).await.unwrap();
    assert_eq!(world.read("alloc/data/a").as_deref(), Some("alloc/data/a"));
}

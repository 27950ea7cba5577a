use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{FileExt, PermissionsExt},
    time::{Duration, Instant},
};

use model::{Job, Timestamp};
use openraft::testing::log::{StoreBuilder, Suite};
use state::Outcome;
use tempfile::TempDir;

use super::*;

mod cluster; // several servers
mod purge; // old entries

const PATIENCE: Duration = Duration::from_secs(20);

fn config(dir: &Path) -> Config {
    Config::new(dir, 1, "127.0.0.1:4647")
}

/// Starts a server that works alone.
async fn start(config: Config) -> Server {
    let own = (config.node_id, config.address.clone());
    let server = Server::start(config, Handle::current()).await.unwrap();
    if server.is_empty().await.unwrap() {
        server.found([own].into()).await.unwrap();
    }
    server
}

async fn leading(server: &Server) {
    let mut leadership = server.leadership();
    let wait = leadership.wait_for(|leadership| leadership.is_leader);
    tokio::time::timeout(PATIENCE, wait).await.expect("a leader in time").unwrap();
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn register(name: &str) -> Command {
    Command::RegisterJob {
        job: Box::new(Job { id: name.into(), ..Job::default() }),
        enforce_index: Some(0),
        eval: None,
        now: Timestamp(1),
    }
}

/// Everything that is in a state, in bytes that can be compared.
fn content(server: &Server) -> Vec<Vec<u8>> {
    server.root().rows().map(|row| rmp_serde::to_vec_named(&row).unwrap()).collect()
}

/// What a machine would find after the power went: the files as they are, taken while the server runs.
fn crash_copy(from: &Path) -> TempDir {
    let to = TempDir::new().unwrap();
    fs::copy(from.join("log.redb"), to.path().join("log.redb")).unwrap();
    let snapshots = to.path().join("snapshots");
    fs::create_dir(&snapshots).unwrap();
    for file in fs::read_dir(from.join("snapshots")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), snapshots.join(file.file_name())).unwrap();
    }
    to
}

struct Stores;

impl StoreBuilder<Types, LogStore, Machine, TempDir> for Stores {
    async fn build(&self) -> Result<(TempDir, LogStore, Machine), openraft::StorageError<Types>> {
        let dir = TempDir::new().unwrap();
        let (log, snapshots, found) = open(&Storage::File, dir.path(), 0).unwrap();
        assert!(found.is_none());
        let published = Arc::new(Published::new(Root::default()));
        Ok((dir, log, Machine::new(published, snapshots, None)))
    }
}

/// The suite sleeps for seconds; a paused clock skips that.
#[tokio::test(start_paused = true)]
async fn the_stores_keep_the_promises_that_openraft_wants() {
    Suite::test_all(Stores).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_alone_leads_and_writes() {
    let dir = TempDir::new().unwrap();
    let server = start(config(dir.path())).await;
    leading(&server).await;
    let committed = server.propose(vec![register("a"), register("b"), register("a")]).await.unwrap();
    assert!(matches!(committed.outcomes[0], Outcome::JobRegistered { version: 0, .. }));
    assert!(matches!(committed.outcomes[1], Outcome::JobRegistered { .. }));
    assert!(matches!(committed.outcomes[2], Outcome::Refused(_)));
    assert!(server.root().index >= committed.index, "a caller sees its own write");
    assert_eq!(server.root().jobs.len(), 2);
    assert_eq!(*server.changes().borrow(), server.root().index);
    let stats = server.stats();
    assert_eq!(stats.voters, [(1, "127.0.0.1:4647".to_owned())]);
    assert_eq!(stats.last_log_index, committed.index);
    server.shutdown().await;
    let refused = server.propose(vec![register("c")]).await;
    assert!(matches!(refused, Err(ProposeError::Closed(_) | ProposeError::Unknown(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_idle_for_long_still_writes() {
    let dir = TempDir::new().unwrap();
    let quick = Config {
        pace: Pace {
            heartbeat: Duration::from_millis(10),
            election: (Duration::from_millis(30), Duration::from_millis(60)),
            lease_read: Duration::from_millis(20),
            suspect_after: Duration::from_millis(25),
        },
        ..config(dir.path())
    };
    let server = start(quick).await;
    leading(&server).await;
    let term = server.stats().term;
    // Longer than any lease; nothing to wait for, as nothing shall happen.
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.propose(vec![register("a")]).await.unwrap();
    assert_eq!(server.stats().term, term);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_crash() {
    let dir = TempDir::new().unwrap();
    let server = start(config(dir.path())).await;
    leading(&server).await;
    for n in 0..50 {
        server.propose(vec![register(&format!("job-{n}"))]).await.unwrap();
    }
    let (before, term) = (content(&server), server.stats().term);
    let crashed = crash_copy(dir.path());
    drop(server);

    let server = start(config(crashed.path())).await;
    leading(&server).await;
    assert!(server.stats().term > term);
    // The new leader's first entry is empty, but has an index.
    assert_eq!(content(&server)[1..], before[1..]);
    server.propose(vec![register("one more")]).await.unwrap();
    server.shutdown().await;

    let server = start(config(crashed.path())).await;
    leading(&server).await;
    assert_eq!(server.root().jobs.len(), 51);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_log_is_an_error_or_whole_but_never_shorter() {
    let dir = TempDir::new().unwrap();
    let server = start(config(dir.path())).await;
    leading(&server).await;
    for n in 0..20 {
        server.propose(vec![register(&format!("job-{n}"))]).await.unwrap();
    }
    server.shutdown().await;
    let pristine = fs::read(dir.path().join("log.redb")).unwrap();

    let mut refused = 0;
    type Damage = Box<dyn Fn(&mut Vec<u8>)>;
    let mut damages: Vec<Damage> = vec![
        Box::new(|file| file.truncate(file.len() / 2)),
        Box::new(|file| file.truncate(file.len() - 4096)),
        Box::new(|file| file[..512].fill(0)),
    ];
    // Every page that holds a job's name is hit once, in a name.
    for position in pristine.windows(5).enumerate().filter(|(_, found)| *found == b"job-1").map(|(at, _)| at)
    {
        damages.push(Box::new(move |file| file[position] ^= 0x20));
    }
    assert!(damages.len() > 10);
    for damage in damages {
        let copy = TempDir::new().unwrap();
        let mut bytes = pristine.clone();
        damage(&mut bytes);
        fs::write(copy.path().join("log.redb"), bytes).unwrap();
        match Server::start(config(copy.path()), Handle::current()).await {
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("log.redb"), "{error}");
                assert!(error.to_string().contains("Remedy"), "{error}");
            }
            Ok(server) => {
                leading(&server).await;
                assert_eq!(server.root().jobs.len(), 20);
                for job in server.root().jobs.values() {
                    assert!(job.id.starts_with("job-"), "{}", job.id);
                }
                server.shutdown().await;
            }
        }
    }
    assert!(refused > 10, "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_get_their_own_outcomes_in_their_order() {
    let dir = TempDir::new().unwrap();
    let server = start(Config { snapshot_after: 40, ..config(dir.path()) }).await;
    leading(&server).await;
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..256 {
        let server = server.clone();
        callers.spawn(async move {
            let mut last = 0;
            for round in 0..4 {
                let job = Job { id: format!("{caller}"), priority: round + 1, ..Job::default() };
                let command = Command::RegisterJob {
                    job: Box::new(job),
                    enforce_index: None,
                    eval: None,
                    now: Timestamp(1),
                };
                // Two commands per caller: answers must not be shifted by a neighbour's count.
                let committed = server.propose(vec![command, register(&format!("{caller}"))]).await.unwrap();
                assert!(committed.index > last);
                last = committed.index;
                assert_eq!(committed.outcomes.len(), 2);
                let expected = u64::from(round);
                assert!(
                    matches!(committed.outcomes[0], Outcome::JobRegistered { version, .. } if version == expected),
                    "{:?}",
                    committed.outcomes
                );
                assert!(matches!(committed.outcomes[1], Outcome::Refused(_)));
            }
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    assert_eq!(server.root().jobs.len(), 256);
    assert!(server.stats().last_log_index < 4 * 256, "batched: {:?}", server.stats());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshot_purge_and_restart_give_the_same_state() {
    let dir = TempDir::new().unwrap();
    let small = |dir: &Path| Config { snapshot_after: 20, ..config(dir) };
    let server = start(small(dir.path())).await;
    leading(&server).await;
    for n in 0..100 {
        server.propose(vec![register(&format!("job-{n}"))]).await.unwrap();
    }
    until("purged", || server.stats().purged_index > 0 && server.stats().snapshot_index > 80).await;
    let before = content(&server);
    let crashed = crash_copy(dir.path());
    server.shutdown().await;
    assert!(fs::read_dir(dir.path().join("snapshots")).unwrap().count() <= 2);

    for dir in [dir.path(), crashed.path()] {
        let server = start(small(dir)).await;
        leading(&server).await;
        assert_eq!(content(&server)[1..], before[1..]);
        assert!(server.stats().purged_index > 0);
        server.shutdown().await;
    }

    // The newest snapshot is lost: the one before it and the log give the same.
    let mut files: Vec<_> =
        fs::read_dir(dir.path().join("snapshots")).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 2);
    let file = fs::OpenOptions::new().read(true).write(true).open(&files[1]).unwrap();
    let middle = file.metadata().unwrap().len() / 2;
    file.write_all_at(b"damage", middle).unwrap();
    let server = start(small(dir.path())).await;
    leading(&server).await;
    assert_eq!(content(&server)[1..], before[1..]);
    assert!(files[1].with_extension("damaged").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_entries_of_many_commands_make_a_snapshot_too() {
    let dir = TempDir::new().unwrap();
    let server = start(Config { snapshot_after: 50, ..config(dir.path()) }).await;
    leading(&server).await;
    for n in 0..3 {
        let commands = (0..100).map(|job| register(&format!("{n}-{job}"))).collect();
        server.propose(commands).await.unwrap();
    }
    until("a snapshot", || server.stats().snapshot_index > 0).await;
    assert!(server.stats().last_log_index < 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unusable_directories_are_named() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let error = Server::start(config(&file), Handle::current()).await.unwrap_err();
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");

    let taken = dir.path().join("taken");
    let server = start(config(&taken)).await;
    let error = Server::start(config(&taken), Handle::current()).await.unwrap_err();
    assert!(error.to_string().contains("in use"), "{error}");
    leading(&server).await;
    server.shutdown().await;
    let other = Config { node_id: 2, ..config(&taken) };
    let error = Server::start(other, Handle::current()).await.unwrap_err();
    assert!(error.to_string().contains("belongs to server 1"), "{error}");

    if !nix::unistd::geteuid().is_root() {
        let locked = dir.path().join("locked");
        fs::create_dir(&locked).unwrap();
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).unwrap();
        let error = Server::start(config(&locked), Handle::current()).await.unwrap_err();
        assert!(error.to_string().contains("locked"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_stops_the_log_with_its_path() {
    // Always full; taken for an empty database, which cannot be made in it.
    let dir = TempDir::new().unwrap();
    std::os::unix::fs::symlink("/dev/full", dir.path().join("log.redb")).unwrap();
    let error = Server::start(config(dir.path()), Handle::current()).await.unwrap_err();
    assert!(error.to_string().contains("log.redb"), "{error}");

    // Snapshots that cannot be written are found out later.
    let dir = TempDir::new().unwrap();
    let server = start(config(dir.path())).await;
    leading(&server).await;
    fs::remove_dir(dir.path().join("snapshots")).unwrap();
    server.snapshot().await.unwrap();
    let error = tokio::time::timeout(PATIENCE, server.fatal()).await.expect("an end");
    assert!(error.to_string().contains("snapshots"), "{error}");
    assert!(matches!(server.propose(vec![register("a")]).await, Err(ProposeError::Closed(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_of_a_newer_version_is_left_alone() {
    let dir = TempDir::new().unwrap();
    start(config(dir.path())).await.shutdown().await;
    log_disk::pretend_format(&dir.path().join(LOG), 9);
    let error = Server::start(config(dir.path()), Handle::current()).await.unwrap_err().to_string();
    assert!(error.contains("format 9") && error.contains("start the version"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_of_a_newer_version_stops_raft() {
    let dir = TempDir::new().unwrap();
    let server = start(config(dir.path())).await;
    leading(&server).await;
    let (answer, answered) = oneshot::channel();
    let commands = vec![rmp_serde::to_vec(&(999_u16, bytes::Bytes::from_static(b"new"))).unwrap().into()];
    server.inner.waiting.send(Proposal { commands, answer }).await.unwrap();
    let error = tokio::time::timeout(PATIENCE, server.fatal()).await.expect("an end");
    assert!(error.to_string().contains("type 999"), "{error}");
    assert!(matches!(answered.await.unwrap(), Err(ProposeError::Unknown(_))));
    assert!(!server.leadership().borrow().is_leader);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_is_overloaded() {
    let dir = TempDir::new().unwrap();
    let server = start(Config { max_waiting: 1, ..config(dir.path()) }).await;
    leading(&server).await;
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..2000 {
        let server = server.clone();
        callers.spawn(async move { server.propose(vec![register(&n.to_string())]).await });
    }
    let (mut written, mut refused) = (0, 0);
    while let Some(result) = callers.join_next().await {
        match result.unwrap() {
            Ok(_) => written += 1,
            Err(ProposeError::Overloaded) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(refused > 0);
    assert_eq!(server.root().jobs.len(), written);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_new_jobs_leaves_room_for_the_rest() {
    let dir = TempDir::new().unwrap();
    let server = start(Config { max_waiting: 64, ..config(dir.path()) }).await;
    leading(&server).await;
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..4000 {
        let server = server.clone();
        callers.spawn(async move { server.propose(vec![register(&n.to_string())]).await.is_ok() });
    }
    let mut refused = 0;
    for _ in 0..50 {
        // One at a time, as a node reports.
        let report =
            Command::UpdateAllocs { updates: vec![], evals: vec![], synced: None, now: Timestamp(1) };
        server.propose(vec![report]).await.expect("there is room for it");
        while let Some(written) = callers.try_join_next() {
            refused += u32::from(!written.unwrap());
        }
    }
    while let Some(written) = callers.join_next().await {
        refused += u32::from(!written.unwrap());
    }
    assert!(refused > 0, "it was no flood");
    assert_eq!(server.root().jobs.len(), 4000 - refused as usize);
}

/// Not a test: prints how long a start takes and how many writes a second the disk allows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, for people"]
#[expect(clippy::print_stderr, reason = "its output is its purpose")]
async fn measure() {
    let dir = TempDir::new().unwrap();
    let began = Instant::now();
    let server = start(config(dir.path())).await;
    leading(&server).await;
    eprintln!("empty directory to leader: {:?}", began.elapsed());
    for writers in [1, 64, 256] {
        let began = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..writers {
            let server = server.clone();
            tasks.spawn(async move {
                let mut written = 0;
                while began.elapsed() < Duration::from_secs(3) {
                    let name = format!("{writer}-{}", written % 100);
                    let committed = server.propose(vec![register(&name)]).await.unwrap();
                    assert_eq!(committed.outcomes.len(), 1);
                    written += 1;
                }
                written
            });
        }
        let mut total = 0;
        while let Some(written) = tasks.join_next().await {
            total += written.unwrap();
        }
        let seconds = began.elapsed().as_secs_f64();
        eprintln!("{writers} writers: {:.0} writes/s", f64::from(total) / seconds);
    }
    let began = Instant::now();
    server.shutdown().await;
    eprintln!("shutdown: {:?}", began.elapsed());
    let began = Instant::now();
    let server = start(config(dir.path())).await;
    leading(&server).await;
    eprintln!("restart to leader: {:?}, {:?}", began.elapsed(), server.stats());
}

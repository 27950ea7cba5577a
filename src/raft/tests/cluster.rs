//! Several servers over TCP on loopback.

use std::sync::Mutex;

use super::*;
use crate::actors::ports::{ChangeError, ClaimAnswer, LogMembers};

/// A server with its door.
pub(super) struct Door {
    pub(super) server: Server,
    stop: tokio_util::sync::CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

pub(super) async fn open_door(listener: tokio::net::TcpListener, config: Config) -> Door {
    let server = Server::start(config, Handle::current()).await.unwrap();
    // No place for ordinary calls: raft's own must work all the same.
    let mut router = Router::new(0, 0);
    server.register_methods(&mut router);
    let stop = tokio_util::sync::CancellationToken::new();
    let serving = tokio::spawn(crate::net::rpc::serve(listener, Arc::new(router), stop.clone()));
    Door { server, stop, serving }
}

impl Door {
    /// For the others it is as if the process had died.
    pub(super) async fn close(self) {
        self.stop.cancel();
        self.serving.await.unwrap();
        self.server.shutdown().await;
    }
}

type Doors = BTreeMap<u64, Door>;

async fn leader_of(doors: &Doors) -> u64 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        for (id, door) in doors {
            if door.server.leadership().borrow().is_leader {
                return *id;
            }
        }
        assert!(Instant::now() < deadline, "no leader in time");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Writes through whoever leads, as a client would.
async fn write(doors: &Doors, name: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let leader = leader_of(doors).await;
        let result = doors[&leader].server.propose(vec![register(name)]).await;
        match result {
            // Refused: an earlier attempt with an unknown outcome was carried out.
            Ok(_) => return,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

struct Cluster {
    dir: TempDir,
    doors: Doors,
    addresses: BTreeMap<u64, String>,
}

impl Cluster {
    /// Founded by servers 1 to `count`.
    async fn of(count: u64) -> Self {
        let mut this = Self { dir: TempDir::new().unwrap(), doors: Doors::new(), addresses: BTreeMap::new() };
        for id in 1..=count {
            this.open(id).await;
        }
        this.doors[&1].server.found(this.addresses.clone()).await.unwrap();
        leader_of(&this.doors).await;
        this
    }

    /// Opens a server, at another address than before.
    async fn open(&mut self, id: u64) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        self.addresses.insert(id, address.clone());
        let config = Config {
            hold: Duration::from_millis(700),
            ..Config::new(self.dir.path().join(id.to_string()), id, address)
        };
        self.doors.insert(id, open_door(listener, config).await);
    }

    async fn leader(&self) -> Server {
        self.doors[&leader_of(&self.doors).await].server.clone()
    }

    async fn kill(&mut self, id: u64) {
        self.doors.remove(&id).unwrap().close().await;
    }

    fn follower(&self, leader: &Server) -> &Server {
        let leader = LogMembers::own(leader).0;
        &self.doors.iter().find(|(id, _)| **id != leader).unwrap().1.server
    }
}

fn own(server: &Server) -> u64 {
    LogMembers::own(server).0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_servers_agree_survive_a_loss_and_catch_up_by_snapshot() {
    let mut cluster = Cluster::of(3).await;
    for n in 0..10 {
        write(&cluster.doors, &format!("job-{n}")).await;
    }
    for (id, door) in &cluster.doors {
        until(&format!("server {id} has all"), || door.server.root().jobs.len() == 10).await;
    }
    let leader = cluster.leader().await;
    let refused = cluster.follower(&leader).propose(vec![register("x")]).await;
    let expected = &cluster.addresses[&own(&leader)];
    assert!(
        matches!(&refused, Err(ProposeError::NotLeader { leader: Some(address) }) if address == expected),
        "{refused:?}"
    );
    let lost = own(&leader);
    drop(leader);
    cluster.kill(lost).await;
    for n in 10..60 {
        write(&cluster.doors, &format!("job-{n}")).await;
    }
    for door in cluster.doors.values() {
        until("as far as the leader", || door.server.root().jobs.len() == 60).await;
        door.server.snapshot().await.unwrap();
        until("a snapshot", || door.server.stats().snapshot_index > 50).await;
    }
    // Its disk is gone, so it comes as another server; what it gets is a snapshot and the log after it.
    cluster.open(9).await;
    let leader = cluster.leader().await;
    leader.remove(lost).await.unwrap();
    leader.add_learner(9, &cluster.addresses[&9]).await.unwrap();
    leader.promote(9).await.unwrap();
    write(&cluster.doors, "last").await;
    for door in cluster.doors.values() {
        until("the last write", || door.server.root().jobs.len() == 61).await;
    }
    let last = cluster.doors.values().map(|door| door.server.root().index).max().unwrap();
    for door in cluster.doors.values() {
        until("the same index", || door.server.root().index == last).await;
    }
    let hashes: Vec<_> = cluster.doors.values().map(|door| state_hash(&door.server.root())).collect();
    assert_eq!(hashes, [hashes[0]; 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_come_go_and_hand_over() {
    let mut cluster = Cluster::of(3).await;
    let leader = cluster.leader().await;
    cluster.open(4).await;
    let new = cluster.addresses[&4].clone();
    assert!(cluster.doors[&4].server.is_empty().await.unwrap());
    let said = leader.identify(&new).await.unwrap();
    assert!(said.empty && said.id == 4 && said.cluster == 0, "{said:?}");

    let unknown = leader.promote(77).await;
    assert!(matches!(unknown, Err(ChangeError::Refused(_))), "{unknown:?}");
    leader.add_learner(4, &new).await.unwrap();
    let members = leader.members();
    assert_eq!(members.learners.get(&4), Some(&new));
    assert!(members.cluster != 0 && members.index > 0 && !members.unfinished);
    let elsewhere = cluster.follower(&leader).promote(4).await;
    assert!(matches!(elsewhere, Err(ChangeError::NotLeader { leader: Some(_) })), "{elsewhere:?}");
    leader.promote(4).await.unwrap();
    until("it has the log", || {
        leader.progress().peers.get(&4).is_some_and(|peer| peer.matched == leader.progress().last_index)
    })
    .await;
    until("it knows its cluster", || cluster.doors[&4].server.members().cluster == members.cluster).await;
    assert_eq!(leader.members().voters.len(), 4);

    // A handover, on request and of a leader that goes.
    leader.transfer_leadership(Some(4)).await.unwrap();
    assert_eq!(leader_of(&cluster.doors).await, 4);
    let fourth = cluster.doors[&4].server.clone();
    fourth.transfer_leadership(None).await.unwrap();
    let leader = cluster.leader().await;
    assert_ne!(own(&leader), 4);
    let gone = own(&leader);
    leader.remove(gone).await.unwrap();
    until("another leader", || !leader.leadership().borrow().is_leader).await;
    cluster.kill(gone).await;
    write(&cluster.doors, "a").await;
    let leader = cluster.leader().await;
    assert!(!leader.members().voters.contains_key(&gone));
    assert_eq!(leader.members().voters.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_of_other_clusters_and_wrong_ids_are_refused() {
    let cluster = Cluster::of(1).await;
    let other = Cluster::of(1).await;
    let (ours, theirs) = (&cluster.doors[&1].server, &other.doors[&1].server);
    let said = ours.identify(&other.addresses[&1]).await.unwrap();
    assert!(
        !said.empty && said.cluster == theirs.members().cluster && said.cluster != ours.members().cluster
    );
    let term = theirs.stats().term;
    // The wrong id, and the right id of the wrong cluster.
    assert!(ours.claim(5, &other.addresses[&1]).await.unwrap_err().contains("server 1 is here, not 5"));
    let refused = ours.claim(1, &other.addresses[&1]).await.unwrap_err();
    assert!(refused.contains("another cluster"), "{refused}");
    assert_eq!(theirs.stats().term, term);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_are_answered_by_whoever_decides() {
    let mut cluster =
        Cluster { dir: TempDir::new().unwrap(), doors: Doors::new(), addresses: BTreeMap::new() };
    cluster.open(1).await;
    cluster.open(2).await;
    let (first, second) = (cluster.doors[&1].server.clone(), cluster.doors[&2].server.clone());
    let to = cluster.addresses[&2].clone();
    assert_eq!(first.claim(2, &to).await.unwrap(), ClaimAnswer::Taken { by: 2 });
    let mut claims = second.claims();
    let deciding = tokio::spawn(async move {
        let claim = claims.recv().await.unwrap();
        assert_eq!(claim.by, 1);
        claim.answer.send(ClaimAnswer::Promised).unwrap();
    });
    assert_eq!(first.claim(2, &to).await.unwrap(), ClaimAnswer::Promised);
    deciding.await.unwrap();
    first.found(cluster.addresses.clone()).await.unwrap();
    until("it is part of the cluster", || !second.members().voters.is_empty()).await;
    assert_eq!(first.claim(2, &to).await.unwrap(), ClaimAnswer::HasLog);
    assert!(matches!(first.found(cluster.addresses.clone()).await, Err(ChangeError::Refused(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_barrier_shows_every_write_and_minorities_refuse() {
    let mut cluster = Cluster::of(3).await;
    for n in 0..20 {
        write(&cluster.doors, &format!("job-{n}")).await;
        for door in cluster.doors.values() {
            let fresh = door.server.read_barrier(n % 2 == 0).await.unwrap();
            assert!(fresh.known_leader);
            assert_eq!(door.server.root().jobs.len(), n + 1);
        }
    }
    // Many at once share rounds.
    let leader = cluster.leader().await;
    let follower = cluster.follower(&leader).clone();
    let mut readers = tokio::task::JoinSet::new();
    for reader in 0..400 {
        let server = follower.clone();
        readers.spawn(async move { server.read_barrier(reader % 2 == 0).await });
    }
    while let Some(read) = readers.join_next().await {
        read.unwrap().unwrap();
    }
    let ids: Vec<u64> = cluster.doors.keys().copied().filter(|id| *id != own(&leader)).collect();
    drop(follower);
    for id in ids {
        cluster.kill(id).await;
    }
    assert_eq!(leader.read_barrier(true).await, Err(ReadError::NoLeader));
    // By now no majority has heard it for longer than it may rely on.
    assert_eq!(leader.read_barrier(false).await, Err(ReadError::NoLeader));
}

/// What an agent knows of the others.
#[derive(Default)]
struct Known(Mutex<BTreeMap<u64, String>>);

impl Addresses for Known {
    fn address_of(&self, id: u64) -> Option<String> {
        self.0.lock().unwrap().get(&id).cloned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_servers_come_back_at_other_addresses() {
    let mut cluster = Cluster::of(3).await;
    write(&cluster.doors, "before").await;
    for id in 1..=3 {
        cluster.kill(id).await;
    }
    let known = Arc::new(Known::default());
    let began = Instant::now();
    for id in 1..=3 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        known.0.lock().unwrap().insert(id, address.clone());
        let dir = cluster.dir.path().join(id.to_string());
        assert_eq!(stored_id(&dir).unwrap(), Some(id));
        let config = Config { addresses: known.clone(), ..Config::new(dir, id, address) };
        cluster.doors.insert(id, open_door(listener, config).await);
    }
    write(&cluster.doors, "after").await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let leader = cluster.leader().await;
    let now = known.0.lock().unwrap().clone();
    for (id, address) in &now {
        leader.set_address(*id, address).await.unwrap();
    }
    assert_eq!(leader.members().voters, now);
    assert_eq!(leader.root().jobs.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_process_died_is_replaced_before_its_lease_is_over() {
    let mut cluster = Cluster::of(3).await;
    write(&cluster.doors, "before").await;
    let leader = leader_of(&cluster.doors).await;
    cluster.kill(leader).await;
    write(&cluster.doors, "after").await;
    let quick: u64 = cluster.doors.values().map(|door| door.server.stats().quick_elections).sum();
    assert!(quick > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_without_a_majority_is_recovered_from_what_is_left() {
    let mut cluster = Cluster::of(3).await;
    for n in 0..20 {
        write(&cluster.doors, &format!("job-{n}")).await;
    }
    let number = cluster.leader().await.members().cluster;
    let last = leader_of(&cluster.doors).await;
    let (epoch, now) = (Some([7; 16]), model::Timestamp::default());
    let named = Command::UpdateAgents { put: vec![], gone: vec![], epoch, now };
    cluster.doors[&last].server.propose(vec![named]).await.unwrap();
    for door in cluster.doors.values() {
        until("it has all", || door.server.root().jobs.len() == 20 && door.server.root().epoch == [7; 16])
            .await;
    }
    for id in 1..=3 {
        cluster.kill(id).await;
    }
    let dir = cluster.dir.path().join(last.to_string());
    assert!(recover(&dir, &RecoverPlan::default(), true).is_err());
    let other = RecoverPlan { voters: [(77, String::from("127.0.0.1:1"))].into(), ..RecoverPlan::default() };
    let error = recover(&dir, &other, true).unwrap_err().to_string();
    assert!(error.contains(&format!("server {last}")), "{error}");

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let text = format!(r#"[{{"id": "agent", "address": "{address}", "non_voter": false}}]"#);
    let plan = RecoverPlan::from_peers_json(&text, |id| (id == "agent").then_some(last)).unwrap();
    for done in [false, true] {
        let report = recover(&dir, &plan, !done).unwrap();
        assert_eq!((report.own, report.done, report.before.voters.len()), (last, done, 3));
        assert_eq!(report.after.voters, plan.voters);
        assert!(report.entries >= 20, "{report:?}");
    }
    let again = recover(&dir, &plan, true).unwrap();
    assert_eq!((again.entries, again.before.voters.len()), (0, 1));
    let door = open_door(listener, Config::new(&dir, last, address)).await;
    leading(&door.server).await;
    assert_eq!(door.server.root().jobs.len(), 20);
    assert_eq!(door.server.members().cluster, number);
    assert_eq!(door.server.root().epoch, state::Epoch::default(), "mirrors have to begin again");
    door.server.propose(vec![register("after")]).await.unwrap();
    let used = recover(&dir, &plan, true).unwrap_err().to_string();
    assert!(used.contains("in use"), "{used}");
    door.close().await;
}

/// Not a test: prints how long a failover takes, how many elections a busy machine holds without need, and how many
/// writes and reads three servers do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, for people"]
#[expect(clippy::print_stderr, reason = "its output is its purpose")]
async fn measure_three() {
    let mut times = Vec::new();
    for round in 0..11 {
        let mut cluster = Cluster::of(3).await;
        write(&cluster.doors, "before").await;
        let leader = leader_of(&cluster.doors).await;
        let began = Instant::now();
        cluster.kill(leader).await;
        write(&cluster.doors, &format!("after-{round}")).await;
        times.push(began.elapsed());
    }
    times.sort();
    eprintln!("leader gone to write: min {:?}, median {:?}, max {:?}", times[0], times[5], times[10]);

    let cluster = Cluster::of(3).await;
    let leader = cluster.leader().await;
    for writers in [1, 16, 256] {
        let began = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..writers {
            let server = leader.clone();
            tasks.spawn(async move {
                let mut written = 0_u32;
                while began.elapsed() < Duration::from_secs(3) {
                    server.propose(vec![register(&format!("{writer}-{}", written % 100))]).await.unwrap();
                    written += 1;
                }
                written
            });
        }
        let mut total = 0;
        while let Some(written) = tasks.join_next().await {
            total += written.unwrap();
        }
        eprintln!("{writers} writers: {:.0} writes/s", f64::from(total) / began.elapsed().as_secs_f64());
    }
    let follower = cluster.follower(&leader).clone();
    for (name, server) in [("leader", leader.clone()), ("follower", follower)] {
        for strong in [false, true] {
            let began = Instant::now();
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..16 {
                let server = server.clone();
                tasks.spawn(async move {
                    let mut reads = 0_u32;
                    while began.elapsed() < Duration::from_secs(1) {
                        server.read_barrier(strong).await.unwrap();
                        reads += 1;
                    }
                    reads
                });
            }
            let mut total = 0;
            while let Some(reads) = tasks.join_next().await {
                total += reads.unwrap();
            }
            eprintln!("{name}, strong {strong}, 16 readers: {total} barriers/s");
        }
    }
    let term = leader.stats().term;
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let burners: Vec<_> = (0..20)
        .map(|_| {
            let stop = stop.clone();
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop()
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(30)).await;
    stop.store(true, Ordering::Relaxed);
    for burner in burners {
        burner.join().unwrap();
    }
    eprintln!(
        "30 s at a load of 20: {} elections",
        leader.stats().term.max(cluster.leader().await.stats().term) - term
    );
}

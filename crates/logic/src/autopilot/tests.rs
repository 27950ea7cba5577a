use proptest::prelude::*;

use super::*;

const HEARTBEAT: Duration = Duration::from_millis(100);

/// A cluster as its leader, server 1, sees it.
#[derive(Debug, Clone, Default)]
struct World {
    members: Membership,
    progress: Progress,
    servers: Vec<Server>,
    settings: AutopilotSettings,
    expect: u32,
}

fn address(id: u64) -> String {
    format!("10.0.0.{id}:4647")
}

impl World {
    fn of(voters: u64) -> Self {
        let mut world = Self {
            progress: Progress { leading: true, leader: Some(1), last_index: 1000, ..Progress::default() },
            ..Self::default()
        };
        for id in 1..=voters {
            world.members.voters.insert(id, address(id));
            world.here(id, Presence::Alive);
        }
        world
    }

    fn here(&mut self, id: u64, presence: Presence) {
        self.servers.retain(|server| server.id != id);
        self.servers.push(Server { id, address: address(id), presence, never_votes: false });
        let contact = Duration::from_millis(if presence == Presence::Alive { 50 } else { 60_000 });
        if id != 1 {
            self.progress.peers.insert(id, PeerProgress { matched: 1000, last_contact: Some(contact) });
        }
    }

    fn view(&self) -> View<'_> {
        View {
            own: 1,
            members: &self.members,
            progress: &self.progress,
            servers: &self.servers,
            settings: &self.settings,
            expect: self.expect,
            heartbeat: HEARTBEAT,
        }
    }

    /// Carries an action out.
    fn act(&mut self, action: &Action) {
        match action.clone() {
            Action::FinishChange => self.members.unfinished = false,
            Action::SetAddress { id, address } => {
                let place = self.members.voters.get_mut(&id).or_else(|| self.members.learners.get_mut(&id));
                *place.expect("a member") = address;
            }
            Action::Remove { id, .. } => {
                self.members.voters.remove(&id);
                self.members.learners.remove(&id);
            }
            Action::AddLearner { id, address } => drop(self.members.learners.insert(id, address)),
            Action::Promote { id } => {
                let address = self.members.learners.remove(&id).expect("a learner");
                self.members.voters.insert(id, address);
            }
        }
    }

    /// Everything that happens until nothing does, without time passing.
    fn settle(&mut self, brain: &mut Autopilot, now: Timestamp) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some(action) = brain.look(&self.view(), now) {
            self.act(&action);
            actions.push(action);
            assert!(actions.len() < 100, "{actions:?}");
        }
        actions
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

#[test]
fn newcomers_learn_first_and_vote_when_they_are_stable() {
    let mut world = World::of(3);
    let mut brain = Autopilot::default();
    assert_eq!(world.settle(&mut brain, at(1)), []);
    world.here(4, Presence::Alive);
    assert_eq!(world.settle(&mut brain, at(2)), [Action::AddLearner { id: 4, address: address(4) }]);
    assert_eq!(world.settle(&mut brain, at(11)), []);
    assert_eq!(world.settle(&mut brain, at(12)), [Action::Promote { id: 4 }]);
}

#[test]
fn a_server_that_never_votes_stays_a_learner() {
    let mut world = World::of(3);
    let mut brain = Autopilot::default();
    world.here(4, Presence::Alive);
    world.servers.last_mut().unwrap().never_votes = true;
    assert_eq!(world.settle(&mut brain, at(2)), [Action::AddLearner { id: 4, address: address(4) }]);
    assert_eq!(world.settle(&mut brain, at(200)), []);
}

#[test]
fn a_cluster_of_one_grows_at_once() {
    let mut world = World::of(1);
    let mut brain = Autopilot::default();
    world.here(2, Presence::Alive);
    world.here(3, Presence::Alive);
    world.settle(&mut brain, at(1));
    assert_eq!(world.members.voters.len(), 3);
}

#[test]
fn a_learner_that_is_behind_gets_no_vote() {
    let mut world = World::of(1);
    let mut brain = Autopilot::default();
    world.here(2, Presence::Alive);
    world.progress.peers.get_mut(&2).unwrap().matched = 700;
    world.settle(&mut brain, at(1));
    assert_eq!(world.members.voters.len(), 1);
    world.progress.peers.get_mut(&2).unwrap().matched = 750;
    assert_eq!(world.settle(&mut brain, at(1)), [Action::Promote { id: 2 }]);
}

#[test]
fn who_leaves_is_removed_at_once_and_who_fails_after_a_while() {
    let mut world = World::of(5);
    let mut brain = Autopilot::default();
    world.here(5, Presence::Left);
    let action = brain.look(&world.view(), at(1));
    assert_eq!(action, Some(Action::Remove { id: 5, reason: "it left".into() }));
    world.act(&action.unwrap());
    world.servers.retain(|server| server.id != 5);
    world.here(4, Presence::Failed);
    assert_eq!(world.settle(&mut brain, at(2)), []);
    assert_eq!(world.settle(&mut brain, at(12)), [Action::Remove { id: 4, reason: "it failed".into() }]);
    // Back again: it replaces a lost one, so it need not wait.
    world.here(4, Presence::Alive);
    world.settle(&mut brain, at(13));
    assert!(world.members.voters.contains_key(&4));
}

#[test]
fn a_stand_in_takes_over_at_once() {
    let mut world = World::of(3);
    let mut brain = Autopilot::default();
    world.here(4, Presence::Alive);
    world.settle(&mut brain, at(1));
    world.here(3, Presence::Failed);
    world.settle(&mut brain, at(2));
    assert_eq!(world.members.voters.keys().copied().collect::<Vec<_>>(), [1, 2, 4]);
}

#[test]
fn a_lost_disk_means_a_new_id_at_the_old_address() {
    for voters in [2, 3] {
        let mut world = World::of(voters);
        let mut brain = Autopilot::default();
        world.here(2, Presence::Failed);
        world.here(9, Presence::Alive);
        for server in &mut world.servers {
            server.address = address(server.id.min(2 + server.id % 9));
        }
        for server in world.servers.iter_mut().filter(|server| server.id == 9) {
            server.address = address(2);
        }
        world.settle(&mut brain, at(1));
        world.settle(&mut brain, at(12));
        let ids: Vec<_> = world.members.voters.keys().copied().collect();
        assert!(!ids.contains(&2) && ids.contains(&9), "{voters}: {ids:?}");
    }
}

#[test]
fn settings_keep_dead_servers() {
    let mut world = World::of(5);
    world.here(5, Presence::Failed);
    let mut brain = Autopilot::default();
    world.settings.cleanup_dead_servers = false;
    assert_eq!(world.settle(&mut brain, at(1)), []);
    assert_eq!(world.settle(&mut brain, at(100)), []);
    world.settings.cleanup_dead_servers = true;
    world.settings.min_quorum = 5;
    assert_eq!(world.settle(&mut brain, at(200)), []);
    world.settings.min_quorum = 4;
    assert_eq!(world.settle(&mut brain, at(300)).len(), 1);
}

#[test]
fn an_address_that_changed_is_written_down_and_an_unfinished_change_ended_first() {
    let mut world = World::of(3);
    world.servers[1].address = "10.0.0.77:4647".into();
    world.members.unfinished = true;
    let mut brain = Autopilot::default();
    let expected = [Action::FinishChange, Action::SetAddress { id: 2, address: "10.0.0.77:4647".into() }];
    assert_eq!(world.settle(&mut brain, at(1)), expected);
}

#[test]
fn who_refused_is_left_alone_for_a_while() {
    let mut world = World::of(3);
    let mut brain = Autopilot::default();
    world.here(4, Presence::Alive);
    assert!(brain.look(&world.view(), at(1)).is_some());
    brain.refused(4, at(1));
    assert_eq!(brain.look(&world.view(), at(2)), None);
    assert!(brain.look(&world.view(), at(11)).is_some());
}

#[test]
fn health_says_who_is_unhealthy_and_how_many_may_fail() {
    let mut world = World::of(5);
    let mut brain = Autopilot::default();
    brain.look(&world.view(), at(1));
    let health = brain.health(&world.view(), at(1));
    assert!(health.healthy);
    assert_eq!(health.failure_tolerance, 2);
    world.progress.peers.get_mut(&3).unwrap().last_contact = Some(Duration::from_millis(201));
    brain.look(&world.view(), at(2));
    let health = brain.health(&world.view(), at(3));
    assert!(!health.healthy);
    assert_eq!(health.failure_tolerance, 1);
    let third = health.servers.iter().find(|server| server.id == 3).unwrap();
    assert_eq!((third.healthy, third.since), (false, at(2)));
    world.progress.leading = false;
    assert_eq!(brain.look(&world.view(), at(3)), None);
}

#[derive(Debug, Clone)]
enum Event {
    Becomes(u64, Presence),
    Moves(u64, u64),
    Pass(u8),
    Look,
}

fn event() -> impl Strategy<Value = Event> {
    let presence = prop_oneof![
        Just(Presence::Alive),
        Just(Presence::Alive),
        Just(Presence::Failed),
        Just(Presence::Left)
    ];
    prop_oneof![
        3 => (2u64..9, presence).prop_map(|(id, presence)| Event::Becomes(id, presence)),
        1 => (2u64..9, 2u64..9).prop_map(|(id, to)| Event::Moves(id, to)),
        2 => (0u8..15).prop_map(Event::Pass),
        4 => Just(Event::Look),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whoever comes and goes: no removal takes a majority away from the servers that are there, and voters go one at a
    /// time.
    #[test]
    fn no_removal_costs_the_majority(voters in 1u64..6, events in prop::collection::vec(event(), 0..60)) {
        let mut world = World::of(voters);
        let mut brain = Autopilot::default();
        let mut now = at(1);
        for event in events {
            match event {
                Event::Becomes(id, presence) => world.here(id, presence),
                Event::Moves(id, to) => {
                    for server in world.servers.iter_mut().filter(|server| server.id == id) {
                        server.address = address(to);
                    }
                }
                Event::Pass(seconds) => now = now.plus(Duration::from_secs(seconds.into())),
                Event::Look => {
                    let Some(action) = brain.look(&world.view(), now) else { continue };
                    let before = world.members.voters.clone();
                    world.act(&action);
                    let there = |ids: &BTreeMap<u64, String>| {
                        ids.keys().filter(|id| **id == 1 || is_reached(&world.view(), **id)).count()
                    };
                    let after = &world.members.voters;
                    if after.len() < before.len() {
                        prop_assert_eq!(after.len() + 1, before.len());
                        prop_assert!(there(after) > after.len() / 2, "{:?} {:?}", action, world);
                    }
                    prop_assert!(after.contains_key(&1));
                    if let Action::Promote { id } = action {
                        prop_assert!(is_healthy(&world.view(), id));
                    }
                }
            }
        }
    }

    /// When all is quiet and everybody who is left is there, everybody has a vote, nobody else is in the log, and
    /// nothing more is done.
    #[test]
    fn quiet_clusters_settle(events in prop::collection::vec(event(), 0..40)) {
        let mut world = World::of(3);
        let mut brain = Autopilot::default();
        for event in events {
            match event {
                Event::Becomes(id, presence) => world.here(id, presence),
                Event::Look => drop(brain.look(&world.view(), at(1)).map(|action| world.act(&action))),
                Event::Moves(..) | Event::Pass(_) => {}
            }
        }
        for id in world.servers.iter().map(|server| server.id).collect::<Vec<_>>() {
            world.here(id, Presence::Alive);
        }
        for seconds in [1, 30, 60, 90] {
            world.settle(&mut brain, at(seconds));
        }
        prop_assert_eq!(world.settle(&mut brain, at(120)), []);
        let servers: BTreeSet<u64> = world.servers.iter().map(|server| server.id).collect();
        let voters: BTreeSet<u64> = world.members.voters.keys().copied().collect();
        prop_assert_eq!(servers, voters);
    }
}

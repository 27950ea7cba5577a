//! Nodes that are cut off and come back, and nodes that are emptied.

use std::time::Duration;

use model::{
    AllocId, AllocUpdate, ClientStatus, DesiredStatus, Disconnect, Drain, DrainDeadline, JobType, NodeId,
    NodeStatus, Reconcile,
};
use state::{Command, invariants};

use crate::testing::{World, job, key, node};

/// One allocation of a service, on node 1; node 2 has room.
fn running(disconnect: Option<Disconnect>) -> (World, AllocId) {
    let mut world = World::new(1);
    let mut web = job("web", JobType::Service, 1);
    web.groups[0].disconnect = disconnect;
    world.submit(&web);
    world.run("web");
    world.report("web", ClientStatus::Running, None);
    world.register(node(2));
    let id = world.live("web")[0].2;
    (world, id)
}

impl World {
    /// The node registers and tells that `runs` runs there.
    pub(super) fn comes_back(&mut self, id: u128, runs: &[AllocId]) {
        self.register(node(id));
        assert_eq!(self.root.nodes[&NodeId(id)].status, NodeStatus::Initializing);
        let updates = runs
            .iter()
            .map(|&id| AllocUpdate {
                id,
                client: ClientStatus::Running,
                client_description: String::new(),
                tasks: std::sync::Arc::default(),
                services: vec![],
                health: None,
                deployment: None,
                time: self.now,
            })
            .collect();
        self.apply(Command::UpdateAllocs { updates, evals: vec![], synced: Some(NodeId(id)), now: self.now });
        assert_eq!(self.root.nodes[&NodeId(id)].status, NodeStatus::Ready);
    }

    fn only(&self) -> AllocId {
        let live = self.live("web");
        let [(0, _, id)] = live[..] else { panic!("{live:?}") };
        id
    }
}

#[test]
fn the_original_stays_until_its_replacement_is_healthy() {
    let check = |replacement: Option<ClientStatus>, original_stays: bool| {
        let (mut world, original) = running(None);
        world.set_node(1, NodeStatus::Down);
        world.run("web");
        let other = world.only();
        assert_ne!(other, original);
        if let Some(client) = replacement {
            world.report_one(other, client, None);
        }
        world.comes_back(1, &[original]);
        assert!(world.root.allocs[&original].returned);
        world.run("web");
        assert_eq!(world.only() == original, original_stays, "{replacement:?}");
        let loser = &world.root.allocs[if original_stays { &other } else { &original }];
        assert_eq!(loser.desired_description, "alloc not needed due to disconnected client reconnect");
        invariants::nothing_is_left_undecided(&world.root).unwrap();
        assert!(world.run("web").plan.is_noop());
    };
    check(None, true);
    check(Some(ClientStatus::Failed), true);
    check(Some(ClientStatus::Running), false);
}

#[test]
fn what_the_job_no_longer_wants_does_not_return() {
    let (mut world, original) = running(None);
    world.set_node(1, NodeStatus::Down);
    world.run("web");
    world.stop("web");
    world.run("web");
    world.comes_back(1, &[original]);
    assert_eq!(world.root.allocs[&original].desired, DesiredStatus::Stop);
}

#[test]
fn an_older_version_makes_way_for_the_new_one() {
    let (mut world, original) = running(None);
    world.set_node(1, NodeStatus::Down);
    let mut next = job("web", JobType::Service, 1);
    next.groups[0].tasks[0].env.insert("V".into(), "2".into());
    world.submit(&next);
    world.run("web");
    let other = world.only();
    world.comes_back(1, &[original]);
    world.run("web");
    assert_eq!(world.only(), other);
}

#[test]
fn room_that_was_given_away_is_not_taken_back() {
    let (mut world, original) = running(None);
    world.set_node(1, NodeStatus::Down);
    world.run("web");
    // Registered again as a machine that is too small by now.
    let mut small = node(1);
    small.capacity.cpu_mhz = 50;
    world.register(small);
    let now = world.now;
    let update = AllocUpdate {
        id: original,
        client: ClientStatus::Running,
        client_description: String::new(),
        tasks: std::sync::Arc::default(),
        services: vec![],
        health: None,
        deployment: None,
        time: now,
    };
    world.apply(Command::UpdateAllocs { updates: vec![update], evals: vec![], synced: Some(NodeId(1)), now });
    assert_eq!(world.root.allocs[&original].desired, DesiredStatus::Stop);
}

fn patient(replace: bool, reconcile: Reconcile) -> Option<Disconnect> {
    Some(Disconnect { lost_after: Duration::from_secs(60), replace, stop_on_client_after: None, reconcile })
}

#[test]
fn unknown_for_a_while_then_lost() {
    let (mut world, original) = running(patient(false, Reconcile::BestScore));
    world.set_node(1, NodeStatus::Disconnected);
    let decision = world.run("web");
    assert_eq!(world.root.allocs[&original].client, ClientStatus::Unknown);
    assert_eq!(world.only(), original, "nothing replaces it");
    let [followup] = &decision.new_evals[..] else { panic!("{:?}", decision.new_evals) };
    assert_eq!(followup.trigger.as_str(), "max-disconnect-timeout");
    assert_eq!(followup.wait_until, world.now.plus(Duration::from_secs(60)));
    assert!(world.run("web").plan.is_noop());
    world.pass(60);
    world.run("web");
    assert_eq!(world.root.allocs[&original].client, ClientStatus::Lost);
    assert_ne!(world.only(), original);
}

#[test]
fn what_is_never_replaced_waits_for_its_node() {
    let stays = Some(Disconnect { replace: false, ..Disconnect::default() });
    let (mut world, original) = running(stays);
    world.set_node(1, NodeStatus::Disconnected);
    let decision = world.run("web");
    assert_eq!(world.root.allocs[&original].client, ClientStatus::Unknown);
    assert!(decision.new_evals.is_empty(), "{:?}", decision.new_evals);
    world.pass(10 * 24 * 3600);
    assert!(world.run("web").plan.is_noop());
    assert_eq!(world.only(), original);
    // Somebody gives it up.
    world.apply(Command::MarkMigrate { allocs: vec![original], evals: vec![], now: world.now });
    world.run("web");
    assert_ne!(world.only(), original);
    // It comes back.
    let (mut world, original) = running(Some(Disconnect { replace: false, ..Disconnect::default() }));
    world.set_node(1, NodeStatus::Disconnected);
    world.run("web");
    world.pass(1000);
    world.comes_back(1, &[original]);
    world.run("web");
    assert_eq!(world.only(), original);
    assert_eq!(world.root.allocs[&original].client, ClientStatus::Running);
}

#[test]
fn the_strategy_decides_who_stays() {
    let check = |reconcile, original_stays| {
        let (mut world, original) = running(patient(true, reconcile));
        world.set_node(1, NodeStatus::Disconnected);
        world.run("web");
        let live = world.live("web");
        let Some(&(_, _, other)) = live.iter().find(|(_, _, id)| *id != original) else { panic!("{live:?}") };
        world.pass(10);
        world.report_one(other, ClientStatus::Running, None);
        world.comes_back(1, &[original]);
        world.run("web");
        assert_eq!(world.only() == original, original_stays, "{reconcile:?}");
    };
    check(Reconcile::KeepOriginal, true);
    check(Reconcile::KeepReplacement, false);
    check(Reconcile::LongestRunning, true);
    check(Reconcile::BestScore, true);
}

#[test]
fn a_marked_one_moves_only_to_where_there_is_room() {
    let (mut world, original) = running(None);
    world.apply(Command::SetNodeEligibility {
        node: NodeId(2),
        eligibility: model::Eligibility::Ineligible,
        evals: vec![],
        now: world.now,
    });
    let drain = |deadline| Command::SetNodeDrain {
        node: NodeId(1),
        drain: Some(Drain { deadline, ..Drain::default() }),
        mark_eligible: false,
        evals: vec![],
        now: model::Timestamp::from_secs(1000),
    };
    world.apply(drain(DrainDeadline::Never));
    let now = world.now;
    world.apply(Command::MarkMigrate { allocs: vec![original], evals: vec![], now });
    let decision = world.run("web");
    assert!(decision.plan.stops.is_empty());
    assert_eq!(world.only(), original, "it runs on while there is no other place");
    assert!(decision.eval.blocked.is_some());
    // The time is up.
    world.apply(drain(DrainDeadline::Force));
    world.run("web");
    assert!(world.live("web").is_empty());
    assert_eq!(world.root.allocs[&original].desired_description, "alloc is being migrated");
    world.apply(Command::SetNodeEligibility {
        node: NodeId(2),
        eligibility: model::Eligibility::Eligible,
        evals: vec![],
        now,
    });
    world.run("web");
    assert_eq!(world.root.allocs[&world.only()].node, NodeId(2));
    assert_eq!(world.root.allocs_of_job(&key("web")).count(), 2);
}

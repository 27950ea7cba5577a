//! What breaks, and what is mended.

use std::{collections::BTreeSet, time::Duration};

use rand::RngExt;

use crate::world::{Shared, start};

/// One thing breaks, or is mended.
pub(crate) async fn fault(world: &Shared) {
    let (fault, id) = {
        let mut world = world.borrow_mut();
        let ids: Vec<u64> = world.machines.keys().copied().collect();
        let id = ids[world.rng.random_range(0..ids.len())];
        let faults = [
            "crash",
            "crash",
            "crash leader",
            "restart",
            "restart",
            "restart",
            "partition",
            "isolate leader",
            "heal",
            "heal",
            "loss",
            "one way",
            "transfer",
            "new disk",
            "refusing cut",
        ];
        let fault = faults[world.rng.random_range(0..faults.len())];
        *world.summary.faults.entry(fault).or_default() += 1;
        (fault, id)
    };
    let leader = {
        let world = world.borrow();
        world.running().into_iter().find(|(_, server)| server.leadership().borrow().is_leader)
    };
    match fault {
        "crash" => world.borrow_mut().crash(id),
        "crash leader" => {
            if let Some((leader, _)) = leader {
                world.borrow_mut().crash(leader);
            }
        }
        "restart" => {
            let down: Vec<u64> = {
                let world = world.borrow();
                let down = world.machines.values().filter(|machine| machine.running.is_none());
                down.map(|machine| machine.id).collect()
            };
            for id in down {
                start(world, id).await;
            }
        }
        "heal" => world.borrow().net.heal(),
        "loss" => {
            let mut world = world.borrow_mut();
            let (loss, slowest) = (world.rng.random_range(0.0..0.3), world.rng.random_range(1..80));
            world.net.set(loss, Duration::from_millis(slowest), false);
        }
        "one way" => {
            let mut world = world.borrow_mut();
            let at: Vec<String> = world.machines.values().map(|machine| machine.address.clone()).collect();
            let (from, to) = (world.rng.random_range(0..at.len()), world.rng.random_range(0..at.len()));
            world.net.cut(&at[from], &at[to]);
        }
        "partition" | "isolate leader" | "refusing cut" => {
            let mut world = world.borrow_mut();
            let refuses = fault == "refusing cut";
            let whole = fault == "partition";
            let at: Vec<(u64, String)> =
                world.machines.values().map(|machine| (machine.id, machine.address.clone())).collect();
            let mut apart: BTreeSet<u64> = leader.iter().map(|(leader, _)| *leader).collect();
            if whole || apart.is_empty() {
                apart = at.iter().map(|(id, _)| *id).filter(|_| world.rng.random_bool(0.4)).collect();
            }
            if refuses {
                world.net.set(0.0, Duration::from_millis(2), true);
            }
            for (a, from) in &at {
                for (b, to) in &at {
                    if apart.contains(a) != apart.contains(b) {
                        world.net.cut(from, to);
                    }
                }
            }
        }
        "transfer" => {
            if let Some((_, server)) = leader {
                tokio::task::spawn_local(async move { drop(server.transfer_leadership(None).await) });
            }
        }
        // The same place, an empty disk, and so another id; only while the others can do without it.
        "new disk" => {
            let new = {
                let mut world = world.borrow_mut();
                let all_up = world.machines.values().all(|machine| machine.running.is_some());
                let Some((leads, server)) = leader else { return };
                let members = server.members();
                let settled = members.voters.keys().eq(world.machines.keys()) && !members.unfinished;
                if !all_up || !settled || leads == id {
                    return;
                }
                world.crash(id);
                let old = world.machines.remove(&id).expect("it was chosen from them");
                world.next_id += 1;
                let new = world.next_id;
                world.machine(new, old.address);
                new
            };
            start(world, new).await;
        }
        other => unreachable!("{other}"),
    }
}

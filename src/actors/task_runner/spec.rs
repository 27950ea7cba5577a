//! What a driver is told of a task.

use std::collections::BTreeMap;

use logic::environment::{DirNames, Scope, scope};

use super::{Row, Seed};
use crate::actors::{
    node_agent::NodeKit,
    ports::{TaskPort, TaskSpec},
};

/// What `${...}` means to the task, its environment among it.
pub(super) fn scope_of(seed: &Seed, kit: &NodeKit) -> Scope {
    let (task, alloc) = (seed.task(), &seed.row.alloc);
    let names = if task.driver == "docker" {
        DirNames { alloc: "/alloc".into(), local: "/local".into(), secrets: "/secrets".into() }
    } else {
        let dirs = kit.disk.dirs(alloc.id, &task.name);
        DirNames {
            alloc: dirs.alloc.display().to_string(),
            local: dirs.local.display().to_string(),
            secrets: dirs.secrets.display().to_string(),
        }
    };
    scope(&seed.node, &seed.row.job, seed.group(), alloc, task, &names)
}

/// Program and arguments of an action.
pub(in crate::actors) fn words_of(seed: &Seed, kit: &NodeKit, action: &str) -> Option<Vec<String>> {
    let action = seed.task().action(action)?;
    let scope = scope_of(seed, kit);
    let words = std::iter::once(&action.command).chain(&action.args);
    Some(words.map(|word| scope.interpolate(word)).collect())
}

/// As far as it is known before anything of the task was made.
pub(in crate::actors) fn before_start(seed: &Seed, kit: &NodeKit) -> TaskSpec {
    prepare(seed, kit, &BTreeMap::new())
}

/// Interpolates everything the driver reads. Made anew for each start: of a million tasks nobody keeps it.
/// `rendered` is what templates add to the environment.
pub(super) fn prepare(seed: &Seed, kit: &NodeKit, rendered: &BTreeMap<String, String>) -> TaskSpec {
    let (task, Row { alloc, job }) = (seed.task(), &seed.row);
    let scope = scope_of(seed, kit).with(rendered);
    let ports = alloc
        .ports
        .iter()
        .filter(|port| port.task.as_deref().is_none_or(|owner| owner == task.name))
        .map(|port| TaskPort {
            label: port.label.to_string(),
            host_ip: seed.node.address.clone(),
            host_port: port.value,
            to: port.to,
        })
        .collect();
    let mut resources = task.resources.clone();
    resources.memory_max = resources.memory_max.filter(|_| alloc.oversubscribed);
    let claims = alloc.claims.as_ref().and_then(|claims| claims.of(&task.name));
    resources.cpu_mhz = resources.cpu_mhz.saturating_add(claims.map_or(0, |claims| claims.cpu_mhz));
    TaskSpec {
        alloc: alloc.id,
        job: job.id.clone(),
        namespace: job.namespace.clone(),
        group: seed.group().name.clone(),
        task: scope.task(task),
        env: scope.env,
        ports,
        dirs: kit.disk.dirs(alloc.id, &task.name),
        resources,
        cores: claims.map(|claims| claims.cores.clone()).unwrap_or_default(),
        devices: claims.map(|claims| claims.devices.clone()).unwrap_or_default(),
    }
}

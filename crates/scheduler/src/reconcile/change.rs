//! Can a running allocation take over the new version as it is, or must it be replaced?
//!
//! Replaced when anything differs that a running process would have to be started again for: what is run and how,
//! its environment (which includes meta of job, group and task), its resources, its ports. Everything else (counts,
//! policies, constraints, services and checks, kill and log settings) is taken over in place.

use model::{Job, NetworkAsk, Task};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    InPlace,
    Destructive,
}

/// What the step from one version of a group to another means for its allocations.
pub(super) fn between(old: &Job, new: &Job, group: &str) -> Change {
    let (Some(before), Some(after)) = (old.group(group), new.group(group)) else {
        return Change::Destructive;
    };
    let same = old.meta == new.meta
        && before.meta == after.meta
        && before.ephemeral_disk == after.ephemeral_disk
        && ports(before.network.as_ref()) == ports(after.network.as_ref())
        && before.tasks.len() == after.tasks.len()
        && before
            .tasks
            .iter()
            .all(|task| after.task(&task.name).is_some_and(|other| same_process(task, other)));
    if same { Change::InPlace } else { Change::Destructive }
}

fn same_process(before: &Task, after: &Task) -> bool {
    before.driver == after.driver
        && before.user == after.user
        && before.config == after.config
        && before.env == after.env
        && before.meta == after.meta
        && before.resources == after.resources
        && before.lifecycle == after.lifecycle
        && before.payload_file == after.payload_file
        && before.restart.render_templates == after.restart.render_templates
        && before.templates == after.templates
        && before.artifacts == after.artifacts
}

/// No network and a network without ports ask for the same.
fn ports(network: Option<&NetworkAsk>) -> (u32, &[model::Port]) {
    network.map_or((0, &[]), |network| (network.mbits, &network.ports))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::{Check, Constraint, JobType, Operand, Port, ReschedulePolicy, Service, Value};

    use super::*;
    use crate::testing;

    /// Section 5 of the notes on semantics, as a table.
    #[test]
    fn which_changes_replace() {
        use Change::{Destructive, InPlace};
        let check = |what: &str, expected: Change, edit: fn(&mut Job)| {
            let old = testing::job("web", JobType::Service, 3);
            let mut new = old.clone();
            edit(&mut new);
            assert_ne!(old, new, "{what}: the edit changed nothing");
            assert_eq!(between(&old, &new, "group"), expected, "{what}");
        };
        check("count", InPlace, |job| job.groups[0].count = 5);
        check("priority", InPlace, |job| job.priority = 70);
        check("datacenters", InPlace, |job| job.datacenters = vec!["dc1".into()]);
        check("constraint", InPlace, |job| {
            job.constraints.push(Constraint {
                left: "${attr.kernel.name}".into(),
                operand: Operand::Equal,
                right: "linux".into(),
            });
        });
        check("affinity and spread", InPlace, |job| {
            let rule = Constraint { left: "${meta.a}".into(), operand: Operand::IsSet, right: String::new() };
            job.affinities.push(model::Affinity { rule, weight: 50 });
            job.groups[0].spreads.push(model::Spread {
                attribute: "${meta.a}".into(),
                weight: 50,
                targets: Vec::new(),
            });
        });
        check("service", InPlace, |job| job.groups[0].tasks[0].services.push(Service::default()));
        check("check", InPlace, |job| {
            job.groups[0].services.push(Service { checks: vec![Check::default()], ..Service::default() });
        });
        check("restart", InPlace, |job| job.groups[0].tasks[0].restart.attempts = 9);
        check("reschedule", InPlace, |job| {
            job.groups[0].reschedule = Some(ReschedulePolicy { attempts: 7, ..ReschedulePolicy::default() });
        });
        check("update", InPlace, |job| job.groups[0].update = Some(model::UpdateStrategy::default()));
        check("kill_timeout", InPlace, |job| job.groups[0].tasks[0].kill_timeout = Duration::from_secs(77));
        check("kill_signal", InPlace, |job| job.groups[0].tasks[0].kill_signal = "SIGHUP".into());
        check("logs", InPlace, |job| job.groups[0].tasks[0].logs.max_files = 3);
        check("shutdown_delay", InPlace, |job| job.groups[0].shutdown_delay = Duration::from_secs(3));
        check("leader", InPlace, |job| job.groups[0].tasks[0].leader = true);
        check("tasks", Destructive, |job| {
            job.groups[0].tasks.push(Task { name: "more".into(), ..Task::default() });
        });
        check("task name", Destructive, |job| job.groups[0].tasks[0].name = "other".into());
        check("disk", Destructive, |job| job.groups[0].ephemeral_disk.size_mb = 301);
        check("sticky", Destructive, |job| job.groups[0].ephemeral_disk.sticky = true);
        check("migrate", Destructive, |job| job.groups[0].ephemeral_disk.migrate = true);
        check("group port", Destructive, |job| {
            let port = Port { label: "http".into(), ..Port::default() };
            job.groups[0].network = Some(NetworkAsk { ports: vec![port], ..NetworkAsk::default() });
        });
        check("task port", Destructive, |job| {
            let port = Port { label: "http".into(), to: Some(80), ..Port::default() };
            job.groups[0].tasks[0].resources.network =
                Some(NetworkAsk { ports: vec![port], ..NetworkAsk::default() });
        });
        check("driver", Destructive, |job| job.groups[0].tasks[0].driver = "raw_exec".into());
        check("lifecycle", Destructive, |job| {
            job.groups[0].tasks[0].lifecycle =
                Some(model::Lifecycle { hook: model::Hook::Prestart, sidecar: false });
        });
        check("payload", Destructive, |job| job.groups[0].tasks[0].payload_file = "in".into());
        check("render_templates", Destructive, |job| job.groups[0].tasks[0].restart.render_templates = true);
        check("templates", Destructive, |job| job.groups[0].tasks[0].templates.push(Default::default()));
        check("artifacts", Destructive, |job| job.groups[0].tasks[0].artifacts.push(Default::default()));
        check("user", Destructive, |job| job.groups[0].tasks[0].user = "nobody".into());
        check("config", Destructive, |job| {
            job.groups[0].tasks[0].config.insert("image".into(), Value::Text("redis:7".into()));
        });
        check("env", Destructive, |job| {
            job.groups[0].tasks[0].env.insert("A".into(), "b".into());
        });
        check("job meta", Destructive, |job| {
            job.meta.insert("a".into(), "b".into());
        });
        check("group meta", Destructive, |job| {
            job.groups[0].meta.insert("a".into(), "b".into());
        });
        check("task meta", Destructive, |job| {
            job.groups[0].tasks[0].meta.insert("a".into(), "b".into());
        });
        check("cpu", Destructive, |job| job.groups[0].tasks[0].resources.cpu_mhz += 1);
        check("memory_max", Destructive, |job| {
            job.groups[0].tasks[0].resources.memory_max = Some(model::MemoryMax::Unlimited);
        });
        check("memory", Destructive, |job| job.groups[0].tasks[0].resources.memory_mb += 1);
    }
}

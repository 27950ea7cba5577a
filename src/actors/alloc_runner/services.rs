//! Services of the tasks that run, their checks, and the health that follows.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actix::{AsyncContext, Context};
use logic::{
    alloc_health::Verdict,
    alloc_runner::{lasts, of_health},
    service_address::Place,
};
use model::{
    AllocHealth, Check, CheckState, DesiredStatus, Service, ServiceState, TaggedAddress, TaskGroup,
    TaskPhase, event_type,
};

use super::{AllocRunner, CheckKey};
use crate::actors::{
    check_runner::{CheckRunner, CheckTarget},
    kit::{Kind, Link, Stop, supervise_here},
    ports::TaskHandle,
    task_runner,
};

/// A check while its task runs.
pub(super) struct RunningCheck {
    pub(super) runner: Link<CheckRunner>,
    /// As reported.
    pub(super) state: CheckState,
    asked: Asked,
}

/// What the job wants of a check, after interpolation.
#[derive(PartialEq)]
struct Asked {
    check: Check,
    /// `ip:port`
    address: String,
}

impl AllocRunner {
    /// Registers the services of running tasks, starts and stops their checks.
    pub(super) fn services(&mut self, group: &TaskGroup) -> Vec<ServiceState> {
        let stopping = self.record.progress.killed || self.record.row.alloc.desired != DesiredStatus::Run;
        let canary = self.record.row.alloc.canary;
        let mut wanted: Vec<(String, usize, Service)> = Vec::new();
        let runs = |name: &str| {
            self.record.progress.tasks.get(name).is_some_and(|state| state.phase == TaskPhase::Running)
        };
        if !stopping {
            for task in
                group.tasks.iter().filter(|task| runs(&task.name) && !self.killing.contains(&task.name))
            {
                if let Some(scope) = self.scopes.get(&task.name) {
                    for (place, service) in task.services.iter().enumerate() {
                        let service = scope.service(
                            service,
                            &self.record.row.job.name,
                            &group.name,
                            &task.name,
                            canary,
                        );
                        wanted.push((task.name.clone(), place, service));
                    }
                }
            }
            if group.tasks.iter().filter(|task| lasts(task)).all(|task| runs(&task.name))
                && let Some(scope) =
                    group.tasks.iter().find(|task| lasts(task)).and_then(|task| self.scopes.get(&task.name))
            {
                for (place, service) in group.services.iter().enumerate() {
                    let service = scope.service(service, &self.record.row.job.name, &group.name, "", canary);
                    wanted.push((String::new(), place, service));
                }
            }
        }
        let mut asked: BTreeMap<CheckKey, Asked> = BTreeMap::new();
        for (task, place, service) in &wanted {
            for (number, check) in service.checks.iter().enumerate() {
                let address = self.address_of(group, task, service, check);
                asked.insert((task.clone(), *place, number), Asked { check: check.clone(), address });
            }
        }
        self.checks.retain(|key, running| {
            // One that a new version of the job describes otherwise begins anew.
            let stays = asked.get(key) == Some(&running.asked);
            if !stays {
                self.said.remove(key);
                running.runner.tell(Stop);
            }
            stays
        });
        for (key, asked) in asked {
            if !self.checks.contains_key(&key) {
                let service = wanted.iter().find(|(task, place, _)| (task, *place) == (&key.0, key.1));
                let script_task = match service {
                    Some((task, _, service)) if task.is_empty() => service.task.clone(),
                    _ => key.0.clone(),
                };
                self.start_check(key, asked, &script_task);
            }
        }
        let mut states = Vec::with_capacity(wanted.len());
        for (task, place, service) in wanted {
            let checks = (0..service.checks.len())
                .filter_map(|number| self.checks.get(&(task.clone(), place, number)))
                .map(|check| check.state.clone())
                .collect();
            let Some(at) = self.place(group, &task).find(service.address_mode, &service.port_label) else {
                // Refused at the start of the task; this one was started before the job asked for it.
                tracing::warn!(alloc = %self.record.row.alloc.id, service = service.name, "no address of its own");
                continue;
            };
            let tagged = service.tagged_addresses.iter();
            states.push(ServiceState {
                task,
                name: service.name,
                tags: service.tags,
                meta: service.meta,
                address: match service.address.as_str() {
                    "" => at.address,
                    other => other.to_owned(),
                },
                port: at.port,
                port_label: service.port_label,
                checks,
                weights: service.weights,
                tagged_addresses: tagged
                    .map(|(name, text)| {
                        // What nobody can read is shown as it is: the rules looked at all that is not interpolated.
                        let bare = |_| TaggedAddress { address: text.clone(), port: at.port };
                        (name.clone(), TaggedAddress::parse(text, at.port).unwrap_or_else(bare))
                    })
                    .collect(),
                enable_tag_override: service.enable_tag_override,
            });
        }
        states
    }

    /// `task`: empty for the group's services.
    fn place<'a>(&'a self, group: &'a TaskGroup, task: &str) -> Place<'a> {
        Place {
            node_address: &self.node.address,
            ports: &self.record.row.alloc.ports,
            task: group.task(task),
            task_address: self.record.progress.handles.get(task).and_then(|handle| handle.address.as_deref()),
        }
    }

    /// Where a check goes. A task that was started before the job asked for its address has none: the probe will say so.
    fn address_of(&self, group: &TaskGroup, task: &str, service: &Service, check: &Check) -> String {
        let label = if check.port_label.is_empty() { &service.port_label } else { &check.port_label };
        let at = self.place(group, task).find(check.address_mode, label);
        at.map(|at| at.to_string()).unwrap_or_default()
    }

    fn start_check(&mut self, key: CheckKey, asked: Asked, script_task: &str) {
        let driver = self
            .record
            .group()
            .and_then(|group| group.task(script_task))
            .and_then(|task| self.kit.drivers.get(&task.driver))
            .cloned();
        let target = CheckTarget {
            key: key.clone(),
            check: asked.check.clone(),
            address: asked.address.clone(),
            task: driver
                .zip(self.record.progress.handles.get(script_task).map(|handle| TaskHandle::clone(handle))),
            started_at: self.kit.clock.now(),
        };
        let link: Link<CheckRunner> = Link::new("check runner");
        let state = target.initial_state();
        self.checks.insert(key, RunningCheck { runner: link.clone(), state, asked });
        let (kit, me, leash) = (self.kit.clone(), self.me.clone(), Arc::downgrade(&self.leash));
        supervise_here(
            Kind::CheckRunner,
            link,
            self.kit.fatal.clone(),
            move || CheckRunner::new(target.clone(), kit.clone(), me.clone(), leash.clone()),
            || {},
        );
    }

    pub(super) fn judge_health(
        &mut self,
        services: &[ServiceState],
        group: &TaskGroup,
        context: &mut Context<Self>,
    ) {
        if let Some(timer) = self.health_timer.take() {
            context.cancel_future(timer);
        }
        if self.record.progress.killed {
            // What is stopped on purpose is not unhealthy.
            self.health = None;
        }
        let Some(brain) = &mut self.health else { return };
        let wanted = group.services.len() + group.tasks.iter().map(|task| task.services.len()).sum::<usize>();
        let now = self.kit.clock.now();
        let healthy = match brain.look(&of_health(group, &self.record.progress.tasks), services, wanted, now)
        {
            Verdict::Healthy => true,
            Verdict::Unhealthy(reason) => {
                for task in self.tasks.values() {
                    task.tell(task_runner::Note {
                        kind: event_type::ALLOC_UNHEALTHY,
                        message: reason.clone(),
                    });
                }
                false
            }
            Verdict::Undecided { wake_at } => {
                let wait = wake_at.since(now).max(Duration::from_millis(1));
                self.health_timer = Some(context.run_later(wait, |actor, context| actor.changed(context)));
                return;
            }
        };
        self.health = None;
        self.record.progress.health = Some(AllocHealth { healthy, since: now, modify_index: 0 });
    }
}

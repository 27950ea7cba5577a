//! What must be true when nothing moves any more.

use std::collections::BTreeSet;

use model::{
    AllocId, ClientStatus, DesiredStatus, EvalId, EvalStatus, Evaluation, Job, JobKey, Node, Operand,
    TaskGroup, Trigger,
};
use scheduler::{Input, schedule};
use state::invariants;

use crate::world::World;

/// Far more than any world here needs to come to rest.
const MOST_STEPS: usize = 50_000;

impl World {
    /// Lets everything come to rest, and looks.
    pub(crate) fn settle(&mut self) -> Result<(), String> {
        self.calm = true;
        let mut steps = 0;
        loop {
            while self.has_events() {
                self.step()?;
                steps += 1;
                if steps > MOST_STEPS {
                    return Err(format!("no rest after {MOST_STEPS} steps"));
                }
            }
            // As the leader does every minute.
            let effects = self.blocked.retry_collided();
            if !self.unblock(&self.root.clone(), effects) {
                break;
            }
            self.tick_broker();
        }
        if let Some(busy) = self.busy_with() {
            return Err(busy);
        }
        invariants::nothing_runs_for_a_stopped_job(&self.root)?;
        invariants::nothing_waits_on_a_lost_node(&self.root)?;
        invariants::one_blocked_evaluation_per_job(&self.root)?;
        invariants::nothing_is_left_undecided(&self.root)?;
        invariants::nothing_stays_on_a_drained_node(&self.root)?;
        self.nothing_is_left_to_do()?;
        self.every_node_has_its_own()?;
        self.machines_run_what_they_shall()
    }

    /// A fresh look at any job finds nothing to change: all that fits is placed, all that shall stop was stopped.
    fn nothing_is_left_to_do(&mut self) -> Result<(), String> {
        let mut jobs: BTreeSet<JobKey> = self.root.jobs.keys().cloned().collect();
        jobs.extend(self.root.allocs.values().map(|alloc| alloc.job.clone()));
        for job in jobs {
            let kind = self.root.jobs.get(&job).map_or_else(Default::default, |job| job.kind);
            let eval =
                Evaluation::new(EvalId(self.id()), job.clone(), kind, 50, Trigger::JobRegister, self.now);
            let root = self.root.clone();
            let now = self.now;
            let mut ids = || self.id();
            let decision = schedule(Input { root: &root, eval: &eval, now, ids: &mut ids, rng_seed: 1 });
            if !decision.plan.is_noop() {
                let evals: Vec<_> = root
                    .evals_of_job(&job)
                    .map(|eval| (eval.id, eval.trigger, eval.status, eval.snapshot_index, eval.modify_index))
                    .collect();
                return Err(format!(
                    "something is left to do for {job}: {:?}\nevaluations: {evals:?}",
                    decision.plan
                ));
            }
            let waits = root.evals_of_job(&job).any(|eval| !eval.status.is_terminal());
            if !decision.eval.failed_groups.is_empty() && !waits {
                return Err(format!("left to do: {job} wants more and no evaluation waits for room"));
            }
        }
        Ok(())
    }

    /// Each node that takes allocations has one of each group of each job that runs on every node, unless the group's
    /// constraints leave it out or the job waits for room on it.
    fn every_node_has_its_own(&self) -> Result<(), String> {
        for job in self.root.per_node_jobs() {
            let waits_for: BTreeSet<_> = self
                .root
                .evals_of_job(&job.key())
                .filter(|eval| eval.status == EvalStatus::Blocked)
                .flat_map(|eval| eval.full_nodes.iter().copied())
                .collect();
            for node in self.root.nodes.values().filter(|node| node.is_schedulable()) {
                for group in job.groups.iter().filter(|group| group.count > 0 && may_run(group, node)) {
                    let found = self.holders(job, group, node);
                    if found == 0 && !waits_for.contains(&node.id) {
                        return Err(format!("node {} has none of {} of {}", node.id, group.name, job.id));
                    }
                    if found > 1 {
                        return Err(format!("node {} has {found} of {} of {}", node.id, group.name, job.id));
                    }
                }
            }
        }
        Ok(())
    }

    /// Allocations on the node that run, or that fill their place for good.
    fn holders(&self, job: &Job, group: &TaskGroup, node: &Node) -> usize {
        let of_group = self.root.allocs_of_node(node.id).filter(|alloc| {
            alloc.job == job.key() && *alloc.group == *group.name && alloc.desired == DesiredStatus::Run
        });
        let fills = |client: ClientStatus| match client {
            ClientStatus::Complete => job.kind.completes(),
            ClientStatus::Failed => true,
            _ => false,
        };
        let of_group: Vec<_> = of_group.collect();
        let live = of_group.iter().filter(|alloc| !alloc.is_terminal()).count();
        let over = of_group.iter().any(|alloc| {
            alloc.job_index == job.job_modify_index && alloc.next.is_none() && fills(alloc.client)
        });
        if live > 0 { live } else { usize::from(over) }
    }

    fn machines_run_what_they_shall(&self) -> Result<(), String> {
        for (id, machine) in self.machines.iter().filter(|(_, machine)| machine.online) {
            let runs: BTreeSet<AllocId> = machine.runs().collect();
            let shall: BTreeSet<AllocId> = self
                .root
                .allocs_of_node(*id)
                .filter(|alloc| !alloc.is_terminal())
                .map(|alloc| alloc.id)
                .collect();
            if runs != shall {
                return Err(format!("node {id} runs {runs:?} and was told {shall:?}"));
            }
        }
        Ok(())
    }
}

/// The only constraint of jobs here that tells nodes apart, and devices, which are alike where there are any.
fn may_run(group: &TaskGroup, node: &Node) -> bool {
    let mut racks = group.constraints.iter().filter(|rule| rule.operand == Operand::Equal);
    let asks = group.tasks.iter().any(|task| !task.resources.devices.is_empty());
    racks.all(|rule| node.attributes.get("rack") == Some(&rule.right)) && !(asks && node.devices.is_empty())
}

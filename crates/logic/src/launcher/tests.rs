use std::collections::BTreeSet;

use model::{EvalStatus, JobStatus, JobType, Parameterized, Periodic};
use proptest::prelude::*;
use state::{Outcome, Refusal};

use super::*;

fn secs(seconds: i64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

/// Midnight, 2026-01-01.
const START: i64 = 1_767_225_600;

struct World {
    root: Root,
    ids: u128,
}

impl World {
    fn new() -> Self {
        Self { root: Root::default(), ids: 0 }
    }

    fn register(&mut self, spec: &str, prohibit_overlap: bool, now: Timestamp) {
        let periodic = Periodic { specs: vec![spec.into()], prohibit_overlap, ..Periodic::default() };
        let job = Job { id: "cron".into(), kind: JobType::Batch, periodic: Some(periodic), ..Job::default() };
        let command = Command::RegisterJob { job: Box::new(job), enforce_index: None, eval: None, now };
        assert!(matches!(self.apply(command), Outcome::JobRegistered { .. }));
    }

    fn apply(&mut self, command: Command) -> Outcome {
        self.root.apply(self.root.index + 1, command)
    }

    /// One look; what it proposes is applied.
    fn turn(&mut self, launcher: &mut Launcher, now: Timestamp) -> (Vec<Outcome>, Option<Timestamp>) {
        let ids = &mut self.ids;
        let look = launcher.look(&self.root, now, &mut || {
            *ids += 1;
            *ids
        });
        (look.commands.into_iter().map(|command| self.apply(command)).collect(), look.look_again)
    }

    /// The children, by when they were launched.
    fn children(&self) -> Vec<i64> {
        let family = self.root.family(&JobKey::new("default", "cron"));
        let ids = family.into_iter().flat_map(|family| &family.members);
        ids.map(|id| id.strip_prefix("cron/periodic-").unwrap().parse().unwrap()).collect()
    }

    /// The evaluations of all children end, and with them the children: they have no groups.
    fn finish(&mut self) {
        let open: Vec<_> = self.root.open_evals_since(0).map(|eval| Evaluation::clone(eval)).collect();
        let evals =
            open.into_iter().map(|eval| Evaluation { status: EvalStatus::Complete, ..eval }).collect();
        self.apply(Command::UpdateEvals { evals });
    }
}

#[test]
fn a_slot_is_launched_when_it_comes() {
    let mut world = World::new();
    let mut launcher = Launcher::default();
    world.register("*/10 * * * *", false, secs(START + 5));
    let key = JobKey::new("default", "cron");
    assert_eq!(world.root.jobs[&key].status, JobStatus::Running, "it is there for launching");
    assert_eq!(world.turn(&mut launcher, secs(START + 5)), (vec![], Some(secs(START + 600))));
    let (outcomes, again) = world.turn(&mut launcher, secs(START + 600));
    assert!(matches!(&outcomes[..], [Outcome::JobLaunched { existed: false, .. }]), "{outcomes:?}");
    assert_eq!(again, None, "the state says when");
    assert_eq!(world.turn(&mut launcher, secs(START + 600)), (vec![], Some(secs(START + 1200))));
    let child = &world.root.jobs[&JobKey::new("default", format!("cron/periodic-{}", START + 600).as_str())];
    assert_eq!(child.parent(), Some(key.clone()));
    assert!(child.periodic.is_none() && !child.only_launches());
    let family = world.root.family(&key).unwrap();
    assert_eq!((family.pending, family.running, family.dead), (1, 0, 0));
    world.finish();
    let family = world.root.family(&key).unwrap();
    assert_eq!((family.pending, family.running, family.dead), (0, 0, 1));
}

#[test]
fn what_was_missed_is_made_up_for_once() {
    let mut world = World::new();
    world.register("* * * * *", false, secs(START));
    world.turn(&mut Launcher::default(), secs(START + 60));
    // Nobody led for an hour.
    let mut launcher = Launcher::default();
    world.turn(&mut launcher, secs(START + 3610));
    world.turn(&mut launcher, secs(START + 3610));
    assert_eq!(world.children(), [START + 60, START + 120]);
    world.turn(&mut launcher, secs(START + 3660));
    assert_eq!(world.children().len(), 3);
}

#[test]
fn two_leaders_launch_a_slot_once() {
    let mut world = World::new();
    world.register("* * * * *", false, secs(START));
    let looks: Vec<Look> = [1_u128, 2]
        .map(|mut id| {
            Launcher::default().look(&world.root, secs(START + 60), &mut || {
                id += 10;
                id
            })
        })
        .into();
    let outcomes: Vec<Outcome> =
        looks.into_iter().flat_map(|look| look.commands).map(|command| world.apply(command)).collect();
    assert!(matches!(outcomes[0], Outcome::JobLaunched { .. }));
    assert!(matches!(outcomes[1], Outcome::Refused(Refusal::SlotTaken(_))));
    assert_eq!(world.children(), [START + 60]);
}

#[test]
fn overlap_is_prohibited_where_asked() {
    let mut world = World::new();
    let mut launcher = Launcher::default();
    world.register("* * * * *", true, secs(START));
    for minute in 1..=3 {
        world.turn(&mut launcher, secs(START + 60 * minute));
    }
    assert_eq!(world.children(), [START + 60]);
    world.finish();
    world.turn(&mut launcher, secs(START + 200));
    assert_eq!(world.children(), [START + 60], "slots that passed are not made up for");
    world.turn(&mut launcher, secs(START + 240));
    assert_eq!(world.children(), [START + 60, START + 240]);
}

#[test]
fn what_is_stopped_or_disabled_launches_nothing() {
    let mut world = World::new();
    let mut launcher = Launcher::default();
    world.register("* * * * *", false, secs(START));
    let job = JobKey::new("default", "cron");
    world.apply(Command::DeregisterJob { job, purge: false, eval: None, now: secs(START + 1) });
    assert_eq!(world.turn(&mut launcher, secs(START + 600)), (vec![], None));
    assert!(world.children().is_empty());
}

#[test]
fn a_launch_by_hand_does_not_take_the_slot_away() {
    let mut world = World::new();
    world.register("* * * * *", false, secs(START));
    let by_hand = |world: &mut World, at: i64| {
        let parent = JobKey::new("default", "cron");
        let child = child_id("cron", secs(at));
        let eval = eval_of_child(&world.root.jobs[&parent], &child, 50, secs(at), Trigger::PeriodicJob, 77);
        world.apply(Command::LaunchJob { parent, child, launch: Launch::ByHand, eval, now: secs(at) })
    };
    assert!(matches!(by_hand(&mut world, START + 30), Outcome::JobLaunched { .. }));
    assert!(matches!(by_hand(&mut world, START + 30), Outcome::Refused(Refusal::SlotTaken(_))));
    // At the very second of a slot: it is what the slot is for, and the next one comes.
    assert!(matches!(by_hand(&mut world, START + 60), Outcome::JobLaunched { .. }));
    let mut launcher = Launcher::default();
    world.turn(&mut launcher, secs(START + 60));
    assert_eq!(world.turn(&mut launcher, secs(START + 60)), (vec![], Some(secs(START + 120))));
    assert_eq!(world.children(), [START + 30, START + 60]);
}

#[test]
fn a_job_does_not_change_what_it_launches_by() {
    let mut world = World::new();
    world.register("* * * * *", false, secs(START));
    let job = Job { id: "cron".into(), kind: JobType::Batch, ..Job::default() };
    let command =
        Command::RegisterJob { job: Box::new(job), enforce_index: None, eval: None, now: secs(START) };
    let Outcome::Refused(refusal) = world.apply(command) else { panic!("refused") };
    assert!(refusal.to_string().starts_with("cannot update periodic job to being non-periodic"), "{refusal}");
}

#[test]
fn a_dispatch_is_a_copy_with_its_meta_and_payload() {
    let mut world = World::new();
    let parameterized = Parameterized {
        meta_required: vec!["a".into()],
        meta_optional: vec!["b".into()],
        ..Parameterized::default()
    };
    let job = Job {
        id: "batch".into(),
        kind: JobType::Batch,
        parameterized: Some(parameterized),
        ..Job::default()
    };
    world.apply(Command::RegisterJob {
        job: Box::new(job),
        enforce_index: None,
        eval: None,
        now: secs(START),
    });
    let dispatch = |world: &mut World, child: &str, token: &str, meta: &[(&str, &str)]| {
        let parent = JobKey::new("default", "batch");
        let eval = eval_of_child(&world.root.jobs[&parent], child, 50, secs(START), Trigger::JobRegister, 7);
        let launch = Launch::Dispatch {
            payload: b"hello".to_vec(),
            meta: meta.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
            idempotency_token: token.into(),
            priority: Some(70),
        };
        world.apply(Command::LaunchJob { parent, child: child.into(), launch, eval, now: secs(START) })
    };
    let outcome = dispatch(&mut world, "batch/dispatch-1-a", "once", &[("a", "1")]);
    assert!(matches!(outcome, Outcome::JobLaunched { existed: false, .. }), "{outcome:?}");
    let child = &world.root.jobs[&JobKey::new("default", "batch/dispatch-1-a")];
    assert!(!child.only_launches() && child.priority == 70);
    assert_eq!(child.meta, [("a".into(), "1".into()), ("b".into(), String::new())].into());
    assert_eq!(child.launched.as_ref().unwrap().payload, b"hello");
    let again = dispatch(&mut world, "batch/dispatch-2-b", "once", &[("a", "1")]);
    let Outcome::JobLaunched { child, existed: true, .. } = again else { panic!("{again:?}") };
    assert_eq!(child, "batch/dispatch-1-a");
    let refused = dispatch(&mut world, "batch/dispatch-3-c", "", &[]);
    assert!(matches!(refused, Outcome::Refused(Refusal::Dispatch(_))), "{refused:?}");
}

proptest! {
    /// Whoever leads, and however late it looks: each slot is launched at most once, in its time, and none is forgotten
    /// while somebody looks at least once between two of them.
    #[test]
    fn each_slot_once_across_leaders(
        spec in prop::sample::select(vec!["* * * * *", "*/7 * * * *", "13,14 * * * *", "*/20 * * * * * *"]),
        steps in prop::collection::vec((1i64..90, prop::bool::weighted(0.2), prop::bool::weighted(0.2)), 1..60),
    ) {
        let mut world = World::new();
        world.register(spec, false, secs(START));
        let periodic = Periodic { specs: vec![spec.into()], ..Periodic::default() };
        let mut leader = Launcher::default();
        let mut now = START;
        let mut seen = BTreeSet::new();
        for (wait, is_new, is_lost) in steps {
            let begin = now;
            now += wait;
            if is_new {
                leader = Launcher::default();
            }
            let due: Vec<i64> = std::iter::successors(periodic.next(secs(begin)), |&slot| periodic.next(slot))
                .take_while(|&slot| slot <= secs(now))
                .map(|slot| slot.as_nanos() / 1_000_000_000)
                .collect();
            if is_lost {
                // The proposal does not get through; another one comes with the next look.
                let _ = leader.look(&world.root, secs(now), &mut || 1);
                world.turn(&mut Launcher::default(), secs(now));
            } else {
                world.turn(&mut leader, secs(now));
            }
            let children: BTreeSet<i64> = world.children().into_iter().collect();
            prop_assert_eq!(children.len(), world.children().len());
            let new: Vec<i64> = children.difference(&seen).copied().collect();
            // The first of what was due stands for all of it.
            prop_assert_eq!(new, due.first().copied().into_iter().collect::<Vec<_>>());
            seen = children;
        }
    }
}

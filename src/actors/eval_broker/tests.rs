use model::{JobKey, JobType, SchedulerSettings, Timestamp};
use tokio::time::Instant;

use super::*;
use crate::actors::testing::{Ids, Log, TestClock, paused};

fn pause(log: &Log, pause_eval_broker: bool) {
    let settings = SchedulerSettings { pause_eval_broker, ..SchedulerSettings::default() };
    log.apply(vec![Command::SetScheduler { settings, enforce_index: None }]);
}

#[test]
fn a_paused_broker_keeps_evaluations_and_no_questions() {
    paused(async {
        let log = Log::new();
        pause(&log, true);
        let clock = Arc::new(TestClock(Instant::now()));
        let broker = EvalBroker::new(log.state.clone(), log.clone(), clock, Arc::new(Ids::default())).start();
        let (key, id) = (JobKey::new("default", "web"), EvalId(1));
        let eval = Evaluation::new(id, key, JobType::Service, 50, Trigger::JobRegister, Timestamp(1));
        log.apply(vec![Command::UpdateEvals { evals: vec![eval] }]);
        for _ in 0..5 {
            assert!(broker.send(Dequeue).await.unwrap().is_none());
        }
        let seen = broker.send(Observe).await.unwrap();
        assert_eq!((&seen["ready"], &seen["workers_waiting"]), (&1.into(), &1.into()));
        pause(&log, false);
        let leased = broker.send(Dequeue).await.unwrap().expect("it was kept");
        assert_eq!(leased.eval, id);
    });
}

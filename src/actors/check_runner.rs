//! One check: probes at its interval and tells what it saw.
//!
//! Lives:      `node` arbiter, child of an AllocRunner, while the task of its service runs
//! Asked by:   nobody    Asks: Prober or TaskDriver (exec)    Tells: AllocRunner (CheckChanged)
//! Owns:       nothing but its counters
//! On restart: begins anew with the check's initial status
//! Brain:      logic::check_runner

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};
use logic::check_runner::CheckLife;
use model::{Check, CheckKind, CheckState, CheckStatus, Timestamp};

use super::{
    alloc_runner::{AllocRunner, CheckChanged, CheckKey},
    kit::{Link, Stop},
    node_agent::NodeKit,
    ports::{Probe, ProbeTls, TaskDriver, TaskHandle},
};

/// What is probed.
#[derive(Clone)]
pub struct CheckTarget {
    pub key: CheckKey,
    pub check: Check,
    /// `ip:port`
    pub address: String,
    /// Where scripts run.
    pub task: Option<(Arc<dyn TaskDriver>, TaskHandle)>,
    pub started_at: Timestamp,
}

impl CheckTarget {
    /// The state before the first probe.
    pub fn initial_state(&self) -> CheckState {
        CheckState {
            name: self.check.name.clone(),
            kind: self.check.kind.as_str().into(),
            status: CheckLife::new(&self.check, self.started_at).status(),
            output: String::new(),
            updated_at: Timestamp::ZERO,
            on_update: self.check.on_update,
        }
    }
}

pub struct CheckRunner {
    target: CheckTarget,
    kit: Arc<NodeKit>,
    parent: Link<AllocRunner>,
    /// Gone when the parent is: then this actor ends.
    leash: Weak<()>,
    life: CheckLife,
}

impl CheckRunner {
    pub fn new(target: CheckTarget, kit: Arc<NodeKit>, parent: Link<AllocRunner>, leash: Weak<()>) -> Self {
        let life = CheckLife::new(&target.check, target.started_at);
        Self { target, kit, parent, leash, life }
    }

    fn probe(&mut self, context: &mut Context<Self>) {
        if self.leash.strong_count() == 0 {
            context.stop();
            return;
        }
        let target = self.target.clone();
        let prober = self.kit.prober.clone();
        let look = async move {
            let check = &target.check;
            match check.kind {
                CheckKind::Tcp => {
                    prober.probe(&Probe::Tcp { address: target.address.clone() }, check.timeout).await
                }
                CheckKind::Http => {
                    let probe = Probe::Http {
                        address: target.address.clone(),
                        path: check.path.clone(),
                        method: check.method.clone(),
                        headers: check.headers.clone(),
                        body: check.body.clone(),
                        tls: check.https.then(|| tls(check)),
                    };
                    prober.probe(&probe, check.timeout).await
                }
                CheckKind::Grpc => {
                    let probe = Probe::Grpc {
                        address: target.address.clone(),
                        service: check.grpc_service.clone(),
                        tls: check.grpc_use_tls.then(|| tls(check)),
                    };
                    prober.probe(&probe, check.timeout).await
                }
                CheckKind::Script => script(&target).await,
            }
        };
        context.spawn(look.into_actor(self).map(|(status, output), actor, context| {
            let now = actor.kit.clock.now();
            let recorded = actor.life.record(status, now);
            let state = CheckState {
                status: recorded.status,
                output: output.chars().take(4096).collect(),
                updated_at: now,
                ..actor.target.initial_state()
            };
            actor.parent.tell(CheckChanged {
                key: actor.target.key.clone(),
                state,
                restart: recorded.restart,
            });
            context.run_later(actor.wait(recorded.status), Self::probe);
        }));
    }

    /// A check that never passed is tried again sooner, so that a service is found soon after its start.
    fn wait(&self, status: CheckStatus) -> Duration {
        let young = self.kit.clock.now().since(self.target.started_at) < self.target.check.interval;
        if status == CheckStatus::Critical && young {
            (self.target.check.interval / 20).max(Duration::from_millis(50))
        } else {
            self.target.check.interval
        }
    }
}

fn tls(check: &Check) -> ProbeTls {
    ProbeTls { server_name: check.tls_server_name.clone(), skip_verify: check.tls_skip_verify }
}

/// Exit code 0 passes, 1 warns, everything else is critical.
async fn script(target: &CheckTarget) -> (CheckStatus, String) {
    let Some((driver, handle)) = &target.task else {
        return (CheckStatus::Critical, "the task that runs the script is not running".into());
    };
    let mut command = vec![target.check.command.clone()];
    command.extend(target.check.args.iter().cloned());
    match driver.exec(handle, &command, target.check.timeout).await {
        Ok(result) => {
            let status = match result.exit_code {
                0 => CheckStatus::Passing,
                1 => CheckStatus::Warning,
                _ => CheckStatus::Critical,
            };
            (status, result.output)
        }
        Err(error) => (CheckStatus::Critical, error.to_string()),
    }
}

impl Actor for CheckRunner {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.probe(context);
    }
}

impl Handler<Stop> for CheckRunner {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        context.stop();
    }
}

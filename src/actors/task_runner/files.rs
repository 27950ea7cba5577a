//! What the files of a task mean to its life: nothing starts before they are there, and something follows when they
//! change.

use std::time::Duration;

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use logic::task_runner::Input;
use model::{ChangeScript, event_type};
use tracing::debug;

use super::{
    Note, TaskRunner, fetching,
    rendering::{Changes, Rendering},
    spec::scope_of,
};
use crate::actors::ports::FetchError;

impl TaskRunner {
    /// Fetches the task's artifacts and renders its templates; the outcome is a step of its life.
    pub(super) fn prepare_files(&mut self, context: &mut Context<Self>) {
        self.drop_files(context);
        let task = self.seed.task();
        if self.fetched || task.artifacts.is_empty() {
            return self.prepare_templates(context);
        }
        let jitter = (self.kit.jitter)();
        let scope = scope_of(&self.seed, &self.kit);
        let orders = fetching::orders(task, self.seed.row.alloc.id, &scope);
        let kit = self.kit.clone();
        self.note_now(event_type::DOWNLOADING_ARTIFACTS, String::from("Client is downloading artifacts"));
        let fetch = async move { fetching::all(kit, orders?).await };
        self.files =
            Some(context.spawn(fetch.into_actor(self).map(move |outcome, actor, context| match outcome {
                Ok(()) => {
                    actor.fetched = true;
                    actor.prepare_templates(context);
                }
                Err(FetchError { message, recoverable }) => {
                    let event = event_type::ARTIFACT_FAILED;
                    actor.step(Input::PrepareFailed { event, message, recoverable, jitter }, context);
                }
            })));
    }

    fn prepare_templates(&mut self, context: &mut Context<Self>) {
        self.drop_files(context);
        let jitter = (self.kit.jitter)();
        let rendering = match self.rendering() {
            Ok(rendering) => rendering,
            Err(message) => return self.not_prepared(message, false, jitter, context),
        };
        let me = context.address();
        let first = first(rendering, move |message| {
            me.do_send(Note { kind: event_type::TEMPLATE, message });
        });
        self.files = Some(context.spawn(first.into_actor(self).map(move |outcome, actor, context| {
            match outcome {
                Ok((rendering, changes)) => {
                    actor.rendered_env = changes.env;
                    actor.watch_files(rendering, context);
                    actor.step(Input::Prepared, context);
                }
                // The next try may find other files.
                Err(message) => actor.not_prepared(message, true, jitter, context),
            }
        })));
    }

    /// The task runs under an earlier agent's care: its files are looked at again.
    pub(super) fn resume_files(&mut self, context: &mut Context<Self>) {
        self.drop_files(context);
        if self.seed.task().templates.is_empty() {
            return;
        }
        let Ok(rendering) = self.rendering() else { return };
        let first = first(rendering, |message| debug!(message, "templates of a task that runs"));
        self.files =
            Some(context.spawn(first.into_actor(self).map(|outcome, actor, context| match outcome {
                Ok((rendering, changes)) => {
                    actor.watch_files(rendering, context);
                    actor.files_changed(changes, context);
                }
                Err(message) => actor.note_now(event_type::TEMPLATE, message),
            })));
    }

    /// No file is waited for any more.
    pub(super) fn drop_files(&mut self, context: &mut Context<Self>) {
        if let Some(files) = self.files.take() {
            context.cancel_future(files);
        }
    }

    fn rendering(&self) -> Result<Rendering, String> {
        let (kit, task) = (self.kit.clone(), self.seed.task());
        let scope = scope_of(&self.seed, &self.kit);
        let place = (self.seed.row.alloc.id, task.name.as_str());
        Rendering::new(&task.templates, &scope, kit, self.seed.node.clone(), place)
    }

    fn not_prepared(&mut self, message: String, recoverable: bool, jitter: f64, context: &mut Context<Self>) {
        let event = event_type::TEMPLATE;
        self.step(Input::PrepareFailed { event, message, recoverable, jitter }, context);
    }

    fn watch_files(&mut self, mut rendering: Rendering, context: &mut Context<Self>) {
        if self.seed.task().templates.iter().all(|template| template.once) {
            self.files = None;
            return;
        }
        let again = async move {
            let changes = rendering.again().await;
            (rendering, changes)
        };
        self.files =
            Some(context.spawn(again.into_actor(self).map(|(rendering, changes), actor, context| {
                actor.watch_files(rendering, context);
                actor.files_changed(changes, context);
            })));
    }

    fn files_changed(&mut self, mut changes: Changes, context: &mut Context<Self>) {
        for message in std::mem::take(&mut changes.notes) {
            self.note_now(event_type::TEMPLATE, message);
        }
        self.rendered_env = std::mem::take(&mut changes.env);
        if self.life.is_starting() {
            // It may have read them before they changed: what follows waits until it runs.
            self.late_changes.get_or_insert_default().add(changes);
        } else if self.life.is_running() {
            self.follow(changes, context);
        }
        // Otherwise the next run begins with them.
    }

    /// The task runs: what its files called for meanwhile is done now.
    pub(super) fn files_of_a_new_run(&mut self, is_first: bool, context: &mut Context<Self>) {
        if let Some(changes) = self.late_changes.take() {
            self.follow(changes, context);
        }
        let scripts = self.seed.task().templates.iter().filter_map(|template| template.script.clone());
        let scripts: Vec<_> = scripts.filter(|script| is_first && script.run_on_first_render).collect();
        for script in scripts {
            self.run_script(script, context);
        }
    }

    fn follow(&mut self, changes: Changes, context: &mut Context<Self>) {
        for script in changes.scripts {
            self.run_script(script, context);
        }
        if changes.restart {
            let reason = String::from("Template with change_mode restart re-rendered");
            return self.step(Input::WantRestart { reason }, context);
        }
        for signal in changes.signals {
            self.note_now(event_type::SIGNALING, String::from("Template re-rendered"));
            let (Some(driver), Some(handle), me) = (self.driver(), self.handle.clone(), context.address())
            else {
                return;
            };
            actix::spawn(async move {
                if let Err(error) = driver.signal(&handle, &signal).await {
                    let message = format!("{signal} could not be sent after a template changed: {error}");
                    me.do_send(Note { kind: event_type::TEMPLATE, message });
                }
            });
        }
    }

    fn run_script(&mut self, script: ChangeScript, context: &mut Context<Self>) {
        let (Some(driver), Some(handle)) = (self.driver(), self.handle.clone()) else { return };
        let command: Vec<String> = std::iter::once(script.command.clone()).chain(script.args).collect();
        let timeout = script.timeout.max(Duration::from_millis(1));
        let run = async move { driver.exec(&handle, &command, timeout).await };
        context.spawn(run.into_actor(self).map(move |outcome, actor, context| {
            let failed = match outcome {
                Ok(done) if done.exit_code == 0 => {
                    let words = format!("Template successfully ran script {}", script.command);
                    return actor.note_now(event_type::TEMPLATE, words);
                }
                Ok(done) => format!("exit code {}", done.exit_code),
                Err(error) => error.to_string(),
            };
            actor.note_now(
                event_type::TEMPLATE,
                format!("Template failed to run script {}: {failed}", script.command),
            );
            if script.fail_on_error {
                let reason = String::from("Template script failed, task is being killed");
                actor.step(Input::Kill { event: event_type::KILLING, reason }, context);
            }
        }));
    }

    fn note_now(&mut self, kind: &'static str, message: String) {
        self.life.note(kind, message, self.kit.clock.now());
        self.tell_parent();
    }
}

async fn first(mut rendering: Rendering, note: impl Fn(String)) -> Result<(Rendering, Changes), String> {
    let changes = rendering.first(note).await?;
    Ok((rendering, changes))
}

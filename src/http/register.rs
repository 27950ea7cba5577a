//! Writes of jobs: register, stop, evaluate; and what only looks at a job: parse, validate.

use actix_web::{
    HttpResponse,
    http::{Method, StatusCode},
};
use api::{
    JobDeregisterResponse, JobEvaluateRequest, JobRegisterRequest, JobRegisterResponse, JobValidateRequest,
    JobValidateResponse, JobsParseRequest,
};
use model::{Job, ScalingEvent, Submission, Trigger};
use state::{Command, Outcome, Refusal};

use super::{
    Context,
    call::Call,
    elsewhere,
    failure::Failure,
    jobs::{key, missing},
    read::{Answer, json, written},
    spec, submission,
    write::{evaluation, propose, propose_after, propose_all},
};
use crate::actors::ports::Target;

/// The job of a request in the model's words, or everything that is wrong with it.
fn read_job(
    ctx: &Context,
    call: &Call,
    mut job: api::Job,
    region: &str,
    namespace: &str,
) -> Result<Job, Vec<String>> {
    // Said in the query beats said in the request beats said in the job.
    job.region = first([call.text("region").unwrap_or_default(), region, &job.region]);
    job.namespace = first([call.text("namespace").unwrap_or_default(), namespace, &job.namespace]);
    if matches!(job.region.as_str(), "" | "global") {
        job.region.clone_from(&ctx.agent.region);
    }
    spec::accept(job.into_model().map_err(|refused| refused.problems)?)
}

fn first(candidates: [&str; 3]) -> String {
    candidates.into_iter().find(|text| !text.is_empty()).unwrap_or_default().to_owned()
}

/// Whose the job of a request is.
pub(super) enum Place {
    Here(Box<Job>),
    Region(String),
}

/// The job of a request that this region's servers, or another's, have to answer. `id`: of the path, where it has one.
pub(super) fn place(
    ctx: &Context,
    call: &Call,
    id: Option<&str>,
    job: Option<api::Job>,
    region: &str,
    namespace: &str,
) -> Result<Place, Failure> {
    let Some(job) = job else { return Err(Failure::bad("Job must be specified")) };
    if id.is_some_and(|id| id != job.id) {
        return Err(Failure::bad("Job ID does not match name"));
    }
    let job = read_job(ctx, call, job, region, namespace).map_err(|problems| Failure::problems(&problems))?;
    if job.region != ctx.agent.region {
        return Ok(Place::Region(job.region));
    }
    if job.namespace != "default" {
        return Err(Failure::server(format!(
            "job {:?} is in nonexistent namespace {:?}; only \"default\" exists",
            job.id, job.namespace
        )));
    }
    in_known_pool(ctx, &job).map_err(Failure::server)?;
    Ok(Place::Here(Box::new(job)))
}

/// Whether the pool of nodes that the job asks for exists.
fn in_known_pool(ctx: &Context, job: &Job) -> Result<(), String> {
    if ctx.state.root().has_pool(&job.pool) {
        return Ok(());
    }
    let (job, pool) = (job.id.clone(), job.pool.clone());
    Err(format!("{}; `node pool list` shows those that exist", Refusal::JobInUnknownPool { job, pool }))
}

/// Whether operators let new jobs and versions in.
pub(super) fn be_open(ctx: &Context) -> Result<(), Failure> {
    if ctx.state.root().scheduler.reject_job_registration {
        let words = "Job registration, dispatch, and scale are disabled by the scheduler configuration";
        return Err(Failure::new(StatusCode::FORBIDDEN, words));
    }
    Ok(())
}

/// `id`: of the path, where it has one.
pub(super) async fn register(ctx: &Context, call: &Call, id: Option<&str>) -> Answer {
    let request: JobRegisterRequest = call.json()?;
    if request.preserve_resources {
        return Err(Failure::absent("PreserveResources is not supported; send the job as it shall be"));
    }
    let mut job = match place(ctx, call, id, request.job, &request.region, &request.namespace)? {
        Place::Here(job) => job,
        Place::Region(region) => return elsewhere::pass_on(ctx, call, Target::Region(region)).await,
    };
    be_open(ctx)?;
    if request.preserve_counts
        && let Some(before) = ctx.state.root().jobs.get(&job.key())
    {
        for group in &mut job.groups {
            group.count = before.group(&group.name).map_or(group.count, |before| before.count);
        }
    }
    let priority = match request.eval_priority {
        0 => job.priority,
        priority => u16::try_from(priority)
            .ok()
            .filter(|priority| (1..=100).contains(priority))
            .ok_or_else(|| Failure::bad("eval priority must be between 1 and 100"))?,
    };
    let enforce_index = request.enforce_index.then_some(request.job_modify_index);
    let (submission, note) = match submission::to_keep(request.submission) {
        Ok(submission) => (submission, None),
        Err(note) => (None, Some(note)),
    };
    let new = NewVersion { priority, enforce_index, submission, note, scaling: None };
    write(ctx, call, job, new).await
}

/// What comes with a job that is registered.
pub(super) struct NewVersion {
    /// Of the evaluation.
    pub(super) priority: u16,
    pub(super) enforce_index: Option<u64>,
    pub(super) submission: Option<Submission>,
    /// A warning for whoever asked.
    pub(super) note: Option<String>,
    /// The group of which only the count changes, and what to note about that.
    pub(super) scaling: Option<(String, ScalingEvent)>,
}

/// Registers a job that was looked at, with an evaluation of it.
pub(super) async fn write(ctx: &Context, call: &Call, job: Box<Job>, new: NewVersion) -> Answer {
    let NewVersion { priority, enforce_index, submission, note, scaling } = new;
    let warnings = [warnings(ctx, &job), note.unwrap_or_default()];
    let warnings = warnings.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n");
    let key = job.key();
    // What only launches others has nothing to place.
    let eval =
        (!job.only_launches()).then(|| evaluation(ctx, job.key(), job.kind, priority, Trigger::JobRegister));
    let eval_id = eval.as_ref().map(|eval| eval.id.to_string()).unwrap_or_default();
    let eval_create_index = |index| if eval_id.is_empty() { 0 } else { index };
    let id = eval.as_ref().map(|eval| eval.id);
    let mut commands = vec![Command::RegisterJob { job, enforce_index, eval, now: ctx.clock.now() }];
    if let Some(submission) = submission {
        commands.push(Command::KeepSubmission { job: key.clone(), submission: Box::new(submission) });
    }
    if let Some((group, event)) = scaling {
        let event = Box::new(ScalingEvent { eval: id, ..event });
        commands.push(Command::NoteScaling { job: key, group, event });
    }
    let (index, outcome) = propose_all(ctx, commands).await?;
    let Outcome::JobRegistered { job_modify_index, .. } = outcome else {
        return Err(Failure::server("the state answered a registration with something else"));
    };
    let answer = JobRegisterResponse {
        eval_create_index: eval_create_index(index),
        eval_id,
        job_modify_index,
        index,
        warnings,
        ..JobRegisterResponse::default()
    };
    Ok(written(call, index, &answer))
}

/// What the job asks for and does not get as the cluster is set now; empty: nothing.
pub(super) fn warnings(ctx: &Context, job: &Job) -> String {
    if ctx.state.root().scheduler.memory_oversubscription {
        return String::new();
    }
    let tasks = job.groups.iter().flat_map(|group| group.tasks.iter().map(move |task| (group, task)));
    let ignored: Vec<String> = tasks
        .filter(|(_, task)| task.resources.memory_max.is_some())
        .map(|(group, task)| {
            format!(
                "Memory oversubscription is not enabled: task \"{}.{}\" gets its memory and not its memory_max. \
                 Operators enable it with `operator scheduler set-config -memory-oversubscription=true`.",
                group.name, task.name
            )
        })
        .collect();
    match ignored.len() {
        0 => String::new(),
        1 => format!("1 warning:\n\n* {}", ignored[0]),
        count => format!("{count} warnings:\n\n* {}", ignored.join("\n* ")),
    }
}

pub(super) async fn deregister(ctx: &Context, call: &Call, id: &str) -> Answer {
    let purge = call.flag("purge")?;
    // There is one region: stopping in all of them is stopping in this one.
    call.flag("global")?;
    let at_once = call.flag("no_shutdown_delay")?;
    let priority = call.number("eval_priority")?;
    if priority.is_some_and(|priority| !(1..=100).contains(&priority)) {
        return Err(Failure::bad("eval priority must be between 1 and 100"));
    }
    let key = key(call, id);
    let root = ctx.state.root();
    let eval = root.jobs.get(&key).filter(|job| !job.only_launches()).map(|job| {
        let priority = priority.and_then(|priority| u16::try_from(priority).ok()).unwrap_or(job.priority);
        evaluation(ctx, key.clone(), job.kind, priority, Trigger::JobDeregister)
    });
    let eval_id = eval.as_ref().map(|eval| eval.id.to_string());
    let hurry = at_once.then(|| Command::SkipShutdownDelay { allocs: Vec::new(), job: Some(key.clone()) });
    let command = Command::DeregisterJob { job: key, purge, eval, now: ctx.clock.now() };
    let (index, outcome) = propose_after(ctx, hurry, command).await?;
    let mut answer = JobDeregisterResponse { index, ..JobDeregisterResponse::default() };
    if let Outcome::JobDeregistered { job_modify_index, existed } = outcome {
        answer.job_modify_index = job_modify_index;
        if existed && let Some(eval_id) = eval_id {
            answer.eval_id = eval_id;
            answer.eval_create_index = index;
        }
    }
    Ok(written(call, index, &answer))
}

/// Lets the scheduler look at the job again.
pub(super) async fn evaluate(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_write()?;
    let request: JobEvaluateRequest = call.json_or_default()?;
    if !request.job_id.is_empty() && request.job_id != id {
        return Err(Failure::bad("Job ID does not match"));
    }
    if request.eval_options.force_reschedule {
        return Err(Failure::absent("ForceReschedule is not supported"));
    }
    let key = key(call, id);
    let job = ctx.state.root().jobs.get(&key).cloned().ok_or_else(missing)?;
    if job.only_launches() {
        return Err(Failure::server(
            "can't evaluate periodic or parameterized job: what it launches is evaluated",
        ));
    }
    let mut eval = evaluation(ctx, key, job.kind, job.priority, Trigger::JobRegister);
    eval.job_index = job.job_modify_index;
    let eval_id = eval.id;
    let (index, _) = propose(ctx, Command::UpdateEvals { evals: vec![eval] }).await?;
    let answer = JobRegisterResponse {
        eval_id: eval_id.to_string(),
        eval_create_index: index,
        job_modify_index: job.job_modify_index,
        index,
        ..JobRegisterResponse::default()
    };
    Ok(written(call, index, &answer))
}

pub(super) fn parse(call: &Call) -> Answer {
    call.only_write()?;
    let request: JobsParseRequest = call.json()?;
    if request.job_hcl.is_empty() {
        return Err(Failure::bad("Job spec is empty"));
    }
    Ok(json(call, &api::Job::from(&spec::parse(&request)?)))
}

/// 200 also for a job that is not valid: the answer says so.
pub(super) fn validate(ctx: &Context, call: &Call) -> Answer {
    call.only_write()?;
    let request: JobValidateRequest = call.json()?;
    let Some(job) = request.job else { return Err(Failure::bad("Job must be specified")) };
    let (problems, warnings) = match read_job(ctx, call, job, &request.region, &request.namespace) {
        Ok(job) => (in_known_pool(ctx, &job).err().into_iter().collect(), warnings(ctx, &job)),
        Err(problems) => (problems, String::new()),
    };
    let error = if problems.is_empty() { String::new() } else { Failure::problems(&problems).text };
    let answer =
        JobValidateResponse { driver_config_validated: true, validation_errors: problems, error, warnings };
    Ok(json(call, &answer))
}

/// Forgets what is over, without waiting for it to age.
pub(super) async fn collect(ctx: &Context, call: &Call) -> Answer {
    if call.method != Method::PUT {
        return Err(Failure::method());
    }
    let (index, _) = propose(ctx, Command::Collect { before: ctx.clock.now() }).await?;
    Ok(HttpResponse::Ok().insert_header(("X-Nomad-Index", index.to_string())).finish())
}

/// Summaries are counted when they are asked for: there is nothing to repair.
pub(super) fn reconcile_summaries(call: &Call) -> Answer {
    if call.method != Method::PUT {
        return Err(Failure::method());
    }
    Ok(HttpResponse::Ok().finish())
}

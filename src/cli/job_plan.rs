//! `job plan`: what running a job file would change, and whether everything would find a place.

use std::collections::BTreeMap;

use api::{AllocListStub, DiffType, Job, JobPlanRequest, JobPlanResponse};
use model::Timestamp;

use super::{
    Context, Tool,
    client::{Client, element},
    diff_text::Painter,
    flags::{Flag, Flags, absent_switch, absent_text, ignored, switch},
    format::{duration, json},
    job_file,
    output::{Failure, Outcome},
    placement,
    table::Table,
    template::TEMPLATE,
};

pub(super) const FLAGS: &[Flag] = &[
    switch("diff", "Show what is different in the job. Default: true."),
    switch("json", "The file is JSON, as the HTTP API takes it."),
    switch("json-output", "Print the answer of the API as JSON."),
    switch("verbose", "Show also what is in groups and tasks that come or go."),
    ignored("vault-token"),
    TEMPLATE,
    absent_switch("hcl1"),
    absent_switch("policy-override"),
    absent_text("vault-namespace"),
    job_file::VAR,
    job_file::VAR_FILE,
    job_file::STRICT,
];

/// Exit code when running the job would create or destroy allocations.
const CHANGES: u8 = 1;

/// Beyond so many, allocations that give way are counted instead of listed; jobs likewise.
const LISTED: usize = 10;

pub(super) fn run(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let [path] = flags.args.as_slice() else {
        return Err(Failure::usage("This command takes one argument: <path>"));
    };
    let (job, warnings) = job_file::read_any(ctx, path, flags)?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let request = JobPlanRequest {
        region: job.region.clone(),
        namespace: job.namespace.clone(),
        job: Some(job.clone()),
        diff: flags.text("diff") != Some("false"),
        ..JobPlanRequest::default()
    };
    let mut plan: JobPlanResponse = client
        .put(&format!("/v1/job/{}/plan", element(&job.id)), &request)
        .map_err(|error| error.while_doing("during plan"))?;
    let warnings: Vec<String> =
        warnings.into_iter().chain([plan.warnings]).filter(|text| !text.is_empty()).collect();
    plan.warnings = warnings.join("\n");
    if flags.on("json-output") {
        ctx.output.line(json(&plan))?;
        return Ok(exit_code(&plan));
    }
    print(ctx, flags, &job, &plan)?;
    print_submission(ctx, flags, path, plan.job_modify_index)?;
    Ok(exit_code(&plan))
}

fn print(ctx: &mut Context<'_>, flags: &Flags, job: &Job, plan: &JobPlanResponse) -> Result<(), Failure> {
    if let Some(diff) = &plan.diff {
        let painter = Painter { color: ctx.output.color, verbose: flags.on("verbose") };
        ctx.output.line(format_args!("{}\n", painter.job(diff)))?;
    }
    ctx.output.heading("Scheduler dry-run:")?;
    ctx.output.line(format_args!("{}\n", dry_run(ctx, job, plan)))?;
    if !plan.warnings.is_empty() {
        ctx.output.warn(format_args!("Job Warnings:\n{}\n", plan.warnings))?;
    }
    let evicted = plan.annotations.as_ref().map_or(&[][..], |annotations| &annotations.preempted_allocs);
    if !evicted.is_empty() {
        ctx.output.heading("Preemptions:")?;
        ctx.output.line(format_args!("\n{}\n", preemptions(evicted)))?;
    }
    Ok(())
}

/// Whether all would be placed, and what else the scheduler has to say.
fn dry_run(ctx: &Context<'_>, job: &Job, plan: &JobPlanResponse) -> String {
    let mut lines = Vec::new();
    if plan.failed_tg_allocs.is_empty() {
        lines.push(String::from("- All tasks successfully allocated."));
    } else if job.kind == "system" {
        lines.push(String::from("- WARNING: Failed to place allocations on all nodes."));
    } else {
        lines.push(String::from("- WARNING: Failed to place all allocations."));
    }
    for (at, (group, metric)) in plan.failed_tg_allocs.iter().enumerate() {
        if at > 0 {
            lines.push(String::new());
        }
        lines.push(format!("  {}", placement::headline(group, metric)));
        lines.extend(placement::reasons(metric).into_iter().map(|reason| format!("    {reason}")));
    }
    let launch: Timestamp = plan.next_periodic_launch.0;
    if !launch.is_zero() && job.parameterized_job.is_none() {
        let wait = std::time::Duration::from_secs(launch.since((ctx.clock.now)()).as_secs());
        lines.push(format!(
            "- If submitted now, next periodic launch would be at {} ({} from now).",
            ctx.clock.absolute(launch),
            duration(wait)
        ));
    }
    lines.join("\n")
}

/// Who would give way: allocations, or how many per job, or how many per type of job.
fn preemptions(evicted: &[AllocListStub]) -> Table {
    if evicted.len() < LISTED {
        let mut table = Table::new(&["Alloc ID", "Job ID", "Task Group"]);
        for alloc in evicted {
            table.row([&alloc.id, &alloc.job_id, &alloc.task_group].map(String::as_str));
        }
        return table;
    }
    let mut jobs: BTreeMap<[&str; 3], usize> = BTreeMap::new();
    for alloc in evicted {
        *jobs.entry([&alloc.job_id, &alloc.namespace, &alloc.job_type]).or_default() += 1;
    }
    if jobs.len() < LISTED {
        let mut table = Table::new(&["Job ID", "Namespace", "Job Type", "Preemptions"]);
        for ([id, namespace, kind], count) in jobs {
            table.row([id, namespace, kind, &count.to_string()]);
        }
        return table;
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for ([_, _, kind], count) in jobs {
        *kinds.entry(kind).or_default() += count;
    }
    let mut table = Table::new(&["Job Type", "Preemptions"]);
    for (kind, count) in kinds {
        table.row([kind, &count.to_string()]);
    }
    table
}

/// How to run exactly what was planned.
fn print_submission(ctx: &mut Context<'_>, flags: &Flags, path: &str, index: u64) -> Result<(), Failure> {
    let mut again = String::new();
    if flags.on("json") {
        again += "-json ";
    }
    if let Some(namespace) = flags.text("namespace") {
        again += &format!("-namespace=\"{namespace}\" ");
    }
    let program = ctx.program.name();
    ctx.output.heading(&format!("Job Modify Index: {index}"))?;
    ctx.output.line(format_args!(
        "To submit the job with version verification run:\n\n\
         {program} job run -check-index {index} {again}{path}\n\n\
         When running the job with the check-index flag, the job will only be run if the\n\
         job modify index given matches the server-side version. If the index has\n\
         changed, another user has modified the job and the plan's results are\n\
         potentially invalid."
    ))
}

/// 1 if allocations would be created or destroyed, 0 if not.
fn exit_code(plan: &JobPlanResponse) -> u8 {
    if plan.diff.as_ref().is_some_and(|diff| diff.kind == DiffType::None) {
        return 0;
    }
    let groups = plan.annotations.iter().flat_map(|annotations| annotations.desired_tg_updates.values());
    let touched = |group: &api::request::DesiredUpdates| {
        group.stop + group.place + group.migrate + group.destructive_update + group.canary > 0
    };
    if groups.into_iter().any(touched) { CHANGES } else { 0 }
}

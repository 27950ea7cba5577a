//! `job action`: a command that the job has given a name.

use api::{Allocation, JobAction};

use super::{
    Context, Tool,
    alloc_exec::{ESCAPE, Ends, STDIN, TTY, hold},
    client::{Client, element},
    flags::{Flag, Flags, text},
    job_status,
    lookup::{self, Kind, Match},
    output::{Failure, Outcome},
};

pub(super) const FLAGS: &[Flag] = &[
    text("job", "id", "The job whose action it is. Default: that of -alloc."),
    text("group", "name", "The group whose task has the action."),
    text("task", "name", "The task that has the action."),
    text("alloc", "id", "Where to run it. Default: in the youngest allocation that runs."),
    STDIN,
    TTY,
    ESCAPE,
];

pub(super) fn run(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let [name] = flags.args.as_slice() else {
        return Err(Failure::usage("This command takes one argument: <action>"));
    };
    let ends = Ends::of(flags)?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let alloc: Option<Allocation> = match flags.text("alloc") {
        None => None,
        Some(id) => match lookup::find(&client, Kind::Alloc, id)? {
            Match::One(id) => Some(
                client
                    .get(&format!("/v1/allocation/{}", element(&id)), &[])
                    .map_err(|error| error.while_doing("querying allocation"))?,
            ),
            Match::Many(_) => {
                return Err(Failure::message(format!(
                    "Several allocations begin with \"{id}\": write more of it"
                )));
            }
        },
    };
    let job = match (flags.text("job"), &alloc) {
        (Some(job), _) => job_status::one_job(ctx, &client, job)?,
        (None, Some(alloc)) => alloc.job_id.clone(),
        (None, None) => return Err(Failure::usage("A job ID is required: -job=<id>")),
    };
    let path = format!("/v1/job/{}", element(&job));
    let actions: Vec<JobAction> = client
        .get(&format!("{path}/actions"), &[])
        .map_err(|error| error.while_doing("querying job actions"))?;
    let group = flags.text("group").or(alloc.as_ref().map(|alloc| alloc.task_group.as_str()));
    let fits = |action: &&JobAction| {
        action.name == *name
            && group.is_none_or(|group| action.task_group_name == group)
            && flags.text("task").is_none_or(|task| action.task_name == task)
    };
    let found: Vec<&JobAction> = actions.iter().filter(fits).collect();
    let action = match found.as_slice() {
        [action] => *action,
        [] => return Err(Failure::message(format!("Action \"{name}\" not found in job \"{job}\""))),
        several => {
            let list: Vec<String> =
                several.iter().map(|it| format!("  * {} {}", it.task_group_name, it.task_name)).collect();
            return Err(Failure::message(format!(
                "Several tasks have an action \"{name}\":\n{}\n\nPlease specify -group and -task.",
                list.join("\n")
            )));
        }
    };
    let mut query = vec![
        ("action", action.name.as_str()),
        ("group", action.task_group_name.as_str()),
        ("task", action.task_name.as_str()),
    ];
    query.extend(alloc.as_ref().map(|alloc| ("allocID", alloc.id.as_str())));
    hold(ctx, &client, &format!("{path}/action"), &query, &ends)
}

//! `alloc logs`: what a task has written to its two streams.

use std::time::Duration;

use api::{AllocListStub, Allocation};

use super::{
    Context, Tool,
    client::{Client, Event, element},
    flags::{Flag, Flags, number, switch, text},
    job_status::allocs_table,
    lookup::{self, Kind, Match},
    output::{Failure, Outcome},
};

pub(super) const FLAGS: &[Flag] = &[
    switch("stderr", "Show standard error instead of standard output."),
    switch("stdout", "Show standard output (as without flags)."),
    switch("f", "Keep showing what is written; of both streams where none is named."),
    switch("tail", "Show the end only: 10 lines, or what -n and -c say."),
    number("n", "Lines from the end."),
    number("c", "Bytes from the end."),
    switch("job", "The argument is a job: show one of its running allocations."),
    text("task", "name", "The task; may also be given after the allocation."),
    text("group", "name", "With -job: an allocation of that group."),
    switch("verbose", "Full ids."),
];

/// Lines shown by `-tail`.
const TAIL_LINES: u64 = 10;

/// Bytes that a line is assumed to take when looking for the last ones.
const BYTES_PER_LINE: u64 = 120;

/// How long the end of a log may take to arrive before it is shown while following.
const SETTLE: Duration = Duration::from_millis(500);

pub(super) fn run(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let (id, task) = match flags.args.as_slice() {
        [] if flags.on("job") => return Err(Failure::usage("A job ID is required")),
        [id] => (id, flags.text("task")),
        [id, task] => (id, Some(task.as_str())),
        _ => {
            return Err(Failure::usage("This command takes one or two arguments: <allocation id> [<task>]"));
        }
    };
    if flags.number("n").is_some() && flags.number("c").is_some() {
        return Err(Failure::message("Both -n and -c are not allowed"));
    }
    if flags.on("stderr") && flags.on("stdout") {
        return Err(Failure::message("Both -stderr and -stdout are not allowed"));
    }
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let Some(alloc_id) = find_alloc(ctx, &client, id, flags)? else { return Ok(1) };
    let alloc: Allocation = client
        .get(&format!("/v1/allocation/{}", element(&alloc_id)), &[])
        .map_err(|error| error.while_doing("querying allocation"))?;
    let task = choose_task(&alloc, task)?;
    show(ctx, &client, &alloc.id, &task, flags)
}

/// The allocation meant, or nothing after saying which ones there are.
pub(super) fn find_alloc(
    ctx: &mut Context<'_>,
    client: &Client,
    id: &str,
    flags: &Flags,
) -> Result<Option<String>, Failure> {
    if flags.on("job") {
        return alloc_of_job(client, id, flags.text("group")).map(Some);
    }
    if id.chars().count() < 2 {
        return Err(Failure::message("Alloc ID must contain at least two characters."));
    }
    match lookup::find(client, Kind::Alloc, id)? {
        Match::One(id) => Ok(Some(id)),
        Match::Many(_) => {
            let allocs: Vec<AllocListStub> = client
                .get("/v1/allocations", &[("prefix", id)])
                .map_err(|error| error.while_doing("querying allocations"))?;
            let table = allocs_table(ctx, &allocs, flags.on("verbose"));
            ctx.output.error(format_args!("Prefix matched multiple allocations\n\n{table}"))?;
            Ok(None)
        }
    }
}

/// The youngest running allocation of a job, else the youngest.
fn alloc_of_job(client: &Client, job: &str, group: Option<&str>) -> Result<String, Failure> {
    let allocs: Vec<AllocListStub> = client
        .get(&format!("/v1/job/{}/allocations", element(job)), &[])
        .map_err(|error| error.while_doing("querying job allocations"))?;
    allocs
        .into_iter()
        .filter(|alloc| group.is_none_or(|group| alloc.task_group == group))
        .max_by_key(|alloc| (alloc.client_status == "running", alloc.create_index))
        .map(|alloc| alloc.id)
        .ok_or_else(|| Failure::message(format!("No allocations for job \"{job}\" found")))
}

pub(super) fn choose_task(alloc: &Allocation, wanted: Option<&str>) -> Result<String, Failure> {
    let group = alloc
        .job
        .as_ref()
        .and_then(|job| job.task_groups.iter().find(|group| group.name == alloc.task_group));
    let mut tasks: Vec<&str> = match group {
        Some(group) => group.tasks.iter().map(|task| task.name.as_str()).collect(),
        None => alloc.task_states.keys().map(String::as_str).collect(),
    };
    match (wanted, tasks.as_slice()) {
        (Some(wanted), tasks) if tasks.contains(&wanted) || tasks.is_empty() => Ok(wanted.to_owned()),
        (Some(wanted), _) => {
            Err(Failure::message(format!("Failed to validate task: Could not find task named: {wanted}")))
        }
        (None, [task]) => Ok((*task).to_owned()),
        (None, _) => {
            tasks.sort_unstable();
            let list: Vec<String> = tasks.iter().map(|task| format!("  * {task}")).collect();
            Err(Failure::message(format!(
                "Failed to validate task: Allocation \"{}\" is running the following tasks:\n{}\n\nPlease specify the task.",
                super::format::short(&alloc.id, false),
                list.join("\n")
            )))
        }
    }
}

fn show(ctx: &mut Context<'_>, client: &Client, alloc: &str, task: &str, flags: &Flags) -> Outcome {
    let follow = flags.on("f");
    let kinds: &[&str] = match (flags.on("stderr"), flags.on("stdout"), follow) {
        (true, _, _) => &["stderr"],
        (_, false, true) => &["stdout", "stderr"],
        _ => &["stdout"],
    };
    let path = format!("/v1/client/fs/logs/{}", element(alloc));
    let query = |kind: &str| {
        [("task", task), ("type", kind), ("follow", if follow { "true" } else { "false" }), ("plain", "true")]
            .map(|(key, value)| (key, value.to_owned()))
            .to_vec()
    };
    let requests = kinds.iter().map(|kind| (path.clone(), query(kind))).collect();
    pour(ctx, client, requests, flags)
}

/// Paths and what is asked of them.
type Requests = Vec<(String, Vec<(&'static str, String)>)>;

/// Shows streams as they come: their ends only, where `-tail`, `-n` or `-c` say so.
pub(super) fn pour(ctx: &mut Context<'_>, client: &Client, requests: Requests, flags: &Flags) -> Outcome {
    let (end, follow) = (End::of(flags), flags.on("f"));
    let requests: Vec<(&str, Vec<(&str, String)>)> = requests
        .iter()
        .map(|(path, query)| {
            let mut query = query.clone();
            match &end {
                Some(end) => {
                    query.push(("origin", String::from("end")));
                    query.push(("offset", end.offset().to_string()));
                }
                None => query.push(("origin", String::from("start"))),
            }
            (path.as_str(), query)
        })
        .collect();
    // While the end is being looked for, each stream's bytes wait here.
    let mut waiting: Option<Vec<Vec<u8>>> =
        end.as_ref().and_then(End::lines).map(|_| vec![Vec::new(); requests.len()]);
    let lines = end.as_ref().and_then(End::lines).unwrap_or(0);
    let output = &mut ctx.output;
    client.stream(&requests, SETTLE, |event| {
        match (event, &mut waiting) {
            (Event::Bytes(number, piece), Some(held)) => held[number].extend_from_slice(&piece),
            (Event::Bytes(_, piece), None) => output.bytes(&piece)?,
            (Event::Idle, Some(held)) if follow => {
                for bytes in held.iter() {
                    output.bytes(last_lines(bytes, lines))?;
                }
                waiting = None;
            }
            (Event::Idle, _) => {}
        }
        Ok(())
    })?;
    for bytes in waiting.into_iter().flatten() {
        ctx.output.bytes(last_lines(&bytes, lines))?;
    }
    Ok(0)
}

/// The last lines of one stream of a task; nothing where they cannot be had.
pub(super) fn last_lines_of(client: &Client, alloc: &str, task: &str, kind: &str, count: usize) -> String {
    let path = format!("/v1/client/fs/logs/{}", element(alloc));
    let count = count as u64;
    let query = vec![
        ("task", task.to_owned()),
        ("type", kind.to_owned()),
        ("follow", String::from("false")),
        ("plain", String::from("true")),
        ("origin", String::from("end")),
        ("offset", (count * BYTES_PER_LINE).to_string()),
    ];
    let mut bytes = Vec::new();
    let read = client.stream(&[(&path, query)], SETTLE, |event| {
        if let Event::Bytes(_, piece) = event {
            bytes.extend_from_slice(&piece);
        }
        Ok(())
    });
    if read.is_err() {
        return String::new();
    }
    String::from_utf8_lossy(last_lines(&bytes, count)).into_owned()
}

/// How much of the end was asked for.
enum End {
    Lines(u64),
    Bytes(u64),
}

impl End {
    fn of(flags: &Flags) -> Option<Self> {
        if let Some(count) = flags.number("c") {
            return Some(Self::Bytes(count));
        }
        match flags.number("n") {
            Some(count) => Some(Self::Lines(count)),
            None => flags.on("tail").then_some(Self::Lines(TAIL_LINES)),
        }
    }

    fn offset(&self) -> u64 {
        match self {
            Self::Lines(count) => count.saturating_mul(BYTES_PER_LINE),
            Self::Bytes(count) => *count,
        }
    }

    fn lines(&self) -> Option<u64> {
        match self {
            Self::Lines(count) => Some(*count),
            Self::Bytes(_) => None,
        }
    }
}

/// The last lines of a text; a last line without its end counts, too.
pub(super) fn last_lines(bytes: &[u8], count: u64) -> &[u8] {
    if count == 0 {
        return &[];
    }
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let mut ends = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    let from = usize::try_from(count - 1).ok().and_then(|skip| ends.nth(skip)).map_or(0, |at| at + 1);
    &bytes[from..]
}

#[cfg(test)]
mod tests {
    use super::last_lines;

    #[test]
    fn the_last_lines_are_found() {
        for (text, count, expected) in [
            ("a\nb\nc\n", 2, "b\nc\n"),
            ("a\nb\nc", 2, "b\nc"),
            ("a\nb\nc\n", 9, "a\nb\nc\n"),
            ("a\n\n", 1, "\n"),
            ("a\n", 0, ""),
            ("", 3, ""),
        ] {
            assert_eq!(last_lines(text.as_bytes(), count), expected.as_bytes(), "{text:?} {count}");
        }
    }
}

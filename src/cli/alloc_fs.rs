//! `alloc fs`: the files of an allocation.

use api::AllocFileInfo;

use super::{
    Context, Tool,
    alloc_logs::{find_alloc, last_lines, pour},
    client::{Client, element},
    flags::{Flag, Flags, number, switch, text},
    format::bytes,
    output::{Failure, Outcome},
    table::Table,
};

pub(super) const FLAGS: &[Flag] = &[
    switch("H", "Sizes in bytes."),
    switch("stat", "Show what is known of the file, not what is in it."),
    switch("f", "Keep showing what is written."),
    switch("tail", "Show the end only: 10 lines, or what -n and -c say."),
    number("n", "Lines from the end."),
    number("c", "Bytes from the end."),
    switch("job", "The argument is a job: look at one of its running allocations."),
    text("group", "name", "With -job: an allocation of that group."),
    switch("verbose", "Full ids."),
];

/// Lines shown by `-tail`.
const TAIL_LINES: u64 = 10;
/// What is read at most when looking for the last lines.
const TAIL_BYTES: u64 = 1024 * 1024;

pub(super) fn run(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let (id, path) = match flags.args.as_slice() {
        [] => return Err(Failure::usage("This command takes one or two arguments: <allocation> [<path>]")),
        [id] => (id, "/"),
        [id, path] => (id, path.as_str()),
        _ => return Err(Failure::usage("This command takes one or two arguments: <allocation> [<path>]")),
    };
    if flags.number("n").is_some() && flags.number("c").is_some() {
        return Err(Failure::message("Both -n and -c are not allowed"));
    }
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let Some(alloc) = find_alloc(ctx, &client, id, flags)? else { return Ok(1) };
    let alloc = element(&alloc);
    let info: AllocFileInfo = client
        .get(&format!("/v1/client/fs/stat/{alloc}"), &[("path", path)])
        .map_err(|error| error.while_doing("getting file info"))?;
    if flags.on("stat") {
        let mut table = Table::new(&["Mode", "Size", "Modified Time", "Content Type", "Name"]);
        let mut row = row(ctx, &info, flags);
        row.insert(3, info.content_type.clone());
        table.row(row);
        ctx.output.line(table)?;
        return Ok(0);
    }
    if info.is_dir {
        let files: Vec<AllocFileInfo> = client
            .get(&format!("/v1/client/fs/ls/{alloc}"), &[("path", path)])
            .map_err(|error| error.while_doing("listing alloc dir"))?;
        let mut table = Table::new(&["Mode", "Size", "Modified Time", "Name"]);
        for file in &files {
            table.row(row(ctx, file, flags));
        }
        ctx.output.line(table)?;
        return Ok(0);
    }
    content(ctx, &client, &alloc, path, &info, flags)
}

fn row(ctx: &Context<'_>, info: &AllocFileInfo, flags: &Flags) -> Vec<String> {
    let size = if flags.on("H") { info.size.to_string() } else { bytes(info.size) };
    let name = if info.is_dir { format!("{}/", info.name.trim_end_matches('/')) } else { info.name.clone() };
    vec![info.file_mode.clone(), size, ctx.clock.absolute(info.mod_time.0), name]
}

fn content(
    ctx: &mut Context<'_>,
    client: &Client,
    alloc: &str,
    path: &str,
    info: &AllocFileInfo,
    flags: &Flags,
) -> Outcome {
    if flags.on("f") {
        let query = [("path", path), ("follow", "true"), ("plain", "true")];
        let query = query.map(|(key, value)| (key, value.to_owned())).to_vec();
        return pour(ctx, client, vec![(format!("/v1/client/fs/stream/{alloc}"), query)], flags);
    }
    let (lines, count) = (flags.number("n"), flags.number("c"));
    if !flags.on("tail") && lines.is_none() && count.is_none() {
        let output = &mut *ctx.output.out;
        client
            .download(&format!("/v1/client/fs/cat/{alloc}"), &[("path", path)], output)
            .map_err(|error| error.while_doing("reading file"))??;
        return Ok(0);
    }
    let wanted = count.unwrap_or(TAIL_BYTES);
    let offset = info.size.saturating_sub(wanted).to_string();
    let mut end = Vec::new();
    client
        .download(&format!("/v1/client/fs/readat/{alloc}"), &[("path", path), ("offset", &offset)], &mut end)
        .map_err(|error| error.while_doing("reading file"))??;
    let shown = if count.is_some() { end.as_slice() } else { last_lines(&end, lines.unwrap_or(TAIL_LINES)) };
    ctx.output.bytes(shown)?;
    Ok(0)
}

//! `alloc checks`: how the checks of an allocation's services went last.

use std::collections::BTreeMap;

use api::CheckResult;
use model::Timestamp;

use super::{
    Context, Tool,
    alloc_logs::find_alloc,
    client::{Client, element},
    flags::{Flag, Flags, switch},
    format::json,
    output::{Failure, Outcome},
    table::Block,
    template::TEMPLATE,
};

pub(super) const FLAGS: &[Flag] = &[switch("json", "Print JSON."), switch("verbose", "Full ids."), TEMPLATE];

pub(super) fn run(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let [id] = flags.args.as_slice() else {
        return Err(Failure::usage("This command takes one argument: <alloc-id>"));
    };
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let Some(alloc) = find_alloc(ctx, &client, id, flags)? else { return Ok(1) };
    let checks: BTreeMap<String, CheckResult> = client
        .get(&format!("/v1/allocation/{}/checks", element(&alloc)), &[])
        .map_err(|error| error.while_doing("querying allocation checks"))?;
    if flags.on("json") {
        ctx.output.line(json(&checks))?;
        return Ok(0);
    }
    let count = checks.len();
    ctx.output.line(format_args!("Status of {count} Nomad Service Checks"))?;
    let mut checks: Vec<CheckResult> = checks.into_values().collect();
    checks.sort_by(|a, b| (&a.task, &a.service, &a.check).cmp(&(&b.task, &b.service, &b.check)));
    for check in &checks {
        let mut block = Block::new();
        let time = Timestamp::from_secs(check.timestamp);
        block
            .row("ID", super::format::short(&check.id, flags.on("verbose")))
            .row("Name", &check.check)
            .row("Group", &check.group)
            .row("Task", if check.task.is_empty() { "(group)" } else { &check.task })
            .row("Service", &check.service)
            .row("Status", &check.status);
        if check.status_code > 0 {
            block.row("StatusCode", check.status_code);
        }
        block
            .row("Mode", &check.mode)
            .row("Timestamp", ctx.clock.absolute(time))
            .row("Output", check.output.trim_end());
        ctx.output.line(format_args!("\n{block}"))?;
    }
    Ok(0)
}

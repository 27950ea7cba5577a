//! `monitor`: the log of an agent as it is written.

use std::time::Duration;

use super::{
    Context, Tool,
    client::{Client, Event},
    flags::{Flag, Flags, absent_switch, switch, text},
    lookup::{self, Kind, Match},
    output::{Failure, Outcome},
};

pub(super) const FLAGS: &[Flag] = &[
    text("log-level", "level", "error, warn, info, debug or trace. Default: info."),
    text("node-id", "id", "The log of that client."),
    text("server-id", "name", "The log of that server; leader: of the one that leads."),
    switch("json", "Lines as JSON."),
    absent_switch("log-include-location"),
];

pub(super) fn run(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    if !flags.args.is_empty() {
        return Err(Failure::usage("This command takes no arguments"));
    }
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let mut query = vec![("plain", String::from("true"))];
    query.extend(flags.text("log-level").map(|level| ("log_level", level.to_owned())));
    query.extend(flags.text("server-id").map(|id| ("server_id", id.to_owned())));
    if flags.on("json") {
        query.push(("log_json", String::from("true")));
    }
    if let Some(id) = flags.text("node-id") {
        match lookup::find(&client, Kind::Node, id)? {
            Match::One(id) => query.push(("node_id", id)),
            Match::Many(_) => {
                return Err(Failure::message(format!("Several nodes begin with \"{id}\": write more of it")));
            }
        }
    }
    let output = &mut ctx.output;
    client.stream(&[("/v1/agent/monitor", query)], Duration::from_secs(60), |event| match event {
        Event::Bytes(_, bytes) => output.bytes(&bytes),
        Event::Idle => Ok(()),
    })?;
    Ok(0)
}

//! The commands against a canned agent: what they print, where, and how they end.

mod cluster; // servers, drains, and Consul's commands for both
mod compatibility; // docs/compatibility.md
mod dispatch; // names, help, exit codes, addresses
mod explain; // explain: codes, jobs, allocations, evaluations
mod fake; // the canned agent
mod files; // job files: example, mistakes, what is sent
mod fixtures; // the redis job of the tutorials as the API shows it
mod lists; // filters, pages, services, policies, texts and names of versions, fmt
mod jobs; // run, stop, status, monitor
mod pools; // node pool
mod plans; // plan, history, revert, deployments by hand
mod nodes; // nodes, servers, Consul's commands
mod tasks; // alloc status, logs
mod template; // -t
mod what_if; // predictions and saved states

use std::{collections::BTreeMap, time::Duration};

use model::Timestamp;

use self::fake::Fake;
use super::{
    Context, Output, Program,
    format::{Clock, Zone},
};

/// What a command did.
#[derive(Debug)]
struct Ran {
    code: u8,
    out: String,
    err: String,
}

impl Ran {
    /// For snapshots.
    fn text(&self) -> String {
        let mut text = self.out.clone();
        if !self.err.is_empty() {
            text += &format!("--- stderr\n{}", self.err);
        }
        format!("{text}--- exit {}", self.code)
    }
}

/// Runs a command line under a name, with these variables and this on standard input.
fn run_as(name: &str, env: &[(&str, &str)], input: &str, line: &[&str]) -> Ran {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut input = input.as_bytes();
    let mut ctx = Context {
        program: Program::of(name),
        env: env
            .iter()
            .map(|(name, value)| (String::from(*name), String::from(*value)))
            .collect::<BTreeMap<_, _>>(),
        output: Output { out: &mut out, err: &mut err, color: false, terminal: false },
        input: &mut input,
        clock: Clock { now: || Timestamp::from_secs(fixtures::NOW), zone: Zone::Utc },
        poll: Duration::from_millis(20),
        agent: None,
        simulate: None,
        predict: None,
        validate: |_| Ok(Vec::new()),
        recover: |_| Ok(String::from("recovered")),
    };
    let args: Vec<String> = line.iter().map(|&arg| arg.to_owned()).collect();
    let code = ctx.dispatch(&args);
    Ran { code, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

/// Runs a command line of `nomad` against a canned agent.
fn nomad(fake: &Fake, line: &[&str]) -> Ran {
    run_as("nomad", &[("NOMAD_ADDR", &fake.address)], "", line)
}

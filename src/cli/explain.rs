//! `explain`: what an error code means, or why a job, an allocation or an evaluation is as it is.
//!
//! Three steps, each in files of its own: find what is meant, fetch the facts, put them into words. Only the middle one
//! asks the agent; the words are pure functions of the facts and the time.

mod find; // from what was typed to a code, a job, an allocation or an evaluation

mod facts; // what is known of each
mod fetch; // facts from the HTTP API
mod room; // which node comes closest to having room

mod page; // sections of lines
mod words; // triggers, descriptions, counts in words
mod refusal; // why a group found no place
mod waiting; // what an evaluation waits for
mod scores; // why a node was chosen
mod job; // facts of a job -> page
mod group; // ... of one group: what is wanted, what runs
mod failed; // ... of its failed allocations
mod alloc; // facts of an allocation -> page
mod life; // ... where it came from, why it ended, what follows
mod eval; // facts of an evaluation -> page

#[cfg(test)]
mod tests;

use serde::Serialize;

use self::{find::Subject, page::Page};
use super::{
    Context, Tool,
    client::Client,
    flags::{Flag, Flags, switch},
    format::json,
    output::{Failure, Outcome},
};

pub(super) const FLAGS: &[Flag] =
    &[switch("json", "Print one JSON object: the facts, and what is said about them.")];

/// The facts and the words, as `-json` prints them.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Explained<'a, F> {
    kind: &'static str,
    #[serde(rename = "ID")]
    id: &'a str,
    facts: &'a F,
    explanation: &'a Page,
}

pub(super) fn run(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let [subject] = flags.args.as_slice() else {
        return Err(Failure::usage("This command takes one argument: <code|job|alloc|eval>"));
    };
    if find::is_code(subject) {
        return code(ctx, flags, subject);
    }
    let client = Client::new(ctx, flags, Tool::Own)?;
    let clock = ctx.clock;
    match find::find(&client, subject)? {
        Subject::Job(id) => {
            let facts = fetch::job(&client, &id)?;
            let page = job::page(&facts, clock);
            show(ctx, flags, &Explained { kind: "job", id: &id, facts: &facts, explanation: &page })
        }
        Subject::Alloc(id) => {
            let facts = fetch::alloc(&client, &id)?;
            let page = alloc::page(&facts, clock);
            show(ctx, flags, &Explained { kind: "allocation", id: &id, facts: &facts, explanation: &page })
        }
        Subject::Eval(id) => {
            let facts = fetch::eval(&client, &id)?;
            let page = eval::page(&facts, clock);
            show(ctx, flags, &Explained { kind: "evaluation", id: &id, facts: &facts, explanation: &page })
        }
    }
}

fn show<F: Serialize>(ctx: &mut Context<'_>, flags: &Flags, explained: &Explained<'_, F>) -> Outcome {
    if flags.on("json") {
        ctx.output.line(json(explained))?;
        return Ok(0);
    }
    for section in &explained.explanation.sections {
        if !section.title.is_empty() {
            ctx.output.section(&section.title)?;
        }
        for line in &section.lines {
            ctx.output.line(line)?;
        }
    }
    Ok(0)
}

/// Explains an error code.
fn code(ctx: &mut Context<'_>, flags: &Flags, code: &str) -> Outcome {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Coded<'a> {
        kind: &'static str,
        #[serde(rename = "ID")]
        id: &'a str,
        explanation: &'a str,
    }
    let code = code.trim().to_uppercase();
    let Some(page) = jobspec::explain(&code) else {
        return Err(Failure::message(format!("No error has the code \"{code}\"")));
    };
    if flags.on("json") {
        ctx.output.line(json(&Coded { kind: "code", id: &code, explanation: page.trim_end() }))?;
    } else {
        ctx.output.line(page.trim_end())?;
    }
    Ok(0)
}

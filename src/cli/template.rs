//! `-t`: what a command shows with `-json`, through a Go template instead.
//!
//! The command runs as if asked for JSON, so every command that prints JSON has `-t` by naming `TEMPLATE` among its flags.

use gotemplate::{Delimiters, Limits, NoFunctions, Template, Value};

use super::{
    Context,
    commands::Command,
    flags::{Flag, Flags, text},
    output::{Failure, Outcome, Output},
};

/// Among the flags of commands that print JSON.
pub(super) const TEMPLATE: Flag = text("t", "template", "Print what -json shows with this Go template.");

/// Runs a command with `-t`; its exit code stays what it is.
pub(super) fn run(ctx: &mut Context<'_>, command: &Command, mut flags: Flags, template: &str) -> Outcome {
    let names = || command.flags.iter().flat_map(|flags| flags.iter()).map(|flag| flag.name);
    // `-json` says of `job plan` what its file is.
    let switch = names().find(|name| *name == "json-output").unwrap_or("json");
    if flags.on(switch) {
        return Err(Failure::message("Both json and template formatting are not allowed"));
    }
    if template.is_empty() {
        return Err(Failure::message(
            "-t wants a template, such as '{{.ID}}' or '{{range .}}{{.ID}} {{end}}'",
        ));
    }
    let template = Template::parse(template, &Delimiters::default(), &NoFunctions::check)
        .map_err(|error| Failure::message(format!("Error reading the template of -t: {error}")))?;
    flags.turn_on(switch);
    let mut printed = Vec::new();
    let code = {
        let mut inner = Context {
            program: ctx.program,
            env: ctx.env.clone(),
            output: Output { out: &mut printed, err: &mut *ctx.output.err, color: false, terminal: false },
            input: &mut *ctx.input,
            clock: ctx.clock,
            poll: ctx.poll,
            agent: None,
            simulate: None,
            predict: None,
            validate: ctx.validate,
            recover: ctx.recover,
        };
        (command.run)(&mut inner, &flags)?
    };
    let Ok(mut json) = serde_json::from_slice::<serde_json::Value>(&printed) else {
        // Words instead of data, such as that there is nothing.
        ctx.output.bytes(&printed)?;
        return Ok(code);
    };
    // `job inspect` wraps its JSON so that it can be registered again; templates name the job's own fields.
    if command.name == "job inspect"
        && let Some(job) = json.get_mut("Job")
    {
        json = job.take();
    }
    let text = template
        .render(&Value::from(json), &mut NoFunctions, &Limits::default())
        .map_err(|error| Failure::message(format!("Error formatting with the template of -t: {error}")))?;
    ctx.output.line(text)?;
    Ok(code)
}

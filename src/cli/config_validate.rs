//! `config validate`, and `validate` of consul: the checks that an agent makes when it starts, without starting one.

use std::path::PathBuf;

use super::{
    Context,
    agent_args::{AgentArgs, StartedAs},
    flags::{Flag, Flags, ignored, switch},
    output::{Failure, Outcome},
};

pub(super) const FLAGS: &[Flag] = &[];

pub(super) const CONSUL_FLAGS: &[Flag] =
    &[switch("quiet", "Print nothing when the configuration is valid."), ignored("config-format")];

pub(super) fn config(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let Some(warnings) = check(ctx, flags, StartedAs::Nomad)? else {
        ctx.output.error("Configuration is invalid")?;
        return Ok(1);
    };
    for warning in warnings {
        ctx.output.error(format_args!("WARNING: {warning}"))?;
    }
    ctx.output.line("Configuration is valid!")?;
    Ok(0)
}

pub(super) fn consul(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let Some(warnings) = check(ctx, flags, StartedAs::Consul)? else {
        ctx.output.error("Config validation failed")?;
        return Ok(1);
    };
    if !flags.on("quiet") {
        for warning in warnings {
            ctx.output.error(format_args!("WARNING: {warning}"))?;
        }
        ctx.output.line("Configuration is valid!")?;
    }
    Ok(0)
}

/// What is odd about the files, or `None` when they are wrong; what is wrong was printed.
fn check(
    ctx: &mut Context<'_>,
    flags: &Flags,
    started_as: StartedAs,
) -> Result<Option<Vec<String>>, Failure> {
    if flags.args.is_empty() {
        return Err(Failure::usage("This command takes at least one argument: <path>"));
    }
    let config = flags.args.iter().map(PathBuf::from).collect();
    match (ctx.validate)(&AgentArgs { started_as, config, ..AgentArgs::default() }) {
        Ok(warnings) => Ok(Some(warnings)),
        Err(problems) => {
            for problem in problems {
                ctx.output.error(problem)?;
            }
            Ok(None)
        }
    }
}

//! The command line: parses, asks the HTTP API, prints. No decisions about jobs are made here.
//!
//! The name the binary runs under chooses the commands: `nomad` and `consul` behave as those tools do, `troupe` offers
//! both.

mod absent; // commands that are not there yet
mod commands; // the table of commands: names, flags, help, functions
mod find; // from words to a command
mod help; // what -h prints

mod agent_args; // flags of `agent`
mod consul_agent_args; // flags of `consul agent`
mod flags; // how flags are read
mod format; // times, sizes, ids
mod output; // where commands write, and how they fail
mod table; // tables and key/value blocks

mod client; // HTTP
mod lookup; // from what the user typed to one thing
mod monitor; // follows an evaluation
mod rollout; // follows a deployment
mod pages; // lists in pages
mod placement; // why allocations were not placed
mod diff_text; // differences of jobs

mod agent_info; // agent-info, node config, system gc
mod alloc_act; // alloc stop, restart, signal
mod agent_monitor; // monitor
mod alloc_checks; // alloc checks
mod alloc_exec; // alloc exec
mod alloc_fs; // alloc fs
mod alloc_logs; // logs, alloc logs
mod alloc_status; // alloc status
mod raft_recover; // operator raft recover
mod config_validate; // config validate, consul validate
mod consul; // members, catalog, info
mod consul_cluster; // Consul's join, leave, force-leave, operator
mod deployment; // deployment list, deployment status
mod deployment_write; // deployment promote, fail, pause, resume; job promote
mod eval; // eval list, eval status
mod eval_delete; // eval delete
mod fmt; // fmt
mod explain; // explain: error codes, and why things are as they are
mod job_action; // job action
mod job_children; // jobs that launch others, in `job status`
mod job_disk; // files that job files name
mod job_file; // job init, job validate
mod job_launch; // dispatch, periodic force
mod job_lists; // job deployments, job allocs
mod job_plan; // job plan
mod job_read; // job inspect, job history
mod job_restart; // job restart
mod job_revert; // job revert
mod job_run; // job run
mod job_scale; // job scale, job start
mod job_status; // job status: the list and one job
mod job_tag; // job tag
mod job_stop; // job stop, job eval
mod node_drain; // node drain, node eligibility
mod node_meta; // node meta
mod node_pool; // node pool
mod pool_file; // the file that describes a pool of nodes
mod node_status; // node status: the list and one node
mod operator; // operator raft, autopilot
mod operator_api; // operator api
mod scaling; // scaling policy, job scaling-events
mod scheduler; // operator scheduler
mod service; // service list, service info
mod sim; // sim
mod snapshot; // operator snapshot
mod what_if; // sim -from
mod server; // server members, join, force-leave, version
mod status; // status: whatever the id belongs to
mod template; // -t: Go templates over JSON
mod terminal; // the terminal of the person who types

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt::Display,
    io::{self, IsTerminal, Read},
    path::Path,
    process::ExitCode,
    time::Duration,
};

pub use agent_args::{AgentArgs, StartedAs};
pub use output::Output;
pub use raft_recover::RecoverArgs;
pub use sim::SimArgs;
pub use what_if::{Source, WhatIfArgs, reasons};

use self::{
    commands::Command,
    find::Found,
    flags::Flags,
    format::Clock,
    output::{Failure, Outcome},
};

/// What the binary does besides asking an agent: connected in `program.rs`.
#[derive(Debug, Clone, Copy)]
pub struct Hooks {
    /// Runs an agent until it is told to stop.
    pub agent: fn(AgentArgs) -> ExitCode,
    /// Checks configuration files; what is odd comes back, or all that is wrong.
    pub validate: fn(&AgentArgs) -> Result<Vec<String>, Vec<String>>,
    /// Begins a cluster again with the servers that are left; says what was done, or what is wrong.
    pub recover: fn(&RecoverArgs) -> Result<String, String>,
    /// Runs a cluster with simulated nodes and prints figures.
    pub simulate: fn(SimArgs) -> ExitCode,
    /// Predicts what would happen to a cluster and prints it.
    pub predict: fn(WhatIfArgs) -> ExitCode,
    /// Runs the small process that holds a task's pipes and keeps its exit status, in that directory.
    pub supervise: fn(&Path) -> ExitCode,
    /// Becomes a program, after what no process can do to another one: `[options] -- <program> [<args>...]`.
    pub attend: fn(&[OsString]) -> ExitCode,
}

/// Exit code for "no such command", as for shells.
const UNKNOWN_COMMAND: u8 = 127;

/// Runs a command line; the first argument is the name under which the binary was started.
pub fn run(argv: impl IntoIterator<Item = OsString>, hooks: Hooks) -> ExitCode {
    let argv: Vec<OsString> = argv.into_iter().collect();
    // Started by agents, never by people: `attend ...`, `supervise <dir>`.
    if let [_, word, rest @ ..] = argv.as_slice()
        && word == "attend"
    {
        return (hooks.attend)(rest);
    }
    if let [_, word, dir] = argv.as_slice()
        && word == "supervise"
    {
        return (hooks.supervise)(Path::new(dir));
    }
    let argv: Vec<String> = argv.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let env: BTreeMap<String, String> = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    let (mut out, mut err, mut input) = (io::stdout(), io::stderr(), io::stdin());
    let plain = env.contains_key("NOMAD_CLI_NO_COLOR") || env.contains_key("NO_COLOR");
    let terminal = out.is_terminal();
    let color = !plain && (terminal || env.contains_key("NOMAD_CLI_FORCE_COLOR"));
    let mut ctx = Context {
        program: Program::of(argv.first().map_or("", String::as_str)),
        env,
        output: Output { out: &mut out, err: &mut err, color, terminal },
        input: &mut input,
        clock: Clock::system(),
        poll: Duration::from_secs(1),
        agent: None,
        simulate: None,
        predict: None,
        validate: hooks.validate,
        recover: hooks.recover,
    };
    let code = ctx.dispatch(argv.get(1..).unwrap_or_default());
    if let Some(args) = ctx.agent.take() {
        (hooks.agent)(args)
    } else if let Some(args) = ctx.simulate.take() {
        (hooks.simulate)(args)
    } else if let Some(args) = ctx.predict.take() {
        (hooks.predict)(args)
    } else {
        ExitCode::from(code)
    }
}

/// The name under which the binary runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    Troupe,
    Nomad,
    Consul,
}

impl Program {
    fn of(argv0: &str) -> Self {
        match Path::new(argv0).file_stem().and_then(|name| name.to_str()) {
            Some("nomad") => Self::Nomad,
            Some("consul") => Self::Consul,
            _ => Self::Troupe,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Troupe => "troupe",
            Self::Nomad => "nomad",
            Self::Consul => "consul",
        }
    }

    /// Whether it offers the commands of a tool.
    fn offers(self, tool: Tool) -> bool {
        match self {
            Self::Troupe => true,
            Self::Nomad => tool == Tool::Nomad,
            Self::Consul => tool == Tool::Consul,
        }
    }
}

/// Whose command, and whose API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Nomad,
    Consul,
    /// Ours alone.
    Own,
}

/// What a command sees of the world.
struct Context<'a> {
    program: Program,
    env: BTreeMap<String, String>,
    output: Output<'a>,
    input: &'a mut dyn Read,
    clock: Clock,
    /// Time between two looks at an evaluation.
    poll: Duration,
    /// Set by `agent`: what to run once the command line is done with.
    agent: Option<AgentArgs>,
    /// Set by `sim`, likewise.
    simulate: Option<SimArgs>,
    /// Set by `sim -from`, likewise.
    predict: Option<WhatIfArgs>,
    /// Checks configuration files, for the agent knows what they may say.
    validate: fn(&AgentArgs) -> Result<Vec<String>, Vec<String>>,
    /// Changes the files of a stopped server, for raft knows what they hold.
    recover: fn(&RecoverArgs) -> Result<String, String>,
}

impl Context<'_> {
    /// Finds and runs the command; the arguments do not include the program's name.
    fn dispatch(&mut self, args: &[String]) -> u8 {
        match self.try_dispatch(args) {
            Ok(code) => code,
            Err(Failure::Pipe) => 0,
            Err(Failure::Message(text) | Failure::Usage(text)) => self.complain(text, 1),
        }
    }

    fn try_dispatch(&mut self, args: &[String]) -> Outcome {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        match find::find(self.program, &args) {
            Found::Command(command, rest) => self.run_command(command, rest),
            Found::Version => server::version(self, &Flags::default()),
            Found::Help { failed } => {
                self.output.line(help::program(self.program))?;
                Ok(if failed { UNKNOWN_COMMAND } else { 0 })
            }
            Found::Group { name, failed } => {
                let text = help::group(self.program, &name);
                if failed {
                    self.output.error(text)?;
                    return Ok(1);
                }
                self.output.line(text)?;
                Ok(0)
            }
            Found::Absent(name) => {
                self.output.error(format_args!("troupe: \"{name}\" is not available in this release"))?;
                Ok(1)
            }
            Found::Unknown => {
                self.output.line(help::program(self.program))?;
                self.output.error(help::unknown(self.program, &args))?;
                Ok(UNKNOWN_COMMAND)
            }
        }
    }

    fn run_command(&mut self, command: &'static Command, args: &[&str]) -> Outcome {
        let hint = format!("For additional help try '{} {} -help'", self.program.name(), command.name);
        let outcome = match Flags::parse(args.iter().copied(), command.flags) {
            Ok(flags) if flags.help => {
                self.output.line(help::command(self.program, command))?;
                return Ok(0);
            }
            Ok(flags) => {
                if flags.on("no-color") {
                    self.output.color = false;
                } else if flags.on("force-color") {
                    self.output.color = true;
                }
                match flags.text("t").map(str::to_owned) {
                    Some(text) => template::run(self, command, flags, &text),
                    None => (command.run)(self, &flags),
                }
            }
            Err(error) => Err(Failure::usage(error.to_string())),
        };
        match outcome {
            Err(Failure::Usage(text)) => {
                self.output.error(text)?;
                self.output.error(hint)?;
                Ok(command.failure_code())
            }
            Err(Failure::Message(text)) => Ok(self.complain(text, command.failure_code())),
            outcome => outcome,
        }
    }

    /// The last words of a command that failed. Where even these cannot be written there is nobody to tell.
    fn complain(&mut self, text: impl Display, code: u8) -> u8 {
        let _ = self.output.error(text);
        code
    }

    /// An environment variable that is set to something.
    fn variable(&self, name: &str) -> Option<String> {
        self.env.get(name).filter(|value| !value.is_empty()).cloned()
    }
}

/// Runs an agent.
fn agent(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    ctx.agent = Some(AgentArgs::from_flags(flags, ctx.program)?);
    Ok(0)
}

/// Runs an agent that was started as `consul agent`.
fn consul_agent(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    ctx.agent = Some(consul_agent_args::from_flags(flags)?);
    Ok(0)
}

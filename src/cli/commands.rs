//! The table of commands.

use super::{
    Context, Program, Tool, agent, agent_args, alloc_logs, alloc_status,
    client::{CONSUL_FLAGS, NOMAD_FLAGS},
    consul, deployment, eval,
    flags::{Flag, Flags},
    job_file, job_read, job_run, job_status, job_stop, node_status,
    output::Outcome,
    server, status,
};

/// One command.
#[derive(Debug)]
pub(super) struct Command {
    /// Its words, separated by blanks.
    pub(super) name: &'static str,
    /// Other spellings. Those without a blank or dash are listed in the help of the program, too.
    pub(super) aliases: &'static [&'static str],
    pub(super) tool: Tool,
    /// What follows the name: `[options] <job>`.
    pub(super) usage: &'static str,
    /// One line.
    pub(super) about: &'static str,
    pub(super) flags: &'static [&'static [Flag]],
    pub(super) run: fn(&mut Context<'_>, &Flags) -> Outcome,
}

/// What a command line asks for.
#[derive(Debug)]
pub(super) enum Found<'a> {
    Command(&'static Command, &'a [&'a str]),
    Version,
    /// Of the program; `failed` where a command was expected.
    Help {
        failed: bool,
    },
    /// Of the commands that begin with a word; `failed` where a further word was expected.
    Group {
        name: &'a str,
        failed: bool,
    },
    /// Known, and not there yet.
    Absent(&'static str),
    Unknown,
}

macro_rules! command {
    ($name:literal $aliases:expr, $usage:literal, $about:literal, $flags:expr, $run:path) => {
        Command {
            name: $name,
            aliases: &$aliases,
            tool: Tool::Nomad,
            usage: $usage,
            about: $about,
            flags: &[$flags, NOMAD_FLAGS],
            run: $run,
        }
    };
    (consul $name:literal, $usage:literal, $about:literal, $flags:expr, $run:path) => {
        Command {
            name: $name,
            aliases: &[],
            tool: Tool::Consul,
            usage: $usage,
            about: $about,
            flags: &[$flags, CONSUL_FLAGS],
            run: $run,
        }
    };
}

/// In the order in which help lists them.
pub(super) const COMMANDS: &[Command] = &[
    command!(
        "job run"["run"],
        "[options] <path>",
        "Run a new job or update an existing one",
        job_run::FLAGS,
        job_run::run
    ),
    command!("job stop"["stop"], "[options] <job>...", "Stop jobs", job_stop::FLAGS, job_stop::stop),
    command!(
        "status" [],
        "[options] [<id>]",
        "Show the jobs, or whatever an id belongs to",
        status::FLAGS,
        status::run
    ),
    command!("job status" [], "[options] [<job>]", "Show the jobs, or one of them", job_status::FLAGS, job_status::run),
    command!(
        "job init"["init"],
        "[options] [<file>]",
        "Write an example job file",
        job_file::INIT_FLAGS,
        job_file::init
    ),
    command!(
        "job validate"["validate"],
        "[options] <path>",
        "Check a job file without running it",
        job_file::VALIDATE_FLAGS,
        job_file::validate
    ),
    command!(
        "job inspect"["inspect"],
        "[options] <job>",
        "Show a job as it is stored",
        job_read::INSPECT_FLAGS,
        job_read::inspect
    ),
    command!("job history" [], "[options] <job>", "Show the versions of a job", job_read::HISTORY_FLAGS, job_read::history),
    command!("job eval" [], "[options] <job>", "Look at a job again", job_stop::EVAL_FLAGS, job_stop::eval),
    command!(
        "alloc status"["alloc-status"],
        "[options] <alloc>",
        "Show an allocation, its tasks and what happened to them",
        alloc_status::FLAGS,
        alloc_status::run
    ),
    command!(
        "alloc logs"["logs"],
        "[options] <alloc> [<task>]",
        "Show what a task has written",
        alloc_logs::FLAGS,
        alloc_logs::run
    ),
    command!(
        "node status"["node-status"],
        "[options] [<node>]",
        "Show the nodes, or one of them",
        node_status::FLAGS,
        node_status::run
    ),
    command!(
        "eval status"["eval-status"],
        "[options] <eval>",
        "Show an evaluation",
        eval::STATUS_FLAGS,
        eval::status
    ),
    command!("eval list" [], "[options]", "Show the evaluations", eval::LIST_FLAGS, eval::list),
    command!("deployment list" [], "[options]", "Show the deployments", deployment::FLAGS, deployment::list),
    command!("deployment status" [], "[options] [<deployment>]", "Show a deployment", deployment::FLAGS, deployment::status),
    command!(
        "server members"["server-members"],
        "[options]",
        "Show the servers",
        server::MEMBERS_FLAGS,
        server::members
    ),
    Command {
        name: "agent",
        aliases: &[],
        tool: Tool::Nomad,
        usage: "[options]",
        about: "Run an agent: server, client, or both",
        flags: &[agent_args::FLAGS],
        run: agent,
    },
    Command {
        name: "explain",
        aliases: &[],
        tool: Tool::Own,
        usage: "<code>",
        about: "Explain an error code and its remedy",
        flags: &[],
        run: job_file::explain,
    },
    command!(consul "members", "[options]", "Show the agents", consul::MEMBERS_FLAGS, consul::members),
    command!(consul "catalog datacenters", "[options]", "Show the datacenters", &[], consul::datacenters),
    command!(consul "catalog nodes", "[options]", "Show the nodes", consul::NODES_FLAGS, consul::nodes),
    command!(consul "catalog services", "[options]", "Show the services", consul::SERVICES_FLAGS, consul::services),
    command!(consul "info", "[options]", "Show facts about the agent", &[], consul::info),
    Command {
        name: "version",
        aliases: &[],
        tool: Tool::Nomad,
        usage: "",
        about: "Show the version",
        flags: &[],
        run: server::version,
    },
    Command {
        name: "version",
        aliases: &[],
        tool: Tool::Consul,
        usage: "",
        about: "Show the version",
        flags: &[],
        run: server::version,
    },
];

/// Commands that people know and that are not there yet: name, and another spelling (or nothing).
const ABSENT_NOMAD: &[(&str, &str)] = &[
    ("job plan", "plan"),
    ("job start", "start"),
    ("job restart", ""),
    ("job revert", ""),
    ("job promote", ""),
    ("job deployments", ""),
    ("job allocs", ""),
    ("job dispatch", ""),
    ("job periodic force", ""),
    ("job scale", ""),
    ("job scaling-events", ""),
    ("job action", "action"),
    ("job tag apply", ""),
    ("job tag unset", ""),
    ("fmt", ""),
    ("alloc fs", "fs"),
    ("alloc exec", "exec"),
    ("alloc restart", ""),
    ("alloc stop", ""),
    ("alloc signal", ""),
    ("alloc checks", ""),
    ("alloc pause", ""),
    ("eval delete", ""),
    ("deployment promote", ""),
    ("deployment fail", ""),
    ("deployment pause", ""),
    ("deployment resume", ""),
    ("deployment unblock", ""),
    ("node drain", "node-drain"),
    ("node eligibility", ""),
    ("node config", "client-config"),
    ("node meta", ""),
    ("node pool", ""),
    ("node identity", ""),
    ("node intro", ""),
    ("server join", "server-join"),
    ("server force-leave", "server-force-leave"),
    ("agent-info", ""),
    ("check", ""),
    ("monitor", ""),
    ("config validate", ""),
    ("system gc", ""),
    ("system reconcile summaries", ""),
    ("operator", ""),
    ("keygen", ""),
    ("keyring", ""),
    ("debug", ""),
    ("license", ""),
    ("acl", ""),
    ("namespace", ""),
    ("var", ""),
    ("service", ""),
    ("volume", ""),
    ("plugin", ""),
    ("scaling", ""),
    ("login", ""),
    ("ui", ""),
    ("setup", ""),
    ("windows", ""),
    ("quota", ""),
    ("sentinel", ""),
    ("recommendation", ""),
    ("tls", ""),
];

const ABSENT_CONSUL: &[(&str, &str)] = &[
    ("acl", ""),
    ("agent", ""),
    ("connect", ""),
    ("config", ""),
    ("debug", ""),
    ("event", ""),
    ("exec", ""),
    ("force-leave", ""),
    ("intention", ""),
    ("join", ""),
    ("keygen", ""),
    ("keyring", ""),
    ("kv", ""),
    ("leave", ""),
    ("lock", ""),
    ("login", ""),
    ("logout", ""),
    ("maint", ""),
    ("monitor", ""),
    ("operator", ""),
    ("reload", ""),
    ("rtt", ""),
    ("services", ""),
    ("snapshot", ""),
    ("tls", ""),
    ("validate", ""),
    ("watch", ""),
];

/// Finds what the arguments (without the program's name) ask for: the longest name wins.
pub(super) fn find<'a>(program: Program, args: &'a [&'a str]) -> Found<'a> {
    match args.first().copied() {
        None => return Found::Help { failed: true },
        Some("-h" | "-help" | "--help" | "help") => return Found::Help { failed: false },
        Some("-v" | "-version" | "--version") => return Found::Version,
        Some(_) => {}
    }
    let words = args.iter().take_while(|arg| !arg.starts_with('-')).count();
    let absent = [(Tool::Nomad, ABSENT_NOMAD), (Tool::Consul, ABSENT_CONSUL)];
    for count in (1..=words.min(3)).rev() {
        let name = args[..count].join(" ");
        let named = |command: &&Command| command.name == name || command.aliases.contains(&name.as_str());
        if let Some(command) = COMMANDS.iter().filter(|command| program.offers(command.tool)).find(named) {
            return Found::Command(command, &args[count..]);
        }
        let known =
            absent.iter().filter(|(tool, _)| program.offers(*tool)).flat_map(|(_, names)| names.iter());
        for (canonical, alias) in known {
            if *canonical == name || (!alias.is_empty() && *alias == name) {
                return Found::Absent(canonical);
            }
        }
    }
    let (word, rest) = (args[0], &args[1..]);
    if !in_group(program, word).is_empty() {
        let failed = !matches!(rest.first(), Some(&("-h" | "-help" | "--help")));
        return match rest.first() {
            Some(next) if !next.starts_with('-') => Found::Unknown,
            _ => Found::Group { name: word, failed },
        };
    }
    Found::Unknown
}

/// The commands that begin with a word.
pub(super) fn in_group(program: Program, word: &str) -> Vec<&'static Command> {
    COMMANDS
        .iter()
        .filter(|command| program.offers(command.tool))
        .filter(|command| command.name.split_once(' ').is_some_and(|(group, _)| group == word))
        .collect()
}

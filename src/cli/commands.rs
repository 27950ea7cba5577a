//! The table of commands.

use super::{
    Context, Tool, agent, agent_args, agent_info, agent_monitor, alloc_act, alloc_checks, alloc_exec,
    alloc_fs, alloc_logs, alloc_status,
    client::{CONSUL_FLAGS, NOMAD_FLAGS},
    config_validate, consul, consul_agent, consul_agent_args, consul_cluster, deployment, deployment_write,
    eval, eval_delete, explain,
    flags::{Flag, Flags},
    fmt, job_action, job_file, job_launch, job_lists, job_plan, job_read, job_restart, job_revert, job_run,
    job_scale, job_status, job_stop, job_tag, node_drain, node_meta, node_pool, node_status, operator,
    operator_api,
    output::Outcome,
    raft_recover, scaling, scheduler, server, service, sim, snapshot, status, what_if,
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

impl Command {
    /// Exit code of a failure: where 1 is an answer, failing is something else.
    pub(super) fn failure_code(&self) -> u8 {
        if self.name == "job plan" { u8::MAX } else { 1 }
    }
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
    command!(
        "job plan"["plan"],
        "[options] <path>",
        "Show what running a job file would change",
        job_plan::FLAGS,
        job_plan::run
    ),
    command!("job stop"["stop"], "[options] <job>...", "Stop jobs", job_stop::FLAGS, job_stop::stop),
    command!("status" [], "[options] [<id>]", "Show the jobs, or whatever an id belongs to", status::FLAGS, status::run),
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
    command!(
        "job revert" [],
        "[options] <job> <version>",
        "Go back to an earlier version of a job",
        job_revert::FLAGS,
        job_revert::run
    ),
    command!("job tag apply" [], "[options] <job>", "Give a version of a job a name", job_tag::APPLY_FLAGS, job_tag::apply),
    command!("job tag unset" [], "[options] <job>", "Take the name of a version away", job_tag::UNSET_FLAGS, job_tag::unset),
    command!(
        "job scaling-events" [],
        "[options] <job>",
        "Show what became of the counts of a job",
        scaling::EVENTS_FLAGS,
        scaling::events
    ),
    command!(
        "job promote" [],
        "[options] <job>",
        "Promote the canaries of a job's latest deployment",
        deployment_write::PROMOTE_FLAGS,
        deployment_write::promote_job
    ),
    command!(
        "job deployments" [],
        "[options] <job>",
        "Show the deployments of a job",
        job_lists::DEPLOYMENTS_FLAGS,
        job_lists::deployments
    ),
    command!("job allocs" [], "[options] <job>", "Show the allocations of a job", job_lists::ALLOCS_FLAGS, job_lists::allocs),
    command!("job eval" [], "[options] <job>", "Look at a job again", job_stop::EVAL_FLAGS, job_stop::eval),
    command!(
        "job scale" [],
        "[options] <job> [<group>] <count>",
        "Change how many of a group there are",
        job_scale::SCALE_FLAGS,
        job_scale::scale
    ),
    command!(
        "job start"["start"],
        "[options] <job>...",
        "Run stopped jobs again",
        job_scale::START_FLAGS,
        job_scale::start
    ),
    command!(
        "job action"["action"],
        "[options] <action>",
        "Run a command that the job has given a name",
        job_action::FLAGS,
        job_action::run
    ),
    command!(
        "job restart" [],
        "[options] <job>",
        "Restart the allocations of a job, some at a time",
        job_restart::FLAGS,
        job_restart::run
    ),
    command!(
        "job dispatch" [],
        "[options] <parameterized job> [<input file or ->]",
        "Launch a parameterized job",
        job_launch::DISPATCH_FLAGS,
        job_launch::dispatch
    ),
    command!(
        "job periodic force" [],
        "[options] <job>",
        "Launch a periodic job now",
        job_launch::FORCE_FLAGS,
        job_launch::force
    ),
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
        "alloc fs"["fs"],
        "[options] <alloc> [<path>]",
        "Show the files of an allocation",
        alloc_fs::FLAGS,
        alloc_fs::run
    ),
    command!(
        "alloc exec"["exec"],
        "[options] <alloc> <command> [<args>...]",
        "Run a command inside a task",
        alloc_exec::FLAGS,
        alloc_exec::run
    ),
    command!(
        "alloc checks" [],
        "[options] <alloc>",
        "Show how the checks of an allocation went last",
        alloc_checks::FLAGS,
        alloc_checks::run
    ),
    command!("alloc stop" [], "[options] <alloc>", "Stop an allocation, for another one to take its place", alloc_act::STOP_FLAGS, alloc_act::stop),
    command!("alloc restart" [], "[options] <alloc> [<task>]", "Restart the tasks of an allocation that run", alloc_act::RESTART_FLAGS, alloc_act::restart),
    command!("alloc signal" [], "[options] <alloc> [<task>]", "Send a signal to tasks of an allocation", alloc_act::SIGNAL_FLAGS, alloc_act::signal),
    command!(
        "node status"["node-status"],
        "[options] [<node>]",
        "Show the nodes, or one of them",
        node_status::FLAGS,
        node_status::run
    ),
    command!(
        "node drain"["node-drain"],
        "[options] <node>",
        "Empty a node, or stop emptying it",
        node_drain::DRAIN_FLAGS,
        node_drain::drain
    ),
    command!(
        "node eligibility" [],
        "[options] <node>",
        "Set whether a node takes new allocations",
        node_drain::ELIGIBILITY_FLAGS,
        node_drain::eligibility
    ),
    command!(
        "node config"["client-config"],
        "[options] [<address>...]",
        "Show or extend the servers that a client knows",
        agent_info::CONFIG_FLAGS,
        agent_info::config
    ),
    command!("node meta read" [], "[options]", "Show the metadata of a node", node_meta::READ_FLAGS, node_meta::read),
    command!("node meta apply" [], "[options] [<key>=<value>...]", "Change the metadata of a node", node_meta::APPLY_FLAGS, node_meta::apply),
    command!("node pool list" [], "[options]", "Show the pools of nodes", node_pool::LIST_FLAGS, node_pool::list),
    command!("node pool info" [], "[options] <pool>", "Show a pool of nodes", node_pool::INFO_FLAGS, node_pool::info),
    command!("node pool jobs" [], "[options] <pool>", "Show the jobs of a pool of nodes", node_pool::JOBS_FLAGS, node_pool::jobs),
    command!("node pool nodes" [], "[options] <pool>", "Show the nodes of a pool", node_pool::NODES_FLAGS, node_pool::nodes),
    command!("node pool apply" [], "[options] <path>", "Make or change a pool of nodes", node_pool::APPLY_FLAGS, node_pool::apply),
    command!("node pool delete" [], "[options] <pool>", "Forget a pool of nodes", &[], node_pool::delete),
    command!("node pool init" [], "[options] [<file>]", "Write an example of a pool of nodes", node_pool::INIT_FLAGS, node_pool::init),
    command!("eval delete" [], "[options] [<evaluation>]", "Forget evaluations", eval_delete::FLAGS, eval_delete::run),
    command!("service list" [], "[options]", "Show the services", service::LIST_FLAGS, service::list),
    command!("service info" [], "[options] <service>", "Show the instances of a service", service::INFO_FLAGS, service::info),
    command!("scaling policy list" [], "[options]", "Show the scaling policies", scaling::LIST_FLAGS, scaling::list),
    command!("scaling policy info" [], "[options] <policy>", "Show a scaling policy", scaling::INFO_FLAGS, scaling::info),
    Command {
        name: "fmt",
        aliases: &[],
        tool: Tool::Nomad,
        usage: "[options] [<path>...]",
        about: "Lay out job files and other HCL files",
        flags: &[fmt::FLAGS],
        run: fmt::run,
    },
    command!(
        "eval status"["eval-status"],
        "[options] <eval>",
        "Show an evaluation",
        eval::STATUS_FLAGS,
        eval::status
    ),
    command!("eval list" [], "[options]", "Show the evaluations", eval::LIST_FLAGS, eval::list),
    command!("deployment list" [], "[options]", "Show the deployments", deployment::FLAGS, deployment::list),
    command!("deployment status" [], "[options] [<deployment>]", "Show a deployment", deployment::STATUS_FLAGS, deployment::status),
    command!(
        "deployment promote" [],
        "[options] <deployment>",
        "Promote the canaries of a deployment",
        deployment_write::PROMOTE_FLAGS,
        deployment_write::promote
    ),
    command!(
        "deployment fail" [],
        "[options] <deployment>",
        "End a deployment as failed",
        deployment_write::FLAGS,
        deployment_write::fail
    ),
    command!(
        "deployment pause" [],
        "[options] <deployment>",
        "Let a deployment wait",
        deployment_write::PAUSE_FLAGS,
        deployment_write::pause
    ),
    command!(
        "deployment resume" [],
        "[options] <deployment>",
        "Let a paused deployment go on",
        deployment_write::FLAGS,
        deployment_write::resume
    ),
    command!(
        "server members"["server-members"],
        "[options]",
        "Show the servers",
        server::MEMBERS_FLAGS,
        server::members
    ),
    command!("server join"["server-join"], "[options] <address>...", "Meet other servers", &[], server::join),
    command!(
        "server force-leave"["server-force-leave"],
        "[options] <node>",
        "Count a failed server as one that left",
        server::FORCE_LEAVE_FLAGS,
        server::force_leave
    ),
    command!(
        "operator raft list-peers" [],
        "[options]",
        "Show the servers in the log",
        operator::STALE_FLAGS,
        operator::list_peers
    ),
    command!(
        "operator raft remove-peer" [],
        "[options]",
        "Take a server out of the log",
        operator::PEER_FLAGS,
        operator::remove_peer
    ),
    command!(
        "operator raft transfer-leadership" [],
        "[options]",
        "Make another server lead",
        operator::PEER_FLAGS,
        operator::transfer_leadership
    ),
    Command {
        name: "operator raft recover",
        aliases: &[],
        tool: Tool::Nomad,
        usage: "[options] <data_dir>",
        about: "Begin a cluster again that lost its majority for good",
        flags: &[raft_recover::FLAGS],
        run: raft_recover::run,
    },
    command!(
        "operator autopilot get-config" [],
        "[options]",
        "Show how servers are looked after",
        &[],
        operator::get_autopilot
    ),
    command!(
        "operator autopilot set-config" [],
        "[options]",
        "Change how servers are looked after",
        operator::SET_AUTOPILOT_FLAGS,
        operator::set_autopilot
    ),
    command!(
        "operator autopilot health" [],
        "[options]",
        "Show how the servers are",
        operator::HEALTH_FLAGS,
        operator::health
    ),
    command!(
        "operator scheduler get-config" [],
        "[options]",
        "Show how the scheduler works",
        scheduler::GET_FLAGS,
        scheduler::get
    ),
    command!(
        "operator scheduler set-config" [],
        "[options]",
        "Change how the scheduler works",
        scheduler::SET_FLAGS,
        scheduler::set
    ),
    command!(
        "operator snapshot save" [],
        "[options] [<file>]",
        "Save the whole state in a file",
        snapshot::SAVE_FLAGS,
        snapshot::save
    ),
    Command {
        name: "operator snapshot inspect",
        aliases: &[],
        tool: Tool::Nomad,
        usage: "[options] <file>",
        about: "Show what is in a saved state",
        flags: &[snapshot::INSPECT_FLAGS],
        run: snapshot::inspect,
    },
    command!("monitor" [], "[options]", "Show the log of an agent as it is written", agent_monitor::FLAGS, agent_monitor::run),
    command!(
        "operator api" [],
        "[options] <path>",
        "Send a request to the agent and show the answer",
        operator_api::FLAGS,
        operator_api::run
    ),
    command!("agent-info" [], "[options]", "Show facts about the agent", agent_info::INFO_FLAGS, agent_info::info),
    command!("system gc" [], "[options]", "Forget what is over", &[], agent_info::collect),
    command!(
        "system reconcile summaries" [],
        "[options]",
        "Count the summaries of jobs again",
        &[],
        agent_info::reconcile_summaries
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
        name: "config validate",
        aliases: &[],
        tool: Tool::Nomad,
        usage: "<path>...",
        about: "Check configuration files of an agent",
        flags: &[config_validate::FLAGS],
        run: config_validate::config,
    },
    Command {
        name: "explain",
        aliases: &[],
        tool: Tool::Own,
        usage: "[options] <code|job|alloc|eval>",
        about: "Explain why a job, allocation or evaluation is as it is, or an error code",
        flags: &[explain::FLAGS, NOMAD_FLAGS],
        run: explain::run,
    },
    Command {
        name: "agent",
        aliases: &[],
        tool: Tool::Consul,
        usage: "[options]",
        about: "Run an agent: the Consul API and DNS",
        flags: &[consul_agent_args::FLAGS],
        run: consul_agent,
    },
    Command {
        name: "validate",
        aliases: &[],
        tool: Tool::Consul,
        usage: "[options] <path>...",
        about: "Check configuration files of `consul agent`",
        flags: &[config_validate::CONSUL_FLAGS],
        run: config_validate::consul,
    },
    command!(consul "members", "[options]", "Show the agents", consul::MEMBERS_FLAGS, consul::members),
    command!(consul "catalog datacenters", "[options]", "Show the datacenters", &[], consul::datacenters),
    command!(consul "catalog nodes", "[options]", "Show the nodes", consul::NODES_FLAGS, consul::nodes),
    command!(consul "catalog services", "[options]", "Show the services", consul::SERVICES_FLAGS, consul::services),
    command!(consul "join", "[options] <address>...", "Meet other agents", consul_cluster::JOIN_FLAGS, consul_cluster::join),
    command!(consul "leave", "[options]", "End the agent, and tell the others", &[], consul_cluster::leave),
    command!(
        consul "force-leave",
        "[options] <node>",
        "Count a failed agent as one that left",
        consul_cluster::FORCE_LEAVE_FLAGS,
        consul_cluster::force_leave
    ),
    command!(consul "reload", "[options]", "Read the configuration again", &[], consul_cluster::reload),
    command!(
        consul "operator raft list-peers",
        "[options]",
        "Show the servers in the log",
        consul_cluster::LIST_PEERS_FLAGS,
        consul_cluster::list_peers
    ),
    command!(
        consul "operator raft remove-peer",
        "[options]",
        "Take a server out of the log",
        consul_cluster::REMOVE_PEER_FLAGS,
        consul_cluster::remove_peer
    ),
    command!(
        consul "operator raft transfer-leader",
        "[options]",
        "Make another server lead",
        consul_cluster::TRANSFER_FLAGS,
        consul_cluster::transfer_leader
    ),
    command!(consul "operator autopilot get-config", "[options]", "Show how servers are looked after", &[], consul_cluster::get_autopilot),
    command!(
        consul "operator autopilot set-config",
        "[options]",
        "Change how servers are looked after",
        consul_cluster::SET_AUTOPILOT_FLAGS,
        consul_cluster::set_autopilot
    ),
    command!(
        consul "operator autopilot state",
        "[options]",
        "Show how the servers are",
        consul_cluster::STATE_FLAGS,
        consul_cluster::autopilot_state
    ),
    command!(consul "info", "[options]", "Show facts about the agent", &[], consul::info),
    Command {
        name: "sim",
        aliases: &[],
        tool: Tool::Own,
        usage: "[options]",
        about: "Simulate a cluster and measure it, or predict what would happen to one",
        flags: &[sim::FLAGS, what_if::FLAGS],
        run: sim::run,
    },
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

//! The job block and its groups.

use std::time::Duration;

use model::{
    EphemeralDisk, Job, JobLink, JobType, JobUi, NetworkAsk, PoolName, ReschedulePolicy, RestartPolicy, Task,
    TaskGroup,
};

use super::{
    Decoder,
    fields::{Fields, Noop, Section, label, one_of},
    launch, location,
    policy::{self, Inherited},
    scaling, service, task,
};
use crate::{
    codes,
    suggest::nearest,
    syntax::{Block, Kind},
};

/// What the job block hands down to its groups.
struct JobRules {
    kind: JobType,
    inherited: Inherited,
}

pub(super) fn job(block: &Block, d: &mut Decoder) -> Job {
    let section = Section {
        labels: block.labels.clone(),
        body: std::borrow::Cow::Borrowed(&block.body),
        span: block.kind.span,
    };
    d.enter("job", 0, "", block.labels.first().map_or(block.kind.span, |label| label.span));
    let name = label(d, "job", &section);
    let mut fields = Fields::new(&block.body, "job");
    let mut job = Job { id: name.clone(), name, ..Job::default() };
    if let Some(id) = fields.text(d, "id") {
        job.id = id;
    }
    if let Some(name) = fields.text(d, "name") {
        job.name = name;
    }
    if let Some(region) = fields.text(d, "region") {
        job.region = region;
    }
    if let Some(namespace) = fields.text(d, "namespace") {
        job.namespace = namespace;
    }
    job.kind = job_type(&mut fields, d);
    if let Some(priority) = fields.number(d, "priority", 1, 100) {
        job.priority = u16::try_from(priority).unwrap_or(job.priority);
    }
    if let Some(datacenters) = fields.texts(d, "datacenters") {
        job.datacenters = datacenters;
    }
    if let Some(pool) = fields.text(d, "node_pool") {
        job.pool = PoolName::new(pool);
    }
    job.all_at_once = fields.bool(d, "all_at_once").unwrap_or(false);
    job.meta = fields.map(d, "meta");
    job.constraints = location::constraints(&mut fields, d, true);
    job.affinities = location::affinities(&mut fields, d);
    job.spreads = location::spreads(&mut fields, d);
    let rules = JobRules { kind: job.kind, inherited: Inherited::read(&mut fields, d) };
    refuse_for_type(rules.kind, &rules.inherited, d);
    if let Some(section) = fields.block(d, "periodic") {
        d.enter("periodic", 0, "", section.span);
        job.periodic = Some(launch::periodic(&section, d));
        d.leave();
    }
    if let Some(section) = fields.block(d, "parameterized") {
        d.enter("parameterized", 0, "", section.span);
        job.parameterized = Some(launch::parameterized(&section, d));
        d.leave();
    }
    if let Some(section) = fields.block(d, "ui") {
        d.enter("ui", 0, "", section.span);
        job.ui = Some(ui(&section, d));
        d.leave();
    }
    fields.refuse_all(
        d,
        &[
            ("multiregion", "register the job in each region"),
            ("vault", "pass secrets in another way, for example with `env`"),
            ("vault_token", "leave it out"),
            ("consul_token", "leave it out"),
            ("consul", "leave it out: services are registered in the built-in catalog"),
            ("secret", "pass secrets in another way, for example with `env`"),
        ],
    );
    for (name, section) in fields.named_blocks(d, "group") {
        let index = job.groups.len();
        d.enter("group", index, &name, section.span);
        let group = group(name, &section, &rules, d);
        d.leave();
        job.groups.push(group);
    }
    // A task directly in the job is a group of one task with the same name.
    for (name, section) in fields.named_blocks(d, "task") {
        let index = job.groups.len();
        d.enter("group", index, &name, section.span);
        let mut group = TaskGroup { name: name.clone(), count: 1, ..TaskGroup::default() };
        rules.fill(&mut group, &Inherited::default());
        group.restart = RestartPolicy::for_type(rules.kind);
        add_task(&mut group, name, &section, d);
        d.leave();
        job.groups.push(group);
    }
    fields.finish(d);
    d.leave();
    job
}

fn ui(section: &Section<'_>, d: &mut Decoder) -> JobUi {
    let mut fields = Fields::new(&section.body, "ui");
    let mut ui = JobUi { description: fields.text(d, "description").unwrap_or_default(), links: Vec::new() };
    for section in fields.blocks(d, "link") {
        d.enter("link", ui.links.len(), "", section.span);
        let mut fields = Fields::new(&section.body, "link");
        let link = JobLink {
            label: fields.text(d, "label").unwrap_or_default(),
            url: fields.text(d, "url").unwrap_or_default(),
        };
        fields.finish(d);
        d.leave();
        ui.links.push(link);
    }
    fields.finish(d);
    ui
}

fn job_type(fields: &mut Fields<'_>, d: &mut Decoder) -> JobType {
    let Some(text) = fields.text(d, "type") else { return JobType::Service };
    let span = fields.span("type");
    JobType::parse(&text).unwrap_or_else(|| {
        let types = JobType::ALL.map(JobType::as_str);
        let help = match nearest(&text, &types) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => String::from(
                "a service runs until it is stopped, a batch to completion; system and sysbatch do so on every node",
            ),
        };
        let message = format!("`type` must be {}, found \"{text}\"", one_of(&types));
        d.report(codes::JOB_TYPE, span, message, help);
        JobType::Service
    })
}

impl JobRules {
    /// Sets what a group has from its job unless it says otherwise.
    fn fill(&self, group: &mut TaskGroup, own: &Inherited) {
        let base = ReschedulePolicy::for_type(self.kind);
        if !self.kind.is_per_node() {
            group.reschedule = own.reschedule_over(self.inherited.reschedule_over(Some(base)));
        }
        if self.kind.rolls_out() {
            group.update = own.update_over(&self.inherited);
        }
        if self.kind == JobType::Service {
            group.migrate = Some(own.migrate_over(&self.inherited));
        }
    }
}

fn group(name: String, section: &Section<'_>, rules: &JobRules, d: &mut Decoder) -> TaskGroup {
    let mut fields = Fields::new(&section.body, "group");
    let mut group = TaskGroup { name, count: 1, ..TaskGroup::default() };
    let count =
        fields.number(d, "count", 0, TaskGroup::MAX_COUNT).and_then(|count| u32::try_from(count).ok());
    if let Some(section) = fields.block(d, "scaling") {
        let (mut scaling, has_min) = scaling::scaling(&section, d);
        if has_min {
            group.count = scaling.min;
        } else {
            scaling.min = count.unwrap_or(group.count);
        }
        group.scaling = Some(scaling);
    }
    group.count = count.unwrap_or(group.count);
    group.shutdown_delay = fields.duration(d, "shutdown_delay").unwrap_or(Duration::ZERO);
    group.max_run_duration = fields.duration(d, "max_run_duration");
    group.meta = fields.map(d, "meta");
    group.constraints = location::constraints(&mut fields, d, true);
    group.affinities = location::affinities(&mut fields, d);
    group.spreads = location::spreads(&mut fields, d);
    let own = Inherited::read(&mut fields, d);
    refuse_for_type(rules.kind, &own, d);
    rules.fill(&mut group, &own);
    group.restart = policy::restart(&mut fields, d, RestartPolicy::for_type(rules.kind));
    if let Some(section) = fields.block(d, "ephemeral_disk") {
        group.ephemeral_disk = ephemeral_disk(&section, d);
    }
    if let Some(section) = fields.block(d, "network") {
        d.enter("network", 0, "", section.span);
        group.network = Some(network(&section, d));
        d.leave();
    }
    group.services = service::services(&mut fields, d);
    group.disconnect = policy::disconnect(&mut fields, d);
    fields.refuse_all(
        d,
        &[
            ("volume", "mount a host directory with `volumes` in the docker `config`"),
            ("consul", "leave it out: services are registered in the built-in catalog"),
            ("vault", "pass secrets in another way, for example with `env`"),
            ("secret", "pass secrets in another way, for example with `env`"),
        ],
    );
    for (name, section) in fields.named_blocks(d, "task") {
        add_task(&mut group, name, &section, d);
    }
    fields.finish(d);
    group
}

/// What runs to completion is not rolled out, and what runs on every node does not move.
fn refuse_for_type(kind: JobType, own: &Inherited, d: &mut Decoder) {
    for (span, block) in own.spans() {
        let help = match (block, kind) {
            ("update", JobType::Service | JobType::System)
            | ("reschedule", JobType::Service | JobType::Batch)
            | ("migrate", JobType::Service) => continue,
            (_, JobType::Service | JobType::Batch) | ("update", JobType::Sysbatch) => {
                let other = if kind == JobType::Batch { "service" } else { "system" };
                format!("remove `{block}`, or write `type = \"{other}\"` for what runs until it is stopped")
            }
            ("reschedule", _) => String::from(
                "remove `reschedule`: there is no other node; `restart { mode = \"delay\" }` tries again and again",
            ),
            _ => format!("remove `{block}`: what runs on every node does not move to another one"),
        };
        let message = format!("job type \"{}\" does not allow the block `{block}`", kind.as_str());
        d.report(codes::NOT_FOR_TYPE, span, message, help);
    }
}

fn add_task(group: &mut TaskGroup, name: String, section: &Section<'_>, d: &mut Decoder) {
    d.enter("task", group.tasks.len(), &name, section.span);
    let task: Task = task::task(name, section, &group.restart, d);
    d.leave();
    group.tasks.push(task);
}

fn ephemeral_disk(section: &Section<'_>, d: &mut Decoder) -> EphemeralDisk {
    let mut fields = Fields::new(&section.body, "ephemeral_disk");
    let mut disk = EphemeralDisk::default();
    d.enter("ephemeral_disk", 0, "", section.span);
    if let Some(size) = fields.u32(d, "size", 10) {
        disk.size_mb = size;
    }
    disk.sticky = fields.bool(d, "sticky").unwrap_or(false);
    disk.migrate = fields.bool(d, "migrate").unwrap_or(false);
    fields.finish(d);
    d.leave();
    disk
}

/// A `network` block of a group, or of a task's resources.
pub(super) fn network(section: &Section<'_>, d: &mut Decoder) -> NetworkAsk {
    let mut fields = Fields::new(&section.body, "network");
    let mut network = NetworkAsk { mbits: fields.u32(d, "mbits", 0).unwrap_or(0), ports: Vec::new() };
    // The two others are how the API calls them; some files say it in its words.
    for kind in ["port", "reserved_ports", "dynamic_ports"] {
        for (label, section) in fields.named_blocks(d, kind) {
            d.enter("port", network.ports.len(), &label, section.span);
            let port = port(label, &section, d);
            d.leave();
            network.ports.push(port);
        }
    }
    fields.refuse(
        d,
        "mode",
        Noop::Text(&["", "host"]),
        "leave it out: tasks use the network of the host, docker tasks its bridge",
    );
    fields.refuse_all(
        d,
        &[
            ("hostname", "use `hostname` in the docker `config`"),
            ("dns", "use `dns_servers` in the docker `config`"),
            ("cni", "leave it out"),
        ],
    );
    fields.finish(d);
    network
}

fn port(label: String, section: &Section<'_>, d: &mut Decoder) -> model::Port {
    let mut fields = Fields::new(&section.body, "port");
    // 0 is the old way to say "any"; -1 for `to` means the host port, which is the default.
    let fixed = fields.number(d, "static", if is_zero(&fields, "static") { 0 } else { 1 }, 65535);
    let to_min = if is_zero(&fields, "to") { -1 } else { 1 };
    let to = fields.number(d, "to", to_min, 65535);
    fields.refuse(
        d,
        "host_network",
        Noop::Text(&["", "default"]),
        "leave it out: ports are on the node's address",
    );
    let ignore_collision = fields.bool(d, "ignore_collision").unwrap_or_default();
    fields.finish(d);
    let given =
        |number: Option<i64>| number.and_then(|number| u16::try_from(number).ok()).filter(|port| *port > 0);
    model::Port { label, fixed: given(fixed), to: given(to), ignore_collision }
}

/// The value is 0 or -1, which stand for "not set".
fn is_zero(fields: &Fields<'_>, name: &str) -> bool {
    fields.raw(name).is_some_and(|value| match &value.kind {
        Kind::Int(number) => matches!((name, number), (_, 0) | ("to", -1)),
        Kind::Text(text) => text == "0" || (name == "to" && text == "-1"),
        _ => false,
    })
}

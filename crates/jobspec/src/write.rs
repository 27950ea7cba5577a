//! A job -> the text of a job file that means it. hcl-rs lays the text out.

mod policies; // restart, update and the like
mod files; // templates, artifacts
mod task; // tasks, services, resources
mod text; // what stands between quotes

use hcl::{Block, Body, Expression};
use model::{Affinity, Constraint, Job, JobType, Operand, Parameterized, Periodic, Spread, TaskGroup};

use self::text::{map, quoted, span, texts};

/// The job as a job file. Read again, it is the same job; what the server keeps of it (version, status, indexes) and
/// which job launched it are not part of a file.
///
/// What is as it would be without a word is left out.
pub fn write(job: &Job) -> String {
    let body = Body::builder().add_block(self::job(job)).build();
    hcl::format::to_string(&body).expect("a body that was built can be written")
}

/// A block in the making.
struct Writer {
    kind: String,
    labels: Vec<String>,
    body: Vec<hcl::Structure>,
}

impl Writer {
    fn new(kind: &str) -> Self {
        Self { kind: kind.to_owned(), labels: Vec::new(), body: Vec::new() }
    }

    fn named(kind: &str, label: &str) -> Self {
        Self { labels: vec![label.to_owned()], ..Self::new(kind) }
    }

    fn set(&mut self, name: &str, value: impl Into<Expression>) {
        self.body.push(hcl::Attribute::new(name, value.into()).into());
    }

    /// An argument that is left out when it says what nobody needs to say.
    fn set_if(&mut self, wanted: bool, name: &str, value: impl Into<Expression>) {
        if wanted {
            self.set(name, value);
        }
    }

    fn text(&mut self, name: &str, text: &str) {
        self.set_if(!text.is_empty(), name, quoted(text));
    }

    fn block(&mut self, block: Writer) {
        self.body.push(block.finish().into());
    }

    fn finish(self) -> Block {
        let labels = self.labels.into_iter().map(hcl::BlockLabel::String);
        Block::builder(hcl::Identifier::sanitized(self.kind))
            .add_labels(labels)
            .add_structures(self.body)
            .build()
    }
}

fn job(job: &Job) -> Block {
    let mut out = Writer::named("job", &job.id);
    out.set_if(job.name != job.id, "name", quoted(&job.name));
    out.set_if(job.region != "global", "region", quoted(&job.region));
    out.set_if(job.namespace != "default", "namespace", quoted(&job.namespace));
    out.set("type", job.kind.as_str());
    out.set_if(job.priority != 50, "priority", job.priority);
    out.set("datacenters", texts(&job.datacenters));
    out.set_if(!job.pool.is_default(), "node_pool", quoted(job.pool.as_str()));
    out.set_if(job.all_at_once, "all_at_once", true);
    out.set_if(!job.meta.is_empty(), "meta", map(&job.meta));
    places(&mut out, &job.constraints, &job.affinities, &job.spreads);
    if let Some(ui) = &job.ui {
        let mut block = Writer::new("ui");
        block.text("description", &ui.description);
        for link in &ui.links {
            let mut inner = Writer::new("link");
            inner.text("label", &link.label);
            inner.text("url", &link.url);
            block.block(inner);
        }
        out.block(block);
    }
    if let Some(periodic) = &job.periodic {
        out.block(self::periodic(periodic));
    }
    if let Some(parameterized) = &job.parameterized {
        out.block(self::parameterized(parameterized));
    }
    for group in &job.groups {
        out.block(self::group(group, job.kind));
    }
    out.finish()
}

fn periodic(periodic: &Periodic) -> Writer {
    let mut out = Writer::new("periodic");
    out.set("crons", texts(&periodic.specs));
    out.set_if(!periodic.enabled, "enabled", false);
    out.set_if(periodic.prohibit_overlap, "prohibit_overlap", true);
    out.set_if(periodic.time_zone != "UTC", "time_zone", quoted(&periodic.time_zone));
    out
}

fn parameterized(parameterized: &Parameterized) -> Writer {
    let mut out = Writer::new("parameterized");
    out.set("payload", parameterized.payload.as_str());
    out.set_if(!parameterized.meta_required.is_empty(), "meta_required", texts(&parameterized.meta_required));
    out.set_if(!parameterized.meta_optional.is_empty(), "meta_optional", texts(&parameterized.meta_optional));
    out
}

fn group(group: &TaskGroup, kind: JobType) -> Writer {
    let mut out = Writer::named("group", &group.name);
    out.set("count", group.count);
    if let Some(scaling) = &group.scaling {
        let mut block = Writer::new("scaling");
        block.set("min", scaling.min);
        block.set("max", scaling.max);
        block.set_if(!scaling.enabled, "enabled", false);
        if !scaling.policy.is_empty() {
            let mut policy = Writer::new("policy");
            for (name, value) in &scaling.policy {
                policy.set(name, task::value(value));
            }
            block.block(policy);
        }
        out.block(block);
    }
    out.set_if(!group.shutdown_delay.is_zero(), "shutdown_delay", span(group.shutdown_delay));
    if let Some(longest) = group.max_run_duration {
        out.set("max_run_duration", span(longest));
    }
    out.set_if(!group.meta.is_empty(), "meta", map(&group.meta));
    places(&mut out, &group.constraints, &group.affinities, &group.spreads);
    policies::of_group(&mut out, group, kind);
    let model::EphemeralDisk { size_mb, sticky, migrate } = group.ephemeral_disk;
    if group.ephemeral_disk != model::EphemeralDisk::default() {
        let mut disk = Writer::new("ephemeral_disk");
        disk.set("size", size_mb);
        disk.set_if(sticky, "sticky", true);
        disk.set_if(migrate, "migrate", true);
        out.block(disk);
    }
    if let Some(network) = &group.network {
        out.block(task::network(network));
    }
    for service in &group.services {
        out.block(task::service(service));
    }
    for one in &group.tasks {
        out.block(task::task(one, group));
    }
    out
}

fn places(out: &mut Writer, constraints: &[Constraint], affinities: &[Affinity], spreads: &[Spread]) {
    for constraint in constraints {
        out.block(rule("constraint", constraint));
    }
    for affinity in affinities {
        let mut block = rule("affinity", &affinity.rule);
        block.set_if(affinity.weight != Affinity::DEFAULT_WEIGHT, "weight", affinity.weight);
        out.block(block);
    }
    for spread in spreads {
        let mut block = Writer::new("spread");
        block.set("attribute", quoted(&spread.attribute));
        block.set_if(spread.weight != Spread::DEFAULT_WEIGHT, "weight", spread.weight);
        for target in &spread.targets {
            let mut inner = Writer::named("target", &target.value);
            inner.set("percent", target.percent);
            block.block(inner);
        }
        out.block(block);
    }
}

fn rule(kind: &str, rule: &Constraint) -> Writer {
    let mut out = Writer::new(kind);
    out.text("attribute", &rule.left);
    out.set_if(rule.operand != Operand::Equal, "operator", rule.operand.as_str());
    out.text("value", &rule.right);
    out
}

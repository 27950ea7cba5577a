//! Tasks: resources, logs, driver settings.

use std::{collections::BTreeMap, time::Duration};

use model::{
    Action, DeviceAsk, Hook, Lifecycle, LogConfig, MemoryMax, Resources, RestartPolicy, Task, Value,
};

use super::{
    Decoder,
    fields::{Fields, Noop, Section},
    files, group, location, policy, service,
};
use crate::{
    codes,
    syntax::{self, Body, Kind},
    validate::resources::{BOTH_HELP, MAX_CORES, MAX_DEVICES},
};

pub(super) fn task(name: String, section: &Section<'_>, restart: &RestartPolicy, d: &mut Decoder) -> Task {
    let mut fields = Fields::new(&section.body, "task");
    let mut task = Task {
        name,
        driver: fields.text(d, "driver").unwrap_or_default(),
        user: fields.text(d, "user").unwrap_or_default(),
        env: fields.map(d, "env"),
        meta: fields.map(d, "meta"),
        constraints: location::constraints(&mut fields, d, false),
        affinities: location::affinities(&mut fields, d),
        services: service::services(&mut fields, d),
        leader: fields.bool(d, "leader").unwrap_or(false),
        kill_timeout: fields.duration(d, "kill_timeout").unwrap_or(Duration::from_secs(5)),
        kill_signal: fields.text(d, "kill_signal").unwrap_or_default(),
        shutdown_delay: fields.duration(d, "shutdown_delay").unwrap_or(Duration::ZERO),
        restart: policy::restart(&mut fields, d, restart.clone()),
        templates: files::templates(&mut fields, d),
        artifacts: files::artifacts(&mut fields, d),
        ..Task::default()
    };
    if let Some(section) = fields.block(d, "config") {
        d.enter("config", 0, "", section.span);
        task.config = config(&section.body, d);
        d.leave();
    }
    if let Some(section) = fields.block(d, "resources") {
        d.enter("resources", 0, "", section.span);
        task.resources = resources(&section, d);
        d.leave();
    }
    if let Some(section) = fields.block(d, "logs") {
        d.enter("logs", 0, "", section.span);
        task.logs = logs(&section, d);
        d.leave();
    }
    if let Some(section) = fields.block(d, "lifecycle") {
        d.enter("lifecycle", 0, "", section.span);
        task.lifecycle = lifecycle(&section, d);
        d.leave();
    }
    if let Some(section) = fields.block(d, "dispatch_payload") {
        d.enter("dispatch_payload", 0, "", section.span);
        let mut fields = Fields::new(&section.body, "dispatch_payload");
        fields.require(d, "file", section.span, "write `file = \"input.json\"`");
        task.payload_file = fields.text(d, "file").unwrap_or_default();
        fields.finish(d);
        d.leave();
    }
    for (name, section) in fields.named_blocks(d, "action") {
        d.enter("action", task.actions.len(), &name, section.span);
        let mut fields = Fields::new(&section.body, "action");
        fields.require(d, "command", section.span, "write `command = \"/bin/date\"`");
        let command = fields.text(d, "command").unwrap_or_default();
        task.actions.push(Action { name, command, args: fields.texts(d, "args").unwrap_or_default() });
        fields.finish(d);
        d.leave();
    }
    fields.refuse(d, "kind", Noop::Text(&[""]), "leave it out");
    fields.refuse_all(
        d,
        &[
            ("vault", "pass secrets in another way, for example with `env`"),
            ("consul", "leave it out: services are registered in the built-in catalog"),
            ("identity", "leave it out"),
            ("volume_mount", "mount a host directory with `volumes` in the docker `config`"),
            ("csi_plugin", "leave it out"),
            ("scaling", "set `resources`"),
            ("secret", "pass secrets in another way, for example with `env`"),
            ("schedule", "leave it out"),
        ],
    );
    fields.finish(d);
    task
}

fn lifecycle(section: &Section<'_>, d: &mut Decoder) -> Option<Lifecycle> {
    let mut fields = Fields::new(&section.body, "lifecycle");
    let hooks = Hook::ALL.map(|hook| (hook.as_str(), hook));
    fields.require(d, "hook", section.span, "write `hook = \"prestart\"`");
    let hook = fields.choice(d, "hook", &hooks);
    let sidecar = fields.bool(d, "sidecar").unwrap_or(false);
    fields.finish(d);
    hook.map(|hook| Lifecycle { hook, sidecar })
}

fn resources(section: &Section<'_>, d: &mut Decoder) -> Resources {
    let mut fields = Fields::new(&section.body, "resources");
    let mut resources = Resources::default();
    if let Some(cpu) = fields.u32(d, "cpu", 1) {
        resources.cpu_mhz = cpu;
    }
    cores(&mut fields, d, &mut resources);
    if let Some(memory) = fields.u32(d, "memory", 10) {
        resources.memory_mb = memory;
    }
    resources.memory_max = fields.number(d, "memory_max", -1, u32::MAX).and_then(MemoryMax::from_number);
    if let Some(section) = fields.block(d, "network") {
        d.enter("network", 0, "", section.span);
        resources.network = Some(group::network(&section, d));
        d.leave();
    }
    if fields.raw("iops").is_some() {
        fields.u32(d, "iops", 0);
        let warning = String::from("`iops` is ignored: it has had no effect since 2018");
        d.warnings.push((warning, fields.span("iops")));
    }
    fields.refuse(d, "disk", Noop::Zero, "write `ephemeral_disk { size = .. }` in the group");
    fields.refuse(d, "secrets", Noop::Zero, "leave it out");
    for (name, section) in fields.named_blocks(d, "device") {
        d.enter("device", resources.devices.len(), &name, section.span);
        if section.labels.is_empty() {
            // Reported already.
            d.taint("");
        }
        resources.devices.push(device(name, &section, d));
        d.leave();
    }
    if let Some(section) = fields.block(d, "numa") {
        d.enter("numa", 0, "", section.span);
        let mut fields = Fields::new(&section.body, "numa");
        let help = "leave `numa` out, or ask for whole cores with `cores`";
        fields.refuse(d, "affinity", Noop::Text(&["none"]), help);
        fields.refuse(d, "devices", Noop::Never, help);
        fields.finish(d);
        d.leave();
    }
    fields.finish(d);
    resources
}

fn cores(fields: &mut Fields<'_>, d: &mut Decoder, resources: &mut Resources) {
    let has_share = fields.raw("cpu").is_some_and(|value| value.kind != Kind::Null);
    let Some(cores) = fields.number(d, "cores", 1, MAX_CORES) else { return };
    if has_share {
        d.taint("cores");
        let message = "a task asks for `cpu` or for `cores`, not for both";
        d.report(codes::OUT_OF_RANGE, fields.span("cores"), message, BOTH_HELP);
    }
    resources.cores = u32::try_from(cores).unwrap_or(MAX_CORES);
    resources.cpu_mhz = 0;
}

fn device(name: String, section: &Section<'_>, d: &mut Decoder) -> DeviceAsk {
    let mut fields = Fields::new(&section.body, "device");
    let count = fields.number(d, "count", 1, MAX_DEVICES);
    let device = DeviceAsk {
        name,
        count: count.and_then(|count| u32::try_from(count).ok()).unwrap_or(1),
        constraints: location::constraints(&mut fields, d, false),
        affinities: location::affinities(&mut fields, d),
    };
    fields.finish(d);
    device
}

fn logs(section: &Section<'_>, d: &mut Decoder) -> LogConfig {
    let mut fields = Fields::new(&section.body, "logs");
    let mut logs = LogConfig::default();
    if let Some(files) = fields.u32(d, "max_files", 1) {
        logs.max_files = files;
    }
    if let Some(size) = fields.u32(d, "max_file_size", 1) {
        logs.max_file_size_mb = size;
    }
    // The older of the two says it the other way round.
    let enabled = fields.bool(d, "enabled").unwrap_or(true);
    logs.disabled = fields.bool(d, "disabled").unwrap_or(!enabled);
    fields.finish(d);
    logs
}

/// The driver's settings as they were written. Which of them the driver knows is a rule of the job, not of the file.
fn config(body: &Body, d: &mut Decoder) -> BTreeMap<String, Value> {
    for attribute in &body.attributes {
        d.set_position(&attribute.name.text, attribute.value.span);
        if holds_invalid(&attribute.value) {
            d.taint(&attribute.name.text);
        }
    }
    for block in &body.blocks {
        d.set_position(&block.kind.text, block.kind.span);
        if let Some(label) = block.labels.first() {
            d.report(
                codes::LABEL,
                label.span,
                format!("`{}` takes no name", block.kind.text),
                format!("write `{} {{ .. }}`", block.kind.text),
            );
        }
    }
    map(body)
}

/// Blocks become lists of maps: they may be repeated.
fn map(body: &Body) -> BTreeMap<String, Value> {
    let mut map = BTreeMap::new();
    for attribute in &body.attributes {
        if attribute.value.kind != Kind::Null {
            map.insert(attribute.name.text.clone(), value(&attribute.value));
        }
    }
    for block in &body.blocks {
        let item = Value::Map(self::map(&block.body));
        match map.entry(block.kind.text.clone()).or_insert_with(|| Value::List(Vec::new())) {
            Value::List(items) => items.push(item),
            other => *other = Value::List(vec![other.clone(), item]),
        }
    }
    map
}

pub(super) fn value(value: &syntax::Value) -> Value {
    match &value.kind {
        Kind::Null | Kind::Invalid => Value::Null,
        Kind::Bool(value) => Value::Bool(*value),
        Kind::Int(value) => Value::Int(*value),
        Kind::Float(value) => Value::Float(*value),
        Kind::Text(value) => Value::Text(value.clone()),
        Kind::List(items) => Value::List(items.iter().map(self::value).collect()),
        Kind::Object(items) => {
            Value::Map(items.iter().map(|item| (item.name.text.clone(), self::value(&item.value))).collect())
        }
    }
}

fn holds_invalid(value: &syntax::Value) -> bool {
    match &value.kind {
        Kind::Invalid => true,
        Kind::List(items) => items.iter().any(holds_invalid),
        Kind::Object(items) => items.iter().any(|item| holds_invalid(&item.value)),
        _ => false,
    }
}

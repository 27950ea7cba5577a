//! Tasks, what they ask for, and their services.

use std::time::Duration;

use hcl::Expression;
use model::{Check, LogConfig, NetworkAsk, OnUpdate, Resources, Service, Task, TaskGroup, Value};

use super::{
    Writer, files, places, policies,
    text::{map, object, quoted, span, texts},
};

pub(super) fn task(task: &Task, group: &TaskGroup) -> Writer {
    let mut out = Writer::named("task", &task.name);
    out.text("driver", &task.driver);
    out.text("user", &task.user);
    out.set_if(task.leader, "leader", true);
    out.set_if(task.kill_timeout != Duration::from_secs(5), "kill_timeout", span(task.kill_timeout));
    out.text("kill_signal", &task.kill_signal);
    out.set_if(!task.shutdown_delay.is_zero(), "shutdown_delay", span(task.shutdown_delay));
    if let Some(lifecycle) = task.lifecycle {
        let mut block = Writer::new("lifecycle");
        block.set("hook", lifecycle.hook.as_str());
        block.set_if(lifecycle.sidecar, "sidecar", true);
        out.block(block);
    }
    if !task.payload_file.is_empty() {
        let mut block = Writer::new("dispatch_payload");
        block.set("file", quoted(&task.payload_file));
        out.block(block);
    }
    for action in &task.actions {
        let mut block = Writer::named("action", &action.name);
        block.set("command", quoted(&action.command));
        block.set_if(!action.args.is_empty(), "args", texts(&action.args));
        out.block(block);
    }
    if !task.config.is_empty() {
        let mut block = Writer::new("config");
        for (name, value) in &task.config {
            block.set(name, self::value(value));
        }
        out.block(block);
    }
    out.set_if(!task.env.is_empty(), "env", map(&task.env));
    out.set_if(!task.meta.is_empty(), "meta", map(&task.meta));
    places(&mut out, &task.constraints, &task.affinities, &[]);
    policies::restart(&mut out, &task.restart, &group.restart);
    for service in &task.services {
        out.block(self::service(service));
    }
    for template in &task.templates {
        out.block(files::template(template));
    }
    for artifact in &task.artifacts {
        out.block(files::artifact(artifact));
    }
    if task.resources != Resources::default() {
        out.block(resources(&task.resources));
    }
    if task.logs != LogConfig::default() {
        let mut block = Writer::new("logs");
        block.set("max_files", task.logs.max_files);
        block.set("max_file_size", task.logs.max_file_size_mb);
        block.set_if(task.logs.disabled, "disabled", true);
        out.block(block);
    }
    out
}

pub(super) fn value(value: &Value) -> Expression {
    match value {
        Value::Null => Expression::Null,
        Value::Bool(value) => Expression::from(*value),
        Value::Int(value) => Expression::from(*value),
        Value::Float(value) => Expression::from(*value),
        Value::Text(text) => quoted(text),
        Value::List(items) => Expression::Array(items.iter().map(self::value).collect()),
        Value::Map(items) => object(items.iter().map(|(key, value)| (key.as_str(), self::value(value)))),
    }
}

fn resources(resources: &Resources) -> Writer {
    let mut out = Writer::new("resources");
    if resources.cores > 0 {
        out.set("cores", resources.cores);
    } else {
        out.set("cpu", resources.cpu_mhz);
    }
    out.set("memory", resources.memory_mb);
    if let Some(most) = resources.memory_max {
        out.set("memory_max", most.to_number());
    }
    if let Some(network) = &resources.network {
        out.block(self::network(network));
    }
    for device in &resources.devices {
        let mut block = Writer::named("device", &device.name);
        block.set_if(device.count != 1, "count", device.count);
        places(&mut block, &device.constraints, &device.affinities, &[]);
        out.block(block);
    }
    out
}

pub(super) fn network(network: &NetworkAsk) -> Writer {
    let mut out = Writer::new("network");
    out.set_if(network.mbits > 0, "mbits", network.mbits);
    for port in &network.ports {
        let mut block = Writer::named("port", &port.label);
        if let Some(fixed) = port.fixed {
            block.set("static", fixed);
        }
        if let Some(to) = port.to {
            block.set("to", to);
        }
        block.set_if(port.ignore_collision, "ignore_collision", true);
        out.block(block);
    }
    out
}

pub(super) fn service(service: &Service) -> Writer {
    let mut out = Writer::new("service");
    out.text("name", &service.name);
    out.text("port", &service.port_label);
    out.text("task", &service.task);
    out.set_if(!service.provider.is_default(), "provider", service.provider.as_str());
    out.set_if(!service.tags.is_empty(), "tags", texts(&service.tags));
    out.set_if(!service.meta.is_empty(), "meta", map(&service.meta));
    out.set_if(!service.canary_tags.is_empty(), "canary_tags", texts(&service.canary_tags));
    out.set_if(!service.canary_meta.is_empty(), "canary_meta", map(&service.canary_meta));
    out.text("address", &service.address);
    let mode = service.address_mode;
    out.set_if(!mode.is_default(), "address_mode", mode.as_str());
    let tagged = &service.tagged_addresses;
    out.set_if(!tagged.is_empty(), "tagged_addresses", map(tagged));
    out.set_if(service.enable_tag_override, "enable_tag_override", true);
    if !service.weights.is_default() {
        let mut block = Writer::new("weights");
        block.set("passing", service.weights.passing);
        block.set("warning", service.weights.warning);
        out.block(block);
    }
    out.set_if(!service.on_update.is_default(), "on_update", service.on_update.as_str());
    for check in &service.checks {
        out.block(self::check(check, service.on_update));
    }
    out
}

fn check(check: &Check, on_update: OnUpdate) -> Writer {
    let mut out = Writer::new("check");
    out.text("name", &check.name);
    out.set("type", check.kind.as_str());
    out.text("port", &check.port_label);
    let mode = check.address_mode;
    out.set_if(!mode.is_default(), "address_mode", mode.as_str());
    out.text("path", &check.path);
    out.set_if(check.method != "GET", "method", quoted(&check.method));
    out.text("body", &check.body);
    out.text("command", &check.command);
    out.set_if(!check.args.is_empty(), "args", texts(&check.args));
    out.set("interval", span(check.interval));
    out.set("timeout", span(check.timeout));
    out.set_if(check.initial_status != "critical", "initial_status", quoted(&check.initial_status));
    out.set_if(check.success_before_passing > 0, "success_before_passing", check.success_before_passing);
    out.set_if(
        check.failures_before_critical > 0,
        "failures_before_critical",
        check.failures_before_critical,
    );
    let failures = check.failures_before_warning;
    out.set_if(failures > 0, "failures_before_warning", failures);
    out.set_if(check.https, "protocol", "https");
    out.text("grpc_service", &check.grpc_service);
    out.set_if(check.grpc_use_tls, "grpc_use_tls", true);
    out.set_if(check.tls_skip_verify, "tls_skip_verify", true);
    out.text("tls_server_name", &check.tls_server_name);
    out.text("notes", &check.notes);
    out.set_if(check.on_update != on_update, "on_update", check.on_update.as_str());
    if !check.headers.is_empty() {
        out.set("header", object(check.headers.iter().map(|(name, values)| (name.as_str(), texts(values)))));
    }
    if let Some(restart) = &check.restart {
        let mut block = Writer::new("check_restart");
        block.set("limit", restart.limit);
        block.set("grace", span(restart.grace));
        block.set_if(restart.ignore_warnings, "ignore_warnings", true);
        out.block(block);
    }
    out
}

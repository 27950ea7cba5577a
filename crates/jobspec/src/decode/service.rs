//! Services and their checks.

use std::{collections::BTreeMap, time::Duration};

use model::{AddressMode, Check, CheckKind, CheckRestart, OnUpdate, Provider, Service, Weights};

use super::{
    Decoder,
    fields::{Fields, Noop, Section},
};
use crate::{codes, syntax::Kind};

/// The `service` blocks of a group or task.
pub(super) fn services(fields: &mut Fields<'_>, d: &mut Decoder) -> Vec<Service> {
    let mut services = Vec::new();
    for section in fields.blocks(d, "service") {
        let named = section.body.attributes.iter().find(|attribute| attribute.name.text == "name");
        let name = named.and_then(|attribute| attribute.value.to_text()).unwrap_or_default();
        d.enter("service", services.len(), &name, section.span);
        services.push(service(&section, d));
        d.leave();
    }
    services
}

fn service(section: &Section<'_>, d: &mut Decoder) -> Service {
    let mut fields = Fields::new(&section.body, "service");
    let mut service = Service {
        name: fields.text(d, "name").unwrap_or_default(),
        tags: fields.texts(d, "tags").unwrap_or_default(),
        meta: fields.map(d, "meta"),
        canary_tags: fields.texts(d, "canary_tags").unwrap_or_default(),
        canary_meta: fields.map(d, "canary_meta"),
        port_label: fields.text(d, "port").unwrap_or_default(),
        checks: Vec::new(),
        provider: fields
            .choice(d, "provider", &Provider::ALL.map(|provider| (provider.as_str(), provider)))
            .unwrap_or_default(),
        task: fields.text(d, "task").unwrap_or_default(),
        address: fields.text(d, "address").unwrap_or_default(),
        address_mode: address_mode(&mut fields, d),
        tagged_addresses: fields.map(d, "tagged_addresses"),
        enable_tag_override: fields.bool(d, "enable_tag_override").unwrap_or_default(),
        weights: weights(&mut fields, d),
        on_update: on_update(&mut fields, d).unwrap_or_default(),
    };
    let restart = check_restart(&mut fields, d);
    for section in fields.blocks(d, "check") {
        let index = service.checks.len();
        let named = section.body.attributes.iter().find(|attribute| attribute.name.text == "name");
        let name = named.and_then(|attribute| attribute.value.to_text()).unwrap_or_default();
        d.enter("check", index, &name, section.span);
        let (mut check, task) = check(&section, service.on_update, d);
        if check.restart.is_none() {
            check.restart.clone_from(&restart);
        }
        d.leave();
        service.checks.push(check);
        match task {
            Some(task) if service.task.is_empty() => service.task = task,
            Some(task) if service.task != task => d.report(
                codes::UNSUPPORTED,
                section.span,
                format!(
                    "a check in task \"{task}\" of a service of task \"{}\" is not supported yet",
                    service.task
                ),
                "write one service per task",
            ),
            _ => {}
        }
    }
    fields.refuse(d, "cluster", Noop::Text(&["", "default"]), "leave it out");
    fields.refuse(d, "kind", Noop::Text(&[""]), "leave it out");
    fields.refuse_all(
        d,
        &[("connect", "let clients connect to the service's address and port"), ("identity", "leave it out")],
    );
    fields.finish(d);
    service
}

fn address_mode(fields: &mut Fields<'_>, d: &mut Decoder) -> AddressMode {
    let said = fields.raw("address_mode").and_then(|value| value.to_text());
    match said.as_deref() {
        Some("") => fields.text(d, "address_mode"),
        Some(word @ ("alloc" | "alloc_ipv6")) => {
            fields.text(d, "address_mode");
            d.taint("address_mode");
            d.report(
                codes::UNSUPPORTED,
                fields.span("address_mode"),
                format!("`address_mode = \"{word}\"`: allocations share the network of their node and have no address of their own"),
                "write \"host\" for the node's address, or \"driver\" in a docker task for the container's",
            );
            None
        }
        _ => {
            let modes = AddressMode::ALL.map(|mode| (mode.as_str(), mode));
            return fields.choice(d, "address_mode", &modes).unwrap_or_default();
        }
    };
    AddressMode::default()
}

fn weights(fields: &mut Fields<'_>, d: &mut Decoder) -> Weights {
    let Some(section) = fields.block(d, "weights") else { return Weights::default() };
    d.enter("weights", 0, "", section.span);
    let mut fields = Fields::new(&section.body, "weights");
    let mut weight = |name| {
        let number = fields.number(d, name, 0, u32::from(u16::MAX));
        number.and_then(|number| u16::try_from(number).ok()).unwrap_or(1)
    };
    let weights = Weights::new(weight("passing"), weight("warning"));
    fields.finish(d);
    d.leave();
    weights
}

fn on_update(fields: &mut Fields<'_>, d: &mut Decoder) -> Option<OnUpdate> {
    fields.choice(d, "on_update", &OnUpdate::ALL.map(|word| (word.as_str(), word)))
}

fn check_restart(fields: &mut Fields<'_>, d: &mut Decoder) -> Option<CheckRestart> {
    let section = fields.block(d, "check_restart")?;
    d.enter("check_restart", 0, "", section.span);
    let mut fields = Fields::new(&section.body, "check_restart");
    let restart = CheckRestart {
        limit: fields.u32(d, "limit", 0).unwrap_or(0),
        grace: fields.duration(d, "grace").unwrap_or(Duration::from_secs(1)),
        ignore_warnings: fields.bool(d, "ignore_warnings").unwrap_or(false),
    };
    fields.finish(d);
    d.leave();
    Some(restart)
}

/// The check, and the task it shall run in if it names one.
fn check(section: &Section<'_>, on_update: OnUpdate, d: &mut Decoder) -> (Check, Option<String>) {
    let mut fields = Fields::new(&section.body, "check");
    let mut check = Check { name: fields.text(d, "name").unwrap_or_default(), ..Check::default() };
    match fields.raw("type").and_then(|value| value.to_text()).as_deref() {
        Some(_) => {
            let kinds = CheckKind::ALL.map(|kind| (kind.as_str(), kind));
            if let Some(kind) = fields.choice(d, "type", &kinds) {
                check.kind = kind;
            }
        }
        None => {
            fields.text(d, "type");
            missing(d, section, "type", "write `type = \"tcp\"`, \"http\", \"grpc\" or \"script\"");
        }
    }
    for (name, target, example) in
        [("interval", &mut check.interval, "10s"), ("timeout", &mut check.timeout, "2s")]
    {
        match fields.duration(d, name) {
            Some(duration) => *target = duration,
            None if fields.raw(name).is_none() => {
                missing(d, section, name, &format!("write `{name} = \"{example}\"`"));
            }
            None => {}
        }
    }
    check.port_label = fields.text(d, "port").unwrap_or_default();
    check.address_mode = address_mode(&mut fields, d);
    check.path = fields.text(d, "path").unwrap_or_default();
    check.method = fields.text(d, "method").unwrap_or_default();
    check.headers = headers(&mut fields, d);
    check.body = fields.text(d, "body").unwrap_or_default();
    check.command = fields.text(d, "command").unwrap_or_default();
    check.args = fields.texts(d, "args").unwrap_or_default();
    check.success_before_passing = fields.u32(d, "success_before_passing", 0).unwrap_or(0);
    check.failures_before_critical = fields.u32(d, "failures_before_critical", 0).unwrap_or(0);
    let statuses = [("passing", "passing"), ("warning", "warning"), ("critical", "critical"), ("", "")];
    check.initial_status = fields.choice(d, "initial_status", &statuses).unwrap_or_default().to_string();
    check.restart = check_restart(&mut fields, d);
    let task = fields.text(d, "task").filter(|task| !task.is_empty());
    let protocols = [("", false), ("http", false), ("https", true)];
    check.https = fields.choice(d, "protocol", &protocols).unwrap_or_default();
    check.tls_skip_verify = fields.bool(d, "tls_skip_verify").unwrap_or_default();
    check.tls_server_name = fields.text(d, "tls_server_name").unwrap_or_default();
    check.grpc_service = fields.text(d, "grpc_service").unwrap_or_default();
    check.grpc_use_tls = fields.bool(d, "grpc_use_tls").unwrap_or_default();
    check.notes = fields.text(d, "notes").unwrap_or_default();
    check.failures_before_warning = fields.u32(d, "failures_before_warning", 0).unwrap_or(0);
    check.on_update = self::on_update(&mut fields, d).unwrap_or(on_update);
    fields.refuse(d, "expose", Noop::Bool(false), "leave it out");
    fields.finish(d);
    (check, task)
}

fn missing(d: &mut Decoder, section: &Section<'_>, name: &str, help: &str) {
    d.taint(name);
    d.report(codes::MISSING, section.span, format!("the check has no `{name}`"), help);
}

fn headers(fields: &mut Fields<'_>, d: &mut Decoder) -> BTreeMap<String, Vec<String>> {
    let mut headers = BTreeMap::new();
    let Some(section) = fields.block(d, "header") else { return headers };
    for attribute in &section.body.attributes {
        let values = match &attribute.value.kind {
            Kind::List(items) => items.iter().map(|item| item.to_text()).collect::<Option<Vec<_>>>(),
            _ => attribute.value.to_text().map(|text| vec![text]),
        };
        match values {
            Some(values) => {
                headers.insert(attribute.name.text.clone(), values);
            }
            None => d.report(
                codes::WRONG_TYPE,
                attribute.value.span,
                format!("the header `{}` must be a list of texts", attribute.name.text),
                format!("write `{} = [\"..\"]`", attribute.name.text),
            ),
        }
    }
    for block in &section.body.blocks {
        d.report(
            codes::WRONG_TYPE,
            block.kind.span,
            format!("the header `{}` must be a list of texts", block.kind.text),
            "",
        );
    }
    headers
}

//! Rules of services and checks.

use std::{collections::BTreeSet, time::Duration};

use model::{AddressMode, Check, CheckKind, Service, TaggedAddress, Task, TaskGroup};

use super::{Checker, known_labels};
use crate::{codes, duration::show};

impl Checker {
    /// `ports`: labels that the services may name. `task`: which holds them; `None` for those of the group.
    pub(super) fn services(
        &mut self,
        services: &[Service],
        ports: &[&str],
        group: &TaskGroup,
        task: Option<&Task>,
    ) {
        let mut seen = BTreeSet::new();
        for (index, service) in services.iter().enumerate() {
            self.enter("service", index, &service.name);
            if !seen.insert((service.name.as_str(), service.port_label.as_str())) {
                self.report(
                    codes::DUPLICATE,
                    "",
                    format!("services are not unique: a second \"{}\" with the same port", service.name),
                    "give it another `name` or another `port`",
                );
            }
            self.service(service, ports, group, task);
            self.leave();
        }
    }

    fn service(&mut self, service: &Service, ports: &[&str], group: &TaskGroup, task: Option<&Task>) {
        let of_group = task.is_none();
        if !is_dns_label(&service.name) {
            self.report(
                codes::NAME,
                "name",
                format!("service name \"{}\" is not a DNS label", service.name),
                "set `name`, with at most 63 letters, digits and `-`, such as \"web\"",
            );
        }
        let user = format!("service \"{}\"", service.name);
        self.port_label(&service.port_label, service.address_mode, ports, &user);
        self.addresses(service, task);
        if of_group && !service.task.is_empty() && group.task(&service.task).is_none() {
            let message = format!(
                "service \"{}\" names task \"{}\", which the group does not have",
                service.name, service.task
            );
            let names: Vec<String> = group.tasks.iter().map(|task| format!("\"{}\"", task.name)).collect();
            self.report(
                codes::CHECK,
                "task",
                message,
                format!("tasks of this group are {}", names.join(", ")),
            );
        }
        let mut names = BTreeSet::new();
        for (index, check) in service.checks.iter().enumerate() {
            self.enter("check", index, &check.name);
            if !names.insert(check.name.as_str()) {
                self.report(
                    codes::DUPLICATE,
                    "name",
                    format!("the service has two checks named \"{}\"", check.name),
                    "give each check a name of its own",
                );
            }
            self.check(check, service, task, ports);
            let homeless = check.kind == CheckKind::Script && service.task.is_empty();
            if of_group && homeless && group.tasks.len() > 1 {
                self.report(
                    codes::CHECK,
                    "task",
                    "a script check of a group's service runs in a task, and does not say in which",
                    "write `task = \"..\"` into the service, or move the service into the task",
                );
            }
            self.leave();
        }
    }

    /// Where clients are sent.
    fn addresses(&mut self, service: &Service, task: Option<&Task>) {
        let mode = service.address_mode;
        if mode != AddressMode::Auto && !service.address.is_empty() {
            let message = format!(
                "`address` says where the service is, and so does `address_mode = \"{}\"`",
                mode.as_str()
            );
            self.report(codes::CHOICE, "address", message, "leave one of them out");
        }
        self.task_address(mode, task);
        for (name, address) in &service.tagged_addresses {
            // The port does not matter: here it is only known whether there is one.
            if !address.contains("${")
                && let Err(reason) = TaggedAddress::parse(address, 1)
            {
                let message = format!("address \"{address}\" of `{name}`: {reason}");
                self.report(codes::CHOICE, "tagged_addresses", message, "write `address` or `address:port`");
            }
        }
    }

    /// Only containers have addresses of their own.
    fn task_address(&mut self, mode: AddressMode, task: Option<&Task>) {
        if mode != AddressMode::Driver {
            return;
        }
        let (message, help) = match task {
            None => (
                String::from("`address_mode = \"driver\"` is for services of tasks, not of groups"),
                "move the service into the task whose address it shall have, or write \"host\"",
            ),
            Some(task) if task.driver != "docker" => (
                format!("tasks of driver {} have the address of their node", task.driver),
                "write `address_mode = \"host\"`",
            ),
            Some(task) => match task.config.get("network_mode") {
                Some(model::Value::Text(mode))
                    if matches!(mode.as_str(), "host" | "none") || mode.starts_with("container:") =>
                {
                    (
                        format!("a container with `network_mode = \"{mode}\"` has no address of its own"),
                        "write `address_mode = \"host\"`, or leave `network_mode` out",
                    )
                }
                _ => return,
            },
        };
        self.report(codes::CHOICE, "address_mode", message, help);
    }

    fn port_label(&mut self, label: &str, mode: AddressMode, ports: &[&str], user: &str) {
        // The task's own ports need not be known to anybody.
        if mode == AddressMode::Driver && label.parse::<u16>().is_ok_and(|port| port > 0) {
            return;
        }
        if !label.is_empty() && !label.contains("${") && !ports.contains(&label) {
            let message = format!("port label \"{label}\" referenced by {user} does not exist");
            self.report(codes::PORT, "port", message, known_labels(ports, label));
        }
    }

    fn check(&mut self, check: &Check, service: &Service, task: Option<&Task>, ports: &[&str]) {
        let label = if check.port_label.is_empty() { &service.port_label } else { &check.port_label };
        // A number of the service that is wrong there was said already.
        let is_given = !check.port_label.is_empty() || service.address_mode == AddressMode::Driver;
        let is_number = is_given && label.parse::<u16>().is_ok() && !ports.contains(&label.as_str());
        if check.kind != CheckKind::Script && is_number && check.address_mode != AddressMode::Driver {
            let message =
                format!("{} goes to port {label} of the node, which nobody reserved for it", title(check));
            self.report(
                codes::CHECK,
                "port",
                message,
                "write `address_mode = \"driver\"` into the check, or give it the label of a port",
            );
        } else {
            self.port_label(&check.port_label, check.address_mode, ports, &title(check));
        }
        self.task_address(check.address_mode, task);
        for (field, value) in [("interval", check.interval), ("timeout", check.timeout)] {
            if value < Duration::from_secs(1) {
                let message = format!("`{field}` must be at least 1s, found {}", show(value));
                self.report(codes::CHECK, field, message, format!("write `{field} = \"1s\"` or more"));
            }
        }
        match check.kind {
            CheckKind::Tcp | CheckKind::Http | CheckKind::Grpc
                if service.port_label.is_empty() && check.port_label.is_empty() =>
            {
                let message = format!("{} has no port to connect to", title(check));
                self.report(codes::CHECK, "", message, "set `port` in the service, or in the check");
            }
            CheckKind::Script if check.command.is_empty() => {
                let message = format!("{} runs a script and has no `command`", title(check));
                self.report(codes::CHECK, "command", message, "write `command = \"/bin/sh\"` and its `args`");
            }
            _ => {}
        }
        if check.notes.len() > 255 {
            let message = format!("`notes` may have 255 bytes, found {}", check.notes.len());
            self.report(codes::CHECK, "notes", message, "write less, or a comment");
        }
        if check.kind == CheckKind::Http {
            if check.path.is_empty() {
                let message = format!("{} is for http and has no `path`", title(check));
                self.report(codes::CHECK, "path", message, "write `path = \"/\"`");
            } else if check.path.contains("://") {
                let message = format!("`path` must be relative to the service, found \"{}\"", check.path);
                self.report(
                    codes::CHECK,
                    "path",
                    message,
                    "write only what follows host and port, such as \"/health\"",
                );
            }
        }
        if !matches!(check.initial_status.as_str(), "" | "passing" | "warning" | "critical") {
            let message = format!(
                "`initial_status` must be passing, warning or critical, found \"{}\"",
                check.initial_status
            );
            self.report(codes::CHECK, "initial_status", message, "");
        }
    }
}

/// `check "alive"`; for one without a name of its own, `the check`.
fn title(check: &Check) -> String {
    if check.name.starts_with("service: ") {
        String::from("the check")
    } else {
        format!("check \"{}\"", check.name)
    }
}

/// Up to 63 letters, digits and `-` with no `-` at the ends. What is interpolated later counts as a letter.
fn is_dns_label(name: &str) -> bool {
    let mut plain = String::new();
    let mut rest = name;
    while let Some(start) = rest.find("${") {
        plain.push_str(&rest[..start]);
        plain.push('a');
        rest = rest[start..].find('}').map_or("", |end| &rest[start + end + 1..]);
    }
    plain.push_str(rest);
    (1..=63).contains(&plain.len())
        && !plain.starts_with('-')
        && !plain.ends_with('-')
        && plain.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
}

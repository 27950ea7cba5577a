//! One configuration file (HCL, blocks and `name = { ... }` alike) put over a configuration.

use std::{net::IpAddr, ops::Range};

use hcl_edit::{
    Span,
    expr::{Expression, ObjectKey},
    parser::parse_body,
    structure::{Body, Structure},
};

use super::config::{Config, cluster};

/// One setting found in a file.
struct Setting {
    /// `server.enabled`, `plugin.docker.config.endpoint`
    path: String,
    value: Found,
    at: usize,
}

/// A value as written.
#[derive(Debug, Clone)]
enum Found {
    Text(String),
    Number(f64),
    Bool(bool),
    List(Vec<String>),
    Other(&'static str),
}

impl Found {
    fn describe(&self) -> String {
        match self {
            Self::Text(text) => format!("the text {text:?}"),
            Self::Number(number) => format!("the number {number}"),
            Self::Bool(value) => format!("{value}"),
            Self::List(_) => "a list".into(),
            Self::Other(what) => (*what).into(),
        }
    }
}

/// Puts the file's settings into `config` and returns what is wrong with it, each with file, line and column.
pub(super) fn apply(config: &mut Config, file: &str, text: &str) -> Vec<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let body: Body = match parse_body(text) {
        Ok(body) => body,
        Err(error) => {
            let location = error.location();
            return vec![format!("{file}:{}:{}: {}", location.line(), location.column(), error.message())];
        }
    };
    let mut settings = Vec::new();
    flatten(&body, "", &mut settings);
    let mut problems = Vec::new();
    for setting in settings {
        if let Err(problem) = set(config, &setting.path, &setting.value) {
            let (line, column) = position(text, setting.at);
            problems.push(format!("{file}:{line}:{column}: {problem}"));
        }
    }
    problems
}

fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let column = before.len() - before.rfind('\n').map_or(0, |newline| newline + 1) + 1;
    (line, column)
}

fn start(span: Option<Range<usize>>) -> usize {
    span.map_or(0, |span| span.start)
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

fn flatten(body: &Body, prefix: &str, out: &mut Vec<Setting>) {
    for structure in body {
        match structure {
            Structure::Attribute(attribute) => {
                value(&attribute.value, &join(prefix, attribute.key.as_str()), start(attribute.span()), out);
            }
            Structure::Block(block) => {
                let mut path = join(prefix, block.ident.as_str());
                for label in &block.labels {
                    path = join(&path, label.as_str());
                }
                if block.body.is_empty() {
                    // An empty block says nothing, but its name must be known.
                    out.push(Setting {
                        path,
                        value: Found::Other("an empty block"),
                        at: start(block.span()),
                    });
                } else {
                    flatten(&block.body, &path, out);
                }
            }
        }
    }
}

fn value(expression: &Expression, path: &str, at: usize, out: &mut Vec<Setting>) {
    let found = match expression {
        Expression::String(text) => Found::Text(text.as_str().to_owned()),
        Expression::Number(number) => Found::Number(number.value().as_f64().unwrap_or(f64::NAN)),
        Expression::Bool(value) => Found::Bool(*value.value()),
        Expression::Array(items) => Found::List(
            items
                .iter()
                .filter_map(|item| {
                    item.as_str().map(str::to_owned).or_else(|| item.as_number().map(ToString::to_string))
                })
                .collect(),
        ),
        Expression::HeredocTemplate(template) => Found::Text(template.template.to_string()),
        Expression::Object(object) => {
            for (key, item) in object {
                let name = match key {
                    ObjectKey::Ident(ident) => ident.as_str().to_owned(),
                    ObjectKey::Expression(expression) => expression.as_str().unwrap_or("?").to_owned(),
                };
                value(item.expr(), &join(path, &name), start(key.span()), out);
            }
            return;
        }
        Expression::StringTemplate(_) => Found::Other("a template"),
        _ => Found::Other("an expression"),
    };
    out.push(Setting { path: path.to_owned(), value: found, at });
}

/// Settings that belong to clusters of several agents.
const CLUSTER: &[&str] = &[
    "advertise",
    "addresses",
    "consul",
    "server.server_join",
    "server.retry_join",
    "server.start_join",
    "server.retry_max",
    "server.retry_interval",
    "server.encrypt",
    "client.servers",
    "client.server_join",
    "server.authoritative_region",
    "server.rejoin_after_leave",
    "autopilot",
];

/// Settings of the original that this release does not have.
const LATER: &[&str] = &[
    "acl",
    "tls",
    "vault",
    "telemetry",
    "limits",
    "audit",
    "sentinel",
    "ui",
    "rpc",
    "reporting",
    "keyring",
    "eventlog",
    "plugin",
    "plugin_dir",
    "client",
    "server",
    "enable_syslog",
    "syslog_facility",
    "log_file",
    "enable_debug",
    "http_api_response_headers",
    "leave_on_interrupt",
    "leave_on_terminate",
    "ports",
];

/// The table of what a file may say: one line per setting.
fn set(config: &mut Config, path: &str, value: &Found) -> Result<(), String> {
    let typed = Typed { path, value };
    match path {
        "name" => config.name = typed.text()?,
        "region" => config.region = typed.text()?,
        "datacenter" => config.datacenter = typed.text()?,
        "data_dir" => config.data_dir = typed.text()?.into(),
        "bind_addr" => {
            let text = typed.text()?;
            config.bind = text
                .parse::<IpAddr>()
                .map_err(|_| format!("`bind_addr` must be an IP address, found {text:?}"))?;
        }
        "log_level" => config.log_level = typed.text()?,
        "log_json" => config.log_json = typed.bool()?,
        "ports.http" => config.http_port = typed.port()?,
        "ports.rpc" => config.rpc_port = typed.port()?,
        "ports.serf" => config.gossip_port = typed.port()?,
        "ports.consul" => config.consul_port = typed.port()?,
        "ports.dns" => config.dns_port = typed.port()?,
        "recursors" => config.recursors = typed.list()?,
        "domain" => config.domain = typed.text()?.trim_end_matches('.').to_owned(),
        "disable_update_check" | "disable_anonymous_signature" => {
            // Nothing is ever sent home.
            typed.bool()?;
        }
        "server.enabled" => config.server = typed.bool()?,
        "server.bootstrap_expect" => {
            if typed.whole()? != 1 {
                return Err(cluster("`bootstrap_expect` above 1", "so it must be 1"));
            }
        }
        "server.num_schedulers" => config.schedulers = typed.whole()?.try_into().unwrap_or(1),
        "client.enabled" => config.client = typed.bool()?,
        "client.alloc_dir" => config.alloc_dir = Some(typed.text()?.into()),
        "client.node_class" => config.node_class = typed.text()?,
        "client.cpu_total_compute" => config.cpu_total_mhz = typed.amount()?,
        "client.memory_total_mb" => config.memory_total_mb = typed.amount()?,
        "client.min_dynamic_port" => config.dynamic_ports.0 = typed.port()?,
        "client.max_dynamic_port" => config.dynamic_ports.1 = typed.port()?,
        "client.reserved.cpu" => config.reserved.cpu_mhz = typed.amount()?,
        "client.reserved.memory" => config.reserved.memory_mb = typed.amount()?,
        "client.reserved.disk" => config.reserved.disk_mb = typed.amount()?,
        "client.reserved.reserved_ports" => config.reserved_ports = ports(&typed.text()?)?,
        "client.options.driver.raw_exec.enable" => config.raw_exec = typed.bool()?,
        "client.options.docker.endpoint" | "plugin.docker.config.endpoint" => {
            let text = typed.text()?;
            config.docker_socket = text.strip_prefix("unix://").unwrap_or(&text).into();
        }
        "client.options.docker.volumes.enabled" | "plugin.docker.config.volumes.enabled" => {
            config.docker_volumes = typed.bool()?;
        }
        "plugin.raw_exec.config.enabled" => config.raw_exec = typed.bool()?,
        "plugin.mock_driver.config.enabled" => config.mock = typed.bool()?,
        "server" | "client" | "ports" if matches!(value, Found::Other("an empty block")) => {}
        _ => {
            if let Some(key) = path.strip_prefix("client.meta.") {
                config.meta.insert(key.to_owned(), typed.text()?);
                return Ok(());
            }
            let under = |known: &&&str| path == **known || path.starts_with(&format!("{known}."));
            if CLUSTER.iter().any(|known| under(&known)) {
                return Err(cluster(&format!("`{path}`"), "so leave it out"));
            }
            if LATER.iter().any(|known| under(&known)) {
                return Err(format!("`{path}` is not supported in this release; leave it out"));
            }
            return Err(format!("`{path}` is not a setting of the agent"));
        }
    }
    Ok(())
}

/// `80,443,8000-8010`
fn ports(text: &str) -> Result<Vec<u16>, String> {
    let mut ports = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let bad =
            || format!("`reserved_ports` must be ports and ranges such as \"22,8000-8010\", found {part:?}");
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let from: u16 = from.trim().parse().map_err(|_| bad())?;
        let to: u16 = to.trim().parse().map_err(|_| bad())?;
        if from == 0 || from > to {
            return Err(bad());
        }
        ports.extend(from..=to);
    }
    Ok(ports)
}

/// Converts as the original does: `"1"` is 1, `"true"` is true.
struct Typed<'a> {
    path: &'a str,
    value: &'a Found,
}

impl Typed<'_> {
    fn wrong<T>(&self, wanted: &str) -> Result<T, String> {
        Err(format!("`{}` must be {wanted}, found {}", self.path, self.value.describe()))
    }

    fn text(&self) -> Result<String, String> {
        match self.value {
            Found::Text(text) => Ok(text.clone()),
            Found::Number(number) => Ok(number.to_string()),
            Found::Bool(value) => Ok(value.to_string()),
            _ => self.wrong("a text"),
        }
    }

    fn bool(&self) -> Result<bool, String> {
        match self.value {
            Found::Bool(value) => Ok(*value),
            Found::Text(text) if text == "true" || text == "1" => Ok(true),
            Found::Text(text) if text == "false" || text == "0" => Ok(false),
            _ => self.wrong("true or false"),
        }
    }

    fn whole(&self) -> Result<i64, String> {
        match self.value {
            Found::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => Ok(*number as i64),
            Found::Text(text) => text.trim().parse().or_else(|_| self.wrong("a whole number")),
            _ => self.wrong("a whole number"),
        }
    }

    fn port(&self) -> Result<u16, String> {
        match u16::try_from(self.whole()?) {
            Ok(port) if port > 0 => Ok(port),
            _ => self.wrong("a port between 1 and 65535"),
        }
    }

    fn amount(&self) -> Result<u32, String> {
        u32::try_from(self.whole()?).or_else(|_| self.wrong("a number that is not negative"))
    }

    fn list(&self) -> Result<Vec<String>, String> {
        match self.value {
            Found::List(items) => Ok(items.clone()),
            Found::Text(text) => Ok(vec![text.clone()]),
            _ => self.wrong("a list of texts"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::AgentArgs;

    fn base() -> Config {
        Config::load(&AgentArgs { dev: true, ..AgentArgs::default() }).expect("dev needs nothing")
    }

    #[test]
    fn both_forms_and_weak_types() {
        for text in [
            "data_dir = \"/d\"\nserver = {\n  enabled = \"true\"\n  bootstrap_expect = \"1\"\n}\nports = { http = \"5656\" }\n",
            "data_dir = \"/d\"\nserver {\n  enabled = true\n  bootstrap_expect = 1\n}\nports {\n  http = 5656\n}\n",
        ] {
            let mut config = base();
            config.server = false;
            assert_eq!(apply(&mut config, "a.hcl", text), Vec::<String>::new());
            assert!(config.server);
            assert_eq!((config.http_port, config.data_dir.to_str()), (5656, Some("/d")));
        }
    }

    #[test]
    fn names_file_line_and_remedy_for_all_problems_at_once() {
        let text = "datacentre = \"dc1\"\nserver {\n  enabled = 7\n  bootstrap_expect = 3\n}\nacl {\n  enabled = true\n}\n";
        insta::assert_snapshot!(apply(&mut base(), "a.hcl", text).join("\n"), @r"
        a.hcl:1:1: `datacentre` is not a setting of the agent
        a.hcl:3:3: `server.enabled` must be true or false, found the number 7
        a.hcl:4:3: `bootstrap_expect` above 1: this release runs single agents, so it must be 1; clusters of several agents come later
        a.hcl:7:3: `acl.enabled` is not supported in this release; leave it out
        ");
    }

    #[test]
    fn a_syntax_error_has_a_place() {
        let problems = apply(&mut base(), "a.hcl", "server {\n  enabled = \n}\n");
        assert!(problems[0].starts_with("a.hcl:2:"), "{problems:?}");
    }

    #[test]
    fn reserved_ports_are_ports_and_ranges() {
        assert_eq!(ports("22, 80-82").unwrap(), [22, 80, 81, 82]);
        assert!(ports("80-").is_err() && ports("0").is_err() && ports("9-7").is_err());
    }
}

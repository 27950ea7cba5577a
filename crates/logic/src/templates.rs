//! What templates of tasks see: services, nodes, the environment, files. Says what was read, so that whoever renders
//! knows when to look again, and what was not there yet, so that whoever waits can say for what.
//!
//! Nothing is read from a disk here: a template that asks for a file that was not handed in says so, is given it, and is
//! rendered again.

mod catalog; // services and nodes as values
mod scratch; // values that a template keeps

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use gotemplate::{
    Delimiters, Functions, Limits, Value,
    helpers::{self, Setting},
};
use model::{
    Node, Timestamp, Wait, civil,
    files::{TEMPLATE_FUNCTIONS, absent_template_function},
};
use state::{Epoch, Root};

use self::scratch::Scratch;
use crate::sockaddr::{self, Interface};

/// Bytes of a rendered file.
pub const MAX_BYTES: usize = 16 << 20;

/// Something outside of the template that decides what it says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Read {
    Service(String),
    /// The names of all.
    Services,
    Nodes,
    File(String),
}

/// A template that was read.
#[derive(Debug, Clone)]
pub struct Parsed(gotemplate::Template);

/// # Errors
/// What is wrong with the text, with line and column; names of functions that cannot be called here among it.
pub fn parse(text: &str, left: &str, right: &str) -> Result<Parsed, gotemplate::Error> {
    let delimiters = Delimiters { left: left.to_owned(), right: right.to_owned() };
    gotemplate::Template::parse(text, &delimiters, &is_known).map(Parsed)
}

/// Whether a template may call it.
fn is_known(name: &str) -> Result<(), String> {
    if TEMPLATE_FUNCTIONS.contains(&name) || helpers::knows(name) {
        return Ok(());
    }
    Err(match absent_template_function(name) {
        Some(reason) => format!("function {name:?} is not supported: {reason}"),
        None => format!("function {name:?} not defined"),
    })
}

/// The world of a task at one moment.
#[derive(Debug, Clone, Copy)]
pub struct World<'a> {
    pub root: &'a Root,
    pub node: &'a Node,
    pub env: &'a BTreeMap<String, String>,
    /// What the files hold that were asked for; `None`: it is not there.
    pub files: &'a BTreeMap<String, Option<String>>,
    /// Of the machine; `None`: nobody has looked yet.
    pub interfaces: Option<&'a [Interface]>,
    pub now: Timestamp,
}

/// What a template says now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rendered {
    pub text: String,
    pub reads: Reads,
    /// What it has to wait for, in words. Empty: the text is complete.
    pub missing: BTreeSet<String>,
    /// Files that have to be handed in first.
    pub wanted: BTreeSet<String>,
    /// Whether the interfaces of the machine have to be.
    pub wants_interfaces: bool,
}

/// What was read, and how new it was.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reads {
    epoch: Epoch,
    indexes: BTreeMap<Read, u64>,
}

impl Reads {
    /// Whether something of the catalog that was read is another by now.
    pub fn is_stale(&self, root: &Root) -> bool {
        let of_catalog = self.indexes.iter().filter(|(read, _)| !matches!(read, Read::File(_)));
        let mut of_catalog = of_catalog.peekable();
        of_catalog.peek().is_some()
            && (self.epoch != root.epoch || of_catalog.any(|(read, index)| index_of(read, root) != *index))
    }

    /// Whether something of the catalog changed since this was asked last; each change is told once.
    pub fn take_changes(&mut self, root: &Root) -> bool {
        let is_stale = self.is_stale(root);
        self.epoch = root.epoch;
        for (read, index) in &mut self.indexes {
            *index = index_of(read, root);
        }
        is_stale
    }

    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.indexes.keys().filter_map(|read| match read {
            Read::File(path) => Some(path.as_str()),
            _ => None,
        })
    }
}

fn index_of(read: &Read, root: &Root) -> u64 {
    match read {
        Read::Service(name) => root.service_index(name),
        Read::Services => root.indexes.services,
        Read::Nodes => root.indexes.nodes.max(root.indexes.agents),
        Read::File(_) => 0,
    }
}

/// Renders it.
///
/// # Errors
/// What the template does wrong, with line and column.
pub fn render(
    template: &Parsed,
    world: World<'_>,
    missing_key_is_error: bool,
) -> Result<Rendered, gotemplate::Error> {
    let mut host = Host { world, found: Rendered::default(), scratch: Scratch::default() };
    host.found.reads.epoch = world.root.epoch;
    let limits = Limits { bytes: MAX_BYTES, missing_key_is_error, ..Limits::default() };
    let text = template.0.render(&Value::Null, &mut host, &limits)?;
    Ok(Rendered { text, ..host.found })
}

/// When a file is rendered again that became stale first and last at these times.
pub fn due(first: Timestamp, last: Timestamp, wait: Option<Wait>) -> Timestamp {
    let wait = wait.unwrap_or_default();
    last.plus(wait.min).min(first.plus(wait.max))
}

/// The part of the splay that passes; `jitter` is a random number in 0..1.
pub fn splay(most: Duration, jitter: f64) -> Duration {
    most.mul_f64(jitter.clamp(0.0, 1.0))
}

/// What the lines of a file say as environment: `KEY=value`, with `export`, quotes and comments as shells have them.
///
/// # Errors
/// Names the line that says nothing of the kind.
pub fn environment(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut env = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((key, value)) = line.split_once('=') else {
            return Err(format!("line {} is not KEY=value", number + 1));
        };
        let key = key.trim();
        if key.is_empty() || key.contains(|c: char| c.is_whitespace() || c == '\0') {
            return Err(format!("line {}: {key:?} cannot be the name of a variable", number + 1));
        }
        env.insert(key.to_owned(), unquoted(value.trim()));
    }
    Ok(env)
}

fn unquoted(value: &str) -> String {
    let inside = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    if let Some(plain) = inside('\'') {
        return plain.to_owned();
    }
    let Some(text) = inside('"') else {
        // What follows a blank and a number sign is a remark.
        return value.split(" #").next().unwrap_or_default().trim_end().to_owned();
    };
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some(other) => out.push(other),
            None => out.push('\\'),
        }
    }
    out
}

struct Host<'a> {
    world: World<'a>,
    found: Rendered,
    scratch: Scratch,
}

impl<'a> Host<'a> {
    /// The catalog, noted as read.
    fn catalog(&mut self, read: Read) -> &'a Root {
        let root = self.world.root;
        if root.index == 0 {
            self.found.missing.insert(String::from("the catalog"));
        }
        self.found.reads.indexes.insert(read.clone(), index_of(&read, root));
        root
    }

    fn file(&mut self, path: &str) -> Value {
        self.found.reads.indexes.insert(Read::File(path.to_owned()), 0);
        match self.world.files.get(path) {
            Some(Some(text)) => Value::text(text),
            Some(None) => {
                self.found.missing.insert(format!("file({path})"));
                Value::text("")
            }
            None => {
                self.found.wanted.insert(path.to_owned());
                Value::text("")
            }
        }
    }
}

impl Functions for Host<'_> {
    fn call(&mut self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        let texts = || -> Result<Vec<&str>, String> {
            let text = |value: &'_ Value| match value {
                Value::Text(_) => Ok(()),
                other => Err(format!("wants strings, found a {}", other.kind())),
            };
            arguments.iter().try_for_each(text)?;
            Ok(arguments.iter().filter_map(Value::as_text).collect())
        };
        match name {
            "env" | "mustEnv" | "envOrDefault" => {
                let texts = texts()?;
                let (key, default) = match (name, texts.as_slice()) {
                    ("envOrDefault", [key, default]) => (*key, Some(*default)),
                    ("env" | "mustEnv", [key]) => (*key, None),
                    _ => return Err(String::from("wrong number of arguments")),
                };
                let found = self.world.env.get(key).map(String::as_str);
                if name == "mustEnv" && found.is_none() {
                    return Err(format!("the environment has no {key}"));
                }
                let found = found.filter(|found| !found.is_empty() || default.is_none());
                Ok(Value::text(found.or(default).unwrap_or_default()))
            }
            "file" => match texts()?.as_slice() {
                [path] => Ok(self.file(path)),
                _ => Err(String::from("wants the path of a file")),
            },
            "service" => {
                let query = catalog::ServiceQuery::parse(&texts()?)?;
                // When a machine comes or goes, so does the index of the services on it.
                let root = self.catalog(Read::Service(query.name.clone()));
                Ok(query.instances(root))
            }
            "nomadService" => {
                let (name, chosen) = catalog::chosen(arguments)?;
                let root = self.catalog(Read::Service(name.clone()));
                Ok(catalog::of_jobs(root, &name, chosen))
            }
            "services" => Ok(catalog::names(self.catalog(Read::Services), false)),
            "nomadServices" => Ok(catalog::names(self.catalog(Read::Services), true)),
            "nodes" => Ok(catalog::nodes(self.catalog(Read::Nodes))),
            "datacenters" => Ok(catalog::datacenters(self.catalog(Read::Nodes))),
            "node" => {
                let own = self.world.node.name.as_str();
                let name = match texts()?.as_slice() {
                    [] => own.to_owned(),
                    [name] => (*name).split('@').next().unwrap_or_default().to_owned(),
                    _ => return Err(String::from("wants the name of a node")),
                };
                self.catalog(Read::Services);
                Ok(catalog::node(self.catalog(Read::Nodes), &name))
            }
            "sockaddr" => {
                let template = format!("{{{{ {} }}}}", texts()?.join(" "));
                match self.world.interfaces {
                    Some(interfaces) => sockaddr::evaluate(&template, interfaces).map(Value::from),
                    None => {
                        self.found.wants_interfaces = true;
                        sockaddr::check(&template).map(|()| Value::text(""))
                    }
                }
            }
            "scratch" if arguments.is_empty() => Ok(Value::Object("scratch")),
            "timestamp" => match texts()?.as_slice() {
                [] => Ok(Value::text(rfc3339(self.world.now))),
                ["unix"] => Ok(Value::text(self.world.now.0.div_euclid(1_000_000_000).to_string())),
                _ => Err(String::from("only {{ timestamp }} and {{ timestamp \"unix\" }} are there")),
            },
            name => helpers::call(name, arguments, &Setting { bytes: MAX_BYTES, now: self.world.now.0 }),
        }
    }

    fn changes_first(&self, name: &str) -> bool {
        helpers::changes_first(name)
    }

    fn method(&mut self, object: &str, name: &str, arguments: &[Value]) -> Result<Value, String> {
        match object {
            "scratch" => self.scratch.call(name, arguments),
            _ => Err(format!("{object} has no field or method {name}")),
        }
    }
}

/// In UTC, to the second.
fn rfc3339(now: Timestamp) -> String {
    let seconds = now.0.div_euclid(1_000_000_000);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil::date(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests;

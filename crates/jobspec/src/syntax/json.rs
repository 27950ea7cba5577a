//! Job files in JSON: objects stand for blocks, their keys for labels.

use super::{
    expr::{Expr, Key, Node},
    parser::{Outcome, parse_object},
    tree::{Attribute, Block, Body, Name},
};
use crate::{codes, diagnostic::Finding};

/// Blocks that carry a name.
const NAMED: [&str; 13] = [
    "job",
    "group",
    "task",
    "port",
    "reserved_ports",
    "dynamic_ports",
    "device",
    "target",
    "variable",
    "volume",
    "dynamic",
    "action",
    "secret",
];

/// Blocks without a name in which others stand. All else that is an object may stay a map.
const PLAIN: [&str; 10] = [
    "network",
    "resources",
    "spread",
    "service",
    "multiregion",
    "content",
    "validation",
    "locals",
    "variables",
    "template",
];

/// Reads a job file in JSON.
pub(crate) fn job_file(text: &str) -> Outcome {
    let (object, mut findings, mut broken) = parse_object(text);
    let span = object.span;
    let items = match object.node {
        Node::Object(items) => items,
        _ => Vec::new(),
    };
    let is_api = |key: &Key| matches!(key, Key::Name(name) if matches!(name.text.as_str(), "Job" | "ID"));
    if items.iter().any(|(key, _)| is_api(key)) {
        broken = true;
        findings.push(Finding::new(
            codes::JSON,
            span,
            "this is a job in the form of the HTTP API, not a job file",
            "read it with `-json`, send it to /v1/jobs, or write {\"job\": {\"name\": { .. }}}",
        ));
    }
    let body = body(items, &mut findings);
    Outcome { body, findings, broken }
}

fn body(items: Vec<(Key, Expr)>, findings: &mut Vec<Finding>) -> Body<Expr> {
    let mut body = Body::default();
    for (key, value) in items {
        let name = match key {
            Key::Name(name) if name.text == "//" => continue,
            Key::Name(name) => name,
            Key::Computed(key) => {
                findings.push(Finding::new(
                    codes::TEXT,
                    key.span,
                    "nothing is interpolated in names and labels",
                    "write the name itself",
                ));
                continue;
            }
        };
        // `port` is a block in a network, and text in a service.
        if NAMED.contains(&name.text.as_str()) && objects(&value) {
            named(&name, value, &mut body, findings);
        } else if PLAIN.contains(&name.text.as_str()) && objects(&value) {
            for object in each(value) {
                let inner = self::body(object, findings);
                body.blocks.push(Block { kind: name.clone(), labels: Vec::new(), body: inner });
            }
        } else {
            body.attributes.push(Attribute { name, value });
        }
    }
    body
}

/// `"task": {"a": {..}, "b": [{..}, {..}]}`
fn named(kind: &Name, value: Expr, body: &mut Body<Expr>, findings: &mut Vec<Finding>) {
    let mut refuse = |value: &Expr| {
        let kind = &kind.text;
        let help = format!("write {{\"{kind}\": {{\"name\": {{ .. }}}}}}");
        let message = format!("the content of `{kind}` must be an object");
        findings.push(Finding::new(codes::JSON, value.span, message, help));
    };
    let mut found = Vec::new();
    for entries in each(value) {
        for (key, content) in entries {
            match key {
                Key::Name(label) if label.text == "//" => {}
                Key::Name(label) if objects(&content) => {
                    found.extend(each(content).into_iter().map(|object| (label.clone(), object)));
                }
                _ => refuse(&content),
            }
        }
    }
    for (label, object) in found {
        let inner = self::body(object, findings);
        body.blocks.push(Block { kind: kind.clone(), labels: vec![label], body: inner });
    }
}

/// An object, or a list of nothing else.
fn objects(value: &Expr) -> bool {
    match &value.node {
        Node::Object(_) => true,
        Node::List(items) => items.iter().all(|item| matches!(item.node, Node::Object(_))),
        _ => false,
    }
}

fn each(value: Expr) -> Vec<Vec<(Key, Expr)>> {
    match value.node {
        Node::Object(items) => vec![items],
        Node::List(items) => items.into_iter().flat_map(each).collect(),
        _ => Vec::new(),
    }
}

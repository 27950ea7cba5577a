//! Names that hold some text, whatever they are names of.

use std::collections::BTreeMap;

use api::{FuzzyMatch, FuzzySearchRequest, FuzzySearchResponse};
use model::{Job, Value};
use state::Root;

use super::{
    Context, built_in,
    call::Call,
    failure::Failure,
    read::{Answer, json},
    search,
};

/// Matches listed per context; beyond it the answer says that it is cut.
const MOST: usize = 20;
/// Shorter texts are in nearly everything.
const SHORTEST: usize = 2;

/// Contexts in which names are looked for. In the others ids are, by their beginning.
const NAMED: [&str; 10] = [
    "jobs",
    "nodes",
    "allocs",
    "namespaces",
    "node_pools",
    "groups",
    "services",
    "tasks",
    "images",
    "commands",
];

pub(super) fn by_part(ctx: &Context, call: &Call) -> Answer {
    call.only_write()?;
    let request: FuzzySearchRequest = call.json()?;
    let text = request.text.to_lowercase();
    let length = text.chars().count();
    if length < SHORTEST {
        return Err(Failure::bad(format!(
            "fuzzy search query must be at least {SHORTEST} characters, got {length}"
        )));
    }
    let known = || NAMED.into_iter().chain(search::CONTEXTS).chain(search::EMPTY).chain(["classes"]);
    let mut contexts: Vec<&str> = match request.context.as_str() {
        "" | "all" => known().filter(|name| !search::EMPTY.contains(name) && *name != "classes").collect(),
        context => match known().find(|name| *name == context) {
            Some(name) => vec![name],
            None => {
                let names: Vec<&str> = known().collect();
                return Err(Failure::server(format!(
                    "context must be one of {} or all; got {context:?}",
                    names.join(", ")
                )));
            }
        },
    };
    contexts.sort_unstable();
    contexts.dedup();
    let root = ctx.state.root();
    let (mut matches, mut truncations) = (BTreeMap::new(), BTreeMap::new());
    for context in contexts {
        let mut found = if NAMED.contains(&context) {
            named(&root, call, context, &text)
        } else {
            let ids = search::find(&root, call, context, &request.text);
            ids.into_iter().map(|id| FuzzyMatch { id, scope: Vec::new() }).collect()
        };
        if found.is_empty() && matches!(request.context.as_str(), "" | "all") {
            continue;
        }
        truncations.insert(context.to_owned(), found.len() > MOST);
        found.truncate(MOST);
        matches.insert(context.to_owned(), found);
    }
    let answer = FuzzySearchResponse {
        matches,
        truncations,
        index: root.index.max(1),
        known_leader: ctx.agent.leadership.borrow().leader_address.is_some(),
        ..FuzzySearchResponse::default()
    };
    Ok(json(call, &answer))
}

/// Names that hold the text, those first in which it begins first.
struct Names<'a> {
    text: &'a str,
    found: Vec<(usize, FuzzyMatch)>,
}

impl Names<'_> {
    fn look(&mut self, name: &str, scope: &[&str]) {
        if let Some(at) = name.to_lowercase().find(self.text) {
            let scope = scope.iter().map(|&part| part.to_owned()).collect();
            self.found.push((at, FuzzyMatch { id: name.to_owned(), scope }));
        }
    }
}

fn named(root: &Root, call: &Call, context: &str, text: &str) -> Vec<FuzzyMatch> {
    let mut names = Names { text, found: Vec::new() };
    match context {
        "nodes" => {
            root.nodes.values().for_each(|node| names.look(&node.name, &[&node.id.to_string()]));
        }
        "allocs" => {
            for alloc in root.allocs.values().filter(|alloc| call.sees(&alloc.job.namespace)) {
                names.look(&alloc.name(), &[&alloc.job.namespace, &alloc.id.to_string()]);
            }
        }
        "namespaces" => names.look(&built_in::namespace().name, &[]),
        "node_pools" => root.pools().iter().for_each(|pool| names.look(pool.name.as_str(), &[])),
        _ => {
            let jobs = root.jobs.values().filter(|job| !job.stop && call.sees(&job.namespace));
            jobs.for_each(|job| in_job(job, context, &mut names));
        }
    }
    let Names { mut found, .. } = names;
    found.sort_by(|(left, one), (right, other)| {
        left.cmp(right).then_with(|| one.id.cmp(&other.id)).then_with(|| one.scope.cmp(&other.scope))
    });
    found.into_iter().map(|(_, found)| found).collect()
}

fn in_job(job: &Job, context: &str, names: &mut Names<'_>) {
    let (namespace, id) = (job.namespace.as_str(), job.id.as_str());
    if context == "jobs" {
        return names.look(&job.name, &[namespace, id]);
    }
    for group in &job.groups {
        match context {
            "groups" => names.look(&group.name, &[namespace, id]),
            "services" => {
                group
                    .services
                    .iter()
                    .for_each(|service| names.look(&service.name, &[namespace, id, &group.name]));
            }
            _ => {}
        }
        for task in &group.tasks {
            let place = [namespace, id, group.name.as_str(), task.name.as_str()];
            let setting = |name: &str| task.config.get(name).and_then(Value::as_text).unwrap_or_default();
            match context {
                "tasks" => names.look(&task.name, &place[..3]),
                "services" => task.services.iter().for_each(|service| names.look(&service.name, &place)),
                "images" => names.look(setting("image"), &place),
                "commands" => names.look(setting("command"), &place),
                _ => {}
            }
        }
    }
}

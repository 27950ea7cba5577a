//! The tree of a job file -> `model::Job`, with every name either understood or refused.

mod files; // templates, artifacts
mod fields; // reading one block
mod group; // group and job level
mod launch; // periodic, parameterized
mod location; // constraints, affinities, spreads
mod policy; // update, restart, reschedule, migrate
mod scaling; // bounds of counts
mod service; // services and checks
mod task; // tasks, resources, driver config

use std::collections::{BTreeMap, BTreeSet};

use model::{Job, TaskGroup, UpdateStrategy};

use crate::{
    codes,
    diagnostic::{Finding, Source},
    problem::{Place, Problem},
    suggest::nearest,
    syntax::{Body, Span},
};

/// What decoding gathers beside the job.
#[derive(Default)]
pub(crate) struct Decoder {
    pub(crate) findings: Vec<Finding>,
    /// Sentences and their places.
    pub(crate) warnings: Vec<(String, Span)>,
    place: Place,
    /// Where each thing of the job stands in the file.
    positions: BTreeMap<String, Span>,
    /// What was reported already: validation says nothing more about it.
    tainted: BTreeSet<String>,
}

impl Decoder {
    fn report(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let mut finding = Finding::new(code, span, message, help);
        finding.context = self.place.context();
        self.findings.push(finding);
    }

    fn enter(&mut self, kind: &'static str, index: usize, name: &str, span: Span) {
        self.place.enter(kind, index, name);
        self.positions.insert(self.place.key(), span);
        if name.is_empty() && matches!(kind, "group" | "task" | "port" | "target") {
            // That it has no name was reported by the reader of its label.
            self.taint("");
        }
    }

    fn leave(&mut self) {
        self.place.leave();
    }

    fn set_position(&mut self, field: &str, span: Span) {
        self.positions.insert(self.place.field(field).key(), span);
    }

    fn taint(&mut self, field: &str) {
        self.tainted.insert(self.place.field(field).key());
    }

    /// The finding for a broken rule, at the nearest thing that stands in the file; `None` if that was reported.
    pub(crate) fn locate(&self, problem: Problem) -> Option<Finding> {
        let mut key = problem.place.key();
        if self.tainted.contains(&key) {
            return None;
        }
        let span = loop {
            if let Some(span) = self.positions.get(&key).or_else(|| self.inherited(&key)) {
                break *span;
            }
            match key.rfind('/') {
                Some(at) => key.truncate(at),
                None => break Span::default(),
            }
        };
        let context = problem.place.context();
        Some(Finding { code: problem.code, span, message: problem.message, help: problem.help, context })
    }

    /// Where a group's policy stands that was written in the job: `/job0/group1/update0/stagger` there is
    /// `/job0/update0/stagger`.
    fn inherited(&self, key: &str) -> Option<&Span> {
        let at = ["/update0", "/reschedule0", "/migrate0"].iter().find_map(|policy| key.find(policy))?;
        self.positions.get(&format!("/job0{}", &key[at..]))
    }

    /// Adds what is odd about the job as a whole.
    pub(crate) fn warn_about(&mut self, job: &Job) {
        for (index, group) in job.groups.iter().enumerate() {
            let Some(update) = &group.update else { continue };
            let mut place = Place::default();
            place.enter("job", 0, "");
            place.enter("group", index, &group.name);
            place.enter("update", 0, "");
            if job.groups.iter().any(|other| waits_for_people(other, update))
                && let Some(span) = self.positions.get(&place.field("auto_promote").key())
            {
                let text = "another group has canaries without `auto_promote`: nothing is promoted by itself";
                self.warnings.push((text.to_owned(), *span));
            }
            if update.max_parallel > group.count
                && let Some(span) = self.positions.get(&place.field("max_parallel").key())
            {
                let text = format!(
                    "`max_parallel` is {}, and group \"{}\" has a count of {}: all are replaced at once",
                    update.max_parallel, group.name, group.count
                );
                self.warnings.push((text, *span));
            }
        }
    }

    pub(crate) fn warnings(&self, file: &str, source: &Source<'_>) -> Vec<String> {
        let place = |span: &Span| source.position(span.start).0;
        self.warnings.iter().map(|(text, span)| format!("{file}:{}: {text}", place(span))).collect()
    }
}

/// Whether the group's canaries keep those of another group waiting.
fn waits_for_people(group: &TaskGroup, other: &UpdateStrategy) -> bool {
    let waits = |update: &UpdateStrategy| update.canary > 0 && !update.auto_promote;
    other.auto_promote && group.update.as_ref().is_some_and(waits)
}

/// The job of a file; `None` when it has no job block, which is then reported.
pub(crate) fn decode(body: &Body, decoder: &mut Decoder) -> Option<Job> {
    for attribute in &body.attributes {
        decoder.report(
            codes::UNKNOWN_NAME,
            attribute.name.span,
            format!("`{}` stands outside of the job", attribute.name.text),
            "a job file consists of one `job \"name\" { .. }`; put arguments between its braces",
        );
    }
    let mut jobs = Vec::new();
    for block in &body.blocks {
        match block.kind.text.as_str() {
            "job" => jobs.push(block),
            other => {
                let help = match nearest(other, &["job"]) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => String::from("a job file consists of one `job \"name\" { .. }`"),
                };
                decoder.report(
                    codes::UNKNOWN_NAME,
                    block.kind.span,
                    format!("unknown block `{other}`"),
                    help,
                );
            }
        }
    }
    let Some((first, others)) = jobs.split_first() else {
        decoder.report(
            codes::JOB_BLOCK,
            Span::default(),
            "the file has no job",
            "write `job \"name\" { .. }`; `troupe init` writes an example",
        );
        return None;
    };
    for block in others {
        decoder.report(
            codes::JOB_BLOCK,
            block.kind.span,
            "the file has a second job",
            "put each job into a file of its own",
        );
    }
    Some(group::job(first, decoder))
}

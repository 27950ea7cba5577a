//! What goes in and what comes out.

mod bad; // every kind of refusal, word for word
mod bad_input; // what costs much, and numbers without sense
mod good; // files that parse, and what they mean
mod house; // codes and pages in step, no panics
mod launching; // jobs that launch others, helpers
mod language; // what is written in one way means the same in another
mod writing; // job files that we write

use model::Job;

use crate::parse;

/// The job of a file that must be right.
#[track_caller]
fn job(source: &str) -> Job {
    match parse("test.nomad", source) {
        Ok(parsed) => parsed.job,
        Err(problems) => panic!("{problems:#}"),
    }
}

/// All messages of a file that must be wrong.
#[track_caller]
fn errors(source: &str) -> String {
    match parse("bad.nomad", source) {
        Ok(parsed) => panic!("parsed: {:?}", parsed.job),
        Err(problems) => problems.to_string(),
    }
}

/// A job with one raw_exec task; the texts go into the job, the group and the task.
fn around(in_job: &str, in_group: &str, in_task: &str) -> String {
    format!(
        "job \"j\" {{\n{in_job}\ngroup \"g\" {{\n{in_group}\ntask \"t\" {{\ndriver = \"raw_exec\"\nconfig {{ command = \"x\" }}\n{in_task}\n}}\n}}\n}}\n"
    )
}

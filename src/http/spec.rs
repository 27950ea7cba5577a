//! Job files and the rules for jobs, as `jobspec` knows them.

use api::JobsParseRequest;
use model::Job;

use super::failure::Failure;

/// Reads the text of a job file.
pub(super) fn parse(_request: &JobsParseRequest) -> Result<Job, Failure> {
    Err(Failure::absent("job files cannot be parsed by this version of troupe; send the job as JSON"))
}

/// Everything that is wrong with a job, in words. Empty: nothing.
pub(super) fn problems(job: &Job) -> Vec<String> {
    let mut problems = Vec::new();
    if job.id.is_empty() {
        problems.push(String::from("Missing job ID"));
    } else if job.id.contains(|c: char| c.is_whitespace() || c == '\0') {
        problems.push(String::from("Job ID contains a space"));
    }
    if job.groups.is_empty() {
        problems.push(String::from("Missing job task groups"));
    }
    problems
}

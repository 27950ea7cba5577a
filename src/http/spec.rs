//! Job files and the rules for jobs, as `jobspec` knows them.

use api::JobsParseRequest;
use jobspec::{Inputs, VarFile};
use model::Job;

use super::failure::Failure;

/// Reads the text of a job file. Its functions see no files, and values of variables come with the request only.
pub(super) fn parse(request: &JobsParseRequest) -> Result<Job, Failure> {
    let mut inputs = Inputs { strict: false, seed: Some(rand::random()), ..Inputs::default() };
    if !request.variables.trim().is_empty() {
        inputs.files.push(VarFile { name: "variables".into(), text: request.variables.clone() });
    }
    match jobspec::parse_with("job", &request.job_hcl, &inputs) {
        Ok(parsed) => Ok(parsed.job),
        Err(diagnostics) => Err(Failure::bad(format!("Failed to parse job: {diagnostics}"))),
    }
}

/// The job in its one form, or everything that is wrong with it, in words.
pub(super) fn accept(mut job: Job) -> Result<Job, Vec<String>> {
    jobspec::canonicalize(&mut job);
    let problems = jobspec::validate(&job);
    if problems.is_empty() {
        return Ok(job);
    }
    let in_words = problems.iter().map(|problem| match problem.help.as_str() {
        "" => problem.to_string(),
        help => format!("{problem}; {help}"),
    });
    Err(in_words.collect())
}

//! What versions of a job were made from, and their names.

use actix_web::http::Method;
use api::{JobSubmission, JobTagRequest, JobTagResponse};
use model::Submission;
use state::{Command, Tagging};

use super::{
    Context,
    call::Call,
    failure::Failure,
    jobs::{key, missing},
    read::{Answer, read, written},
    write::propose,
};

/// The text of one version.
pub(super) async fn one(ctx: &Context, call: &Call, id: &str) -> Answer {
    let version: u64 = call
        .text("version")
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Failure::bad("Unable to parse job submission version parameter"))?;
    let key = key(call, id);
    read(
        ctx,
        call,
        |root| root.jobs.get(&key).map_or(root.indexes.jobs, |job| job.modify_index),
        |root| {
            let found = root.version_of_job(&key, version).zip(root.submission(&key, version));
            found
                .map(|(job, submission)| JobSubmission::new(job, submission))
                .ok_or_else(|| Failure::not_found("job source not found"))
        },
    )
    .await
}

/// What is to be kept of a text, or why it is not.
pub(super) fn to_keep(submission: Option<JobSubmission>) -> Result<Option<Submission>, String> {
    let Some(submission) = submission.map(JobSubmission::into_model) else { return Ok(None) };
    if submission.source.is_empty() {
        return Ok(None);
    }
    let (size, most) = (submission.size(), Submission::MAX_BYTES);
    if size > most {
        return Err(format!("The job's source has {size} bytes and is not kept: the limit is {most}."));
    }
    Ok(Some(submission))
}

/// Gives a version a name, or takes the name away.
pub(super) async fn tag(ctx: &Context, call: &Call, id: &str, name: &str) -> Answer {
    let key = key(call, id);
    let root = ctx.state.root();
    let now = ctx.clock.now();
    let newest = root.jobs.get(&key).ok_or_else(missing)?;
    let (tagging, description) = if call.method == Method::DELETE {
        (None, String::new())
    } else {
        call.only_write()?;
        let request: JobTagRequest = call.json_or_default()?;
        if !request.name.is_empty() && request.name != name {
            return Err(Failure::bad("Tag name does not match the one of the path"));
        }
        if name.is_empty() || name.len() > MOST_NAME {
            return Err(Failure::bad(format!("the name of a version has 1 to {MOST_NAME} bytes")));
        }
        if request.description.len() > MOST_DESCRIPTION {
            return Err(Failure::bad(format!(
                "the description of a tag has at most {MOST_DESCRIPTION} bytes"
            )));
        }
        let version = request.version.filter(|_| !request.latest).unwrap_or(newest.version);
        (Some(Tagging { version, description: request.description.clone() }), request.description)
    };
    let is_set = tagging.is_some();
    let command = Command::TagVersion { job: key, name: name.to_owned(), tagging, now };
    let (index, _) = propose(ctx, command).await?;
    let answer = JobTagResponse {
        name: if is_set { name.to_owned() } else { String::new() },
        description,
        tagged_time: if is_set { now.as_nanos() } else { 0 },
        index,
        ..JobTagResponse::default()
    };
    Ok(written(call, index, &answer))
}

/// Bytes of a tag's name and description.
const MOST_NAME: usize = 128;
const MOST_DESCRIPTION: usize = 1000;

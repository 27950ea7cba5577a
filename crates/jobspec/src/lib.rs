//! Job files: text -> `model::Job`.
//!
//! [`parse`] reads a file, fills in what it leaves out and checks it against the rules; what is wrong comes back as
//! [`Diagnostics`], all at once, each with file, line and what to write instead. A name that this release does not
//! know is never passed over: it is refused. [`canonicalize`] and [`validate`] do the second half for jobs that come
//! over HTTP. Nothing here reads a clock, a file or a socket.

mod canonical; // defaults
mod codes; // T0101 and so on
mod decode; // tree -> job
mod diagnostic; // messages with places
mod document; // the language alone, for other files
mod drivers; // settings of each driver
pub mod duration; // "1h30m"
mod pages; // `explain`
mod problem; // a broken rule
mod suggest; // "did you mean ..?"
mod syntax; // text -> tree
mod validate; // rules

#[cfg(test)]
mod tests;

pub use canonical::canonicalize;
pub use diagnostic::{Diagnostic, Diagnostics};
pub use document::Document;
pub use pages::explain;
pub use problem::Problem;
pub use syntax::{Attribute, Block, Body, Kind, Name, Span, Value};
pub use validate::validate;

/// The job file that `troupe init` writes.
pub const EXAMPLE: &str = include_str!("example.nomad");

/// A job file that may be registered.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    pub job: model::Job,
    /// What is odd without being wrong, with file and line.
    pub warnings: Vec<String>,
}

/// Reads a job file. `file_name` only appears in messages.
///
/// # Errors
///
/// All problems of the file: of its form first; if the form is right, of its names and values together with the
/// broken rules.
pub fn parse(file_name: &str, source: &str) -> Result<Parsed, Diagnostics> {
    let text = diagnostic::Source::new(file_name, source);
    let refuse = |code, message: String, help: &str| {
        Err(text.diagnostics(vec![diagnostic::Finding::new(code, syntax::Span::default(), message, help)]))
    };
    if source.len() > syntax::MAX_BYTES {
        let message = format!("the file has {} bytes; at most {} are read", source.len(), syntax::MAX_BYTES);
        return refuse(
            codes::LIMIT,
            message,
            "fetch large data in the task instead of writing it into the job file",
        );
    }
    if source.trim_start_matches('\u{feff}').trim_start().starts_with('{') {
        let message = String::from("job files in JSON are not supported yet");
        return refuse(codes::JSON, message, "write `job \"name\" { .. }`, or send the JSON to /v1/jobs");
    }
    let outcome = syntax::parse(source);
    if outcome.broken {
        return Err(text.diagnostics(outcome.findings));
    }
    let mut decoder = decode::Decoder::default();
    decoder.findings = outcome.findings;
    let Some(mut job) = decode::decode(&outcome.body, &mut decoder) else {
        return Err(text.diagnostics(decoder.findings));
    };
    canonicalize(&mut job);
    let broken: Vec<_> = validate(&job).into_iter().filter_map(|problem| decoder.locate(problem)).collect();
    decoder.findings.extend(broken);
    decoder.warn_about(&job);
    if decoder.findings.is_empty() {
        Ok(Parsed { job, warnings: decoder.warnings(file_name, &text) })
    } else {
        Err(text.diagnostics(decoder.findings))
    }
}

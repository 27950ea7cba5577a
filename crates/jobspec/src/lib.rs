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
mod eval; // expressions -> values
mod functions; // `join(..)` and the others
mod pages; // `explain`
mod problem; // a broken rule
mod suggest; // "did you mean ..?"
pub use suggest::nearest;
mod syntax; // text -> tree
mod validate; // rules
mod write; // job -> text
mod layout; // the canonical form of files that people write

#[cfg(test)]
mod tests;

pub use canonical::canonicalize;
pub use diagnostic::{Diagnostic, Diagnostics};
pub use document::Document;
pub use eval::{Disk, Inputs, VarFile};
pub use layout::{LayoutError, layout};
pub use pages::explain;
pub use problem::Problem;
pub use syntax::{Attribute, Block, Body, Kind, Name, Span, Value};
pub use validate::validate;
pub use write::write;

/// The job file that `troupe init` writes.
pub const EXAMPLE: &str = include_str!("example.nomad");

/// A job file that may be registered.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    pub job: model::Job,
    /// What is odd without being wrong, with file and line.
    pub warnings: Vec<String>,
}

/// Reads a job file that is given nothing from outside. `file_name` only appears in messages.
///
/// # Errors
///
/// As [`parse_with`].
pub fn parse(file_name: &str, source: &str) -> Result<Parsed, Diagnostics> {
    parse_with(file_name, source, &Inputs::default())
}

/// Reads a job file, in HCL or, if it begins with `{`, in JSON.
///
/// # Errors
///
/// All problems of the file: of its form first; if the form is right, of its variables, names and values together
/// with the broken rules. Problems of values from outside name where these come from.
pub fn parse_with(file_name: &str, source: &str, inputs: &Inputs<'_>) -> Result<Parsed, Diagnostics> {
    let text = diagnostic::Source::new(file_name, source);
    if source.len() > syntax::MAX_BYTES {
        let message = format!("the file has {} bytes; at most {} are read", source.len(), syntax::MAX_BYTES);
        let help = "fetch large data in the task instead of writing it into the job file";
        let finding = diagnostic::Finding::new(codes::LIMIT, syntax::Span::default(), message, help);
        return Err(text.diagnostics(vec![finding]));
    }
    let outcome = if syntax::is_object(source) { syntax::job_file(source) } else { syntax::parse(source) };
    if outcome.broken {
        return Err(text.diagnostics(outcome.findings));
    }
    let evaluated = eval::job_file(outcome.body, inputs);
    let mut decoder = decode::Decoder::default();
    decoder.findings = outcome.findings;
    decoder.findings.extend(evaluated.findings);
    let refuse = |findings| {
        let mut all = evaluated.elsewhere.clone();
        all.extend(text.diagnostics(findings).0);
        Err(Diagnostics(all))
    };
    if evaluated.incomplete {
        return refuse(decoder.findings);
    }
    let Some(mut job) = decode::decode(&evaluated.body, &mut decoder) else {
        return refuse(decoder.findings);
    };
    canonicalize(&mut job);
    let broken: Vec<_> = validate(&job).into_iter().filter_map(|problem| decoder.locate(problem)).collect();
    decoder.findings.extend(broken);
    decoder.warn_about(&job);
    if decoder.findings.is_empty() && evaluated.elsewhere.is_empty() {
        Ok(Parsed { job, warnings: decoder.warnings(file_name, &text) })
    } else {
        refuse(decoder.findings)
    }
}

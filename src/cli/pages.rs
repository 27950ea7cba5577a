//! Lists in pages, and of some rows only.

use super::{
    Context,
    flags::{Flag, Flags, number, text},
    output::Failure,
};

pub(super) const FILTER: Flag =
    text("filter", "expression", "Only what this says: 'Status == \"running\" and Meta.team == blue'.");
pub(super) const PER_PAGE: Flag = number("per-page", "So many rows at once. Default: all.");
pub(super) const PAGE_TOKEN: Flag =
    text("page-token", "token", "Where the page begins, as the page before said.");

/// What the flags add to a question.
pub(super) fn query(flags: &Flags) -> Vec<(&'static str, &str)> {
    [("filter", "filter"), ("per-page", "per_page"), ("page-token", "next_token")]
        .into_iter()
        .filter_map(|(flag, name)| Some((name, flags.text(flag).filter(|value| !value.is_empty())?)))
        .collect()
}

/// Says how to see the next page, if there is one. `command`: with its arguments.
pub(super) fn hint(
    ctx: &mut Context<'_>,
    flags: &Flags,
    command: &str,
    next: Option<&str>,
) -> Result<(), Failure> {
    let Some(next) = next else { return Ok(()) };
    let mut line = format!("{} {command}", ctx.program.name());
    for name in ["job", "status", "filter", "per-page"] {
        if let Some(value) = flags.text(name) {
            line += &if value.contains(|c: char| !c.is_alphanumeric() && !"-_.".contains(c)) {
                format!(" -{name} '{}'", value.replace('\'', "'\\''"))
            } else {
                format!(" -{name} {value}")
            };
        }
    }
    ctx.output.line(format_args!(
        "\nResults have been paginated. To get the next page run:\n\n{line} -page-token {next}"
    ))
}

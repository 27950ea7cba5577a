//! What an evaluation waits for that is not done.

use api::Evaluation;

use super::facts::{Nodes, node_name};
use crate::cli::format::{Clock, short};

/// A sentence, unless the evaluation is done.
pub(super) fn sentence(eval: &Evaluation, nodes: &Nodes, clock: Clock) -> Option<String> {
    let id = short(&eval.id, false);
    let until = eval.wait_until.0;
    match &*eval.status {
        "pending" if until > (clock.now)() => Some(format!(
            "Evaluation {id} is looked at in {} ({}).",
            clock.relative(until).trim_end_matches(" from now"),
            clock.absolute(until)
        )),
        "pending" => Some(format!(
            "Evaluation {id} waits for its turn: those of more important jobs come first, and one of a job at a time. \
             Should it stay like this, no server leads, or the schedulers are busy."
        )),
        "blocked" => Some(format!("Evaluation {id} waits: {}", room(eval, nodes))),
        _ => None,
    }
}

/// What has to change for a blocked evaluation to be looked at again.
fn room(eval: &Evaluation, nodes: &Nodes) -> String {
    if eval.triggered_by == "max-plan-attempts" && eval.class_eligibility.is_empty() {
        return String::from(
            "its plans collided with those of other jobs too often. It is tried again after a pause, and as soon as \
             any node has more room.",
        );
    }
    if !eval.node_id.is_empty() {
        return format!(
            "the job runs on every node, and {} has no room. It is looked at again as soon as something ends there.",
            node_name(nodes, &eval.node_id)
        );
    }
    let eligible = eval.class_eligibility.values().filter(|&&eligible| eligible).count() as i64;
    let other = eval.class_eligibility.len() as i64 - eligible;
    if eval.escaped_computed_class {
        return String::from(
            "a constraint looks at what differs from node to node, so it is looked at again as soon as any node joins, \
             changes, or has more room.",
        );
    }
    match (eligible, other) {
        (0, 0) => {
            String::from("it is looked at again as soon as a node joins, changes, or becomes eligible.")
        }
        (0, other) => format!(
            "no node that is known meets the requirements ({} of like nodes, none suitable). It is looked at again as \
             soon as a node of another kind joins, or one changes.",
            kinds(other)
        ),
        (eligible, other) => format!(
            "it is looked at again as soon as a suitable node has more room ({} of like nodes {} suitable{}), or a node of \
             another kind joins.",
            kinds(eligible),
            if eligible == 1 { "is" } else { "are" },
            match other {
                0 => String::new(),
                1 => String::from(", 1 is not"),
                more => format!(", {more} are not"),
            },
        ),
    }
}

fn kinds(number: i64) -> String {
    if number == 1 { String::from("1 class") } else { format!("{number} classes") }
}

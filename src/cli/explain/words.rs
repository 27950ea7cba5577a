//! Triggers, descriptions and counts in plain words.

use crate::cli::format::short;

/// `1 node`, `3 nodes`.
pub(super) fn count(number: i64, noun: &str) -> String {
    format!("{number} {}", plural(number, noun))
}

/// `node` or `nodes`.
pub(super) fn plural(number: i64, noun: &str) -> String {
    if number == 1 { noun.to_owned() } else { format!("{noun}s") }
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn and(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [front @ .., last] => format!("{} and {last}", front.join(", ")),
    }
}

/// Why an evaluation was made; follows "because".
pub(super) fn trigger(trigger: &str, node: &str) -> String {
    let node = if node.is_empty() { String::from("a node") } else { format!("node {}", short(node, false)) };
    let text = match trigger {
        "job-register" => "the job was registered, changed or evaluated",
        "job-deregister" => "the job was stopped",
        "periodic-job" => "the time of a periodic job had come",
        "node-drain" => "a node is being emptied",
        "node-update" => return format!("{node} came, went, or changed"),
        "alloc-stop" => "somebody asked for an allocation to be stopped and replaced",
        "scheduled" => "the server had it on its schedule",
        "rolling-update" => "the next step of a rolling update was due",
        "deployment-watcher" => "a deployment went on or ended",
        "failed-follow-up" => "an earlier evaluation failed and is tried again",
        "max-plan-attempts" => {
            "plans of an earlier evaluation collided with other plans too often, and it is tried again"
        }
        "alloc-failure" => "an allocation failed and may be due for a replacement",
        "queued-allocs" => "an earlier evaluation found no place for all allocations",
        "preemption" => "allocations of the job had to give way to a more important job",
        "job-scaling" => "the count of a group was changed",
        "max-disconnect-timeout" => "the time was up that allocations on a disconnected node are waited for",
        "reconnect" => "a node that was cut off came back",
        "alloc-reschedule" => "somebody asked for allocations to be rescheduled",
        other => return format!("of {other}"),
    };
    text.to_owned()
}

/// What the status of an evaluation means; follows its id.
pub(super) fn eval_status(status: &str, description: &str) -> String {
    // They say again what the trigger says.
    let known = [
        "",
        "created to place remaining allocations",
        "created due to placement conflicts",
        "created for delayed rescheduling",
        "created for delayed disconnect timeout",
    ];
    let why = if known.contains(&description) { String::new() } else { format!(": {description}") };
    match status {
        "pending" => format!("has not been looked at yet{why}"),
        "blocked" => format!("waits{why}"),
        "complete" => format!("is complete{why}"),
        "failed" => format!("failed{why}"),
        "canceled" => format!("was canceled{why}"),
        other => format!("is {other}{why}"),
    }
}

/// Why an allocation shall no longer run; a sentence about "it".
pub(super) fn stopped(description: &str) -> Option<String> {
    let text = match description {
        "" => return None,
        "alloc not needed due to job update" => {
            "It is not wanted any more: the job was stopped, or wants fewer or other allocations."
        }
        "alloc is being updated due to job update" => {
            "A newer version of the job takes its place, and the change needs a new allocation."
        }
        "alloc not needed as node is tainted" => {
            "Its node is being emptied, is down, or takes nothing any more."
        }
        "alloc is lost since its node is down" => "Its node went down, so it was given up.",
        "alloc is being migrated" => "It was moved, since its node is being emptied.",
        "alloc not needed due to disconnected client reconnect" => {
            "Its node was cut off; when it came back, only one of the allocation and its replacement was kept."
        }
        "alloc was rescheduled because it failed" => "It failed, and another allocation took its place.",
        other => match other.strip_prefix("Preempted by alloc ID ") {
            Some(by) => {
                return Some(format!(
                    "It gave up its room for allocation {} of a more important job.",
                    short(by, false)
                ));
            }
            None => return Some(format!("The servers say: {other}.")),
        },
    };
    Some(text.to_owned())
}

/// Why an allocation took the place of another one, from what became of that; follows "since".
pub(super) fn replaced(description: &str, client: &str) -> Option<&'static str> {
    Some(match (description, client) {
        ("alloc is being migrated", _) => "its node is being emptied",
        ("alloc was rescheduled because it failed", _) => "that one had failed",
        ("alloc is being updated due to job update", _) => "there is a newer version of the job",
        ("alloc is lost since its node is down", _) => "its node went down",
        ("alloc not needed due to disconnected client reconnect", _) => "its node was cut off",
        ("alloc not needed as node is tainted", _) => "its node takes nothing any more",
        (text, _) if text.starts_with("Preempted by") => "that one had to give way to a more important job",
        (_, "lost") => "that one was lost with its node",
        (_, "unknown") => "its node is cut off",
        (_, "failed") => "that one had failed",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trigger_of_the_scheduler_has_words() {
        for known in model::Trigger::ALL {
            let words = trigger(known.as_str(), "");
            assert!(!words.starts_with("of ") && !words.contains(known.as_str()), "{known:?}: {words}");
        }
        assert_eq!(trigger("moon-phase", ""), "of moon-phase");
        assert_eq!(trigger("node-update", "58b5acd3-2f6e"), "node 58b5acd3 came, went, or changed");
    }

    #[test]
    fn lists_and_counts() {
        let items = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        assert_eq!(and(&items(&[])), "");
        assert_eq!(and(&items(&["a"])), "a");
        assert_eq!(and(&items(&["a", "b", "c"])), "a, b and c");
        assert_eq!(count(1, "node"), "1 node");
        assert_eq!(count(0, "node"), "0 nodes");
    }
}

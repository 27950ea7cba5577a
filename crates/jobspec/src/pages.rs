//! A page of cause and remedy for each code.

use crate::codes;

/// What `troupe explain T0203` prints; `None` for a code that does not exist.
pub fn explain(code: &str) -> Option<&'static str> {
    let code = code.trim().to_uppercase();
    PAGES.iter().find(|(known, _)| *known == code).map(|(_, page)| *page)
}

const PAGES: [(&str, &str); 37] = [
    (codes::SYNTAX, include_str!("pages/syntax.txt")),
    (codes::LIMIT, include_str!("pages/limit.txt")),
    (codes::TEXT, include_str!("pages/text.txt")),
    (codes::EXPRESSION, include_str!("pages/expression.txt")),
    (codes::JSON, include_str!("pages/json.txt")),
    (codes::REPEATED, include_str!("pages/repeated.txt")),
    (codes::JOB_BLOCK, include_str!("pages/job_block.txt")),
    (codes::VARIABLE, include_str!("pages/variable.txt")),
    (codes::UNKNOWN_NAME, include_str!("pages/unknown_name.txt")),
    (codes::WRONG_TYPE, include_str!("pages/wrong_type.txt")),
    (codes::OUT_OF_RANGE, include_str!("pages/out_of_range.txt")),
    (codes::DURATION, include_str!("pages/duration.txt")),
    (codes::LABEL, include_str!("pages/label.txt")),
    (codes::CHOICE, include_str!("pages/choice.txt")),
    (codes::MISSING, include_str!("pages/missing.txt")),
    (codes::UNSUPPORTED, include_str!("pages/unsupported.txt")),
    (codes::DRIVER, include_str!("pages/driver.txt")),
    (codes::JOB_TYPE, include_str!("pages/job_type.txt")),
    (codes::NAME, include_str!("pages/name.txt")),
    (codes::EMPTY, include_str!("pages/empty.txt")),
    (codes::DUPLICATE, include_str!("pages/duplicate.txt")),
    (codes::PORT, include_str!("pages/port.txt")),
    (codes::CHECK, include_str!("pages/check.txt")),
    (codes::RESTART, include_str!("pages/restart.txt")),
    (codes::RESCHEDULE, include_str!("pages/reschedule.txt")),
    (codes::UPDATE, include_str!("pages/update.txt")),
    (codes::DISK, include_str!("pages/disk.txt")),
    (codes::CONSTRAINT, include_str!("pages/constraint.txt")),
    (codes::NOT_FOR_TYPE, include_str!("pages/not_for_type.txt")),
    (codes::CONFIG, include_str!("pages/config.txt")),
    (codes::LEADER, include_str!("pages/leader.txt")),
    (codes::DISCONNECT, include_str!("pages/disconnect.txt")),
    (codes::AFFINITY, include_str!("pages/affinity.txt")),
    (codes::SPREAD, include_str!("pages/spread.txt")),
    (codes::SCHEDULE, include_str!("pages/schedule.txt")),
    (codes::TEMPLATE, include_str!("pages/template.txt")),
    (codes::ARTIFACT, include_str!("pages/artifact.txt")),
];

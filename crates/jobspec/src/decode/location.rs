//! Where a job may run, where it would rather, how it is spread: `constraint`, `affinity`, `spread`.

use model::{Affinity, Constraint, Operand, Spread, SpreadTarget};

use super::{
    Decoder,
    fields::{Fields, Section},
};
use crate::{codes, syntax::Span};

/// Operands that may be written as the name of the argument: `version = ">= 1.0"`.
const SHORTHANDS: [&str; 6] =
    ["version", "semver", "regexp", "set_contains", "set_contains_all", "set_contains_any"];

const OPERANDS: &str =
    "=, !=, <, <=, >, >=, version, semver, regexp, set_contains, set_contains_any, is_set, is_not_set";

/// All constraints of a block. `distinct`: `distinct_hosts` and `distinct_property` are allowed there.
pub(super) fn constraints(fields: &mut Fields<'_>, d: &mut Decoder, distinct: bool) -> Vec<Constraint> {
    let mut constraints = Vec::new();
    for section in fields.blocks(d, "constraint") {
        d.enter("constraint", constraints.len(), "", section.span);
        let mut fields = Fields::new(&section.body, "constraint");
        constraints.extend(constraint(&mut fields, d, distinct, section.span));
        fields.finish(d);
        d.leave();
    }
    constraints
}

/// All affinities of a block.
pub(super) fn affinities(fields: &mut Fields<'_>, d: &mut Decoder) -> Vec<Affinity> {
    let mut affinities = Vec::new();
    for section in fields.blocks(d, "affinity") {
        d.enter("affinity", affinities.len(), "", section.span);
        let mut fields = Fields::new(&section.body, "affinity");
        affinities.extend(affinity(&mut fields, d, section.span));
        fields.finish(d);
        d.leave();
    }
    affinities
}

/// All spreads of a block.
pub(super) fn spreads(fields: &mut Fields<'_>, d: &mut Decoder) -> Vec<Spread> {
    let mut spreads = Vec::new();
    for section in fields.blocks(d, "spread") {
        d.enter("spread", spreads.len(), "", section.span);
        spreads.push(spread(&section, d));
        d.leave();
    }
    spreads
}

fn spread(section: &Section<'_>, d: &mut Decoder) -> Spread {
    let mut fields = Fields::new(&section.body, "spread");
    let mut spread = Spread {
        attribute: fields.text(d, "attribute").unwrap_or_default(),
        weight: percentage(&mut fields, d, "weight", 1).unwrap_or(Spread::DEFAULT_WEIGHT),
        targets: Vec::new(),
    };
    for (value, section) in fields.named_blocks(d, "target") {
        d.enter("target", spread.targets.len(), &value, section.span);
        let mut fields = Fields::new(&section.body, "target");
        let percent = percentage(&mut fields, d, "percent", 0);
        if percent.is_none() && fields.raw("percent").is_none() {
            let help = "write `percent = 50`: how much of the group shall be there";
            d.report(codes::MISSING, section.span, "`target` needs a `percent`", help);
        }
        spread.targets.push(SpreadTarget { value, percent: percent.unwrap_or(0) });
        fields.finish(d);
        d.leave();
    }
    fields.finish(d);
    spread
}

fn percentage(fields: &mut Fields<'_>, d: &mut Decoder, name: &'static str, min: i64) -> Option<u8> {
    fields.number(d, name, min, 100).and_then(|number| u8::try_from(number).ok())
}

fn affinity(fields: &mut Fields<'_>, d: &mut Decoder, span: Span) -> Option<Affinity> {
    let weight = fields.number(d, "weight", -100, 100).and_then(|weight| i8::try_from(weight).ok());
    let written = Written::read(fields, d, span);
    let known = Operand::parse(&written.operator);
    let Some(operand) = known.filter(|operand| operand.compares()) else {
        let help = format!("known are {OPERANDS}");
        let message = format!("unknown affinity operator \"{}\"", written.operator);
        d.report(codes::AFFINITY, written.span, message, help);
        d.taint("attribute");
        return None;
    };
    Some(Affinity { rule: written.rule(operand), weight: weight.unwrap_or(Affinity::DEFAULT_WEIGHT) })
}

/// What constraints and affinities have in common.
struct Written {
    left: Option<String>,
    right: Option<String>,
    operator: String,
    /// Where the operator stands; the block where it does not.
    span: Span,
}

impl Written {
    fn read(fields: &mut Fields<'_>, d: &mut Decoder, span: Span) -> Self {
        let left = fields.text(d, "attribute");
        let mut right = fields.text(d, "value");
        let mut operator = fields.text(d, "operator").map(|text| (text, fields.span("operator")));
        for shorthand in SHORTHANDS {
            if let Some(value) = fields.text(d, shorthand) {
                right = Some(value);
                d.set_position("value", fields.span(shorthand));
                operator = Some((shorthand.to_string(), fields.span(shorthand)));
            }
        }
        for shorthand in ["is_set", "is_not_set"] {
            if fields.bool(d, shorthand) == Some(true) {
                operator = Some((shorthand.to_string(), fields.span(shorthand)));
            }
        }
        let (operator, span) = operator.unwrap_or((String::new(), span));
        Self { left, right, operator, span }
    }

    fn rule(self, operand: Operand) -> Constraint {
        Constraint { left: self.left.unwrap_or_default(), operand, right: self.right.unwrap_or_default() }
    }
}

fn constraint(fields: &mut Fields<'_>, d: &mut Decoder, distinct: bool, span: Span) -> Option<Constraint> {
    let mut written = Written::read(fields, d, span);
    let hosts = fields.bool(d, "distinct_hosts");
    if let Some(property) = fields.text(d, "distinct_property") {
        written.operator = String::from("distinct_property");
        written.span = fields.span("distinct_property");
        d.set_position("attribute", written.span);
        written.left = Some(property);
    }
    match hosts {
        Some(true) => {
            written.operator = String::from("distinct_hosts");
            written.span = fields.span("distinct_hosts");
        }
        // Said explicitly that nothing is demanded.
        Some(false) => return None,
        None => {}
    }
    let Some(operand) = Operand::parse(&written.operator) else {
        let message = format!("unknown constraint operator \"{}\"", written.operator);
        let help = format!("known are {OPERANDS}, distinct_hosts and distinct_property");
        d.report(codes::CONSTRAINT, written.span, message, help);
        d.taint("attribute");
        return None;
    };
    if !operand.compares() && !distinct {
        d.report(
            codes::CONSTRAINT,
            written.span,
            format!("`{}` is not allowed in a task", operand.as_str()),
            "put the constraint into the group or the job: tasks of a group always share a node",
        );
        return None;
    }
    if operand == Operand::DistinctHosts {
        if written.right.as_deref() == Some("false") {
            return None;
        }
        return Some(Constraint { left: String::new(), operand, right: String::from("true") });
    }
    Some(written.rule(operand))
}

//! Rules of constraints, affinities and spreads.

use std::collections::BTreeSet;

use model::{Affinity, Constraint, Operand, Spread};

use super::Checker;
use crate::codes;

impl Checker {
    pub(super) fn constraints(&mut self, constraints: &[Constraint]) {
        for (index, constraint) in constraints.iter().enumerate() {
            self.enter("constraint", index, "");
            match constraint.operand {
                Operand::DistinctHosts => {}
                Operand::DistinctProperty => self.distinct_property(constraint),
                _ => self.rule(codes::CONSTRAINT, constraint),
            }
            self.leave();
        }
    }

    fn distinct_property(&mut self, constraint: &Constraint) {
        if !constraint.left.starts_with("${") {
            let message = match constraint.left.as_str() {
                "" => String::from("`distinct_property` needs an attribute"),
                text => format!("\"{text}\" is the same for every node"),
            };
            let help = "write `distinct_property = \"${meta.rack}\"`";
            self.report(codes::CONSTRAINT, "attribute", message, help);
        }
        if constraint.allowed().is_none() {
            let message = format!(
                "`distinct_property` allows a number of allocations from 1, found \"{}\"",
                constraint.right
            );
            let help = "write `value = \"2\"`, or leave it out for 1";
            self.report(codes::CONSTRAINT, "value", message, help);
        }
    }

    pub(super) fn affinities(&mut self, affinities: &[Affinity]) {
        for (index, affinity) in affinities.iter().enumerate() {
            self.enter("affinity", index, "");
            if affinity.weight == 0 {
                let help = "write `weight = 50`, or a negative one to keep away; or leave the affinity out";
                self.report(codes::AFFINITY, "weight", "affinity weight cannot be zero", help);
            } else if !(-100..=100).contains(&affinity.weight) {
                let message =
                    format!("affinity weight must be between -100 and 100, found {}", affinity.weight);
                self.report(codes::AFFINITY, "weight", message, "the default is 50");
            }
            if affinity.rule.operand.compares() {
                self.rule(codes::AFFINITY, &affinity.rule);
            } else {
                let message = format!("unknown affinity operator \"{}\"", affinity.rule.operand.as_str());
                self.report(codes::AFFINITY, "operator", message, "put it into a `constraint`");
            }
            self.leave();
        }
    }

    pub(super) fn spreads(&mut self, spreads: &[Spread]) {
        for (index, spread) in spreads.iter().enumerate() {
            self.enter("spread", index, "");
            self.spread(spread);
            self.leave();
        }
    }

    fn spread(&mut self, spread: &Spread) {
        if spread.attribute.is_empty() {
            let help = "write `attribute = \"${node.datacenter}\"`";
            self.report(codes::SPREAD, "attribute", "missing spread attribute", help);
        } else if !spread.attribute.starts_with("${") {
            let message = format!("\"{}\" is the same for every node", spread.attribute);
            let help = format!("write `attribute = \"${{{}}}\"`", spread.attribute);
            self.report(codes::SPREAD, "attribute", message, help);
        }
        if !(1..=100).contains(&spread.weight) {
            let message = format!("spread weight must be between 1 and 100, found {}", spread.weight);
            self.report(codes::SPREAD, "weight", message, "the default is 50");
        }
        let mut values = BTreeSet::new();
        let mut sum = 0;
        for (index, target) in spread.targets.iter().enumerate() {
            self.enter("target", index, &target.value);
            sum += u32::from(target.percent);
            if target.percent > 100 {
                let message = format!("percent must be between 0 and 100, found {}", target.percent);
                self.report(codes::SPREAD, "percent", message, "");
            }
            if !values.insert(target.value.as_str()) {
                let message = format!("spread target \"{}\" is already defined", target.value);
                self.report(codes::SPREAD, "", message, "add its percent to the first one");
            }
            self.leave();
        }
        if sum > 100 {
            let message = format!("the percentages of all targets add up to {sum}, more than 100");
            let help = "lower some of them; what is left of 100 is for all other values";
            self.report(codes::SPREAD, "", message, help);
        }
    }

    /// A comparison that can be made.
    fn rule(&mut self, code: &'static str, constraint: &Constraint) {
        let right = constraint.right.as_str();
        if constraint.left.is_empty() {
            let message = format!(
                "no attribute provided but is required by operator \"{}\"",
                constraint.operand.as_str()
            );
            self.report(code, "attribute", message, "write `attribute = \"${attr.kernel.name}\"`");
        }
        match constraint.operand {
            Operand::IsSet | Operand::IsNotSet if !right.is_empty() => {
                let message = format!("operator \"{}\" takes no value", constraint.operand.as_str());
                self.report(code, "value", message, "leave `value` out");
            }
            Operand::Regexp => {
                if let Some((message, help)) = self.patterns.wrong(right) {
                    self.report(code, "value", message, help);
                }
            }
            Operand::Version | Operand::Semver if !is_version_constraint(right) => {
                let message = format!("\"{right}\" is not a version constraint");
                self.report(code, "value", message, "write it as \">= 1.2, < 2.0\"");
            }
            Operand::SetContains | Operand::SetContainsAny if right.is_empty() => {
                let message = format!("operator \"{}\" needs a value", constraint.operand.as_str());
                self.report(code, "value", message, "write the members with commas: `value = \"a,b\"`");
            }
            _ => {}
        }
    }
}

/// `>= 1.2, < 2.0`; also interpolated ones, which are known later.
fn is_version_constraint(text: &str) -> bool {
    text.contains("${")
        || text.split(',').all(|part| {
            let part = part.trim().trim_start_matches(['=', '!', '<', '>', '~']).trim();
            let part = part.strip_prefix('v').unwrap_or(part);
            part.starts_with(|letter: char| letter.is_ascii_digit())
                && part
                    .chars()
                    .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '+'))
        })
}

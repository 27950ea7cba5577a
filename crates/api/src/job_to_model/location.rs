//! Where a job may run, where it would rather, how it is spread.

use super::Reader;
use crate::job::{Affinity, Constraint, Spread};

impl Reader {
    pub(super) fn constraints(&mut self, constraints: Vec<Constraint>) -> Vec<model::Constraint> {
        let mut read = Vec::with_capacity(constraints.len());
        for constraint in constraints {
            let Some(operand) = model::Operand::parse(&constraint.operand) else {
                self.problem(format_args!("Constraints: operand {:?} is not supported", constraint.operand));
                continue;
            };
            // Says that hosts need not be distinct: no constraint at all.
            if operand == model::Operand::DistinctHosts && constraint.right == "false" {
                continue;
            }
            read.push(model::Constraint { left: constraint.left, operand, right: constraint.right });
        }
        read
    }

    pub(super) fn affinities(&mut self, affinities: Vec<Affinity>) -> Vec<model::Affinity> {
        let mut read = Vec::with_capacity(affinities.len());
        for affinity in affinities {
            let known = model::Operand::parse(&affinity.operand);
            let Some(operand) = known.filter(|operand| operand.compares()) else {
                self.problem(format_args!("Affinities: operand {:?} is not supported", affinity.operand));
                continue;
            };
            let default = model::Affinity::DEFAULT_WEIGHT;
            read.push(model::Affinity {
                rule: model::Constraint { left: affinity.left, operand, right: affinity.right },
                weight: self.within("Affinities.Weight", affinity.weight, default, (-100, 100)),
            });
        }
        read
    }

    pub(super) fn spreads(&mut self, spreads: Vec<Spread>) -> Vec<model::Spread> {
        let mut read = Vec::with_capacity(spreads.len());
        for spread in spreads {
            let mut targets = Vec::with_capacity(spread.spread_target.len());
            for target in spread.spread_target {
                let percent = self.within("Spreads.SpreadTarget.Percent", Some(target.percent), 0, (0, 100));
                targets.push(model::SpreadTarget { value: target.value, percent });
            }
            read.push(model::Spread {
                attribute: spread.attribute,
                weight: self.within("Spreads.Weight", spread.weight, model::Spread::DEFAULT_WEIGHT, (1, 100)),
                targets,
            });
        }
        read
    }
}

//! Operators.

use super::{Evaluated, Evaluator, Val, within, wrong};
use crate::syntax::{Binary, Expr, Span, Unary};

impl Evaluator<'_> {
    /// `what`: how a message calls it.
    pub(super) fn truth(&mut self, expr: &Expr, what: &str) -> Evaluated<bool> {
        let value = self.operand(expr)?;
        match value.to_bool() {
            Some(truth) => Ok(truth),
            None => wrong(expr.span, format!("{what} must be true or false, found {}", value.describe()), ""),
        }
    }

    pub(super) fn unary(&mut self, operator: Unary, operand: &Expr) -> Evaluated<Val> {
        match operator {
            Unary::Not => Ok(Val::Bool(!self.truth(operand, "what stands behind `!`")?)),
            Unary::Negate => match self.number(operand, operator.sign())? {
                Val::Int(value) if value != i64::MIN => Ok(Val::Int(-value)),
                value => finite(-value.to_number().unwrap_or_default(), operand.span),
            },
        }
    }

    /// A number at one side of an operator.
    fn number(&mut self, expr: &Expr, sign: &str) -> Evaluated<Val> {
        let value = self.operand(expr)?;
        let number = match &value {
            Val::Int(_) | Val::Float(_) => Some(value.clone()),
            Val::Text(text) => super::read_number(text),
            _ => None,
        };
        match number {
            Some(number) => Ok(number),
            None => wrong(expr.span, format!("`{sign}` takes numbers, found {}", value.describe()), ""),
        }
    }

    pub(super) fn binary(
        &mut self,
        operator: Binary,
        left: &Expr,
        right: &Expr,
        span: Span,
    ) -> Evaluated<Val> {
        let sign = operator.sign();
        match operator {
            Binary::Or | Binary::And => {
                let what = format!("what stands beside `{sign}`");
                let first = self.truth(left, &what)?;
                if first == (operator == Binary::Or) {
                    return Ok(Val::Bool(first));
                }
                Ok(Val::Bool(self.truth(right, &what)?))
            }
            Binary::Equal | Binary::NotEqual => {
                let (left, right) = (self.operand(left)?, self.operand(right)?);
                within(span, self.limits.work(left.weight().min(right.weight())))?;
                Ok(Val::Bool((left == right) == (operator == Binary::Equal)))
            }
            Binary::Less | Binary::LessOrEqual | Binary::Greater | Binary::GreaterOrEqual => {
                let order = self.number(left, sign)?.cmp(&self.number(right, sign)?);
                Ok(Val::Bool(match operator {
                    Binary::Less => order.is_lt(),
                    Binary::LessOrEqual => order.is_le(),
                    Binary::Greater => order.is_gt(),
                    _ => order.is_ge(),
                }))
            }
            _ => {
                let (left, right) = (self.number(left, sign)?, self.number(right, sign)?);
                calculate(operator, &left, &right, span)
            }
        }
    }
}

/// Whole numbers stay whole while they fit.
fn calculate(operator: Binary, left: &Val, right: &Val, span: Span) -> Evaluated<Val> {
    if let (Val::Int(left), Val::Int(right)) = (left, right) {
        let whole = match operator {
            Binary::Add => left.checked_add(*right),
            Binary::Subtract => left.checked_sub(*right),
            Binary::Multiply => left.checked_mul(*right),
            Binary::Divide if left.checked_rem(*right) == Some(0) => left.checked_div(*right),
            Binary::Modulo => left.checked_rem(*right),
            _ => None,
        };
        if let Some(whole) = whole {
            return Ok(Val::Int(whole));
        }
    }
    let (left, right) = (left.to_number().unwrap_or_default(), right.to_number().unwrap_or_default());
    if right == 0.0 && matches!(operator, Binary::Divide | Binary::Modulo) {
        return wrong(span, "nothing can be divided by zero", "");
    }
    let value = match operator {
        Binary::Add => left + right,
        Binary::Subtract => left - right,
        Binary::Multiply => left * right,
        Binary::Divide => left / right,
        _ => left % right,
    };
    finite(value, span)
}

fn finite(value: f64, span: Span) -> Evaluated<Val> {
    match Val::number(value) {
        Some(value) => Ok(value),
        None => wrong(span, "the number is too large", ""),
    }
}

//! Arithmetic.

use super::arguments::{Answer, Call, Refusal};
use crate::eval::Val;

fn finite(value: f64) -> Answer {
    Val::number(value).ok_or_else(|| Refusal::new("the number is too large, or none at all"))
}

pub(super) fn abs(call: &mut Call<'_, '_>) -> Answer {
    finite(call.number(0)?.abs())
}

pub(super) fn ceil(call: &mut Call<'_, '_>) -> Answer {
    finite(call.number(0)?.ceil())
}

pub(super) fn floor(call: &mut Call<'_, '_>) -> Answer {
    finite(call.number(0)?.floor())
}

pub(super) fn log(call: &mut Call<'_, '_>) -> Answer {
    let (number, base) = (call.number(0)?, call.number(1)?);
    finite(number.ln() / base.ln())
}

pub(super) fn max(call: &mut Call<'_, '_>) -> Answer {
    let numbers = (0..call.args.len()).map(|at| call.number(at)).collect::<Result<Vec<_>, _>>()?;
    finite(numbers.into_iter().fold(f64::NEG_INFINITY, f64::max))
}

pub(super) fn min(call: &mut Call<'_, '_>) -> Answer {
    let numbers = (0..call.args.len()).map(|at| call.number(at)).collect::<Result<Vec<_>, _>>()?;
    finite(numbers.into_iter().fold(f64::INFINITY, f64::min))
}

pub(super) fn parseint(call: &mut Call<'_, '_>) -> Answer {
    let (text, base) = (call.text(0)?, call.int(1)?);
    let Some(base) = u32::try_from(base).ok().filter(|base| (2..=36).contains(base)) else {
        return Err(Refusal::of(1, format!("the base must be between 2 and 36, found {base}")));
    };
    let number = i64::from_str_radix(&text, base);
    number
        .map(Val::Int)
        .map_err(|_| Refusal::of(0, format!("\"{text}\" is not a whole number in base {base}")))
}

pub(super) fn pow(call: &mut Call<'_, '_>) -> Answer {
    finite(call.number(0)?.powf(call.number(1)?))
}

pub(super) fn signum(call: &mut Call<'_, '_>) -> Answer {
    let number = call.number(0)?;
    Ok(Val::Int(if number > 0.0 { 1 } else { -i64::from(number < 0.0) }))
}

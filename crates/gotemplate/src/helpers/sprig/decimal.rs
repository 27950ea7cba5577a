//! Sums and products of decimal fractions: `0.1` and `0.2` are `0.3`, as people write them.

/// Digits and the power of ten they are multiplied with; `None`: it is no such number.
fn parts(number: f64) -> Option<(i128, i32)> {
    // The shortest digits that mean this number.
    let text = format!("{number:e}");
    let (digits, power) = text.split_once('e')?;
    let behind = digits.split_once('.').map_or(0, |(_, behind)| behind.len());
    let power: i32 = power.parse().ok()?;
    let digits: i128 = digits.replace('.', "").parse().ok()?;
    Some((digits, power - i32::try_from(behind).ok()?))
}

fn number(digits: i128, power: i32) -> Option<f64> {
    format!("{digits}e{power}").parse().ok()
}

/// Exact, then rounded to what a float can say.
pub(super) fn add(first: f64, second: f64) -> f64 {
    let exact = || {
        let ((first, first_power), (second, second_power)) = (parts(first)?, parts(second)?);
        let power = first_power.min(second_power);
        let moved =
            |digits: i128, by: i32| digits.checked_mul(10_i128.checked_pow(u32::try_from(by - power).ok()?)?);
        number(moved(first, first_power)?.checked_add(moved(second, second_power)?)?, power)
    };
    exact().unwrap_or(first + second)
}

/// Exact, then rounded to what a float can say.
pub(super) fn multiply(first: f64, second: f64) -> f64 {
    let exact = || {
        let ((first, first_power), (second, second_power)) = (parts(first)?, parts(second)?);
        number(first.checked_mul(second)?, first_power.checked_add(second_power)?)
    };
    exact().unwrap_or(first * second)
}

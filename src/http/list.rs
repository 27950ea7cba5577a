//! Lists: rows by prefix of their id, in order, in pages.

use super::{call::Call, failure::Failure};

/// Where a row stands in a list: by creation where the table is listed so, then by id.
pub(super) type Place = (u64, String);

/// The ids that begin with `prefix` (hyphens do not count), as a range; `None` when no id can.
pub(super) fn uuid_range(prefix: &str) -> Option<(u128, u128)> {
    let digits: String = prefix.chars().filter(|c| *c != '-').collect();
    if digits.len() > 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let from = u128::from_str_radix(&format!("{digits:0<32}"), 16).ok()?;
    let to = u128::from_str_radix(&format!("{digits:f<32}"), 16).ok()?;
    Some((from, to))
}

/// One page of the rows, and the token of the next one.
///
/// # Errors
/// `per_page` or `reverse` make no sense.
pub(super) fn page<T>(call: &Call, mut rows: Vec<(Place, T)>) -> Result<(Vec<T>, Option<String>), Failure> {
    let reverse = call.flag("reverse")?;
    rows.sort_by(|(left, _), (right, _)| if reverse { right.cmp(left) } else { left.cmp(right) });
    let start = match call.text("next_token") {
        None => 0,
        Some(token) => {
            let first = place(token);
            rows.partition_point(|(place, _)| if reverse { *place > first } else { *place < first })
        }
    };
    let size = match call.number("per_page")? {
        None | Some(0) => usize::MAX,
        Some(size) => usize::try_from(size).unwrap_or(usize::MAX),
    };
    let mut rest = rows.into_iter().skip(start);
    let page = rest.by_ref().take(size).map(|(_, row)| row).collect();
    let next = rest.next().map(|(place, _)| token(&place));
    Ok((page, next))
}

fn token((created, id): &Place) -> String {
    if *created == 0 { id.clone() } else { format!("{created}.{id}") }
}

fn place(token: &str) -> Place {
    match token.split_once('.').and_then(|(created, id)| Some((created.parse().ok()?, id))) {
        Some((created, id)) => (created, id.to_owned()),
        None => (0, token.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_of_ids() {
        assert_eq!(uuid_range(""), Some((0, u128::MAX)));
        assert_eq!(uuid_range("7a38da9").map(|(from, _)| from >> 100), Some(0x07a3_8da9));
        assert_eq!(uuid_range("7a38da91-7c").map(|(from, _)| from >> 88), Some(0x7a_38da_917c));
        assert_eq!(uuid_range("xyz"), None);
        assert_eq!(uuid_range(&"a".repeat(33)), None);
    }

    #[test]
    fn tokens_round_trip() {
        for place_ in [(0, "redis".to_owned()), (7, "7a38da91".to_owned())] {
            assert_eq!(place(&token(&place_)), place_);
        }
    }
}

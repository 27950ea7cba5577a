//! Lists: rows by prefix of their id and by what they say, in order, in pages.

use api::Filter;
use serde::{Serialize, de::DeserializeOwned};

use super::{call::Call, failure::Failure};

/// Which rows are asked for. Read once per request, asked once per row.
#[derive(Debug)]
pub(super) struct Wanted(Option<Filter>);

impl Wanted {
    /// As `filter` says.
    pub(super) fn of(call: &Call) -> Result<Self, Failure> {
        Ok(Self(call.text("filter").map(Filter::parse).transpose()?))
    }

    pub(super) fn by(filter: Filter) -> Self {
        Self(Some(filter))
    }

    /// Whether anybody looks at one of these fields of the row.
    pub(super) fn mentions(&self, fields: &[&str]) -> bool {
        self.0.as_ref().is_some_and(|filter| fields.iter().any(|field| filter.mentions(field)))
    }

    /// `row`: in full, as clients read it.
    pub(super) fn covers<T>(&self, row: impl FnOnce() -> T) -> Result<bool, Failure>
    where
        T: Serialize + DeserializeOwned,
    {
        match &self.0 {
            None => Ok(true),
            Some(filter) => Ok(filter.covers(&row())?),
        }
    }
}

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

/// One page of the rows that `wanted` covers, and the token of the next one.
///
/// # Errors
/// `per_page` or `reverse` make no sense, or `wanted` cannot tell.
pub(super) fn page<T>(
    call: &Call,
    mut rows: Vec<(Place, T)>,
    wanted: impl Fn(&T) -> Result<bool, Failure>,
) -> Result<(Vec<T>, Option<String>), Failure> {
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
    let mut page = Vec::new();
    for (place, row) in rows.into_iter().skip(start) {
        if !wanted(&row)? {
            continue;
        }
        if page.len() == size {
            return Ok((page, Some(token(&place))));
        }
        page.push(row);
    }
    Ok((page, None))
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

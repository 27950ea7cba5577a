//! Texts that are nearly always one of a few: these are not kept again and again.

use std::borrow::Cow;

/// The text, borrowed from the program where it is one of `all`.
pub(crate) fn known(text: Cow<'static, str>, all: &'static [&'static str]) -> Cow<'static, str> {
    match all.iter().find(|known| **known == text) {
        Some(known) => Cow::Borrowed(known),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_is_borrowed() {
        let kept = |text: &str| known(Cow::Owned(text.to_owned()), &["Started", "Killed"]);
        assert!(matches!(kept("Started"), Cow::Borrowed("Started")));
        assert!(matches!(kept("Restarted"), Cow::Owned(text) if text == "Restarted"));
    }
}

//! Patterns of names in which `*` stands for anything.

/// Whether the whole text matches.
pub fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, mut rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    while let Some((middle, tail)) = rest.split_once('*') {
        let Some(at) = text.find(middle) else { return false };
        text = &text[at + middle.len()..];
        rest = tail;
    }
    text.ends_with(rest)
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn globs() {
        let check = |pattern, text, expected| assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        check("*", "dc1", true);
        check("dc1", "dc1", true);
        check("dc1", "dc12", false);
        check("dc*", "dc12", true);
        check("*1", "dc1", true);
        check("eu-*-1", "eu-west-1", true);
        check("eu-*-1", "eu-1", false);
        check("a*a", "a", false);
        check("*b*", "abc", true);
    }
}

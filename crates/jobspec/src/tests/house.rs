//! Promises about the crate as a whole.

use std::{collections::BTreeSet, path::Path};

use proptest::prelude::*;

use crate::{EXAMPLE, codes, explain, parse};

/// Text of all source files below `folder`, tests left out.
fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).expect("the source is there") {
        let path = entry.expect("readable").path();
        if path.is_dir() && !path.ends_with("tests") {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("codes.rs")
            && !path.ends_with("pages.rs")
        {
            text.push_str(&std::fs::read_to_string(&path).expect("readable"));
        }
    }
}

#[test]
fn every_code_is_used_and_has_a_page() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut text = String::new();
    sources(&folder, &mut text);
    let list = std::fs::read_to_string(folder.join("codes.rs")).expect("readable");
    let pattern = regex::Regex::new(r#"const (\w+): &str = "(T\d{4})""#).expect("a pattern");
    let mut seen = BTreeSet::new();
    for found in pattern.captures_iter(&list) {
        assert!(text.contains(&format!("codes::{}", &found[1])), "{} is never used", &found[1]);
        assert!(explain(&found[2]).is_some(), "{} has no page", &found[2]);
        assert!(seen.insert(found[2].to_string()), "{} stands for two things", &found[2]);
    }
    assert!(seen.len() >= 30, "the pattern finds the codes: {}", seen.len());
    assert_eq!(explain("t0101"), explain(codes::SYNTAX));
    assert_eq!(explain("T9999"), None);
}

#[test]
fn the_example_is_valid() {
    let parsed = parse("example.nomad", EXAMPLE).expect("the example parses");
    assert_eq!((parsed.job.id.as_str(), parsed.warnings.len()), ("example", 0));
    assert_eq!(crate::validate(&parsed.job), []);
}

#[test]
fn all_examples_parse() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the examples are there") {
        let path = entry.expect("readable").path();
        if path.extension().is_some_and(|extension| extension == "nomad") {
            let text = std::fs::read_to_string(&path).expect("readable");
            let parsed =
                parse(&path.display().to_string(), &text).unwrap_or_else(|problems| panic!("{problems:#}"));
            assert_eq!(parsed.warnings, Vec::<String>::new(), "{}", path.display());
            count += 1;
        }
    }
    assert!(count >= 7, "{count}");
}

/// Pieces that job files are made of, in any order.
fn pieces() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        "job", "group", "task", "config", "port_map", "\"x\"", "{", "}", "[", "]", "=", "\n", " ", ",", "\"",
        "${", "$${", "\\", "<<EOF\n", "EOF\n", "1", "-", "+", "(", ")", "true", "null", "var.x", "f(", "#",
        "//", "/*", "*/", "ä", "%{", "\u{feff}", "\r\n", "driver", "count", "\"5\"", "check", "service", "!",
        "?", ":", ".", "for x",
    ];
    prop::collection::vec(prop::sample::select(WORDS), 0..60).prop_map(|words| words.concat())
}

/// A file that is made to be slow to read comes to an end: what grew with the square of its size would not before
/// the test runner's patience does.
#[test]
fn hostile_files_are_cheap() {
    let size = 256 * 1024;
    for piece in [
        "a=1 ",
        "\"${",
        "${",
        "a=\"${",
        "{",
        "a{",
        "a{}",
        "[",
        "job \"x\"{}",
        "a=[[",
        "/*",
        "a=<<E\n",
        "#\n",
        "((",
        "a=(",
        "a=-",
        "x=1+",
    ] {
        let noise = piece.repeat(size / piece.len());
        for text in
            [noise.clone(), format!("job \"j\" {{ {noise}"), format!("job \"j\" {{ meta {{ {noise} }} }}")]
        {
            let _ = parse("hostile.nomad", &text);
        }
    }
    let mut names = String::from("job \"j\" { ");
    for number in 0..50_000 {
        names.push_str(&format!("group \"g{number}\" {{}} "));
    }
    names.push('}');
    assert!(parse("many.nomad", &names).is_err());
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = parse("any.nomad", &text).map_err(|problems| format!("{problems:#}"));
    }

    #[test]
    fn no_pieces_make_it_panic(text in pieces()) {
        let _ = parse("any.nomad", &text).map_err(|problems| format!("{problems:#}"));
        let inside = super::around("", "", &text);
        let _ = parse("any.nomad", &inside).map_err(|problems| format!("{problems:#}"));
    }

    /// One piece of a good file replaced by anything: parsed or refused, and a refusal has a place in the file.
    #[test]
    fn a_damaged_example_is_parsed_or_refused(from in 0..EXAMPLE.len(), length in 0..40_usize, piece in pieces()) {
        let to = (from + length).min(EXAMPLE.len());
        if let (Some(before), Some(after)) = (EXAMPLE.get(..from), EXAMPLE.get(to..)) {
            let text = format!("{before}{piece}{after}");
            if let Err(problems) = parse("any.nomad", &text) {
                prop_assert!(!problems.0.is_empty());
                for problem in &problems.0 {
                    prop_assert!(problem.line <= text.lines().count() + 1, "{problem}");
                    prop_assert!(explain(problem.code).is_some());
                }
            }
        }
    }

    #[test]
    fn what_parses_is_canonical(count in 0..100_u32, cpu in 1..5000_u32, name in "[a-z][a-z0-9-]{0,10}[a-z]") {
        let text = super::around("", &format!("count = {count}"), &format!("resources {{ cpu = \"{cpu}\" }}\nservice {{ name = \"{name}\" }}"));
        let job = super::job(&text);
        let mut again = job.clone();
        crate::canonicalize(&mut again);
        prop_assert_eq!(&again, &job);
        prop_assert_eq!(job.groups[0].count, count);
        prop_assert_eq!(job.groups[0].tasks[0].resources.cpu_mhz, cpu);
    }
}

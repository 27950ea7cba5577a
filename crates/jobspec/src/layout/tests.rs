use std::path::Path;

use super::*;
use crate::parse;

#[track_caller]
fn check(source: &str, expected: &str) {
    let laid = layout(source).unwrap();
    assert_eq!(laid, expected, "{laid}");
    assert_eq!(layout(&laid).unwrap(), laid, "a second time");
}

#[test]
fn blocks_and_arguments() {
    check(
        "job \"web\"{\ndatacenters=[ \"dc1\",\"dc2\" ]\n    type   =\"service\"\n\n\tgroup \"a\" {\n count = 1\n}\n}",
        "job \"web\" {\n  datacenters = [\"dc1\", \"dc2\"]\n  type        = \"service\"\n\n  group \"a\" {\n    count = 1\n  }\n}\n",
    );
    check("port \"http\" {to=80}\n", "port \"http\" { to = 80 }\n");
    check("update {}\nempty { }\n", "update {}\nempty { }\n");
}

#[test]
fn equals_signs_stand_below_each_other_between_gaps() {
    check("a = 1\nlong = 2\n\nb = 3\n# x\nlonger = 4\n", "a    = 1\nlong = 2\n\nb = 3\n# x\nlonger = 4\n");
    // A value of several lines stands by itself.
    check(
        "a = 1\nenv = {\nA = \"x\"\nLONG = \"y\"\n}\nbcd = 2\n",
        "a = 1\nenv = {\n  A    = \"x\"\n  LONG = \"y\"\n}\nbcd = 2\n",
    );
}

#[test]
fn comments_stay() {
    check(
        "a = 1 # one\nlong = 22   // two\n  # alone\n/* long\n   one */\nb = 1\n",
        "a    = 1  # one\nlong = 22 // two\n# alone\n/* long\n   one */\nb = 1\n",
    );
}

#[test]
fn what_stands_in_texts_is_not_touched() {
    check(
        "args=[\"a  =  b\",\"${x ? \"{\" : \"}\"}  \",\"$${ {\"]\nb = 1\n",
        "args = [\"a  =  b\", \"${x ? \"{\" : \"}\"}  \", \"$${ {\"]\nb    = 1\n",
    );
    check(
        "template {\ndata = <<EOH\n  a   =  {\n EOH\n}\n",
        "template {\n  data = <<EOH\n  a   =  {\n EOH\n}\n",
    );
}

#[test]
fn several_brackets_are_one_level() {
    check("x = [{\na = 1\n}]\ny = f(\n1,\n2\n)\n", "x = [{\n  a = 1\n}]\ny = f(\n  1,\n  2\n)\n");
}

#[test]
fn expressions_keep_their_signs() {
    check("a = x ==1&&y!= -1 ? a.b[0] : f(c, d...)\n", "a = x ==1&&y!= -1 ? a.b[0] : f(c, d...)\n");
}

#[test]
fn what_has_no_end_is_refused_with_its_line() {
    for (source, line) in [("a = \"x\n", 1), ("\na = <<E\nx\n", 2), ("a = 1\n/* x\n", 2)] {
        match layout(source) {
            Err(LayoutError::Odd { line: found, .. }) => assert_eq!(found, line, "{source}"),
            other => panic!("{source}: {other:?}"),
        }
    }
    assert!(layout(&" ".repeat(MAX_BYTES + 1)).is_err());
}

/// Every good job file of the corpus means the same when it is laid out.
#[test]
fn the_meaning_stays() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for folder in [root.join("corpus/good"), root.join("../../examples")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|end| end != "nomad") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let Ok(before) = parse("before.nomad", &text) else { continue };
            let laid = layout(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            match parse("after.nomad", &laid) {
                Ok(after) => assert_eq!(after.job, before.job, "{}:\n{laid}", path.display()),
                Err(problems) => panic!("{}:\n{laid}\n{problems:#}", path.display()),
            }
            assert_eq!(layout(&laid).as_deref(), Ok(laid.as_str()), "{}: a second time", path.display());
            seen += 1;
        }
    }
    assert!(seen > 90, "{seen}");
}

proptest::proptest! {
    #[test]
    fn twice_is_once(text in "[a-z =\"{}\\[\\]#\\n,(]{0,80}") {
        if let Ok(laid) = layout(&text) {
            proptest::prop_assert_eq!(layout(&laid), Ok(laid));
        }
    }
}

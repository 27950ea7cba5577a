use super::*;
use crate::{Delimiters, Functions, Limits, Template};

const SETTING: Setting = Setting { bytes: 10_000, now: 1_700_000_000_000_000_000 };

struct Helpers;

impl Functions for Helpers {
    fn call(&mut self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        super::call(name, arguments, &SETTING)
    }
}

fn render(text: &str) -> Result<String, crate::Error> {
    let known = |name: &str| {
        if knows(name) { Ok(()) } else { Err(format!("function {name:?} not defined")) }
    };
    let instance = |name: &str, tags: &[&str]| {
        Value::map([
            ("Name", Value::text(name)),
            ("Tags", Value::list(tags.iter().map(Value::text))),
            ("Port", Value::Int(80)),
        ])
    };
    let data = Value::list([instance("a", &["x", "y"]), instance("b", &["y"])]);
    Template::parse(text, &Delimiters::default(), &known)?.render(&data, &mut Helpers, &Limits::default())
}

#[track_caller]
fn check(text: &str, expected: &str) {
    match render(text) {
        Ok(found) => assert_eq!(found, expected, "{text}"),
        Err(error) => panic!("{text}: {error}"),
    }
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let error = render(text).expect_err(text).to_string();
    assert!(error.contains(expected), "{text}: {error}");
}

#[test]
fn numbers() {
    check(
        "{{10 | subtract 2}} {{add 1 2}} {{7 | divide 2}} {{7 | modulo 4}} {{2 | multiply 3}}",
        "8 3 3 3 6",
    );
    check("{{maximum 2 5}} {{minimum 2 5}} {{7.0 | divide 2}} {{add 0.5 1}}", "5 2 3.5 1.5");
    check(
        "{{\"12\" | parseInt | add 1}} {{parseFloat \"1.5\"}} {{parseBool \"true\"}} {{parseUint \"\"}}",
        "13 1.5 true 0",
    );
    refused("{{1 | divide 0}}", "division by zero");
    refused("{{9223372036854775807 | add 1}}", "64 bits");
    refused("{{parseUint \"-1\"}}", "not positive");
    refused("{{parseInt \"x\"}}", "\"x\" is not a whole number");
}

#[test]
fn texts() {
    check("{{\"a,b\" | split \",\" | join \"-\"}}{{range split \",\" \"\"}}x{{end}}", "a-b");
    check("{{\"x y\" | toUpper}} {{toLower \"AB\"}} {{toTitle \"the end\"}}", "X Y ab The End");
    check(
        "{{\"xxaxx\" | trim \"x\"}} {{trimLeft \"x\" \"xax\"}} {{trimSuffix \".d\" \"a.d\"}} {{trimSpace \" a \"}}|",
        "a ax a a|",
    );
    check(
        "{{\"a.b.c\" | replaceAll \".\" \"_\"}} {{\"a1b22\" | regexReplaceAll \"[0-9]+\" \"<$0>\"}}",
        "a_b_c a<1>b<22>",
    );
    check("{{\"foo\" | regexMatch \"^f\"}} {{regexMatch \"^x\" \"foo\"}}", "true false");
    check("{{\"a\\nb\\n\" | indent 2}}|", "  a\n  b\n|");
    check(
        "{{base64Encode \"hi\"}} {{base64Decode \"aGk=\"}} {{md5sum \"\"}}",
        "aGk= hi d41d8cd98f00b204e9800998ecf8427e",
    );
    check("{{sha256Hex \"\" | printf \"%.8s\"}}", "e3b0c442");
    refused("{{regexMatch \"(\" \"x\"}}", "is not a regular expression");
    refused("{{\"a\\nb\" | indent 9000}}", "grows beyond");
    refused("{{base64Decode \"%\"}}", "not base64");
}

#[test]
fn lists_and_maps() {
    check(
        "{{range $tag, $services := byTag .}}{{$tag}}:{{range $services}}{{.Name}}{{end}} {{end}}",
        "x:a y:ab ",
    );
    check("{{range byPort .}}{{len .}}{{end}}", "2");
    check(
        "{{with index . 0}}{{.Tags | contains \"x\"}} {{containsAll (split \",\" \"x,z\") .Tags}} {{in .Tags \"z\"}}{{end}}",
        "true false false",
    );
    check("{{(splitToMap \",\" \":\" \"a:1,b:2\").b}}", "2");
    check("{{with parseJSON \"{\\\"a/b\\\":1,\\\"c\\\":2}\" | explodeMap}}{{.a.b}}{{.c}}{{end}}", "12");
    check(
        "{{$a := parseJSON \"{\\\"x\\\":1}\"}}{{$b := parseJSON \"{\\\"x\\\":2,\\\"y\\\":3}\"}}{{mergeMap $a $b | toJSON}}{{mergeMapWithOverride $a $b | toJSON}}",
        "{\"x\":1,\"y\":3}{\"x\":2,\"y\":3}",
    );
    check("{{\"<\" | toJSON}} {{\"<\" | toUnescapedJSON}}", "\"\\u003c\" \"<\"");
    refused("{{parseJSON \"{\"}}", "not JSON");
    refused("{{join \",\" 5}}", "wants a list, found a int");
}

#[test]
fn every_name_is_a_function() {
    for name in NAMES {
        for arguments in [vec![], vec![Value::text("1")], vec![Value::Int(1); 2], vec![Value::text("1"); 3]] {
            let found = call(name, &arguments, &Setting { bytes: 100, now: 0 });
            assert!(!matches!(&found, Err(error) if error.contains("not defined")), "{name}: {found:?}");
        }
    }
}

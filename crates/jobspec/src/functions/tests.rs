//! Each function: what it gives, and what it refuses.

use proptest::prelude::*;

use super::{Means, find};
use crate::{
    eval::{Disk, in_json},
    functions::FUNCTIONS,
};

/// A folder with two files.
struct Folder;

impl Disk for Folder {
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, String> {
        match path {
            "a.txt" if limit > 2 => Ok(b"hi".to_vec()),
            "b.bin" => Ok(vec![0xff, 0xfe]),
            _ => Err(format!("{path}: no such file")),
        }
    }

    fn exists(&self, path: &str) -> Result<bool, String> {
        Ok(path == "a.txt")
    }

    fn below(&self, _: &str, _: usize) -> Result<Vec<String>, String> {
        Ok(["x/b.conf", "a.conf", "a.txt", "x/y/c.conf"].map(String::from).to_vec())
    }

    fn absolute(&self, path: &str) -> Result<String, String> {
        Ok(format!("/jobs/{path}"))
    }

    fn home(&self) -> Option<String> {
        Some(String::from("/home/me"))
    }
}

fn means() -> Means<'static> {
    Means { disk: Some(&Folder), seed: Some([7; 32]), drawn: 0 }
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        match in_json(text, means()) {
            Ok(found) => assert_eq!(found, *expected, "{text}"),
            Err(reason) => panic!("{text}: {reason}"),
        }
    }
}

#[track_caller]
fn refuse(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        match in_json(text, means()) {
            Ok(found) => panic!("{text} gives {found}"),
            Err(reason) => assert!(reason.contains(expected), "{text}: {reason}"),
        }
    }
}

#[test]
fn the_table_is_sorted_and_complete() {
    assert!(FUNCTIONS.is_sorted_by(|one, next| one.name < next.name));
    // Three more are in `eval`.
    assert_eq!(FUNCTIONS.len(), 80);
}

#[test]
fn the_page_names_them_all() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/job-files.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    let words: Vec<&str> = page.split(|letter: char| !letter.is_alphanumeric() && letter != '_').collect();
    for name in FUNCTIONS.iter().map(|function| function.name).chain(["can", "convert", "try"]) {
        assert!(words.contains(&name), "docs/job-files.md lacks {name}");
    }
}

#[test]
fn numbers() {
    check(&[
        ("abs(-3)", "3"),
        ("abs(\"-2.5\")", "2.5"),
        ("ceil(1.2)", "2"),
        ("floor(-1.2)", "-2"),
        ("log(16, 2)", "4"),
        ("max(1, 5, 3)", "5"),
        ("max([4, 9]...)", "9"),
        ("min(1, -5, 3)", "-5"),
        ("parseint(\"ff\", 16)", "255"),
        ("parseint(\"-101\", 2)", "-5"),
        ("pow(2, 10)", "1024"),
        ("signum(-7)", "-1"),
        ("signum(0)", "0"),
    ]);
    refuse(&[
        ("abs(\"x\")", "argument 1 must be a number, found \"x\""),
        ("abs()", "takes 1 argument, found 0"),
        ("log(0, 2)", "too large"),
        ("parseint(\"12\", 2)", "not a whole number in base 2"),
        ("parseint(\"1\", 99)", "between 2 and 36"),
        ("pow(10, 1000)", "too large"),
    ]);
}

#[test]
fn strings() {
    check(&[
        ("chomp(\"a\\r\\n\\n\")", "\"a\""),
        ("indent(2, \"a\\nb\")", "\"a\\n  b\""),
        ("join(\"-\", [1, \"b\"], [true])", "\"1-b-true\""),
        ("lower(\"ÄB\")", "\"äb\""),
        ("upper(\"äb\")", "\"ÄB\""),
        ("replace(\"1 + 2 + 3\", \" + \", \"-\")", "\"1-2-3\""),
        ("regex_replace(\"ab-cd\", \"([a-z]+)-([a-z]+)\", \"$2-$1\")", "\"cd-ab\""),
        ("split(\",\", \"a,b,\")", "[\"a\",\"b\",\"\"]"),
        ("strlen(\"äöü\")", "3"),
        ("strrev(\"abc\")", "\"cba\""),
        ("substr(\"hello\", 1, 3)", "\"ell\""),
        ("substr(\"hello\", -2, -1)", "\"lo\""),
        ("title(\"hello big world\")", "\"Hello Big World\""),
        ("trim(\"?!hello?!\", \"!?\")", "\"hello\""),
        ("trimprefix(\"v1.2\", \"v\")", "\"1.2\""),
        ("trimsuffix(\"a.tar.gz\", \".gz\")", "\"a.tar\""),
        ("trimspace(\"  a \\n\")", "\"a\""),
        ("format(\"%s is %d years, %.1f%%\", \"Ann\", 5, 99.5)", "\"Ann is 5 years, 99.5%\""),
        (
            "format(\"%05d|%-4s|%4s|%x|%X|%o|%b|%+d\", 42, \"a\", \"b\", 255, 255, 8, 5, 3)",
            "\"00042|a   |   b|ff|FF|10|101|+3\"",
        ),
        (
            "format(\"%v %v %q %t %e\", [1, \"a\"], 2.5, \"q\\\"\", true, 12345.678)",
            "\"[1,\\\"a\\\"] 2.5 \\\"q\\\\\\\"\\\" true 1.234568e+04\"",
        ),
        ("format(\"%[2]s-%[1]s\", \"a\", \"b\")", "\"b-a\""),
        ("formatlist(\"%s.%s\", [\"a\", \"b\"], \"x\")", "[\"a.x\",\"b.x\"]"),
    ]);
    refuse(&[
        ("upper([])", "argument 1 must be text, found a list"),
        ("format(\"%d\", \"x\")", "`%d` takes a whole number, found \"x\""),
        ("format(\"%s\")", "the pattern asks for argument 1"),
        ("format(\"a\", 1)", "uses 0 of 1"),
        ("format(\"%z\", 1)", "there is no `%z`"),
        ("format(\"%999999999d\", 1)", "at most 4096"),
        ("formatlist(\"%s%s\", [1], [1, 2])", "not all the same length"),
        ("regex_replace(\"a\", \"(\", \"\")", "not a regular expression"),
        ("regex_replace(\"a\", \"(a{1000}){1000}\", \"\")", "not a regular expression"),
        ("indent(-1, \"a\")", "between 0 and 1000"),
    ]);
}

#[test]
fn collections() {
    check(&[
        ("chunklist([1, 2, 3], 2)", "[[1,2],[3]]"),
        ("coalesce(null, \"\", \"x\")", "\"x\""),
        ("coalescelist([], [1])", "[1]"),
        ("compact([\"a\", \"\", null, \"b\"])", "[\"a\",\"b\"]"),
        ("concat([1], [], [2, 3])", "[1,2,3]"),
        ("contains([1, 2], 2)", "true"),
        ("contains([\"2\"], 2)", "false"),
        ("distinct([\"b\", \"a\", \"b\"])", "[\"b\",\"a\"]"),
        ("element([\"a\", \"b\"], 3)", "\"b\""),
        ("flatten([1, [2, [3]], []])", "[1,2,3]"),
        ("index([\"a\", \"b\"], \"b\")", "1"),
        ("keys({ b = 1, a = 2 })", "[\"a\",\"b\"]"),
        ("values({ b = 1, a = 2 })", "[2,1]"),
        ("length([1, 2])", "2"),
        ("length({ a = 1 })", "1"),
        ("length(\"äb\")", "2"),
        ("lookup({ a = 1 }, \"a\", 5)", "1"),
        ("lookup({ a = 1 }, \"b\", 5)", "5"),
        ("merge({ a = 1, b = 1 }, { b = 2 })", "{\"a\":1,\"b\":2}"),
        ("range(3)", "[0,1,2]"),
        ("range(1, 4)", "[1,2,3]"),
        ("range(4, 1)", "[4,3,2]"),
        ("range(0, 1, 0.5)", "[0,0.5]"),
        ("range(5, 5)", "[]"),
        ("reverse([1, 2])", "[2,1]"),
        ("setintersection([\"a\", \"b\"], [\"b\", \"c\"])", "[\"b\"]"),
        ("setunion([\"b\"], [\"a\", \"b\"])", "[\"a\",\"b\"]"),
        ("setproduct([\"a\", \"b\"], [1, 2])", "[[\"a\",1],[\"a\",2],[\"b\",1],[\"b\",2]]"),
        ("slice([1, 2, 3, 4], 1, 3)", "[2,3]"),
        ("sort([\"b\", \"a\", \"c\"])", "[\"a\",\"b\",\"c\"]"),
        ("zipmap([\"a\", \"b\"], [1, 2])", "{\"a\":1,\"b\":2}"),
    ]);
    refuse(&[
        ("coalesce(null, \"\")", "every argument is null or empty"),
        ("element([], 0)", "the list is empty"),
        ("index([1], 2)", "does not contain the number 2"),
        ("lookup({}, \"a\")", "the map has no \"a\""),
        ("merge({}, [1])", "argument 2 must be a map"),
        ("range(1e9)", "at most 65536"),
        ("range(0, 5, -1)", "do not lead from 0 to 5"),
        ("slice([1], 0, 5)", "no part from 0 to 5"),
        ("zipmap([\"a\"], [])", "1 names and 0 values"),
        ("setproduct(range(5000), range(5000))", "MiB"),
    ]);
}

#[test]
fn encodings() {
    check(&[
        ("base64encode(\"hello\")", "\"aGVsbG8=\""),
        ("base64decode(\"aGVsbG8=\")", "\"hello\""),
        ("urlencode(\"a b/ä~\")", "\"a+b%2F%C3%A4~\""),
        ("jsondecode(\"{\\\"a\\\": [1, null, true, 1.5]}\")", "{\"a\":[1,null,true,1.5]}"),
        (
            "jsonencode({ b = [1, \"<x>\"], a = null })",
            "\"{\\\"a\\\":null,\\\"b\\\":[1,\\\"\\\\u003cx\\\\u003e\\\"]}\"",
        ),
        (
            "csvdecode(\"a,b\\n1,\\\"x, y\\\"\\r\\n2,\\\"q\\\"\\\"q\\\"\\n\")",
            "[{\"a\":\"1\",\"b\":\"x, y\"},{\"a\":\"2\",\"b\":\"q\\\"q\"}]",
        ),
        (
            "yamldecode(\"a: &x [1, two, true]\\nb: *x\\nc:\\n  d: '5'\\n  e: ~\")",
            "{\"a\":[1,\"two\",true],\"b\":[1,\"two\",true],\"c\":{\"d\":\"5\",\"e\":null}}",
        ),
        ("yamldecode(\"base: &b {x: 1, y: 2}\\nother:\\n  <<: *b\\n  y: 3\").other", "{\"x\":1,\"y\":3}"),
        (
            "yamlencode({ a = [1, { b = \"c\", d = [] }], e = { f = \"g\" } })",
            "\"\\\"a\\\":\\n- 1\\n- \\\"b\\\": \\\"c\\\"\\n  \\\"d\\\": []\\n\\\"e\\\":\\n  \\\"f\\\": \\\"g\\\"\\n\"",
        ),
        (
            "yamldecode(yamlencode({ a = [[1, [2]], { b = { c = [3] } }] }))",
            "{\"a\":[[1,[2]],{\"b\":{\"c\":[3]}}]}",
        ),
    ]);
    refuse(&[
        ("base64decode(\"###\")", "this is not base64"),
        ("base64decode(\"//79\")", "not text in UTF-8"),
        ("jsondecode(\"{\")", "this is not JSON"),
        ("csvdecode(\"a,b\\n1\")", "line 2 has 1 fields"),
        ("csvdecode(\"\")", "not even a line"),
        ("yamldecode(\"a: [\")", "this is not YAML"),
        ("yamldecode(\"a: *x\")", "this is not YAML"),
        ("yamldecode(\"--- 1\\n--- 2\")", "more than one document"),
    ]);
}

#[test]
fn yaml_that_explodes_is_refused() {
    let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\\n");
    for level in 1..9 {
        let before = level - 1;
        let items = vec![format!("*a{before}"); 10].join(",");
        text.push_str(&format!("a{level}: &a{level} [{items}]\\n"));
    }
    refuse(&[(&format!("yamldecode(\"{text}\")"), "more than 2 MiB")]);
    for text in ["[".repeat(100_000), "{a: ".repeat(50_000), "- ".repeat(100_000), "? ".repeat(100_000)] {
        refuse(&[(&format!("yamldecode(\"{text}\")"), "nested more than 32 deep")]);
    }
}

#[test]
fn hashes_and_ids() {
    check(&[
        ("md5(\"abc\")", "\"900150983cd24fb0d6963f7d28e17f72\""),
        ("sha1(\"abc\")", "\"a9993e364706816aba3e25717850c26c9cd0d89d\""),
        ("sha256(\"abc\")", "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\""),
        ("substr(sha512(\"abc\"), 0, 32)", "\"ddaf35a193617abacc417349ae204131\""),
        ("uuidv5(\"dns\", \"www.example.com\")", "\"2ed6657d-e927-568b-95e1-2665a8aea6a2\""),
        (
            "uuidv5(\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\", \"www.example.com\")",
            "\"2ed6657d-e927-568b-95e1-2665a8aea6a2\"",
        ),
        ("substr(uuidv4(), 14, 1)", "\"4\""),
        ("uuidv4() == uuidv4()", "false"),
        ("substr(bcrypt(\"secret\", 4), 0, 7)", "\"$2a$04$\""),
    ]);
    refuse(&[
        ("uuidv5(\"mars\", \"x\")", "the namespace must be"),
        ("bcrypt(\"x\", 31)", "between 4 and 14"),
        ("rsadecrypt(\"x\", \"y\")", "does not decrypt"),
    ]);
    let reason = in_json("uuidv4()", Means::default()).unwrap_err();
    assert!(reason.contains("no randomness"), "{reason}");
}

#[test]
fn networks() {
    check(&[
        ("cidrhost(\"10.12.127.0/20\", 16)", "\"10.12.112.16\""),
        ("cidrhost(\"10.12.112.0/20\", -1)", "\"10.12.127.255\""),
        ("cidrhost(\"fd00:fd12:3456:7890::/72\", 34)", "\"fd00:fd12:3456:7890::22\""),
        ("cidrnetmask(\"172.16.0.0/12\")", "\"255.240.0.0\""),
        ("cidrsubnet(\"172.16.0.0/12\", 4, 2)", "\"172.18.0.0/16\""),
        ("cidrsubnet(\"fd00::/8\", 8, 1)", "\"fd01::/16\""),
        (
            "cidrsubnets(\"10.1.0.0/16\", 4, 4, 8, 4)",
            "[\"10.1.0.0/20\",\"10.1.16.0/20\",\"10.1.32.0/24\",\"10.1.48.0/20\"]",
        ),
        ("cidrsubnet(\"0.0.0.0/0\", 32, 5)", "\"0.0.0.5/32\""),
        ("cidrhost(\"::/0\", 1)", "\"::1\""),
    ]);
    refuse(&[
        ("cidrhost(\"10.0.0.0\", 1)", "not a block of addresses"),
        ("cidrhost(\"10.0.0.0/33\", 1)", "not a block of addresses"),
        ("cidrhost(\"10.0.0.0/30\", 4)", "has no address 4"),
        ("cidrnetmask(\"::/8\")", "only blocks of IPv4"),
        ("cidrsubnet(\"10.0.0.0/30\", 4, 0)", "no part of 4 more bits"),
        ("cidrsubnet(\"10.0.0.0/8\", 2, 4)", "2 bits do not hold"),
        ("cidrsubnets(\"10.0.0.0/30\", 1, 1, 1)", "no room left"),
    ]);
}

#[test]
fn times() {
    check(&[
        ("formatdate(\"DD MMM YYYY hh:mm ZZZ\", \"2018-01-02T23:12:01Z\")", "\"02 Jan 2018 23:12 UTC\""),
        (
            "formatdate(\"EEEE, D-M-YY 'o''clock' H AA ss\", \"2018-01-02T13:02:01+02:00\")",
            "\"Tuesday, 2-1-18 o'clock 1 PM 01\"",
        ),
        ("formatdate(\"hh Z ZZZZ\", \"2018-01-02T13:02:01-03:30\")", "\"13 -03:30 -0330\""),
        ("timeadd(\"2017-11-22T00:00:00Z\", \"10m\")", "\"2017-11-22T00:10:00Z\""),
        ("timeadd(\"2020-02-29T23:59:59.5+01:00\", \"-24h\")", "\"2020-02-28T23:59:59.5+01:00\""),
    ]);
    refuse(&[
        ("timeadd(\"yesterday\", \"1h\")", "is not a time"),
        ("timeadd(\"2017-11-22T00:00:00Z\", \"soon\")", "`timeadd`"),
        ("formatdate(\"YYY\", \"2018-01-02T23:12:01Z\")", "`YYY` stands for no part"),
        ("formatdate(\"'x\", \"2018-01-02T23:12:01Z\")", "never closed"),
    ]);
}

#[test]
fn files() {
    check(&[
        ("file(\"a.txt\")", "\"hi\""),
        ("filebase64(\"b.bin\")", "\"//4=\""),
        ("fileexists(\"a.txt\")", "true"),
        ("fileexists(\"no\")", "false"),
        ("fileset(\".\", \"*.conf\")", "[\"a.conf\"]"),
        ("fileset(\".\", \"**/*.conf\")", "[\"a.conf\",\"x/b.conf\",\"x/y/c.conf\"]"),
        ("fileset(\".\", \"?.{conf,txt}\")", "[\"a.conf\",\"a.txt\"]"),
        ("abspath(\"x\")", "\"/jobs/x\""),
        ("pathexpand(\"~/x\")", "\"/home/me/x\""),
        ("pathexpand(\"/x\")", "\"/x\""),
        ("basename(\"/a/b.txt\")", "\"b.txt\""),
        ("dirname(\"/a/b.txt\")", "\"/a\""),
        ("dirname(\"b.txt\")", "\".\""),
    ]);
    refuse(&[("file(\"no\")", "no such file"), ("file(\"b.bin\")", "not text in UTF-8")]);
    let on_disk = ["abspath", "basename", "dirname", "file", "filebase64", "fileexists", "pathexpand"]
        .map(|name| format!("{name}(\"x\")"));
    for text in on_disk.iter().map(String::as_str).chain(["fileset(\"x\", \"y\")"]) {
        let reason = in_json(text, Means::default()).unwrap_err();
        assert!(reason.contains("filesystem function disabled"), "{text}: {reason}");
    }
}

#[test]
fn what_does_not_fail_and_what_becomes_of_types() {
    check(&[
        ("try({ a = 1 }.b, \"none\")", "\"none\""),
        ("can(tonumber(\"x\"))", "false"),
        ("can(1 + 1)", "true"),
        ("convert([\"1\", \"2\"], list(number))", "[1,2]"),
        ("convert([\"b\", \"a\", \"b\"], set(string))", "[\"a\",\"b\"]"),
        (
            "convert({ a = \"1\" }, object({ a = number, b = optional(string, \"x\") }))",
            "{\"a\":1,\"b\":\"x\"}",
        ),
    ]);
    refuse(&[
        ("try({}.a, {}.b)", "no argument of `try` has a value"),
        ("convert(\"x\", number)", "expected a number, found \"x\""),
        ("convert([1, \"x\"], list(number))", "item 1: expected a number"),
        ("convert(1, numbre)", "there is no type `numbre`"),
        ("try(range(1e9), 1)", "at most 65536"),
        ("env(\"HOME\")", "there is no function `env`"),
    ]);
    assert!(find("env").unwrap_err().contains("NOMAD_VAR_"));
}

/// An expression that is not evaluated further.
fn argument() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(String::from("null")),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i32>().prop_map(|value| value.to_string()),
        (-1e12..1e12).prop_map(|value: f64| format!("{value:.3}")),
        "[a-zA-Z0-9%*?:/,.{}\\[\\]-]{0,12}"
            .prop_map(|text| serde_json::Value::from(text.replace("%{", "")).to_string()),
        Just(String::from("\"2018-01-02T23:12:01Z\"")),
        Just(String::from("\"10.0.0.0/8\"")),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec(("[a-c]", inner), 0..4).prop_map(|items| {
                let items: Vec<String> =
                    items.into_iter().map(|(name, item)| format!("{name} = {item}")).collect();
                format!("{{ {} }}", items.join(", "))
            }),
        ]
    })
}

proptest! {
    /// Whatever it is given, a function gives a value or a reason, and the same each time.
    #[test]
    fn no_function_panics(at in 0..FUNCTIONS.len(), args in prop::collection::vec(argument(), 0..4)) {
        let name = FUNCTIONS[at].name;
        prop_assume!(name != "bcrypt");
        let text = format!("{name}({})", args.join(", "));
        prop_assert_eq!(in_json(&text, means()), in_json(&text, means()), "{}", text);
    }

    #[test]
    fn what_is_encoded_is_decoded(value in argument()) {
        let plain = in_json(&value, means()).unwrap();
        prop_assert_eq!(&in_json(&format!("jsondecode(jsonencode({value}))"), means()).unwrap(), &plain);
        prop_assert_eq!(&in_json(&format!("yamldecode(yamlencode({value}))"), means()).unwrap(), &plain);
    }

    #[test]
    fn base64_there_and_back(text in "[ -~äöü]{0,40}") {
        let quoted = serde_json::Value::from(text.replace("${", "").replace("%{", "")).to_string();
        let back = in_json(&format!("base64decode(base64encode({quoted}))"), means()).unwrap();
        prop_assert_eq!(back, in_json(&quoted, means()).unwrap());
    }
}

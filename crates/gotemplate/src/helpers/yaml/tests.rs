use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::{
    Value,
    helpers::{Setting, call},
};

const SETTING: Setting = Setting { bytes: 20_000, now: 0 };

fn read(text: &str) -> Result<Json, String> {
    call("parseYAML", &[Value::text(text)], &SETTING).map(|value| value.to_json())
}

fn written(value: Json) -> String {
    call("toYAML", &[Value::from(value)], &SETTING).unwrap().as_text().unwrap().to_owned()
}

#[track_caller]
fn reads(text: &str, expected: Json) {
    assert_eq!(read(text).as_ref(), Ok(&expected), "{text}");
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let error = read(text).expect_err(text);
    assert!(error.contains(expected), "{text}: {error}");
}

#[track_caller]
fn writes(value: Json, expected: &str) {
    assert_eq!(written(value.clone()), expected);
    if !expected.contains(".inf") {
        reads(expected, value);
    }
}

#[test]
fn reads_what_people_write() {
    reads("", json!({}));
    reads("foo: bar\nbaz: \"foo\"\n", json!({"foo": "bar", "baz": "foo"}));
    reads("foo:\n  bar: \"baz\"\n  baz: 7\n", json!({"foo": {"bar": "baz", "baz": 7}}));
    reads("- a\n- [1, 2.5, {b: c}]\n- \n", json!(["a", [1, 2.5, {"b": "c"}], null]));
    reads(
        "a: yes\nb: off\nc: ~\nd: 0x10\ne: 010\nf: 1_000\ng: 1e3\nh: 2001-01-01\n",
        json!({"a": true, "b": false, "c": null, "d": 16, "e": 8, "f": 1000, "g": 1000, "h": "2001-01-01"}),
    );
    reads(
        "a: 'yes'\nb: !!str 5\nc: !!binary aGk=\nd: !!int '7'\n",
        json!({"a": "yes", "b": "5", "c": "hi", "d": 7}),
    );
    reads("a: |\n  x\n  y\nb: >-\n  x\n  y\n", json!({"a": "x\ny\n", "b": "x y"}));
    reads("1: a\nyes: b\n~: c\n010: d\n", json!({"1": "a", "yes": "b", "~": "c", "010": "d"}));
    reads(
        "base: &b {x: 1, y: 2}\nmore: {<<: *b, y: 3}\nlist: {<<: [*b, {z: 1}]}\n",
        json!({"base": {"x": 1, "y": 2}, "more": {"x": 1, "y": 3}, "list": {"x": 1, "y": 2, "z": 1}}),
    );
    reads("a: 1\na: 2\n", json!({"a": 2}));
    reads("a: 1\n---\nb: 2\n", json!({"a": 1}));
    refused("a: [1\n", "not YAML");
    refused("a: b: c", "not YAML");
    refused("a: *b", "not YAML");
    refused("? [1]\n: a\n", "a list is the key of a map");
    refused("a: &a [*a]\n", "inside of what it stands for");
    refused("a: 1\n<<: 5\n", "<< wants a map");
}

#[test]
fn reading_is_bounded() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let inner = vec![format!("*a{}", level - 1); 8].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
    }
    refused(&bomb, "too large");
    refused(&"[".repeat(100_000), "not YAML");
    refused(&"[".repeat(200), "not YAML");
    refused(&format!("{}x", "- ".repeat(10_000)), "inside one another");
    refused(&format!("a: {}1", "{a: ".repeat(2_000)), "inside one another");
}

#[test]
fn writes_as_yaml_v2_does() {
    writes(json!({"foo": "bar"}), "foo: bar");
    writes(json!({"b": {"d": 1, "c": {"x": true}}, "a": null}), "a: null\nb:\n  c:\n    x: true\n  d: 1");
    writes(
        json!({"l": [1, "a", {"k": "v", "m": [2]}, [3, [4]], [], {}]}),
        "l:\n- 1\n- a\n- k: v\n  m:\n  - 2\n- - 3\n  - - 4\n- []\n- {}",
    );
    writes(json!(["a", {"b": {"c": 1}}]), "- a\n- b:\n    c: 1");
    writes(
        json!({"a10": 1, "a2": 2, "a02": 3, "b": 4, "_c": 5, "B": 6, "a": 7, "a2b": 8, "a-b": 9, "10": 0}),
        "_c: 5\n\"10\": 0\nB: 6\na: 7\na-b: 9\na2: 2\na2b: 8\na02: 3\na10: 1\nb: 4",
    );
    writes(json!([]), "[]");
    writes(json!({}), "{}");
    writes(json!("a"), "a");
    writes(
        json!({"e": "", "n": "null", "t": "true", "y": "yes", "i": "12", "f": "1.5", "o": "010", "d": "2001-01-01", "s": "1:20", "m": "<<"}),
        "d: \"2001-01-01\"\ne: \"\"\nf: \"1.5\"\ni: \"12\"\nm: \"<<\"\n\"n\": \"null\"\no: \"010\"\ns: \"1:20\"\nt: \"true\"\n\"y\": \"yes\"",
    );
    writes(
        json!({"a": ": x", "b": "x: y", "c": "x #y", "d": "x#y", "e": "- x", "f": "-x", "g": " x", "h": "x ", "i": "it's", "j": "'q'", "k": "a:b", "l": "@x", "m": "{x}", "o": "x,y"}),
        "a: ': x'\nb: 'x: y'\nc: 'x #y'\nd: x#y\ne: '- x'\nf: -x\ng: ' x'\nh: 'x '\ni: it's\nj: '''q'''\nk: a:b\nl: '@x'\nm: '{x}'\no: x,y",
    );
    writes(
        json!({"a": "x\ty", "b": "\u{1}", "c": "é", "d": "x\r"}),
        "a: \"x\\ty\"\nb: \"\\x01\"\nc: é\nd: \"x\\r\"",
    );
    writes(
        json!({"a": "x\ny\n", "b": "x\ny", "c": "x\n\n", "d": " x\ny", "z": 1}),
        "a: |\n  x\n  y\nb: |-\n  x\n  y\nc: |+\n  x\n\nd: |2-\n   x\n  y\nz: 1",
    );
    writes(json!({"l": ["x\ny\n"]}), "l:\n- |\n  x\n  y");
    writes(json!({"a": "x \ny"}), "a: \"x \\ny\"");
    writes(json!({"f": 1.5, "g": 1e300, "h": -2}), "f: 1.5\ng: 1e+300\nh: -2");
    let long = "word ".repeat(30);
    let long = long.trim();
    let line = "word ".repeat(16);
    let expected = format!("k: {}\n  {}", line.trim(), "word ".repeat(14).trim());
    assert_eq!(written(json!({ "k": long })), expected);
    reads(&expected, json!({ "k": long }));
    assert_eq!(
        call("toYAML", &[Value::list([Value::Float(f64::INFINITY), Value::Float(f64::NAN)])], &SETTING),
        Ok(Value::text("- .inf\n- .nan"))
    );
    let grown = call("toYAML", &[Value::list(vec![Value::text("x".repeat(1000)); 30])], &SETTING);
    assert!(grown.unwrap_err().contains("grows beyond"));
}

#[test]
fn toml() {
    let written = |value: Json| {
        call("toTOML", &[Value::from(value)], &SETTING).map(|text| text.as_text().unwrap().to_owned())
    };
    #[track_caller]
    fn same(found: Result<String, String>, expected: &str) {
        assert_eq!(found.as_deref(), Ok(expected));
    }
    same(written(json!({"foo": "bar"})), "foo = \"bar\"");
    same(
        written(json!({"b": {"d": 1, "c": {"x": true}}, "a": 1.0, "n": null})),
        "a = 1.0\n\n[b]\n  d = 1\n  [b.c]\n    x = true",
    );
    same(written(json!({"foo": {"bar": "x"}, "zip": {}})), "[foo]\n  bar = \"x\"\n\n[zip]");
    same(
        written(json!({"l": [1, "a", [2, 3], {"k": "v", "m": 1}], "e": []})),
        "e = []\nl = [1, \"a\", [2, 3], {k = \"v\", m = 1}]",
    );
    same(
        written(json!({"t": [{"a": 1}, {"b": {"c": 2}}], "x": 1})),
        "x = 1\n\n[[t]]\n  a = 1\n\n[[t]]\n  [t.b]\n    c = 2",
    );
    same(
        written(json!({"a b": "x\"\\\n\t\u{1}é", "": 1, "c-d_1": 2})),
        "\"\" = 1\n\"a b\" = \"x\\\"\\\\\\n\\t\\u0001é\"\nc-d_1 = 2",
    );
    assert!(written(json!([1])).unwrap_err().contains("wants a map"));
    assert!(written(json!({"a": [null]})).unwrap_err().contains("nothing in a list"));
}

#[test]
fn spew() {
    let dumped = |value: Json| {
        call("spew_sdump", &[Value::from(value)], &SETTING).unwrap().as_text().unwrap().to_owned()
    };
    assert_eq!(dumped(json!("ab")), "(string) (len=2) \"ab\"\n");
    assert_eq!(
        dumped(json!({"one": [1, null], "two": {}})),
        "(map[string]interface {}) (len=2) {\n (string) (len=3) \"one\": ([]interface {}) (len=2 cap=2) {\n  (int) 1,\n  (interface {}) <nil>\n },\n (string) (len=3) \"two\": (map[string]interface {}) {\n }\n}\n"
    );
    let arguments = [Value::text("%v-%d"), Value::list([Value::Int(1)]), Value::Int(2)];
    assert_eq!(call("spew_sprintf", &arguments, &SETTING), Ok(Value::text("[1]-2")));
    assert_eq!(call("spew_printf", &arguments, &SETTING), Ok(Value::text("")));
    assert_eq!(call("spew_dump", &arguments, &SETTING), Ok(Value::text("")));
    assert!(call("spew_sprintf", &[Value::Int(1)], &SETTING).is_err());
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        "\\PC{0,12}".prop_map(Json::from),
        "[-+:#'\"\\[\\]{}|>&*!%@`~?,.a1 \\n\\t\\r\u{85}\u{2028}é]{0,10}".prop_map(Json::from),
        "(yes|no|on|null|1|0x1|1e5|2001-1-1|1:30|word | ){0,40}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::btree_map("[-a:# 0'\\n]{0,4}", inner, 0..5)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn values_come_back_from_yaml(value in any_json()) {
        // Blank lines at the end of the whole are cut off, as in consul-template.
        let value = json!({ "k": value, "z": 0 });
        let text = written(value.clone());
        prop_assert_eq!(read(&text), Ok(value), "{}", text);
    }

    #[test]
    fn keys_have_one_order(keys in prop::collection::btree_set("[a019.Z-]{0,4}", 0..12)) {
        let keys: Vec<String> = keys.into_iter().collect();
        let written = |keys: &[String]| {
            let map = keys.iter().map(|key| (key.clone(), Json::from(1))).collect();
            written(Json::Object(map))
        };
        // Any two stand in the order in which they stand among all.
        let whole = written(&keys);
        let at = |key: &String| {
            let line = written(std::slice::from_ref(key));
            whole.lines().position(|found| found == line).unwrap()
        };
        for (one, other) in keys.iter().zip(keys.iter().skip(1)) {
            let two = written(&[one.clone(), other.clone()]);
            let first = two.lines().next().unwrap() == written(std::slice::from_ref(one));
            prop_assert_eq!(at(one) < at(other), first, "{} {}", one, other);
        }
    }

    #[test]
    fn no_text_makes_the_reader_fall(text in "(a|: |- |\\? |\\[|\\]|\\{|\\}|, |&a |\\*a|<<|!!str |'|\"|\\||>|#|\n|  |---\n|\\.\\.\\.\n|\t|%|é){0,30}") {
        let _ = read(&text);
    }
}

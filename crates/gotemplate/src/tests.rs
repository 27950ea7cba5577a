use proptest::prelude::*;

use super::*;

/// Objects and functions of a made-up host.
struct Host {
    kept: BTreeMap<String, Value>,
}

impl Functions for Host {
    fn call(&mut self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        match (name, arguments) {
            ("upper", [Value::Text(text)]) => Ok(Value::text(text.to_uppercase())),
            ("fail", _) => Err(String::from("never works")),
            ("kept", []) => Ok(Value::Object("kept")),
            _ => Err(format!("wrong arguments of {name}")),
        }
    }

    fn method(&mut self, object: &str, name: &str, arguments: &[Value]) -> Result<Value, String> {
        match (object, name, arguments) {
            ("kept", "Set", [Value::Text(key), value]) => {
                self.kept.insert(key.to_string(), value.clone());
                Ok(Value::text(""))
            }
            ("kept", "Get", [Value::Text(key)]) => {
                Ok(self.kept.get(key.as_ref()).cloned().unwrap_or_default())
            }
            _ => Err(format!("{object} has no field or method {name}")),
        }
    }
}

fn known(name: &str) -> Result<(), String> {
    match name {
        "upper" | "fail" | "kept" => Ok(()),
        other => NoFunctions::check(other),
    }
}

fn data() -> Value {
    let json = r#"{
        "Name": "web", "Count": 3, "Half": 0.5, "Empty": "", "Nothing": null, "Yes": true,
        "List": ["a", "b", "c"], "Map": {"k2": 2, "k1": 1}, "Deep": {"a": {"b": "c"}},
        "Jobs": [{"ID": "one", "Tags": ["x"]}, {"ID": "two", "Tags": []}]
    }"#;
    Value::from(serde_json::from_str::<serde_json::Value>(json).unwrap())
}

fn with(text: &str, delimiters: &Delimiters, limits: &Limits) -> Result<String, Error> {
    let mut host = Host { kept: BTreeMap::new() };
    Template::parse(text, delimiters, &known)?.render(&data(), &mut host, limits)
}

fn render(text: &str) -> Result<String, Error> {
    with(text, &Delimiters::default(), &Limits::default())
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
fn texts_and_blanks() {
    check("", "");
    check("plain } {", "plain } {");
    check("a {{ .Name }} b", "a web b");
    check("a {{- .Name -}} b", "aweb b".replace(' ', "").as_str());
    check("a\n  {{- /* quiet */ -}}\n b", "ab");
    check("a{{/* {{ no }} */}}b", "ab");
    check("{{- 3 -}} <", "3<");
    check("{{-3}}", "-3");
    check("{{\n.Name\n}}", "web");
    check("a {{- `\n` -}} b", "a\nb");
}

#[test]
fn values() {
    check(
        "{{.Name}} {{.Count}} {{.Half}} {{.Yes}} {{.Nothing}} {{.None}}",
        "web 3 0.5 true <no value> <no value>",
    );
    check(
        "{{.}}",
        "map[Count:3 Deep:map[a:map[b:c]] Empty: Half:0.5 Jobs:[map[ID:one Tags:[x]] map[ID:two Tags:[]]] List:[a b c] Map:map[k1:1 k2:2] Name:web Nothing:<nil> Yes:true]",
    );
    check("{{.Deep.a.b}}{{(.Deep).a.b}}{{$.Deep.a.b}}", "ccc");
    check("{{.None.of.that}}", "<no value>");
    check(
        "{{true}} {{1_000}} {{0x10}} {{0b11}} {{0o17}} {{017}} {{'a'}} {{1.5e3}} {{-2}}",
        "true 1000 16 3 15 15 97 1500 -2",
    );
    check("{{1e6}} {{123456789.0}} {{0.00001}} {{0.0}}", "1e+06 1.23456789e+08 1e-05 0");
    check(r#"{{"a\tb\"\u00e9\x41\101"}}{{`raw\n`}}"#, "a\tb\"éAAraw\\n");
}

#[test]
fn branches() {
    check("{{if .Yes}}y{{else}}n{{end}}{{if .Empty}}y{{else}}n{{end}}", "yn");
    check("{{if .Empty}}1{{else if .None}}2{{else if .Yes}}3{{else}}4{{end}}", "3");
    check("{{with .Deep}}{{.a.b}}{{end}}{{with .Empty}}x{{else}}{{.Name}}{{end}}", "cweb");
    check("{{with .None}}1{{else with .Deep.a}}{{.b}}{{end}}", "c");
    check("{{with $x := .Name}}{{$x}}{{.}}{{end}}", "webweb");
    check("{{if and .Yes .Count}}{{or .Empty .Name}}{{end}}", "web");
    check("{{or .Yes (fail)}} {{and .Empty (fail)}}", "true ");
    check("{{not .Yes}} {{not 0}}", "false true");
}

#[test]
fn loops() {
    check("{{range .List}}<{{.}}>{{end}}", "<a><b><c>");
    check("{{range $i, $x := .List}}{{$i}}{{$x}} {{end}}", "0a 1b 2c ");
    check("{{range $k, $v := .Map}}{{$k}}={{$v}};{{end}}", "k1=1;k2=2;");
    check("{{range $x := .List}}{{$x}}{{$.Name}}{{end}}", "awebbwebcweb");
    check("{{range .None}}x{{else}}none{{end}}", "none");
    check("{{range 3}}{{.}}{{end}}", "012");
    check("{{range .List}}{{if eq . \"b\"}}{{continue}}{{end}}{{.}}{{end}}", "ac");
    check("{{range .List}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}", "a");
    check("{{$n := 0}}{{range .List}}{{$n = len .}}{{end}}{{$n}}", "1");
    check("{{$last := \"\"}}{{range $last = .List}}{{end}}{{$last}}", "c");
    check("{{range .Jobs}}{{.ID}}{{range .Tags}} {{.}}{{else}} -{{end}};{{end}}", "one x;two -;");
}

#[test]
fn variables() {
    check("{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21");
    check("{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2");
    check("{{$x := .Deep}}{{$x.a.b}}", "c");
    refused("{{$x}}", "line 1, column 3: undefined variable \"$x\"");
    refused("{{if true}}{{$x := 1}}{{end}}{{$x}}", "undefined variable");
    refused("{{$x = 1}}", "undefined variable");
    refused("{{$x := $x}}", "undefined variable");
}

#[test]
fn templates() {
    check("{{define \"t\"}}<{{.}}>{{end}}{{template \"t\" .Name}}{{template \"t\"}}", "<web><<no value>>");
    check("{{block \"b\" .Count}}[{{.}}]{{end}}{{template \"b\" 1}}", "[3][1]");
    check("{{template \"t\" .List}}{{define \"t\"}}{{range .}}{{.}}{{end}}{{end}}", "abc");
    refused("{{template \"none\"}}", "template \"none\" is not defined");
    refused("{{define \"t\"}}{{template \"t\"}}{{end}}{{template \"t\"}}", "inside one another");
    refused("{{define \"t\"}}{{$x}}{{end}}", "undefined variable");
}

#[test]
fn pipelines_and_functions() {
    check("{{.Name | upper}} {{upper .Name | printf \"%s-%s\" \"a\"}}", "WEB a-WEB");
    check("{{printf \"%d\" (len .List)}} {{len \"é\"}}", "3 2");
    check("{{kept.Set \"a\" 5}}{{kept.Get \"a\"}}{{\"b\" | kept.Get}}", "5<no value>");
    check(
        "{{(index .Jobs 1).ID}}{{index .Map \"k2\"}}{{index .List 0}}{{index .Map \"none\"}}",
        "two2a<no value>",
    );
    check("{{slice .Name 1}}{{slice .Name 0 1}}{{slice .List 1 2}}", "ebw[b]");
    check(
        "{{eq 1 2 1}} {{eq .Name \"web\"}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt \"b\" \"a\"}} {{ge 1.5 1}}",
        "true true true true true true true",
    );
    check("{{eq .Nothing nil}} {{eq .Name nil}}", "true false");
    check("{{print 1 2 \"a\" 3 nil}}|{{println \"a\" 1}}", "1 2a3 <nil>|a 1\n");
    check(
        "{{html \"<a href='x'>&\"}} {{js \"it's <b>\"}} {{urlquery \"a b&c/d\"}}",
        "&lt;a href=&#39;x&#39;&gt;&amp; it\\'s \\u003Cb\\u003E a+b%26c%2Fd",
    );
    refused("{{call .Name}}", "no values that are functions");
    refused("{{fail}}", "line 1, column 3: fail: never works");
    refused("{{nothere}}", "function \"nothere\" not defined");
    refused("{{index .List 9}}", "index out of range: 9");
    refused("{{eq 1 \"1\"}}", "incompatible types for comparison: int and string");
    refused("{{kept.None}}", "kept.None: kept has no field or method None");
    refused("{{.Name.x}}", "can't evaluate field x in a string");
    refused("{{.Name 1}}", ".Name has arguments but cannot be invoked as function");
    refused("{{1 2}}", "can't give arguments to a int, which is no function");
}

#[test]
fn verbs_of_printf() {
    let verbs = |call: &str, expected: &str| check(&format!("{{{{printf {call}}}}}"), expected);
    verbs("\"%d|%5d|%-5d|%05d|%+d|% d\" 42 42 42 42 42 42", "42|   42|42   |00042|+42| 42");
    verbs(
        "\"%x %X %#x %b %o %#o %O %c %q %U\" 255 255 255 5 8 8 8 65 65 65",
        "ff FF 0xff 101 10 010 0o10 A 'A' U+0041",
    );
    verbs(
        "\"%s|%10s|%-5s|%.2s|%q|%x|% X\" \"abc\" \"abc\" \"abc\" \"abc\" \"a\\\"b\" \"az\" \"az\"",
        "abc|       abc|abc  |ab|\"a\\\"b\"|617a|61 7A",
    );
    verbs(
        "\"%f %.2f %8.3f %e %g %G %.3g\" 1.5 1.255 3.14159 1234.5 0.00001 1e9 1234.5",
        "1.500000 1.25    3.142 1.234500e+03 1e-05 1E+09 1.23e+03",
    );
    verbs("\"%v %v %v %v %t\" 1 \"a\" true 2.5 false", "1 a true 2.5 false");
    verbs("\"%v %d %s\" .List .Map .List", "[a b c] map[%!d(string=k1):1 %!d(string=k2):2] [a b c]");
    verbs("\"%T %T %T\" 1 \"a\" 1.5", "int string float64");
    verbs("\"%*d|%-*d|%.*f\" 5 1 3 2 1 3.14159", "    1|2  |3.1");
    verbs("\"%[2]d %[1]d\" 1 2", "2 1");
    verbs("\"100%%\"", "100%");
    verbs("\"%d\" \"hi\"", "%!d(string=hi)");
    verbs("\"%d\"", "%!d(MISSING)");
    verbs("\"%d\" 1 2", "1%!(EXTRA int=2)");
    verbs("\"%z %\" 1", "%!z(int=1) %!(NOVERB)");
    verbs("\"%[5]d\" 1", "%!d(BADINDEX)");
    verbs("\"%s\" nil", "%!s(<nil>)");
    verbs("\"%08.3f|%+.1f\" -3.14159 2.0", "-003.142|+2.0");
}

#[test]
fn errors_name_the_place() {
    refused("a\nbc {{ .x | }}", "line 2, column 12: action wants a value");
    refused("é {{ ) }}", "line 1, column 6: unexpected \")\"");
    refused("{{if .x}}", "line 1, column 3: {{if}} has no {{end}}");
    refused("{{end}}", "unexpected \"end\"");
    refused("{{else}}", "unexpected \"else\"");
    refused("{{if .x}}{{else}}{{else}}{{end}}", "a second else");
    refused("{{range .x}}{{else range .x}}{{end}}", "unexpected \"range\" behind else");
    refused("{{break}}", "{{break}} outside {{range}}");
    refused("{{ .x", "the action is not closed: expected \"}}\"");
    refused("{{ \"x }}", "the string is not closed");
    refused("{{ (.x }}", "expected \")\"");
    refused("{{/* x }}", "the comment is not closed");
    refused("{{ 12x }}", "\"12x\" is not a number");
    refused("{{ .x | 1 }}", "a function or method");
    refused("{{ nil }}", "nil is not a command");
    refused("{{ @ }}", "unexpected '@'");
    refused("{{ \"a\"\"b\" }}", "unexpected \"b\"");
    refused("{{ define x }}{{end}}", "define wants a name in quotes");
}

#[test]
fn other_delimiters() {
    let delimiters = Delimiters { left: "<%".into(), right: "%>".into() };
    let render = |text| with(text, &delimiters, &Limits::default()).unwrap();
    assert_eq!(render("{{x}} <% .Name %> <%- /* c */ -%>!"), "{{x}} web!");
    let empty = Delimiters { left: String::new(), right: "}}".into() };
    assert!(with("x", &empty, &Limits::default()).is_err());
}

#[test]
fn missing_keys_can_be_errors() {
    let limits = Limits { missing_key_is_error: true, ..Limits::default() };
    let error = with("{{.Deep.z}}", &Delimiters::default(), &limits).unwrap_err();
    assert_eq!(error.message, "there is no field \"z\"; there are: a");
}

#[test]
fn everything_is_bounded() {
    refused(&"{{if 1}}".repeat(100), "inside one another");
    refused(&format!("{{{{{}1{}}}}}", "(".repeat(100), ")".repeat(100)), "inside one another");
    refused("{{range 100000000}}{{end}}", "steps");
    refused("{{$x := \"aaaaaaaa\"}}{{range 40}}{{$x = print $x $x}}{{end}}", "grows beyond");
    refused("{{range 1000000}}{{printf \"%1000000d\" 1}}{{end}}", "grows beyond");
    for verb in ["f", "e", "g", "v", "d", "s", "x", "q"] {
        let _ = render(&format!("{{{{printf \"%.100000{verb}|%100000.70000{verb}\" 1.5 2}}}}"));
    }
    check(
        "{{printf \"%.2000f\" 1.5 | len}} {{printf \"%.2000e\" 1.5 | len}} {{printf \"%.2000g\" 1.5}}",
        "2002 2006 1.5",
    );
    let doubling = "{{define \"t\"}}{{template \"t\" .}}{{template \"t\" .}}{{end}}{{template \"t\"}}";
    refused(doubling, "inside one another");
}

proptest! {
    #[test]
    fn no_text_makes_it_fall(text in "(\\{\\{|\\}\\}|-| |\\.|\\$|\\||\\(|\\)|:=|=|,|\"|`|x|y|if|end|else|range|with|define|template|break|len|1|\n){0,40}") {
        let _ = render(&text);
    }

    #[test]
    fn plain_text_stays_as_it_is(text in "[^{]{0,200}") {
        prop_assert_eq!(render(&text).unwrap(), text);
    }

    #[test]
    fn strings_come_back(text in "\\PC{0,60}") {
        let quoted = crate::printf::quoted(&text);
        let template = format!("{{{{{quoted}}}}}");
        prop_assert_eq!(render(&template).unwrap(), text);
    }

    #[test]
    fn floats_come_back(value in proptest::num::f64::NORMAL) {
        let shown = crate::number::general(value, None);
        prop_assert_eq!(shown.parse::<f64>().unwrap(), value);
    }

    #[test]
    fn formats_never_fall(format in "(%|[-+# 0]|[1-9]|\\.|\\*|\\[|\\]|[vdsxqgfeTUcb]){0,20}", number in any::<i64>()) {
        let mut sink = crate::print::Sink::new(1 << 20);
        let _ = crate::printf::format(&format, &[Value::Int(number), Value::text("é")], &mut sink);
    }

    #[test]
    fn json_comes_back(number in any::<i64>(), text in "\\PC{0,20}") {
        let json = serde_json::json!({"a": [number, text, null, true, {"b": 0.5}]});
        prop_assert_eq!(Value::from(json.clone()).to_json(), json);
    }
}

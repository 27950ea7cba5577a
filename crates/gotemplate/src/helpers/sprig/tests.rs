use proptest::prelude::*;

use crate::{
    Delimiters, Functions, Limits, Template, Value,
    helpers::{self, Setting},
};

/// 2023-11-14 22:13:20 UTC
const SETTING: Setting = Setting { bytes: 10_000, now: 1_700_000_000_000_000_000 };

struct Host;

impl Functions for Host {
    fn call(&mut self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        helpers::call(name, arguments, &SETTING)
    }

    fn changes_first(&self, name: &str) -> bool {
        helpers::changes_first(name)
    }
}

fn render(text: &str) -> Result<String, crate::Error> {
    let known = |name: &str| {
        if helpers::knows(name) { Ok(()) } else { Err(format!("function {name:?} not defined")) }
    };
    let limits = Limits { bytes: 10_000, ..Limits::default() };
    Template::parse(text, &Delimiters::default(), &known)?.render(&Value::Null, &mut Host, &limits)
}

/// With the prefix before each name that begins an action or stands behind a bracket or `|`.
#[track_caller]
fn check(text: &str, expected: &str) {
    let text = prefixed(text);
    match render(&text) {
        Ok(found) => assert_eq!(found, expected, "{text}"),
        Err(error) => panic!("{text}: {error}"),
    }
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let text = prefixed(text);
    let error = render(&text).expect_err(&text).to_string();
    assert!(error.contains(expected), "{text}: {error}");
}

fn prefixed(text: &str) -> String {
    let names =
        regex::Regex::new(r"(\{\{-?\s*(?:if |with |range )?|\(|\| |:?= )([a-z][A-Za-z0-9_]*)").unwrap();
    let own = ["range", "end", "len", "nil", "true", "false"];
    let with_prefix = |code: &str| {
        let replaced = names.replace_all(code, |found: &regex::Captures<'_>| {
            let prefix = if own.contains(&&found[2]) { "" } else { "sprig_" };
            format!("{}{prefix}{}", &found[1], &found[2])
        });
        replaced.into_owned()
    };
    // What is in quotes stays as it is.
    let quoted = regex::Regex::new(r#""(\\.|[^"\\])*""#).unwrap();
    let mut out = String::new();
    let mut from = 0;
    for found in quoted.find_iter(text) {
        out.push_str(&with_prefix(&text[from..found.start()]));
        out.push_str(found.as_str());
        from = found.end();
    }
    out + &with_prefix(&text[from..])
}

#[test]
fn texts() {
    check("{{hello}}", "Hello!");
    check("{{trim \"   hello    \"}}|{{trimAll \"$\" \"$5.00$\"}}|{{trimall \"$\" \"$5\"}}", "hello|5.00|5");
    check("{{trimSuffix \"-\" \"hello-\"}} {{trimPrefix \"-\" \"-hello\"}}", "hello hello");
    check("{{upper \"hello\"}} {{lower \"HELLO\"}} {{title \"hello world\"}}", "HELLO hello Hello World");
    check(
        "{{untitle \"First Try\"}} {{initials \"First Try\"}} {{swapcase \"This Is A.Test\"}}",
        "first try FT tHIS iS a.tEST",
    );
    check("{{repeat 3 \"hello\"}} {{\"ab\" | repeat 0}}|", "hellohellohello |");
    check(
        "{{substr 0 5 \"hello world\"}} {{\"foo\" | substr 0 10}} {{substr -1 2 \"abc\"}} {{substr 1 -1 \"abc\"}}",
        "hello foo ab bc",
    );
    check("{{nospace \"hello w o r l d\"}}", "helloworld");
    check(
        "{{trunc 5 \"hello world\"}} {{trunc -5 \"hello world\"}} {{trunc -999 \"ab\"}} {{trunc 2 \"aé\"}}",
        "hello world ab a",
    );
    check("{{abbrev 5 \"hello world\"}} {{abbrev 3 \"hello\"}} {{abbrev 20 \"hello\"}}", "he... hello hello");
    check(
        "{{abbrevboth 5 10 \"1234 5678 9123\"}} {{abbrevboth 20 8 \"1234 5678 9123\"}}",
        "...5678... ... 9123",
    );
    check(
        "{{wrap 5 \"Hello World\"}} {{wrapWith 5 \"\\t\" \"HelloWorld all\"}}",
        "Hello\nWorld Hello\tWorld\tall",
    );
    check("{{wrap 4 \"a longword b c d\"}}", "a\nlongword\nb c\nd");
    check(
        "{{contains \"cat\" \"catch\"}} {{hasPrefix \"cat\" \"catch\"}} {{hasSuffix \"cat\" \"ducat\"}}",
        "true true true",
    );
    check("{{quote \"a\" 1 nil \"b\\\"\"}} {{squote \"a\" 2}}", "\"a\" \"1\" \"b\\\"\" 'a' '2'");
    check("{{cat \"hello\" nil 1 \"world\"}}", "hello 1 world");
    check("{{indent 4 \"a\\nb\"}}{{nindent 2 \"c\\n\"}}|", "    a\n    b\n  c\n  |");
    check("{{\"I Am Henry VIII\" | replace \" \" \"-\"}}", "I-Am-Henry-VIII");
    check("{{len \"t\" | plural \"one\" \"many\"}} {{plural \"one\" \"many\" 0}}", "one many");
    check("{{toString 5}}{{toString nil}} {{toString (list 1 \"a\")}}", "5<nil> [1 a]");
    refused("{{repeat 20000 \"x\"}}", "sprig_repeat: the text grows beyond 10000 bytes");
    refused("{{repeat 9223372036854775807 \"xx\"}}", "grows beyond");
    refused("{{repeat -1 \"x\"}}", "not negative");
    refused("{{indent 6000 \"a\\nb\"}}", "grows beyond");
    refused("{{replace \"\" \"aaaaaaaaaa\" (repeat 2000 \"x\")}}", "grows beyond");
    refused("{{upper 5}}", "sprig_upper: wants a string, found a int");
    refused("{{substr 2 1 \"abc\"}}", "not inside");
    refused("{{substr 0 2 \"aé\"}}", "cut in two");
    refused("{{trunc \"a\" \"b\"}}", "wants a whole number, found a string");
    refused("{{fail \"no luck\"}}", "line 1, column 3: sprig_fail: no luck");
    refused("{{trim}}", "want 1, got 0");
    refused("{{nothing \"a\"}}", "function \"sprig_nothing\" not defined");
}

#[test]
fn names_in_other_cases() {
    for (name, expected) in [
        ("FirstName", "first_name"),
        ("HTTPServer", "http_server"),
        ("NoHTTPS", "no_https"),
        ("GO_PATH", "go_path"),
        ("GO PATH", "go_path"),
        ("GO-PATH", "go_path"),
        ("http2xx", "http_2xx"),
        ("HTTP20xOK", "http_20x_ok"),
        ("Duration2m3s", "duration_2m3s"),
        ("Bld4Floor3rd", "bld4_floor_3rd"),
        ("", ""),
    ] {
        check(&format!("{{{{snakecase {name:?}}}}}"), expected);
        check(&format!("{{{{kebabcase {name:?}}}}}"), &expected.replace('_', "-"));
    }
    for (name, expected) in [
        ("http_server", "HttpServer"),
        ("_camel_case", "_CamelCase"),
        ("no_https", "NoHttps"),
        ("_complex__case_", "_Complex_Case_"),
        ("all", "All"),
        ("GOLANG_IS_GREAT", "GolangIsGreat"),
        ("some words", "SomeWords"),
        ("__", "__"),
    ] {
        check(&format!("{{{{camelcase {name:?}}}}}"), expected);
    }
}

#[test]
fn numbers() {
    check(
        "{{3 | add 1 2}} {{add}} {{add1 \"41\"}} {{sub 5 7}} {{div 10 3}} {{mod 10 3}} {{mul 2 3 4}}",
        "6 0 42 -2 3 1 24",
    );
    check("{{max 1 2 3 345 5}} {{biggest 7}} {{min 2 1 3}} {{maxf 1 2.5}} {{minf 1.5 2}}", "345 7 1 2.5 1.5");
    check(
        "{{addf 0.1 0.2}} {{add1f 1.5}} {{subf 7.5 2 3}} {{divf 10 2 4}} {{mulf 1.1 1.1}} {{divf 1 3}}",
        "0.3 2.5 2.5 1.25 1.21 0.3333333333333333",
    );
    check(
        "{{floor 123.9999}} {{ceil 123.001}} {{round 123.555555 3}} {{round 123.5 0}} {{round 1.2 0 0.1}}",
        "123 124 123.556 124 2",
    );
    check(
        "{{atoi \"12\"}} {{atoi \"x\"}} {{int \"0x10\"}} {{int64 2.9}} {{int true}} {{int \"1.0\"}} {{int \"1.5\"}} {{float64 \"1.5\"}} {{int nil}}",
        "12 0 16 2 1 1 0 1.5 0",
    );
    check("{{toDecimal \"777\"}} {{toDecimal 755}} {{toDecimal \"9\"}}", "511 493 0");
    check(
        "{{until 5}} {{until -3}} {{untilStep 3 6 2}} {{untilStep 1 5 0}} {{untilStep 3 0 -1}}",
        "[0 1 2 3 4] [0 -1 -2] [3 5] [] [3 2 1]",
    );
    check(
        "{{seq 5}}|{{seq -3}}|{{seq 0 2}}|{{seq 2 -2}}|{{seq 0 2 10}}|{{seq 0 -2 -5}}|{{seq 5 1 1}}|{{seq}}|",
        "1 2 3 4 5|1 0 -1 -2 -3|0 1 2|2 1 0 -1 -2|0 2 4 6 8 10|0 -2 -4|||",
    );
    refused("{{div 1 0}}", "sprig_div: division by zero");
    refused("{{mod 1 0}}", "division by zero");
    refused("{{divf 1 0}}", "division by zero");
    refused("{{add1 9223372036854775807}}", "64 bits");
    refused("{{until 100000}}", "grows beyond 625 items");
    refused("{{until 9223372036854775807}}", "grows beyond");
    refused("{{untilStep 0 9223372036854775807 1}}", "grows beyond");
    refused("{{seq 1 9223372036854775807}}", "grows beyond");
    check("{{untilStep 9223372036854775800 9223372036854775807 100}}", "[9223372036854775800]");
    refused("{{until \"5\"}}", "wants a whole number, found a string");
}

#[test]
fn lists() {
    check(
        "{{$l := list 1 2 3 4 5}}{{first $l}} {{rest $l}} {{last $l}} {{initial $l}}",
        "1 [2 3 4 5] 5 [1 2 3 4]",
    );
    check(
        "{{append (list 1) 6}} {{prepend (list 1) 0}} {{push (list) 1}} {{concat (list 1) (list 6 7) (list 8)}}",
        "[1 6] [0 1] [1] [1 6 7 8]",
    );
    check(
        "{{reverse (list 1 2 3)}} {{list 1 1 1 2 \"1\" 1.0 | uniq}} {{without (list 1 2 3 4 5) 1 3 5}}",
        "[3 2 1] [1 2 1 1] [2 4]",
    );
    check(
        "{{has 4 (list 1 4)}} {{has \"hello\" (list 1)}} {{compact (list 1 \"a\" \"\" nil 0 false)}}",
        "true false [1 a]",
    );
    check(
        "{{$l := list 1 2 3 4 5}}{{slice $l}} {{slice $l 3}} {{slice $l 1 3}} {{slice $l 0 3}}",
        "[1 2 3 4 5] [4 5] [2 3] [1 2 3]",
    );
    check(
        "{{chunk 3 (list 1 2 3 4 5 6 7 8)}} {{first (list)}} {{mustRest (list)}}",
        "[[1 2 3] [4 5 6] [7 8]] <no value> []",
    );
    check(
        "{{tuple \"a\" \"b\" | join \"-\"}} {{join \"-\" (list 1 nil 2)}} {{join \"-\" \"abc\"}}",
        "a-b 1-2 abc",
    );
    check(
        "{{list 2 1 4 3 | sortAlpha | join \"\"}} {{sortAlpha \"b\"}} {{list 1 nil | toStrings | toJson}}",
        "1234 [b] [\"1\"]",
    );
    check(
        "{{$a := \"foo$bar$baz\" | split \"$\"}}{{$a._0}}{{$a._2}} {{(splitn \"$\" 2 \"foo$bar$baz\")._1}}",
        "foobaz bar$baz",
    );
    check(
        "{{splitList \",\" \"a,b,\" | toJson}} {{splitList \"\" \"aé\" | toJson}} {{splitList \",\" \"\" | toJson}}",
        "[\"a\",\"b\",\"\"] [\"a\",\"é\"] [\"\"]",
    );
    refused("{{first 5}}", "sprig_first: wants a list, found a int");
    refused("{{mustSlice (list 1 2) 3}}", "out of range");
    refused("{{slice (list 1 2) 2 1}}", "invalid slice index");
    refused("{{chunk 0 (list 1)}}", "above 0");
    refused("{{splitList \"\" (repeat 700 \"x\")}}", "grows beyond 625 items");
    refused("{{join (repeat 100 \"x\") (until 200)}}", "the text grows beyond");
}

#[test]
fn maps() {
    check(
        "{{dict \"name1\" \"value1\" 2 3 \"odd\" | toJson}}",
        "{\"2\":3,\"name1\":\"value1\",\"odd\":\"\"}",
    );
    check(
        "{{$d := dict \"a\" 1}}{{get $d \"a\"}}|{{get $d \"b\"}}|{{hasKey $d \"a\"}}|{{hasKey $d \"b\"}}",
        "1||true|false",
    );
    check(
        "{{$d := dict \"a\" 1}}{{$e := dict \"a\" 2 \"b\" nil}}{{pluck \"a\" $d $e}} {{keys $d $e}} {{values $e}}",
        "[1 2] [a a b] [2 <nil>]",
    );
    check(
        "{{$d := dict \"a\" 1 \"b\" 2 \"c\" 3}}{{pick $d \"a\" \"x\"}} {{omit $d \"a\" \"c\"}}",
        "map[a:1] map[b:2]",
    );
    check(
        "{{$d := dict \"a\" (dict \"b\" (dict \"c\" 1))}}{{dig \"a\" \"b\" \"c\" 0 $d}} {{dig \"a\" \"x\" \"c\" \"no\" $d}}",
        "1 no",
    );
    check(
        "{{$a := dict \"x\" 1 \"e\" \"\" \"in\" (dict \"p\" 1)}}{{$b := dict \"x\" 2 \"e\" 3 \"in\" (dict \"p\" 2 \"q\" 2)}}{{merge $a $b | toJson}}",
        "{\"e\":3,\"in\":{\"p\":1,\"q\":2},\"x\":1}",
    );
    check(
        "{{$a := dict \"x\" 1 \"e\" 5 \"in\" (dict \"p\" 1)}}{{$b := dict \"x\" 2 \"e\" 0 \"in\" (dict \"p\" 2 \"q\" 2)}}{{mergeOverwrite $a $b | toJson}}",
        "{\"e\":5,\"in\":{\"p\":2,\"q\":2},\"x\":2}",
    );
    refused("{{$d := dict}}{{set $d.none \"a\" 1}}", "wants a map, found a nil");
    refused("{{get 5 \"a\"}}", "wants a map, found a int");
    refused("{{dig \"a\" 1}}", "wants keys, a default and a map");
    refused("{{dig \"a\" \"b\" 1 (dict \"a\" 1)}}", "wants a map, found a int");
}

#[test]
fn maps_in_variables_change() {
    check(
        "{{$d := dict}}{{$_ := set $d \"a\" 1}}{{$_ := set $d \"b\" 2}}{{$_ := unset $d \"a\"}}{{$d}}",
        "map[b:2]",
    );
    check("{{$d := dict}}{{range list 1 2}}{{$_ := set $d (toString .) .}}{{end}}{{$d}}", "map[1:1 2:2]");
    check("{{$d := dict \"in\" (dict)}}{{$_ := set $d.in \"a\" 1}}{{$d}}", "map[in:map[a:1]]");
    check("{{$a := dict \"x\" 1}}{{$_ := merge $a (dict \"y\" 2)}}{{$a}}", "map[x:1 y:2]");
    check("{{$a := dict \"x\" 1}}{{$_ := mustMergeOverwrite $a (dict \"x\" 2)}}{{$a}}", "map[x:2]");
    // A list that has the map keeps what it has: values do not change.
    check(
        "{{$a := dict}}{{$l := list $a}}{{$_ := set $a \"x\" 1}}{{$l}}{{set (dict) \"y\" 1}}",
        "[map[]]map[y:1]",
    );
    refused("{{with dict \"a\" 1}}{{$_ := set . \"x\" 1}}{{end}}", "write {{ $map := . }} first");
}

#[test]
fn defaults_kinds_and_json() {
    check(
        "{{\"\" | default \"foo\"}} {{default \"foo\" 234}} {{default \"foo\"}} {{default 1 (list)}}",
        "foo 234 foo 1",
    );
    check(
        "{{empty 0}} {{empty \"a\"}} {{coalesce 0 1 2}} {{coalesce nil}} {{all 0 1}} {{all}} {{any 0 1}} {{any}}",
        "true false 1 <no value> false true true false",
    );
    check("{{ternary \"foo\" \"bar\" true}} {{false | ternary \"foo\" \"bar\"}}", "foo bar");
    check(
        "{{kindOf \"a\"}} {{kindOf 1}} {{kindOf (list)}} {{kindOf (dict)}} {{kindOf 1.5}} {{kindOf true}} {{kindOf nil}}",
        "string int slice map float64 bool invalid",
    );
    check(
        "{{typeOf (list)}} {{typeOf (dict)}} {{typeIs \"string\" \"a\"}} {{typeIsLike \"int\" 1}} {{kindIs \"map\" 1}}",
        "[]interface {} map[string]interface {} true true false",
    );
    check(
        "{{deepEqual (list 1 2) (list 1 2)}} {{deepEqual 1 1.0}} {{deepCopy (dict \"a\" 1)}}",
        "true false map[a:1]",
    );
    check(
        "{{$x := fromJson \"{\\\"foo\\\": 55}\"}}{{$x.foo}} {{fromJson \"{\"}} {{mustFromJson \"[1]\"}}",
        "55 <no value> [1]",
    );
    check(
        "{{toJson (dict \"a\" \"<b>\")}} {{toRawJson \"<b>\"}} {{toJson 2.0}}",
        "{\"a\":\"\\u003cb\\u003e\"} \"<b>\" 2",
    );
    check("{{toPrettyJson (dict \"a\" (list 1))}}", "{\n  \"a\": [\n    1\n  ]\n}");
    refused("{{mustFromJson \"{\"}}", "sprig_mustFromJson: not JSON");
    refused("{{ternary 1 2 3}}", "wants a bool last, found a int");
}

#[test]
fn encodings_and_hashes() {
    check(
        "{{b64enc \"coffee\"}} {{b64dec \"Y29mZmVl\"}} {{b32enc \"coffee\"}} {{b32dec \"MNXWMZTFMU======\"}}",
        "Y29mZmVl coffee MNXWMZTFMU====== coffee",
    );
    for (plain, encoded) in [
        ("", ""),
        ("f", "MY======"),
        ("fo", "MZXQ===="),
        ("foo", "MZXW6==="),
        ("foob", "MZXW6YQ="),
        ("fooba", "MZXW6YTB"),
        ("foobar", "MZXW6YTBOI======"),
    ] {
        check(&format!("{{{{b32enc {plain:?}}}}} {{{{b32dec {encoded:?}}}}}"), &format!("{encoded} {plain}"));
    }
    check("{{sha1sum \"Hello world!\"}}", "d3486ae9136e7856bc42212385ea797094475802");
    check(
        "{{sha256sum \"Hello world!\"}}",
        "c0535e4be2b79ffd93291305436bf889314e4a3faec05ecffcbb7df31ad9e51a",
    );
    check("{{sha512sum \"abc\" | trunc 16}} {{adler32sum \"Wikipedia\"}}", "ddaf35a193617aba 300286872");
    refused("{{b64dec \"%\"}}", "not base64");
    refused("{{b32dec \"M\"}}", "not base32");
    refused("{{b32dec \"M1======\"}}", "not base32");
    refused("{{b64dec \"/w==\"}}", "is not text");
}

#[test]
fn dates() {
    check("{{now}}", "2023-11-14 22:13:20 +0000 UTC");
    check(
        "{{now | date \"2006-01-02\"}} {{date \"Mon, _2 Jan 06 3:04PM\" 0}} {{htmlDate 0}}",
        "2023-11-14 Thu,  1 Jan 70 12:00AM 1970-01-01",
    );
    check(
        "{{dateInZone \"2006-01-02 15:04 MST -07:00\" (now) \"Europe/Berlin\"}}",
        "2023-11-14 23:13 CET +01:00",
    );
    check(
        "{{htmlDateInZone (now) \"Asia/Tokyo\"}} {{date_in_zone \"MST\" (now) \"Nowhere/None\"}}",
        "2023-11-15 UTC",
    );
    check(
        "{{now | dateModify \"-1h30m\"}} {{now | date_modify \"1.5s\"}}",
        "2023-11-14 20:43:20 +0000 UTC 2023-11-14 22:13:21.5 +0000 UTC",
    );
    check("{{now | dateModify \"soon\" | unixEpoch}}", "1700000000");
    check(
        "{{toDate \"2006-01-02\" \"2017-12-31\" | date \"02/01/2006\"}} {{toDate \"2006\" \"x\"}}",
        "31/12/2017 0001-01-01 00:00:00 +0000 UTC",
    );
    check(
        "{{toDate \"Jan 2, 2006 at 3:04pm (MST)\" \"Feb 3, 2013 at 7:54pm (UTC)\"}}",
        "2013-02-03 19:54:00 +0000 UTC",
    );
    check("{{date \"15:04:05.000 .999 Z07:00\" \"2020-01-02T03:04:05.12+02:00\"}}", "01:04:05.120 .12 Z");
    check(
        "{{date \"January Month 002 __2 20060102 _2006 Monday\" 86400}}",
        "January Month 002   2 19700102 _1970 Friday",
    );
    check("{{ago 1699999940}} {{ago \"2023-11-14T20:13:19.6Z\"}}", "1m0s 2h0m0s");
    check("{{duration \"95\"}} {{duration 0}} {{duration 3661}} {{duration -1}}", "1m35s 0s 1h1m1s -1s");
    check(
        "{{durationRound \"2h10m5s\"}} {{durationRound \"2400h10m5s\"}} {{durationRound \"1ms\"}} {{durationRound \"2023-11-13T22:13:10Z\"}} {{durationRound 61000000000}}",
        "2h 3mo 0s 1d 1m",
    );
    refused("{{now | mustDateModify \"soon\"}}", "\"soon\" is not a duration");
    refused("{{toDate \"2006\" \"9999\" | must_date_modify \"9000h\"}}", "beyond the years");
    refused("{{mustToDate \"2006-01-02\" \"2017-02-30\"}}", "does not look like");
    refused("{{date \"2006\" \"yesterday\"}}", "is not a time");
    refused("{{date \"2006\" 9223372036854775807}}", "beyond the years");
}

#[test]
fn patterns() {
    check(
        "{{regexMatch \"^[a-z]+@x$\" \"test@x\"}} {{regexFind \"[a-zA-Z][1-9]\" \"abcd1234\"}} {{regexFind \"q\" \"a\"}}|",
        "true d1 |",
    );
    check(
        "{{regexFindAll \"[2,4,6,8]\" \"123456789\" -1}} {{regexFindAll \"[2,4,6,8]\" \"123456789\" 2}} {{regexFindAll \"a\" \"a\" 0}}",
        "[2 4 6 8] [2 4] []",
    );
    check(
        "{{regexReplaceAll \"a(x*)b\" \"-ab-axxb-\" \"${1}W\"}} {{regexReplaceAllLiteral \"a(x*)b\" \"-ab-axxb-\" \"${1}\"}}",
        "-W-xxW- -${1}-${1}-",
    );
    check(
        "{{regexSplit \"z+\" \"pizza\" -1 | toJson}} {{regexSplit \"z\" \"pizza\" 2 | toJson}} {{regexSplit \"\" \"abc\" -1 | toJson}} {{regexSplit \"a\" \"banana\" 0 | toJson}}",
        "[\"pi\",\"a\"] [\"pi\",\"za\"] [\"a\",\"b\",\"c\"] []",
    );
    check("{{regexQuoteMeta \"1.2.3-a(b)\"}}", "1\\.2\\.3-a\\(b\\)");
    refused("{{mustRegexMatch \"(\" \"a\"}}", "is not a regular expression");
    refused("{{regexReplaceAll \"a\" (repeat 2000 \"a\") \"bbbbbbbbbb\"}}", "grows beyond");
    refused("{{regexFindAll \"a\" (repeat 2000 \"a\") -1}}", "grows beyond 625 items");
}

#[test]
fn paths_and_urls() {
    check(
        "{{base \"foo/bar/baz\"}} {{dir \"foo/bar/baz\"}} {{clean \"foo/bar/../baz\"}} {{ext \"foo.bar\"}} {{isAbs \"/a\"}}",
        "baz foo/bar foo/baz .bar true",
    );
    check(
        "{{base \"\"}} {{base \"//\"}} {{dir \"a\"}} {{dir \"/a\"}} {{clean \"\"}} {{clean \"/../a//b/.\"}} {{clean \"../a/../..\"}} {{ext \"a.b/c\"}}|",
        ". / . / . /a/b ../.. |",
    );
    check(
        "{{osBase \"/foo/bar\"}} {{osDir \"/foo/bar\"}} {{osClean \"/a/./b\"}} {{osExt \"/a.txt\"}} {{osIsAbs \"a\"}}",
        "bar /foo /a/b .txt false",
    );
    check(
        "{{$u := urlParse \"http://admin:secret@server.com:8080/api%20x?list=false#anchor\"}}{{$u.scheme}} {{$u.host}} {{$u.hostname}} {{$u.path}} {{$u.query}} {{$u.fragment}} {{$u.userinfo}}|{{$u.opaque}}|",
        "http server.com:8080 server.com /api x list=false anchor admin:secret||",
    );
    check(
        "{{(urlParse \"mailto:a@b.c\").opaque}} {{(urlParse \"http://[::1]:80/\").hostname}} {{(urlParse \"a/b\").path}}",
        "a@b.c ::1 a/b",
    );
    check(
        "{{urlJoin (dict \"fragment\" \"fragment\" \"host\" \"host:80\" \"path\" \"/path\" \"query\" \"query\" \"scheme\" \"http\")}}",
        "http://host:80/path?query#fragment",
    );
    check(
        "{{urlParse \"proto://auth@host:80/path%20a?query#fragment\" | urlJoin}} {{urlJoin (dict \"scheme\" \"mailto\" \"opaque\" \"a@b\")}}",
        "proto://auth@host:80/path%20a?query#fragment mailto:a@b",
    );
    refused("{{urlParse \"http://a:b/\"}}", "\"b\" is not a port");
    refused("{{urlParse \"%zz\"}}", "two hexadecimal digits");
    refused("{{urlParse \":a\"}}", "the scheme is missing");
    refused("{{urlJoin (dict \"host\" 5)}}", "host: wants a string");
}

#[test]
fn versions() {
    check(
        "{{$v := semver \"1.2.3-alpha.1+123\"}}{{$v.Major}} {{$v.Minor}} {{$v.Patch}} {{$v.Prerelease}} {{$v.Metadata}} {{$v.Original}}",
        "1 2 3 alpha.1 123 1.2.3-alpha.1+123",
    );
    check("{{(semver \"v1.2\").Patch}}", "0");
    let compare = |constraint: &str, version: &str, expected: bool| {
        check(&format!("{{{{semverCompare {constraint:?} {version:?}}}}}"), &expected.to_string());
    };
    for (constraint, inside, outside) in [
        ("1.2.3", "1.2.3", "1.2.4"),
        ("=1.2", "1.2.9", "1.3.0"),
        ("!=1.2.3", "1.2.4", "1.2.3"),
        ("!=1.2", "1.3.0", "1.2.3"),
        (">1.2.3", "1.2.4", "1.2.3"),
        (">1.2", "1.3.0", "1.2.9"),
        (">1", "2.0.0", "1.9.9"),
        ("<2", "1.9.9", "2.0.0"),
        (">= 1.2, < 3.0.0 || >= 4.2.3", "4.2.3", "3.5.0"),
        (">=1.2 <3.0.0", "2.9.9", "3.0.0"),
        ("<= 2.x", "2.9.9", "3.0.0"),
        ("1.2 - 1.4.5", "1.4.5", "1.4.6"),
        ("1.2.x", "1.2.0", "1.3.0"),
        ("~1.2.3", "1.2.9", "1.3.0"),
        ("~1", "1.9.0", "2.0.0"),
        ("~2.3", "2.3.9", "2.4.0"),
        ("^1.2.3", "1.9.0", "2.0.0"),
        ("^1.2.3", "1.2.3", "1.2.2"),
        ("^0.2.3", "0.2.9", "0.3.0"),
        ("^0.0.3", "0.0.3", "0.0.4"),
        ("^0", "0.9.9", "1.0.0"),
        ("*", "7.1.0", "1.0.0-rc"),
        (">=1.2.3-beta.2", "1.2.3-beta.11", "1.2.3-alpha"),
        (">=1.2.3-0", "1.2.3-alpha", "1.2.2"),
        (">1.2.3", "1.3.0", "2.0.0-rc.1"),
    ] {
        compare(constraint, inside, true);
        compare(constraint, outside, false);
    }
    refused("{{semver \"one\"}}", "\"one\" is not a version");
    refused("{{semver \"*\"}}", "is not a version");
    refused("{{semverCompare \"=<=1\" \"1.0.0\"}}", "is not a constraint");
    refused("{{semverCompare \"\" \"1.0.0\"}}", "is not a constraint");
}

#[test]
fn endless_values_are_refused() {
    refused("{{$x := list 1 1}}{{range until 40}}{{$x = list $x $x}}{{end}}", "the value grows beyond");
    refused("{{$x := dict}}{{range until 200}}{{$x = dict \"a\" $x}}{{end}}", "the value grows beyond");
    refused(
        "{{$x := dict \"a\" (dict)}}{{range until 200}}{{$_ := set $x.a \"b\" $x}}{{end}}",
        "the value grows beyond",
    );
    let steps = "{{range until 600}}{{range until 600}}{{$x := repeat 9000 \"x\"}}{{end}}{{end}}";
    refused(steps, "steps");
}

/// Odd values for any place.
fn odd() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-3_i64..40).prop_map(Value::Int),
        any::<f64>().prop_map(Value::Float),
        "\\PC{0,12}".prop_map(Value::from),
        "[-+0-9.:a-zA-Z%{}()\\[\\]^$ ~<>=*/é\\n]{0,16}".prop_map(Value::from),
        Just(Value::text("2006-01-02 15:04:05 -0700 MST")),
        Just(Value::text("x".repeat(300))),
        Just(Value::Object("scratch")),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::list),
            prop::collection::btree_map("[a-z_0]{0,3}", inner, 0..6).prop_map(Value::map),
        ]
    })
}

fn every_name() -> Vec<String> {
    let own = helpers::NAMES.iter().map(|name| (*name).to_owned());
    own.chain(super::names()).collect()
}

#[test]
fn every_name_is_known() {
    for name in every_name() {
        assert!(helpers::knows(&name), "{name}");
        let found = helpers::call(&name, &[], &SETTING);
        assert!(!matches!(&found, Err(error) if error.contains("not defined")), "{name}: {found:?}");
    }
    for name in ["sprig_", "sprig_must", "sprig_mustUpper", "must_append", "sprig_mustappend", "upper"] {
        assert!(!helpers::knows(name), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_arguments_make_a_function_fall(arguments in prop::collection::vec(odd(), 0..5)) {
        let setting = Setting { bytes: 2_000, now: SETTING.now };
        for name in every_name() {
            if let Ok(value) = helpers::call(&name, &arguments, &setting) {
                // What the engine looks at behind every call: texts and the whole.
                if let Value::Text(text) = &value {
                    prop_assert!(text.len() <= 8 * setting.bytes, "{name}: {} bytes", text.len());
                }
                prop_assert!(value.weight(200 * setting.bytes).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn times_come_back(seconds in -60_000_000_000_i64..250_000_000_000, nanos in 0_i64..1_000_000_000) {
        let at = jiff::Timestamp::new(seconds, i32::try_from(nanos).unwrap()).unwrap();
        let shown = helpers::call("sprig_dateModify", &[Value::text(format!("{nanos}ns")), Value::Int(seconds)], &SETTING).unwrap();
        let form = "2006-01-02 15:04:05.999999999 -0700 MST";
        let read = super::layout::parse(form, shown.as_text().unwrap()).unwrap();
        prop_assert_eq!(read.at, at);
    }

    #[test]
    fn layouts_never_fall(form in "(2006|01|Jan|January|Mon|Monday|_2|__2|002|15|3|03|PM|pm|4|05|\\.000|,999|Z07:00|-0700|MST|[-a-zé:. ]){0,12}", text in "[-+0-9a-zA-Z:. é]{0,20}") {
        let shown = helpers::call("sprig_date", &[Value::text(&form), Value::Int(1_700_000_000)], &SETTING).unwrap();
        let _ = helpers::call("sprig_mustToDate", &[Value::text(&form), shown], &SETTING);
        let _ = helpers::call("sprig_mustToDate", &[Value::text(&form), Value::text(&text)], &SETTING);
    }

    #[test]
    fn base32_comes_back(text in "\\PC{0,40}") {
        let encoded = helpers::call("sprig_b32enc", &[Value::text(&text)], &SETTING).unwrap();
        prop_assert_eq!(helpers::call("sprig_b32dec", &[encoded], &SETTING).unwrap(), Value::text(text));
    }

    #[test]
    fn texts_split_and_join(text in "[ab,]{0,20}", separator in "[,a]{0,2}") {
        let list = helpers::call("sprig_splitList", &[Value::text(&separator), Value::text(&text)], &SETTING).unwrap();
        prop_assert_eq!(helpers::call("sprig_join", &[Value::text(&separator), list], &SETTING).unwrap(), Value::text(text));
    }
}

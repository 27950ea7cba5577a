//! Promises of the language: what is written in one way means the same as in another, and nothing makes it panic.

use std::{path::Path, sync::LazyLock, time::Instant};

use proptest::prelude::*;

use super::{around, job};
use crate::{Inputs, VarFile, explain, parse, parse_with};

/// All files of the corpus, the wrong ones too.
static CORPUS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut texts = Vec::new();
    for kind in ["good", "bad"] {
        for entry in std::fs::read_dir(folder.join(kind)).expect("the corpus is there") {
            let path = entry.expect("readable").path();
            if path.extension().is_some_and(|end| end == "nomad") {
                texts.push(std::fs::read_to_string(&path).expect("readable"));
            }
        }
    }
    texts.sort();
    texts
});

/// A text as the language writes it.
fn quoted(text: &str) -> String {
    let plain = serde_json::Value::from(text).to_string();
    plain.replace("${", "$${").replace("%{", "%%{")
}

/// Pieces that expressions are made of, in any order.
fn pieces() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        "var.x",
        "local.y",
        "local.list",
        "attr.a",
        "NOMAD_X",
        "[",
        "]",
        "{",
        "}",
        "(",
        ")",
        ",",
        " ",
        "\n",
        "=",
        ":",
        "?",
        "+",
        "-",
        "*",
        "/",
        "%",
        "==",
        "&&",
        "!",
        "...",
        ".",
        "[*]",
        ".*",
        "[0]",
        "\"a\"",
        "\"",
        "${",
        "$${",
        "%{",
        "%{ if ",
        "%{ for x in ",
        "%{ endif }",
        "~}",
        "for x in ",
        "if ",
        "=>",
        "upper(",
        "join(\",\", ",
        "range(3)",
        "1",
        "2.5",
        "true",
        "null",
        "x",
        "<<EOF\n",
        "\nEOF\n",
        "#",
        "/*",
        "ä",
        "\\",
        "try(",
        "dynamic \"a\" {",
    ];
    prop::collection::vec(prop::sample::select(WORDS), 0..25).prop_map(|words| words.concat())
}

/// Expressions that are well formed, whatever they mean.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<i16>().prop_map(|number| number.to_string()),
        "[a-z ]{0,5}".prop_map(|text| quoted(&text)),
        prop::sample::select(
            &["true", "null", "var.x", "local.y", "local.list", "attr.a.b", "nothing", "local.none"][..]
        )
        .prop_map(String::from),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let two = (inner.clone(), inner.clone());
        let operators = &["+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||"][..];
        prop_oneof![
            (two.clone(), prop::sample::select(operators))
                .prop_map(|((a, b), sign)| format!("({a} {sign} {b})")),
            (inner.clone(), two.clone()).prop_map(|(a, (b, c))| format!("({a} ? {b} : {c})")),
            two.clone().prop_map(|(a, b)| format!("[{a}, {b}]")),
            two.clone().prop_map(|(a, b)| format!("{{ k = {a}, ({b}) = 1 }}")),
            two.clone().prop_map(|(a, b)| format!("[for i, v in {a} : [{b}, v, i]]")),
            two.clone().prop_map(|(a, b)| format!("{{ for i, v in {a} : i => {b} }}")),
            inner.clone().prop_map(|a| format!("{a}[*].k")),
            two.clone().prop_map(|(a, b)| format!("({a})[{b}]")),
            inner.clone().prop_map(|a| format!("\"<${{{a}}}>%{{ for q in {a} }}${{q}}%{{ endfor }}\"")),
            (
                prop::sample::select(
                    &["upper", "length", "jsonencode", "keys", "flatten", "sort", "try"][..]
                ),
                inner
            )
                .prop_map(|(name, a)| format!("{name}({a})")),
        ]
    })
}

const HEAD: &str =
    "variable \"x\" {\n  default = 5\n}\nlocals {\n  y    = \"why\"\n  list = [1, \"two\", { k = 3 }]\n}\n";

/// Reads it twice: the same comes of it, and what is wrong has a place and a page.
fn read(text: &str) -> Result<(), TestCaseError> {
    let first = parse("any.nomad", text).map_err(|problems| format!("{problems:#}"));
    let second = parse("any.nomad", text).map_err(|problems| format!("{problems:#}"));
    prop_assert_eq!(first, second);
    if let Err(problems) = parse("any.nomad", text) {
        prop_assert!(!problems.0.is_empty());
        for problem in &problems.0 {
            prop_assert!(problem.line <= text.lines().count() + 1, "{}", problem);
            prop_assert!(explain(problem.code).is_some());
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_pieces_of_expressions_make_it_panic(one in pieces(), other in pieces()) {
        read(&format!("{HEAD}{}", around(&format!("meta = {one}"), "", &format!("env {{\nA = \"{other}\"\n}}"))))?;
        read(&format!("{HEAD}{}", around("", "", &format!("user = <<X\n{one}\n{other}\nX"))))?;
        read(&format!("locals {{\n a = {one}\n b = {other}\n}}\n{}", around("", "", "")))?;
    }

    #[test]
    fn expressions_have_values_or_reasons(expression in expression()) {
        read(&format!("{HEAD}{}", around(&format!("meta {{\n a = {expression}\n}}"), "", "")))?;
        read(&format!("{HEAD}{}", around("", "", &format!("config {{\n deep = [{expression}]\n}}"))))?;
    }

    /// A piece of any file of the corpus is lost, doubled, or stands somewhere else.
    #[test]
    fn damaged_files_are_read_or_refused(
        at in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
        length in 0..60_usize,
        to in any::<prop::sample::Index>(),
        piece in pieces(),
        keep in any::<bool>(),
    ) {
        let text = &CORPUS[at.index(CORPUS.len())];
        let letters: Vec<char> = text.chars().collect();
        let from = from.index(letters.len());
        let end = (from + length).min(letters.len());
        let mut damaged = letters.clone();
        if !keep {
            damaged.drain(from..end);
        }
        let to = to.index(damaged.len() + 1);
        let moved = letters[from..end].iter().copied().chain(piece.chars());
        damaged.splice(to..to, moved);
        read(&damaged.into_iter().collect::<String>())?;
    }

    /// Values mean the same in their place, as a default, from a file, from a flag, and as a local value.
    #[test]
    fn it_does_not_matter_where_values_stand(
        count in 0..50_u32,
        text in "[ -~äöü]{0,20}",
        list in prop::collection::vec("[a-z0-9 \"\\\\]{1,8}", 1..4),
    ) {
        let items: Vec<String> = list.iter().map(|item| quoted(item)).collect();
        let list = format!("[{}]", items.join(", "));
        let body = |count: &str, text: &str, list: &str| {
            around(&format!("datacenters = {list}"), &format!("count = {count}"), &format!("user = {text}"))
        };
        let plain = job(&body(&count.to_string(), &quoted(&text), &list));
        let named = body("var.count", "var.text", "var.list");
        let declare = |count: &str, text: &str, list: &str| format!(
            "variable \"count\" {{\n type = number\n {count}\n}}\nvariable \"text\" {{\n type = string\n {text}\n}}\n\
             variable \"list\" {{\n type = list(string)\n {list}\n}}\n"
        );
        let by_default = declare(
            &format!("default = {count}"), &format!("default = {}", quoted(&text)), &format!("default = {list}"),
        );
        prop_assert_eq!(&job(&format!("{by_default}{named}")), &plain);
        let declared = format!("{}{named}", declare("", "", ""));
        let file = format!("count = {count}\ntext = {}\nlist = {list}\n", quoted(&text));
        let files = vec![VarFile { name: "f".into(), text: file }];
        let by_file = parse_with("f", &declared, &Inputs { files, ..Inputs::default() });
        prop_assert_eq!(&by_file.expect("as good as the other").job, &plain);
        let values = vec![
            (String::from("count"), count.to_string()), (String::from("text"), text.clone()), (String::from("list"), list.clone()),
        ];
        for inputs in [
            Inputs { assignments: values.clone(), ..Inputs::default() },
            Inputs { environment: values, ..Inputs::default() },
        ] {
            prop_assert_eq!(&parse_with("f", &declared, &inputs).expect("as good as the other").job, &plain);
        }
        let locals = format!("locals {{\n count = {count}\n text = {}\n list = {list}\n}}\n", quoted(&text));
        let by_local = format!("{locals}{}", body("local.count", "\"${local.text}\"", "[for x in local.list : x]"));
        prop_assert_eq!(&job(&by_local), &plain);
    }

    /// `dynamic` blocks mean what they stand for.
    #[test]
    fn dynamic_blocks_are_written_out(ports in prop::collection::btree_map("[a-z]{1,6}", 1..65_535_u16, 0..6)) {
        let written: String = ports.iter().map(|(name, to)| format!("port \"{name}\" {{ to = {to} }}\n")).collect();
        let map: String = ports.iter().map(|(name, to)| format!("{name} = {to}\n")).collect();
        let dynamic = format!(
            "dynamic \"port\" {{\n for_each = {{\n{map}}}\n labels = [port.key]\n content {{ to = port.value }}\n}}"
        );
        let network = |inside: &str| around("", &format!("network {{\n{inside}\n}}"), "");
        prop_assert_eq!(job(&network(&dynamic)), job(&network(&written)));
    }

    /// A file in JSON means what the same means in HCL.
    #[test]
    fn json_means_the_same(
        count in 0..50_u32,
        text in "[ -~äöü]{0,20}",
        groups in prop::collection::btree_map("[a-z]{1,6}", prop::collection::btree_set("[a-z]{1,6}", 1..3), 1..4),
    ) {
        let task = |name: &String| format!("task \"{name}\" {{ driver = \"mock_driver\" user = {} }}\n", quoted(&text));
        let group = |(name, tasks): (&String, &std::collections::BTreeSet<String>)| {
            format!("group \"{name}\" {{ count = {count}\n{} }}\n", tasks.iter().map(task).collect::<String>())
        };
        let hcl = format!("job \"j\" {{\n{}}}\n", groups.iter().map(group).collect::<String>());
        let escaped = text.replace("${", "$${").replace("%{", "%%{");
        let in_json = |tasks: &std::collections::BTreeSet<String>| {
            let task = |name: &String| (name.clone(), serde_json::json!({ "driver": "mock_driver", "user": escaped }));
            serde_json::json!({ "count": count, "task": tasks.iter().map(task).collect::<serde_json::Map<_, _>>() })
        };
        let all: serde_json::Map<_, _> = groups.iter().map(|(name, tasks)| (name.clone(), in_json(tasks))).collect();
        let json = serde_json::json!({ "job": { "j": { "group": all } } });
        prop_assert_eq!(job(&json.to_string()), job(&hcl));
        prop_assert_eq!(job(&serde_json::to_string_pretty(&json).unwrap()), job(&hcl));
    }
}

/// Files that ask for much get a refusal, soon.
#[test]
fn hostile_expressions_are_cheap() {
    let size = 64 * 1024;
    let repeated = [
        "${\"${\"}",
        "${[1,",
        "${f(",
        "${<<X\n",
        "${/*",
        "%{if ",
        "%{ for x in [",
        "[for x in ",
        "{for ",
        "!",
        "-",
        "a.",
        "a[",
        "f(",
        "1?",
        "1?1:",
        "\"${",
        "var.x+",
        "x=>",
        "..",
        "~",
    ];
    for piece in repeated {
        let noise = piece.repeat(size / piece.len());
        let began = Instant::now();
        for text in [
            format!("locals {{ a = {noise} }}"),
            format!("locals {{ a = \"{noise}\" }}"),
            format!("locals {{\n a = <<EOF\n{noise}\nEOF\n}}"),
            format!("locals {{\n a = <<EOF\n{}\nEOF\n}}", noise.replace(piece, &format!("{piece}}}\n"))),
            format!("{{\"job\": \"{noise}\"}}"),
        ] {
            let _ = parse("hostile.nomad", &text);
        }
        assert!(began.elapsed().as_secs() < 20, "{piece:?} took {:?}", began.elapsed());
    }
    let began = Instant::now();
    let chain: String = (1..20_000).map(|at| format!("a{at} = [local.a{}]\n", at - 1)).collect();
    let text = format!("locals {{\na0 = 1\n{chain}}}\n{}", around("", "", ""));
    let said = super::errors(&text);
    assert!(said.contains("nested more than 32 deep"), "{}", &said[..said.len().min(500)]);
    let circle: String = (0..20_000).map(|at| format!("a{at} = local.a{}\n", (at + 1) % 20_000)).collect();
    let said = super::errors(&format!("locals {{\n{circle}}}\n{}", around("", "", "")));
    assert!(said.contains("need each other") && said.len() < 2000, "{}", &said[..said.len().min(500)]);
    let copies: String = (0..20_000).map(|at| format!("k{at} = local.big\n")).collect();
    let text = format!(
        "locals {{ big = jsonencode(range(10000)) }}\n{}",
        around(&format!("meta {{\n{copies}}}"), "", "")
    );
    let said = super::errors(&text);
    assert!(
        said.contains("the values of the file would have more than 16 MiB"),
        "{}",
        &said[..said.len().min(500)]
    );
    let nested = "dynamic \"group\" {\nfor_each = range(1000)\ncontent {\n".repeat(20);
    let text = format!("job \"j\" {{\n{nested}{}\n}}\n", "}\n}\n".repeat(20));
    assert!(parse("hostile.nomad", &text).is_err());
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
}

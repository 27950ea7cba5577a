//! Job files, each with what it means or with what is wrong with it beside it.
//!
//! `corpus/good/x.nomad` becomes the job in `x.snap`, without what every job has; `corpus/bad/x.nomad` the messages.
//! Values for variables stand in `x.vars`.

use std::{fs, path::PathBuf};

use jobspec::{Inputs, Parsed, VarFile};
use serde_json::Value;

fn files(folder: &str) -> Vec<(String, PathBuf)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(folder);
    let mut found: Vec<_> = fs::read_dir(&folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|end| end == "nomad"))
        .map(|path| (path.file_stem().expect("a name").to_string_lossy().into_owned(), path))
        .collect();
    found.sort();
    found
}

fn parse(name: &str, path: &PathBuf) -> Result<Parsed, jobspec::Diagnostics> {
    let text = fs::read_to_string(path).expect("readable");
    let mut inputs = Inputs { seed: Some([1; 32]), ..Inputs::default() };
    inputs.environment.push((String::from("from_env"), String::from("the environment")));
    if let Ok(text) = fs::read_to_string(path.with_extension("vars")) {
        inputs.files.push(VarFile { name: format!("{name}.vars"), text });
    }
    jobspec::parse_with(&format!("{name}.nomad"), &text, &inputs)
}

/// What differs from the other value, which is an ordinary one of its kind.
fn without(value: Value, ordinary: &Value) -> Value {
    match (value, ordinary) {
        (Value::Object(items), Value::Object(ordinary)) => Value::Object(
            items
                .into_iter()
                .filter(|(name, item)| ordinary.get(name) != Some(item))
                .map(|(name, item)| {
                    let lean = match (name.as_str(), ordinary.get(&name)) {
                        ("groups" | "tasks", Some(Value::Array(model))) if !model.is_empty() => {
                            each_without(item, &model[0])
                        }
                        (_, Some(ordinary)) => without(item, ordinary),
                        _ => item,
                    };
                    (name, lean)
                })
                .collect(),
        ),
        (value, _) => value,
    }
}

fn each_without(value: Value, ordinary: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(|item| without(item, ordinary)).collect()),
        other => other,
    }
}

fn in_json(job: &model::Job) -> Value {
    serde_json::to_value(job).expect("jobs have a form in JSON")
}

#[test]
fn good() {
    let ordinary = jobspec::parse(
        "ordinary",
        "job \"\u{b7}\" { group \"\u{b7}\" { task \"\u{b7}\" { driver = \"mock_driver\" } } }",
    );
    let ordinary = in_json(&ordinary.expect("an ordinary job").job);
    let files = files("good");
    let mut refused = Vec::new();
    for (name, path) in &files {
        let parsed = match parse(name, path) {
            Ok(parsed) => parsed,
            Err(problems) => {
                refused.push(format!("{problems:#}"));
                continue;
            }
        };
        let mut text = serde_json::to_string_pretty(&without(in_json(&parsed.job), &ordinary)).expect("JSON");
        for warning in &parsed.warnings {
            text.push_str(&format!("\nwarning: {warning}"));
        }
        beside("../corpus/good", name, &text);
    }
    assert!(refused.is_empty(), "{}", refused.join("\n\n"));
    assert!(files.len() >= 150, "only {} files", files.len());
}

#[test]
fn bad() {
    let files = files("bad");
    for (name, path) in &files {
        match parse(name, path) {
            Ok(parsed) => panic!("{name} was taken: {:?}", parsed.job),
            Err(problems) => beside("../corpus/bad", name, &format!("{problems:#}")),
        }
    }
    assert!(files.len() >= 60, "only {} files", files.len());
}

fn beside(folder: &str, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

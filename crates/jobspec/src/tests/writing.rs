//! A job that is written is the same job when it is read again; and what both we and hcl-rs can read means the same.

use std::path::Path;

use model::{Job, Timestamp, Value};
use proptest::prelude::*;

use super::{around, job};
use crate::{parse, write};

/// Good job files that need nothing from outside.
fn good() -> Vec<(String, Job)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut jobs = Vec::new();
    for folder in [root.join("corpus/good"), root.join("../../examples")] {
        for entry in std::fs::read_dir(folder).expect("there") {
            let path = entry.expect("readable").path();
            if path.extension().is_some_and(|end| end == "nomad") {
                let name = path.display().to_string();
                let text = std::fs::read_to_string(&path).expect("readable");
                jobs.extend(parse(&name, &text).ok().map(|parsed| (name, parsed.job)));
            }
        }
    }
    jobs
}

#[test]
fn what_is_written_is_what_was_read() {
    let jobs = good();
    assert!(jobs.len() > 90, "{}", jobs.len());
    for (name, job) in jobs {
        let text = write(&job);
        match parse("written.nomad", &text) {
            Ok(parsed) => assert_eq!(parsed.job, job, "{name} written as\n{text}"),
            Err(problems) => panic!("{name} written as\n{text}\n{problems:#}"),
        }
    }
}

#[test]
fn it_reads_well() {
    let source = "job \"web\" {
  datacenters = [\"dc1\"]
  constraint {
    attribute = \"${attr.kernel.name}\"
    value     = \"linux\"
  }
  group \"front\" {
    count = 2
    network {
      port \"http\" { to = 80 }
    }
    task \"nginx\" {
      driver = \"docker\"
      config {
        image = \"nginx:1\"
        ports = [\"http\"]
        args  = [\"-v\", \"say \\\"hi\\\" to ${NOMAD_TASK_NAME}\"]
      }
      env { LINES = \"a\\nb $${not.a.reference} 100%\" }
      service {
        port = \"http\"
        check {
          type     = \"http\"
          path     = \"/\"
          interval = \"10s\"
          timeout  = \"2s\"
        }
      }
    }
  }
}
";
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(write(&job(source))) });
}

#[test]
fn what_the_server_keeps_is_not_written() {
    let plain = job(&around("", "", ""));
    let kept = Job { version: 7, stop: true, submit_time: Timestamp(5), modify_index: 9, ..plain.clone() };
    assert_eq!(write(&kept), write(&plain));
}

proptest! {
    /// Any text anywhere, also one that looks like an expression.
    #[test]
    fn texts_come_out_as_they_went_in(
        pieces in prop::collection::vec(
            prop_oneof![
                Just("${".to_owned()), Just("}".to_owned()), Just("$${".to_owned()), Just("%{".to_owned()),
                Just("${var.x}".to_owned()), Just("${attr.a}".to_owned()), Just("${upper(\"a\")}".to_owned()),
                Just("\\".to_owned()), Just("\"".to_owned()), Just("\n".to_owned()), Just("<<EOF".to_owned()),
                "\\PC{0,4}", "[ -~]{0,6}", Just("$".to_owned()), Just("%".to_owned()),
            ],
            0..8,
        ),
    ) {
        let text = pieces.concat();
        let mut written = job(&around("", "", ""));
        let task = &mut written.groups[0].tasks[0];
        task.env.insert("A".into(), text.clone());
        task.config.insert("args".into(), Value::List(vec![Value::Text(text)]));
        let source = write(&written);
        match parse("written.nomad", &source) {
            Ok(parsed) => prop_assert_eq!(parsed.job, written),
            Err(problems) => prop_assert!(false, "{}\n{:#}", source, problems),
        }
    }

    /// Numbers, operators, comparisons and choices give what hcl-rs makes of them.
    #[test]
    fn expressions_mean_what_hcl_rs_says(expression in arithmetic()) {
        use hcl::eval::{Context, Evaluate as _};
        let theirs = expression.parse::<hcl::Expression>().unwrap().evaluate(&Context::new());
        let source = around("", "", &format!("meta {{ x = \"${{{expression}}}\" }}"));
        let ours = parse("x.nomad", &source);
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => {
                let theirs = match theirs {
                    hcl::Value::String(text) => text,
                    hcl::Value::Bool(value) => value.to_string(),
                    hcl::Value::Number(number) => number.to_string(),
                    other => return Err(TestCaseError::reject(format!("{other:?}"))),
                };
                prop_assert_eq!(&ours.job.groups[0].tasks[0].meta["x"], &theirs, "{}", expression);
            }
            (Err(_), Err(_)) => {}
            (ours, theirs) => prop_assert!(false, "{expression}: {ours:?} and {theirs:?}"),
        }
    }
}

/// Expressions of whole numbers without a division, which need not be whole. Products of all of them fit into 64 bits:
/// hcl-rs does not look for more.
fn arithmetic() -> impl Strategy<Value = String> {
    let number = (0_i64..200).prop_map(|number| number.to_string()).boxed();
    let sum = number.clone().prop_recursive(3, 8, 2, |inner| {
        (inner.clone(), prop::sample::select(vec!["+", "-", "*"]), inner)
            .prop_map(|(left, operator, right)| format!("({left} {operator} {right})"))
    });
    let compared = (sum.clone(), prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]), sum.clone())
        .prop_map(|(left, operator, right)| format!("{left} {operator} {right}"));
    let logic = (compared.clone(), prop::sample::select(vec!["&&", "||"]), compared.clone())
        .prop_map(|(left, operator, right)| format!("({left}) {operator} !({right})"));
    let choice = (logic.clone(), sum.clone(), sum.clone())
        .prop_map(|(condition, yes, no)| format!("({condition}) ? {yes} : {no}"));
    prop_oneof![sum, logic, choice]
}

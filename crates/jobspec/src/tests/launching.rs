//! Jobs that launch others, and helpers of the main tasks.

use model::{Hook, JobType, Lifecycle, Parameterized, PayloadRule, Periodic};

use super::{around, errors, job};
use crate::parse;

fn batch(text: &str) -> String {
    around(&format!("type = \"batch\"\n{text}"), "", "")
}

#[test]
fn a_calendar_is_read() {
    let found = job(&batch(
        "periodic {\n  crons = [\"@daily\", \"*/5 * * * *\"]\n  time_zone = \"Europe/Berlin\"\n  prohibit_overlap = true\n  enabled = false\n}",
    ));
    let expected = Periodic {
        enabled: false,
        specs: vec!["@daily".into(), "*/5 * * * *".into()],
        prohibit_overlap: true,
        time_zone: "Europe/Berlin".into(),
    };
    assert_eq!(found.periodic, Some(expected));
    assert!(found.only_launches() && found.is_periodic());
}

#[test]
fn the_old_name_works_and_is_remarked_on() {
    let source = batch("periodic { cron = \"*/15 * * * * *\" }");
    let parsed = parse("old.nomad", &source).unwrap();
    assert_eq!(parsed.job.periodic.unwrap().specs, ["*/15 * * * * *"]);
    assert_eq!(
        parsed.warnings,
        ["old.nomad:3: `cron` is the old form of `crons = [\"..\"]`; it works as before"]
    );
}

#[test]
fn parameters_are_read() {
    let found = job(&around(
        "type = \"sysbatch\"\nparameterized {\n  payload = \"required\"\n  meta_required = [\"a\"]\n  meta_optional = [\"b\"]\n}",
        "",
        "dispatch_payload {\n  file = \"in/config.json\"\n}",
    ));
    let expected = Parameterized {
        payload: PayloadRule::Required,
        meta_required: vec!["a".into()],
        meta_optional: vec!["b".into()],
    };
    assert_eq!((found.kind, found.parameterized.clone()), (JobType::Sysbatch, Some(expected)));
    assert_eq!(found.groups[0].tasks[0].payload_file, "in/config.json");
    assert_eq!(job(&batch("parameterized {}")).parameterized, Some(Parameterized::default()));
}

#[test]
fn helpers_are_read_and_share_room() {
    let helper = |name: &str, hook: &str, cpu: u32| {
        format!(
            "task \"{name}\" {{\n  driver = \"raw_exec\"\n  config {{ command = \"true\" }}\n  lifecycle {{ {hook} }}\n  resources {{ cpu = {cpu} }}\n}}\n"
        )
    };
    let group = [
        helper("init", "hook = \"prestart\"", 700),
        helper("proxy", "hook = \"prestart\" sidecar = true", 50),
        helper("bye", "hook = \"poststop\"", 20),
    ]
    .concat();
    let found = job(&around("", &group, "resources { cpu = 100 }")).groups.remove(0);
    let init = found.task("init").unwrap();
    assert_eq!(init.lifecycle, Some(Lifecycle { hook: Hook::Prestart, sidecar: false }));
    assert!(found.task("proxy").unwrap().is_sidecar());
    // The preparation is the largest of what runs one after the other; the sidecar runs beside all of it.
    assert_eq!(found.capacity().cpu_mhz, 750);
}

#[test]
fn what_is_wrong_with_them_is_said() {
    let cases = [
        ("periodic service", around("periodic { crons = [\"@daily\"] }", "", "")),
        ("parameterized system", around("type = \"system\"\nparameterized { }", "", "")),
        ("no expression", batch("periodic { }")),
        ("not an expression", batch("periodic {\n  crons = [\"@daily\", \"61 * * * *\", \"* * *\"]\n}")),
        ("no such zone", batch("periodic {\n  crons = [\"@daily\"]\n  time_zone = \"Berlin\"\n}")),
        ("unknown rule", batch("parameterized {\n  payload = \"maybe\"\n}")),
        ("both", batch("parameterized {\n  meta_required = [\"a\"]\n  meta_optional = [\"a\"]\n}")),
        ("unknown hook", around("", "", "lifecycle {\n  hook = \"poststrat\"\n}")),
        ("no hook", around("", "", "lifecycle {\n  sidecar = true\n}")),
        ("only helpers", around("", "", "lifecycle {\n  hook = \"prestart\"\n}")),
        ("sidecar after the end", around("", "", "lifecycle {\n  hook = \"poststop\"\n  sidecar = true\n}")),
        ("no file", around("", "", "dispatch_payload { }")),
        ("file elsewhere", around("", "", "dispatch_payload {\n  file = \"../../etc/passwd\"\n}")),
    ];
    let said: Vec<String> =
        cases.iter().map(|(title, source)| format!("## {title}\n{}\n", errors(source))).collect();
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(said.join("\n")) });
}

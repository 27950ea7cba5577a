use api::{Job, JobDiff, request::DesiredUpdates};

use super::Painter;

/// The job of a tutorial.
const REDIS: &str = r#"
job "redis" {
  datacenters = ["dc1"]
  group "cache" {
    count = 1
    task "redis" {
      driver = "docker"
      config {
        image = "redis:3.2"
        port_map {
          db = 6379
        }
      }
      resources {
        cpu    = 100
        memory = 10
        network {
          port "db" {}
        }
      }
      service {
        name = "redis"
        port = "db"
      }
    }
  }
}
"#;

fn parsed(text: &str) -> Job {
    let parsed = jobspec::parse("redis.nomad", text).unwrap_or_else(|wrong| panic!("{wrong}"));
    Job::from(&parsed.job)
}

/// What is printed when the file is edited, for allocations that are touched so.
fn edited(from: &[&str], to: &[&str], desired: DesiredUpdates) -> String {
    let mut text = REDIS.to_owned();
    for (from, to) in from.iter().zip(to) {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    let mut diff = JobDiff::between(Some(&parsed(REDIS)), Some(&parsed(&text)), true);
    diff.annotate(&[(String::from("cache"), desired)].into());
    Painter { color: false, verbose: false }.job(&diff)
}

#[test]
fn a_larger_count_as_in_the_tutorial() {
    let desired = DesiredUpdates { place: 1, in_place_update: 1, ..DesiredUpdates::default() };
    assert_eq!(
        edited(&["count = 1"], &["count = 2"], desired),
        r#"+/- Job: "redis"
+/- Task Group: "cache" (1 create, 1 in-place update)
  +/- Count: "1" => "2" (forces create)
      Task: "redis""#
    );
}

#[test]
fn another_image_as_in_the_tutorial() {
    let desired = DesiredUpdates { destructive_update: 1, ignore: 1, ..DesiredUpdates::default() };
    assert_eq!(
        edited(&["redis:3.2"], &["redis:4.0"], desired),
        r#"+/- Job: "redis"
+/- Task Group: "cache" (1 create/destroy update, 1 ignore)
  +/- Task: "redis" (forces create/destroy update)
    +/- Config {
      +/- image:           "redis:3.2" => "redis:4.0"
          port_map[0][db]: "6379"
        }"#
    );
}

#[test]
fn a_constraint_of_the_job_as_in_the_tutorial() {
    let constraint = "datacenters = [\"dc1\"]\n constraint {\n attribute = \"${attr.kernel.name}\"\n value = \"linux\"\n }";
    let desired = DesiredUpdates { in_place_update: 5, ..DesiredUpdates::default() };
    assert_eq!(
        edited(&["datacenters = [\"dc1\"]"], &[constraint], desired),
        r#"+/- Job: "redis"
+ Constraint {
  + LTarget: "${attr.kernel.name}"
  + Operand: "="
  + RTarget: "linux"
  }
  Task Group: "cache" (5 in-place update)
    Task: "redis""#
    );
}

#[test]
fn more_memory_is_shown_among_what_stays() {
    let desired = DesiredUpdates { destructive_update: 5, ..DesiredUpdates::default() };
    insta::assert_snapshot!(edited(&["memory = 10"], &["memory = 5000"], desired));
}

#[test]
fn a_new_job_and_one_that_goes() {
    let job = parsed(REDIS);
    let mut come = JobDiff::between(None, Some(&job), true);
    let desired = DesiredUpdates { place: 1, ..DesiredUpdates::default() };
    come.annotate(&[(String::from("cache"), desired)].into());
    let painter = Painter { color: false, verbose: false };
    assert_eq!(
        painter.job(&come),
        "+ Job: \"redis\"\n+ Task Group: \"cache\" (1 create)\n  + Task: \"redis\" (forces create)"
    );
    insta::assert_snapshot!("a_new_job_in_full", Painter { verbose: true, ..painter }.job(&come));
    let gone = JobDiff::between(Some(&job), None, true);
    assert_eq!(painter.job(&gone), "- Job: \"redis\"\n- Task Group: \"cache\"\n  - Task: \"redis\"");
}

#[test]
fn many_changes_at_once() {
    let from = ["\"dc1\"", "name = \"redis\"", "port \"db\" {}", "driver = \"docker\"", "group \"cache\" {"];
    let to = [
        "\"dc2\", \"dc1\"",
        "name = \"redis\"\n tags = [\"b\", \"a\"]\n check {\n type = \"tcp\"\n interval = \"10s\"\n timeout = \"2s\"\n }",
        "port \"db\" { static = 6379 }",
        "driver = \"docker\"\n env { A = \"say \\\"hi\\\"\" }\n meta { owner = \"me\" }\n kill_timeout = \"20s\"",
        "group \"extra\" {\n task \"side\" {\n driver = \"docker\"\n config { image = \"side\" }\n }\n }\n group \"cache\" {",
    ];
    insta::assert_snapshot!(edited(&from, &to, DesiredUpdates::default()));
}

#[test]
fn nothing_changed() {
    let desired = DesiredUpdates { ignore: 1, ..DesiredUpdates::default() };
    assert_eq!(
        edited(&[], &[], desired),
        "Job: \"redis\"\nTask Group: \"cache\" (1 ignore)\n  Task: \"redis\""
    );
}

#[test]
fn colours_are_around_marks_and_words_only() {
    let (old, mut new) = (parsed(REDIS), parsed(REDIS));
    new.task_groups[0].count = Some(3);
    let mut diff = JobDiff::between(Some(&old), Some(&new), true);
    diff.annotate(&Default::default());
    let text = Painter { color: true, verbose: false }.job(&diff);
    assert!(
        text.contains("\x1b[33m+/- \x1b[0mCount: \"1\" => \"3\" (\x1b[32mforces create\x1b[0m)"),
        "{text:?}"
    );
    let plain = text.split('\x1b').map(|part| {
        part.split_once('m').filter(|(code, _)| code.starts_with('[')).map_or(part, |(_, rest)| rest)
    });
    assert_eq!(plain.collect::<String>(), Painter { color: false, verbose: false }.job(&diff));
}

//! `-t` on commands that print JSON.

use serde_json::json;

use super::{Ran, fake::Fake, fixtures::*, nomad};

fn list(line: &[&str]) -> Ran {
    let fake = Fake::start();
    let mut other = listed();
    other.id = String::from("web");
    fake.on("GET /v1/jobs", &json!([listed(), other]));
    nomad(&fake, line)
}

#[test]
fn lists_are_ranged_over() {
    let ran = list(&["job", "status", "-t", "{{range .}}{{.ID}}:{{.Status | printf \"%q\"}} {{end}}"]);
    assert_eq!((ran.out.as_str(), ran.code), ("redis:\"running\" web:\"running\" \n", 0), "{}", ran.err);
}

#[test]
fn a_job_is_the_template_s_own_data() {
    let fake = Fake::start();
    fake.on("PUT /v1/search", &found("jobs", &["redis"])).on("GET /v1/job/redis", &job());
    let ran = nomad(&fake, &["job", "inspect", "-t={{.ID}}{{range .TaskGroups}} {{.Name}}{{end}}", "redis"]);
    assert_eq!((ran.out.as_str(), ran.code), ("redis cache\n", 0), "{}", ran.err);
}

#[test]
fn mistakes_are_named() {
    for (line, expected) in [
        (&["job", "status", "-json", "-t", "{{.}}"][..], "Both json and template formatting are not allowed"),
        (&["job", "status", "-t", ""], "-t wants a template"),
        (&["job", "status", "-t", "{{range .}}"], "line 1, column 3: {{range}} has no {{end}}"),
        (&["job", "status", "-t", "{{nope .}}"], "function \"nope\" not defined"),
        (&["job", "status", "-t", "{{.ID}}"], "can't evaluate field ID in a list"),
    ] {
        let ran = list(line);
        assert_eq!((ran.out.as_str(), ran.code), ("", 1), "{line:?}");
        assert!(ran.err.contains(expected), "{line:?}: {}", ran.err);
    }
}

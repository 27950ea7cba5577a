//! Filters and pages, services, policies, names and texts of versions, layout.

use serde_json::json;

use super::{fake::Fake, fixtures, nomad, run_as};

#[test]
fn filters_and_pages_are_passed_on() {
    let fake = Fake::start();
    fake.on("GET /v1/nodes", &json!([]))
        .on("GET /v1/evaluations", &json!([]))
        .on("GET /v1/deployments", &json!([]));
    assert_eq!(nomad(&fake, &["node", "status", "-filter", "Name == \"a b\"", "-per-page", "2"]).code, 0);
    assert_eq!(nomad(&fake, &["eval", "list", "-filter=Status == failed", "-page-token=7.x"]).code, 0);
    assert_eq!(nomad(&fake, &["deployment", "list", "-filter", "JobID == a"]).code, 0);
    let lines: Vec<String> = fake.seen().into_iter().map(|request| request.line).collect();
    assert_eq!(
        lines,
        [
            "GET /v1/nodes?filter=Name+%3D%3D+%22a+b%22&per_page=2",
            "GET /v1/evaluations?filter=Status+%3D%3D+failed&next_token=7.x",
            "GET /v1/deployments?filter=JobID+%3D%3D+a",
        ]
    );
}

#[test]
fn services() {
    let fake = Fake::start();
    let stubs = json!([{"Namespace": "default", "Services": [{"ServiceName": "web", "Tags": ["a", "b"]}]}]);
    fake.on("GET /v1/services", &stubs);
    let ran = nomad(&fake, &["service", "list"]);
    assert_eq!(ran.out, "Service Name  Tags\nweb           [a,b]\n");
    let ran = nomad(&fake, &["service", "list", "-namespace", "*"]);
    assert_eq!(ran.out, "Service Name  Namespace  Tags\nweb           default    [a,b]\n");
    let instance = json!([{
        "ID": "x", "ServiceName": "web", "JobID": "shop", "Address": "10.0.0.1", "Port": 80, "Tags": ["a"],
        "NodeID": "aaaaaaaa-1111", "AllocID": "bbbbbbbb-2222"
    }]);
    fake.on("GET /v1/service/web", &instance).on("GET /v1/service/none", &json!([]));
    let ran = nomad(&fake, &["service", "info", "-choose", "1|me", "web"]);
    assert_eq!(
        ran.out,
        "Job ID  Address      Tags  Node ID   Alloc ID\nshop    10.0.0.1:80  [a]   aaaaaaaa  bbbbbbbb\n"
    );
    assert!(fake.the("GET /v1/service/web").line.ends_with("?choose=1%7Cme"));
    assert_eq!(nomad(&fake, &["service", "info", "none"]).out, "No service registrations found\n");
}

#[test]
fn policies_and_events_of_counts() {
    let fake = Fake::start();
    let id = "12345678-0000-0000-0000-000000000000";
    let stub = json!([{"ID": id, "Enabled": true, "Type": "horizontal",
        "Target": {"Namespace": "default", "Job": "web", "Group": "front"}}]);
    fake.on("GET /v1/scaling/policies", &stub);
    let ran = nomad(&fake, &["scaling", "policy", "list", "-job", "web"]);
    let target = "Namespace:default,Job:web,Group:front";
    assert_eq!(
        ran.out,
        format!("ID        Enabled  Type        Target\n12345678  true     horizontal  {target}\n")
    );
    let mut policy = stub[0].clone();
    policy["Min"] = json!(1);
    policy["Max"] = json!(9);
    policy["Policy"] = json!({"cooldown": "1m"});
    fake.on(&format!("GET /v1/scaling/policy/{id}"), &policy);
    let ran = nomad(&fake, &["scaling", "policy", "info", "1234"]);
    for part in ["Min     = 1", "Max     = 9", target, "\"cooldown\": \"1m\""] {
        assert!(ran.out.contains(part), "{part}\n{}", ran.out);
    }
    fake.on("GET /v1/jobs", &json!([{"ID": "web"}]))
        .on("PUT /v1/search", &json!({"Matches": {"jobs": ["web"]}}));
    let event = json!({"Time": 1, "Count": 3, "PreviousCount": 1, "Message": "more", "EvalID": "e1"});
    fake.on("GET /v1/job/web/scale", &json!({"TaskGroups": {"front": {"Events": [event]}}}));
    let ran = nomad(&fake, &["job", "scaling-events", "-verbose", "web"]);
    assert!(ran.out.contains("front       3      1          false  more     e1"), "{}", ran.text());
}

#[test]
fn names_of_versions() {
    let fake = Fake::start();
    fake.on("GET /v1/jobs", &json!([{"ID": "web"}]))
        .on("PUT /v1/search", &json!({"Matches": {"jobs": ["web"]}}));
    fake.on("PUT /v1/job/web/versions/good/tag", &json!({}))
        .on("DELETE /v1/job/web/versions/good/tag", &json!({}));
    let ran = nomad(
        &fake,
        &["job", "tag", "apply", "-name", "good", "-version", "3", "-description", "it ran", "web"],
    );
    assert_eq!(ran.code, 0, "{}", ran.text());
    let body: serde_json::Value = serde_json::from_str(&fake.the("PUT /v1/job/web/versions").body).unwrap();
    assert_eq!((&body["Version"], &body["Description"]), (&json!(3), &json!("it ran")));
    assert_eq!(nomad(&fake, &["job", "tag", "unset", "-name", "good", "web"]).code, 0);
    let ran = nomad(&fake, &["job", "tag", "apply", "web"]);
    assert!(ran.code == 1 && ran.err.contains("-name"), "{}", ran.text());
    // A version can be named where a number is expected.
    let versions = json!({"Versions": [{"Version": 4}, {"Version": 3, "VersionTag": {"Name": "good"}}]});
    fake.on("GET /v1/job/web/versions", &versions).on("PUT /v1/job/web/revert", &json!({}));
    assert_eq!(nomad(&fake, &["job", "revert", "web", "good"]).code, 0);
    assert!(fake.the("PUT /v1/job/web/revert").body.contains("\"JobVersion\":3"));
    assert!(nomad(&fake, &["job", "revert", "web", "bad"]).err.contains("no version named \"bad\""));
    let ran = nomad(&fake, &["job", "history", "web"]);
    assert!(ran.out.contains("Tag Name    = good"), "{}", ran.text());
}

#[test]
fn the_text_of_a_job_goes_there_and_back() {
    let fake = Fake::start();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("web.nomad");
    let source = "# mine\nvariable \"n\" { default = 1 }\njob \"web\" {\n  group \"g\" {\n    count = var.n\n    task \"t\" {\n      driver = \"mock_driver\"\n    }\n  }\n}\n";
    std::fs::write(&file, source).unwrap();
    fake.on("PUT /v1/jobs", &json!({}));
    let ran = nomad(&fake, &["job", "run", "-detach", "-var", "n=2", file.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    let body: serde_json::Value = serde_json::from_str(&fake.the("PUT /v1/jobs").body).unwrap();
    let sent = &body["Submission"];
    assert_eq!((&sent["Source"], &sent["Format"]), (&json!(source), &json!("hcl2")));
    assert_eq!(
        (&sent["VariableFlags"], &body["Job"]["TaskGroups"][0]["Count"]),
        (&json!({"n": "2"}), &json!(2))
    );

    fake.on("GET /v1/jobs", &json!([{"ID": "web"}]))
        .on("PUT /v1/search", &json!({"Matches": {"jobs": ["web"]}}));
    fake.on("GET /v1/job/web", &json!({"ID": "web", "Version": 3})).on("GET /v1/job/web/submission", sent);
    assert_eq!(nomad(&fake, &["job", "inspect", "-hcl", "web"]).out, source);
    assert!(fake.the("GET /v1/job/web/submission").line.ends_with("?version=3"));
    let ran = nomad(&fake, &["job", "inspect", "-hcl", "-with-vars", "web"]);
    assert!(ran.out.starts_with("# -var n=2\n\n# mine\n"), "{}", ran.out);
    assert_eq!(nomad(&fake, &["job", "inspect", "-with-vars", "web"]).code, 1);
}

#[test]
fn evaluations_are_deleted_when_one_is_sure() {
    let fake = Fake::start();
    fake.on("GET /v1/evaluations", &json!([fixtures_eval(), fixtures_eval()]))
        .on("DELETE /v1/evaluations", &json!({"Count": 2}));
    let line = ["eval", "delete", "-filter", "Status == blocked"];
    let ran = run_as("nomad", &[("NOMAD_ADDR", &fake.address)], "n\n", &line);
    assert!(ran.code == 0 && ran.out.contains("Cancelling"), "{}", ran.text());
    let ran = run_as("nomad", &[("NOMAD_ADDR", &fake.address)], "y\n", &line);
    assert!(ran.out.ends_with("Successfully deleted 2 evaluations\n"), "{}", ran.text());
    assert!(fake.the("DELETE /v1/evaluations").body.contains("Status == blocked"));
    assert_eq!(nomad(&fake, &["eval", "delete"]).code, 1);
}

fn fixtures_eval() -> serde_json::Value {
    json!({"ID": "e1", "Status": "blocked", "CreateTime": fixtures::NOW})
}

#[test]
fn files_are_laid_out() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let (odd, tidy, deep) =
        (dir.path().join("odd.nomad"), dir.path().join("tidy.hcl"), inner.join("deep.hcl"));
    std::fs::write(&odd, "job \"x\" {\n a=1\n}\n").unwrap();
    std::fs::write(&tidy, "a = 1\n").unwrap();
    std::fs::write(&deep, "b=2\n").unwrap();
    std::fs::write(dir.path().join("other.txt"), "c=3\n").unwrap();
    let run = |line: &[&str], input: &str| run_as("nomad", &[], input, line);
    let root = dir.path().to_str().unwrap();
    let ran = run(&["fmt", "-check", root], "");
    assert_eq!((ran.code, ran.out), (1, format!("{}\n", odd.display())));
    assert_eq!(std::fs::read_to_string(&odd).unwrap(), "job \"x\" {\n a=1\n}\n", "only looked at");
    let ran = run(&["fmt", "-recursive", root], "");
    assert_eq!((ran.code, ran.out), (0, format!("{}\n{}\n", deep.display(), odd.display())));
    assert_eq!(std::fs::read_to_string(&odd).unwrap(), "job \"x\" {\n  a = 1\n}\n");
    assert_eq!(run(&["fmt", "-check", "-recursive", root], "").code, 0);
    assert_eq!(run(&["fmt", "-"], "a=1\n").out, "a = 1\n");
    let ran = run(&["fmt", "-"], "a = \"x\n");
    assert!(ran.code == 1 && ran.err.contains("line 1: the text has no end"), "{}", ran.text());
    assert_eq!(run(&["fmt", dir.path().join("other.txt").to_str().unwrap()], "").code, 1);
}

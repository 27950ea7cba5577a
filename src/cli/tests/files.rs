//! Job files: the example, what is wrong with one, what is sent of one.

use std::fs;

use serde_json::json;

use super::{fake::Fake, fixtures::EVAL, nomad, run_as};

/// An address where nobody listens.
fn closed() -> String {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("http://127.0.0.1:{port}")
}

#[test]
fn the_example_is_written_once_and_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    for (flags, name) in [(&["init"][..], "long.nomad"), (&["job", "init", "-short"], "short.nomad")] {
        let file = dir.path().join(name);
        let file = file.to_str().unwrap();
        let line = [flags, &[file]].concat();
        let ran = run_as("nomad", &[], "", &line);
        assert_eq!(ran.text(), format!("Example job file written to {file}\n--- exit 0"));
        assert_eq!(
            run_as("nomad", &[], "", &line).text(),
            format!("--- stderr\nJob '{file}' already exists\n--- exit 1")
        );
        let job: serde_json::Value =
            serde_json::from_str(&run_as("nomad", &[], "", &["run", "-output", file]).out).unwrap();
        assert_eq!(job["Job"]["TaskGroups"][0]["Tasks"][0]["Config"]["image"], json!("redis:3.2"));
    }
    let short = fs::read_to_string(dir.path().join("short.nomad")).unwrap();
    assert!(!short.lines().any(|line| line.trim_start().starts_with('#')), "{short}");
    insta::assert_snapshot!("init_short", short);
}

const WHOAMI: &str = "job \"whoami\" {\n  datacenters = [\"dc1\"]\n  group \"web\" {\n    task \"web\" {\n      \
                      driver = \"docker\"\n      config {\n        image = \"whoami\"\n      }\n    }\n  }\n}\n";

#[test]
fn a_job_file_is_sent_as_a_job() {
    let fake = Fake::start();
    fake.on("PUT /v1/jobs", &json!({ "EvalID": EVAL, "Warnings": "be careful" }));
    let ran = run_as("nomad", &[("NOMAD_ADDR", &fake.address)], WHOAMI, &["run", "-detach", "-"]);
    assert_eq!(
        ran.text(),
        format!(
            "Job registration successful\nEvaluation ID: {EVAL}\n--- stderr\nJob Warnings:\nbe careful\n\n--- exit 0"
        )
    );
    let body: serde_json::Value = serde_json::from_str(&fake.the("PUT /v1/jobs").body).unwrap();
    assert_eq!(body["Job"]["ID"], json!("whoami"));
    assert_eq!(body["Job"]["TaskGroups"][0]["Tasks"][0]["Driver"], json!("docker"));
}

#[test]
fn variables_come_from_everywhere_and_the_strongest_wins() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let declared = "variable \"count\" { default = 1 }\nvariable \"image\" { type = string }\nvariable \"ports\" {\n  \
                    type = list(number)\n  default = []\n}\n";
    let body = WHOAMI
        .replace("\"whoami\"\n      }", "\"${var.image}:${file(\"tag.txt\")}\"\n args = var.ports\n }")
        .replace("group \"web\" {", "group \"web\" {\n count = var.count\n");
    let job = write("web.nomad", &format!("{declared}{body}"));
    write("tag.txt", "v1");
    let (first, second) = (write("1.hcl", "count = 2\nimage = \"a\""), write("2.hcl", "image = \"b\""));
    let env = [("NOMAD_VAR_count", "9"), ("NOMAD_VAR_ports", "[80, 81]"), ("NOMAD_VAR_unknown", "x")];
    let output = |flags: &[&str]| {
        let ran = run_as("nomad", &env, "", &[&["run", "-output"], flags, &[job.as_str()]].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        let job: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        let group = &job["Job"]["TaskGroups"][0];
        (group["Count"].clone(), group["Tasks"][0]["Config"].clone())
    };
    let (count, config) = output(&["-var", "image=c"]);
    assert_eq!((count, config), (json!(9), json!({ "image": "c:v1", "args": ["80", "81"] })));
    let (count, config) = output(&["-var-file", &first, "-var-file", &second]);
    assert_eq!((count, &config["image"]), (json!(2), &json!("b:v1")));
    let (count, config) =
        output(&["-var", "image=c", "-var-file", &first, "-var", "image=d=e", "-var", "count=4"]);
    assert_eq!((count, &config["image"]), (json!(4), &json!("d=e:v1")));
    output(&["-hcl2-strict=false", "-var", "image=c", "-var", "other=1"]);
    for (flags, said) in [
        (&["-var", "image"][..], "-var takes name=value, found \"image\""),
        (&[], "the variable `image` has no value"),
        (
            &["-var", "image=c", "-var", "imgae=d"],
            "the job file declares no variable `imgae`\n  --> -var imgae:1:1",
        ),
        (
            &["-var", "image=c", "-var", "count=many"],
            "expected a number, found \"many\"\n  --> -var count:1:1",
        ),
        (&["-var-file", "none.hcl"], "open none.hcl: no such file or directory"),
    ] {
        let ran = run_as("nomad", &env, "", &[&["validate"], flags, &[job.as_str()]].concat());
        assert_eq!(ran.code, 1, "{}", ran.out);
        assert!(ran.err.contains(said), "{}", ran.err);
    }
}

#[test]
fn a_wrong_job_file_is_refused_with_its_places() {
    let wrong = WHOAMI.replace("driver =", "drvier =");
    for command in ["run", "validate"] {
        let ran = run_as("nomad", &[("NOMAD_ADDR", "http://127.0.0.1:1")], &wrong, &[command, "-"]);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{command}");
        assert!(
            ran.err.starts_with("Error getting job struct: Error parsing job file from -:\nerror[T"),
            "{}",
            ran.err
        );
        assert!(ran.err.contains("--> stdin:5:"), "{}", ran.err);
    }
}

#[test]
fn validation_with_and_without_an_agent() {
    let offline = run_as("nomad", &[("NOMAD_ADDR", &closed())], WHOAMI, &["validate", "-"]);
    assert_eq!(
        offline.text(),
        "Job validation successful\n--- stderr\nDriver configuration not validated since connection to Nomad agent \
         couldn't be established.\n\n--- exit 0"
    );
    let fake = Fake::start();
    fake.on("PUT /v1/validate/job", &json!({ "DriverConfigValidated": true, "ValidationErrors": null }))
        .on("PUT /v1/validate/job", &json!({ "ValidationErrors": ["no such driver", "no such node"] }));
    let env = [("NOMAD_ADDR", fake.address.as_str())];
    let line = ["job", "validate", "-"];
    assert_eq!(run_as("nomad", &env, WHOAMI, &line).text(), "Job validation successful\n--- exit 0");
    assert_eq!(
        run_as("nomad", &env, WHOAMI, &line).text(),
        "--- stderr\nJob validation errors:\n2 error(s) occurred:\n\n* no such driver\n* no such node\n--- exit 1"
    );
}

#[test]
fn codes_are_explained() {
    let wrong = WHOAMI.replace("driver =", "drvier =");
    let told = run_as("troupe", &[], &wrong, &["validate", "-"]).err;
    let code = &told[told.find("error[").unwrap() + 6..][..5];
    let ran = run_as("troupe", &[], "", &["explain", &code.to_lowercase()]);
    assert!(ran.code == 0 && !ran.out.trim().is_empty(), "{ran:?}");
    let ran = run_as("troupe", &[], "", &["explain", "T9999"]);
    assert_eq!(ran.text(), "--- stderr\nNo error has the code \"T9999\"\n--- exit 1");
}

#[test]
fn a_file_that_is_not_there() {
    let ran = nomad(&Fake::start(), &["run", "/nonexistent/x.nomad"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("open /nonexistent/x.nomad: no such file or directory"), "{}", ran.err);
}

//! `sim -from` and `operator snapshot`: what is asked for, what is fetched, and what is refused.

use std::fs;

use model::Timestamp;
use state::{Command, Root, records::write_state};

use super::{Ran, fake::Fake, nomad, run_as};

fn snapshot() -> Vec<u8> {
    let mut root = Root::default();
    let job = model::Job { id: "web".into(), ..model::Job::default() };
    root.apply(
        7,
        Command::RegisterJob { job: Box::new(job), enforce_index: None, eval: None, now: Timestamp(1) },
    );
    let mut bytes = Vec::new();
    write_state(&root, &mut bytes).unwrap();
    bytes
}

fn sim(line: &[&str]) -> Ran {
    run_as("troupe", &[], "", &[&["sim"], line].concat())
}

fn refused(line: &[&str]) -> String {
    let ran = sim(line);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{line:?}");
    ran.err
}

#[test]
fn flags_that_do_not_go_together_are_refused() {
    let state = "Cargo.toml";
    for (line, expected) in [
        (&["-run", "web.nomad"][..], "-run needs -from"),
        (&["-fail-node", "n1"], "-fail-node needs -from"),
        (&["-from", state], "-from needs -run, -fail-node, or both"),
        (&["-from", state, "-fail-node", "n1", "-nodes", "3"], "-from and -nodes exclude each other"),
        (&["-from", state, "-fail-node", "n1", "-constraint"], "-from and -constraint exclude each other"),
        (&["-from", state, "-from", "x", "-fail-node", "n1"], "-from is one address or one file"),
        (&["-from", state, "web.nomad"], "a job file comes with -run"),
        (&["-from", "no-such.snap", "-fail-node", "n1"], "there is no file \"no-such.snap\", and an address"),
        (&["-from", "https://x:1", "-fail-node", "n1"], "-from: TLS is not available"),
        (&["-from", state, "-run", "no-such.nomad"], "open no-such.nomad: no such file or directory"),
    ] {
        let err = refused(line);
        assert!(err.contains(expected), "{line:?}: {err}");
    }
}

#[test]
fn job_files_are_read_as_run_reads_them() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let wrong = file("wrong.nomad", "job \"web\" {\n  group \"g\" {\n    taks \"t\" {}\n  }\n}\n");
    let err = refused(&["-from", "Cargo.toml", "-run", &wrong]);
    assert!(err.contains("wrong.nomad:3:5"), "{err}");
    let text =
        "job \"web\" {\n  group \"g\" {\n    task \"t\" {\n      driver = \"mock_driver\"\n    }\n  }\n}\n";
    let (one, two) = (file("one.nomad", text), file("two.nomad", text));
    let err = refused(&["-from", "Cargo.toml", "-run", &one, "-run", &two]);
    assert!(err.contains("are both of the job \"web\""), "{err}");
    // All is well: the rest is not the command line's.
    assert_eq!(sim(&["-from", "Cargo.toml", "-run", &one, "-fail-node", "n1", "-json"]).text(), "--- exit 0");
}

#[test]
fn the_state_of_an_agent_is_fetched() {
    let fake = Fake::start();
    fake.raw("GET /v1/operator/snapshot", 200, &snapshot());
    assert_eq!(sim(&["-from", &fake.address, "-fail-node", "n1"]).text(), "--- exit 0");
    let bare = fake.address.trim_start_matches("http://").to_owned();
    assert_eq!(sim(&["-from", &bare, "-fail-node", "n1"]).text(), "--- exit 0");
    assert_eq!(fake.seen().len(), 2);
    let empty = Fake::start();
    assert!(
        refused(&["-from", &empty.address, "-fail-node", "n1"])
            .contains("Error fetching snapshot: Unexpected response code: 404")
    );
    assert!(refused(&["-from", "127.0.0.1:1", "-fail-node", "n1"]).contains("connection refused"));
}

#[test]
fn a_state_is_saved_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.snap");
    let name = path.to_str().unwrap();
    let fake = Fake::start();
    let whole = snapshot();
    fake.raw("GET /v1/operator/snapshot", 200, &whole[..whole.len() - 5]).raw(
        "GET /v1/operator/snapshot",
        200,
        &whole,
    );
    let ran = nomad(&fake, &["operator", "snapshot", "save", name]);
    assert_eq!(
        ran.text(),
        "--- stderr\nError fetching snapshot: what the agent sent is cut off: its last row is missing\n--- exit 1"
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    let ran = nomad(&fake, &["operator", "snapshot", "save", "-stale", name]);
    assert_eq!(ran.text(), format!("State file written to {name}\n--- exit 0"));
    assert!(fake.seen()[1].line.ends_with("?stale="), "{:?}", fake.seen());
    assert_eq!(fs::read(&path).unwrap(), whole);
    let ran = run_as("nomad", &[], "", &["operator", "snapshot", "inspect", name]);
    assert!(
        ran.code == 0 && ran.out.contains("Index        7\n") && ran.out.contains("Jobs         1\n"),
        "{ran:?}"
    );
    let ran = run_as("nomad", &[], "", &["operator", "snapshot", "inspect", "-json", name]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&ran.out).unwrap()["Index"], 7);
    let ran = run_as("nomad", &[], "", &["operator", "snapshot", "inspect", "Cargo.toml"]);
    assert!(ran.code == 1 && ran.err.contains("not a snapshot of troupe"), "{ran:?}");
    let nowhere = nomad(&fake, &["operator", "snapshot", "save", "/no/such/dir/x"]);
    assert!(nowhere.code == 1 && nowhere.err.contains("No such file or directory"), "{nowhere:?}");
}

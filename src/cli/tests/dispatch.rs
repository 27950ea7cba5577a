//! Names, help, exit codes, addresses.

use serde_json::json;

use super::{fake::Fake, nomad, run_as};
use crate::cli::Program;

#[test]
fn the_name_chooses_the_tool() {
    for (argv0, program) in [
        ("/usr/local/bin/nomad", Program::Nomad),
        ("nomad", Program::Nomad),
        ("./consul", Program::Consul),
        ("troupe", Program::Troupe),
        ("target/debug/troupe", Program::Troupe),
        ("", Program::Troupe),
    ] {
        assert_eq!(Program::of(argv0), program, "{argv0}");
    }
}

#[test]
fn versions_begin_with_the_name() {
    for (name, start) in [("nomad", "Nomad v"), ("consul", "Consul v"), ("troupe", "Troupe v")] {
        for line in ["version", "-v", "-version", "--version"] {
            let ran = run_as(name, &[], "", &[line]);
            assert!(ran.code == 0 && ran.out.starts_with(start), "{name} {line}: {ran:?}");
        }
    }
}

#[test]
fn each_name_has_its_commands() {
    // (name, command line, exit code): 127 is "no such command", 1 is "known, and it failed".
    for (name, line, code) in [
        ("nomad", &["members"][..], 127),
        ("nomad", &["catalog", "services"], 127),
        ("nomad", &["explain", "T0001"], 127),
        ("consul", &["node", "status"], 127),
        ("consul", &["run", "x"], 127),
        ("consul", &["kv", "get", "x"], 1),
        ("consul", &["members"], 1),
        ("troupe", &["catalog", "services"], 1),
        ("troupe", &["node", "status"], 1),
        ("troupe", &["kv", "get", "x"], 1),
        ("troupe", &["nonsense"], 127),
        ("nomad", &["job", "nonsense"], 127),
        ("nomad", &[], 127),
        ("nomad", &["job"], 1),
        ("nomad", &["job", "-h"], 0),
        ("nomad", &["operator"], 1),
        ("nomad", &["operator", "raft"], 1),
        ("nomad", &["operator", "raft", "-h"], 0),
        ("nomad", &["operator", "raft", "nonsense"], 127),
        ("nomad", &["operator", "raft", "transfer-leader"], 127),
        ("consul", &["operator", "raft", "transfer-leadership"], 127),
        ("troupe", &["operator", "raft", "transfer-leader"], 1),
        ("nomad", &["-h"], 0),
        ("nomad", &["--help"], 0),
        ("nomad", &["run", "-h"], 0),
        ("nomad", &["job", "run", "--help"], 0),
    ] {
        let closed = [("NOMAD_ADDR", "http://127.0.0.1:1"), ("CONSUL_HTTP_ADDR", "127.0.0.1:1")];
        let ran = run_as(name, &closed, "", line);
        assert_eq!(ran.code, code, "{name} {line:?}: {ran:?}");
    }
}

#[test]
fn a_command_that_is_not_there_is_named() {
    for (name, line, words) in [
        (
            "nomad",
            &["stauts", "-json"][..],
            "nomad: there is no command \"stauts\"; did you mean \"status\"?\n",
        ),
        ("nomad", &["job", "histroy", "web"], "; did you mean \"job history\"?\n"),
        ("nomad", &["explain", "T0001"], "nomad: \"explain\" is a command of troupe\n"),
        ("consul", &["run", "x"], "consul: \"job run\" is a command of nomad\n"),
        ("troupe", &["xyzzy"], "troupe: there is no command \"xyzzy\"\n"),
    ] {
        let ran = run_as(name, &[], "", line);
        assert!(ran.code == 127 && ran.err.ends_with(words), "{name} {line:?}: {}", ran.err);
    }
}

#[test]
fn what_is_not_there_yet_says_so() {
    for (line, name) in [
        (&["alloc", "pause", "bc"][..], "alloc pause"),
        (&["node", "identity", "get"], "node identity"),
        (&["operator", "metrics"], "operator metrics"),
        (&["operator", "snapshot", "restore", "x"], "operator snapshot restore"),
        (&["deployment", "unblock", "x"], "deployment unblock"),
        (&["operator", "raft", "info"], "operator raft info"),
    ] {
        let ran = run_as("nomad", &[], "", line);
        assert_eq!(
            ran.text(),
            format!("--- stderr\ntroupe: \"{name}\" is not available in this release\n--- exit 1"),
            "{line:?}"
        );
    }
}

#[test]
fn groups_name_their_commands() {
    let ran = run_as("nomad", &[], "", &["operator", "autopilot", "-h"]);
    assert_eq!(
        ran.out,
        "Usage: nomad operator autopilot <subcommand> [options] [args]\n\nSubcommands:\n  \
         get-config  Show how servers are looked after\n  \
         set-config  Change how servers are looked after\n  \
         health      Show how the servers are\n"
    );
    // Both tools' under our own name, each once.
    let ran = run_as("troupe", &[], "", &["operator", "raft", "-h"]);
    assert_eq!(ran.out.matches("list-peers").count(), 1);
    assert!(ran.out.contains("transfer-leadership") && ran.out.contains("transfer-leader "), "{}", ran.out);
}

#[test]
fn every_command_has_help_and_refuses_unknown_flags() {
    for command in crate::cli::commands::COMMANDS {
        let words: Vec<&str> = command.name.split(' ').collect();
        // Some of consul's names mean something else under the other names.
        let program = if command.tool == crate::cli::Tool::Consul { "consul" } else { "troupe" };
        let help = [words.as_slice(), &["-help"]].concat();
        let ran = run_as(program, &[], "", &help);
        assert!(
            ran.code == 0 && ran.out.starts_with(&format!("Usage: {program} {}", command.name)),
            "{ran:?}"
        );
        let wrong = [words.as_slice(), &["-no-such-flag"]].concat();
        let ran = run_as(program, &[], "", &wrong);
        assert_eq!(ran.code, command.failure_code());
        assert_eq!(
            ran.err,
            format!(
                "flag provided but not defined: -no-such-flag\nFor additional help try '{program} {} -help'\n",
                command.name
            )
        );
    }
}

#[test]
fn help_texts() {
    for name in ["troupe", "nomad", "consul"] {
        insta::assert_snapshot!(format!("help_{name}"), run_as(name, &[], "", &["-help"]).out);
    }
    insta::assert_snapshot!("help_run", run_as("nomad", &[], "", &["run", "-help"]).out);
}

#[test]
fn a_closed_port_is_told_as_always() {
    // A port that was free a moment ago: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ran = run_as("nomad", &[("NOMAD_ADDR", &format!("http://127.0.0.1:{port}"))], "", &["status"]);
    assert_eq!(
        ran.text(),
        format!(
            "--- stderr\nError querying jobs: Get \"http://127.0.0.1:{port}/v1/jobs\": \
             dial tcp 127.0.0.1:{port}: connect: connection refused\n--- exit 1"
        )
    );
}

#[test]
fn a_flag_beats_the_environment_and_settings_are_sent() {
    let fake = Fake::start();
    fake.on("GET /v1/jobs", &json!([]));
    let env = [
        ("NOMAD_ADDR", "http://127.0.0.1:1"),
        ("NOMAD_REGION", "eu"),
        ("NOMAD_NAMESPACE", "ops"),
        ("NOMAD_TOKEN", "secret"),
    ];
    let line = ["status", "-address", &fake.address, "-region=us", "-no-color"];
    assert_eq!(run_as("nomad", &env, "", &line).code, 0);
    let request = fake.the("GET");
    assert_eq!(request.line, "GET /v1/jobs?region=us&namespace=ops");
    assert!(request.headers.contains("x-nomad-token: secret"), "{}", request.headers);
}

#[test]
fn our_own_variable_wins_under_our_own_name() {
    let fake = Fake::start();
    fake.on("GET /v1/jobs", &json!([]));
    let closed = ("NOMAD_ADDR", "http://127.0.0.1:1");
    let ours = ("TROUPE_ADDR", fake.address.as_str());
    assert_eq!(run_as("troupe", &[closed, ours], "", &["status"]).code, 0);
    assert_eq!(run_as("nomad", &[closed, ours], "", &["status"]).code, 1);
}

#[test]
fn an_address_that_is_none_is_named() {
    let ran = run_as("nomad", &[("NOMAD_ADDR", "htp://x")], "", &["status"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("NOMAD_ADDR") && ran.err.contains("htp://x"), "{}", ran.err);
}

#[test]
fn wrong_numbers_of_arguments() {
    let fake = Fake::start();
    for (line, expected) in [
        (
            &["run"][..],
            "This command takes one argument: <path>\nFor additional help try 'nomad job run -help'\n",
        ),
        (&["status", "a", "b"], "This command takes either no arguments or one: <identifier>\n"),
        (&["stop"], "This command takes at least one argument: <job>\n"),
        (&["server", "members", "x"], "This command takes no arguments\n"),
    ] {
        let ran = nomad(&fake, line);
        assert!(ran.code == 1 && ran.err.starts_with(expected), "{line:?}: {ran:?}");
    }
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let fake = Fake::start();
    fake.on("GET /v1/jobs", &json!([]));
    let mut err = Vec::new();
    let mut ctx = crate::cli::Context {
        program: Program::Nomad,
        env: [(String::from("NOMAD_ADDR"), fake.address.clone())].into(),
        output: crate::cli::Output { out: &mut Closed, err: &mut err, color: false, terminal: false },
        input: &mut std::io::empty(),
        clock: crate::cli::format::Clock::system(),
        poll: std::time::Duration::ZERO,
        agent: None,
        simulate: None,
        predict: None,
        validate: |_| Ok(Vec::new()),
        recover: |_| Ok(String::from("recovered")),
    };
    assert_eq!(ctx.dispatch(&[String::from("status")]), 0);
    assert!(err.is_empty());
}

#[test]
fn agent_hands_over_its_flags() {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut ctx = crate::cli::Context {
        program: Program::Nomad,
        env: std::collections::BTreeMap::new(),
        output: crate::cli::Output { out: &mut out, err: &mut err, color: false, terminal: false },
        input: &mut std::io::empty(),
        clock: crate::cli::format::Clock::system(),
        poll: std::time::Duration::ZERO,
        agent: None,
        simulate: None,
        predict: None,
        validate: |_| Ok(Vec::new()),
        recover: |_| Ok(String::from("recovered")),
    };
    let line = ["agent", "-dev", "-bind", "0.0.0.0"].map(String::from);
    assert_eq!(ctx.dispatch(&line), 0);
    let args = ctx.agent.unwrap();
    assert!(args.dev && args.bind.as_deref() == Some("0.0.0.0"), "{args:?}");
}

//! Hands on running tasks: commands inside them, with input and output.

use std::{
    io::{BufRead, Write},
    process::{Command, Stdio},
};

use crate::{
    harness::World,
    ran::{Ran, ran},
};

const JOB: &str = r#"job "hands" {
  datacenters = ["dc1"]
  group "g" {
    task "main" {
      driver = "raw_exec"
      config {
        command = "sleep"
        args = ["1000"]
      }
      env { COLOUR = "blue" }
      action "colour" {
        command = "sh"
        args    = ["-c", "echo $COLOUR in ${NOMAD_TASK_NAME}; exit 4"]
      }
    }
  }
}
"#;

/// A command whose words may hold blanks, with something on its stdin.
fn with_input(world: &World, words: &[&str], input: &str) -> Ran {
    let mut command: Command = world.agent.command("nomad");
    let mut child = command
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // In a thread: who is spoken to speaks, too.
    let input = input.to_owned();
    let speaking = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // A command that reads nothing closes early.
    let _ = speaking.join().unwrap();
    Ran {
        line: words.join(" "),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code().unwrap_or(-1),
    }
}

#[test]
fn commands_run_inside_tasks() {
    let world = World::dev();
    world.file("hands.nomad", JOB);
    world.run("nomad run -detach hands.nomad").ok();
    let alloc = world.running("hands", 1)[0]["ID"].as_str().unwrap().to_owned();
    let short = &alloc[..8];
    let exec = |words: &[&str], input: &str| {
        with_input(&world, &[&["alloc", "exec", "-task", "main", short], words].concat(), input)
    };
    let run = exec(&["sh", "-c", "echo $COLOUR $NOMAD_ALLOC_ID; echo aside >&2; exit 7"], "");
    assert_eq!(
        (run.code, run.stdout.as_str(), run.stderr.as_str()),
        (7, format!("blue {alloc}\n").as_str(), "aside\n")
    );
    // More than fits into all the buffers on the way.
    let text = "a line of a text that is long\n".repeat(100_000);
    let run = exec(&["cat"], &text);
    assert!(run.code == 0 && run.stdout == text, "{} {} {}", run.code, run.stdout.len(), run.stderr);
    let job = ["exec", "-job", "-i=false", "hands", "cat"];
    assert_eq!(with_input(&world, &job, "not passed on").ok().stdout, "");
    let terminal = ["exec", "-t", short, "sh", "-c", "tty; echo $0 on $COLOUR"];
    let run = with_input(&world, &terminal, "").ok();
    assert!(run.stdout.starts_with("/dev/pts/") && run.stdout.ends_with("sh on blue\r\n"), "{run:?}");

    let action = world.run("nomad action -job hands colour");
    assert_eq!((action.code, action.stdout.as_str()), (4, "blue in main\n"), "{action:?}");
    let action = world.run(&format!("nomad job action -alloc {short} colour"));
    assert_eq!((action.code, action.stdout.as_str()), (4, "blue in main\n"), "{action:?}");
    assert_eq!(world.run("nomad status hands").ok().table("Actions")[1], ["colour", "g", "main"]);
    let other = world.run("nomad action -job hands size");
    assert!(other.code == 1 && other.stderr.contains("Action \"size\" not found"), "{other:?}");

    let missing = exec(&["nosuchthing"], "");
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.starts_with("failed to exec into task: "), "{missing:?}");
    assert!(missing.stderr.contains("nosuchthing"), "{missing:?}");
    let other = world.run(&format!("nomad exec -task other {short} ls"));
    assert!(other.code == 1 && other.stderr.contains("Could not find task named: other"), "{other:?}");
    let jobs = with_input(&world, &["operator", "api", "jobs?prefix=ha"], "").ok();
    assert!(jobs.stdout.starts_with("[{") && jobs.stdout.contains("\"ID\":\"hands\""), "{jobs:?}");
    let dry = with_input(&world, &["operator", "api", "-dryrun", "-X", "put", "/v1/system/gc"], "{}").ok();
    let url = format!("'http://{}/v1/system/gc'", world.agent.http);
    assert_eq!(dry.stdout, format!("curl -X PUT --data-binary @- {url}\n"));

    world.run("nomad stop hands").ok();
    world.eventually("there is nothing left to run it in", || {
        let late = exec(&["true"], "");
        (late.code == 1 && late.stderr.contains("not running")).then_some(())
    });
}

#[test]
fn a_command_ends_when_the_person_goes_away() {
    let world = World::dev();
    world.file("hands.nomad", JOB);
    world.run("nomad run -detach hands.nomad").ok();
    let alloc = world.running("hands", 1)[0]["ID"].as_str().unwrap().to_owned();
    let mut command: Command = world.agent.command("nomad");
    let words = ["exec", &alloc, "sh", "-c", "touch ../alloc/begun; exec sleep 98765"];
    let mut child = command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    world.eventually("it has begun", || {
        let files = world.run(&format!("nomad fs {alloc} alloc"));
        files.stdout.contains("begun").then_some(())
    });
    let runs = || ran("pgrep", Command::new("pgrep").args(["-f", "^sleep 98765$"])).code == 0;
    world.eventually("it runs", || runs().then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    world.eventually("nothing of it is left", || (!runs()).then_some(()));
}

/// Says what it does in a file that all tasks of the allocation have.
const ROUNDS: &str = r#"job "rounds" {
  datacenters = ["dc1"]
  group "g" {
    shutdown_delay = "10m"
    task "before" {
      lifecycle { hook = "prestart" }
      driver = "raw_exec"
      config {
        command = "sh"
        args = ["-c", "echo before >> ../alloc/rounds"]
      }
    }
    task "main" {
      driver = "raw_exec"
      config {
        command = "sh"
        args = ["-c", "echo main >> ../alloc/rounds; exec sleep 1000"]
      }
    }
  }
}
"#;

#[test]
fn whole_allocations_start_over_and_whole_jobs_restart() {
    let world = World::dev();
    world.file("rounds.nomad", ROUNDS);
    world.run("nomad run -detach rounds.nomad").ok();
    let alloc = world.running("rounds", 1)[0]["ID"].as_str().unwrap().to_owned();
    let rounds = |expected: &str| {
        world.eventually(expected, || {
            let said = world.run(&format!("nomad fs {alloc} alloc/rounds")).stdout;
            (said.replace('\n', " ").trim() == expected).then_some(())
        });
    };
    rounds("before main");
    world.run(&format!("nomad alloc restart {alloc}")).ok();
    rounds("before main main");
    world.run(&format!("nomad alloc restart -all-tasks {alloc}")).ok();
    rounds("before main main before main");
    let both = world.run(&format!("nomad alloc restart -all-tasks -task main {alloc}"));
    assert!(both.code == 1 && both.stderr.contains("-all-tasks option is not allowed"), "{both:?}");
    world.running("rounds", 1);
    world.run("nomad job restart -task main rounds").ok().has(&["Job restarted successfully!"]);
    rounds("before main main before main main");
    world.running("rounds", 1);
    world.run("nomad job restart -all-tasks -batch-size 50% rounds").ok();
    rounds("before main main before main main before main");
    world.running("rounds", 1);
    let moved = world.run("nomad job restart -reschedule -no-shutdown-delay rounds").ok();
    let other = world.allocs("rounds")[0]["ID"].as_str().unwrap().to_owned();
    assert_ne!(other, alloc);
    moved.has(&["replaced by", &other[..8]]);
    // Ten minutes long they would wait.
    world.eventually("the first one is over", || {
        let old = world.get(&format!("/v1/allocation/{alloc}"));
        (old["ClientStatus"] == "complete").then_some(())
    });
    world.run("nomad job stop -detach -global -no-shutdown-delay rounds").ok();
    world.eventually("the other one is over", || {
        let old = world.get(&format!("/v1/allocation/{other}"));
        (old["ClientStatus"] == "complete").then_some(())
    });
}

#[test]
fn a_file_is_followed() {
    let world = World::dev();
    world.file("rounds.nomad", ROUNDS);
    world.run("nomad run -detach rounds.nomad").ok();
    let alloc = world.running("rounds", 1)[0]["ID"].as_str().unwrap().to_owned();
    world.eventually("both have spoken", || {
        (world.run(&format!("nomad fs {alloc} alloc/rounds")).stdout == "before\nmain\n").then_some(())
    });
    let mut command: Command = world.agent.command("nomad");
    let mut child =
        command.args(["fs", "-f", "-n", "1", &alloc, "alloc/rounds"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut shown = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(shown.next().unwrap().unwrap(), "main");
    let more = ["exec", "-task", "main", &alloc, "sh", "-c", "echo more >> ../alloc/rounds"];
    with_input(&world, &more, "").ok();
    assert_eq!(shown.next().unwrap().unwrap(), "more");
    let gone = ["exec", "-task", "main", &alloc, "rm", "../alloc/rounds"];
    with_input(&world, &gone, "").ok();
    assert!(shown.next().is_none());
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_log_of_an_agent_is_shown_as_it_is_written() {
    let world = World::dev();
    let node = world.get("/v1/nodes")[0]["ID"].as_str().unwrap().to_owned();
    let mut command: Command = world.agent.command("nomad");
    let words = ["monitor", "-log-level", "debug", "-node-id", &node[..8]];
    let mut child = command.args(words).stdout(Stdio::piped()).spawn().unwrap();
    let shown = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    world.file("hands.nomad", JOB);
    // Until it listens there is nothing to hear; jobs that come later are heard.
    let (said, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in shown.map_while(Result::ok) {
            if line.contains("starting allocation") && said.send(()).is_err() {
                return;
            }
        }
    });
    world.eventually("an allocation that starts is heard of", || {
        world.run("nomad stop -detach -purge hands");
        world.run("nomad run -detach hands.nomad").ok();
        heard.recv_timeout(std::time::Duration::from_millis(500)).ok()
    });
    child.kill().unwrap();
    child.wait().unwrap();
}

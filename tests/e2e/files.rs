//! Files of tasks: made from templates before they start, made again when what they read changes, and fetched.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
};

use crate::harness::World;

const CONSUMER: &str = r#"
job "consumer" {
  group "g" {
    task "reader" {
      driver = "raw_exec"
      config {
        command = "/bin/sh"
        args    = ["-c", "trap 'echo reloaded' HUP; echo level $LEVEL; cat local/backends; while :; do sleep 0.1; done"]
      }
      meta {
        level = "high"
      }
      template {
        data          = "backends:{{ range service \"backend\" }} {{ .Address }}:{{ .Port }}{{ else }} none{{ end }}\n"
        destination   = "local/backends"
        change_mode   = "signal"
        change_signal = "SIGHUP"
        splay         = "0s"
        wait {
          min = "100ms"
          max = "1s"
        }
      }
      template {
        data        = "LEVEL={{ env \"NOMAD_META_level\" | toUpper }}\n"
        destination = "secrets/file.env"
        env         = true
        perms       = "600"
      }
    }
  }
}
"#;

const BACKEND: &str = r#"
job "backend" {
  group "g" {
    task "t" {
      driver = "raw_exec"
      config {
        command = "/bin/sleep"
        args    = ["1000"]
      }
      resources {
        network {
          port "http" {}
        }
      }
      service {
        name = "backend"
        port = "http"
      }
    }
  }
}
"#;

#[test]
fn templates_follow_the_catalog() {
    let world = World::dev();
    world.file("consumer.nomad", CONSUMER);
    world.file("backend.nomad", BACKEND);
    world.run("nomad run -detach consumer.nomad").ok();
    let alloc = world.running("consumer", 1)[0]["ID"].as_str().unwrap().to_owned();
    let logs = |wanted: &str| {
        world.eventually(&format!("the task wrote {wanted:?}"), || {
            let logs = world.run(&format!("nomad alloc logs {alloc}"));
            logs.stdout.contains(wanted).then_some(())
        });
    };
    logs("level HIGH\nbackends: none\n");
    let secret = world.run(&format!("nomad alloc fs {alloc} reader/secrets"));
    assert!(secret.code == 1 && secret.stderr.contains("prohibited"), "{secret:?}");

    world.run("nomad run -detach backend.nomad").ok();
    let backend = &world.running("backend", 1)[0];
    let address = world.address(backend, "http");
    logs("reloaded");
    let file = world.run(&format!("nomad alloc fs {alloc} reader/local/backends")).ok();
    assert_eq!(file.stdout.trim_end(), format!("backends: {address}"));
    world.run(&format!("nomad alloc status {alloc}")).ok().has(&["Signaling", "Template re-rendered"]);
}

#[test]
fn a_task_waits_for_what_its_template_reads() {
    let world = World::dev();
    let go = world.dir().join("go");
    let job = r#"
job "waits" {
  group "g" {
    task "writer" {
      driver = "raw_exec"
      config {
        command = "/bin/sh"
        args    = ["-c", "until [ -e GO ]; do sleep 0.1; done; echo 8080 > ../alloc/data/port; sleep 1000"]
      }
    }
    task "reader" {
      driver = "raw_exec"
      config {
        command = "/bin/sh"
        args    = ["-c", "cat local/conf; sleep 1000"]
      }
      template {
        data        = "port = {{ file \"../alloc/data/port\" | trimSpace }}\n"
        destination = "local/conf"
      }
    }
  }
}
"#;
    world.file("waits.nomad", &job.replace("GO", &go.display().to_string()));
    world.run("nomad run -detach waits.nomad").ok();
    let alloc = world.eventually("the reader says what it waits for", || {
        let alloc = world.allocs("waits").first()?["ID"].as_str()?.to_owned();
        let status = world.run(&format!("nomad alloc status {alloc}"));
        status.stdout.contains("Missing: file(../alloc/data/port)").then_some(alloc)
    });
    std::fs::write(go, "").unwrap();
    world.eventually("the reader started with its file", || {
        world.run(&format!("nomad alloc logs {alloc} reader")).stdout.contains("port = 8080").then_some(())
    });
}

/// Serves one text under `/run.sh` and `/app.tpl`, and nothing else.
fn files_over_http(script: &'static str, template: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Ends with the test's process.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().and_then(Result::ok).unwrap_or_default();
            while lines.next().and_then(Result::ok).is_some_and(|line| !line.is_empty()) {}
            let (status, body) = match first.split_whitespace().nth(1) {
                Some("/run.sh") => ("200 OK", script),
                Some("/app.tpl") => ("200 OK", template),
                _ => ("404 Not Found", ""),
            };
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    port
}

#[test]
fn artifacts_are_there_before_the_task() {
    let world = World::dev();
    let port = files_over_http(
        "echo fetched; cat local/app.conf; sleep 1000\n",
        "name = {{ env `NOMAD_JOB_ID` | sprig_quote }}
on = {{ sockaddr `GetAllInterfaces | include \"flags\" \"loopback\" | include \"type\" \"IPv4\" | attr \"address\"` }}\n",
    );
    let job = |name: &str, script: &str| {
        format!(
            r#"
job "{name}" {{
  group "g" {{
    restart {{
      attempts = 0
      mode     = "fail"
    }}
    reschedule {{
      attempts  = 0
      unlimited = false
    }}
    task "t" {{
      driver = "raw_exec"
      config {{
        command = "/bin/sh"
        args    = ["local/bin/run.sh"]
      }}
      artifact {{
        source      = "http://127.0.0.1:{port}/{script}"
        destination = "local/bin"
      }}
      artifact {{
        source = "http://127.0.0.1:{port}/app.tpl"
      }}
      template {{
        source      = "local/app.tpl"
        destination = "local/app.conf"
      }}
    }}
  }}
}}
"#
        )
    };
    world.file("good.nomad", &job("good", "run.sh"));
    world.run("nomad run -detach good.nomad").ok();
    let alloc = world.running("good", 1)[0]["ID"].as_str().unwrap().to_owned();
    world.eventually("the script runs with its file", || {
        let logs = world.run(&format!("nomad alloc logs {alloc}"));
        logs.stdout.contains("fetched\nname = \"good\"\non = 127.0.0.1\n").then_some(())
    });
    let status = world.run(&format!("nomad alloc status {alloc}")).ok();
    status.has(&["Downloading Artifacts", "Client is downloading artifacts"]);

    world.file("bad.nomad", &job("bad", "none.sh"));
    world.run("nomad run -detach bad.nomad").ok();
    world.eventually("the allocation failed, and says why", || {
        let alloc = world.allocs("bad").first()?["ID"].as_str()?.to_owned();
        let status = world.run(&format!("nomad alloc status {alloc}"));
        let told =
            status.stdout.contains("Failed Artifact Download") && status.stdout.contains("answers with 404");
        told.then_some(())
    });
}

#[test]
fn work_that_takes_too_long_is_ended() {
    let world = World::dev();
    world.file(
        "limited.nomad",
        r#"
job "limited" {
  type = "batch"
  group "g" {
    max_run_duration = "1s"
    task "t" {
      driver = "raw_exec"
      config {
        command = "/bin/sleep"
        args    = ["1000"]
      }
    }
  }
}
"#,
    );
    world.run("nomad run -detach limited.nomad").ok();
    let alloc = world.eventually("the allocation is over", || {
        let alloc = world.allocs("limited").into_iter().next()?;
        (alloc["ClientStatus"] == "complete").then(|| alloc["ID"].as_str().unwrap().to_owned())
    });
    let status = world.run(&format!("nomad alloc status {alloc}")).ok();
    status.has(&["allocation exceeded max_run_duration"]);
    world
        .eventually("and so is the job", || (world.get("/v1/job/limited")["Status"] == "dead").then_some(()));
}

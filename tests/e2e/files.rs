//! Files of tasks: made from templates before they start, made again when what they read changes, and fetched.

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

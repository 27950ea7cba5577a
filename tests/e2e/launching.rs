//! Jobs that launch others, and what people do to one allocation.

use crate::harness::World;

#[test]
fn a_job_is_launched_with_what_somebody_passes() {
    let world = World::dev();
    world.file("greet.nomad", &world.example("greet.nomad"));
    let run = world.run("nomad run greet.nomad").ok();
    assert_eq!(run.stdout, "Job registration successful\n");
    world.file("words.txt", "long time no see");
    let run = world.run("nomad job dispatch -meta name=Ada -wait greet words.txt").ok();
    let child = run.value("Dispatched Job ID").to_owned();
    run.has(&["finished successfully"]);
    let alloc = world.allocs(&child)[0]["ID"].as_str().unwrap().to_owned();
    let logs = world.run(&format!("nomad logs {alloc}")).ok();
    assert_eq!(logs.stdout, "Hello, Ada: long time no see\n");
    let status = world.run("nomad status greet").ok();
    assert_eq!(status.table("Parameterized Job Summary")[1], ["0", "0", "1"]);
    assert_eq!(status.table("Dispatched Jobs")[1], [child.as_str(), "dead"]);
    let refused = world.run("nomad job dispatch greet words.txt");
    assert!(
        refused.stderr.contains("Dispatch did not provide required meta keys: [\"name\"]"),
        "{}",
        refused.stderr
    );
}

#[test]
fn the_calendar_launches_and_helpers_prepare() {
    let world = World::dev();
    let text = world.example("report.nomad").replace("\"30 2 * * *\"", "\"* * * * * * *\"");
    world.file("report.nomad", &text);
    world.run("nomad run report.nomad").ok().has(&["Approximate next launch time: "]);
    let children = || {
        let jobs = world.get("/v1/jobs?prefix=report/periodic-");
        let ended = jobs.as_array().unwrap().iter().filter(|job| job["Status"] == "dead");
        ended.map(|job| job["ID"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let child = world.eventually("two launches have ended", || {
        let children = children();
        (children.len() >= 2).then(|| children[0].clone())
    });
    let alloc = world.allocs(&child)[0]["ID"].as_str().unwrap().to_owned();
    assert_eq!(world.run(&format!("nomad logs {alloc} add")).ok().stdout, "55\n");
    world.run("nomad stop report").ok();
    assert_eq!(world.run("nomad status report").ok().value("Next Periodic Launch"), "none (job stopped)");
}

#[test]
fn an_allocation_is_looked_into_signalled_restarted_and_moved() {
    let world = World::dev();
    let job = "job \"trap\" {
  datacenters = [\"dc1\"]
  group \"g\" {
    task \"t\" {
      driver = \"raw_exec\"
      config {
        command = \"/bin/sh\"
        args    = [\"-c\", \"trap 'echo hup >> $NOMAD_TASK_DIR/seen' HUP; echo begun >> $NOMAD_TASK_DIR/seen; while true; do sleep 0.05; done\"]
      }
      resources {
        cpu    = 20
        memory = 20
      }
    }
  }
}
";
    world.file("trap.nomad", job);
    world.run("nomad run -detach trap.nomad").ok();
    let alloc = world.running("trap", 1)[0]["ID"].as_str().unwrap().to_owned();
    let seen = || world.run(&format!("nomad alloc fs {alloc} t/local/seen")).stdout;
    world.eventually("it has begun", || (seen() == "begun\n").then_some(()));
    world.run(&format!("nomad alloc signal -s SIGHUP {alloc} t")).ok();
    world.eventually("it saw the signal", || (seen() == "begun\nhup\n").then_some(()));
    let listed = world.run(&format!("nomad alloc fs {alloc} t")).ok();
    listed.has(&["local/", "secrets/", "tmp/"]);
    world.run(&format!("nomad alloc restart {alloc}")).ok();
    world.eventually("it begins anew", || (seen() == "begun\nhup\nbegun\n").then_some(()));
    let short = &alloc[..8];
    world.run(&format!("nomad alloc status {short}")).ok().has(&["Restart Signaled", "Signaling"]);
    world.run(&format!("nomad alloc stop {short}")).ok().has(&["finished with status \"complete\""]);
    let other = world.eventually("another one runs", || {
        let running = world.running("trap", 1);
        let id = running[0]["ID"].as_str().unwrap();
        (id != alloc).then(|| id.to_owned())
    });
    assert_ne!(other, alloc);
}

#[test]
fn a_job_is_scaled_stopped_and_started() {
    let world = World::dev();
    world.file(
        "sleep.nomad",
        &world
            .example("sleep.nomad")
            .replace("count = 2", "count = 1\n    update { min_healthy_time = \"0s\" }"),
    );
    world.run("nomad run -detach sleep.nomad").ok();
    world.running("sleep", 1);
    world.eventually("its deployment is over", || {
        let run = world.run("nomad job scale -detach sleep 2");
        run.stdout.starts_with("Job scale successful\nEvaluation ID: ").then_some(())
    });
    world.running("sleep", 2);
    world.run("nomad stop -detach sleep").ok();
    world.eventually("it has ended", || {
        let job = world.get("/v1/job/sleep");
        (job["Status"] == "dead").then_some(())
    });
    world.run("nomad job start -detach sleep").ok().has(&["Job start successful"]);
    world.running("sleep", 2);
    let refused = world.run("nomad start sleep");
    assert!(refused.stderr.contains("has not been stopped"), "{}", refused.stderr);
}

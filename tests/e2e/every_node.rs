//! Jobs that run on every node, on the one node there is.

use crate::harness::World;

/// The row of the only group: queued, starting, running, failed, complete, lost.
fn summary(world: &World, job: &str) -> Vec<String> {
    world.run(&format!("nomad job status {job}")).ok().table("Summary")[1][1..].to_vec()
}

#[test]
fn a_system_job_stays_with_its_node() {
    let world = World::dev();
    world.example("system.nomad");
    world.run("nomad run -detach system.nomad").ok();
    let first = world.running("node-watch", 1).remove(0);
    assert_eq!(first["Name"], "node-watch.watch[0]");
    let status = world.eventually("the first version is rolled out", || {
        let status = world.run("nomad job status node-watch").ok();
        status.stdout.contains("Deployment completed successfully").then_some(status)
    });
    assert_eq!((&*status.value("Type"), &*status.value("Status")), ("system", "running"));
    assert_eq!(summary(&world, "node-watch"), ["0", "0", "1", "0", "0", "0"]);

    // A drain that leaves it alone is over at once; one that does not stops it.
    world.run("nomad node drain -self -enable -yes -detach -ignore-system").ok();
    world.eventually("the drain is over", || {
        let node = world.run("nomad node status -self").ok();
        node.stdout.contains("Node drain complete").then_some(())
    });
    assert_eq!(world.running("node-watch", 1)[0]["ID"], first["ID"]);
    world.run("nomad node eligibility -self -enable").ok();
    world.run("nomad node drain -self -enable -yes -detach").ok();
    world.eventually("it has left", || {
        let alloc = &world.allocs("node-watch")[0];
        (alloc["ClientStatus"] == "complete").then_some(())
    });
    let status = world.run("nomad job status node-watch").ok();
    assert_eq!(status.value("Status"), "running", "although it runs nowhere now");

    // The node is back, and so is the job, without anybody asking.
    world.eventually("the second drain is over", || {
        world.run("nomad node eligibility -self -enable").code.eq(&0).then_some(())
    });
    let second = world.running("node-watch", 1).remove(0);
    assert_ne!(second["ID"], first["ID"]);
    world.run("nomad stop -detach node-watch").ok();
    world.eventually("it is stopped", || {
        let status = world.run("nomad job status node-watch").ok();
        (status.value("Status") == "dead (stopped)").then_some(())
    });
}

const CLEANING: &str = r#"
job "cleaning" {
  type = "sysbatch"

  group "broom" {
    restart {
      attempts = 0
    }

    task "sweep" {
      driver = "raw_exec"

      config {
        command = "/bin/sh"
        args    = ["-c", "echo swept; exit $CODE"]
      }

      env {
        CODE = "0"
      }
    }
  }
}
"#;

#[test]
fn a_sysbatch_job_runs_once_on_each_node() {
    let world = World::dev();
    world.file("cleaning.nomad", CLEANING);
    let done = |complete: &str, failed: &str| {
        world.eventually("it has ended", || {
            let ended = summary(&world, "cleaning") == ["0", "0", "0", failed, complete, "0"];
            let status = world.run("nomad job status cleaning").ok();
            (ended && status.value("Status") == "dead").then_some(status)
        })
    };
    world.run("nomad run -detach cleaning.nomad").ok();
    assert_eq!(done("1", "0").value("Type"), "sysbatch");
    // The same again has nothing to do; what failed is tried again when somebody asks.
    world.run("nomad run cleaning.nomad").ok();
    done("1", "0");
    world.file("cleaning.nomad", &CLEANING.replace("CODE = \"0\"", "CODE = \"3\""));
    world.run("nomad run -detach cleaning.nomad").ok();
    done("1", "1");
    world.run("nomad job eval cleaning").ok();
    done("1", "2");
}

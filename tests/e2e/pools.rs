//! Pools of nodes, from the file that describes one to the jobs that ask for it.

use crate::harness::World;

fn job(name: &str, pool: &str) -> String {
    format!(
        "job \"{name}\" {{
  node_pool = \"{pool}\"
  group \"g\" {{
    task \"t\" {{
      driver = \"raw_exec\"
      config {{
        command = \"/bin/sleep\"
        args    = [\"600\"]
      }}
      env {{
        POOL = \"${{node.pool}}\"
      }}
      resources {{
        cpu    = 20
        memory = 20
      }}
    }}
  }}
}}
"
    )
}

#[test]
fn jobs_run_in_the_pool_that_they_ask_for() {
    let world = World::with(&["-dev", "-node-pool=edge"], |_| String::new());
    let list = world.run("nomad node pool list").ok().stdout;
    let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["Name", "all", "default", "edge"]);
    world.run("nomad node status").ok().has(&["Node Pool", "edge"]);

    world.file("edge.nomad", &job("at-the-edge", "edge"));
    world.file("default.nomad", &job("nowhere", "default"));
    world.file("gpu.nomad", &job("train", "gpu"));
    world.run("nomad run -detach edge.nomad").ok();
    world.running("at-the-edge", 1);
    world.run("nomad job status at-the-edge").ok().has(&["Node Pool", "edge"]);
    let refused = world.run("nomad run gpu.nomad");
    assert!(refused.stderr.contains("nonexistent node pool \"gpu\""), "{}", refused.stderr);

    world.run("nomad run -detach default.nomad").ok();
    world.eventually("the other job waits", || {
        let evals = world.get("/v1/job/nowhere/evaluations");
        evals.as_array().unwrap().iter().any(|eval| eval["Status"] == "blocked").then_some(())
    });
    world.run("troupe explain nowhere").ok().has(&["of the node pools edge"]);
    world.run("nomad node pool jobs edge").ok().has(&["at-the-edge"]);
    assert!(!world.run("nomad node pool jobs edge").ok().stdout.contains("nowhere"));
    assert_eq!(world.run("nomad node pool nodes -quiet edge").ok().stdout.lines().count(), 1);
    assert_eq!(world.run("nomad node pool nodes default").ok().stdout, "No nodes\n");

    world.run("nomad node pool init").ok().has(&["written to pool.nomad.hcl"]);
    world
        .run("nomad node pool apply pool.nomad.hcl")
        .ok()
        .has(&["Successfully applied node pool \"example\"!"]);
    world.run("nomad node pool info exam").ok().has(&["Example node pool", "owner"]);
    world.run("nomad node pool delete example").ok();
    let refused = world.run("nomad node pool delete edge");
    assert!(refused.stderr.contains("has nodes"), "{}", refused.stderr);
    let refused = world.run("nomad node pool info example");
    assert!(refused.stderr.contains("No node pool"), "{}", refused.stderr);
}

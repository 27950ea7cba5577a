//! Metadata of a node that is changed while it runs.

use crate::harness::World;

#[test]
fn metadata_is_changed_seen_by_jobs_and_kept() {
    let mut world = World::with(&["-meta=rack=r1"], |dir| {
        format!(
            "data_dir = {:?}\nbind_addr = \"127.0.0.1\"\nserver {{\n  enabled = true\n  bootstrap_expect = 1\n}}\n\
             client {{\n  enabled = true\n  options = {{ \"driver.raw_exec.enable\" = \"1\" }}\n}}\n",
            dir.join("data")
        )
    });
    let job = "job \"picky\" {
  type = \"system\"
  constraint {
    attribute = \"${meta.zone}\"
    value     = \"z1\"
  }
  group \"g\" {
    task \"t\" {
      driver = \"raw_exec\"
      config {
        command = \"/bin/sleep\"
        args    = [\"600\"]
      }
      resources {
        cpu    = 20
        memory = 20
      }
    }
  }
}
";
    world.file("picky.nomad", job);
    world.run("nomad run -detach picky.nomad").ok();
    let ready = |world: &World| {
        world.eventually("the node is ready", || {
            let nodes = world.get("/v1/nodes");
            nodes.as_array().unwrap().iter().find(|node| node["Status"] == "ready").cloned()
        })
    };
    let node = ready(&world)["ID"].as_str().unwrap().to_owned();
    world.run("nomad node meta apply zone=z1 rack=r2").ok();
    world.running("picky", 1);
    let read = world.run("nomad node meta read").ok();
    read.has(&["All Meta", "Dynamic Meta", "Static Meta", "r1", "r2"]);
    let refused = world.run("nomad node meta apply zone");
    assert!(refused.stderr.contains("key=value"), "{}", refused.stderr);

    world.agent.kill();
    world.agent.start_again().unwrap();
    ready(&world);
    let meta = || world.get(&format!("/v1/node/{node}"))["Meta"].clone();
    world.eventually("the metadata is known again", || {
        (meta()["zone"] == "z1" && meta()["rack"] == "r2").then_some(())
    });
    world.run(&format!("nomad node meta apply -node-id {} -unset zone,rack", &node[..8])).ok();
    world.eventually("the metadata is gone", || {
        (meta().get("zone").is_none() && meta().get("rack").is_none()).then_some(())
    });
    world.running("picky", 0);
    let shown = world.get("/v1/client/metadata");
    assert_eq!(
        (&shown["Static"]["rack"], &shown["Dynamic"]["rack"]),
        (&"r1".into(), &serde_json::Value::Null)
    );
    world.run("nomad stop picky").ok();
}

//! Data that outlive their allocation: `ephemeral_disk { sticky = true }`.

use crate::harness::World;

/// Writes its value behind those of the allocations before it, wherever data may stay, and a secret.
fn job(value: &str, more: &str) -> String {
    format!(
        r#"
job "diary" {{
  datacenters = ["dc1"]
  group "g" {{
    ephemeral_disk {{
      sticky = true
    }}
    task "t" {{
      driver = "raw_exec"
      config {{
        command = "/bin/sh"
        args = ["-c", "echo $VALUE >> $NOMAD_ALLOC_DIR/data/diary; echo $VALUE >> $NOMAD_TASK_DIR/diary; echo $VALUE >> $NOMAD_SECRETS_DIR/diary; {more} echo $VALUE >> $NOMAD_ALLOC_DIR/logs/diary; while true; do sleep 0.1; done"]
      }}
      env {{
        VALUE = "{value}"
      }}
      kill_timeout = "20s"
      resources {{
        cpu = 20
        memory = 16
      }}
    }}
  }}
}}
"#
    )
}

fn update(world: &World, value: &str, more: &str) {
    world.file("diary.nomad", &job(value, more));
    world.run("nomad run -detach diary.nomad").ok();
}

/// The allocation that runs this value, once it has written it.
#[track_caller]
fn written(world: &World, value: &str) -> String {
    world.eventually(&format!("{value} is written"), || {
        let alloc = world
            .allocs("diary")
            .into_iter()
            .find(|alloc| alloc["ClientStatus"] == "running" && alloc["DesiredStatus"] == "run")?;
        let id = alloc["ID"].as_str()?.to_owned();
        read(world, &id, "alloc/logs/diary").filter(|text| text.ends_with(&format!("{value}\n")))?;
        Some(id)
    })
}

fn read(world: &World, alloc: &str, path: &str) -> Option<String> {
    let ran = world.run(&format!("nomad alloc fs {alloc} {path}"));
    (ran.code == 0).then_some(ran.stdout)
}

#[test]
fn an_update_keeps_data_and_nothing_else() {
    let world = World::dev();
    update(&world, "one", "");
    let first = written(&world, "one");
    update(&world, "two", "");
    let second = written(&world, "two");
    assert_ne!(first, second);
    assert_eq!(read(&world, &second, "alloc/data/diary").as_deref(), Some("one\ntwo\n"));
    assert_eq!(read(&world, &second, "t/local/diary").as_deref(), Some("one\ntwo\n"));
    assert_eq!(read(&world, &second, "alloc/logs/diary").as_deref(), Some("two\n"));
    let secret = world.run(&format!("nomad alloc exec -task t {second} cat secrets/diary")).ok().stdout;
    assert_eq!(secret, "two\n");
    let status = world.run(&format!("nomad alloc status {second}")).ok().stdout;
    assert!(status.contains(&format!("Took over the data of allocation {first}")), "{status}");

    // As an archive.
    let answer =
        crate::web::get(world.agent.http, &format!("/v1/client/allocation/{second}/snapshot")).unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("alloc/data/diary") && answer.body.contains("t/local/diary"));
    assert!(!answer.body.contains("secrets/diary"));
}

#[test]
fn updates_in_a_row_lose_nothing() {
    let world = World::dev();
    // Takes its time to end, so that others come and go before they could begin.
    update(&world, "one", "trap 'sleep 2; echo end >> $NOMAD_ALLOC_DIR/data/diary; exit' INT TERM;");
    written(&world, "one");
    update(&world, "two", "");
    update(&world, "three", "");
    let last = written(&world, "three");
    let diary = read(&world, &last, "alloc/data/diary").unwrap();
    assert!(diary.starts_with("one\nend\n") && diary.ends_with("three\n"), "{diary}");
}

#[test]
fn an_agent_that_is_killed_meanwhile_goes_on() {
    let mut world = World::kept();
    update(&world, "one", "trap 'sleep 2; echo end >> $NOMAD_ALLOC_DIR/data/diary; exit' INT TERM;");
    let first = written(&world, "one");
    update(&world, "two", "");
    world.eventually("the first is being stopped", || {
        let alloc = world.get(&format!("/v1/allocation/{first}"));
        alloc["TaskStates"]["t"]["Events"].to_string().contains("\"Killing\"").then_some(())
    });
    world.agent.kill();
    world.agent.start_again().unwrap();
    let second = written(&world, "two");
    assert_eq!(read(&world, &second, "alloc/data/diary").as_deref(), Some("one\nend\ntwo\n"));
    assert_eq!(read(&world, &second, "t/local/diary").as_deref(), Some("one\ntwo\n"));
    // It has its data: another agent takes nothing away.
    world.agent.kill();
    world.agent.start_again().unwrap();
    assert_eq!(written(&world, "two"), second);
    assert_eq!(read(&world, &second, "alloc/data/diary").as_deref(), Some("one\nend\ntwo\n"));
}

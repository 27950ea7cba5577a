//! New versions that have to prove themselves, as somebody at a terminal sees them.

use crate::harness::World;

/// A job of two, with the shell command that they run and more of the update strategy.
fn job(command: &str, update: &str) -> String {
    format!(
        r#"
job "shop" {{
  update {{
    canary            = 1
    min_healthy_time  = "100ms"
    healthy_deadline  = "20s"
    progress_deadline = "30s"
    {update}
  }}

  group "front" {{
    count = 2

    restart {{
      attempts = 0
      mode     = "fail"
    }}

    task "web" {{
      driver = "raw_exec"

      config {{
        command = "/bin/sh"
        args    = ["-c", "{command}"]
      }}

      service {{
        name        = "shop"
        tags        = ["live"]
        canary_tags = ["canary"]
      }}
    }}
  }}
}}
"#
    )
}

#[test]
fn a_canary_is_promoted_or_the_stable_version_comes_back() {
    let world = World::dev();
    let submit = |command: &str, update: &str| {
        world.file("shop.nomad", &job(command, update));
        world.run("nomad job run shop.nomad")
    };
    let tagged = |tag: &str| {
        let entries = world.consul(&format!("/v1/catalog/service/shop?tag={tag}"));
        entries.as_array().map_or(0, Vec::len)
    };
    let versions = || {
        let mut versions: Vec<u64> = world
            .allocs("shop")
            .iter()
            .filter(|alloc| alloc["DesiredStatus"] == "run" && alloc["ClientStatus"] == "running")
            .map(|alloc| alloc["JobVersion"].as_u64().unwrap())
            .collect();
        versions.sort_unstable();
        versions
    };
    submit("exec sleep 1001", "auto_revert = true").ok().has(&["Deployment completed successfully"]);

    // A bad version costs nothing, and says why it is bad.
    let bad = submit("echo no configuration here; echo really >&2; exit 3", "auto_revert = true");
    assert_eq!(bad.code, 3, "{bad:?}");
    for words in [
        "rolling back to job version 0",
        "no configuration here",
        "really",
        "Exit Code: 3",
        "Deployment completed successfully",
    ] {
        assert!(bad.stdout.contains(words), "{words}: {bad:?}");
    }
    world.eventually("the version that worked runs", || (versions() == [2, 2]).then_some(()));

    // A good one waits for somebody, beside the old one and under its own tag.
    let proving = submit("exec sleep 1002", "auto_revert = true").ok();
    proving.has(&["Deployment is running but requires manual promotion", "All canaries are healthy"]);
    assert_eq!(versions(), [2, 2, 3]);
    world.eventually("the canary is found", || ((tagged("live"), tagged("canary")) == (2, 1)).then_some(()));
    world.run("nomad job promote shop").ok().has(&["Deployment completed successfully"]);
    world.eventually("the old ones are gone", || (versions() == [3, 3]).then_some(()));
    world.eventually("nothing is a canary", || ((tagged("live"), tagged("canary")) == (2, 0)).then_some(()));
    let again = world.run("nomad job promote shop");
    assert!(again.code == 1 && again.stderr.contains("can't promote terminal deployment"), "{again:?}");

    // One that promotes itself, and one that is failed by hand.
    submit("exec sleep 1003", "auto_promote = true").ok().has(&["Deployment completed successfully"]);
    world.eventually("it went on by itself", || (versions() == [4, 4]).then_some(()));
    submit("exec sleep 1004", "auto_revert = true").ok();
    let id = world.get("/v1/job/shop/deployment")["ID"].as_str().unwrap().to_owned();
    let failed = world.run(&format!("nomad deployment fail -detach {id}")).ok();
    failed.has(&["Auto-reverted to job version 4."]);
    world.eventually("the canary is gone", || (versions() == [6, 6]).then_some(()));
}

#[test]
fn a_run_without_progress_ends_with_its_own_code() {
    let world = World::dev();
    let text = job("exec sleep 1000", "health_check = \"manual\"").replace("\"30s\"", "\"1s\"");
    world.file("shop.nomad", &text.replace("\"20s\"", "\"500ms\""));
    let late = world.run("nomad job run shop.nomad");
    assert!(late.code == 4 && late.stdout.contains("Failed due to progress deadline"), "{late:?}");
}

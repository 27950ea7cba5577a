//! The training: http-echo behind a static port, a second one that finds the port taken, then dynamic ports.

use crate::harness::{World, docker, free_port, images, need};

fn job(count: u32, port: &str) -> String {
    format!(
        r#"
job "http-echo" {{
  datacenters = ["dc1"]
  group "echo" {{
    count = "{count}"
    task "server" {{
      driver = "docker"
      config {{
        image = "hashicorp/http-echo:0.2.3"
        network_mode = "host"
        args = [
          "-listen", ":${{NOMAD_PORT_http}}",
          "-text", "hello world",
        ]
      }}
      kill_timeout = "2s"
      resources {{
        memory = 10
        network {{
          mbits = 10
          port "http" {{ {port} }}
        }}
      }}
      service {{
        name = "http-echo"
        port = "http"
        tags = ["anaconda", "urlprefix-/http-echo"]
        check {{
          type     = "http"
          path     = "/health"
          interval = "1s"
          timeout  = "5s"
        }}
      }}
    }}
  }}
}}
"#
    )
}

#[test]
fn a_static_port_is_given_once() {
    need(&[images::HTTP_ECHO]);
    let world = World::dev();
    let port = free_port();
    world.file("http-echo.nomad", &job(1, &format!("static = {port}")));
    let run = world.run("nomad run http-echo.nomad").ok();
    run.has(&["Evaluation triggered by job \"http-echo\"", "\" created: node \"", "group \"echo\""]);
    let allocs = world.running("http-echo", 1);
    assert_eq!(world.address(&allocs[0], "http").port(), port, "`status` shows the static port");
    let page = world.page(std::net::SocketAddr::from(([127, 0, 0, 1], port)), "/");
    assert_eq!(page, "hello world\n");
    world.eventually("the HTTP check passes and DNS has it", || {
        (world.dig("+short anaconda.http-echo.service.consul") == "127.0.0.1\n").then_some(())
    });
    world.eventually("requests are logged", || {
        let logs = world.run(&format!("nomad logs {}", allocs[0]["ID"].as_str().unwrap())).ok();
        logs.stdout.contains("\"GET / HTTP/1.1\" 200").then_some(())
    });

    // As in the training: all five want the port, and there is one node.
    world.file("http-echo.nomad", &job(5, &format!("static = {port}")));
    let run = world.run("nomad run http-echo.nomad");
    assert_eq!(run.code, 2, "{run:?}");
    run.has(&[
        "finished with status \"complete\" but failed to place all allocations:",
        "Task Group \"echo\" (failed to place 4 allocations):",
        "* Resources exhausted on 1 nodes",
        "* Dimension \"network: reserved port collision",
        "exhausted on 1 nodes",
        "waiting for additional capacity to place remainder",
    ]);
    let status = world.run("nomad status http-echo").ok();
    assert_eq!(status.table("Summary")[1][..4], ["echo", "4", "0", "1"]);
    assert_eq!(
        world.allocs("http-echo").iter().filter(|alloc| alloc["ClientStatus"] == "running").count(),
        1
    );

    // And the way out: ports chosen by the scheduler.
    world.file("http-echo.nomad", &job(3, ""));
    world.run("nomad run http-echo.nomad").ok();
    let allocs = world.running("http-echo", 3);
    let mut ports: Vec<u16> = allocs.iter().map(|alloc| world.address(alloc, "http").port()).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 3, "three ports, all different");
    let all = world.eventually("all three are in DNS", || {
        let all = world.dig("+short SRV http-echo.service.consul");
        (all.lines().count() == 3).then_some(all)
    });
    for port in ports {
        assert!(all.contains(&format!(" {port} ")), "{port} in {all}");
    }
    world.run("nomad stop http-echo").ok();
    world.eventually("no container is left", || {
        let left: Vec<String> = allocs
            .iter()
            .map(|alloc| {
                docker(&["ps", "-aq", "--filter", &format!("name={}", alloc["ID"].as_str().unwrap())])
            })
            .collect();
        left.iter().all(String::is_empty).then_some(())
    });
}

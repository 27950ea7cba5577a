//! Services at the address of their container, with weights and addresses of the job's own.

use crate::harness::{World, docker, images, need};

/// `mode`: where the check goes.
fn job(weight: u16, mode: &str) -> String {
    format!(
        r#"
job "own" {{
  datacenters = ["dc1"]
  group "echo" {{
    network {{
      port "http" {{ to = 5678 }}
    }}
    task "server" {{
      driver = "docker"
      config {{
        image = "hashicorp/http-echo:0.2.3"
        args  = ["-listen", ":5678", "-text", "hello"]
        ports = ["http"]
      }}
      resources {{
        memory = 10
      }}
      kill_timeout = "2s"
      service {{
        name         = "own"
        port         = "http"
        address_mode = "driver"
        weights {{
          passing = {weight}
          warning = 3
        }}
        tagged_addresses {{
          wan = "198.51.100.7:443"
        }}
        check {{
          type         = "tcp"
          address_mode = "{mode}"
          interval     = "1s"
          timeout      = "5s"
        }}
      }}
      service {{
        name         = "number"
        port         = 5678
        address_mode = "driver"
      }}
      service {{
        name = "node"
        port = "http"
      }}
    }}
  }}
}}
"#
    )
}

#[test]
fn a_container_is_found_by_its_own_address() {
    need(&[images::HTTP_ECHO]);
    let world = World::dev();
    world.file("own.nomad", &job(7, "driver"));
    world.run("nomad run own.nomad").ok();
    let alloc = world.running("own", 1).remove(0);
    let id = alloc["ID"].as_str().unwrap();
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let address = docker(&["inspect", "--format", format, &format!("server-{id}")]).trim().to_owned();
    let srv = |service: &str, weight: u16, port: u16| {
        world.eventually(&format!("{service} has weight {weight} and port {port}"), || {
            let told = world.dig(&format!("+short SRV {service}.service.consul"));
            told.starts_with(&format!("1 {weight} {port} ")).then_some(())
        });
    };
    let details = world.get(&format!("/v1/allocation/{id}"));
    let port = details["AllocatedResources"]["Shared"]["Ports"][0]["Value"].as_u64().unwrap() as u16;
    srv("own", 7, 5678);
    srv("number", 1, 5678);
    srv("node", 1, port);
    for service in ["own", "number"] {
        assert_eq!(world.dig(&format!("+short {service}.service.consul")).trim(), address);
    }
    let entry = world.eventually("the check reaches the container", || {
        world.consul("/v1/health/service/own?passing").as_array().unwrap().first().cloned()
    });
    let service = &entry["Service"];
    assert_eq!((service["Address"].as_str(), service["Port"].as_u64()), (Some(&*address), Some(5678)));
    assert_eq!(service["Weights"], serde_json::json!({"Passing": 7, "Warning": 3}));
    let wan = serde_json::json!({"Address": "198.51.100.7", "Port": 443});
    assert_eq!(service["TaggedAddresses"]["wan"], wan);

    let checked = |output: &str| {
        world.eventually(&format!("the check says {output}"), || {
            let entries = world.consul("/v1/health/service/own?passing");
            entries[0]["Checks"].to_string().contains(output).then_some(())
        });
    };
    checked(&format!("{address}:5678"));

    // Another weight is told, and another check made, without another container.
    world.file("own.nomad", &job(70, "host"));
    let plan = world.run("nomad plan own.nomad");
    assert!(plan.stdout.contains("Passing:") && plan.stdout.contains("in-place update"), "{}", plan.stdout);
    world.run("nomad run own.nomad").ok();
    srv("own", 70, 5678);
    checked(&format!("127.0.0.1:{port}"));
    assert_eq!(world.running("own", 1)[0]["ID"], alloc["ID"]);
    let written = world.run("nomad job inspect -hcl own").ok().stdout;
    assert!(written.contains("weights") && written.contains("address_mode"), "{written}");

    // A container in the network of the node has no other address.
    let wrong = job(7, "host").replace("ports = [\"http\"]", "network_mode = \"host\"");
    world.file("wrong.nomad", &wrong);
    let refused = world.run("nomad run wrong.nomad");
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("has no address of its own"), "{}", refused.stderr);
    world.run("nomad stop own").ok();
}

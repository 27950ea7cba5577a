//! Files that parse, and what they mean.

use std::{path::Path, time::Duration};

use model::{
    CheckKind, DelayFunction, Disconnect, HealthCheck, Job, JobType, MemoryMax, Operand, Reconcile,
    RestartMode, Spread, SpreadTarget, Value,
};

use super::{around, job};
use crate::parse;

fn example(name: &str) -> Job {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    job(&std::fs::read_to_string(path).expect("the example is there"))
}

#[test]
fn the_job_files_people_learn_with() {
    for name in ["redis", "http-echo", "whoami", "microservice", "todo", "sleep", "batch", "system"] {
        insta::assert_json_snapshot!(name, example(&format!("{name}.nomad")));
    }
}

#[test]
fn defaults_of_a_service() {
    insta::assert_json_snapshot!(job(&around("", "", "service { }")));
}

#[test]
fn defaults_of_jobs_on_every_node() {
    let group = |kind: &str| job(&around(&format!("type = \"{kind}\""), "", "")).groups.remove(0);
    let system = group("system");
    assert_eq!(system.restart, model::RestartPolicy::for_type(JobType::Service));
    assert_eq!(system.update, Some(model::UpdateStrategy::default()));
    let sysbatch = group("sysbatch");
    assert_eq!(sysbatch.restart, model::RestartPolicy::for_type(JobType::Batch));
    assert_eq!(sysbatch.update, None);
    for group in [system, sysbatch] {
        assert_eq!((group.count, group.reschedule, group.migrate), (1, None, None));
    }
    let at_once =
        job(&around("type = \"system\"", "count = 0\nupdate {\n  max_parallel = 0\n}", "")).groups.remove(0);
    assert_eq!((at_once.count, at_once.update), (0, None));
    let old = job(&around("type = \"system\"\nupdate {\n  stagger = \"5s\"\n  max_parallel = 2\n}", "", ""));
    assert_eq!(old.groups[0].update.as_ref().map(|update| update.max_parallel), Some(2));
}

#[test]
fn old_spellings_mean_the_same() {
    let new = job("job \"j\" {
      datacenters = [\"dc1\"]
      group \"g\" {
        count = 5
        network {
          port \"http\" {
            static = 80
            to     = 8080
          }
        }
        task \"t\" {
          driver = \"docker\"
          config {
            image    = \"x\"
            port_map = { http = 8080 }
            labels   = { a = \"1\", \"b.c\" = \"true\" }
            args     = [\"-p\", \"80\"]
          }
          env {
            FOO = \"bar\"
            N   = \"1\"
          }
          leader = true
        }
      }
    }");
    let old = job("job j { datacenters = [\"dc1\",], group \"g\" { \"count\" = \"5\" network = { } 
        task \"t\" { driver = \"docker\" leader = \"true\"
          config { image = \"x\" port_map { http = \"8080\" } labels { a = 1 } labels { b.c = true } args = [\"-p\", 80] }
          env = { \"FOO\" = \"bar\", N = 1 } }
      } }"
        .replace("network = { }", "network { port \"http\" { static = \"80\" to = \"8080\" } }")
        .as_str());
    assert_eq!(old, new);
    let map = old.groups[0].tasks[0].config.get("port_map");
    assert_eq!(map, Some(&Value::Map([(String::from("http"), Value::Int(8080))].into())));
}

#[test]
fn port_maps_in_every_form() {
    for form in [
        "port_map { db = 6379 web = 80 }",
        "port_map = { db = 6379, web = \"80\" }",
        "port_map = [{ db = 6379 }, { web = 80 }]",
        "port_map { db = 6379 }\nport_map { web = 80 }",
        "port_map {\n  \"db\" = 6379\n  \"web\" = 80\n}",
    ] {
        let job = job(&format!(
            "job \"j\" {{ group \"g\" {{ network {{ port \"db\" {{}} port \"web\" {{}} }}
             task \"t\" {{ driver = \"docker\" config {{ image = \"x\"\n{form} }} }} }} }}"
        ));
        let map = [(String::from("db"), Value::Int(6379)), (String::from("web"), Value::Int(80))];
        assert_eq!(job.groups[0].tasks[0].config["port_map"], Value::Map(map.into()), "{form}");
    }
}

#[test]
fn what_is_known_at_run_time_survives() {
    let text = around(
        "constraint { attribute = \"${attr.unique.network.ip-address}\" value = \"x\" }",
        "",
        r#"env { A = "${NOMAD_PORT_http}" B = "%${NOMAD_PORT_http}" C = "$${HOME}" D = "${env["HOME"]}-${meta.x}" E = "${1 + 1}" F = "a\tb\u00e9\\" }
        service { name = "${TASKGROUP}-redis" tags = ["${node.unique.name}"] }
        user = <<-EOF
            one ${NOMAD_ALLOC_ID}
              two \n
            EOF"#,
    );
    let job = job(&text);
    let task = &job.groups[0].tasks[0];
    assert_eq!(job.constraints[0].left, "${attr.unique.network.ip-address}");
    let env: Vec<&str> = task.env.values().map(String::as_str).collect();
    let expected = [
        "${NOMAD_PORT_http}",
        "%${NOMAD_PORT_http}",
        "${HOME}",
        "${env[\"HOME\"]}-${meta.x}",
        "2",
        "a\tbé\\",
    ];
    assert_eq!(env, expected);
    assert_eq!(task.user, "one ${NOMAD_ALLOC_ID}\n  two \\n\n");
    assert_eq!(task.services[0].name, "${TASKGROUP}-redis");
}

#[test]
fn literal_arithmetic_is_worked_out() {
    let job = job(&around(
        "priority = 10 * (2 + 3)",
        "count = true ? 3 : 1",
        "resources { memory = 2 * 1024 # two GB\n }",
    ));
    assert_eq!((job.priority, job.groups[0].count), (50, 3));
    assert_eq!(job.groups[0].tasks[0].resources.memory_mb, 2048);
}

#[test]
fn policies_are_merged_from_the_outside_in() {
    let job = job(&around(
        "update { max_parallel = 2 stagger = \"10s\" health_check = \"task_states\" }",
        "update { max_parallel = 3 } restart { attempts = 5 mode = \"delay\" }
         reschedule { attempts = 3 interval = \"24h\" unlimited = false delay_function = \"constant\" }",
        "restart { attempts = 1 }",
    ));
    let group = &job.groups[0];
    let update = group.update.as_ref().expect("services have one");
    assert_eq!((update.max_parallel, update.stagger), (3, Duration::from_secs(10)));
    assert_eq!(update.health_check, HealthCheck::TaskStates);
    assert_eq!((group.restart.attempts, group.restart.mode), (5, RestartMode::Delay));
    assert_eq!((group.tasks[0].restart.attempts, group.tasks[0].restart.mode), (1, RestartMode::Delay));
    let reschedule = group.reschedule.as_ref().expect("three attempts");
    assert_eq!((reschedule.attempts, reschedule.delay_function), (3, DelayFunction::Constant));
}

#[test]
fn policies_can_be_turned_off() {
    let job =
        job(&around("update { max_parallel = 0 }", "reschedule { attempts = 0 unlimited = false }", ""));
    assert_eq!((&job.groups[0].update, &job.groups[0].reschedule), (&None, &None));
}

#[test]
fn batch_has_its_own_defaults() {
    let job = job(&around("type = \"batch\"", "", ""));
    let group = &job.groups[0];
    assert_eq!((job.kind, group.restart.attempts), (JobType::Batch, 3));
    assert_eq!(group.reschedule.as_ref().map(|policy| policy.attempts), Some(1));
    assert_eq!((&group.update, &group.migrate), (&None, &None));
}

#[test]
fn a_task_in_the_job_gets_a_group() {
    let job = job("job \"j\" { task \"web\" { driver = \"mock_driver\" service { } } }");
    assert_eq!((job.groups[0].name.as_str(), job.groups[0].count), ("web", 1));
    assert_eq!(job.groups[0].tasks[0].services[0].name, "j-web-web");
    assert!(job.groups[0].update.is_some());
}

#[test]
fn constraints_in_every_spelling() {
    let job = job(&around(
        "constraint { distinct_hosts = true }
         constraint { distinct_hosts = false }
         constraint { operator = \"distinct_hosts\" value = \"true\" }
         constraint { attribute = \"${attr.v}\" version = \">= 1.0, < 2\" }
         constraint { attribute = \"${attr.v}\" operator = \"regexp\" value = \"^a\" }
         constraint { attribute = \"${meta.x}\" operator = \"is_set\" }
         constraint = { attribute = \"${meta.x}\", set_contains = \"a,b\" }",
        "",
        "",
    ));
    let operands: Vec<Operand> = job.constraints.iter().map(|constraint| constraint.operand).collect();
    assert_eq!(
        operands,
        [
            Operand::SetContains,
            Operand::DistinctHosts,
            Operand::DistinctHosts,
            Operand::Version,
            Operand::Regexp,
            Operand::IsSet
        ]
    );
}

#[test]
fn distinct_properties() {
    let job = job(&around(
        "constraint { distinct_property = \"${meta.rack}\" }",
        "constraint { operator = \"distinct_property\" attribute = \"${node.class}\" value = \"2\" }
         constraint { distinct_property = \"${node.datacenter}\" value = 3 }",
        "",
    ));
    let read = |constraints: &[model::Constraint]| -> Vec<(String, Option<u32>)> {
        constraints.iter().map(|one| (one.left.clone(), one.allowed())).collect()
    };
    assert_eq!(read(&job.constraints), [("${meta.rack}".into(), Some(1))]);
    let expected = [("${node.class}".into(), Some(2)), ("${node.datacenter}".into(), Some(3))];
    assert_eq!(read(&job.groups[0].constraints), expected);
}

#[test]
fn more_memory_than_is_reserved() {
    let max = |text: &str| {
        let text = format!("resources {{ memory = 200 {text} }}");
        job(&around("", "", &text)).groups[0].tasks[0].resources.memory_max
    };
    assert_eq!(max(""), None);
    assert_eq!(max("memory_max = 0"), None);
    assert_eq!(max("memory_max = \"200\""), Some(MemoryMax::Mb(200)));
    assert_eq!(max("memory_max = -1"), Some(MemoryMax::Unlimited));
}

#[test]
fn affinities_in_every_place() {
    let job = job(&around(
        "affinity { attribute = \"${node.datacenter}\" value = \"dc1\" }",
        "affinity = { attribute = \"${attr.v}\", version = \">= 1.0\", weight = \"-100\" }",
        "affinity {\n  attribute = \"${meta.x}\"\n  operator = \"is_set\"\n  weight = 1\n}",
    ));
    let group = &job.groups[0];
    let all = [&job.affinities, &group.affinities, &group.tasks[0].affinities].map(|list| {
        let [one] = list.as_slice() else { panic!("{list:?}") };
        (one.rule.left.as_str(), one.rule.operand, one.rule.right.as_str(), one.weight)
    });
    assert_eq!(
        all,
        [
            ("${node.datacenter}", Operand::Equal, "dc1", 50),
            ("${attr.v}", Operand::Version, ">= 1.0", -100),
            ("${meta.x}", Operand::IsSet, "", 1),
        ]
    );
}

#[test]
fn spreads_even_and_with_targets() {
    let job = job(&around(
        "spread { attribute = \"${node.datacenter}\" }",
        "spread {
           attribute = \"${meta.rack}\"
           weight    = 100
           target \"r1\" { percent = 60 }
           target \"r2\" { percent = \"40\" }
         }
         spread = { attribute = \"${node.class}\", weight = 1 }",
        "",
    ));
    let even = |attribute: &str, weight| Spread { attribute: attribute.into(), weight, targets: vec![] };
    assert_eq!(job.spreads, [even("${node.datacenter}", 50)]);
    let target = |value: &str, percent| SpreadTarget { value: value.into(), percent };
    let targets = vec![target("r1", 60), target("r2", 40)];
    let racks = Spread { targets, ..even("${meta.rack}", 100) };
    assert_eq!(job.groups[0].spreads, [even("${node.class}", 1), racks]);
}

#[test]
fn checks_take_what_their_service_says() {
    let job = job(&around(
        "",
        "network { port \"http\" {} }",
        "service { port = \"http\" check_restart { limit = 3 }
          check { type = \"http\" path = \"health\" interval = \"10s\" timeout = 2000000000 header { X = [\"a\", \"b\"] Y = \"c\" } }
          check { type = \"script\" command = \"/bin/true\" interval = \"10s\" timeout = \"2s\" check_restart { limit = 1 grace = \"5s\" } } }",
    ));
    let [http, script] = job.groups[0].tasks[0].services[0].checks.as_slice() else { panic!("two checks") };
    assert_eq!((http.kind, http.path.as_str(), http.method.as_str()), (CheckKind::Http, "/health", "GET"));
    assert_eq!((http.timeout, http.headers.len()), (Duration::from_secs(2), 2));
    assert_eq!(http.restart.as_ref().map(|restart| restart.limit), Some(3));
    assert_eq!(script.restart.as_ref().map(|restart| restart.grace), Some(Duration::from_secs(5)));
    assert_eq!(http.name, "service: \"j-g-t\" check");
    assert_ne!(http.name, script.name);
}

#[test]
fn values_that_change_nothing_are_accepted() {
    job(&around(
        "update { canary = 0 auto_revert = false auto_promote = false } node_pool = \"default\" region = null",
        "ephemeral_disk { sticky = false migrate = false } network { mode = \"host\" port \"a\" { static = 0 to = -1 } }",
        "service { provider = \"consul\" address_mode = \"auto\" enable_tag_override = false }
         logs { disabled = false } restart { render_templates = false }",
    ));
}

#[test]
fn odd_things_are_mentioned() {
    let text =
        around("update { max_parallel = 5 }", "update {\nmax_parallel = 4 }", "resources { iops = 0 }");
    let parsed = parse("odd.nomad", &text).expect("odd, not wrong");
    insta::assert_snapshot!(parsed.warnings.join("\n"));
}

#[test]
fn marks_and_line_ends_of_other_systems() {
    let text = format!("\u{feff}{}", around("", "count = 2", "").replace('\n', "\r\n"));
    assert_eq!(job(&text).groups[0].count, 2);
}

#[test]
fn comments_anywhere() {
    let job = job(
        "# a\n// b\n/* c\n d */ job \"j\" { # e\n group \"g\" { count = 2 // f\n task \"t\" /* g */ { driver = /* h */ \"mock_driver\" } } } # i",
    );
    assert_eq!(job.groups[0].count, 2);
}

#[test]
fn patience_with_nodes_that_are_cut_off() {
    let disconnect = |text: &str| job(&around("", text, "")).groups[0].disconnect.clone();
    let hour = Disconnect { lost_after: Duration::from_secs(3600), ..Disconnect::default() };
    assert_eq!(disconnect(""), None);
    assert_eq!(disconnect("max_client_disconnect = \"1h\""), Some(hour.clone()));
    assert_eq!(disconnect("disconnect { lost_after = \"1h\" }"), Some(hour.clone()));
    assert_eq!(
        disconnect("disconnect { lost_after = \"1h\" replace = false reconcile = \"keep_original\" }"),
        Some(Disconnect { replace: false, reconcile: Reconcile::KeepOriginal, ..hour })
    );
    let stop = Disconnect { stop_on_client_after: Some(Duration::from_secs(60)), ..Disconnect::default() };
    assert_eq!(disconnect("stop_after_client_disconnect = \"1m\""), Some(stop.clone()));
    assert_eq!(disconnect("disconnect { stop_on_client_after = \"60s\" }"), Some(stop));
}

#[test]
fn cores_and_devices() {
    let text = "resources {
      cores = 2
      device \"nvidia/gpu/Tesla T4\" {
        count = 3
        constraint {
          attribute = \"${device.attr.memory}\"
          operator = \">=\"
          value = \"2 GiB\"
        }
        affinity {
          attribute = \"${device.model}\"
          value = \"A100\"
          weight = -20
        }
      }
      device \"fpga\" { }
      numa {
        affinity = \"none\"
      }
    }";
    let resources = job(&around("", "", text)).groups[0].tasks[0].resources.clone();
    assert_eq!((resources.cores, resources.cpu_mhz), (2, 0));
    let [gpu, fpga] = resources.devices.as_slice() else { panic!("{resources:?}") };
    assert_eq!((gpu.name.as_str(), gpu.count), ("nvidia/gpu/Tesla T4", 3));
    assert_eq!(gpu.constraints[0].operand, Operand::GreaterOrEqual);
    assert_eq!((gpu.affinities[0].rule.right.as_str(), gpu.affinities[0].weight), ("A100", -20));
    assert_eq!((fpga.name.as_str(), fpga.count), ("fpga", 1));
}

//! Every kind of refusal, word for word. Each case is a small file; the snapshots hold what is said about it.

use super::{around, errors};

/// A snapshot without the expression that made it: the cases are here already.
macro_rules! shows {
    ($text:expr) => {
        insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!($text) })
    };
}

/// The cases one after the other, each with its messages.
fn said(cases: &[(&str, String)]) -> String {
    let parts = cases.iter().map(|(title, source)| format!("## {title}\n{}\n", errors(source)));
    parts.collect::<Vec<_>>().join("\n")
}

fn in_task(text: &str) -> String {
    around("", "", text)
}

fn in_group(text: &str) -> String {
    around("", text, "")
}

fn in_job(text: &str) -> String {
    around(text, "", "")
}

fn docker(config: &str) -> String {
    format!(
        "job \"j\" {{\ngroup \"g\" {{\ntask \"t\" {{\ndriver = \"docker\"\nconfig {{\n{config}\n}}\n}}\n}}\n}}\n"
    )
}

#[test]
fn form() {
    shows!(said(&[
        ("empty file", String::new()),
        ("json", String::from("{\"job\": {}}")),
        ("two jobs", String::from("job \"a\" { group \"g\" { } }\njob \"b\" {}")),
        ("outside", String::from("datacenters = [\"dc1\"]\njobs \"x\" {}\nvariable \"a\" {}")),
        (
            "closing brace missing",
            String::from(
                "job \"j\" {\n  group \"g\" {\n    task \"t\" {\n      driver = \"docker\"\n  }\n}\n"
            )
        ),
        ("brace too much", String::from("job \"j\" {\n}\n}\n")),
        ("list not closed", in_job("datacenters = [\"dc1\"\ntype = \"batch\"")),
        ("text not closed", in_job("type = \"batch\nregion = \"global")),
        ("no equals sign", in_task("user \"nobody\"")),
        ("colon", in_task("user: \"nobody\"")),
        ("equals sign before nothing", in_task("user =\n}")),
        ("two mistakes", in_task("user ~ 1\nleader = true\nenv ! 2")),
        ("dots of an article", in_job("...")),
        ("unknown escape", in_task("user = \"a\\qb\"")),
        ("number with letters", in_group("count = 5x")),
        ("comment not closed", String::from("job \"j\" { /* no end")),
        ("heredoc not closed", in_task("user = <<EOF\nabc\n")),
        ("interpolation not closed", in_task("user = \"${abc\"")),
        ("set twice", in_group("count = 1\ncount = 2")),
        ("nested too deep", in_task(&format!("user = {}", "[".repeat(80)))),
    ]));
}

#[test]
fn too_large() {
    let text = errors(&format!("#{}", "x".repeat(2 * 1024 * 1024)));
    shows!(text);
}

#[test]
fn expressions() {
    shows!(said(&[
        ("variable", in_job("datacenters = [var.dc]")),
        ("variable in text", in_task("user = \"u-${var.name}-${attr.kernel.name}\"")),
        ("function over the API", in_task("user = file(\"x\")")),
        ("function misspelt", in_task("user = \"${uper(\"x\")}\"")),
        ("item of the wrong kind", in_job("datacenters = [for x in [1, [2]] : x]")),
        ("word without quotes", in_task("user = nobody")),
        ("run-time value without quotes", in_task("user = kernel.name")),
        ("computing with run-time values", in_task("user = upper(attr.kernel.name)")),
        ("unknown directive", in_task("user = \"%{Host}i\"")),
        ("dynamic", in_group("dynamic \"task\" {\n  for_each = 5\n  content {}\n}")),
        ("label with interpolation", String::from("job \"http-${identity}\" {\n  group \"g\" {}\n}")),
        ("no sense", in_group("count = 1 + \"a\"")),
    ]));
}

#[test]
fn names_and_values() {
    shows!(said(&[
        ("misspelt in job", in_job("datacenter = [\"dc1\"]")),
        ("misspelt in task", in_task("resource {\n  cpu = 1\n}")),
        ("belongs elsewhere", in_job("count = 2\nrestart { }")),
        ("nothing near", in_group("colour = \"red\"")),
        ("text for a list", in_job("datacenters = \"dc1\"")),
        ("list for text", in_job("region = [\"global\"]")),
        ("text for a number", in_group("count = \"many\"")),
        ("half a number", in_group("count = 1.5")),
        ("text for true", in_task("leader = \"yes\"")),
        ("negative", in_group("count = -1")),
        ("priority", in_job("priority = 101")),
        ("port too large", in_group("network {\n  port \"http\" {\n    to = 70000\n  }\n}")),
        ("cpu and memory", in_task("resources {\n  cpu = 0\n  memory = 5\n}")),
        ("durations", in_task("kill_timeout = \"30\"\nshutdown_delay = \"2 weeks\"")),
        (
            "task without name",
            String::from(
                "job \"j\" {\n  group \"g\" {\n    task {\n      driver = \"docker\"\n    }\n  }\n}"
            )
        ),
        ("two names", String::from("job \"j\" \"k\" {\n}")),
        ("block as argument", in_task("resources = 5")),
        ("argument as block", in_task("driver { }")),
        ("not one of the words", in_group("restart {\n  mode = \"dely\"\n}")),
        ("two resources", in_task("resources { }\nresources { }")),
        ("map in a map", in_task("env {\n  A = [1]\n}")),
    ]));
}

#[test]
fn unsupported() {
    let task_blocks = "vault { }\nvolume_mount { }";
    shows!(said(&[
        ("no type at all", in_job("type = \"always\"")),
        ("type misspelt", in_job("type = \"servise\"")),
        ("job blocks", in_job("multiregion { }\nui {\n  description = \"x\"\n}")),
        ("group blocks", in_group("volume \"v\" { }")),
        ("task blocks", in_task(task_blocks)),
        (
            "canaries",
            in_job(
                "update {\n  max_parallel = 0\n  canary = 1\n}\ngroup \"h\" {\n  update {\n    auto_promote = true\n    health_check = \"by hand\"\n  }\n}"
            )
        ),
        ("bridge", in_group("network {\n  mode = \"bridge\"\n}")),
        ("old disk", in_task("resources {\n  disk = 300\n}")),
        ("service", in_task("service {\n  provider = \"etcd\"\n  connect { }\n}")),
        ("driver", in_task("").replace("raw_exec", "exec")),
        ("driver misspelt", in_task("").replace("raw_exec", "dokcer")),
        (
            "docker settings",
            docker(
                "image = \"x\"\nprivileged = true\nlogging {\n  type = \"syslog\"\n}\nmount { }\nimages = \"y\""
            )
        ),
    ]));
}

#[test]
fn what_does_not_go_with_jobs_on_every_node() {
    let system = |text: &str| in_job(&format!("type = \"system\"\n{text}"));
    let group = |kind: &str, text: &str| {
        in_group(text).replacen("job \"j\" {", &format!("job \"j\" {{\ntype = \"{kind}\""), 1)
    };
    shows!(said(&[
        ("count", group("system", "count = 2")),
        ("count of a sysbatch", group("sysbatch", "count = 3")),
        ("affinity", system("affinity {\n  attribute = \"${meta.a}\"\n  value = \"b\"\n}")),
        (
            "affinity of a task",
            in_task("affinity {\n  attribute = \"${meta.a}\"\n  value = \"b\"\n}").replacen(
                "job \"j\" {",
                "job \"j\" {\ntype = \"sysbatch\"",
                1
            )
        ),
        ("spread", group("system", "spread {\n  attribute = \"${node.datacenter}\"\n}")),
        ("reschedule and migrate", system("reschedule {\n  attempts = 1\n}\nmigrate { }")),
        (
            "reschedule and migrate in the group",
            group("sysbatch", "reschedule {\n  attempts = 1\n}\nmigrate { }")
        ),
        ("update of a sysbatch", group("sysbatch", "update {\n  max_parallel = 1\n}")),
        ("more than all", group("system", "update {\n  canary = 120\n}")),
        ("disconnect", group("system", "disconnect {\n  stop_on_client_after = \"1m\"\n}")),
    ]));
    let mut job = super::job(&system(""));
    job.groups[0].reschedule = Some(model::ReschedulePolicy::default());
    job.groups[0].migrate = Some(model::MigratePolicy::default());
    job.kind = model::JobType::Sysbatch;
    let problems: Vec<String> = crate::validate(&job).iter().map(ToString::to_string).collect();
    insta::assert_debug_snapshot!("every_node_over_http", problems);
}

#[test]
fn rules() {
    let check = |text: &str| {
        in_task(&format!(
            "resources {{\nnetwork {{\nport \"http\" {{}}\n}}\n}}\nservice {{\nname = \"web\"\nport = \"http\"\ncheck {{\n{text}\n}}\n}}"
        ))
    };
    shows!(said(&[
        ("no groups", String::from("job \"j\" {\n  datacenters = [\"dc1\"]\n}")),
        ("no tasks", String::from("job \"j\" {\n  group \"g\" {\n  }\n}")),
        ("no driver", String::from("job \"j\" {\n  group \"g\" {\n    task \"t\" {\n    }\n  }\n}")),
        ("space in the name", in_job("").replace("job \"j\"", "job \"my job\"")),
        ("task named alloc", in_job("").replace("task \"t\"", "task \"alloc\"")),
        ("slash in a name", in_job("").replace("group \"g\"", "group \"a/b\"")),
        ("empty datacenter", in_job("datacenters = [\"\"]")),
        (
            "same names",
            String::from(
                "job \"j\" {\n  group \"g\" {\n    task \"t\" {\n      driver = \"mock_driver\"\n    }\n    task \"t\" {\n      driver = \"mock_driver\"\n    }\n  }\n  group \"g\" {\n    task \"t\" {\n      driver = \"mock_driver\"\n    }\n  }\n}"
            )
        ),
        (
            "ports",
            in_group(
                "network {\n  port \"a\" {\n    static = 80\n  }\n  port \"a\" {}\n  port \"b\" {\n    static = 80\n  }\n}"
            )
        ),
        ("service port", in_task("service {\n  name = \"web\"\n  port = \"http\"\n}")),
        ("service port as a number", in_task("service {\n  name = \"web\"\n  port = 8080\n}")),
        ("service name", in_task("service {\n  name = \"my_web\"\n}")),
        ("services alike", in_task("service {\n  name = \"web\"\n}\nservice {\n  name = \"web\"\n}")),
        ("check without anything", check("")),
        ("check too often", check("type = \"tcp\"\ninterval = \"100ms\"\ntimeout = \"0s\"")),
        ("http without path", check("type = \"http\"\ninterval = \"10s\"\ntimeout = \"2s\"")),
        (
            "http with host",
            check("type = \"http\"\npath = \"http://x/\"\ninterval = \"10s\"\ntimeout = \"2s\"")
        ),
        ("script without command", check("type = \"script\"\ninterval = \"10s\"\ntimeout = \"2s\"")),
        ("check type", check("type = \"https\"\ninterval = \"10s\"\ntimeout = \"2s\"")),
        ("restart", in_group("restart {\n  attempts = 10\n  interval = \"1m\"\n  delay = \"15s\"\n}")),
        (
            "restart never or always",
            in_group("restart {\n  attempts = 0\n  interval = \"1s\"\n  mode = \"delay\"\n}")
        ),
        ("reschedule", in_group("reschedule {\n  attempts = 3\n  interval = \"10m\"\n}")),
        (
            "reschedule does not fit",
            in_group("reschedule {\n  attempts = 10\n  interval = \"1m\"\n  unlimited = false\n}")
        ),
        ("update times", in_job("update {\n  min_healthy_time = \"10m\"\n}")),
        ("update in batch", in_job("type = \"batch\"\nupdate {\n  max_parallel = 1\n}")),
        ("logs", in_task("logs {\n  max_files = 10\n  max_file_size = 50\n}")),
        (
            "constraints",
            in_task(
                "constraint { }\nconstraint {\n  distinct_hosts = true\n}\nconstraint {\n  attribute = \"${attr.x}\"\n  operator = \"~\"\n}\nconstraint {\n  attribute = \"${attr.x}\"\n  regexp = \"(\"\n}\nconstraint {\n  attribute = \"${attr.x}\"\n  version = \"new\"\n}"
            )
        ),
        (
            "distinct_property",
            in_job(
                "constraint {\n  distinct_property = \"rack\"\n  value = \"two\"\n}\nconstraint {\n  operator = \"distinct_property\"\n  value = 0\n}"
            )
        ),
        ("memory_max", in_task("resources {\n  memory_max = 299\n}")),
        ("memory_max out of range", in_task("resources {\n  memory_max = -2\n}")),
        ("distinct_property in a task", in_task("constraint {\n  distinct_property = \"${meta.rack}\"\n}")),
        (
            "affinities",
            in_task(
                "affinity { }\naffinity {\n  attribute = \"${attr.x}\"\n  operator = \"distinct_hosts\"\n}\naffinity {\n  attribute = \"${attr.x}\"\n  weight = 0\n}\naffinity {\n  attribute = \"${attr.x}\"\n  weight = 101\n}\naffinity {\n  attribute = \"${attr.x}\"\n  regexp = \"(\"\n  wieght = 1\n}"
            )
        ),
        (
            "spreads",
            in_group(
                "spread { }\nspread {\n  attribute = \"node.datacenter\"\n  weight = 0\n}\nspread {\n  attribute = \"${attr.x}\"\n  weight = 101\n  target { }\n  target \"a\" {\n    percent = 101\n  }\n  target \"b\" { }\n}\nspread {\n  attribute = \"${attr.x}\"\n  target \"a\" {\n    percent = 60\n  }\n  target \"a\" {\n    percent = 60\n    count = 1\n  }\n}"
            )
        ),
        (
            "leaders",
            String::from(
                "job \"j\" {\n  group \"g\" {\n    task \"a\" {\n      driver = \"mock_driver\"\n      leader = true\n    }\n    task \"b\" {\n      driver = \"mock_driver\"\n      leader = true\n    }\n  }\n}"
            )
        ),
        ("signal", in_task("kill_signal = \"SIGFOO\"")),
        ("docker without image", docker("port_map { db = 6379 }\nargs = \"-v\"")),
    ]));
}

#[test]
fn all_problems_at_once() {
    let text = errors(
        "job \"web\" {
  datacenters = \"dc1\"
  priority    = 1000

  group \"frontend\" {
    cuont = 3

    network {
      port \"http\" {
        to = 70000
      }
    }

    task \"server\" {
      driver = \"docker\"

      config {
        image = \"nginx\"
        ports = [\"htpp\"]
      }

      service {
        port = \"http\"

        check {
          type     = \"http\"
          interval = 10
          timeout  = \"2\"
        }
      }
    }
  }
}
",
    );
    shows!(text);
}

#[test]
fn the_long_form_shows_the_line() {
    let problems = crate::parse("bad.nomad", &in_group("    count = \"many\"")).expect_err("not a number");
    insta::assert_snapshot!(format!("{problems:#}"), @r#"
    error[T0202]: `count` must be a number, found "many"
      --> bad.nomad:4:13, in group "g"
       |     count = "many"
       |             ^
      help: write `count = 1`
    "#);
}

#[test]
fn over_http_problems_name_their_path() {
    let mut job = super::job(&in_task("service {\n  name = \"web\"\n}"));
    job.groups[0].tasks[0].services[0].port_label = String::from("http");
    job.groups[0].tasks[0].resources.cpu_mhz = 0;
    job.groups[0].tasks[0].driver = String::new();
    job.priority = 900;
    let problems = crate::validate(&job);
    let lines: Vec<String> = problems.iter().map(|problem| format!("{} {problem}", problem.code)).collect();
    shows!(lines.join("\n"));
}

#[test]
fn patience_with_nodes_that_are_cut_off() {
    shows!(said(&[
        ("both", in_group("disconnect {\nlost_after = \"1h\"\nstop_on_client_after = \"1m\"\n}")),
        ("twice", in_group("max_client_disconnect = \"1h\"\ndisconnect {\nlost_after = \"1h\"\n}")),
        ("strategy", in_group("disconnect {\nreconcile = \"keep_orignal\"\n}")),
        ("unknown argument", in_group("disconnect {\nlost_afer = \"1h\"\n}")),
        ("negative", in_group("disconnect {\nlost_after = \"-1h\"\n}")),
        (
            "old ones together",
            in_group("max_client_disconnect = \"1h\"\nstop_after_client_disconnect = \"1h\"")
        ),
    ]));
}

#[test]
fn cores_and_devices() {
    let resources = |text: &str| in_task(&format!("resources {{\n{text}\n}}"));
    let device = |text: &str| resources(&format!("device \"nvidia/gpu\" {{\n{text}\n}}"));
    shows!(said(&[
        ("both", resources("cpu = 500\ncores = 2")),
        ("no cores", resources("cores = 0")),
        ("negative cores", resources("cores = -1")),
        ("absurd cores", resources("cores = 100000")),
        ("half a core", resources("cores = 1.5")),
        ("numa", resources("numa {\n  affinity = \"require\"\n  devices = [\"nvidia/gpu\"]\n}")),
        ("no name", resources("device { }")),
        ("odd names", resources("device \"nvidia/\" { }\ndevice \"/gpu\" { }\ndevice \"\" { }")),
        ("no devices", device("count = 0")),
        ("absurd devices", device("count = 5000")),
        ("misspelt", device("cuont = 1")),
        (
            "constraints",
            device(
                "constraint {\n  attribute = \"${attr.kernel.name}\"\n  value = \"linux\"\n}\nconstraint {\n  distinct_hosts = true\n}\nconstraint {\n  attribute = \"${device.model}\"\n  regexp = \"(\"\n}"
            )
        ),
        (
            "affinities",
            device(
                "affinity {\n  attribute = \"${device.attr.memory}\"\n  weight = -101\n}\naffinity {\n  attribute = \"${device.ids}\"\n  value = \"a\"\n}\naffinity {\n  attribute = \"${device.colour}\"\n  weight = 0\n}"
            )
        ),
    ]));
}

#[test]
fn over_http_cores_and_devices_keep_the_same_rules() {
    let mut job = super::job(&in_task(""));
    let resources = &mut job.groups[0].tasks[0].resources;
    resources.cores = 5000;
    let constraint =
        |operand| model::Constraint { left: String::new(), operand, right: String::from("true") };
    let ask = |name: &str, count| model::DeviceAsk { name: name.into(), count, ..Default::default() };
    resources.devices = vec![
        ask("a/", 0),
        model::DeviceAsk { constraints: vec![constraint(model::Operand::DistinctHosts)], ..ask("gpu", 1) },
    ];
    let problems = crate::validate(&job);
    let lines: Vec<String> = problems.iter().map(|problem| format!("{} {problem}", problem.code)).collect();
    shows!(lines.join("\n"));
}

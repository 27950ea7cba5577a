//! `node pool`.

use serde_json::json;

use super::{fake::Fake, fixtures::*, nomad, run_as};

fn pools() -> serde_json::Value {
    json!([
        {"Name": "default", "Description": "Default node pool."},
        {"Name": "dev", "Description": ""},
        {"Name": "prod", "Description": "For customers", "Meta": {"team": "sre"}},
    ])
}

#[test]
fn pools_are_listed_and_shown() {
    let fake = Fake::start();
    fake.on("GET /v1/node/pools", &pools());
    insta::assert_snapshot!("pool_list", nomad(&fake, &["node", "pool", "list"]).text());
    insta::assert_snapshot!("pool_info", nomad(&fake, &["node", "pool", "info", "prod"]).text());
    insta::assert_snapshot!("pool_ambiguous", nomad(&fake, &["node", "pool", "info", "d"]).text());
    let ran = nomad(&fake, &["node", "pool", "list", "-t", "{{range .}}{{.Name}} {{end}}"]);
    assert_eq!(ran.out, "default dev prod \n");
    assert!(nomad(&fake, &["node", "pool", "info", "-json", "prod"]).out.contains("\"team\": \"sre\""));
    let none = Fake::start();
    none.on("GET /v1/node/pools", &json!([]));
    let ran = nomad(&none, &["node", "pool", "info", "prod"]);
    assert!(
        ran.code == 1 && ran.err.contains("No node pool with the name or prefix \"prod\""),
        "{}",
        ran.text()
    );
    assert_eq!(nomad(&fake, &["node", "pool", "info"]).code, 1);
}

#[test]
fn who_is_in_a_pool() {
    let fake = Fake::start();
    fake.on("GET /v1/node/pools", &pools())
        .on("GET /v1/node/pool/prod/nodes", &json!([{
            "ID": NODE, "NodePool": "prod", "Datacenter": "dc1", "Name": "laptop", "SchedulingEligibility": "eligible",
            "Status": "ready",
        }]))
        .on("GET /v1/node/pool/prod/jobs", &json!([listed()]))
        .on("GET /v1/node/pool/dev/nodes", &json!([]))
        .on("GET /v1/node/pool/dev/jobs", &json!([]));
    insta::assert_snapshot!("pool_nodes", nomad(&fake, &["node", "pool", "nodes", "prod"]).text());
    insta::assert_snapshot!("pool_jobs", nomad(&fake, &["node", "pool", "jobs", "pr"]).text());
    assert_eq!(nomad(&fake, &["node", "pool", "nodes", "-quiet", "prod"]).out, format!("{NODE}\n"));
    assert_eq!(nomad(&fake, &["node", "pool", "nodes", "dev"]).out, "No nodes\n");
    assert_eq!(nomad(&fake, &["node", "pool", "jobs", "dev"]).out, "No jobs\n");
    nomad(&fake, &["node", "pool", "jobs", "-filter", "Type == batch", "dev"]);
    assert!(fake.seen().last().unwrap().line.contains("/v1/node/pool/dev/jobs?filter=Type"));
}

#[test]
fn pools_are_applied_and_deleted() {
    let fake = Fake::start();
    fake.raw("PUT /v1/node/pools", 200, b"").raw("DELETE /v1/node/pool/prod", 200, b"").raw(
        "DELETE /v1/node/pool/default",
        400,
        b"modifying node pool \"default\" is not allowed: it is built in",
    );
    let apply = |words: &[&str], input: &str| {
        let line = [&["node", "pool", "apply"], words, &["-"]].concat();
        run_as("nomad", &[("NOMAD_ADDR", &fake.address)], input, &line)
    };
    let ran = apply(&[], "node_pool \"prod\" {\n  description = \"x\"\n  meta { team = \"sre\" }\n}\n");
    assert_eq!((ran.code, ran.out.as_str()), (0, "Successfully applied node pool \"prod\"!\n"));
    let sent: serde_json::Value = serde_json::from_str(&fake.the("PUT").body).unwrap();
    assert_eq!((&sent["Name"], &sent["Meta"]["team"]), (&json!("prod"), &json!("sre")));
    assert_eq!(apply(&["-json"], "{\"Name\": \"prod\"}").code, 0);
    let ran = apply(&[], "node_pool \"prod\" {\n  scheduler_config { }\n}\n");
    assert!(ran.code == 1 && ran.err.contains("-:2:3"), "{}", ran.text());
    assert_eq!(
        nomad(&fake, &["node", "pool", "delete", "prod"]).out,
        "Successfully deleted node pool \"prod\"!\n"
    );
    let ran = nomad(&fake, &["node", "pool", "delete", "default"]);
    assert!(ran.code == 1 && ran.err.contains("built in"), "{}", ran.text());
}

#[test]
fn the_example_is_written_once() {
    let dir = tempfile::tempdir().unwrap();
    let (hcl, js) = (dir.path().join("a.hcl"), dir.path().join("b.json"));
    let (hcl, js) = (hcl.to_str().unwrap(), js.to_str().unwrap());
    let fake = Fake::start();
    assert_eq!(nomad(&fake, &["node", "pool", "init", hcl]).code, 0);
    assert_eq!(nomad(&fake, &["node", "pool", "init", "-out=json", "-quiet", js]).out, "");
    assert!(std::fs::read_to_string(js).unwrap().contains("\"Name\": \"example\""));
    let ran = nomad(&fake, &["node", "pool", "init", hcl]);
    assert!(ran.code == 1 && ran.err.contains("already exists"), "{}", ran.text());
    assert_eq!(nomad(&fake, &["node", "pool", "init", "-out=yaml"]).code, 1);
}

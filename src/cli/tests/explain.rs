//! `explain`: what an id belongs to, what is fetched, and what is said when there is nothing.

use serde_json::{Value, json};

use super::{
    Ran,
    fake::Fake,
    fixtures::{ALLOC, EVAL, NODE, alloc, eval, found, job, node, stub, summary},
    run_as,
};

fn explain(fake: &Fake, line: &[&str]) -> Ran {
    run_as("troupe", &[("NOMAD_ADDR", &fake.address)], "", &[&["explain"], line].concat())
}

fn an_agent() -> Fake {
    let fake = Fake::start();
    fake.on("GET /v1/job/redis", &job())
        .on("GET /v1/job/redis/summary", &summary())
        .on("GET /v1/job/redis/evaluations", &[eval("complete")])
        .on("GET /v1/job/redis/allocations", &[stub()])
        .on("GET /v1/job/redis/deployment", &Value::Null)
        .on("GET /v1/nodes", &[node()])
        .on(&format!("GET /v1/allocation/{ALLOC}"), &alloc())
        .on(&format!("GET /v1/evaluation/{EVAL}"), &eval("complete"))
        .on(&format!("GET /v1/evaluation/{EVAL}/allocations"), &[stub()]);
    fake
}

#[test]
fn an_id_says_what_it_is_of() {
    for (context, id, given, expected) in [
        ("jobs", "redis", "redis", "Job \"redis\" (service, version 1, priority 50) is running."),
        ("jobs", "redis", "re", "Job \"redis\" (service, version 1, priority 50) is running."),
        (
            "allocs",
            ALLOC,
            "bc05",
            "Allocation bc057046 is redis.cache[0] of version 1 of job \"redis\", on node laptop",
        ),
        (
            "evals",
            EVAL,
            EVAL,
            "Evaluation 4c6b1bbc is a look at job \"redis\" (service, priority 50). It was made 1m5s ago",
        ),
    ] {
        let fake = an_agent();
        fake.on("PUT /v1/search", &found(context, &[id]));
        let ran = explain(&fake, &[given]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{given}");
        assert!(ran.out.starts_with(expected), "{given}: {}", ran.out);
    }
}

#[test]
fn json_is_one_object_of_facts_and_words() {
    let fake = an_agent();
    fake.on("PUT /v1/search", &found("jobs", &["redis"]));
    let answer: Value = serde_json::from_str(&explain(&fake, &["-json", "redis"]).out).unwrap();
    assert_eq!((&answer["Kind"], &answer["ID"]), (&json!("job"), &json!("redis")));
    assert_eq!(answer["Facts"]["Job"]["ID"], json!("redis"));
    assert_eq!(answer["Facts"]["Nodes"][NODE]["Name"], json!("laptop"));
    assert!(answer["Explanation"][0]["Lines"][0].as_str().unwrap().starts_with("Job \"redis\""));
}

#[test]
fn the_command_explains_codes_without_an_agent() {
    let closed = [("NOMAD_ADDR", "http://127.0.0.1:1")];
    let ran = run_as("troupe", &closed, "", &["explain", "-json", "t0102"]);
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&answer["Kind"], &answer["ID"], ran.code), (&json!("code"), &json!("T0102"), 0));
    assert_eq!(run_as("troupe", &closed, "", &["explain"]).code, 1);
}

#[test]
fn what_is_unknown_or_many_is_told() {
    let fake = Fake::start();
    fake.on("PUT /v1/search", &json!({ "Matches": {} }));
    let ran = explain(&fake, &["nothing"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("Nothing to explain is called \"nothing\": it is no error code"), "{}", ran.err);

    let fake = Fake::start();
    fake.on("PUT /v1/search", &found("nodes", &[NODE]));
    let ran = explain(&fake, &["58"]);
    assert!(
        ran.err.contains(&format!("\"{NODE}\" is a node: `node status 58b5acd3` shows it")),
        "{}",
        ran.err
    );

    let fake = Fake::start();
    fake.on("PUT /v1/search", &json!({ "Matches": { "jobs": ["bcd"], "allocs": [ALLOC] } }));
    let ran = explain(&fake, &["bc"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert_eq!(
        ran.err,
        format!(
            "Several things have an id that begins with \"bc\". Which one is meant?\n\nJobs:\n  bcd\n\nAllocations:\n  \
             {ALLOC}\n"
        )
    );
}

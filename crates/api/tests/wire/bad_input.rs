//! Numbers without sense and very large jobs over HTTP: refused with the field and its limits, or read in bounded time.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

fn read(job: &Value) -> Result<model::Job, String> {
    let job: api::Job = api::decode_value(job.clone()).map_err(|error| error.to_string())?;
    job.into_model().map_err(|refused| refused.to_string())
}

fn group(name: &str) -> Value {
    json!({ "Name": name, "Tasks": [{ "Name": "t", "Driver": "raw_exec", "Config": { "command": "x" } }] })
}

#[test]
fn counts_beyond_the_limit_are_refused_with_it() {
    for count in [1_i64 << 31, 1 << 32, -1, 1_000_000_000_000_000_000, i64::MIN, i64::MAX, 50_001] {
        let mut group = group("web");
        group["Count"] = json!(count);
        assert_eq!(
            read(&json!({ "ID": "j", "TaskGroups": [group] })).unwrap_err(),
            format!("group \"web\": Count must be between 0 and 50000, found {count}")
        );
    }
    for count in [json!(u64::MAX), json!(1e30), json!(1.5), json!("many")] {
        let mut group = group("web");
        group["Count"] = count.clone();
        let error = read(&json!({ "ID": "j", "TaskGroups": [group] })).unwrap_err();
        assert!(error.contains("Count") || error.contains("invalid"), "{count}: {error}");
    }
}

#[test]
fn weights_and_percentages_out_of_range_are_refused_with_their_limits() {
    let check = |job: &Value, expected: &str| assert_eq!(read(job).unwrap_err(), expected);
    for weight in [101, -101, 128, 1_i64 << 40] {
        check(
            &json!({ "ID": "j", "Affinities": [{ "LTarget": "${attr.x}", "RTarget": "y", "Operand": "=", "Weight": weight }] }),
            &format!("Affinities.Weight must be between -100 and 100, found {weight}"),
        );
    }
    for weight in [0, -1, 101, 256] {
        check(
            &json!({ "ID": "j", "Spreads": [{ "Attribute": "${meta.rack}", "Weight": weight }] }),
            &format!("Spreads.Weight must be between 1 and 100, found {weight}"),
        );
    }
    for percent in [-1, 101, 300] {
        check(
            &json!({ "ID": "j", "Spreads": [{ "Attribute": "${meta.rack}", "SpreadTarget": [{ "Value": "a", "Percent": percent }] }] }),
            &format!("Spreads.SpreadTarget.Percent must be between 0 and 100, found {percent}"),
        );
    }
}

#[test]
fn ten_thousand_groups_are_read() {
    let began = Instant::now();
    let groups: Vec<Value> = (0..10_000).map(|at| group(&format!("g{at}"))).collect();
    let job = read(&json!({ "ID": "big", "TaskGroups": groups })).unwrap();
    assert_eq!(job.groups.len(), 10_000);
    assert_eq!(api::Job::from(&job).task_groups.len(), 10_000);
    assert!(began.elapsed() < Duration::from_secs(300), "{:?}", began.elapsed());
}

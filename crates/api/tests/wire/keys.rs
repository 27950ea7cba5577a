//! Objects of the Consul API have every key that clients look for, and some empty values. (`names.rs` has the others.)

use serde::Serialize;
use serde_json::Value;

fn keys(object: &impl Serialize) -> Vec<String> {
    match serde_json::to_value(object).unwrap() {
        Value::Object(members) => members.keys().cloned().collect(),
        other => panic!("not an object: {other}"),
    }
}

/// `expected`: names with blanks between them. All must be there; others must not.
#[track_caller]
fn check(object: impl Serialize, expected: &str) {
    let mut expected: Vec<&str> = expected.split_whitespace().collect();
    expected.sort_unstable();
    let mut found = keys(&object);
    found.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn consul_objects() {
    check(
        api::consul::CatalogService::default(),
        "ID Node Address Datacenter TaggedAddresses NodeMeta ServiceKind ServiceID ServiceName ServiceTags \
         ServiceAddress ServiceWeights ServiceMeta ServicePort ServiceSocketPath ServiceEnableTagOverride \
         ServiceProxy ServiceConnect CreateIndex ModifyIndex",
    );
    check(
        api::consul::Node::default(),
        "ID Node Address Datacenter TaggedAddresses Meta CreateIndex ModifyIndex",
    );
    check(
        api::consul::NodeService::default(),
        "ID Service Tags Address Meta Port Weights EnableTagOverride Proxy Connect PeerName CreateIndex ModifyIndex",
    );
    check(
        api::consul::HealthCheck::default(),
        "Node CheckID Name Status Notes Output ServiceID ServiceName ServiceTags Type Interval Timeout ExposedPort \
         Definition CreateIndex ModifyIndex",
    );
    check(api::consul::ServiceEntry::default(), "Node Service Checks");
    assert_eq!(
        serde_json::to_string(&api::consul::ServiceConnect::default()).unwrap(),
        "{}",
        "an object, not null"
    );
}

#[test]
fn nothing_is_null_or_zero_as_clients_expect() {
    let job = serde_json::to_value(api::Job::default()).unwrap();
    assert_eq!(job["Constraints"], Value::Null);
    assert_eq!(job["Meta"], Value::Null);
    assert_eq!(job["Update"]["MaxParallel"], 0);
    assert_eq!(job["Update"]["Canary"], 0);
    let state = serde_json::to_value(api::TaskState::default()).unwrap();
    assert_eq!(state["StartedAt"], Value::Null);
    assert_eq!(state["Events"], Value::Null);
}

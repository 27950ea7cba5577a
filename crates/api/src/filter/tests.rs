use serde_json::json;

use super::*;
use crate::{Evaluation, Job};

fn row() -> Value {
    json!({
        "ID": "web", "Priority": 50, "Stop": false, "Datacenters": ["dc1", "dc2"], "Constraints": null,
        "Meta": {"team": "blue", "my team": "x"},
        "TaskGroups": [
            {"Name": "front", "Count": 2, "Tasks": [{"Name": "nginx", "Driver": "docker"}]},
            {"Name": "back", "Count": 1, "Tasks": [{"Name": "api", "Driver": "raw_exec"}]}
        ],
        "Update": {"MaxParallel": 1}, "Periodic": null, "Ratio": 0.5
    })
}

fn ask(text: &str) -> Result<bool, FilterError> {
    Filter::parse(text)?.covers_value(&row(), &["ID", "Status"])
}

#[track_caller]
fn check(text: &str, expected: bool) {
    assert_eq!(ask(text), Ok(expected), "{text}");
}

#[track_caller]
fn fails(text: &str, expected: &str) {
    let error = ask(text).expect_err(text).to_string();
    assert!(error.contains(expected), "{text}: {error}");
}

#[test]
fn tests() {
    for (text, expected) in [
        ("ID == web", true),
        ("ID == \"web\"", true),
        ("ID == `web`", true),
        ("ID != web", false),
        ("Priority == 50", true),
        ("Priority != 50", false),
        ("Ratio == 0.5", true),
        ("Stop == false", true),
        ("Stop == true", false),
        ("Update.MaxParallel == 1", true),
        ("dc1 in Datacenters", true),
        ("\"dc3\" in Datacenters", false),
        ("\"dc3\" not in Datacenters", true),
        ("Datacenters contains dc2", true),
        ("Datacenters not contains dc2", false),
        ("ID contains we", true),
        ("ID matches \"^w.b$\"", true),
        ("ID matches `^\\w+$`", true),
        ("ID not matches x", true),
        ("Datacenters is empty", false),
        ("Datacenters is not empty", true),
        ("Constraints is empty", true),
        ("Periodic is nil", true),
        ("Meta is not nil", true),
        ("team in Meta", true),
        ("Meta.team == blue", true),
        ("Meta[\"my team\"] == x", true),
        ("\"/Meta/team\" == blue", true),
        ("TaskGroups.1.Name == back", true),
    ] {
        check(text, expected);
    }
}

#[test]
fn words_between_tests() {
    for (text, expected) in [
        ("ID == web and Priority == 50", true),
        ("ID == x or Priority == 50", true),
        ("ID == x or ID == y", false),
        // `and` binds stronger than `or`, `not` strongest.
        ("ID == web or ID == x and ID == y", true),
        ("(ID == web or ID == x) and ID == y", false),
        ("not ID == web or ID == web", true),
        ("not (ID == web or ID == web)", false),
        ("not not ID == web", true),
    ] {
        check(text, expected);
    }
}

#[test]
fn each_of_several() {
    for (text, expected) in [
        ("any TaskGroups as group { group.Count == 1 }", true),
        ("all TaskGroups as group { group.Count == 1 }", false),
        ("any TaskGroups as group { any group.Tasks as task { task.Driver == docker } }", true),
        ("any TaskGroups as number, group { number == 1 and group.Name == back }", true),
        ("any Meta as key { key == team }", true),
        ("any Meta as _, value { value == blue }", true),
        ("all Constraints as one { one.Operand == x }", true),
        ("any Constraints as one { one.Operand == x }", false),
    ] {
        check(text, expected);
    }
}

#[test]
fn what_is_not_there() {
    // A key of the user's, a part of what is null, a field that is left out when it is empty.
    for (text, expected) in [
        ("Meta.owner == x", false),
        ("Meta.owner != x", true),
        ("Meta.owner is empty", true),
        ("Periodic.Spec == x", false),
        ("Status == running", false),
        ("Status == \"\"", true),
        ("Status != \"\"", false),
        ("Status is empty", true),
        ("TaskGroups.7.Name == x", false),
    ] {
        check(text, expected);
    }
    fails("Sttus == running", "error finding value in datum: /Sttus at part 0: couldn't find key");
    fails("Update.MaxParalel == 1", "at part 1");
    fails("ID.x == 1", "at part 1");
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (text, expected) in [
        ("", "1:1: expected the name of a field, found the end"),
        ("ID", "1:3: expected `==`"),
        ("ID ==", "1:6: expected a value, found the end"),
        ("ID == web and", "1:14: expected"),
        ("ID == web x", "1:11: expected `and`, `or` or the end, found `x`"),
        ("(ID == web", "expected `)`"),
        ("ID == \"web", "1:7: the text has no end"),
        ("ID = web", "1:4: unexpected '='"),
        ("ID matches \"(\"", "not a regular expression"),
        ("ID not == web", "expected `in`, `contains` or `matches`"),
        ("any TaskGroups as x, y z { ID == x }", "expected `{`"),
        ("7 == 7", "the name of a field"),
    ] {
        fails(text, expected);
        assert!(
            ask(text).unwrap_err().to_string().starts_with("failed to read filter expression: "),
            "{text}"
        );
    }
    fails("Priority == high", "is a number");
    fails("Stop == perhaps", "true or false");
    fails("Datacenters == dc1", "use `contains`");
    fails("Priority is empty", "cannot be empty");
    fails("Priority matches x", "no text");
}

#[test]
fn everything_is_bounded() {
    fails(&"x".repeat(LONGEST + 1), "the limit is");
    fails(&format!("{}ID == web{}", "(".repeat(100), ")".repeat(100)), "deeper than");
    fails(&format!("{}ID == web", "not ".repeat(100)), "deeper than");
    let deep = "any TaskGroups as a { ".repeat(20) + "a.Name == x" + &" }".repeat(20);
    fails(&deep, "too many looks");
}

#[test]
fn twins_know_their_fields() {
    let filter = Filter::parse("NodeID == \"\" and Status == \"complete\"").unwrap();
    let eval = Evaluation { status: String::from("complete"), ..Evaluation::default() };
    assert_eq!(filter.covers(&eval), Ok(true));
    let unknown = Filter::parse("Node == x").unwrap();
    assert!(unknown.covers(&eval).is_err());
    assert!(Filter::parse("ParentID == \"\"").unwrap().covers(&Job::default()).unwrap());
    assert!(filter.mentions("NodeID") && !filter.mentions("Job"));
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_it(text in "[a-zA-Z0-9 =!.()\\[\\]{}\"`,/]{0,60}") {
        let _ = ask(&text);
    }
}

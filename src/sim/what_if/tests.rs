use std::path::PathBuf;

use model::{Capacity, DriverInfo, NodeStatus, Resources, Task, TaskGroup};
use state::{Command, records::write_state};

use super::*;

fn root() -> Root {
    let mut root = Root::default();
    let now = Timestamp::from_secs(1_000);
    for (index, (id, name)) in (1..).zip([(0x1a_u128, "n1"), (0x1b, "n2"), (0x2c, "twin"), (0x2d, "twin")]) {
        let driver = DriverInfo { detected: true, healthy: true, ..DriverInfo::default() };
        let node = Node {
            id: NodeId(id << 120),
            name: name.into(),
            datacenter: "dc1".into(),
            drivers: [("mock_driver".into(), driver)].into(),
            capacity: Capacity { cpu_mhz: 1000, memory_mb: 1000, disk_mb: 10_000 },
            status: NodeStatus::Ready,
            ..Node::default()
        };
        root.apply(index, Command::RegisterNode { node, evals: vec![], now });
    }
    root
}

fn job(count: u32) -> api::Job {
    let resources = Resources { cpu_mhz: 100, memory_mb: 600, ..Resources::default() };
    let task = Task { name: "t".into(), driver: "mock_driver".into(), resources, ..Task::default() };
    let group = TaskGroup { name: "g".into(), count, tasks: vec![task], ..TaskGroup::default() };
    let job = Job {
        id: "web".into(),
        name: "web".into(),
        datacenters: vec!["dc1".into()],
        groups: vec![group],
        ..Job::default()
    };
    api::Job::from(&job)
}

fn args(count: Option<u32>, fail: &[&str]) -> WhatIfArgs {
    let mut bytes = Vec::new();
    write_state(&root(), &mut bytes).unwrap();
    WhatIfArgs {
        from: "http://there:4646".into(),
        state: Source::Fetched(bytes),
        jobs: count.into_iter().map(|count| ("web.nomad".into(), job(count))).collect(),
        fail_nodes: fail.iter().map(|&node| node.into()).collect(),
        json: false,
    }
}

fn refusal(args: &WhatIfArgs) -> String {
    words_of(args).expect_err("something was predicted").to_string()
}

#[test]
fn what_is_placed_and_what_is_not() {
    let (text, blocked) = words_of(&args(Some(2), &[])).unwrap();
    assert!(!blocked);
    assert!(
        text.contains("Job \"web\", registered") && text.contains("2 placed") && text.contains("place 1 on "),
        "{text}"
    );
    assert!(text.contains("0% -> 60%") && text.ends_with("\nEverything finds room.\n"), "{text}");
    let (text, blocked) = words_of(&args(Some(4), &["n1"])).unwrap();
    assert!(blocked);
    assert!(
        text.contains("no room for 1 allocation\n")
            && text.contains("Dimension \"memory\" exhausted on 3 nodes"),
        "{text}"
    );
    assert!(!text.contains("on n1 "), "{text}");
}

#[test]
fn the_object_is_the_last_line() {
    let mut args = args(Some(4), &["n1"]);
    args.json = true;
    let (text, _) = words_of(&args).unwrap();
    let object: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(object["blocked"], true);
    let group = &object["jobs"][0]["groups"]["g"];
    assert_eq!((&group["blocked"]["missing"], group["placed"].as_array().unwrap().len()), (&json!(1), 3));
    assert_eq!(object["index"], 4);
}

#[test]
fn nodes_are_found_by_id_by_its_beginning_and_by_name() {
    let root = root();
    let full = NodeId(0x1b << 120);
    for words in ["n2", "1b", "1B00", &full.to_string()] {
        assert_eq!(find_node(&root, words).unwrap(), full, "{words}");
    }
    for (words, expected) in
        [("n3", "no such node"), ("1", "2 nodes match"), ("twin", "2 nodes match"), ("", "no such node")]
    {
        let refused = find_node(&root, words).unwrap_err().to_string();
        assert!(refused.contains(expected) && refused.contains("n1") | refused.contains("twin"), "{refused}");
    }
}

#[test]
fn what_cannot_be_predicted_is_told() {
    let mut cut = args(Some(1), &[]);
    if let Source::Fetched(bytes) = &mut cut.state {
        bytes.truncate(bytes.len() - 30);
    }
    let words = refusal(&cut);
    assert!(
        words.starts_with("http://there:4646: ") && (words.contains("cut off") || words.contains("checksum")),
        "{words}"
    );
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        std::fs::write(dir.path().join(name), bytes).unwrap();
        let path = dir.path().join(name);
        WhatIfArgs { from: path.display().to_string(), state: Source::File(path), ..args(Some(1), &[]) }
    };
    assert!(refusal(&file("web.nomad", b"job \"web\" {}\n")).contains("not a snapshot of troupe"));
    assert!(refusal(&file("nomad.snap", &[0x1f, 0x8b, 0, 0, 0, 0, 0, 0])).contains("those of Nomad"));
    let gone = WhatIfArgs { state: Source::File(PathBuf::from("/no/such/file")), ..args(Some(1), &[]) };
    assert!(refusal(&gone).contains("No such file"));
    let mut elsewhere = args(Some(1), &[]);
    elsewhere.jobs[0].1.namespace = "other".into();
    assert!(refusal(&elsewhere).contains("only \"default\" does"));
    let mut nothing = args(Some(1), &[]);
    nothing.jobs[0].1.task_groups.clear();
    assert!(refusal(&nothing).starts_with("web.nomad: the job is not valid"));
}

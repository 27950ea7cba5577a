//! The network of the other tests, without agents: its faults must be faults.

use std::path::Path;

use crate::{
    cluster::{SOON, wait_until},
    net::Net,
};

fn reaches(net: &Net, from: &str, to: std::net::Ipv4Addr) -> bool {
    let script = format!("exec 3<>/dev/tcp/{to}/7 || exit $?");
    let mut command = net.inside(from, Path::new("timeout"));
    let output = command.args(["0.5", "bash", "-c", &script]).output().unwrap();
    // Nobody listens: a machine that is reached says so at once.
    String::from_utf8_lossy(&output.stderr).contains("refused")
}

#[test]
fn cuts_and_losses_are_between_hosts_and_end() {
    let Some(net) = Net::new() else { return };
    let (a, b, c) = (net.add("a"), net.add("b"), net.add("c"));
    assert!(reaches(&net, "a", b) && reaches(&net, "b", c) && reaches(&net, "c", a));
    net.partition(&["a"], &["b", "c"]);
    assert!(!reaches(&net, "a", b) && !reaches(&net, "c", a));
    assert!(reaches(&net, "b", c) && reaches(&net, "a", a));
    net.heal();
    assert!(reaches(&net, "a", b) && reaches(&net, "c", a));
    net.loss(100);
    assert!(!reaches(&net, "a", b) && reaches(&net, "a", a));
    net.loss(0);
    let moved = net.renumber("b");
    assert_ne!(moved, b);
    assert!(reaches(&net, "a", moved) && !reaches(&net, "a", b));
    net.partition(&["a"], &["b"]);
    assert!(!reaches(&net, "a", moved), "a cut follows a host that moves");
}

#[test]
fn networks_do_not_meet_and_leave_nothing() {
    let Some(one) = Net::new() else { return };
    let two = Net::new().unwrap();
    let (here, there) = (one.add("a"), two.add("a"));
    assert_ne!(here, there);
    assert!(!reaches(&one, "a", there));
    let mut sleep = one.inside("a", Path::new("sleep")).arg("1000").spawn().unwrap();
    let (dir, namespace) = (one.dir(), one.namespace("a"));
    wait_until(SOON, "its process is there", || (one.pids("a") == [sleep.id()]).then_some(()));
    drop(one);
    assert!(!sleep.wait().unwrap().success(), "its processes are ended");
    assert!(!dir.exists() && !Path::new("/run/netns").join(namespace).exists());
}

//! A configuration that is read again while the agent runs.

use std::{fs, process::Command};

use crate::harness::World;

#[test]
fn a_hangup_reads_the_configuration_again() {
    let world = World::kept();
    let path = world.dir().join("agent.hcl");
    let first = fs::read_to_string(&path).unwrap();
    let hangup = || {
        let sent = Command::new("kill").args(["-HUP", &world.agent.pid().to_string()]).status().unwrap();
        assert!(sent.success());
    };
    let says = |words: &str| {
        let look = || world.agent.output().contains(words).then_some(());
        world.eventually(&format!("the agent says {words:?}"), look);
    };

    fs::write(&path, format!("{first}log_levle = \"debug\"\n")).unwrap();
    hangup();
    says("==> Reloading configuration...");
    says("the configuration was not reloaded: ");
    let told = world.run("consul reload");
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.stderr.contains("agent.hcl:") && told.stderr.contains("log_levle"), "{told:?}");

    assert!(!world.agent.output().contains("DEBUG"), "{}", world.agent.output());
    fs::write(&path, format!("{first}log_level = \"debug\"\ndatacenter = \"dc9\"\n")).unwrap();
    hangup();
    says("the level of the log changed level=\"debug\"");
    says("these changes wait for a restart settings=\"datacenter\"");
    world.run("consul reload").ok().has(&["Configuration reload triggered"]);
    says(" DEBUG ");
    // Nothing else has changed.
    world.run("nomad node status").ok().has(&["dc1", "ready"]);
}

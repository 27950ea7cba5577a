//! Whole files, and files put together, on a made-up machine.

mod addresses; // what is listened on, and what others are told
mod consul; // `consul agent`
mod merging; // several files, flags, types
mod refusals; // what is wrong, and where
mod tutorials; // the files people learn with

use std::{fs, net::IpAddr, sync::Arc};

use logic::sockaddr::Interface;

use super::{Config, machine::Machine};
use crate::cli::AgentArgs;

fn interface(name: &str, address: &str, prefix: u8) -> Interface {
    Interface {
        name: name.into(),
        address: address.parse().unwrap(),
        prefix,
        default_route: name == "eth0",
        up: true,
        loopback: name == "lo",
        broadcast: name != "lo",
        multicast: name != "lo",
        point_to_point: false,
    }
}

/// A VM with a NAT interface and one of the private network, where some names are known.
fn vm() -> Machine {
    let names: &[(&str, &[&str])] = &[
        ("node-01.local", &["12.34.56.78"]),
        ("node-02.local", &["fd00::2", "10.0.0.5"]),
        ("localhost", &["127.0.0.1"]),
    ];
    Machine {
        interfaces: vec![
            interface("lo", "127.0.0.1", 8),
            interface("eth0", "10.0.2.15", 24),
            interface("eth1", "192.168.33.10", 24),
        ],
        lookup: Arc::new(move |name| {
            let found = names.iter().find(|(known, _)| *known == name).ok_or("no such name")?;
            Ok(found.1.iter().map(|address| address.parse::<IpAddr>().unwrap()).collect())
        }),
        consul_address: None,
        consul_token: None,
    }
}

/// Loads the files in this order, with further flags. Messages name the files without their folder.
fn load_with(files: &[(&str, &str)], args: AgentArgs, machine: &Machine) -> Result<Config, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Vec::new();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        config.push(path);
    }
    let short = format!("{}/", dir.path().display());
    let shorten =
        |lines: Vec<String>| lines.into_iter().map(|line| line.replace(&short, "")).collect::<Vec<_>>();
    let config = Config::load_on(&AgentArgs { config, ..args }, machine).map_err(shorten)?;
    Ok(Config { warnings: shorten(config.warnings), read_from: Vec::new(), ..config })
}

#[track_caller]
fn load(text: &str) -> Config {
    load_with(&[("a.hcl", text)], AgentArgs::default(), &vm())
        .unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// What is wrong with the file, one problem per line.
#[track_caller]
fn refused(text: &str) -> String {
    match load_with(&[("a.hcl", text)], AgentArgs::default(), &vm()) {
        Ok(config) => panic!("accepted: {config:#?}"),
        Err(problems) => problems.join("\n"),
    }
}

/// What every server needs, for tests of other things.
const SERVER: &str = "data_dir = \"/d\"\nserver { enabled = true bootstrap_expect = 3 }\n";

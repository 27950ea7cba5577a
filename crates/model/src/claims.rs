//! What only one allocation can have at a time, beside ports: whole cores and devices. What a node has of them, what
//! tasks ask for, and what an allocation was given.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::location::{Affinity, Constraint};

/// What a device is: the nodes' devices of one name are alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceName {
    /// `nvidia`
    pub vendor: String,
    /// `gpu`
    pub kind: String,
    /// The model: `Tesla T4`.
    pub model: String,
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.vendor, self.kind, self.model)
    }
}

/// The devices of one name on one node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceGroup {
    pub name: DeviceName,
    /// What constraints on `${device.attr.*}` look at. Quantities carry their unit: `11 GiB`.
    pub attributes: BTreeMap<String, String>,
    pub devices: Vec<Device>,
}

impl DeviceGroup {
    pub fn healthy(&self) -> impl Iterator<Item = &Device> {
        self.devices.iter().filter(|device| device.healthy)
    }
}

/// One device of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Device {
    /// Unique among the node's devices of that name.
    pub id: String,
    /// Only healthy devices are given out.
    pub healthy: bool,
    /// Why (not).
    pub description: String,
    /// `0000:3b:00.0`; empty if it is not on such a bus.
    pub pci_bus_id: String,
}

/// Devices that a task asks for (`device "nvidia/gpu" { .. }`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceAsk {
    /// `type`, `vendor/type` or `vendor/type/model`.
    pub name: String,
    /// All of them of one name. Default: 1.
    pub count: u32,
    /// On `${device.*}`.
    pub constraints: Vec<Constraint>,
    pub affinities: Vec<Affinity>,
}

impl DeviceAsk {
    /// Looks at each device by itself, where other references look at what all of a name share.
    pub const IDS: &str = "${device.ids}";

    /// Vendor, type, model; `None` stands for any. `None` for all when that is no name of a device.
    pub fn parts(&self) -> Option<(Option<&str>, &str, Option<&str>)> {
        let mut parts = self.name.splitn(3, '/');
        let parts = (parts.next().filter(|part| !part.is_empty())?, parts.next(), parts.next());
        if parts.1.is_some_and(str::is_empty) || parts.2.is_some_and(str::is_empty) {
            return None;
        }
        Some(match parts {
            (kind, None, _) => (None, kind, None),
            (vendor, Some(kind), model) => (Some(vendor), kind, model),
        })
    }

    /// Whether devices of that name will do, constraints aside.
    pub fn takes(&self, name: &DeviceName) -> bool {
        self.parts().is_some_and(|(vendor, kind, model)| {
            kind == name.kind
                && vendor.is_none_or(|vendor| vendor == name.vendor)
                && model.is_none_or(|model| model == name.model)
        })
    }
}

/// The cores and devices that an allocation was given. Has a row for each task that asked for some.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Claims {
    pub tasks: Vec<TaskClaims>,
}

/// The cores and devices that one task was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskClaims {
    pub task: Arc<str>,
    /// Ids, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cores: Vec<u16>,
    /// What the cores count: their number times the node's MHz per core when they were given.
    #[serde(default)]
    pub cpu_mhz: u32,
    /// In the order of the task's asks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<ClaimedDevices>,
}

/// Devices that were given for one ask.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ClaimedDevices {
    pub name: DeviceName,
    pub ids: Vec<String>,
}

impl Claims {
    pub fn of(&self, task: &str) -> Option<&TaskClaims> {
        self.tasks.iter().find(|claims| *claims.task == *task)
    }

    pub fn cores(&self) -> impl Iterator<Item = u16> {
        self.tasks.iter().flat_map(|task| task.cores.iter().copied())
    }

    pub fn devices(&self) -> impl Iterator<Item = (&DeviceName, &str)> {
        let all = self.tasks.iter().flat_map(|task| &task.devices);
        all.flat_map(|given| given.ids.iter().map(|id| (&given.name, id.as_str())))
    }

    /// What all its cores count.
    pub fn cpu_mhz(&self) -> u32 {
        self.tasks.iter().fold(0, |sum, task| sum.saturating_add(task.cpu_mhz))
    }

    /// They cannot both be had.
    pub fn overlap(&self, other: &Self) -> bool {
        self.cores().any(|core| other.cores().any(|held| held == core))
            || self.devices().any(|device| other.devices().any(|held| held == device))
    }
}

/// `0-2,5`, as the kernel writes sets of cores.
pub fn format_cpuset(cores: &[u16]) -> String {
    let mut sorted = cores.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let run = |run: &[u16]| match run {
        [first, .., last] => format!("{first}-{last}"),
        _ => run.iter().map(u16::to_string).collect(),
    };
    sorted.chunk_by(|a, b| b - a == 1).map(run).collect::<Vec<_>>().join(",")
}

/// Reads what [`format_cpuset`] writes, ascending and each once; `None` if it is no such set.
pub fn parse_cpuset(text: &str) -> Option<Vec<u16>> {
    let mut cores = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u16, u16) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last {
            return None;
        }
        cores.extend(first..=last);
    }
    cores.sort_unstable();
    cores.dedup();
    Some(cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_cores() {
        let check = |cores: &[u16], text: &str| {
            assert_eq!(format_cpuset(cores), text);
            assert_eq!(parse_cpuset(text).unwrap(), cores);
        };
        check(&[], "");
        check(&[3], "3");
        check(&[0, 1], "0-1");
        check(&[0, 1, 2, 5, 7, 8], "0-2,5,7-8");
        assert_eq!(format_cpuset(&[2, 1, 2]), "1-2");
        assert_eq!(parse_cpuset(" 4, 1 - 2,2").unwrap(), [1, 2, 4]);
        for bad in ["a", "2-1", "1-", "-1", "70000"] {
            assert_eq!(parse_cpuset(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_of_devices() {
        let t4 = DeviceName { vendor: "nvidia".into(), kind: "gpu".into(), model: "Tesla T4".into() };
        let check = |name: &str, expected: bool| {
            let ask = DeviceAsk { name: name.into(), count: 1, ..DeviceAsk::default() };
            assert_eq!(ask.takes(&t4), expected, "{name}");
        };
        check("gpu", true);
        check("nvidia/gpu", true);
        check("nvidia/gpu/Tesla T4", true);
        check("fpga", false);
        check("amd/gpu", false);
        check("nvidia/gpu/A100", false);
        for bad in ["", "/gpu", "nvidia/", "nvidia/gpu/", "nvidia//T4"] {
            assert_eq!(DeviceAsk { name: bad.into(), ..DeviceAsk::default() }.parts(), None, "{bad}");
        }
        assert_eq!(t4.to_string(), "nvidia/gpu/Tesla T4");
    }

    #[test]
    fn what_cannot_both_be_had() {
        let claims = |cores: &[u16], device: &str| {
            let name = DeviceName { kind: "gpu".into(), ..DeviceName::default() };
            let devices = vec![ClaimedDevices { name, ids: vec![device.into()] }];
            let task = TaskClaims { task: "t".into(), cores: cores.into(), cpu_mhz: 7, devices };
            Claims { tasks: vec![task.clone(), TaskClaims { cores: vec![], devices: vec![], ..task }] }
        };
        assert!(claims(&[1, 2], "a").overlap(&claims(&[2, 3], "b")));
        assert!(claims(&[1], "a").overlap(&claims(&[2], "a")));
        assert!(!claims(&[1], "a").overlap(&claims(&[2], "b")));
        assert_eq!(claims(&[1], "a").cpu_mhz(), 14);
    }
}

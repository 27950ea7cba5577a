//! Where the clients of a service and its checks go: to the node and a host port, or to the task itself.

use model::{AddressMode, AssignedPort, TaggedAddress, Task, Value};

/// What is known of the task that a service belongs to. Of a group's service: of no task.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub node_address: &'a str,
    /// Of the whole allocation.
    pub ports: &'a [AssignedPort],
    pub task: Option<&'a Task>,
    /// What the driver gave the running task: the address of a container.
    pub task_address: Option<&'a str>,
}

impl Place<'_> {
    /// Address and port of what `label` names; port 0 when nothing is called so. `None`: the task shall be reached
    /// itself, and has no address of its own.
    pub fn find(&self, mode: AddressMode, label: &str) -> Option<TaggedAddress> {
        match mode {
            AddressMode::Auto | AddressMode::Host => Some(TaggedAddress {
                address: self.node_address.to_owned(),
                port: self.port(label).map_or(0, |port| port.value),
            }),
            AddressMode::Driver => {
                Some(TaggedAddress { address: self.task_address?.to_owned(), port: self.port_inside(label) })
            }
        }
    }

    /// The task's own port first, then the group's and other tasks'.
    fn port(&self, label: &str) -> Option<&AssignedPort> {
        let task = self.task.map(|task| task.name.as_str());
        let own = self
            .ports
            .iter()
            .find(|port| &*port.label == label && task.is_some() && port.task.as_deref() == task);
        own.or_else(|| self.ports.iter().find(|port| &*port.label == label))
    }

    /// The port as the task sees it: what docker's `port_map` says, `to`, the host port, or where nothing is called so
    /// the number itself.
    fn port_inside(&self, label: &str) -> u16 {
        let mapped = self.task.and_then(|task| match task.config.get("port_map")? {
            Value::Map(map) => match map.get(label)? {
                Value::Int(port) => u16::try_from(*port).ok(),
                _ => None,
            },
            _ => None,
        });
        let assigned = || self.port(label).map(|port| if port.to > 0 { port.to } else { port.value });
        mapped.or_else(assigned).or_else(|| label.parse().ok()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn port(label: &str, task: Option<&str>, value: u16, to: u16) -> AssignedPort {
        AssignedPort { label: label.into(), task: task.map(Into::into), value, to, ignore_collision: false }
    }

    fn at(address: &str, port: u16) -> Option<TaggedAddress> {
        Some(TaggedAddress { address: address.into(), port })
    }

    #[test]
    fn the_node_and_a_host_port_or_the_container_and_its_own() {
        let ports = [port("http", None, 20_000, 8080), port("db", Some("db"), 20_001, 0)];
        let map = Value::Map(BTreeMap::from([("db".into(), Value::Int(5432))]));
        let task = Task { name: "db".into(), config: [("port_map".into(), map)].into(), ..Task::default() };
        let place = Place {
            node_address: "10.0.0.1",
            ports: &ports,
            task: Some(&task),
            task_address: Some("172.17.0.2"),
        };
        for mode in [AddressMode::Auto, AddressMode::Host] {
            assert_eq!(place.find(mode, "http"), at("10.0.0.1", 20_000));
            assert_eq!(place.find(mode, "db"), at("10.0.0.1", 20_001));
            assert_eq!(place.find(mode, ""), at("10.0.0.1", 0));
        }
        assert_eq!(place.find(AddressMode::Driver, "http"), at("172.17.0.2", 8080));
        assert_eq!(place.find(AddressMode::Driver, "db"), at("172.17.0.2", 5432));
        assert_eq!(place.find(AddressMode::Driver, "9000"), at("172.17.0.2", 9000));
        let plain = Task { config: BTreeMap::new(), ..task.clone() };
        assert_eq!(
            Place { task: Some(&plain), ..place }.find(AddressMode::Driver, "db"),
            at("172.17.0.2", 20_001)
        );
        assert_eq!(Place { task_address: None, ..place }.find(AddressMode::Driver, "http"), None);
    }

    proptest! {
        /// A service on the node's address has a port that the allocation was given, or none at all.
        #[test]
        fn on_the_node_only_ports_of_the_allocation_are_told(
            given in prop::collection::vec(("[a-c]", prop::option::of("[a-c]"), 1_u16.., 0_u16..), 0..5),
            label in "[a-d]|[0-9]{1,4}",
            task in "[a-c]",
        ) {
            let ports: Vec<AssignedPort> =
                given.iter().map(|(label, task, value, to)| port(label, task.as_deref(), *value, *to)).collect();
            let task = Task { name: task, ..Task::default() };
            let place =
                Place { node_address: "n", ports: &ports, task: Some(&task), task_address: Some("t") };
            let found = place.find(AddressMode::Host, &label).unwrap();
            let known = ports.iter().filter(|port| *port.label == label);
            prop_assert_eq!(&found.address, "n");
            prop_assert!(found.port == 0 && known.clone().count() == 0
                || known.clone().any(|port| port.value == found.port));
            let inside = place.find(AddressMode::Driver, &label).unwrap();
            prop_assert_eq!(&inside.address, "t");
            prop_assert!(inside.port == 0 && known.clone().count() == 0
                || label.parse() == Ok(inside.port)
                || known.clone().any(|port| inside.port == port.to || inside.port == port.value));
        }
    }
}

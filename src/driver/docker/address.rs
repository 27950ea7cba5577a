//! Under which address a container is reached by its own ports.

use bollard::models::ContainerInspectResponse;
use model::{AddressMode, Service};

use crate::actors::ports::{DriverError, TaskSpec};

/// Of the container's networks, in the order of their names, the first address: IPv4 before IPv6. `None` where it has
/// the network of the host, of another container, or none.
pub(super) fn address_of(container: ContainerInspectResponse) -> Option<String> {
    let networks = container.network_settings?.networks?;
    let mut networks: Vec<_> = networks.into_iter().collect();
    networks.sort_by(|one, other| one.0.cmp(&other.0));
    let given = |address: Option<String>| address.filter(|address| !address.is_empty());
    let four = networks.iter().find_map(|(_, at)| given(at.ip_address.clone()));
    four.or_else(|| networks.iter().find_map(|(_, at)| given(at.global_ipv6_address.clone())))
}

/// The services of the task and their checks can do with that address.
///
/// # Errors
/// One of them wants the container's own, and there is none.
pub(super) fn suffices(spec: &TaskSpec, address: Option<&str>) -> Result<(), DriverError> {
    let wants = |service: &&Service| {
        let checks = service.checks.iter().map(|check| check.address_mode);
        std::iter::once(service.address_mode).chain(checks).any(|mode| mode == AddressMode::Driver)
    };
    match spec.task.services.iter().find(wants) {
        Some(service) if address.is_none() => Err(DriverError::Fatal(format!(
            "service `{}` has `address_mode = \"driver\"`, and the container has no address of its own: use another \
             `network_mode`, or `address_mode = \"host\"`",
            service.name
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(networks: serde_json::Value, expected: Option<&str>) {
        let container = json!({"NetworkSettings": {"Networks": networks}});
        assert_eq!(address_of(serde_json::from_value(container).unwrap()).as_deref(), expected);
    }

    #[test]
    fn the_first_address_of_the_first_network() {
        check(json!({"bridge": {"IPAddress": "172.17.0.2"}}), Some("172.17.0.2"));
        check(json!({"z": {"IPAddress": "10.0.0.9"}, "a": {"IPAddress": "10.0.0.1"}}), Some("10.0.0.1"));
        check(
            json!({"a": {"IPAddress": "", "GlobalIPv6Address": "fd00::2"}, "b": {"IPAddress": "10.0.0.1"}}),
            Some("10.0.0.1"),
        );
        check(json!({"a": {"IPAddress": "", "GlobalIPv6Address": "fd00::2"}}), Some("fd00::2"));
        check(json!({"host": {"IPAddress": ""}}), None);
        check(json!({}), None);
        check(json!(null), None);
    }
}

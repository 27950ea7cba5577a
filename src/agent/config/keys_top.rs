//! Settings outside of `server` and `client`: one line each.

use super::{
    draft::{Draft, Outcome, Taken},
    typed::{Typed, keep},
};

pub(super) fn set(draft: &mut Draft, setting: &Typed<'_>) -> Outcome {
    let (config, written) = (&mut draft.config, &mut draft.written);
    match setting.path {
        "name" => keep(&mut config.name, setting.name()?),
        "region" => keep(&mut config.region, setting.name()?),
        "datacenter" => keep(&mut config.datacenter, setting.name()?),
        "data_dir" => keep(&mut config.data_dir, setting.text()?.into()),
        "domain" => keep(&mut config.domain, setting.name()?.trim_end_matches('.').to_owned()),
        "recursors" => config.recursors.extend(setting.dns_servers()?),

        "bind_addr" => keep(&mut written.bind, setting.text()?),
        "addresses.http" => keep(&mut written.http.bind, setting.text()?),
        "addresses.rpc" => keep(&mut written.rpc.bind, setting.text()?),
        "addresses.serf" => keep(&mut written.gossip.bind, setting.text()?),
        "addresses.consul" => keep(&mut written.consul.bind, setting.text()?),
        "addresses.dns" => keep(&mut written.dns.bind, setting.text()?),
        "advertise.http" => keep(&mut written.http.advertise, setting.text()?),
        "advertise.rpc" => keep(&mut written.rpc.advertise, setting.text()?),
        "advertise.serf" => keep(&mut written.gossip.advertise, setting.text()?),
        "ports.http" => config.http_port = setting.port()?,
        "ports.rpc" => config.rpc_port = setting.port()?,
        "ports.serf" => config.gossip_port = setting.port()?,
        "ports.consul" => door(&mut config.consul_port, &mut written.no_consul, setting)?,
        "ports.dns" => door(&mut config.dns_port, &mut written.no_dns, setting)?,

        "log_level" => keep(&mut config.log_level, setting.text()?),
        "log_json" => config.log_json |= setting.bool()?,
        "leave_on_interrupt" => config.leave_on_interrupt |= setting.bool()?,
        "leave_on_terminate" => config.leave_on_terminate |= setting.bool()?,

        "autopilot.cleanup_dead_servers" => config.autopilot.cleanup_dead_servers = setting.bool()?,
        "autopilot.last_contact_threshold" => {
            keep(&mut config.autopilot.last_contact_threshold, setting.span()?);
        }
        "autopilot.max_trailing_logs" => {
            keep(&mut config.autopilot.max_trailing_logs, setting.between(0, i64::MAX)?);
        }
        "autopilot.server_stabilization_time" => {
            keep(&mut config.autopilot.server_stabilization_time, setting.span()?);
        }
        "autopilot.min_quorum" => keep(&mut config.autopilot.min_quorum, setting.amount()?),

        "plugin.docker.config.endpoint" => docker_socket(draft, setting)?,
        "plugin.docker.config.volumes.enabled" => config.docker_volumes = setting.bool()?,
        "plugin.docker.config.allow_privileged" => config.docker_privileged = setting.bool()?,
        "plugin.docker.config.allow_caps" => config.docker_caps = caps(&setting.list()?),
        "plugin.raw_exec.config.enabled" => config.raw_exec = setting.bool()?,
        "plugin.mock_driver.config.enabled" => config.mock = setting.bool()?,
        _ => return Ok(Taken::Unknown),
    }
    Ok(Taken::Yes)
}

/// A port, or a negative number for "not at all".
pub(super) fn door(port: &mut u16, shut: &mut bool, setting: &Typed<'_>) -> Result<(), String> {
    *shut = setting.whole().is_ok_and(|number| number < 0);
    if !*shut {
        *port = setting.port()?;
    }
    Ok(())
}

/// `unix:///var/run/docker.sock`
pub(super) fn docker_socket(draft: &mut Draft, setting: &Typed<'_>) -> Result<(), String> {
    let text = setting.text()?;
    let path = text.strip_prefix("unix://").unwrap_or(&text);
    if path.contains("://") {
        return Err(format!(
            "`{}` must be a socket of this machine such as \"unix:///var/run/docker.sock\", found {text:?}",
            setting.path
        ));
    }
    keep(&mut draft.config.docker_socket, path.into());
    Ok(())
}

/// Capabilities in lower case, without `cap_`.
pub(super) fn caps(list: &[String]) -> Vec<String> {
    let caps = list.iter().flat_map(|item| item.split(',')).map(|cap| cap.trim().to_lowercase());
    caps.map(|cap| cap.strip_prefix("cap_").unwrap_or(&cap).to_owned())
        .filter(|cap| !cap.is_empty())
        .collect()
}

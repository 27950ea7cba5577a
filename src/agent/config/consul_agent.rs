//! Settings of an agent that is started as `consul agent`: Consul's own names, one line each.

use super::{
    draft::{Draft, Outcome, Taken},
    keys_server::key,
    keys_top::door,
    typed::{Typed, keep},
};

pub(super) use super::absent::set_consul as absent;

/// Said where somebody asks for Consul's web UI.
pub(super) const NO_UI: &str = "this release has no web UI";

pub(super) fn set(draft: &mut Draft, setting: &Typed<'_>) -> Outcome {
    if let Some(key) = setting.path.strip_prefix("node_meta.") {
        draft.config.meta.insert(key.to_owned(), setting.text()?);
        return Ok(Taken::Yes);
    }
    let (config, written) = (&mut draft.config, &mut draft.written);
    match setting.path {
        "datacenter" => keep(&mut config.datacenter, setting.name()?.to_lowercase()),
        "node_name" => keep(&mut config.name, setting.name()?),
        "domain" => keep(&mut config.domain, setting.name()?.trim_end_matches('.').to_owned()),
        "data_dir" => keep(&mut config.data_dir, setting.text()?.into()),
        "server" => config.server |= setting.bool()?,
        "bootstrap" => {
            if setting.bool()? {
                config.bootstrap_expect = 1;
            }
        }
        "bootstrap_expect" => keep(&mut config.bootstrap_expect, setting.amount()?),
        "bind_addr" => keep(&mut written.bind, setting.text()?),
        "client_addr" => {
            let text = setting.text()?;
            keep(&mut written.consul.bind, text.clone());
            keep(&mut written.dns.bind, text);
        }
        "addresses.http" => keep(&mut written.consul_over, setting.text()?),
        "addresses.dns" => keep(&mut written.dns_over, setting.text()?),
        "serf_lan" => keep(&mut written.gossip.bind, setting.text()?),
        "advertise_addr" | "advertise_addr_ipv4" => {
            let text = setting.text()?;
            keep(&mut written.rpc.advertise, text.clone());
            keep(&mut written.gossip.advertise, text);
        }
        "ports.http" => door(&mut config.consul_port, &mut written.no_consul, setting)?,
        "ports.dns" => door(&mut config.dns_port, &mut written.no_dns, setting)?,
        "ports.serf_lan" => config.gossip_port = setting.port()?,
        "ports.server" => config.rpc_port = setting.port()?,
        "retry_join" => config.join.retry.extend(setting.list()?),
        "retry_interval" => keep(&mut config.join.interval, setting.span()?),
        "retry_max" => keep(&mut config.join.max, setting.amount()?),
        "rejoin_after_leave" => config.rejoin_after_leave |= setting.bool()?,
        "leave_on_terminate" => written.leave_on_terminate = Some(setting.bool()?),
        "skip_leave_on_interrupt" => written.leave_on_interrupt = Some(!setting.bool()?),
        "encrypt" => config.encrypt = key(&setting.text()?)?.or_else(|| config.encrypt.take()),
        "recursors" => config.recursors.extend(setting.dns_servers()?),
        "ui" | "ui_config.enabled" => {
            if setting.bool()? {
                return Ok(Taken::Warn(NO_UI.into()));
            }
        }
        "log_level" => keep(&mut config.log_level, log_level(&setting.text()?)),
        "log_json" => config.log_json |= setting.bool()?,
        "performance.raft_multiplier" => config.raft.multiplier = setting.between(1, 10)?,
        "raft_snapshot_threshold" => keep(&mut config.raft.snapshot_threshold, setting.between(0, i64::MAX)?),
        "raft_trailing_logs" => keep(&mut config.raft.trailing_logs, setting.between(0, i64::MAX)?),
        path if path.starts_with("autopilot.") => return super::keys_top::set(draft, setting),
        _ => return Ok(Taken::Unknown),
    }
    Ok(Taken::Yes)
}

/// Consul's `ERR` is our `error`.
pub(super) fn log_level(text: &str) -> String {
    if text.eq_ignore_ascii_case("err") { "error".into() } else { text.to_owned() }
}

//! Settings of `server`: one line each.

use super::{
    draft::{Draft, Outcome, Taken},
    parts::Join,
    typed::{Typed, keep},
};

pub(super) fn set(draft: &mut Draft, setting: &Typed<'_>) -> Outcome {
    let Some(path) = setting.path.strip_prefix("server.") else { return Ok(Taken::Unknown) };
    let config = &mut draft.config;
    match path {
        "enabled" => config.server |= setting.bool()?,
        "bootstrap_expect" => keep(&mut config.bootstrap_expect, setting.amount()?),
        "start_join" | "server_join.start_join" => config.join.start.extend(setting.list()?),
        "retry_join" | "server_join.retry_join" => config.join.retry.extend(setting.list()?),
        "retry_max" | "server_join.retry_max" => keep(&mut config.join.max, setting.amount()?),
        "retry_interval" | "server_join.retry_interval" => keep(&mut config.join.interval, setting.span()?),
        "encrypt" => config.encrypt = key(&setting.text()?)?.or_else(|| config.encrypt.take()),
        "rejoin_after_leave" => config.rejoin_after_leave |= setting.bool()?,
        "data_dir" => directory(&mut config.server_dir, setting)?,
        "num_schedulers" => config.schedulers = setting.between(0, 1024)?,
        "non_voting_server" => config.non_voting_server |= setting.bool()?,

        "node_gc_threshold" => keep(&mut config.gc.node, setting.span()?),
        "job_gc_interval" => keep(&mut config.gc.interval, setting.span()?),
        "job_gc_threshold" => keep(&mut config.gc.job, setting.span()?),
        "eval_gc_threshold" => keep(&mut config.gc.eval, setting.span()?),
        "batch_eval_gc_threshold" => keep(&mut config.gc.batch_eval, setting.span()?),
        "deployment_gc_threshold" => keep(&mut config.gc.deployment, setting.span()?),

        "heartbeat_grace" => keep(&mut config.heartbeats.grace, setting.span()?),
        "min_heartbeat_ttl" => keep(&mut config.heartbeats.min_ttl, setting.span()?),
        "max_heartbeats_per_second" => keep(&mut config.heartbeats.max_per_second, setting.decimal()?),
        "failover_heartbeat_ttl" => keep(&mut config.heartbeats.failover_ttl, setting.span()?),

        "raft_multiplier" => config.raft.multiplier = setting.between(1, 10)?,
        "raft_snapshot_threshold" => keep(&mut config.raft.snapshot_threshold, setting.between(0, i64::MAX)?),
        "raft_trailing_logs" => keep(&mut config.raft.trailing_logs, setting.between(0, i64::MAX)?),
        _ => return Ok(Taken::Unknown),
    }
    Ok(Taken::Yes)
}

/// A directory of its own for a part of what is kept.
pub(super) fn directory(target: &mut Option<std::path::PathBuf>, setting: &Typed<'_>) -> Result<(), String> {
    let text = setting.text()?;
    if text.is_empty() {
        return Ok(());
    }
    let path = std::path::PathBuf::from(&text);
    if !path.is_absolute() {
        return Err(format!("`{}` must be given as an absolute path: got {text}", setting.path));
    }
    *target = Some(path);
    Ok(())
}

/// The key of gossip from its text; empty: none.
pub(super) fn key(text: &str) -> Result<Option<Vec<u8>>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let bytes = base64(text)
        .ok_or("Invalid encryption key: not base64; `troupe operator gossip keyring generate` makes one")?;
    if ![16, 24, 32].contains(&bytes.len()) {
        return Err(format!("Invalid encryption key: {} bytes, must be 16, 24 or 32", bytes.len()));
    }
    Ok(Some(bytes))
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let digit = |letter: u8| match letter {
        b'A'..=b'Z' => Some(u32::from(letter - b'A')),
        b'a'..=b'z' => Some(u32::from(letter - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(letter - b'0') + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let text = text.trim();
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0_u32);
    for letter in digits.bytes() {
        held = (held << 6 | digit(letter)?) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xff) as u8);
        }
    }
    Some(bytes)
}

/// What is wrong with a way to join, apart from its conflicts.
pub(super) fn join_problems(join: &Join) -> Vec<String> {
    join.start.iter().chain(&join.retry).filter_map(|address| join_problem(address)).collect()
}

pub(super) fn join_problem(address: &str) -> Option<String> {
    let trimmed = address.trim();
    if trimmed.contains("provider=") {
        return Some(format!(
            "{address:?}: asking a cloud for the addresses is not in this release; list addresses or a DNS name, or set \
             `consul {{ address = .. }}` to find servers through a Consul API"
        ));
    }
    if trimmed.starts_with("exec=") {
        return Some(format!(
            "{address:?}: running a command for the addresses is not in this release; list addresses or a DNS name"
        ));
    }
    let (host, port) = split(trimmed);
    let named = !host.is_empty() && !host.contains(char::is_whitespace) && !host.contains(['/', '<', '>']);
    let numbered = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    (!named || !numbered).then(|| {
        format!("{address:?} is not an address; write \"host\", \"10.0.0.1:4648\" or \"[fd00::1]:4648\"")
    })
}

/// Host without brackets, and the port. A bare v6 address has no port.
pub(super) fn split(address: &str) -> (&str, Option<&str>) {
    if let Some(rest) = address.strip_prefix('[')
        && let Some((host, rest)) = rest.split_once(']')
    {
        return (host, rest.strip_prefix(':'));
    }
    match address.split_once(':') {
        Some((_, rest)) if rest.contains(':') => (address, None),
        Some((host, port)) => (host, Some(port)),
        None => (address, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_base64_of_three_sizes() {
        assert_eq!(key("").unwrap(), None);
        assert_eq!(key("cg8StVXbQJ0gPvMd9o7yrg==").unwrap().unwrap().len(), 16);
        assert_eq!(key("AQID").unwrap_err(), "Invalid encryption key: 3 bytes, must be 16, 24 or 32");
        assert!(key("secret").unwrap_err().contains("not base64"));
        assert_eq!(base64("TWFu"), Some(b"Man".to_vec()));
        assert_eq!(base64("TQ=="), Some(b"M".to_vec()));
    }

    #[test]
    fn addresses_to_join() {
        for good in ["10.0.0.1", "a.b:4648", "[::1]:4648", "fd00::1", "10.0.0.1:1"] {
            assert_eq!(join_problem(good), None, "{good}");
        }
        for bad in
            ["", "a b", "a:0", "a:x", "http://a", "<known-address>:4648", "provider=aws tag_key=a", "exec=ls"]
        {
            assert!(join_problem(bad).is_some(), "{bad}");
        }
        assert_eq!(split("[::1]:5"), ("::1", Some("5")));
        assert_eq!(split("::1"), ("::1", None));
    }
}

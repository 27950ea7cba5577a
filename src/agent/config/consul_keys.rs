//! Settings of `consul` (in the configuration of a nomad or troupe agent): one line each.

use super::{
    draft::{Draft, Outcome, Taken},
    keys_server::split,
    parts::ConsulSettings,
    typed::{Typed, keep},
};

pub(super) fn set(draft: &mut Draft, setting: &Typed<'_>) -> Outcome {
    let Some(path) = setting.path.strip_prefix("consul.") else { return Ok(Taken::Unknown) };
    let consul = &mut draft.config.consul;
    match path {
        "address" => {
            address(consul, &setting.text()?).map_err(|reason| format!("`consul.address` {reason}"))?
        }
        "auto_advertise" => consul.auto_advertise = setting.bool()?,
        "server_service_name" => keep(&mut consul.server_service, setting.name()?),
        "client_service_name" => keep(&mut consul.client_service, setting.name()?),
        "server_auto_join" => consul.server_auto_join = setting.bool()?,
        "client_auto_join" => consul.client_auto_join = setting.bool()?,
        "token" => consul.token = Some(setting.text()?).filter(|token| !token.is_empty()),
        _ => return Ok(Taken::Unknown),
    }
    Ok(Taken::Yes)
}

/// Takes over `host`, `host:port` or `http://host:port`.
pub(super) fn address(consul: &mut ConsulSettings, text: &str) -> Result<(), String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(());
    }
    if text.starts_with("https://") {
        return Err(format!(
            "{text:?}: TLS is not in this release; use the plain port of the Consul API, usually 8500"
        ));
    }
    if text.starts_with("unix://") {
        return Err(format!("{text:?}: sockets of the machine are not in this release; write \"host:8500\""));
    }
    let plain = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    let (host, port) = split(plain);
    let port = port.map_or(Some(8500), |port| port.parse::<u16>().ok().filter(|port| *port > 0));
    let (Some(port), false) = (port, host.is_empty() || host.contains(['/', ' ', '<'])) else {
        return Err(format!("must be \"host:port\" such as \"127.0.0.1:8500\", found {text:?}"));
    };
    consul.address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    consul.address_given = true;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let read = |text: &str| {
            let mut consul = ConsulSettings::default();
            address(&mut consul, text).map(|()| consul.address)
        };
        assert_eq!(read("node-01.local:8500").unwrap(), "node-01.local:8500");
        assert_eq!(read("http://10.0.0.1").unwrap(), "10.0.0.1:8500");
        assert_eq!(read("[::1]:8501").unwrap(), "[::1]:8501");
        for bad in ["https://a:8501", "unix:///run/consul.sock", "a:0", "a b:8500"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}

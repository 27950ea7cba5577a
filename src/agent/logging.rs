//! Where the agent's log goes: its standard output, one line per event, as text or JSON.

use tracing_subscriber::{EnvFilter, fmt, prelude::*};

use super::config::Config;

/// Sets up the log of this process. A second call changes nothing.
pub(super) fn set_up(config: &Config) {
    let level = config.log_level.to_lowercase();
    // The libraries below speak only when something is wrong; RUST_LOG overrules all of it.
    let directives = format!("warn,troupe={level},openraft=error,actix_http=off");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(directives));
    let registry = tracing_subscriber::registry().with(filter);
    let result = if config.log_json {
        registry.with(fmt::layer().json()).try_init()
    } else {
        registry.with(fmt::layer().with_target(false).with_ansi(false)).try_init()
    };
    if let Err(error) = result {
        tracing::debug!(%error, "logging was set up before");
    }
}

//! Settings that configuration understands and this release does not obey. Refused, so that nobody counts on them.

use super::config::{Config, Face, Gc, NodeGc};

/// What cannot be obeyed, each with the remedy.
pub(super) fn problems(config: &Config) -> Vec<String> {
    let rows = [
        (
            config.drain_on_shutdown.is_some(),
            "`drain_on_shutdown` is not supported: use `node drain -enable -self`",
        ),
        (
            config.gc != Gc::default(),
            "`*_gc_interval` and `*_gc_threshold` of `server` are fixed in this release (4 h after the last change): \
             leave them out, and use `system gc`",
        ),
        (
            config.node_gc != NodeGc::default(),
            "`gc_*` of `client` is not supported: a node keeps an allocation's directory as long as the servers keep \
             the allocation; leave it out",
        ),
        (
            config.max_kill_timeout != Config::default_max_kill_timeout(),
            "`max_kill_timeout` is not supported: leave it out",
        ),
        (config.schedulers == 0, "`num_schedulers = 0` is not supported: every server plans when it leads"),
        (
            config.face == Face::Consul && config.client,
            "`consul agent` runs no tasks: run `nomad agent` beside it",
        ),
    ];
    rows.into_iter().filter(|(said, _)| *said).map(|(_, words)| words.to_owned()).collect()
}

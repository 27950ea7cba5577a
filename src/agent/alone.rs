//! What a consul agent shows while no Nomad agent has offered it a catalog: its members, and the service `consul` of those
//! that are servers. The catalog of a Nomad cluster takes the place of this one.

use std::{sync::Arc, time::Duration};

use logic::roll::Roll;
use model::Timestamp;
use state::{Command, Root};
use tokio_util::sync::CancellationToken;

use super::sources::SystemClock;
use crate::{
    actors::{
        ports::{Clock, Member, Members},
        roll::translate,
    },
    net::mirror::CatalogMirror,
};

/// Members that change within this time are shown together.
const TOGETHER: Duration = Duration::from_millis(50);

/// Keeps the catalog of members until `stop`, or until a server told of another one.
pub(super) async fn show_members(members: Arc<dyn Members>, mirror: CatalogMirror, stop: CancellationToken) {
    let (mut changes, mut own) = (members.changes(), Own::default());
    while !mirror.has_begun() {
        if own.look(&members.members(), SystemClock.now()) {
            mirror.show_meanwhile(own.root.clone());
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = changes.changed() => if changed.is_err() { return },
        }
        tokio::time::sleep(TOGETHER).await;
    }
}

/// The table of agents, kept by the same rules as in a log, but by this agent alone.
#[derive(Default)]
struct Own {
    roll: Roll,
    root: Root,
}

impl Own {
    /// Whether anything is different now.
    fn look(&mut self, members: &[Member], now: Timestamp) -> bool {
        let members = translate(members).into_iter().map(|mut member| {
            // No services of Nomad: there is none.
            member.agent.server_service.clear();
            member.agent.client_service.clear();
            member
        });
        let changes = self.roll.look(&self.root, members.collect(), now);
        if changes.is_empty() {
            return false;
        }
        let command = Command::UpdateAgents { put: changes.put, gone: changes.gone, epoch: None, now };
        self.root.apply(self.root.index + 1, command);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn member(name: &str, role: &str, status: &str) -> Member {
        let id = format!("00000000-0000-0000-0000-{:0>12}", name.len());
        let tags = [
            ("id", id.as_str()),
            ("role", role),
            ("region", "global"),
            ("dc", "dc1"),
            ("rpc_addr", "10.0.0.1"),
        ];
        let tags = tags.into_iter().chain([("port", "8300")]);
        Member {
            name: format!("{name}.global"),
            address: "10.0.0.1".into(),
            port: 8301,
            status: status.into(),
            tags: tags.map(|(name, value)| (name.into(), value.into())).collect::<BTreeMap<_, _>>(),
        }
    }

    fn shown(own: &Own) -> (Vec<String>, Vec<String>) {
        let agents = own.root.agents.values().map(|agent| agent.name.clone()).collect();
        let services = own.root.all_services();
        (agents, services.map(|service| format!("{} on {}", service.name, service.node_name)).collect())
    }

    #[test]
    fn servers_offer_consul_and_members_that_left_are_gone() {
        let mut own = Own::default();
        let now = Timestamp::ZERO;
        let (server, client) = (member("server", "nomad", "alive"), member("a", "client", "alive"));
        assert!(own.look(&[server.clone(), client], now));
        let consul = vec![String::from("consul on server")];
        assert_eq!(shown(&own), (vec!["a".into(), "server".into()], consul.clone()));
        let left = member("a", "client", "left");
        assert!(own.look(&[server.clone(), left.clone()], now));
        assert_eq!(shown(&own), (vec!["server".into()], consul));
        assert!(!own.look(&[server, left], now), "nothing new");
    }
}

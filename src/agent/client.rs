//! What an agent without a log answers where a server would write.

use async_trait::async_trait;
use state::Command;

use super::whereabouts::Places;
use crate::{
    actors::ports::{Committed, ProposeError, Proposer},
    net::{
        mirror,
        remote::{Carrier, Whereabouts},
        rpc::Client,
    },
};

/// Requests that write are passed on whole before they come to this.
pub(super) struct NoWrites;

#[async_trait]
impl Proposer for NoWrites {
    async fn propose(&self, _: Vec<Command>) -> Result<Committed, ProposeError> {
        Err(ProposeError::Closed("this agent is not a server and keeps no log".into()))
    }
}

/// Whom the mirror of the catalog follows.
pub(super) struct MirrorSources {
    pub places: Places,
    pub carrier: Carrier,
}

impl mirror::Servers for MirrorSources {
    fn addresses(&self) -> Vec<String> {
        self.places.servers()
    }

    fn client(&self, address: &str) -> Client {
        self.carrier.client(address)
    }
}

//! Who the servers are, told by one of them: how an agent that knows one server finds all.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    remote::{Carrier, To},
    rpc::{Call, Error, Router},
};

const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize, Deserialize)]
struct Ask {
    region: String,
}

impl Call for Ask {
    const METHOD: &'static str = "Cluster.Contacts";
    type Answer = Contacts;
}

/// The servers of a region.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contacts {
    pub region: String,
    pub servers: Vec<Contact>,
    /// RPC address of the leader, if there is one.
    pub leader: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// `ip:port`
    pub rpc: String,
    /// `ip:port`
    pub gossip: String,
}

/// Asks the server at an RPC address.
///
/// # Errors
/// It does not answer, or is a server of another region.
pub async fn ask(carrier: &Carrier, address: &str, region: &str) -> Result<Contacts, Error> {
    let remote = carrier.remote::<Ask>(To::Address(address.to_owned()));
    remote.ask(&Ask { region: region.to_owned() }, PATIENCE).await
}

/// Answers with what `contacts` says now.
pub fn register(router: &mut Router, contacts: Arc<dyn Fn() -> Contacts + Send + Sync>) {
    router.register(move |call: Ask| {
        let contacts = contacts();
        async move {
            if contacts.region == call.region {
                return Ok(contacts);
            }
            Err(Error::new(
                super::rpc::ErrorKind::Invalid,
                format!(
                    "this server is of region {:?}, you are of {:?}: set the same `region` on both",
                    contacts.region, call.region
                ),
            ))
        }
    });
}

//! Proposals from any server: the leader writes them, the others pass them on.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use state::{Command, Outcome};
use tokio::time::Instant;

use super::{
    remote::{Carrier, HOLD, To},
    rpc::{Call, Error, ErrorKind, Router},
};
use crate::actors::ports::{Committed, ProposeError, Proposer, StateReader};

/// How long the leader may take to write.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a server waits until it has applied what the leader wrote, so that its caller reads its own write here.
const CATCH_UP: Duration = Duration::from_secs(5);
/// Pause before the log is asked again while nobody leads.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug, Serialize, Deserialize)]
struct Propose {
    commands: Vec<Bytes>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Written {
    index: u64,
    outcomes: Vec<Outcome>,
}

impl Call for Propose {
    const METHOD: &'static str = "Log.Propose";
    type Answer = Written;
}

/// Writes to the log from a server, whoever leads.
pub struct AnyServer {
    local: Arc<dyn Proposer>,
    state: Arc<dyn StateReader>,
    carrier: Carrier,
}

impl std::fmt::Debug for AnyServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnyServer").finish_non_exhaustive()
    }
}

impl AnyServer {
    pub fn new(local: Arc<dyn Proposer>, state: Arc<dyn StateReader>, carrier: Carrier) -> Self {
        Self { local, state, carrier }
    }

    async fn pass_on(&self, commands: &[Command]) -> Result<Committed, Error> {
        let commands = commands.iter().map(|command| command.encode().into()).collect();
        let remote = self.carrier.remote::<Propose>(To::Leader);
        let written = remote.ask(&Propose { commands }, PATIENCE).await?;
        let mut changes = self.state.changes();
        // In vain when this server is cut off from the leader just now: the write is in the log all the same.
        let _ = tokio::time::timeout(CATCH_UP, changes.wait_for(|index| *index >= written.index)).await;
        Ok(Committed { index: written.index, outcomes: written.outcomes })
    }
}

#[async_trait]
impl Proposer for AnyServer {
    async fn propose(&self, commands: Vec<Command>) -> Result<Committed, ProposeError> {
        let deadline = Instant::now() + HOLD;
        loop {
            let leader = match self.local.propose(commands.clone()).await {
                Err(ProposeError::NotLeader { leader }) => leader,
                result => return result,
            };
            match self.pass_on(&commands).await {
                Ok(committed) => return Ok(committed),
                Err(error) => match error.kind {
                    ErrorKind::NoLeader | ErrorKind::Unreachable if Instant::now() < deadline => {
                        tokio::time::sleep(PAUSE).await;
                    }
                    ErrorKind::NoLeader | ErrorKind::Unreachable => {
                        return Err(ProposeError::NotLeader { leader });
                    }
                    ErrorKind::Overloaded => return Err(ProposeError::Overloaded),
                    ErrorKind::Unknown => return Err(ProposeError::Unknown(error.message)),
                    _ => return Err(ProposeError::Closed(error.message)),
                },
            }
        }
    }
}

/// Writes what other servers pass on. `local` must not pass on again.
pub fn register(router: &mut Router, local: Arc<dyn Proposer>) {
    router.register(move |call: Propose| {
        let local = local.clone();
        async move {
            let commands = call
                .commands
                .iter()
                .map(|bytes| Command::decode(bytes))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| Error::new(ErrorKind::Invalid, error.to_string()))?;
            let committed = local.propose(commands).await.map_err(refusal)?;
            Ok(Written { index: committed.index, outcomes: committed.outcomes })
        }
    });
}

fn refusal(error: ProposeError) -> Error {
    let kind = match &error {
        ProposeError::NotLeader { .. } => ErrorKind::NoLeader,
        ProposeError::Overloaded => ErrorKind::Overloaded,
        ProposeError::Unknown(_) => ErrorKind::Unknown,
        ProposeError::Closed(_) => ErrorKind::Unreachable,
    };
    let words = match error {
        ProposeError::Unknown(why) => why,
        error => error.to_string(),
    };
    Error::new(kind, words)
}

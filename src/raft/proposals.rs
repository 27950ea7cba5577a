//! Puts the commands of all waiting callers into few log entries: one fsync serves many.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use openraft::{
    errors::{ClientWriteError, Fatal, ForwardReason, ForwardToLeader},
    impls::ProgressResponder,
    raft::ClientWriteResult,
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    time::{Instant, timeout_at},
};

use super::types::{Commands, Types};
use crate::actors::ports::{Committed, ProposeError};

/// Callers whose commands share an entry, at most.
const MAX_CALLERS: usize = 512;
/// Bytes of commands in an entry; a single caller may exceed it.
const MAX_ENTRY_BYTES: usize = 4 << 20;
/// Entries that are on their way to the disk and the other servers at a time. While they are, the next batch grows.
const MAX_IN_FLIGHT: usize = 2;
/// How long an entry waits for as many callers as wrote together a moment ago: what an entry costs on three servers is
/// several times what a caller's command costs. A caller that has been alone for some entries does not wait.
const GATHER: Duration = Duration::from_millis(1);

/// Commands of one caller, which stay together.
pub(super) struct Proposal {
    pub(super) commands: Vec<Bytes>,
    pub(super) answer: oneshot::Sender<Result<Committed, ProposeError>>,
}

type Raft = openraft::Raft<Types, super::machine::Machine>;

/// Runs until all senders of proposals are gone.
pub(super) async fn batch(raft: Raft, mut waiting: mpsc::Receiver<Proposal>, patience: Duration) {
    let in_flight = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
    let mut taken = VecDeque::new();
    let mut fresh = Vec::new();
    let mut usual = 1;
    loop {
        let Ok(permit) = in_flight.clone().acquire_owned().await else { return };
        if taken.is_empty() {
            if waiting.recv_many(&mut fresh, MAX_CALLERS).await == 0 {
                return;
            }
            let until = Instant::now() + GATHER;
            while fresh.len() < usual
                && let Ok(more) = timeout_at(until, waiting.recv_many(&mut fresh, MAX_CALLERS)).await
                && more > 0
            {}
            usual = fresh.len().max(usual * 3 / 4).min(MAX_CALLERS);
            taken.extend(fresh.drain(..));
        }
        let mut commands = Vec::new();
        let mut callers = Vec::new();
        let mut bytes = 0;
        while let Some(proposal) = taken.pop_front_if(|proposal: &mut Proposal| {
            let more = size_of(proposal);
            let fits = bytes == 0 || bytes + more <= MAX_ENTRY_BYTES;
            bytes += if fits { more } else { 0 };
            fits
        }) {
            callers.push((proposal.commands.len(), proposal.answer));
            commands.extend(proposal.commands);
        }
        let (responder, answered) = ProgressResponder::complete_only();
        // Handed over here and not in the task below: entries keep the order of their callers.
        if let Err(error) = raft.write(Commands(commands.into())).responder(responder).await {
            answer(callers, Err(closed(&error)));
            continue;
        }
        tokio::spawn(async move {
            let result = match tokio::time::timeout(patience, answered).await {
                Ok(Ok(result)) => result.map_err(|error| refused(&error)),
                // The core dropped the answer: it stopped after taking the entry.
                Ok(Err(_)) => Err(ProposeError::Unknown("the log was closed meanwhile".into())),
                Err(_) => Err(ProposeError::Unknown(format!("not committed within {patience:?}"))),
            };
            drop(permit);
            answer(callers, result.map(|response| (response.log_id.index(), response.data)));
        });
    }
}

fn size_of(proposal: &Proposal) -> usize {
    proposal.commands.iter().map(Bytes::len).sum()
}

type Callers = Vec<(usize, oneshot::Sender<Result<Committed, ProposeError>>)>;

fn answer(callers: Callers, result: Result<(u64, Vec<state::Outcome>), ProposeError>) {
    match result {
        Ok((index, outcomes)) => {
            let mut outcomes = outcomes.into_iter();
            for (count, caller) in callers {
                let outcomes: Vec<_> = outcomes.by_ref().take(count).collect();
                debug_assert_eq!(outcomes.len(), count, "one outcome per command");
                // A caller that went away does not want to know.
                let _ = caller.send(Ok(Committed { index, outcomes }));
            }
        }
        Err(error) => {
            for (_, caller) in callers {
                let _ = caller.send(Err(error.clone()));
            }
        }
    }
}

type WriteError = <ClientWriteResult<Types> as ErrorOf>::Error;

trait ErrorOf {
    type Error;
}

impl<T, E> ErrorOf for Result<T, E> {
    type Error = E;
}

fn refused(error: &WriteError) -> ProposeError {
    match error {
        ClientWriteError::ForwardToLeader(forward) => ProposeError::NotLeader { leader: leader_of(forward) },
        ClientWriteError::LogEntryDiscarded(_) => {
            ProposeError::Unknown("another server took the lead before the write was committed".into())
        }
        // Only asked for by requests that we do not make; nothing was written.
        ClientWriteError::ChangeMembershipError(_) | ClientWriteError::PreconditionFailed(_) => {
            ProposeError::Closed(error.to_string())
        }
    }
}

pub(super) fn leader_of(forward: &ForwardToLeader<Types>) -> Option<String> {
    match forward.reason {
        ForwardReason::NotLeader | ForwardReason::LeadershipTransfer => {
            forward.leader_node.as_ref().map(|peer| peer.address.clone())
        }
        // It would name this server.
        ForwardReason::LeaseExpired => None,
    }
}

fn closed(error: &Fatal<Types>) -> ProposeError {
    ProposeError::Closed(error.to_string())
}

//! openraft's way to the other servers.

use std::future::Future;

use openraft::{
    RaftNetworkFactory, RaftNetworkV2,
    errors::{RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::RPCOption,
    raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse},
};

use super::{
    snapshot::SnapshotFile,
    types::{Peer, Types, Vote},
};

/// For a cluster of one server: whoever else is asked for cannot be reached.
pub(super) struct Alone;

/// A server that this one has no way to.
pub(super) struct Stranger {
    address: String,
}

impl RaftNetworkFactory<Types> for Alone {
    type Network = Stranger;

    async fn new_client(&mut self, _target: u64, node: &Peer) -> Stranger {
        Stranger { address: node.address.clone() }
    }
}

impl Stranger {
    fn unreachable(&self) -> Unreachable<Types> {
        Unreachable::from_string(format!("{}: this server works alone and calls no other", self.address))
    }
}

impl RaftNetworkV2<Types> for Stranger {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        _rpc: AppendEntriesRequest<Types>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        Err(self.unreachable().into())
    }

    async fn vote(
        &mut self,
        _rpc: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Err(self.unreachable().into())
    }

    async fn pre_vote(
        &mut self,
        _rpc: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Err(self.unreachable().into())
    }

    async fn full_snapshot(
        &mut self,
        _vote: Vote,
        _snapshot: openraft::type_config::alias::SnapshotOf<Types, SnapshotFile>,
        _cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        Err(self.unreachable().into())
    }
}

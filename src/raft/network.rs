//! The way to the other servers, and what they are answered.
//!
//! The messages are openraft's own, with field names. The number in the method names changes when another release of
//! openraft writes them in another way: servers of both kinds then refuse each other in words.

use std::{
    future::Future,
    io,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use openraft::{
    RaftNetworkFactory, RaftNetworkV2, Snapshot,
    errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::RPCOption,
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
        TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::{
    machine::Machine,
    snapshot::SnapshotFile,
    types::{Peer, SnapshotMeta, Types, Vote},
};
use crate::net::rpc::{Call, Client, ClientConfig, Error, ErrorKind, Router};

/// Bytes of a snapshot in one call.
const CHUNK: usize = 1 << 20;
/// For one of them; the last one installs the snapshot.
const CHUNK_TIMEOUT: Duration = Duration::from_secs(60);

macro_rules! calls {
    ($($name:ident($request:ty) -> $answer:ty, $method:literal;)*) => {$(
        #[derive(Serialize, Deserialize)]
        #[serde(transparent)]
        struct $name($request);

        impl Call for $name {
            const METHOD: &'static str = $method;
            type Answer = $answer;
        }
    )*};
}

calls! {
    Append(AppendEntriesRequest<Types>) -> AppendEntriesResponse<Types>, "Raft1.Append";
    RequestVote(VoteRequest<Types>) -> VoteResponse<Types>, "Raft1.Vote";
    RequestPreVote(VoteRequest<Types>) -> VoteResponse<Types>, "Raft1.PreVote";
    Transfer(TransferLeaderRequest<Types>) -> TransferLeaderResponse<Types>, "Raft1.TransferLeader";
}

/// A piece of a snapshot. The pieces of a transfer come one after the other.
#[derive(Serialize, Deserialize)]
struct Chunk {
    from: u64,
    transfer: u64,
    vote: Vote,
    meta: SnapshotMeta,
    offset: u64,
    data: Bytes,
    last: bool,
}

impl Call for Chunk {
    const METHOD: &'static str = "Raft1.Snapshot";
    /// `Some` after the last piece.
    type Answer = Option<SnapshotResponse<Types>>;
}

/// Makes connections to servers by the addresses in the membership.
pub(super) struct Peers {
    pub(super) own: u64,
    /// The longest wait between two attempts: not much more than an election takes.
    pub(super) max_backoff: Duration,
}

impl RaftNetworkFactory<Types> for Peers {
    type Network = Link;

    /// Called once each for replication, heartbeats and snapshots: none of them waits behind another.
    async fn new_client(&mut self, _target: u64, node: &Peer) -> Link {
        let config = ClientConfig { max_backoff: self.max_backoff, ..ClientConfig::default() };
        Link { own: self.own, client: Client::new(node.address.clone(), config) }
    }
}

/// One other server.
pub(super) struct Link {
    own: u64,
    client: Client,
}

impl Link {
    async fn call<C: Call>(&self, call: &C, option: &RPCOption) -> Result<C::Answer, RPCError<Types>> {
        self.client.call(call, option.soft_ttl()).await.map_err(|error| match error.kind {
            ErrorKind::Unknown | ErrorKind::Overloaded => NetworkError::new(&error).into(),
            _ => Unreachable::new(&error).into(),
        })
    }

    async fn send(&self, vote: Vote, snapshot: &Snapshotted) -> Result<SnapshotResponse<Types>, Error> {
        static TRANSFERS: AtomicU64 = AtomicU64::new(1);
        let transfer = TRANSFERS.fetch_add(1, Ordering::Relaxed);
        let mut offset = 0;
        loop {
            let data = snapshot.read(offset).await.map_err(broken)?;
            let length = data.len() as u64;
            // A full piece may be the last one, too: then an empty one follows.
            let last = data.len() < CHUNK;
            let meta = snapshot.meta.clone();
            let chunk = Chunk { from: self.own, transfer, vote, meta, offset, data, last };
            if let Some(response) = self.client.call(&chunk, CHUNK_TIMEOUT).await? {
                return Ok(response);
            }
            if last {
                return Err(Error::new(
                    ErrorKind::Internal,
                    "the last piece of a snapshot was not understood",
                ));
            }
            offset += length;
        }
    }
}

struct Snapshotted {
    meta: SnapshotMeta,
    file: Arc<SnapshotFile>,
}

impl Snapshotted {
    async fn read(&self, offset: u64) -> io::Result<Bytes> {
        let file = self.file.clone();
        blocking(move || {
            let mut data = vec![0; CHUNK];
            let mut length = 0;
            while length < CHUNK {
                match file.0.read_at(&mut data[length..], offset + length as u64)? {
                    0 => break,
                    read => length += read,
                }
            }
            data.truncate(length);
            Ok(data.into())
        })
        .await
    }
}

impl RaftNetworkV2<Types> for Link {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        self.call(&Append(rpc), &option).await
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.call(&RequestVote(rpc), &option).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.call(&RequestPreVote(rpc), &option).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: openraft::type_config::alias::SnapshotOf<Types, SnapshotFile>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let snapshot = Snapshotted { meta: snapshot.meta, file: Arc::new(snapshot.snapshot) };
        tokio::select! {
            closed = cancel => Err(closed.into()),
            sent = self.send(vote, &snapshot) => sent.map_err(|error| Unreachable::new(&error).into()),
        }
    }

    async fn transfer_leader(
        &mut self,
        rpc: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        self.call(&Transfer(rpc), &option).await
    }
}

/// The snapshot that is coming in.
#[derive(Default)]
struct Incoming(Option<Receiving>);

struct Receiving {
    from: u64,
    transfer: u64,
    file: Arc<SnapshotFile>,
    length: u64,
}

/// Answers the other servers. Snapshots that come in are kept in `dir` until they are whole.
pub(super) fn register(raft: &openraft::Raft<Types, Machine>, dir: PathBuf, router: &mut Router) {
    let to = raft.clone();
    router.register_urgent(move |Append(rpc): Append| {
        let raft = to.clone();
        async move { raft.append_entries(rpc).await.map_err(broken) }
    });
    let to = raft.clone();
    router.register_urgent(move |RequestVote(rpc): RequestVote| {
        let raft = to.clone();
        async move { raft.vote(rpc).await.map_err(broken) }
    });
    let to = raft.clone();
    router.register_urgent(move |RequestPreVote(rpc): RequestPreVote| {
        let raft = to.clone();
        async move { raft.pre_vote(rpc).await.map_err(broken) }
    });
    let to = raft.clone();
    router.register_urgent(move |Transfer(rpc): Transfer| {
        let raft = to.clone();
        async move { raft.handle_transfer_leader(rpc).await.map_err(broken) }
    });
    let to = raft.clone();
    let incoming = Arc::new(Mutex::new(Incoming::default()));
    router.register_urgent(move |chunk: Chunk| {
        let (raft, dir, incoming) = (to.clone(), dir.clone(), incoming.clone());
        async move {
            let Some((vote, meta, file)) = incoming.lock().await.take_in(chunk, dir).await? else {
                return Ok(None);
            };
            let snapshot = Snapshot { meta, snapshot: file };
            raft.install_full_snapshot(vote, snapshot).await.map(Some).map_err(broken)
        }
    });
}

impl Incoming {
    /// Returns the snapshot when it is whole.
    async fn take_in(
        &mut self,
        chunk: Chunk,
        dir: PathBuf,
    ) -> Result<Option<(Vote, SnapshotMeta, SnapshotFile)>, Error> {
        if chunk.offset == 0 {
            let path = dir.join(format!("incoming-{}.tmp", chunk.from));
            let file = blocking(move || {
                let file = std::fs::File::options()
                    .read(true)
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .open(&path)?;
                // Without a name it is gone when nobody needs it any more.
                std::fs::remove_file(&path)?;
                Ok(Arc::new(SnapshotFile(file)))
            });
            let file = file.await.map_err(broken)?;
            self.0 = Some(Receiving { from: chunk.from, transfer: chunk.transfer, file, length: 0 });
        }
        let receiving = self
            .0
            .as_mut()
            .filter(|known| {
                (known.from, known.transfer, known.length) == (chunk.from, chunk.transfer, chunk.offset)
            })
            .ok_or_else(|| Error::new(ErrorKind::Conflict, "another piece of the snapshot is expected"))?;
        let (file, offset, data) = (receiving.file.clone(), chunk.offset, chunk.data);
        receiving.length += data.len() as u64;
        blocking(move || file.0.write_all_at(&data, offset)).await.map_err(broken)?;
        if !chunk.last {
            return Ok(None);
        }
        let file = self.0.take().and_then(|whole| Arc::into_inner(whole.file));
        let file =
            file.ok_or_else(|| Error::new(ErrorKind::Internal, "the snapshot is still being written"))?;
        Ok(Some((chunk.vote, chunk.meta, file)))
    }
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Internal, error.to_string())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

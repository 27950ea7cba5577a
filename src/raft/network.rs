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
    async_runtime::watch::WatchReceiver,
    errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::{Backoff, RPCOption},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
        TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::{
    config::Addresses,
    contact::Contact,
    transport::{Transport, Wire},
};
use super::{
    machine::Machine,
    snapshot::SnapshotFile,
    types::{Peer, SnapshotMeta, Types, Vote},
};
use crate::net::rpc::{Call, Error, ErrorKind, Router, decode, encode};

/// Bytes of a snapshot in one call.
const CHUNK: usize = 1 << 20;
/// For one of them; the last one installs the snapshot.
const CHUNK_TIMEOUT: Duration = Duration::from_secs(60);

/// Waits between attempts to reach a server that cannot be reached, the last one for ever: one that comes back is
/// needed at once.
const BACKOFF: [u64; 4] = [20, 50, 100, 200];

/// Whom a call is for. Addresses may have new owners: a server that answered for another one would count twice.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Head {
    to: u64,
    /// Of the caller; 0: it knows none.
    cluster: u64,
}

impl Head {
    pub(super) fn check(self, peers: &Peers) -> Result<(), Error> {
        if self.to != peers.own {
            let words = format!("server {} is here, not {}", peers.own, self.to);
            return Err(Error::new(ErrorKind::NotFound, words));
        }
        let cluster = peers.cluster();
        if self.cluster != 0 && cluster != 0 && self.cluster != cluster {
            return Err(Error::new(ErrorKind::NotFound, "this server is part of another cluster"));
        }
        Ok(())
    }
}

macro_rules! calls {
    ($($name:ident($request:ty) -> $answer:ty, $method:literal;)*) => {$(
        #[derive(Serialize, Deserialize)]
        struct $name {
            head: Head,
            rpc: $request,
        }

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
    head: Head,
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

/// Finds servers and calls them.
#[derive(Clone)]
pub(super) struct Peers {
    pub(super) own: u64,
    /// Number of the cluster that this server is part of.
    pub(super) cluster: Arc<AtomicU64>,
    pub(super) addresses: Arc<dyn Addresses>,
    pub(super) transport: Arc<dyn Transport>,
    /// The longest wait between two attempts to connect: not much more than an election takes.
    pub(super) patience: Duration,
}

impl Peers {
    /// A connection of its own to a server; `address` is the one in the log.
    pub(super) fn link(&self, target: u64, address: &str) -> Link {
        Link { peers: self.clone(), target, written: address.into(), wire: None }
    }

    pub(super) fn cluster(&self) -> u64 {
        self.cluster.load(Ordering::Relaxed)
    }

    /// Where the server is, as far as anybody knows.
    pub(super) fn address_of(&self, target: u64, written: &str) -> String {
        self.addresses.address_of(target).unwrap_or_else(|| written.to_owned())
    }
}

impl RaftNetworkFactory<Types> for Peers {
    type Network = Link;

    /// Called once each for replication, heartbeats and snapshots: none of them waits behind another.
    async fn new_client(&mut self, target: u64, node: &Peer) -> Link {
        self.link(target, &node.address)
    }
}

/// One other server.
pub(super) struct Link {
    peers: Peers,
    target: u64,
    written: String,
    wire: Option<(String, Box<dyn Wire>)>,
}

impl Link {
    /// The connection to where the server is now.
    fn wire(&mut self) -> &dyn Wire {
        let address = self.peers.address_of(self.target, &self.written);
        let wire = match self.wire.take() {
            Some(known) if known.0 == address => known,
            _ => {
                let wire = self.peers.transport.open(&address, self.peers.patience);
                (address, wire)
            }
        };
        &*self.wire.insert(wire).1
    }

    pub(super) fn head(&self) -> Head {
        Head { to: self.target, cluster: self.peers.cluster() }
    }

    pub(super) async fn ask<C: Call>(&mut self, call: &C, timeout: Duration) -> Result<C::Answer, Error> {
        let body = encode(call)?;
        decode(&self.wire().call(C::METHOD, body, timeout).await?)
    }

    async fn call<C: Call>(&mut self, call: &C, option: &RPCOption) -> Result<C::Answer, RPCError<Types>> {
        self.ask(call, option.soft_ttl()).await.map_err(|error| match error.kind {
            ErrorKind::Unknown | ErrorKind::Overloaded => NetworkError::new(&error).into(),
            _ => Unreachable::new(&error).into(),
        })
    }

    async fn send(&mut self, vote: Vote, snapshot: &Snapshotted) -> Result<SnapshotResponse<Types>, Error> {
        static TRANSFERS: AtomicU64 = AtomicU64::new(1);
        let transfer = TRANSFERS.fetch_add(1, Ordering::Relaxed);
        let mut offset = 0;
        loop {
            let data = snapshot.read(offset).await.map_err(broken)?;
            let length = data.len() as u64;
            // A full piece may be the last one, too: then an empty one follows.
            let last = data.len() < CHUNK;
            let meta = snapshot.meta.clone();
            let head = self.head();
            let chunk = Chunk { head, from: self.peers.own, transfer, vote, meta, offset, data, last };
            if let Some(response) = self.ask(&chunk, CHUNK_TIMEOUT).await? {
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
        let head = self.head();
        self.call(&Append { head, rpc }, &option).await
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let head = self.head();
        self.call(&RequestVote { head, rpc }, &option).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let head = self.head();
        self.call(&RequestPreVote { head, rpc }, &option).await
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
        let head = self.head();
        self.call(&Transfer { head, rpc }, &option).await
    }

    fn backoff(&self) -> Option<Backoff> {
        let last = *BACKOFF.last()?;
        Some(Backoff::new(BACKOFF.into_iter().chain(std::iter::repeat(last)).map(Duration::from_millis)))
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
pub(super) fn register(
    raft: &openraft::Raft<Types, Machine>,
    contact: &Arc<Contact>,
    peers: &Peers,
    dir: PathBuf,
    router: &mut Router,
) {
    let (to, heard) = (raft.clone(), contact.clone());
    let us = peers.clone();
    router.register_urgent(move |Append { head, rpc }: Append| {
        let (raft, contact, right) = (to.clone(), heard.clone(), head.check(&us));
        async move {
            right?;
            let _hearing = match contact.hear(&rpc.vote) {
                Ok(hearing) => Some(hearing),
                // This server has gone on to a later term: a leader that was given up must learn that, or it leads on
                // without ever being heard here again.
                Err(_) if raft.metrics().borrow_watched().vote > rpc.vote => None,
                Err(error) => return Err(error),
            };
            raft.append_entries(rpc).await.map_err(broken)
        }
    });
    let (to, heard) = (raft.clone(), contact.clone());
    let us = peers.clone();
    router.register_urgent(move |RequestVote { head, rpc }: RequestVote| {
        let (raft, contact, right) = (to.clone(), heard.clone(), head.check(&us));
        async move {
            right?;
            contact.may_vote().await;
            raft.vote(rpc).await.map_err(broken)
        }
    });
    let (to, heard) = (raft.clone(), contact.clone());
    let us = peers.clone();
    router.register_urgent(move |RequestPreVote { head, rpc }: RequestPreVote| {
        let (raft, contact, right) = (to.clone(), heard.clone(), head.check(&us));
        async move {
            right?;
            contact.may_vote().await;
            raft.pre_vote(rpc).await.map_err(broken)
        }
    });
    let to = raft.clone();
    let us = peers.clone();
    router.register_urgent(move |Transfer { head, rpc }: Transfer| {
        let (raft, right) = (to.clone(), head.check(&us));
        async move {
            right?;
            raft.handle_transfer_leader(rpc).await.map_err(broken)
        }
    });
    let to = raft.clone();
    let incoming = Arc::new(Mutex::new(Incoming::default()));
    let (heard, us) = (contact.clone(), peers.clone());
    router.register_urgent(move |chunk: Chunk| {
        let (raft, dir, incoming) = (to.clone(), dir.clone(), incoming.clone());
        let (contact, right) = (heard.clone(), chunk.head.check(&us));
        async move {
            right?;
            let _hearing = contact.hear(&chunk.vote)?;
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

//! The state machine: applies committed entries to the state and publishes the result.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use futures::{Stream, StreamExt};
use openraft::{
    EntryPayload, OptionalSend, RaftSnapshotBuilder, Snapshot,
    storage::{EntryResponder, RaftStateMachine},
};
use state::{Command, Root};
use tokio::sync::watch;

use super::{
    snapshot::{SnapshotDir, SnapshotFile},
    types::{LogId, SnapshotMeta, StoredMembership, Types},
};

/// What readers see.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) root: ArcSwap<Root>,
    pub(super) changes: watch::Sender<u64>,
    /// Commands applied since the newest snapshot was begun: what a restart has to repeat.
    pub(super) unsaved: AtomicU64,
}

impl Published {
    pub(super) fn new(root: Root) -> Self {
        let (changes, _) = watch::channel(root.index);
        Self { root: ArcSwap::from_pointee(root), changes, unsaved: AtomicU64::new(0) }
    }

    fn publish(&self, root: Root) {
        let index = root.index;
        self.root.store(Arc::new(root));
        self.changes.send_replace(index);
    }
}

/// Owns the newest state. Keeps nothing on disk but its snapshots: the log is replayed on top of them.
pub(super) struct Machine {
    root: Root,
    applied: Option<LogId>,
    membership: StoredMembership,
    published: Arc<Published>,
    snapshots: Arc<SnapshotDir>,
}

impl Machine {
    pub(super) fn new(
        published: Arc<Published>,
        snapshots: Arc<SnapshotDir>,
        meta: Option<SnapshotMeta>,
    ) -> Self {
        let meta = meta.unwrap_or_default();
        Self {
            root: (**published.root.load()).clone(),
            applied: meta.last_log_id,
            membership: meta.last_membership,
            published,
            snapshots,
        }
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    /// Readers see either none or all of the entries. Whoever proposed one is answered after that.
    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        let mut answers = Vec::new();
        let mut applied = 0;
        while let Some(item) = entries.next().await {
            let (entry, responder) = item?;
            let index = entry.log_id.index();
            let outcomes = match &entry.payload {
                EntryPayload::Blank => Vec::new(),
                EntryPayload::Normal(commands) => {
                    let mut outcomes = Vec::with_capacity(commands.0.len());
                    for command in commands.0.iter() {
                        let command = Command::decode(command).map_err(|error| {
                            io::Error::new(io::ErrorKind::InvalidData, format!("log entry {index}: {error}"))
                        })?;
                        outcomes.push(self.root.apply(index, command));
                    }
                    applied += outcomes.len() as u64;
                    outcomes
                }
                EntryPayload::Membership(membership) => {
                    self.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
                    Vec::new()
                }
            };
            self.root.index = index;
            self.applied = Some(entry.log_id);
            answers.extend(responder.map(|responder| (responder, outcomes)));
        }
        self.published.unsaved.fetch_add(applied, Ordering::Relaxed);
        self.published.publish(self.root.clone());
        for (responder, outcomes) in answers {
            responder.send(outcomes);
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        self.published.unsaved.store(0, Ordering::Relaxed);
        Builder {
            root: self.root.clone(),
            meta: SnapshotMeta { last_log_id: self.applied, last_membership: self.membership.clone() },
            snapshots: self.snapshots.clone(),
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: SnapshotFile,
    ) -> Result<(), io::Error> {
        let (snapshots, wanted) = (self.snapshots.clone(), meta.clone());
        self.root = blocking(move || snapshots.install(&wanted, &snapshot)).await?;
        self.published.unsaved.store(0, Ordering::Relaxed);
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.published.publish(self.root.clone());
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<openraft::type_config::alias::SnapshotOf<Types, SnapshotFile>>, io::Error> {
        let snapshots = self.snapshots.clone();
        let newest = blocking(move || snapshots.newest()).await?;
        Ok(newest.map(|(meta, snapshot)| Snapshot { meta, snapshot }))
    }
}

/// Writes the state as it was when the builder was made, while entries go on being applied.
pub(super) struct Builder {
    root: Root,
    meta: SnapshotMeta,
    snapshots: Arc<SnapshotDir>,
}

impl RaftSnapshotBuilder<Types> for Builder {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(
        &mut self,
    ) -> Result<openraft::type_config::alias::SnapshotOf<Types, SnapshotFile>, io::Error> {
        let (root, meta, snapshots) = (self.root.clone(), self.meta.clone(), self.snapshots.clone());
        let snapshot = blocking(move || snapshots.write(&meta, &root)).await?;
        Ok(Snapshot { meta: self.meta.clone(), snapshot })
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

//! The door to what allocations leave behind for those that come after them.

use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use model::AllocId;

use super::ClusterError;

/// A tar archive, piece by piece. Without an error at its end it is complete.
pub type DataStream = BoxStream<'static, Result<Bytes, ClusterError>>;

/// Data of allocations on this node's disk: `alloc/data`, and the `local` directory of each task.
#[async_trait]
pub trait AllocData: Send + Sync + 'static {
    /// Moves the data of one allocation to another one, as far as that has these tasks. Repeating it goes on where it
    /// was broken off. `false`: there are none.
    async fn hand_over(&self, from: AllocId, to: AllocId, tasks: &[String]) -> io::Result<bool>;
    /// The data as an archive. Links are not followed; pipes, sockets and devices are left out.
    async fn pack(&self, alloc: AllocId) -> io::Result<DataStream>;
    /// Puts what an archive holds in the place of the allocation's data, all or nothing. What belongs to no task of
    /// these is left out; what leads elsewhere is refused. Repeating it begins anew.
    async fn unpack(&self, alloc: AllocId, tasks: &[String], archive: DataStream) -> io::Result<()>;
}

/// Why there are no data of an allocation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoData {
    /// They were removed, or nobody knows the allocation any more.
    #[error("its files were removed")]
    Gone,
    #[error("{0}")]
    Failed(String),
}

/// Data of allocations on other nodes.
#[async_trait]
pub trait DataElsewhere: Send + Sync + 'static {
    /// Waits until the allocation has ended, or nobody knows what became of it; then opens its data.
    async fn fetch(&self, alloc: AllocId) -> Result<DataStream, NoData>;
}

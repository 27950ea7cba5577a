//! What a simulated node has instead of a machine: no disk, no network, and more processors than this one.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use model::{AllocId, Capacity, CheckStatus, Node, NodeId, NodeStatus};
use state::Root;
use tokio::sync::watch;

use crate::actors::ports::{
    AllocData, AllocDisk, DataElsewhere, DataStream, FetchError, FetchOrder, Fetcher, FilePut, HostFacts,
    HostProbe, HostUsage, NoData, NodeStore, Part, Probe, Prober, Remembered, StateReader, TaskDirs,
};

/// Values of `meta.rack`.
pub(super) const RACKS: usize = 20;
/// Values of `meta.half` and `meta.tenth`; rack by rack they change.
const HALVES: usize = 2;
const TENTHS: usize = 10;
/// The `meta.half` that jobs with a constraint want.
pub(super) const WANTED_HALF: usize = 1;

/// What each simulated node has: 32,000 MHz, 128 GiB of memory, 1 TB of disk.
pub(super) const CAPACITY: Capacity = Capacity { cpu_mhz: 32_000, memory_mb: 131_072, disk_mb: 1_000_000 };
/// Cores that tasks may have for themselves.
const CORES: u16 = 32;
/// Ports that are given out.
const PORTS: (u16, u16) = (20_000, 32_000);

/// Which half of the nodes the node of that number is in.
pub(super) fn half_of(number: usize) -> usize {
    number / RACKS % HALVES
}

/// What the node of that number says of itself; drivers come later.
pub(super) fn describe(id: NodeId, number: usize) -> Node {
    Node {
        id,
        name: format!("sim-{number}"),
        datacenter: "dc1".into(),
        address: "127.0.0.1".into(),
        meta: [
            ("rack".to_owned(), format!("r{}", number % RACKS)),
            ("half".to_owned(), half_of(number).to_string()),
            ("tenth".to_owned(), (number / RACKS % TENTHS).to_string()),
        ]
        .into(),
        attributes: [("kernel.name".to_owned(), "linux".to_owned())].into(),
        capacity: CAPACITY,
        core_count: u32::from(CORES),
        reservable_cores: (0..CORES).collect(),
        dynamic_ports: PORTS,
        status: NodeStatus::Ready,
        ..Node::default()
    }
}

/// Stands where a machine would be.
#[derive(Debug)]
pub(super) struct NoMachine;

#[async_trait]
impl AllocDisk for NoMachine {
    async fn create(&self, _: AllocId, _: &[String]) -> io::Result<()> {
        Ok(())
    }

    async fn write(&self, _: AllocId, _: &str, _: &str, _: Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    async fn put(&self, _: AllocId, _: FilePut) -> io::Result<bool> {
        Ok(true)
    }

    async fn read(&self, _: AllocId, _: Vec<String>, _: usize) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn dirs(&self, _: AllocId, _: &str) -> TaskDirs {
        let nowhere = PathBuf::from;
        TaskDirs {
            alloc: nowhere("/nowhere/alloc"),
            task: nowhere("/nowhere/task"),
            local: nowhere("/nowhere/task/local"),
            secrets: nowhere("/nowhere/task/secrets"),
            logs: nowhere("/nowhere/alloc/logs"),
        }
    }

    async fn destroy(&self, _: AllocId) -> io::Result<()> {
        Ok(())
    }
}

#[async_trait]
impl AllocData for NoMachine {
    async fn hand_over(&self, _: AllocId, _: AllocId, _: &[String]) -> io::Result<bool> {
        Ok(false)
    }

    async fn pack(&self, _: AllocId) -> io::Result<DataStream> {
        Err(io::ErrorKind::NotFound.into())
    }

    async fn unpack(&self, _: AllocId, _: &[String], _: DataStream) -> io::Result<()> {
        Ok(())
    }
}

#[async_trait]
impl DataElsewhere for NoMachine {
    async fn fetch(&self, _: AllocId) -> Result<DataStream, NoData> {
        Err(NoData::Gone)
    }
}

#[async_trait]
impl Fetcher for NoMachine {
    async fn fetch(&self, _: FetchOrder) -> Result<(), FetchError> {
        Ok(())
    }
}

/// Simulated tasks have no templates: nobody reads it.
impl StateReader for NoMachine {
    fn root(&self) -> Arc<Root> {
        Arc::default()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }
}

#[async_trait]
impl NodeStore for NoMachine {
    async fn put(&self, _: AllocId, _: Part, _: Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    async fn remove(&self, _: AllocId) -> io::Result<()> {
        Ok(())
    }

    async fn load(&self) -> io::Result<Vec<(AllocId, Remembered)>> {
        Ok(Vec::new())
    }

    async fn put_meta(&self, _: Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    async fn load_meta(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }
}

#[async_trait]
impl Prober for NoMachine {
    async fn probe(&self, _: &Probe, _: Duration) -> (CheckStatus, String) {
        (CheckStatus::Passing, "simulated".into())
    }
}

#[async_trait]
impl HostProbe for NoMachine {
    async fn fingerprint(&self) -> HostFacts {
        HostFacts { capacity: CAPACITY, address: "127.0.0.1".into(), ..HostFacts::default() }
    }

    async fn interfaces(&self) -> Vec<logic::sockaddr::Interface> {
        Vec::new()
    }

    async fn usage(&self) -> HostUsage {
        HostUsage::default()
    }
}

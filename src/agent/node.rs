//! Wires the node side: what the machine says of itself, its drivers, and the node agent.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actix::ArbiterHandle;
use logic::node_meta::{Changes, NodeMeta};
use model::{DriverInfo, Node, NodeId, NodeStatus, claims::format_cpuset};
use tokio::runtime::Handle;
use tracing::warn;

use super::{config::Config, identity, sources::SystemClock, start::StartError};
use crate::{
    actors::{
        kit::{Fatal, Kind, Link, supervise},
        node_agent::{NodeAgent, NodeKit, apply_fingerprint},
        ports::{
            AllocData, AllocDisk, DataElsewhere, HostProbe, NodeStore, ServerLink, StateReader, TaskDriver,
        },
    },
    driver::{
        alloc_disk::Disk,
        docker::{Docker, Options},
        fetch::NetFetcher,
        host::LinuxHost,
        mock::MockDriver,
        node_store::RedbNodeStore,
        prober::NetProber,
        raw_exec::RawExec,
    },
};

/// How long the start of the agent waits for a driver to say whether it is there; a slower one is heard later.
const FIRST_LOOK: Duration = Duration::from_millis(300);

/// The node side as others need it.
pub(super) struct NodeSide {
    pub node: Node,
    pub agent: Link<NodeAgent>,
    pub drivers: BTreeMap<String, Arc<dyn TaskDriver>>,
    pub disk: Arc<dyn AllocDisk>,
    pub data: Arc<dyn AllocData>,
    pub host: Arc<dyn HostProbe>,
}

/// What the node side asks of others.
pub(super) struct Outside {
    pub servers: Arc<dyn ServerLink>,
    pub catalog: Arc<dyn StateReader>,
    pub elsewhere: Arc<dyn DataElsewhere>,
}

pub(super) async fn start(
    config: &Config,
    id: NodeId,
    Outside { servers, catalog, elsewhere }: Outside,
    arbiter: &ArbiterHandle,
    runtime: &Handle,
    fatal: Fatal,
) -> Result<NodeSide, StartError> {
    let dir = config.state_dir();
    let alloc_dir = config.alloc_dir();
    std::fs::create_dir_all(&alloc_dir).map_err(|error| StartError::dir(&alloc_dir, &error))?;
    let store_path = dir.join(identity::STATE);
    let store: Arc<dyn NodeStore> =
        Arc::new(RedbNodeStore::open(&store_path).map_err(|error| StartError::dir(&store_path, &error))?);
    let records = store.load().await.map_err(|error| StartError::dir(&store_path, &error))?;
    let dynamic = match store.load_meta().await.map_err(|error| StartError::dir(&store_path, &error))? {
        Some(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            warn!(%error, "the dynamic metadata of the node cannot be read; it begins anew");
            Changes::new()
        }),
        None => Changes::new(),
    };
    let meta = NodeMeta::new(config.meta.clone(), dynamic);
    let disk = Arc::new(Disk::new(&alloc_dir, runtime.clone()));
    let data: Arc<dyn AllocData> = disk.clone();
    let host: Arc<dyn HostProbe> = Arc::new(LinuxHost::new(&alloc_dir, runtime.clone()));
    let drivers = drivers(config, runtime)?;
    let node = Node { meta: meta.all(), ..describe(config, id, &*host, &drivers).await };
    let kit = NodeKit {
        servers,
        drivers: Arc::new(drivers.clone()),
        disk: disk.clone(),
        data: data.clone(),
        elsewhere,
        fetcher: Arc::new(NetFetcher::new(&alloc_dir, runtime.clone())),
        store,
        meta,
        prober: Arc::new(NetProber::new(runtime.clone())),
        host: host.clone(),
        catalog,
        clock: Arc::new(SystemClock),
        jitter: Arc::new(rand::random::<f64>),
        fatal: fatal.clone(),
    };
    let link: Link<NodeAgent> = Link::new("node agent");
    let (me, described) = (link.clone(), node.clone());
    supervise(arbiter, Kind::NodeAgent, link.clone(), fatal, move || {
        NodeAgent::new(described.clone(), kit.clone(), me.clone(), records.clone())
    });
    Ok(NodeSide { node, agent: link, drivers, disk, data, host })
}

fn drivers(config: &Config, runtime: &Handle) -> Result<BTreeMap<String, Arc<dyn TaskDriver>>, StartError> {
    let mut drivers: Vec<Arc<dyn TaskDriver>> = Vec::new();
    if config.docker {
        let options = Options {
            socket: config.docker_socket.display().to_string(),
            volumes_enabled: config.docker_volumes,
            allow_privileged: config.docker_privileged,
            allow_caps: config.docker_caps.clone(),
        };
        drivers.push(Arc::new(Docker::new(options, runtime.clone())));
    }
    if config.raw_exec {
        let program = std::env::current_exe()
            .map_err(|error| StartError::Other(format!("the path of this program is unknown: {error}")))?;
        let dir = config.state_dir().join("supervisor");
        drivers.push(Arc::new(RawExec::new(dir, program, runtime.clone())));
    }
    if config.mock {
        drivers.push(Arc::new(MockDriver::new(runtime.clone())));
    }
    Ok(drivers.into_iter().map(|driver| (driver.name().to_owned(), driver)).collect())
}

/// Which of the machine's cores tasks may have for themselves (all that are not kept back, unless some are named), and
/// what those cost that are kept back.
fn give_cores(node: &mut Node, present: &[u16], reserved: &[u16], reservable: &[u16]) {
    let absent: Vec<u16> =
        reserved.iter().chain(reservable).filter(|core| !present.contains(core)).copied().collect();
    if !absent.is_empty() {
        warn!(cores = format_cpuset(&absent), "the configuration names cores that this machine has not");
    }
    let (kept, rest): (Vec<u16>, Vec<u16>) = present.iter().partition(|core| reserved.contains(core));
    let is_wanted = |core: &u16| reservable.is_empty() || reservable.contains(core);
    node.reservable_cores = rest.into_iter().filter(is_wanted).collect();
    let cost = u32::try_from(kept.len()).unwrap_or(u32::MAX).saturating_mul(node.core_mhz());
    node.reserved.cpu_mhz = node.reserved.cpu_mhz.max(cost);
    node.reserved_cores = kept;
}

async fn describe(
    config: &Config,
    id: model::NodeId,
    host: &dyn HostProbe,
    drivers: &BTreeMap<String, Arc<dyn TaskDriver>>,
) -> Node {
    let looks = drivers.iter().map(|(name, driver)| async move {
        let info = tokio::time::timeout(FIRST_LOOK, driver.fingerprint()).await.unwrap_or_else(|_| {
            warn!(driver = name, "the driver has not answered yet");
            DriverInfo { description: "The driver has not answered yet".into(), ..DriverInfo::default() }
        });
        (name.clone(), info)
    });
    let (facts, infos) = tokio::join!(host.fingerprint(), futures::future::join_all(looks));
    let mut capacity = facts.capacity;
    if config.cpu_total_mhz > 0 {
        capacity.cpu_mhz = config.cpu_total_mhz;
    }
    if config.memory_total_mb > 0 {
        capacity.memory_mb = config.memory_total_mb;
    }
    if config.disk_total_mb > 0 {
        capacity.disk_mb = config.disk_total_mb;
    }
    let mut node =
        Node { capacity, reserved: config.reserved, core_count: facts.core_count, ..Node::default() };
    give_cores(&mut node, &facts.cores, &config.reserved_cores, &config.reservable_cores);
    let mut attributes = facts.attributes;
    attributes.insert("cpu.reservablecores".into(), node.reservable_cores.len().to_string());
    let address = config.node_address.clone().unwrap_or_else(|| {
        if config.bind.is_unspecified() { facts.address.clone() } else { config.bind.to_string() }
    });
    let mut node = Node {
        id,
        name: config.name.clone(),
        datacenter: config.datacenter.clone(),
        class: config.node_class.clone(),
        pool: config.node_pool.clone(),
        http_addr: config.advertise.http.address.to_string(),
        address,
        attributes,
        devices: facts.devices,
        reserved_ports: config.reserved_ports.clone(),
        dynamic_ports: config.dynamic_ports,
        status: NodeStatus::Ready,
        ..node
    };
    apply_fingerprint(&mut node, infos.into_iter().collect());
    node
}

#[cfg(test)]
mod tests {
    use model::Capacity;

    use super::*;

    #[track_caller]
    fn check(reserved: &[u16], reservable: &[u16], given: &[u16], kept_mhz: u32) {
        let capacity = Capacity { cpu_mhz: 4000, ..Capacity::default() };
        let kept = Capacity { cpu_mhz: 500, ..Capacity::default() };
        let mut node = Node { capacity, reserved: kept, core_count: 4, ..Node::default() };
        give_cores(&mut node, &[0, 1, 2, 3], reserved, reservable);
        assert_eq!((node.reservable_cores.as_slice(), node.reserved.cpu_mhz), (given, kept_mhz));
    }

    #[test]
    fn cores_for_tasks_alone() {
        check(&[], &[], &[0, 1, 2, 3], 500);
        check(&[0], &[], &[1, 2, 3], 1000);
        check(&[], &[1, 2, 9], &[1, 2], 500);
        check(&[0, 1], &[1, 2], &[2], 2000);
    }
}

//! What the machine is (attributes, capacity) and what it uses now, read from `/proc`, `/sys` and the file systems.

use std::{
    collections::BTreeMap,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Mutex,
};

use async_trait::async_trait;
use logic::sockaddr::Interface;
use model::{Capacity, claims::parse_cpuset};
use nix::{
    ifaddrs::getifaddrs,
    net::if_::InterfaceFlags,
    sys::{
        socket::{SockaddrLike, SockaddrStorage},
        statvfs::statvfs,
    },
};
use tokio::runtime::Handle;

use super::{blocking, gpus};
use crate::actors::ports::{CoreUsage, DiskUsage, HostFacts, HostProbe, HostUsage};

/// What constraints on `${attr.nomad.version}` are compared with: the release whose job files and API we follow.
pub const COMPATIBLE_VERSION: &str = "1.11.3";

/// When neither sysfs nor `/proc/cpuinfo` tells (some ARM machines): a number that places small jobs.
const FALLBACK_MHZ: u32 = 1000;

const MEBIBYTE: u64 = 1024 * 1024;

/// Looks at a Linux machine.
#[derive(Debug)]
pub struct LinuxHost {
    alloc_dir: PathBuf,
    runtime: Handle,
    /// Counters of `/proc/stat` at the last look: usage is the difference.
    last: Mutex<BTreeMap<String, CoreTicks>>,
}

impl LinuxHost {
    /// `alloc_dir` tells whose file system counts as the node's disk.
    pub fn new(alloc_dir: impl Into<PathBuf>, runtime: Handle) -> Self {
        Self { alloc_dir: alloc_dir.into(), runtime, last: Mutex::default() }
    }
}

#[async_trait]
impl HostProbe for LinuxHost {
    async fn fingerprint(&self) -> HostFacts {
        let dir = self.alloc_dir.clone();
        blocking(&self.runtime, move || facts(&dir)).await.unwrap_or_default()
    }

    async fn interfaces(&self) -> Vec<Interface> {
        blocking(&self.runtime, interfaces).await.unwrap_or_default()
    }

    async fn usage(&self) -> HostUsage {
        let dir = self.alloc_dir.clone();
        let (mut usage, ticks) =
            blocking(&self.runtime, move || (usage(&dir), core_ticks(&read("/proc/stat"))))
                .await
                .unwrap_or_default();
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        usage.cores = ticks
            .iter()
            .map(|(name, now)| now.since(last.get(name).copied().unwrap_or_default()).named(name))
            .collect();
        usage
            .cores
            .sort_by_key(|core| core.name.trim_start_matches("cpu").parse::<u32>().unwrap_or(u32::MAX));
        let mhz = f64::from(core_mhz());
        usage.cpu_ticks = usage.cores.iter().map(|core| (100.0 - core.idle) / 100.0 * mhz).sum();
        *last = ticks;
        usage
    }
}

fn facts(alloc_dir: &Path) -> HostFacts {
    let mut attributes = BTreeMap::new();
    let mut set = |name: &str, value: String| {
        if !value.is_empty() {
            attributes.insert(name.to_owned(), value);
        }
    };
    let line = |path: &str| read(path).trim().to_owned();

    let machine = std::env::consts::ARCH;
    let arch = match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    };
    set("arch", arch.to_owned());
    set("cpu.arch", arch.to_owned());
    set("kernel.name", std::env::consts::OS.to_owned());
    set("kernel.arch", machine.to_owned());
    set("kernel.version", line("/proc/sys/kernel/osrelease"));
    let release = os_release(&read("/etc/os-release"));
    set("os.name", release.get("ID").cloned().unwrap_or_default());
    set("os.version", release.get("VERSION_ID").cloned().unwrap_or_default());
    let cgroup = if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() { "2" } else { "1" };
    set("os.cgroups.version", cgroup.to_owned());
    set("unique.cgroup.version", format!("v{cgroup}"));
    set("unique.cgroup.mountpoint", String::from("/sys/fs/cgroup"));
    set("nomad.version", COMPATIBLE_VERSION.to_owned());
    set("unique.hostname", line("/proc/sys/kernel/hostname"));

    let cores = cores();
    let mhz = core_mhz();
    let compute = cores.saturating_mul(mhz);
    set("cpu.numcores", cores.to_string());
    let allowed = allowed_cores(&read("/proc/self/status"), &core_ticks(&read("/proc/stat")));
    set("cpu.reservablecores", allowed.len().to_string());
    set("cpu.frequency", mhz.to_string());
    set("cpu.totalcompute", compute.to_string());
    set("cpu.usablecompute", compute.to_string());
    set("cpu.modelname", cpuinfo_field(&read("/proc/cpuinfo"), "model name").unwrap_or_default());
    set("numa.node.count", numa_nodes().to_string());

    let memory = meminfo(&read("/proc/meminfo"));
    let total = memory.get("MemTotal").copied().unwrap_or(0);
    set("memory.totalbytes", total.to_string());

    let disk = disk_of(alloc_dir);
    set("unique.storage.volume", disk.device.clone());
    set("unique.storage.bytestotal", disk.size.to_string());
    set("unique.storage.bytesfree", disk.available.to_string());

    let address = address();
    set("unique.network.ip-address", address.clone());

    let clamp = |bytes: u64| u32::try_from(bytes / MEBIBYTE).unwrap_or(u32::MAX);
    let capacity = Capacity { cpu_mhz: compute, memory_mb: clamp(total), disk_mb: clamp(disk.available) };
    let devices = gpus::nvidia(Path::new("/proc/driver/nvidia"));
    HostFacts { attributes, capacity, core_count: cores, cores: allowed, devices, address }
}

fn usage(alloc_dir: &Path) -> HostUsage {
    let memory = meminfo(&read("/proc/meminfo"));
    let field = |name: &str| memory.get(name).copied().unwrap_or(0);
    let uptime = read("/proc/uptime");
    let seconds = uptime.split('.').next().and_then(|whole| whole.parse().ok()).unwrap_or(0);
    HostUsage {
        time: super::now(),
        uptime_secs: seconds,
        memory_total: field("MemTotal"),
        memory_available: field("MemAvailable"),
        memory_used: field("MemTotal").saturating_sub(field("MemAvailable")),
        memory_free: field("MemFree"),
        cpu_ticks: 0.0,
        cores: Vec::new(),
        disks: disks(),
        alloc_disk: disk_of(alloc_dir),
    }
}

/// Empty when it is not there: every fact has a way to be absent.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

// ---------------------------------------------------------------------------------------------- cpu

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct CoreTicks {
    user: u64,
    system: u64,
    idle: u64,
}

struct CoreShare(CoreUsage);

impl CoreTicks {
    fn since(self, earlier: Self) -> CoreShare {
        let user = self.user.saturating_sub(earlier.user);
        let system = self.system.saturating_sub(earlier.system);
        let idle = self.idle.saturating_sub(earlier.idle);
        let total = user + system + idle;
        let percent = |part: u64| if total == 0 { 0.0 } else { part as f64 * 100.0 / total as f64 };
        let idle = if total == 0 { 100.0 } else { percent(idle) };
        CoreShare(CoreUsage { name: String::new(), user: percent(user), system: percent(system), idle })
    }
}

impl CoreShare {
    fn named(self, name: &str) -> CoreUsage {
        CoreUsage { name: name.to_owned(), ..self.0 }
    }
}

/// `cpu0 user nice system idle iowait irq softirq steal ...`; the line without a number is their sum.
fn core_ticks(stat: &str) -> BTreeMap<String, CoreTicks> {
    let core = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next().filter(|name| name.len() > 3 && name.starts_with("cpu"))?;
        let numbers: Vec<u64> = words.map_while(|word| word.parse().ok()).collect();
        let at = |index: usize| numbers.get(index).copied().unwrap_or(0);
        let ticks =
            CoreTicks { user: at(0) + at(1), system: at(2) + at(5) + at(6) + at(7), idle: at(3) + at(4) };
        Some((name.to_owned(), ticks))
    };
    stat.lines().filter_map(core).collect()
}

fn cores() -> u32 {
    let listed = core_ticks(&read("/proc/stat")).len();
    u32::try_from(listed).unwrap_or(1).max(1)
}

/// Ids of those cores that this process may run on.
fn allowed_cores(status: &str, ticks: &BTreeMap<String, CoreTicks>) -> Vec<u16> {
    let mut listed: Vec<u16> =
        ticks.keys().filter_map(|name| name.strip_prefix("cpu")?.parse().ok()).collect();
    listed.sort_unstable();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    if let Some(allowed) = allowed.and_then(parse_cpuset) {
        listed.retain(|core| allowed.contains(core));
    }
    listed
}

pub(super) fn core_mhz() -> u32 {
    let highest: Option<u64> =
        read("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq").trim().parse().ok();
    if let Some(khz) = highest {
        return u32::try_from(khz / 1000).unwrap_or(FALLBACK_MHZ);
    }
    let now = cpuinfo_field(&read("/proc/cpuinfo"), "cpu MHz").and_then(|text| text.parse::<f64>().ok());
    now.map_or(FALLBACK_MHZ, |mhz| mhz as u32).max(1)
}

fn cpuinfo_field(cpuinfo: &str, name: &str) -> Option<String> {
    cpuinfo.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

fn numa_nodes() -> usize {
    let is_node = |name: &str| name.strip_prefix("node").is_some_and(|rest| rest.parse::<u32>().is_ok());
    fs::read_dir("/sys/devices/system/node")
        .map(|entries| {
            entries.flatten().filter(|entry| is_node(&entry.file_name().to_string_lossy())).count()
        })
        .unwrap_or(0)
        .max(1)
}

// ---------------------------------------------------------------------------------------------- memory, names

/// Bytes by name.
fn meminfo(text: &str) -> BTreeMap<String, u64> {
    text.lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once(':')?;
            let kib: u64 = rest.split_whitespace().next()?.parse().ok()?;
            Some((name.to_owned(), kib * 1024))
        })
        .collect()
}

fn os_release(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.trim_matches(['"', '\'']).to_owned()))
        .collect()
}

// ---------------------------------------------------------------------------------------------- disks

/// The file system that holds the path, or the nearest parent that exists.
fn disk_of(path: &Path) -> DiskUsage {
    let Some(real) = path.ancestors().find_map(|part| fs::canonicalize(part).ok()) else {
        return DiskUsage::default();
    };
    let mounts = mounts(&read("/proc/self/mountinfo"));
    let home = mounts
        .iter()
        .filter(|(_, point)| real.starts_with(point))
        .max_by_key(|(_, point)| point.as_os_str().len());
    let (device, point) = home.cloned().unwrap_or_else(|| (String::new(), PathBuf::from("/")));
    measure(device, &point)
}

/// Mounted block devices, each once.
fn disks() -> Vec<DiskUsage> {
    let mut seen = std::collections::BTreeSet::new();
    mounts(&read("/proc/self/mountinfo"))
        .into_iter()
        .filter(|(device, _)| device.starts_with("/dev/") && seen.insert(device.clone()))
        .map(|(device, point)| measure(device, &point))
        .collect()
}

fn measure(device: String, point: &Path) -> DiskUsage {
    let mut disk = DiskUsage { device, mount_point: point.display().to_string(), ..DiskUsage::default() };
    if let Ok(stat) = statvfs(point) {
        let block = stat.fragment_size();
        disk.size = stat.blocks() * block;
        disk.used = stat.blocks().saturating_sub(stat.blocks_free()) * block;
        disk.available = stat.blocks_available() * block;
        if stat.files() > 0 {
            let used = stat.files().saturating_sub(stat.files_free());
            disk.inodes_used_percent = used as f64 * 100.0 / stat.files() as f64;
        }
    }
    disk
}

/// Device and mount point per line of mountinfo: `36 35 98:0 /root /point options shared:1 - ext4 /dev/sda1 rw`.
fn mounts(mountinfo: &str) -> Vec<(String, PathBuf)> {
    mountinfo
        .lines()
        .filter_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            let point = left.split(' ').nth(4)?;
            let device = right.split(' ').nth(1)?;
            Some((device.to_owned(), PathBuf::from(point.replace("\\040", " "))))
        })
        .collect()
}

// ---------------------------------------------------------------------------------------------- network

/// The IPv4 address of the interface with the default route, else of any that is not loopback, else loopback.
fn address() -> String {
    let wanted = default_route_interface();
    let all: Vec<(String, std::net::Ipv4Addr)> = getifaddrs()
        .map(|list| {
            list.filter_map(|entry| Some((entry.interface_name, entry.address?.as_sockaddr_in()?.ip())))
                .collect()
        })
        .unwrap_or_default();
    let of_default = all.iter().find(|(name, _)| Some(name) == wanted.as_ref());
    let outside = of_default.or_else(|| all.iter().find(|(_, ip)| !ip.is_loopback()));
    outside.map_or_else(|| String::from("127.0.0.1"), |(_, ip)| ip.to_string())
}

/// The interface by which packets to anywhere leave.
fn default_route_interface() -> Option<String> {
    default_interface(&read("/proc/net/route"))
}

/// The route to 0.0.0.0 with the lowest metric.
fn default_interface(route: &str) -> Option<String> {
    route
        .lines()
        .skip(1)
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let default = *words.get(1)? == "00000000" && *words.get(7)? == "00000000";
            default.then(|| (words[6].parse::<u32>().unwrap_or(u32::MAX), words[0].to_owned()))
        })
        .min()
        .map(|(_, name)| name)
}

/// The addresses of all interfaces.
pub(crate) fn interfaces() -> Vec<Interface> {
    let default = default_route_interface();
    let Ok(list) = getifaddrs() else { return Vec::new() };
    let address = |storage: &SockaddrStorage| {
        let v4 = storage.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| storage.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    };
    list.filter_map(|entry| {
        let ip = address(entry.address.as_ref()?)?;
        let mask = entry.netmask.as_ref().filter(|mask| mask.family().is_some()).and_then(address);
        let prefix = match mask {
            Some(IpAddr::V4(mask)) => mask.to_bits().count_ones(),
            Some(IpAddr::V6(mask)) => mask.to_bits().count_ones(),
            None if ip.is_ipv4() => 32,
            None => 128,
        };
        let has = |flag| entry.flags.contains(flag);
        Some(Interface {
            default_route: Some(&entry.interface_name) == default.as_ref(),
            address: ip,
            prefix: u8::try_from(prefix).unwrap_or(128),
            up: has(InterfaceFlags::IFF_UP),
            loopback: has(InterfaceFlags::IFF_LOOPBACK),
            broadcast: has(InterfaceFlags::IFF_BROADCAST),
            multicast: has(InterfaceFlags::IFF_MULTICAST),
            point_to_point: has(InterfaceFlags::IFF_POINTOPOINT),
            name: entry.interface_name,
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sees_this_machine() {
        let temp = tempfile::tempdir().unwrap();
        let host = LinuxHost::new(temp.path().join("not/yet/there"), Handle::current());
        let facts = host.fingerprint().await;
        assert!(facts.capacity.cpu_mhz >= 100, "{facts:?}");
        assert!(facts.capacity.memory_mb >= 100);
        assert!(facts.capacity.disk_mb >= 1);
        facts.address.parse::<std::net::IpAddr>().unwrap();
        for name in [
            "arch",
            "kernel.name",
            "kernel.version",
            "os.name",
            "cpu.numcores",
            "cpu.frequency",
            "cpu.totalcompute",
            "memory.totalbytes",
            "unique.hostname",
            "unique.network.ip-address",
            "unique.storage.volume",
            "unique.storage.bytestotal",
            "unique.storage.bytesfree",
            "nomad.version",
        ] {
            assert!(facts.attributes.contains_key(name), "{name} in {facts:?}");
        }
        assert_eq!(facts.attributes["kernel.name"], "linux");
    }

    #[tokio::test]
    async fn usage_adds_up() {
        let host = LinuxHost::new("/", Handle::current());
        host.usage().await;
        let usage = host.usage().await;
        assert!(!usage.cores.is_empty());
        for core in &usage.cores {
            let sum = core.user + core.system + core.idle;
            assert!((99.0..=101.0).contains(&sum), "{core:?}");
        }
        assert!(usage.memory_total >= usage.memory_available);
        assert!(usage.uptime_secs > 0);
        assert!(usage.alloc_disk.size > 0);
    }

    #[test]
    fn reads_the_formats() {
        let ticks = core_ticks("cpu  9 9 9 9\ncpu0 10 5 20 100 5 1 2 3 0 0\nintr 5\n");
        assert_eq!(ticks["cpu0"], CoreTicks { user: 15, system: 26, idle: 105 });
        let routes = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU\n\
            eth1 00000000 0100A8C0 0003 0 0 200 00000000 0\n\
            eth0 00000000 0100A8C0 0003 0 0 100 00000000 0\n\
            docker0 000011AC 00000000 0001 0 0 0 0000FFFF 0\n";
        assert_eq!(default_interface(routes).as_deref(), Some("eth0"));
        assert_eq!(os_release("ID=debian\nVERSION_ID=\"12\"\n")["VERSION_ID"], "12");
        let mounted = mounts("36 35 98:0 / /mnt/a\\040b rw master:1 - ext4 /dev/sda1 rw\n");
        assert_eq!(mounted, [(String::from("/dev/sda1"), PathBuf::from("/mnt/a b"))]);
    }
}

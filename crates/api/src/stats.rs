//! What allocations and hosts use. The numbers come from the node; `src/http` fills these in.

use crate::wire::{Absent, Map, nil, wire};

wire! {
    pub struct AllocResourceUsage {
        pub resource_usage: ResourceUsage,
        pub tasks: Map<TaskResourceUsage>,
        /// Nanoseconds since 1970.
        pub timestamp: i64,
    }

    pub struct TaskResourceUsage {
        pub resource_usage: ResourceUsage,
        /// Nanoseconds since 1970.
        pub timestamp: i64,
        pub pids: Absent,
    }

    pub struct ResourceUsage {
        pub memory_stats: MemoryStats,
        pub cpu_stats: CpuStats,
        pub device_stats: Absent,
    }

    /// Bytes.
    pub struct MemoryStats {
        #[serde(rename = "RSS")]
        pub rss: u64,
        pub cache: u64,
        pub swap: u64,
        pub mapped_file: u64,
        pub usage: u64,
        pub max_usage: u64,
        pub kernel_usage: u64,
        pub kernel_max_usage: u64,
        /// Which of these were really measured.
        #[serde(with = "nil")]
        pub measured: Vec<String>,
    }

    pub struct CpuStats {
        pub system_mode: f64,
        pub user_mode: f64,
        /// MHz.
        pub total_ticks: f64,
        pub throttled_periods: u64,
        /// Nanoseconds.
        pub throttled_time: u64,
        /// Of one core.
        pub percent: f64,
        #[serde(with = "nil")]
        pub measured: Vec<String>,
    }

    pub struct HostStats {
        pub memory: HostMemoryStats,
        #[serde(rename = "CPU")]
        pub cpu: Vec<HostCpuStats>,
        pub disk_stats: Vec<HostDiskStats>,
        pub alloc_dir_stats: HostDiskStats,
        pub device_stats: Absent,
        /// Seconds.
        pub uptime: u64,
        /// Nanoseconds since 1970.
        pub timestamp: i64,
        /// MHz.
        #[serde(rename = "CPUTicksConsumed")]
        pub cpu_ticks_consumed: f64,
    }

    /// Bytes.
    pub struct HostMemoryStats {
        pub total: u64,
        pub available: u64,
        pub used: u64,
        pub free: u64,
    }

    /// Percent, per core.
    pub struct HostCpuStats {
        #[serde(rename = "CPU")]
        pub cpu: String,
        pub user: f64,
        pub system: f64,
        pub idle: f64,
        pub total_percent: f64,
        pub total_ticks: f64,
    }

    /// Bytes.
    pub struct HostDiskStats {
        pub device: String,
        pub mountpoint: String,
        pub size: u64,
        pub used: u64,
        pub available: u64,
        pub used_percent: f64,
        pub inodes_used_percent: f64,
    }
}

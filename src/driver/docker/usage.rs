//! What a container uses, from the engine's statistics. Control groups of version 1 and 2 use different words.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bollard::models::ContainerStatsResponse;
use model::Timestamp;

use crate::{
    actors::ports::TaskUsage,
    driver::{host, now},
};

/// Earlier readings: shares of CPU are differences.
#[derive(Debug, Default)]
pub(super) struct Meter {
    last: Mutex<HashMap<String, (Reading, TaskUsage)>>,
}

/// The engine measures so often, and lets whoever asks sooner wait until it has measured again.
const PERIOD: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy)]
struct Reading {
    at: Timestamp,
    total: u64,
    user: u64,
    system: u64,
}

impl Meter {
    /// What was measured less than a period ago.
    pub(super) fn recent(&self, container: &str) -> Option<TaskUsage> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (reading, usage) = last.get(container)?;
        (now().since(reading.at) < PERIOD).then(|| usage.clone())
    }

    /// `None` when the container does not run. `started_at` stands in for the earlier reading the first time.
    pub(super) fn usage(
        &self,
        container: &str,
        started_at: Timestamp,
        stats: &ContainerStatsResponse,
    ) -> Option<TaskUsage> {
        let memory = stats.memory_stats.as_ref()?;
        let used = memory.usage?;
        let detail = |name: &str| memory.stats.as_ref().and_then(|stats| stats.get(name)).copied();
        let cpu = stats.cpu_stats.as_ref()?;
        let ticks = cpu.cpu_usage.as_ref()?;
        let reading = Reading {
            at: now(),
            total: ticks.total_usage.unwrap_or(0),
            user: ticks.usage_in_usermode.unwrap_or(0),
            system: ticks.usage_in_kernelmode.unwrap_or(0),
        };
        let earlier = self
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(container)
            .map_or(Reading { at: started_at, total: 0, user: 0, system: 0 }, |(reading, _)| *reading);
        let elapsed = (reading.at.since(earlier.at).as_nanos() as f64).max(1e6);
        let percent = |now: u64, then: u64| now.saturating_sub(then) as f64 / elapsed * 100.0;
        let share = percent(reading.total, earlier.total);
        let throttling = cpu.throttling_data.as_ref();
        let cache = detail("cache").or_else(|| detail("file")).unwrap_or(0);
        let inactive = detail("total_inactive_file").or_else(|| detail("inactive_file")).unwrap_or(0);
        let rss = detail("rss").or_else(|| detail("anon"));
        let mut measured: Vec<String> = ["RSS", "Cache", "Usage"].map(String::from).to_vec();
        if detail("swap").is_some() {
            measured.push(String::from("Swap"));
        }
        if memory.max_usage.is_some() {
            measured.push(String::from("Max Usage"));
        }
        let usage = TaskUsage {
            time: reading.at,
            cpu_percent: share,
            cpu_user_percent: percent(reading.user, earlier.user),
            cpu_system_percent: percent(reading.system, earlier.system),
            cpu_ticks: share / 100.0 * f64::from(host::core_mhz()),
            throttled_periods: throttling.and_then(|data| data.throttled_periods).unwrap_or(0),
            throttled_time_ns: throttling.and_then(|data| data.throttled_time).unwrap_or(0),
            memory_rss: rss.unwrap_or(used),
            memory_cache: cache,
            memory_swap: detail("swap").unwrap_or(0),
            // Files that can be dropped at any time do not count.
            memory_usage: used.saturating_sub(inactive),
            memory_max_usage: memory.max_usage.unwrap_or(0),
            measured_memory: measured,
            measured_cpu: ["Throttled Periods", "Throttled Time", "Percent", "System Mode", "User Mode"]
                .map(String::from)
                .to_vec(),
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.insert(container.to_owned(), (reading, usage.clone()));
        Some(usage)
    }

    pub(super) fn forget(&self, container: &str) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).remove(container);
    }
}

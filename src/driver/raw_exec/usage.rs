//! What a process group uses, added up from `/proc`.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::protocol::{Process, Stat, stat};
use crate::{actors::ports::TaskUsage, driver::now};

/// `USER_HZ`: the kernel shows times to programs in hundredths of a second on every platform we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// One look at all processes serves the tasks that are asked about together.
const FRESH: Duration = Duration::from_millis(300);

#[derive(Debug, Default)]
pub(super) struct Meter {
    table: Mutex<Option<(Instant, Arc<Groups>)>>,
    last: Mutex<HashMap<String, Sample>>,
}

type Groups = HashMap<i32, Vec<(i32, Stat)>>;

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    user: u64,
    system: u64,
    /// Shares of the time before this sample.
    shares: (f64, f64),
    max_memory: u64,
}

impl Meter {
    /// `None` when nothing of it runs.
    pub(super) fn measure(&self, run: &str, process: Process) -> Option<TaskUsage> {
        if !process.is_alive() {
            return None;
        }
        let groups = self.groups();
        let fallback = [(process.pid, stat(process.pid)?)];
        let members = groups.get(&process.pid).map_or(&fallback[..], Vec::as_slice);
        let user: u64 = members.iter().map(|(_, stat)| stat.user_ticks).sum();
        let system: u64 = members.iter().map(|(_, stat)| stat.system_ticks).sum();
        let memory: BTreeMap<&str, u64> = members.iter().fold(BTreeMap::new(), |mut sum, (pid, _)| {
            let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            for (field, bytes) in status_bytes(&text) {
                *sum.entry(field).or_default() += bytes;
            }
            sum
        });
        let field = |name: &str| memory.get(name).copied().unwrap_or(0);
        let rss = field("VmRSS");

        let at = Instant::now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = last.get(run).copied();
        let (shares, keep) = match earlier {
            // Ticks are coarse: over a shorter time the shares would jump.
            Some(sample) if at - sample.at < Duration::from_millis(200) => (sample.shares, false),
            Some(sample) => {
                let seconds = (at - sample.at).as_secs_f64();
                let share = |now: u64, then: u64| {
                    now.saturating_sub(then) as f64 / TICKS_PER_SECOND / seconds * 100.0
                };
                ((share(user, sample.user), share(system, sample.system)), true)
            }
            None => {
                let seconds = age(process).max(1.0 / TICKS_PER_SECOND);
                let share = |ticks: u64| ticks as f64 / TICKS_PER_SECOND / seconds * 100.0;
                ((share(user), share(system)), true)
            }
        };
        let max_memory = earlier.map_or(rss, |sample| sample.max_memory.max(rss));
        if keep {
            last.insert(run.to_owned(), Sample { at, user, system, shares, max_memory });
        }
        let percent = shares.0 + shares.1;
        Some(TaskUsage {
            time: now(),
            cpu_percent: percent,
            cpu_user_percent: shares.0,
            cpu_system_percent: shares.1,
            cpu_ticks: percent / 100.0 * f64::from(crate::driver::host::core_mhz()),
            memory_rss: rss,
            memory_swap: field("VmSwap"),
            memory_usage: rss,
            memory_max_usage: max_memory,
            measured_memory: ["RSS", "Swap", "Usage", "Max Usage"].map(String::from).to_vec(),
            measured_cpu: ["System Mode", "User Mode", "Percent"].map(String::from).to_vec(),
            ..TaskUsage::default()
        })
    }

    pub(super) fn forget(&self, run: &str) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).remove(run);
    }

    fn groups(&self) -> Arc<Groups> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, groups)) = table.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return Arc::clone(groups);
        }
        let groups = Arc::new(look());
        *table = Some((Instant::now(), Arc::clone(&groups)));
        groups
    }
}

fn look() -> Groups {
    let mut groups = Groups::new();
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        if let Some(stat) = stat(pid) {
            groups.entry(stat.group).or_default().push((pid, stat));
        }
    }
    groups
}

/// Seconds since the process began.
fn age(process: Process) -> f64 {
    let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let uptime: f64 = uptime.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0.0);
    uptime - process.start_ticks as f64 / TICKS_PER_SECOND
}

/// The lines of `/proc/<pid>/status` that are amounts of memory.
fn status_bytes(text: &str) -> impl Iterator<Item = (&'static str, u64)> + '_ {
    text.lines().filter_map(|line| {
        let (name, rest) = line.split_once(':')?;
        let name = ["VmRSS", "VmSwap"].into_iter().find(|known| *known == name)?;
        Some((name, rest.split_whitespace().next()?.parse::<u64>().ok()? * 1024))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_this_process() {
        let pid = std::process::id() as i32;
        let process = Process { pid, start_ticks: stat(pid).unwrap().start_ticks };
        let meter = Meter::default();
        let usage = meter.measure("a", process).unwrap();
        assert!(usage.memory_rss > 100_000, "{usage:?}");
        assert!(meter.measure("b", Process { start_ticks: 1, ..process }).is_none());
    }
}

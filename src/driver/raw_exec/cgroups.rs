//! The cgroups that a job names, as directories of this node.

use std::{
    collections::BTreeMap,
    fs,
    path::{Component, Path, PathBuf},
};

use crate::{actors::ports::DriverError, driver::config::Config};

const V1: &str = "cgroup_v1_override";
const V2: &str = "cgroup_v2_override";

/// One hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    point: PathBuf,
    /// Those of version 1; `None`: version 2.
    controllers: Option<Vec<String>>,
}

/// What the task joins; all of it is there.
///
/// # Errors
/// Names the setting, and what this node does not have.
pub(super) fn named(config: Config<'_>) -> Result<Vec<PathBuf>, DriverError> {
    let (v1, v2) = (config.map(V1)?, config.text(V2)?);
    if v1.is_empty() && v2.is_none() {
        return Ok(Vec::new());
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo")
        .map_err(|error| DriverError::Recoverable(format!("cannot read /proc/self/mountinfo: {error}")))?;
    let dirs = find(&mounts_of(&mounts), &v1, v2.as_deref()).map_err(DriverError::Fatal)?;
    for dir in &dirs {
        // Somebody may make it before the next try.
        is_usable(dir).map_err(DriverError::Recoverable)?;
    }
    Ok(dirs)
}

/// `36 35 0:29 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids`
fn mounts_of(mountinfo: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let (place, kind) = line.split_once(" - ")?;
        let point = place.split(' ').nth(4)?.into();
        let mut kind = kind.split(' ');
        let controllers = match kind.next()? {
            "cgroup2" => None,
            "cgroup" => {
                Some(kind.nth(1)?.split(',').map(|name| name.trim_start_matches("name=").into()).collect())
            }
            _ => return None,
        };
        Some(Mount { point, controllers })
    };
    mountinfo.lines().filter_map(mount).collect()
}

fn find(mounts: &[Mount], v1: &BTreeMap<String, String>, v2: Option<&str>) -> Result<Vec<PathBuf>, String> {
    let mut dirs = Vec::new();
    for (controller, path) in v1 {
        let has = |mount: &&Mount| mount.controllers.as_ref().is_some_and(|list| list.contains(controller));
        let mount = mounts.iter().find(has).ok_or_else(|| {
            format!("{V1}: this node has no cgroup v1 with the controller `{controller}`; use `{V2}`")
        })?;
        dirs.push(within(mount, path).ok_or_else(|| not_a_place(V1, path))?);
    }
    if let Some(path) = v2 {
        let mount = mounts
            .iter()
            .find(|mount| mount.controllers.is_none())
            .ok_or_else(|| format!("{V2}: this node has no cgroup v2; use `{V1}`"))?;
        dirs.push(within(mount, path).ok_or_else(|| not_a_place(V2, path))?);
    }
    Ok(dirs)
}

fn not_a_place(setting: &str, path: &str) -> String {
    format!(
        "{setting}: \"{path}\" is no path below the root of the cgroups, such as \"custom.slice/app.scope\""
    )
}

/// With or without the place where the hierarchy is mounted.
fn within(mount: &Mount, path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    let inner = path.strip_prefix(&mount.point).or_else(|_| path.strip_prefix("/")).unwrap_or(path);
    let mut parts = inner.components().peekable();
    parts.peek()?;
    parts.all(|part| matches!(part, Component::Normal(_))).then(|| mount.point.join(inner))
}

fn is_usable(dir: &Path) -> Result<(), String> {
    if !dir.join("cgroup.procs").exists() {
        return Err(format!("cgroup {} does not exist on this node; make it first", dir.display()));
    }
    // Version 2: a group that shares its resources out to groups below it takes no processes itself.
    let shared = fs::read_to_string(dir.join("cgroup.subtree_control")).unwrap_or_default();
    if !shared.trim().is_empty() {
        return Err(format!(
            "cgroup {} shares {} out to groups below it and takes no processes; name one of those",
            dir.display(),
            shared.trim()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
    const UNIFIED: &str = "25 23 0:22 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

    #[track_caller]
    fn check(mounts: &str, v1: &[(&str, &str)], v2: Option<&str>, expected: Result<&[&str], &str>) {
        let v1 = v1.iter().map(|(name, path)| ((*name).to_owned(), (*path).to_owned())).collect();
        let found = find(&mounts_of(mounts), &v1, v2);
        match expected {
            Ok(dirs) => assert_eq!(found, Ok(dirs.iter().map(PathBuf::from).collect())),
            Err(words) => assert!(found.as_ref().is_err_and(|why| why.contains(words)), "{found:?}"),
        }
    }

    #[test]
    fn paths_are_below_the_hierarchy() {
        for path in ["a.slice/b", "/a.slice/b", "/sys/fs/cgroup/a.slice/b"] {
            check(UNIFIED, &[], Some(path), Ok(&["/sys/fs/cgroup/a.slice/b"]));
        }
        check(HYBRID, &[], Some("a"), Ok(&["/sys/fs/cgroup/unified/a"]));
        let two = [("cpuacct", "/sys/fs/cgroup/cpu,cpuacct/a"), ("systemd", "b")];
        check(HYBRID, &two, None, Ok(&["/sys/fs/cgroup/cpu,cpuacct/a", "/sys/fs/cgroup/systemd/b"]));
        for path in ["..", "a/../../b", "/", "/sys/fs/cgroup/../a"] {
            check(UNIFIED, &[], Some(path), Err("is no path below"));
        }
    }

    #[test]
    fn a_node_without_them_says_so() {
        check(UNIFIED, &[("pids", "a")], None, Err("no cgroup v1 with the controller `pids`"));
        check(HYBRID, &[("pids", "a")], None, Err("no cgroup v1 with the controller `pids`"));
        check("", &[], Some("a"), Err("no cgroup v2"));
        assert!(is_usable(Path::new("/nosuch")).unwrap_err().contains("does not exist"));
    }
}

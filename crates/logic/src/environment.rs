//! What a task sees of its world: the `NOMAD_*` environment that existing images expect, and `${...}` in job files.

use std::{collections::BTreeMap, sync::Arc};

use model::{
    Allocation, Job, Node, Service, Task, TaskClaims, TaskGroup, Value, claims::format_cpuset,
    files::path_in_alloc,
};

/// Where the task finds its directories: container paths where the driver isolates, host paths where not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirNames {
    pub alloc: String,
    pub local: String,
    pub secrets: String,
}

/// Everything that `${...}` can name, for one task on one node.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// The environment of the task.
    pub env: Arc<BTreeMap<String, String>>,
    /// For `attr.*`, `meta.*` and `node.*`. Shared: each node has many tasks.
    node: Arc<Node>,
}

/// Makes the environment of a task and the scope for interpolation.
pub fn scope(
    node: &Arc<Node>,
    job: &Job,
    group: &TaskGroup,
    alloc: &Allocation,
    task: &Task,
    dirs: &DirNames,
) -> Scope {
    let mut env = BTreeMap::new();
    let mut set = |key: &str, value: String| {
        env.insert(key.to_owned(), value);
    };
    set("NOMAD_ALLOC_DIR", dirs.alloc.clone());
    set("NOMAD_TASK_DIR", dirs.local.clone());
    set("NOMAD_SECRETS_DIR", dirs.secrets.clone());
    set("NOMAD_ALLOC_ID", alloc.id.to_string());
    set("NOMAD_SHORT_ALLOC_ID", alloc.id.short());
    set("NOMAD_ALLOC_NAME", alloc.name());
    set("NOMAD_ALLOC_INDEX", alloc.index.to_string());
    set("NOMAD_TASK_NAME", task.name.clone());
    set("NOMAD_GROUP_NAME", group.name.clone());
    set("NOMAD_JOB_ID", job.id.clone());
    set("NOMAD_JOB_NAME", job.name.clone());
    if let Some(launched) = &job.launched {
        set("NOMAD_JOB_PARENT_ID", launched.parent.clone());
    }
    set("NOMAD_DC", node.datacenter.clone());
    set("NOMAD_REGION", job.region.clone());
    set("NOMAD_NAMESPACE", job.namespace.clone());
    let claims = alloc.claims.as_ref().and_then(|claims| claims.of(&task.name));
    let of_cores = claims.map_or(0, |claims| claims.cpu_mhz);
    set("NOMAD_CPU_LIMIT", task.resources.cpu_mhz.saturating_add(of_cores).to_string());
    if let Some(claims) = claims.filter(|claims| !claims.cores.is_empty()) {
        set("NOMAD_CPU_CORES", format_cpuset(&claims.cores));
    }
    set("NOMAD_MEMORY_LIMIT", task.resources.memory_mb.to_string());
    if let Some(model::MemoryMax::Mb(megabytes)) = task.resources.memory_max.filter(|_| alloc.oversubscribed)
    {
        set("NOMAD_MEMORY_MAX_LIMIT", megabytes.to_string());
    }
    ports(&mut env, node, alloc, task);
    for meta in [&job.meta, &group.meta, &task.meta] {
        for (key, value) in meta {
            env.insert(format!("NOMAD_META_{}", clean(key)), value.clone());
            env.insert(format!("NOMAD_META_{}", clean(key).to_uppercase()), value.clone());
        }
    }
    let mut scope = Scope { env: Arc::new(env), node: node.clone() };
    // What the job file sets may refer to all of the above.
    let own: Vec<(String, String)> =
        task.env.iter().map(|(key, value)| (key.clone(), scope.interpolate(value))).collect();
    let env = Arc::make_mut(&mut scope.env);
    env.extend(own);
    env.extend(claims.and_then(visible_gpus));
    scope
}

/// Which devices NVIDIA's container runtime shows to the task. Over what the job file says: it cannot know them.
fn visible_gpus(claims: &TaskClaims) -> Option<(String, String)> {
    let of_nvidia = claims.devices.iter().filter(|given| given.name.vendor == "nvidia");
    let ids: Vec<&str> = of_nvidia.flat_map(|given| given.ids.iter().map(String::as_str)).collect();
    (!ids.is_empty()).then(|| (String::from("NVIDIA_VISIBLE_DEVICES"), ids.join(",")))
}

/// What `attr.*`, `meta.*` and `node.*` mean on a node; `None`: nothing.
fn of_node(node: &Node, name: &str) -> Option<String> {
    if let Some(attribute) = name.strip_prefix("attr.") {
        return node.attributes.get(attribute).cloned();
    }
    if let Some(key) = name.strip_prefix("meta.") {
        return node.meta.get(key).cloned();
    }
    match name {
        "node.unique.id" => Some(node.id.to_string()),
        "node.unique.name" => Some(node.name.clone()),
        "node.datacenter" => Some(node.datacenter.clone()),
        "node.class" => Some(node.class.clone()),
        "node.pool" => Some(node.pool.to_string()),
        "node.region" => Some("global".to_owned()),
        _ => None,
    }
}

/// The number inside the container that the driver config maps a label to (`port_map { db = 6379 }`).
pub fn mapped_port(task: &Task, label: &str) -> Option<u16> {
    let Some(Value::Map(map)) = task.config.get("port_map") else { return None };
    match map.get(label)? {
        Value::Int(port) => u16::try_from(*port).ok(),
        Value::Text(port) => port.parse().ok(),
        _ => None,
    }
}

fn ports(env: &mut BTreeMap<String, String>, node: &Node, alloc: &Allocation, task: &Task) {
    for port in &alloc.ports {
        let label = clean(&port.label);
        let own = port.task.as_deref().is_none_or(|owner| owner == task.name);
        let host = port.value.to_string();
        let address = format!("{}:{host}", node.address);
        if own {
            let inside = match port.to {
                0 => mapped_port(task, &port.label).map_or_else(|| host.clone(), |port| port.to_string()),
                to => to.to_string(),
            };
            env.insert(format!("NOMAD_IP_{label}"), node.address.clone());
            env.insert(format!("NOMAD_PORT_{label}"), inside);
            env.insert(format!("NOMAD_ADDR_{label}"), address.clone());
            env.insert(format!("NOMAD_HOST_PORT_{label}"), host.clone());
            env.insert(format!("NOMAD_HOST_IP_{label}"), node.address.clone());
            env.insert(format!("NOMAD_HOST_ADDR_{label}"), address.clone());
        }
        if let Some(owner) = port.task.as_deref().filter(|owner| *owner != task.name) {
            let owner = clean(owner);
            env.insert(format!("NOMAD_IP_{owner}_{label}"), node.address.clone());
            env.insert(format!("NOMAD_PORT_{owner}_{label}"), host);
            env.insert(format!("NOMAD_ADDR_{owner}_{label}"), address);
        }
    }
}

/// Characters that a shell could not name become underscores.
fn clean(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '.' { c } else { '_' }).collect()
}

impl Scope {
    /// Replaces each `${...}` whose meaning is known. Unknown environment-style names become empty, unknown
    /// `attr`, `meta` and `node` references stay as they are.
    pub fn interpolate(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            out.push_str(&rest[..start]);
            let Some(end) = rest[start..].find('}') else {
                rest = &rest[start..];
                break;
            };
            let whole = &rest[start..=start + end];
            let name = whole[2..whole.len() - 1].trim();
            match self.lookup(name) {
                Some(value) => out.push_str(&value),
                None => out.push_str(whole),
            }
            rest = &rest[start + end + 1..];
        }
        out.push_str(rest);
        out
    }

    /// With these in the environment, over what is there.
    pub fn with(mut self, more: &BTreeMap<String, String>) -> Self {
        if !more.is_empty() {
            Arc::make_mut(&mut self.env).extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        self
    }

    /// Where a path of the job file leads: its parts from the allocation's directory on. `None`: out of it.
    pub fn place(&self, task: &str, path: &str) -> Option<Vec<String>> {
        // These mean places in the allocation, whatever the task's driver calls them.
        let known = ["${NOMAD_ALLOC_DIR}", "${NOMAD_TASK_DIR}", "${NOMAD_SECRETS_DIR}"];
        let path = match known.iter().find_map(|name| Some((name, path.strip_prefix(name)?))) {
            Some((name, rest)) => format!("{name}{}", self.interpolate(rest)),
            None => self.interpolate(path),
        };
        path_in_alloc(task, &path)
    }

    fn lookup(&self, name: &str) -> Option<String> {
        if name.starts_with("attr.") || name.starts_with("meta.") || name.starts_with("node.") {
            return of_node(&self.node, name);
        }
        let key = name
            .strip_prefix("env[\"")
            .and_then(|rest| rest.strip_suffix("\"]"))
            .or_else(|| name.strip_prefix("env."))
            .unwrap_or(name);
        Some(self.env.get(key).cloned().unwrap_or_default())
    }

    /// Replaces in every text of a value.
    pub fn interpolate_value(&self, value: &Value) -> Value {
        match value {
            Value::Text(text) => Value::Text(self.interpolate(text)),
            Value::List(items) => {
                Value::List(items.iter().map(|item| self.interpolate_value(item)).collect())
            }
            Value::Map(map) => Value::Map(
                map.iter()
                    .map(|(key, value)| (self.interpolate(key), self.interpolate_value(value)))
                    .collect(),
            ),
            other => other.clone(),
        }
    }

    /// The task with everything that a driver reads interpolated; without its environment, which stands beside it.
    pub fn task(&self, task: &Task) -> Task {
        Task {
            config: task
                .config
                .iter()
                .map(|(key, value)| (key.clone(), self.interpolate_value(value)))
                .collect(),
            env: BTreeMap::new(),
            user: self.interpolate(&task.user),
            ..task.clone()
        }
    }

    /// The service with its name, tags, meta and addresses interpolated. `task` is empty for a group's service; a canary has tags
    /// and meta of its own.
    pub fn service(&self, service: &Service, job: &str, group: &str, task: &str, canary: bool) -> Service {
        let tags =
            if canary && !service.canary_tags.is_empty() { &service.canary_tags } else { &service.tags };
        let meta =
            if canary && !service.canary_meta.is_empty() { &service.canary_meta } else { &service.meta };
        let base = if task.is_empty() { format!("{job}-{group}") } else { format!("{job}-{group}-{task}") };
        let name = service
            .name
            .replace("${JOB}", job)
            .replace("${TASKGROUP}", group)
            .replace("${TASK}", task)
            .replace("${BASE}", &base);
        Service {
            name: self.interpolate(&name),
            tags: tags.iter().map(|tag| self.interpolate(tag)).collect(),
            meta: meta.iter().map(|(key, value)| (key.clone(), self.interpolate(value))).collect(),
            address: self.interpolate(&service.address),
            tagged_addresses: service
                .tagged_addresses
                .iter()
                .map(|(name, address)| (name.clone(), self.interpolate(address)))
                .collect(),
            checks: service
                .checks
                .iter()
                .map(|check| model::Check {
                    name: self.interpolate(&check.name),
                    path: self.interpolate(&check.path),
                    command: self.interpolate(&check.command),
                    args: check.args.iter().map(|arg| self.interpolate(arg)).collect(),
                    body: self.interpolate(&check.body),
                    tls_server_name: self.interpolate(&check.tls_server_name),
                    grpc_service: self.interpolate(&check.grpc_service),
                    ..check.clone()
                })
                .collect(),
            ..service.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{ClaimedDevices, Claims, DeviceName, Resources};

    use super::*;
    use crate::testing::alloc;

    fn scope_of(env: &[(&str, &str)]) -> Scope {
        let node = Node {
            datacenter: "dc1".into(),
            attributes: BTreeMap::from([("kernel.name".into(), "linux".into())]),
            meta: BTreeMap::from([("my-key".into(), "v".into())]),
            ..Node::default()
        };
        let env = env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Scope { env: Arc::new(env), node: Arc::new(node) }
    }

    #[test]
    fn interpolates_what_is_known() {
        let scope = scope_of(&[("NOMAD_PORT_http", "80"), ("HOME", "/root")]);
        let check = |text: &str, expected: &str| assert_eq!(scope.interpolate(text), expected);
        check(":${NOMAD_PORT_http}", ":80");
        check(":%${NOMAD_PORT_http}", ":%80");
        check("${attr.kernel.name}-${meta.my-key}-${node.datacenter}", "linux-v-dc1");
        check("${env[\"HOME\"]}", "/root");
        check("${NOMAD_PORT_none}|", "|");
        check("${attr.none}", "${attr.none}");
        check("open ${end", "open ${end");
        check("", "");
    }

    #[test]
    fn places_are_in_the_allocation() {
        let scope = scope_of(&[("NOMAD_ALLOC_DIR", "/var/a/alloc"), ("NAME", "x/../../../..")]);
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(scope.place("t", path).map(|parts| parts.join("/")).as_deref(), expected, "{path}");
        };
        check("local/${node.datacenter}.conf", Some("t/local/dc1.conf"));
        check("${NOMAD_ALLOC_DIR}/data/${attr.kernel.name}", Some("alloc/data/linux"));
        check("local/${NAME}/y", None);
    }

    #[test]
    fn what_is_the_tasks_alone() {
        let name = DeviceName { vendor: "nvidia".into(), kind: "gpu".into(), model: "T4".into() };
        let claims = Claims {
            tasks: vec![TaskClaims {
                task: "t".into(),
                cores: vec![0, 1, 4],
                cpu_mhz: 6000,
                devices: vec![ClaimedDevices { name, ids: vec!["GPU-1".into(), "GPU-2".into()] }],
            }],
        };
        let env = |task: &str| {
            let task = Task {
                name: task.into(),
                resources: Resources { cpu_mhz: 7, ..Resources::default() },
                env: [("NVIDIA_VISIBLE_DEVICES".to_owned(), "all".to_owned())].into(),
                ..Task::default()
            };
            environment_of(&claims, &task)
        };
        let (own, other) = (env("t"), env("other"));
        assert_eq!((&*own["NOMAD_CPU_CORES"], &*own["NOMAD_CPU_LIMIT"]), ("0-1,4", "6007"));
        assert_eq!(own["NVIDIA_VISIBLE_DEVICES"], "GPU-1,GPU-2");
        assert_eq!((other.get("NOMAD_CPU_CORES"), &*other["NOMAD_CPU_LIMIT"]), (None, "7"));
        assert_eq!(other["NVIDIA_VISIBLE_DEVICES"], "all");
    }

    /// Of a task whose allocation has these.
    fn environment_of(claims: &Claims, task: &Task) -> BTreeMap<String, String> {
        let claims = Some(Arc::new(claims.clone()));
        let alloc = Allocation { claims, ..alloc(1, model::DesiredStatus::Run, None) };
        let dirs = DirNames { alloc: String::new(), local: String::new(), secrets: String::new() };
        let scope = scope(&Arc::default(), &Job::default(), &TaskGroup::default(), &alloc, task, &dirs);
        BTreeMap::clone(&scope.env)
    }

    #[test]
    fn service_names_know_their_place() {
        let scope = scope_of(&[]);
        let service = Service { name: "${TASKGROUP}-redis".into(), ..Service::default() };
        assert_eq!(scope.service(&service, "example", "cache", "redis", false).name, "cache-redis");
        let mut service = Service { name: "${BASE}".into(), ..Service::default() };
        assert_eq!(scope.service(&service, "example", "cache", "redis", false).name, "example-cache-redis");
        service.tags = vec!["live".into()];
        let tags =
            |service: &Service, canary| scope.service(service, "example", "cache", "redis", canary).tags;
        assert_eq!(tags(&service, true), ["live"]);
        service.canary_tags = vec!["of-${TASK}".into(), "new".into()];
        assert_eq!(
            (tags(&service, true)[1].as_str(), tags(&service, false)),
            ("new", vec!["live".to_owned()])
        );
    }
}

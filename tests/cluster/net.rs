//! A small network of its own: hosts in network namespaces, on one bridge, each with an address that others see.
//!
//! The bridge is in a namespace, too, so that no rule of this machine's firewall (Docker's drops what is forwarded)
//! meets it. This process takes part with an address of its own that no fault reaches: it sees both sides of a cut.
//! Cuts and lost packets are rules of nftables in the hosts' namespaces; `tc netem` would do the same, but many kernels
//! have it not.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::Write,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

/// Networks `10.213.n.0/24`, of which each test takes one.
const SLOTS: u8 = 200;
/// Set to leave these tests out where namespaces cannot be made.
const SKIP: &str = "TROUPE_SKIP_NETNS";

/// One network. Dropped, it ends every process in it and leaves nothing.
#[derive(Clone)]
pub(crate) struct Net {
    inner: Arc<Inner>,
}

struct Inner {
    slot: u8,
    /// Held as long as the network is in use; the system lets go of it when this process dies.
    _lock: File,
    links: Mutex<Links>,
}

/// What is between the hosts.
#[derive(Default)]
struct Links {
    /// By host, the number behind the last dot.
    hosts: BTreeMap<String, u8>,
    next: u8,
    cut: BTreeSet<(String, String)>,
    loss_percent: u8,
}

impl Net {
    /// `None`: this machine cannot, and was told that these tests may be left out.
    ///
    /// # Panics
    /// It cannot, and was not told so.
    #[expect(clippy::print_stderr, reason = "a test that does nothing says so")]
    pub(crate) fn new() -> Option<Self> {
        match Self::make() {
            Ok(net) => Some(net),
            Err(problem) if std::env::var_os(SKIP).is_some_and(|value| !value.is_empty()) => {
                eprintln!("left out, as {SKIP} says: {problem}");
                None
            }
            Err(problem) => panic!(
                "{problem}\nThese tests make network namespaces: run them as root with iproute2, nftables and \
                 util-linux (scripts/setup), or set {SKIP}=1 to leave them out."
            ),
        }
    }

    fn make() -> Result<Self, String> {
        let (slot, held) = (1..=SLOTS)
            .find_map(|slot| lock(slot).map(|file| (slot, file)))
            .ok_or("all networks of the tests are in use")?;
        // Of a run that was killed, in this slot or another.
        for other in leftovers() {
            if other == slot {
                clean(slot);
            } else if let Some(_lock) = lock(other) {
                clean(other);
            }
        }
        let net = Self { inner: Arc::new(Inner { slot, _lock: held, links: Mutex::default() }) };
        fs::create_dir_all(net.dir()).map_err(|error| format!("{}: {error}", net.dir().display()))?;
        let (switch, door) = (namespace(slot, "switch"), door(slot));
        ip(&format!("netns add {switch}"))?;
        ip(&format!("-n {switch} link add name bridge type bridge forward_delay 0"))?;
        ip(&format!("-n {switch} link set dev bridge up"))?;
        ip(&format!("link add name {door} type veth peer name door netns {switch}"))?;
        ip(&format!("-n {switch} link set dev door master bridge up"))?;
        ip(&format!("address add {}/24 dev {door}", net.address(254)))?;
        ip(&format!("link set dev {door} up"))?;
        Ok(net)
    }

    fn address(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, self.inner.slot, last)
    }

    /// For files of this test; goes away with the network.
    pub(crate) fn dir(&self) -> PathBuf {
        dir(self.inner.slot)
    }

    pub(crate) fn namespace(&self, host: &str) -> String {
        namespace(self.inner.slot, host)
    }

    /// A new machine on the bridge.
    pub(crate) fn add(&self, host: &str) -> Ipv4Addr {
        let (name, switch) = (self.namespace(host), self.namespace("switch"));
        let last = self.links(|links| {
            links.next += 1;
            links.hosts.insert(host.to_owned(), links.next);
            links.next
        });
        must(&format!("netns add {name}"));
        must(&format!("-n {name} link set lo up"));
        must(&format!("-n {switch} link add name {host} type veth peer name eth0 netns {name}"));
        must(&format!("-n {switch} link set dev {host} master bridge up"));
        must(&format!("-n {name} address add {}/24 dev eth0", self.address(last)));
        must(&format!("-n {name} link set eth0 up"));
        self.apply(host);
        self.address(last)
    }

    /// Gives a machine another address, as when it is moved.
    pub(crate) fn renumber(&self, host: &str) -> Ipv4Addr {
        let name = self.namespace(host);
        let last = self.links(|links| {
            links.next += 1;
            links.hosts.insert(host.to_owned(), links.next);
            links.next
        });
        must(&format!("-n {name} address flush dev eth0"));
        must(&format!("-n {name} address add {}/24 dev eth0", self.address(last)));
        self.apply_all();
        self.address(last)
    }

    /// Nothing goes between the two groups any more, in either direction.
    pub(crate) fn partition(&self, some: &[&str], others: &[&str]) {
        self.links(|links| {
            for (one, other) in some.iter().flat_map(|one| others.iter().map(move |other| (one, other))) {
                links.cut.insert(((*one).to_owned(), (*other).to_owned()));
                links.cut.insert(((*other).to_owned(), (*one).to_owned()));
            }
        });
        self.apply_all();
    }

    /// Pulls the machine's plug out of the switch, or puts it back.
    pub(crate) fn plug(&self, host: &str, is_in: bool) {
        let state = if is_in { "up" } else { "down" };
        must(&format!("-n {} link set dev {host} {state}", self.namespace("switch")));
    }

    /// Ends all cuts.
    pub(crate) fn heal(&self) {
        self.links(|links| links.cut.clear());
        self.apply_all();
    }

    /// Of all packets between hosts, so many are lost on the way.
    pub(crate) fn loss(&self, percent: u8) {
        self.links(|links| links.loss_percent = percent);
        self.apply_all();
    }

    fn links<T>(&self, act: impl FnOnce(&mut Links) -> T) -> T {
        act(&mut self.inner.links.lock().unwrap())
    }

    fn apply_all(&self) {
        let hosts: Vec<String> = self.links(|links| links.hosts.keys().cloned().collect());
        for host in hosts {
            self.apply(&host);
        }
    }

    /// Puts the cuts and losses of one host in force, all at once.
    fn apply(&self, host: &str) {
        let (cut, loss) = self.links(|links| {
            let others = links.cut.iter().filter(|(one, _)| one == host).map(|(_, other)| other);
            let cut: Vec<String> = others
                .filter_map(|other| links.hosts.get(other))
                .map(|last| self.address(*last).to_string())
                .collect();
            (cut.join(", "), links.loss_percent)
        });
        let (mut incoming, mut outgoing) = (String::new(), String::new());
        if !cut.is_empty() {
            incoming = format!("ip saddr {{ {cut} }} drop;");
            outgoing = format!("ip daddr {{ {cut} }} drop;");
        }
        if loss > 0 {
            let observer = self.address(254);
            incoming +=
                &format!(" iifname eth0 ip saddr != {observer} numgen random mod 100 <= {} drop;", loss - 1);
        }
        let rules = format!(
            "table inet faults {{}}\ndelete table inet faults\ntable inet faults {{\n\
             chain incoming {{ type filter hook input priority 0; {incoming} }}\n\
             chain outgoing {{ type filter hook output priority 0; {outgoing} }}\n}}\n"
        );
        let mut nft = self.inside(host, Path::new("nft"));
        let child = nft.args(["-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("nft (package nftables): {error}"));
        child.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{rules}{}", String::from_utf8_lossy(&done.stderr));
    }

    /// A command that runs on a host. Its process is the program itself.
    pub(crate) fn inside(&self, host: &str, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.namespace(host))).arg("--").arg(program);
        command
    }

    /// Processes on a host.
    pub(crate) fn pids(&self, host: &str) -> Vec<u32> {
        pids(&self.namespace(host))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        clean(self.slot);
    }
}

fn namespace(slot: u8, host: &str) -> String {
    format!("troupe-{slot}-{host}")
}

/// The name of this process' end of the wire to the bridge.
fn door(slot: u8) -> String {
    format!("troupe-{slot}")
}

fn dir(slot: u8) -> PathBuf {
    std::env::temp_dir().join(format!("troupe-net-{slot}"))
}

fn lock(slot: u8) -> Option<File> {
    let path = std::env::temp_dir().join(format!("troupe-net-{slot}.lock"));
    let file = File::options().create(true).truncate(false).write(true).open(path).ok()?;
    file.try_lock().ok().map(|()| file)
}

/// Slots of which there are namespaces.
fn leftovers() -> BTreeSet<u8> {
    let names = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    names
        .filter_map(|entry| {
            entry.file_name().to_str()?.strip_prefix("troupe-")?.split('-').next()?.parse().ok()
        })
        .collect()
}

/// Ends and removes everything of a network.
fn clean(slot: u8) {
    let prefix = namespace(slot, "");
    let names = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    for name in names.filter_map(|entry| entry.file_name().into_string().ok()) {
        if name.starts_with(&prefix) {
            for pid in pids(&name) {
                let _ = Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
            }
            let _ = ip(&format!("netns delete {name}"));
        }
    }
    forget_groups(&prefix);
    let _ = ip(&format!("link delete {}", door(slot)));
    let dir = dir(slot);
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let below =
        mounts.lines().filter_map(|line| line.split(' ').nth(1)).filter(|at| Path::new(at).starts_with(&dir));
    for at in below {
        let _ = Command::new("umount").args(["-l", at]).status();
    }
    let _ = fs::remove_dir_all(dir);
}

fn pids(namespace: &str) -> Vec<u32> {
    let found = Command::new("ip").args(["netns", "pids", namespace]).output();
    let text = found.map(|found| String::from_utf8_lossy(&found.stdout).into_owned()).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn ip(words: &str) -> Result<(), String> {
    let done = Command::new("ip").args(words.split_whitespace()).output();
    let done = done.map_err(|error| format!("ip (package iproute2): {error}"))?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("ip {words}: {}", String::from_utf8_lossy(&done.stderr).trim()))
}

#[track_caller]
fn must(words: &str) {
    ip(words).unwrap_or_else(|problem| panic!("{problem}"));
}

/// Removes the control groups that engines of machines leave when they are killed.
fn forget_groups(prefix: &str) {
    let root = Path::new("/sys/fs/cgroup");
    let below = |dir: &Path| -> Vec<PathBuf> {
        let found = fs::read_dir(dir).into_iter().flatten().flatten();
        found.map(|entry| entry.path()).filter(|path| path.is_dir() && !path.is_symlink()).collect()
    };
    // Version 2 has the groups there, version 1 in a folder per controller.
    let places = below(root).into_iter().chain([root.to_owned()]);
    let groups = places.flat_map(|place| below(&place));
    let ours =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
    for group in groups.filter(ours) {
        for container in below(&group) {
            let _ = fs::remove_dir(container);
        }
        let _ = fs::remove_dir(group);
    }
}

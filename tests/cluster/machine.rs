//! A machine as the tutorials have one: a host of the small network with processes, files, names and Docker of its own.
//!
//! It is a set of namespaces (network, mounts, processes, host name) whose first process does nothing; killed, it takes
//! all others with it, containers included, as a machine does that loses power. `/home`, `/opt`, `/var/lib` and `/run` are
//! its own, so commands and configuration files have the paths that the tutorials print. `nomad` and `consul` are on its
//! `PATH`. All machines of a network share one `/etc/hosts`.

use std::{
    fs::{self, File},
    io::Write as _,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::{
    cluster::{SOON, wait_until},
    images::{self, Image},
    net::Net,
    ran::{Ran, ran},
};

/// For one command: longer than any of them waits, shorter than the patience of the runner of the tests.
const COMMAND_LIMIT: &str = "30";
/// What is the machine's own, and where it is kept.
const OWN: [(&str, &str); 3] = [("home", "/home"), ("opt", "/opt"), ("var-lib", "/var/lib")];

pub(crate) struct Machine {
    net: Net,
    pub name: String,
    pub address: Ipv4Addr,
    /// Waits for the first process of the machine.
    holder: Child,
    /// That process, as this machine counts.
    init: u32,
    exports: Vec<(String, String)>,
    logs: Vec<PathBuf>,
}

impl Machine {
    /// `names`: its host name, then the others that `/etc/hosts` has for it.
    pub(crate) fn start(net: &Net, names: &[&str]) -> Self {
        let name = names[0];
        let address = net.add(name);
        let dir = net.dir().join(name);
        for own in OWN.iter().map(|(kept, _)| *kept).chain(["bin", "home/ubuntu", "tmp"]) {
            fs::create_dir_all(dir.join(own)).unwrap();
        }
        for link in ["nomad", "consul"] {
            std::os::unix::fs::symlink("troupe", dir.join("bin").join(link)).unwrap();
        }
        File::create(dir.join("bin/troupe")).unwrap();
        fs::write(dir.join("resolv.conf"), "nameserver 127.0.0.1\n").unwrap();
        let hosts = net.dir().join("hosts");
        if !hosts.exists() {
            fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
        }
        writeln!(File::options().append(true).open(&hosts).unwrap(), "{address} {}", names.join(" "))
            .unwrap();
        fs::write(dir.join("init"), init(&dir, &hosts, name)).unwrap();
        let log = File::create(dir.join("init.log")).unwrap();
        let mut holder = net
            .inside(name, Path::new("unshare"))
            .args(["--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "sh"])
            .arg(dir.join("init"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("nsenter (package util-linux): {error}"));
        wait_until(SOON, &format!("{name} is up"), || {
            let said = || fs::read_to_string(dir.join("init.log")).unwrap_or_default();
            assert!(holder.try_wait().unwrap().is_none(), "{name} does not start: {}", said());
            dir.join("ready").exists().then_some(())
        });
        let children = ran("pgrep", Command::new("pgrep").args(["-P", &holder.id().to_string()]));
        let init = children.stdout.trim().parse().unwrap_or_else(|_| panic!("{children:?}"));
        Self {
            net: net.clone(),
            name: name.to_owned(),
            address,
            holder,
            init,
            exports: Vec::new(),
            logs: Vec::new(),
        }
    }

    fn dir(&self) -> PathBuf {
        self.net.dir().join(&self.name)
    }

    /// Writes a file below `~`.
    pub(crate) fn file(&self, path: &str, text: &str) {
        let path = self.dir().join("home/ubuntu").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// As `export NAME=VALUE`, for the commands that follow.
    pub(crate) fn export(&mut self, name: &str, value: &str) {
        self.exports.push((name.to_owned(), value.to_owned()));
    }

    /// A line for the shell on the machine. It begins in `~`.
    fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("nsenter");
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .args(["--target", &self.init.to_string(), "--mount", "--uts", "--ipc", "--net", "--pid", "--"])
            .args(["timeout", COMMAND_LIMIT, "sh", "-c", &format!("cd; {line}")])
            .env_clear()
            .envs(self.exports.iter().map(|(name, value)| (name, value)))
            .env("HOME", "/home/ubuntu")
            .env("TMPDIR", self.dir().join("tmp"))
            .env("PATH", format!("{}:{path}", self.dir().join("bin").display()))
            .stdin(Stdio::null());
        command
    }

    /// Runs a line as it would be typed.
    pub(crate) fn run(&self, line: &str) -> Ran {
        ran(&format!("{}$ {line}", self.name), &mut self.shell(line))
    }

    /// Runs a line that ends with `&`, without the `&`: an agent. What it writes is shown when the test fails.
    pub(crate) fn background(&mut self, line: &str) {
        let log = self.dir().join(format!("background-{}.log", self.logs.len()));
        let line = format!("{line} >{} 2>&1 </dev/null &", log.display());
        self.run(&line).ok();
        self.logs.push(log);
    }

    /// Starts a Docker Engine on the machine that has these images.
    pub(crate) fn docker(&mut self, wanted: &[Image]) {
        images::ensure(wanted).unwrap_or_else(|problem| {
            panic!("the images of the tests cannot be made; a Docker Engine is needed: {problem}")
        });
        let (dir, group) = (self.dir(), self.net.namespace(&self.name));
        // The settings of this machine's engine are not for that one.
        fs::write(dir.join("daemon.json"), "{}").unwrap();
        let socket = format!("unix://{}", dir.join("docker.sock").display());
        let at = dir.display();
        self.background(&format!(
            "dockerd --config-file {at}/daemon.json --data-root {at}/docker -H unix:///run/docker.sock -H {socket} \
             --cgroup-parent /{group} --exec-opt native.cgroupdriver=cgroupfs --log-level warn"
        ));
        let log = self.logs[self.logs.len() - 1].clone();
        wait_until(SOON, &format!("the Docker Engine of {} answers", self.name), || {
            let said = fs::read_to_string(&log).unwrap_or_default();
            let ended = self.run("pgrep -x dockerd").code != 0 && !said.is_empty();
            assert!(!ended, "dockerd (package docker.io): {said}");
            (self.run("docker version").code == 0).then_some(())
        });
        let names: Vec<&str> = wanted.iter().map(|image| image.name).collect();
        let mut save =
            Command::new("docker").arg("save").args(&names).stdout(Stdio::piped()).spawn().unwrap();
        let mut load = Command::new("docker");
        ran("docker load", load.args(["-H", &socket, "load"]).stdin(save.stdout.take().unwrap())).ok();
        assert!(save.wait().unwrap().success(), "docker save {names:?}");
    }

    /// Ends all that runs on the machine, as when it loses power.
    pub(crate) fn power_off(&mut self) {
        let _ = Command::new("kill").args(["-9", &self.init.to_string()]).stderr(Stdio::null()).status();
        let _ = self.holder.wait();
    }
}

impl Drop for Machine {
    #[expect(clippy::print_stderr, reason = "shown only with a failed test")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            for log in &self.logs {
                let text = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
                let lines: Vec<&str> = text.lines().collect();
                let last = lines.len().saturating_sub(80);
                eprintln!("--- {} {}\n{}", self.name, log.display(), lines[last..].join("\n"));
            }
        }
        self.power_off();
    }
}

/// What the first process of a machine does.
fn init(dir: &Path, hosts: &Path, name: &str) -> String {
    let (at, program, hosts) = (dir.display(), super::program(), hosts.display());
    let own: String = OWN.iter().map(|(kept, seen)| format!("mount --bind {at}/{kept} {seen}\n")).collect();
    // The resolver's file may be a link to where nothing is any more.
    format!(
        "set -e\nmount -t proc proc /proc\nmount --bind {} {at}/bin/troupe\nmount -t tmpfs tmpfs /run\n{own}\
         mount --bind {hosts} /etc/hosts\nresolver=$(readlink -m /etc/resolv.conf)\n\
         mkdir -p \"$(dirname \"$resolver\")\"\n[ -e \"$resolver\" ] || : >\"$resolver\"\n\
         mount --bind {at}/resolv.conf \"$resolver\"\nhostname {name}\n: >{at}/ready\nexec sleep infinity\n",
        program.display()
    )
}

/// For what a tutorial does next as soon as it can be done.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_until(Duration::from_secs(30), what, look)
}

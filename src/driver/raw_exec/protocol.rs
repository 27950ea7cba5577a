//! What the agent and the supervisor say to each other over the socket.
//!
//! Frames carry their length in front, fields go by name: an agent talks to the supervisor of the version that started
//! the tasks.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures::SinkExt;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{net::unix::OwnedWriteHalf, sync::mpsc};
use tokio_util::codec::{FramedWrite, LengthDelimitedCodec};

use crate::driver::log_writer::Limits;

/// Environment and arguments of one process; the kernel takes no more than 2 MiB of them.
const LARGEST_FRAME: usize = 8 * 1024 * 1024;

const SOCKET: &str = "supervisor.sock";

/// `sun_path` has room for 108 bytes with the zero at its end.
const LONGEST_SOCKET_PATH: usize = 100;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Frame<T> {
    /// Chosen by the asking side; the answer bears the same.
    pub id: u64,
    pub body: T,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Request {
    Start(Box<Launch>),
    /// Answered when the process ended.
    Wait {
        run: String,
    },
    Status {
        run: String,
    },
    /// Signals the process group, and kills it when it is still there after the time. Answered when it ended.
    Stop {
        run: String,
        signal: i32,
        timeout_ms: u64,
    },
    /// Kills what still runs and forgets it.
    Destroy {
        run: String,
    },
}

/// One process to be started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Launch {
    /// Unique for each start.
    pub run: String,
    /// Same for all starts of one task: a leftover with this key is killed first.
    pub key: String,
    pub program: PathBuf,
    pub args: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub dir: PathBuf,
    /// User and group id.
    #[serde(default)]
    pub user: Option<(u32, u32)>,
    pub logs: PathBuf,
    /// Log files are `<task>.stdout.<n>` and `<task>.stderr.<n>`.
    pub task: String,
    pub limits: Limits,
    /// It runs on these cores only; empty: wherever there is time.
    #[serde(default)]
    pub cores: Vec<u16>,
    /// 0 to 1000. Default: 0, that of the supervisor.
    #[serde(default)]
    pub oom_score_adj: i32,
    /// Directories of the cgroups that it is in.
    #[serde(default)]
    pub cgroups: Vec<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    Running(Process),
    Ended(Exit),
    Done,
    /// No such run.
    Unknown,
    /// The operating system's words.
    Failed {
        message: String,
    },
}

/// A process id alone may be somebody else's tomorrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    pub pid: i32,
    /// Field 22 of `/proc/<pid>/stat`.
    pub start_ticks: u64,
}

impl Process {
    pub fn is_alive(self) -> bool {
        stat(self.pid).is_some_and(|stat| stat.start_ticks == self.start_ticks && stat.state != 'Z')
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    pub code: i32,
    pub signal: i32,
    #[serde(default)]
    pub message: String,
}

pub fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(LARGEST_FRAME).new_codec()
}

pub fn encode<T: Serialize>(frame: &Frame<T>) -> io::Result<Bytes> {
    rmp_serde::to_vec_named(frame).map(Into::into).map_err(io::Error::other)
}

pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<Frame<T>> {
    rmp_serde::from_slice(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Writes frames as they come, and those that wait together at once.
pub async fn send_all(mut outbox: mpsc::UnboundedReceiver<Bytes>, socket: OwnedWriteHalf) {
    let mut sink = FramedWrite::new(socket, codec());
    while let Some(frame) = outbox.recv().await {
        if sink.feed(frame).await.is_err() {
            break;
        }
        if outbox.is_empty() && SinkExt::<Bytes>::flush(&mut sink).await.is_err() {
            break;
        }
    }
}

/// Where the socket lies. A path too long for a socket address goes through the directory's descriptor, which has to
/// be kept until the path was used.
pub fn socket_path(dir: &Path) -> io::Result<(PathBuf, Option<File>)> {
    let plain = dir.join(SOCKET);
    if plain.as_os_str().len() <= LONGEST_SOCKET_PATH {
        return Ok((plain, None));
    }
    let open = File::open(dir)?;
    let short = format!("/proc/self/fd/{}/{SOCKET}", open.as_raw_fd());
    Ok((short.into(), Some(open)))
}

/// The part of `/proc/<pid>/stat` that is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    pub state: char,
    pub group: i32,
    pub user_ticks: u64,
    pub system_ticks: u64,
    pub start_ticks: u64,
}

pub fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// `pid (any name) S ppid pgrp ...`: the name may hold spaces and parentheses, so count from its end.
fn parse_stat(line: &str) -> Option<Stat> {
    let rest: Vec<&str> = line[line.rfind(')')? + 1..].split_whitespace().collect();
    let number = |field: usize| rest.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        state: rest.first()?.chars().next()?,
        group: rest.get(2)?.parse().ok()?,
        user_ticks: number(14)?,
        system_ticks: number(15)?,
        start_ticks: number(22)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_round_trip() {
        let launch = Launch {
            run: String::from("r"),
            key: String::from("k"),
            program: "/bin/true".into(),
            args: vec![String::from("a b")],
            env: [(String::from("A"), String::from("1"))].into(),
            dir: "/".into(),
            user: Some((1, 2)),
            logs: "/logs".into(),
            task: String::from("web"),
            limits: Limits { files: 1, bytes: 2 },
            cores: vec![0, 2],
            oom_score_adj: 500,
            cgroups: vec!["/sys/fs/cgroup/a".into()],
        };
        let bytes = encode(&Frame { id: 7, body: Request::Start(Box::new(launch)) }).unwrap();
        let back: Frame<Request> = decode(&bytes).unwrap();
        assert_eq!(back.id, 7);
        let Request::Start(launch) = back.body else { panic!() };
        assert_eq!((launch.user, launch.env["A"].as_str()), (Some((1, 2)), "1"));
        assert_eq!((launch.cores, launch.oom_score_adj, launch.cgroups.len()), (vec![0, 2], 500, 1));
    }

    #[test]
    fn reads_a_stat_line_with_a_wicked_name() {
        let line = "42 (a) b (c) S 1 40 42 0 -1 4194560 1 2 3 4 11 12 0 0 20 0 1 0 777 1000 200";
        let expected = Stat { state: 'S', group: 40, user_ticks: 11, system_ticks: 12, start_ticks: 777 };
        assert_eq!(parse_stat(line), Some(expected));
        assert!(stat(std::process::id() as i32).unwrap().start_ticks > 0);
    }
}

//! Becomes a program that leads a session on a terminal, or is in cgroups. No process can do that to another one.

use std::{
    ffi::OsString,
    fs,
    io::{self, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, ExitCode},
};

use crate::driver::raw_exec::Attendance;

/// What shells answer for a program that cannot be run.
const CANNOT_RUN: u8 = 126;

/// What `troupe attend [--terminal] [--user <user:group>] [--cgroup <dir>]... -- <program> [<args>...]` does. Returns only
/// when the program cannot be run.
pub fn attend_main(words: &[OsString]) -> ExitCode {
    let error = match Attendance::parse(words) {
        Some((attendance, [program, args @ ..])) => attend(&attendance, program, args),
        _ => io::Error::other(
            "attend [--terminal] [--user <user:group>] [--cgroup <dir>] -- <program> [<args>]",
        ),
    };
    // The terminal, or the task's log; who reads it may be gone.
    let _ = writeln!(io::stderr(), "{error}");
    ExitCode::from(CANNOT_RUN)
}

fn attend(attendance: &Attendance, program: &OsString, args: &[OsString]) -> io::Error {
    for dir in &attendance.cgroups {
        if let Err(error) = join(dir) {
            return error;
        }
    }
    if attendance.terminal {
        let led =
            rustix::process::setsid().and_then(|_| rustix::process::ioctl_tiocsctty(rustix::stdio::stdin()));
        if let Err(error) = led {
            return error.into();
        }
    }
    let mut command = Command::new(program);
    command.args(args);
    if let Some((user, group)) = attendance.user {
        command.uid(user).gid(group);
    }
    command.exec()
}

fn join(dir: &Path) -> io::Result<()> {
    // 0: whoever writes it.
    fs::write(dir.join("cgroup.procs"), "0").map_err(|error| {
        io::Error::new(error.kind(), format!("cannot join cgroup {}: {error}", dir.display()))
    })
}

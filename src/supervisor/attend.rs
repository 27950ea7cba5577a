//! Becomes a program that leads a session on a terminal. No process can do that to another one.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Write},
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

/// What shells answer for a program that cannot be run.
const CANNOT_RUN: u8 = 126;

/// What `troupe attend <user:group or -> <program> [<args>...]` does, with a terminal on stdin. Returns only when the
/// program cannot be run.
pub fn attend_main(words: &[OsString]) -> ExitCode {
    let error = match words {
        [user, program, args @ ..] => attend(user, program, args),
        _ => io::Error::other("attend <user:group or -> <program> [<args>...]"),
    };
    // The terminal; who reads it may be gone.
    let _ = writeln!(io::stderr(), "{error}");
    ExitCode::from(CANNOT_RUN)
}

fn attend(user: &OsStr, program: &OsStr, args: &[OsString]) -> io::Error {
    let user =
        match user.to_str().map(|user| if user == "-" { Ok(None) } else { ids(user).map(Some).ok_or(()) }) {
            Some(Ok(user)) => user,
            _ => return io::Error::other("the user is not two numbers"),
        };
    let led =
        rustix::process::setsid().and_then(|_| rustix::process::ioctl_tiocsctty(rustix::stdio::stdin()));
    if let Err(error) = led {
        return error.into();
    }
    let mut command = Command::new(program);
    command.args(args);
    if let Some((user, group)) = user {
        command.uid(user).gid(group);
    }
    command.exec()
}

fn ids(text: &str) -> Option<(u32, u32)> {
    let (user, group) = text.split_once(':')?;
    Some((user.parse().ok()?, group.parse().ok()?))
}

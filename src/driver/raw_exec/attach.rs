//! Processes beside a raw task, with somebody at their ends: with pipes, or with a terminal.

use std::{
    io,
    os::fd::OwnedFd,
    path::Path,
    process::{ExitStatus, Stdio},
};

use bytes::Bytes;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use rustix::{
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::unix::pipe,
    process::{Child, Command},
    sync::mpsc::{Receiver, Sender},
};
use tokio_util::sync::CancellationToken;

use super::{Surroundings, beside};
use crate::actors::ports::{ExecEnds, ExecInput, ExecOutput, ExecSession, SESSION_CHUNK};

/// What a terminal says for "nothing more comes".
const END_OF_TRANSMISSION: u8 = 4;

/// What a terminal has until somebody says otherwise.
const SIZE: Winsize = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };

/// Kills what was started when the session is over: the whole group.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

/// Starts the program; `helper` is this program, which makes a process the leader on a terminal.
pub(super) fn start(
    around: &Surroundings,
    program: &Path,
    args: &[String],
    tty: bool,
    helper: &Path,
) -> io::Result<ExecSession> {
    let (session, ends) = ExecSession::new();
    if tty {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let terminal =
            ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        tcsetwinsize(&master, SIZE)?;
        rustix::io::ioctl_fionbio(&master, true)?;
        // The runtime takes these two for pipes: they are read and written alike.
        let typed = pipe::Sender::from_file_unchecked(master.try_clone()?.into())?;
        let shown = pipe::Receiver::from_file_unchecked(master.try_clone()?.into())?;
        let mut command = beside(around, program, true, helper);
        surround(&mut command, around, args);
        if !around.env.contains_key("TERM") {
            command.env("TERM", "xterm");
        }
        command.stdin(terminal.try_clone()?).stdout(terminal.try_clone()?).stderr(terminal);
        let child = command.spawn()?;
        // The ends of the terminal in `command` would keep it open.
        drop(command);
        tokio::spawn(on_terminal(child, Terminal { master, typed, shown }, ends));
    } else {
        let (read_out, write_out) = io::pipe()?;
        let (read_err, write_err) = io::pipe()?;
        let mut command = beside(around, program, false, helper);
        surround(&mut command, around, args);
        command.stdin(Stdio::piped()).stdout(write_out).stderr(write_err).process_group(0);
        let child = command.spawn()?;
        drop(command);
        let pipes = [
            pipe::Receiver::from_owned_fd(OwnedFd::from(read_out))?,
            pipe::Receiver::from_owned_fd(OwnedFd::from(read_err))?,
        ];
        tokio::spawn(on_pipes(child, pipes, ends));
    }
    Ok(session)
}

fn surround(command: &mut Command, around: &Surroundings, args: &[String]) {
    command.args(args).env_clear().envs(&around.env).current_dir(&around.dir).kill_on_drop(true);
}

/// The group that the child leads.
fn group(child: &Child) -> Group {
    Group(child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw))
}

fn code(status: io::Result<ExitStatus>) -> ExecOutput {
    match status {
        Ok(status) => {
            let signal = std::os::unix::process::ExitStatusExt::signal(&status);
            ExecOutput::Exited(status.code().unwrap_or_else(|| 128 + signal.unwrap_or(0)))
        }
        Err(error) => ExecOutput::Failed(format!("how the command ended is not known: {error}")),
    }
}

async fn on_pipes(mut child: Child, pipes: [pipe::Receiver; 2], ends: ExecEnds) {
    let ExecEnds { input, output } = ends;
    let _group = group(&child);
    let mut stdin = child.stdin.take();
    let listen = async move {
        let mut input = input;
        while let Some(said) = input.recv().await {
            match said {
                ExecInput::Stdin(bytes) => {
                    // A command that does not read any more may well go on speaking.
                    if let Some(open) = &mut stdin
                        && open.write_all(&bytes).await.is_err()
                    {
                        stdin = None;
                    }
                }
                ExecInput::CloseStdin => stdin = None,
                ExecInput::Size { .. } => {}
            }
        }
        std::future::pending::<()>().await;
    };
    let [out, err] = pipes;
    let over = CancellationToken::new();
    let run = async {
        let wait = async {
            let status = child.wait().await;
            // What it left in the background may hold the pipes open for ever.
            over.cancel();
            status
        };
        let (status, ..) = tokio::join!(
            wait,
            copy(out, &over, ExecOutput::Stdout, &output),
            copy(err, &over, ExecOutput::Stderr, &output)
        );
        let _ = output.send(code(status)).await;
    };
    tokio::select! {
        () = run => {}
        () = listen => {}
        () = output.closed() => {}
    }
}

/// Hands on what comes out of a pipe, as fast as it is taken, until its end; when the command is over, what is in it. A
/// terminal ends with an error, when nobody has it any more.
async fn copy(
    mut pipe: pipe::Receiver,
    over: &CancellationToken,
    wrap: fn(Bytes) -> ExecOutput,
    output: &Sender<ExecOutput>,
) {
    let mut page = vec![0; SESSION_CHUNK];
    loop {
        let count = tokio::select! {
            count = pipe.read(&mut page) => count.unwrap_or(0),
            () = over.cancelled() => break,
        };
        if count == 0 || output.send(wrap(Bytes::copy_from_slice(&page[..count]))).await.is_err() {
            return;
        }
    }
    // Asked of the system itself: the runtime may not have heard yet that there is something.
    while let Ok(count @ 1..) = nix::unistd::read(&pipe, &mut page) {
        if output.send(wrap(Bytes::copy_from_slice(&page[..count]))).await.is_err() {
            return;
        }
    }
}

/// Our side of a terminal.
struct Terminal {
    master: OwnedFd,
    typed: pipe::Sender,
    shown: pipe::Receiver,
}

async fn on_terminal(mut child: Child, terminal: Terminal, ends: ExecEnds) {
    let Terminal { master, typed, shown } = terminal;
    let ExecEnds { input, output } = ends;
    let _group = group(&child);
    let over = CancellationToken::new();
    let run = async {
        let wait = async {
            let status = child.wait().await;
            over.cancel();
            status
        };
        let (status, ()) = tokio::join!(wait, copy(shown, &over, ExecOutput::Stdout, &output));
        let _ = output.send(code(status)).await;
    };
    tokio::select! {
        () = run => {}
        () = type_in(&master, typed, input) => {}
        () = output.closed() => {}
    }
}

async fn type_in(master: &OwnedFd, mut typed: pipe::Sender, mut input: Receiver<ExecInput>) {
    while let Some(said) = input.recv().await {
        match said {
            // What a terminal does not take, nobody reads.
            ExecInput::Stdin(bytes) => drop(typed.write_all(&bytes).await),
            ExecInput::CloseStdin => drop(typed.write_all(&[END_OF_TRANSMISSION]).await),
            ExecInput::Size { rows, columns } => {
                let size = Winsize { ws_row: rows, ws_col: columns, ..SIZE };
                if let Err(error) = tcsetwinsize(master, size) {
                    tracing::debug!(%error, "a terminal keeps its size");
                }
            }
        }
    }
    std::future::pending().await
}

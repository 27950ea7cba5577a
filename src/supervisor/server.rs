//! The supervisor's socket: one connection per agent, many questions at once on each.

use std::{cell::Cell, fs, io, os::unix::fs::PermissionsExt, path::Path, rc::Rc, time::Duration};

use bytes::Bytes;
use futures::StreamExt;
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{Notify, mpsc},
    task::spawn_local,
    time::timeout,
};
use tokio_util::codec::FramedRead;

use super::tasks::Tasks;
use crate::driver::raw_exec::protocol::{
    Answer, Frame, Request, codec, decode, encode, send_all, socket_path,
};

/// How long it stays with nothing to do: an agent that restarts is back before.
const LINGER: Duration = Duration::from_secs(5);

/// Who is connected, and a bell for when that changes.
#[derive(Debug, Default)]
struct Clients {
    count: Cell<usize>,
    changed: Notify,
}

pub(super) async fn serve(dir: &Path, soft_files: u64) -> io::Result<()> {
    let (path, _open) = socket_path(dir)?;
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    let tasks = Tasks::load(dir, soft_files)?;
    say_ready();
    let clients = Rc::new(Clients::default());
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => greet(stream, &tasks, &clients),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            () = idle(&tasks, &clients) => break,
        }
    }
    // Whoever connects from here on is refused and starts the next supervisor.
    let _ = fs::remove_file(&path);
    Ok(())
}

/// The agent waits for the end of our standard output.
fn say_ready() {
    let null = fs::OpenOptions::new().write(true).open("/dev/null");
    if let Ok(null) = null {
        let _ = nix::unistd::dup2_stdout(null);
    }
}

fn greet(stream: UnixStream, tasks: &Rc<Tasks>, clients: &Rc<Clients>) {
    let ours = nix::unistd::getuid().as_raw();
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == ours || peer.uid() == 0 => {}
        _ => return tracing::warn!("a stranger was turned away"),
    }
    let (tasks, clients) = (Rc::clone(tasks), Rc::clone(clients));
    clients.count.set(clients.count.get() + 1);
    spawn_local(async move {
        talk(stream, &tasks).await;
        clients.count.set(clients.count.get() - 1);
        clients.changed.notify_one();
    });
}

async fn talk(stream: UnixStream, tasks: &Rc<Tasks>) {
    let (read, write) = stream.into_split();
    let mut incoming = FramedRead::new(read, codec());
    let (out, outbox) = mpsc::unbounded_channel::<Bytes>();
    let writer = spawn_local(send_all(outbox, write));
    while let Some(Ok(bytes)) = incoming.next().await {
        let frame = match decode::<Request>(&bytes) {
            Ok(frame) => frame,
            Err(error) => {
                tracing::warn!(%error, "a question that nobody understands");
                break;
            }
        };
        let (tasks, out) = (Rc::clone(tasks), out.clone());
        spawn_local(async move {
            let body = match frame.body {
                Request::Wait { run } => tokio::select! {
                    answer = tasks.wait(&run) => answer,
                    () = out.closed() => return,
                },
                // Once begun these go on, whether the agent is still there or not.
                other => act(&tasks, other).await,
            };
            if let Ok(bytes) = encode(&Frame { id: frame.id, body }) {
                let _ = out.send(bytes);
            }
        });
    }
    // Drops the outbox: who waits for an end on behalf of this agent stops.
    writer.abort();
}

async fn act(tasks: &Rc<Tasks>, request: Request) -> Answer {
    match request {
        Request::Start(launch) => tasks.start(*launch).await,
        Request::Wait { run } => tasks.wait(&run).await,
        Request::Status { run } => tasks.status(&run),
        Request::Stop { run, signal, timeout_ms } => {
            tasks.stop(&run, signal, Duration::from_millis(timeout_ms)).await
        }
        Request::Destroy { run } => tasks.destroy(&run).await,
    }
}

/// Returns when nothing ran and nobody was connected for a while.
async fn idle(tasks: &Tasks, clients: &Clients) {
    let busy = || tasks.any_alive() || clients.count.get() > 0;
    loop {
        let change = async {
            tokio::select! {
                () = clients.changed.notified() => {}
                () = tasks.changed.notified() => {}
            }
        };
        if busy() {
            change.await;
        } else if timeout(LINGER, change).await.is_err() && !busy() {
            return;
        }
    }
}

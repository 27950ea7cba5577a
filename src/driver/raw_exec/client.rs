//! The agent's end of the supervisor's socket: starts the supervisor where there is none, and asks.

use std::{
    collections::HashMap,
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::StreamExt;
use tokio::{
    io::AsyncReadExt,
    net::UnixStream,
    runtime::Handle,
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::{codec::FramedRead, task::AbortOnDropHandle};

use super::protocol::{Answer, Frame, Request, codec, decode, encode, send_all, socket_path};

/// A new supervisor needs some milliseconds; on a machine that is starting everything at once, more.
const START_LIMIT: Duration = Duration::from_secs(10);

/// One standing connection, made again when it breaks.
#[derive(Debug)]
pub(super) struct Client {
    dir: PathBuf,
    /// What to run to get a supervisor: program and arguments; the directory is put behind them.
    program: PathBuf,
    args: Vec<String>,
    runtime: Handle,
    connection: tokio::sync::Mutex<Option<Arc<Connection>>>,
}

#[derive(Debug)]
struct Connection {
    out: mpsc::UnboundedSender<Bytes>,
    pending: Arc<Pending>,
    next: AtomicU64,
    _tasks: [AbortOnDropHandle<()>; 2],
}

#[derive(Debug, Default)]
struct Pending {
    closed: AtomicBool,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Answer>>>,
}

impl Client {
    pub(super) fn new(dir: PathBuf, program: PathBuf, args: Vec<String>, runtime: Handle) -> Self {
        Self { dir, program, args, runtime, connection: tokio::sync::Mutex::default() }
    }

    /// Fails with `ConnectionReset` when the supervisor went away after the question was sent: it may or may not
    /// have been heard.
    pub(super) async fn ask(&self, request: Request) -> io::Result<Answer> {
        let connection = self.connection().await?;
        let id = connection.next.fetch_add(1, Ordering::Relaxed);
        let frame = encode(&Frame { id, body: request })?;
        let (reply, answer) = oneshot::channel();
        connection.pending.insert(id, reply);
        let lost = || io::Error::new(io::ErrorKind::ConnectionReset, "the supervisor of the tasks went away");
        connection.out.send(frame).map_err(|_| lost())?;
        answer.await.map_err(|_| lost())
    }

    async fn connection(&self) -> io::Result<Arc<Connection>> {
        let mut slot = self.connection.lock().await;
        if let Some(open) = slot.as_ref().filter(|open| !open.pending.closed.load(Ordering::Acquire)) {
            return Ok(Arc::clone(open));
        }
        let (dir, program, args, runtime) =
            (self.dir.clone(), self.program.clone(), self.args.clone(), self.runtime.clone());
        let make =
            async move { timeout(START_LIMIT, connect_or_start(&dir, &program, &args, &runtime)).await };
        let stream = crate::driver::on_runtime(&self.runtime, make).await?.map_err(|_| {
            io::Error::new(io::ErrorKind::TimedOut, "the supervisor of the tasks did not start")
        })??;
        let open = Arc::new(Connection::over(stream, &self.runtime));
        *slot = Some(Arc::clone(&open));
        Ok(open)
    }
}

impl Connection {
    fn over(stream: UnixStream, runtime: &Handle) -> Self {
        let (read, write) = stream.into_split();
        let (out, outbox) = mpsc::unbounded_channel::<Bytes>();
        let pending = Arc::new(Pending::default());
        let writer = runtime.spawn(send_all(outbox, write));
        let shared = Arc::clone(&pending);
        let reader = runtime.spawn(async move {
            let mut stream = FramedRead::new(read, codec());
            while let Some(Ok(bytes)) = stream.next().await {
                match decode::<Answer>(&bytes) {
                    Ok(frame) => shared.answer(frame),
                    Err(error) => tracing::warn!(%error, "the supervisor sent what nobody understands"),
                }
            }
            shared.close();
        });
        let tasks = [AbortOnDropHandle::new(writer), AbortOnDropHandle::new(reader)];
        Self { out, pending, next: AtomicU64::new(1), _tasks: tasks }
    }
}

impl Pending {
    fn insert(&self, id: u64, reply: oneshot::Sender<Answer>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at under the lock: `close` empties the map after it set the flag.
        if !self.closed.load(Ordering::Acquire) {
            waiting.insert(id, reply);
        }
    }

    fn answer(&self, frame: Frame<Answer>) {
        let reply = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&frame.id);
        if let Some(reply) = reply {
            let _ = reply.send(frame.body);
        }
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

async fn connect_or_start(
    dir: &std::path::Path,
    program: &std::path::Path,
    args: &[String],
    runtime: &Handle,
) -> io::Result<UnixStream> {
    if !dir.is_dir() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    loop {
        let (path, _open) = socket_path(dir)?;
        match UnixStream::connect(&path).await {
            Ok(stream) => return Ok(stream),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {}
            Err(error) => return Err(error),
        }
        let log =
            fs::OpenOptions::new().create(true).append(true).mode(0o600).open(dir.join("supervisor.log"))?;
        let mut child = tokio::process::Command::new(program)
            .args(args)
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| {
                io::Error::new(error.kind(), format!("cannot run {}: {error}", program.display()))
            })?;
        // It closes its output when it listens, or when it ends because another one does.
        if let Some(mut ready) = child.stdout.take() {
            let _ = ready.read(&mut [0; 16]).await;
        }
        // Takes its exit status once it ends, so that no zombie stays.
        runtime.spawn(async move { child.wait().await });
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

//! Copies a container's output from the engine into the task's rotated files: each byte once, also across restarts of
//! the agent and of the engine.
//!
//! A small file beside the logs holds a mark per stream: the time of the last line, how many pieces bore that time, and
//! how far our files went then. Whoever takes over asks the engine for lines since that time, drops the pieces up to
//! the mark, and then as many bytes as our files have beyond it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use bollard::{container::LogOutput, query_parameters::LogsOptionsBuilder};
use futures::StreamExt;
use serde::{Deserialize, Serialize};

use super::engine::{Engine, status};
use crate::{
    actors::ports::TaskSpec,
    driver::log_writer::{Limits, LogWriter, Position},
};

/// What waits is written in one go, up to this many pieces (a piece is a line or 16 KiB).
const PIECES: usize = 256;

/// Until the mark is written again; what comes between is counted from the files.
const MARK_EVERY: Duration = Duration::from_millis(250);

/// How far the times of two streams may be out of order in the engine's file.
const OVERLAP_SECS: i32 = 5;

const RETRY: Duration = Duration::from_millis(300);

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// As the engine writes it, always with nine digits, so that text sorts as time. Empty: nothing yet.
    time: String,
    count: u64,
    end: Position,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Marks {
    container: String,
    stdout: Mark,
    stderr: Mark,
}

/// One of the two streams.
#[derive(Debug)]
struct Sink {
    writer: LogWriter,
    mark: Mark,
    /// The last mark at which nothing was left to skip: only from such a one can be counted.
    safe: Mark,
    /// Pieces that bore the mark's time, in this pass.
    seen: u64,
    /// Bytes that are in our files already, beyond the mark.
    skip: u64,
}

#[derive(Debug)]
pub(super) struct Sinks {
    path: PathBuf,
    container: String,
    stdout: Sink,
    stderr: Sink,
    saved: Instant,
}

/// Where the mark of the task's container is.
pub(super) fn mark_path(logs: &Path, task: &str) -> PathBuf {
    logs.join(format!(".{task}.docker-logs"))
}

impl Sinks {
    /// Blocks on the disk.
    pub(super) fn open(spec: &TaskSpec, container: &str) -> io::Result<Self> {
        let (logs, task) = (&spec.dirs.logs, &spec.task.name);
        let path = mark_path(logs, task);
        let known: Option<Marks> = fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .filter(|marks: &Marks| marks.container == container);
        let limits = Limits::from(&spec.task.logs);
        let sink = |stream: &str, mark: Option<Mark>| -> io::Result<Sink> {
            let writer = LogWriter::open(logs, &format!("{task}.{stream}"), limits)?;
            let mark = mark.unwrap_or_else(|| Mark { end: writer.end(), ..Mark::default() });
            let skip = writer.written_since(mark.end);
            Ok(Sink { writer, safe: mark.clone(), mark, seen: 0, skip })
        };
        let fresh = known.is_none();
        let (stdout, stderr) = known.map(|marks| (marks.stdout, marks.stderr)).unzip();
        let mut sinks = Self {
            stdout: sink("stdout", stdout)?,
            stderr: sink("stderr", stderr)?,
            path,
            container: container.to_owned(),
            saved: Instant::now(),
        };
        if fresh {
            sinks.save()?;
        }
        Ok(sinks)
    }

    fn save(&mut self) -> io::Result<()> {
        let marks = Marks {
            container: self.container.clone(),
            stdout: self.stdout.safe.clone(),
            stderr: self.stderr.safe.clone(),
        };
        let fresh = self.path.with_extension("new");
        fs::write(&fresh, serde_json::to_vec(&marks)?)?;
        fs::rename(fresh, &self.path)?;
        self.saved = Instant::now();
        Ok(())
    }

    /// Seconds since 1970 from which on the engine has something new for us.
    fn since(&self) -> i32 {
        let seconds = |mark: &Mark| {
            let time = chrono::DateTime::parse_from_rfc3339(&mark.time).ok()?;
            i32::try_from(time.timestamp()).ok()
        };
        // The engine keeps both streams in one file, in about the order of time: at the newer mark the other stream was
        // read up to there as well, if for some moments.
        let newest = seconds(&self.stdout.mark).max(seconds(&self.stderr.mark));
        newest.map_or(0, |seconds| seconds.saturating_sub(OVERLAP_SECS))
    }

    fn begin_pass(&mut self) {
        self.stdout.seen = 0;
        self.stderr.seen = 0;
    }

    fn take(&mut self, pieces: &[LogOutput]) -> io::Result<()> {
        let before = (self.stdout.writer.end().index, self.stderr.writer.end().index);
        for piece in pieces {
            match piece {
                LogOutput::StdErr { message } => self.stderr.take(message)?,
                LogOutput::StdOut { message } | LogOutput::Console { message } => {
                    self.stdout.take(message)?
                }
                LogOutput::StdIn { .. } => {}
            }
        }
        let after = (self.stdout.writer.end().index, self.stderr.writer.end().index);
        // A mark may not point into a file that rotation removes.
        if before != after || self.saved.elapsed() > MARK_EVERY {
            self.save()?;
        }
        Ok(())
    }
}

impl Sink {
    /// `2026-01-02T03:04:05.123456789Z text`
    fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        let space = piece.iter().position(|byte| *byte == b' ').unwrap_or(piece.len());
        let time = String::from_utf8_lossy(&piece[..space]);
        let text = piece.get(space + 1..).unwrap_or_default();
        match (*time).cmp(self.mark.time.as_str()) {
            std::cmp::Ordering::Less => return Ok(()),
            std::cmp::Ordering::Equal => {
                self.seen += 1;
                if self.seen <= self.mark.count {
                    return Ok(());
                }
            }
            std::cmp::Ordering::Greater => {
                self.mark.time = time.into_owned();
                self.seen = 1;
            }
        }
        let known = usize::try_from(self.skip).unwrap_or(usize::MAX).min(text.len());
        self.skip -= known as u64;
        self.writer.write_all(&text[known..])?;
        self.mark.count = self.seen;
        self.mark.end = self.writer.end();
        if self.skip == 0 {
            self.safe = self.mark.clone();
        }
        Ok(())
    }
}

/// Follows until the container has ended and all of its output is written.
pub(super) async fn follow(engine: Arc<Engine>, mut sinks: Sinks, container: String) {
    let mut ended = false;
    loop {
        sinks.begin_pass();
        let Some((back, whole)) = pass(&engine, sinks, &container).await else { return };
        sinks = back;
        let state = match engine.client().await {
            Ok(client) => client.inspect_container(&container, None).await,
            Err(error) => Err(error),
        };
        match state {
            Ok(answer) => {
                let runs = answer.state.and_then(|state| state.running).unwrap_or(false);
                // Only a pass that began after the end surely has everything.
                if !runs && ended && whole {
                    break;
                }
                ended = !runs;
                if runs || !whole {
                    tokio::time::sleep(RETRY).await;
                }
            }
            Err(error) if status(&error) == Some(404) => break,
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
    let _ = tokio::task::spawn_blocking(move || sinks.save()).await;
}

/// Reads what there is, to the end of the stream. Returns whether it ended well, and nothing when the disk failed for
/// good.
async fn pass(engine: &Engine, mut sinks: Sinks, container: &str) -> Option<(Sinks, bool)> {
    let Ok(client) = engine.client().await else { return Some((sinks, false)) };
    let options = LogsOptionsBuilder::default()
        .follow(true)
        .stdout(true)
        .stderr(true)
        .timestamps(true)
        .since(sinks.since())
        .build();
    let mut batches = std::pin::pin!(client.logs(container, Some(options)).ready_chunks(PIECES));
    let mut whole = true;
    while let Some(batch) = batches.next().await {
        let mut pieces = Vec::with_capacity(batch.len());
        for piece in batch {
            match piece {
                Ok(piece) => pieces.push(piece),
                Err(error) => {
                    tracing::debug!(%error, container, "the log stream broke off");
                    whole = false;
                }
            }
        }
        let work = move || {
            let result = sinks.take(&pieces);
            (sinks, result)
        };
        let (back, result) = tokio::task::spawn_blocking(work).await.ok()?;
        sinks = back;
        if let Err(error) = result {
            tracing::error!(%error, container, "a container's output cannot be written");
        }
    }
    Some((sinks, whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::log_writer::read_all;

    fn sink(dir: &Path, mark: Option<Mark>) -> Sink {
        let writer = LogWriter::open(dir, "w.stdout", Limits { files: 3, bytes: 40 }).unwrap();
        let mark = mark.unwrap_or_default();
        let skip = writer.written_since(mark.end);
        Sink { writer, safe: mark.clone(), mark, seen: 0, skip }
    }

    /// Every place at which the copying can be broken off: after each piece, with the mark of any earlier moment.
    #[test]
    fn resuming_anywhere_writes_each_byte_once() {
        let times =
            ["05.000000001", "05.000000001", "05.000000001", "05.000000002", "06.000000000", "06.000000000"];
        let pieces: Vec<String> = times
            .iter()
            .enumerate()
            .map(|(n, time)| format!("2026-01-02T03:04:{time}Z piece {n} of the text\n"))
            .collect();
        let all: String = pieces.iter().map(|piece| piece.split_once(' ').unwrap().1).collect();
        for broken_off in 0..=pieces.len() {
            for marked in broken_off.saturating_sub(2)..=broken_off {
                let temp = tempfile::tempdir().unwrap();
                let mut first = sink(temp.path(), None);
                let mut mark = first.safe.clone();
                for (n, piece) in pieces[..broken_off].iter().enumerate() {
                    first.take(piece.as_bytes()).unwrap();
                    if n < marked {
                        mark = first.safe.clone();
                    }
                }
                let mut second = sink(temp.path(), Some(mark));
                for piece in &pieces {
                    second.take(piece.as_bytes()).unwrap();
                }
                let kept = String::from_utf8(read_all(temp.path(), "w.stdout")).unwrap();
                assert!(all.ends_with(&kept) && kept.len() > 40, "{broken_off} {marked}: {kept}");
            }
        }
    }
}

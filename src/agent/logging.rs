//! Where the agent's log goes: its standard output, one line per event, as text or JSON; and to those who listen.

use std::{
    io::{self, Write},
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::mpsc;
use tracing::{Level, Metadata, level_filters::LevelFilter, subscriber::Interest};
use tracing_subscriber::{
    EnvFilter, fmt,
    fmt::MakeWriter,
    layer::{Context, Filter},
    prelude::*,
    reload,
};

use super::config::Config;
use crate::actors::ports::{LogLevel, LogTap};

/// People who may listen at a time; each event is formatted for all of them once.
const MAX_LISTENERS: usize = 16;
/// Lines that wait for a slow listener; further ones are missed.
const WAITING: usize = 1024;

/// Sets up the log of this process. A second call changes nothing.
pub(super) fn set_up(config: &Config) {
    let level = &config.log_level;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(directives(level)));
    let (filter, handle) = reload::Layer::new(filter);
    let text = fmt::layer().with_target(false).with_ansi(false).with_writer(&TEXT).with_filter(Wanted(&TEXT));
    let json = fmt::layer().json().with_writer(&JSON).with_filter(Wanted(&JSON));
    let registry = tracing_subscriber::registry().with(text).with(json);
    let result = if config.log_json {
        registry.with(fmt::layer().json().with_filter(filter)).try_init()
    } else {
        registry.with(fmt::layer().with_target(false).with_ansi(false).with_filter(filter)).try_init()
    };
    if let Err(error) = result {
        tracing::debug!(%error, "logging was set up before");
        return;
    }
    let change = move |level: &str| handle.reload(EnvFilter::new(directives(level))).is_ok();
    let _ = CHANGE.set(Box::new(change));
}

/// The libraries below speak only when something is wrong. RUST_LOG overrules all of it.
fn directives(level: &str) -> String {
    format!("warn,troupe={},openraft=error,actix_http=off", level.to_lowercase())
}

/// Obeys another level from now on; false: it cannot.
type SetLevel = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// For the log that was set up.
static CHANGE: OnceLock<SetLevel> = OnceLock::new();

/// Writes from now on what is of this level or worse. False: RUST_LOG says what is written, or there is no log.
pub(super) fn set_level(level: &str) -> bool {
    std::env::var_os(EnvFilter::DEFAULT_ENV).is_none() && CHANGE.get().is_some_and(|change| change(level))
}

static TEXT: Listeners = Listeners::new();
static JSON: Listeners = Listeners::new();

/// The log of this process.
pub(super) struct OwnLog;

impl LogTap for OwnLog {
    fn listen(&self, level: LogLevel, json: bool) -> Option<mpsc::Receiver<Bytes>> {
        if json { JSON.listen(level) } else { TEXT.listen(level) }
    }
}

/// Who listens to lines of one form.
struct Listeners {
    all: Mutex<Vec<Listener>>,
    /// The most that any of them wants; 0: nobody is there.
    most: AtomicUsize,
}

struct Listener {
    level: usize,
    lines: mpsc::Sender<Bytes>,
    missed: AtomicU64,
}

impl Listener {
    /// False: it is gone.
    fn tell(&self, line: &Bytes) -> bool {
        let missed = self.missed.load(Ordering::Relaxed);
        if missed > 0 {
            let words = format!("[{missed} lines were missed: they came faster than they were read]\n");
            if self.lines.try_send(words.into()).is_ok() {
                self.missed.store(0, Ordering::Relaxed);
            }
        }
        match self.lines.try_send(line.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.missed.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }
}

impl Listeners {
    const fn new() -> Self {
        Self { all: Mutex::new(Vec::new()), most: AtomicUsize::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Listener>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self, level: LogLevel) -> Option<mpsc::Receiver<Bytes>> {
        let (lines, receiver) = mpsc::channel(WAITING);
        let mut all = self.lock();
        all.retain(|listener| !listener.lines.is_closed());
        if all.len() >= MAX_LISTENERS {
            return None;
        }
        all.push(Listener { level: level as usize + 1, lines, missed: AtomicU64::new(0) });
        self.count(&all);
        drop(all);
        // Places that were silent until now may have to speak.
        tracing::callsite::rebuild_interest_cache();
        Some(receiver)
    }

    fn count(&self, all: &[Listener]) {
        let most = all.iter().map(|listener| listener.level).max().unwrap_or(0);
        self.most.store(most, Ordering::Relaxed);
    }

    fn tell(&self, level: usize, line: &Bytes) {
        let mut all = self.lock();
        let before = all.len();
        all.retain(|listener| listener.level < level || listener.tell(line));
        // How silent places may be again is found out when somebody listens the next time.
        if all.len() != before {
            self.count(&all);
        }
    }
}

/// 1: errors, to 5: everything.
fn rank(level: Level) -> usize {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// Lets through what somebody wants: of this program; of libraries when something is wrong.
struct Wanted(&'static Listeners);

impl Wanted {
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let level = rank(*metadata.level());
        level <= self.0.most.load(Ordering::Relaxed)
            && (level <= 2 || metadata.target().starts_with(env!("CARGO_PKG_NAME")))
    }
}

impl<S> Filter<S> for Wanted {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        // Asked again when somebody begins to listen.
        if self.wants(metadata) { Interest::sometimes() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.0.most.load(Ordering::Relaxed) {
            0 => LevelFilter::OFF,
            1 => LevelFilter::ERROR,
            2 => LevelFilter::WARN,
            3 => LevelFilter::INFO,
            4 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        })
    }
}

/// One event on its way to the listeners.
struct Line {
    to: &'static Listeners,
    level: usize,
    text: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.text.is_empty() {
            self.to.tell(self.level, &Bytes::from(std::mem::take(&mut self.text)));
        }
    }
}

impl MakeWriter<'_> for &'static Listeners {
    type Writer = Line;

    fn make_writer(&self) -> Line {
        Line { to: self, level: 1, text: Vec::new() }
    }

    fn make_writer_for(&self, metadata: &Metadata<'_>) -> Line {
        Line { to: self, level: rank(*metadata.level()), text: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &mut mpsc::Receiver<Bytes>) -> Vec<String> {
        std::iter::from_fn(|| lines.try_recv().ok())
            .map(|line| String::from_utf8(line.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn each_hears_what_it_wants_and_learns_what_it_missed() {
        static LISTENERS: Listeners = Listeners::new();
        let subscriber = tracing_subscriber::registry().with(
            fmt::layer()
                .without_time()
                .with_target(false)
                .with_ansi(false)
                .with_writer(&LISTENERS)
                .with_filter(Wanted(&LISTENERS)),
        );
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!("nobody hears this");
            let mut few = LISTENERS.listen(LogLevel::Warn).unwrap();
            let mut much = LISTENERS.listen(LogLevel::Debug).unwrap();
            tracing::warn!(n = 1, "careful");
            tracing::debug!("looked");
            tracing::trace!("nobody wants this");
            assert_eq!(all(&mut few), [" WARN careful n=1\n"]);
            assert_eq!(all(&mut much), [" WARN careful n=1\n", "DEBUG looked\n"]);
            drop(much);
            for n in 0..WAITING + 5 {
                tracing::error!(n, "again");
            }
            assert_eq!(LISTENERS.most.load(Ordering::Relaxed), 2);
            assert_eq!(all(&mut few).len(), WAITING);
            tracing::error!("now");
            assert_eq!(
                all(&mut few),
                ["[5 lines were missed: they came faster than they were read]\n", "ERROR now\n"]
            );
            let held: Vec<_> =
                (1..MAX_LISTENERS).map(|_| LISTENERS.listen(LogLevel::Info).unwrap()).collect();
            assert!(LISTENERS.listen(LogLevel::Info).is_none());
            drop(held);
            assert!(LISTENERS.listen(LogLevel::Info).is_some());
        });
    }
}
